/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_AGENT_H
#define E2B_LIB_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "agent/control.h"
#include "agent/flow.h"
#include "agent/handshake.h"
#include "agent/timers.h"
#include "agent/ws_frame.h"
#include "base/list.h"

/* The agent as a whole: one thread, one epoll, and what it holds. */

typedef struct e2b__agent e2b__agent_t;
typedef struct e2b__connection e2b__connection_t;
typedef struct e2b__terminal e2b__terminal_t;
typedef struct e2b__viewer e2b__viewer_t;

typedef struct e2b__options {
  uint64_t idle_ms;
  uint64_t handshake_ms; /* for a request head */
  uint64_t silence_ms;   /* after which a connection is given up */
  uint64_t keep_ms;      /* how long an ended terminal is kept */
} e2b__options_t;

enum {
  E2B__AGENT_PORT = 49982,
  E2B__AGENT_RUNNING_MOST = 8192,
  E2B__AGENT_KEPT_MOST = 256,
  E2B__AGENT_HANDSHAKES_MOST = 1024,
  E2B__AGENT_LOST_MOST = 64, /* viewers of one terminal */
  E2B__AGENT_BUCKETS = 1024  /* a power of two */
};

#define E2B__AGENT_ADDRESS "agent.json"

/* A descriptor in the epoll. */
typedef struct e2b__source {
  int fd;          /* -1: closed */
  uint32_t events; /* asked for; 0: not in the epoll */
  void (*ready)(struct e2b__source *source, uint32_t events);
} e2b__source_t;

struct e2b__agent {
  e2b__options_t options;
  int epoll;
  e2b__source_t listener;
  e2b__source_t signals;
  int spare;   /* a descriptor given up when there are no others */
  int address; /* the directory that holds agent.json; -1: none */
  unsigned port;
  char secret[E2B__SECRET_DIGITS + 1];
  const char *home;
  struct rlimit files; /* RLIMIT_NOFILE as it was */
  uint64_t now_ms;     /* monotonic, when the present round began */
  e2b__timers_t timers;
  e2b__timer_t idle;
  bool ending;
  size_t connection_count;
  size_t handshake_count;
  size_t running_count;
  size_t kept_count;
  uint64_t created; /* terminals, ever */
  e2b__list_t connections;
  e2b__list_t handshakes; /* the oldest first */
  e2b__list_t dirty;      /* connections that have something to send */
  e2b__list_t buried;     /* connections closed in this round; the epoll may still name them */
  e2b__list_t buried_terminals;
  e2b__list_t terminals; /* in the order of their creation */
  e2b__list_t kept;      /* those that have ended, the oldest first */
  e2b__list_t by_id[E2B__AGENT_BUCKETS];
  e2b__list_t by_pid[E2B__AGENT_BUCKETS];
};

/* ---- agent.c ---- */

int e2b__agent_init(e2b__agent_t *agent, const e2b__options_t *options);
/* Until it ends. */
void e2b__agent_run(e2b__agent_t *agent);
void e2b__agent_free(e2b__agent_t *agent);
/* Asks the epoll for these events; 0: for none. 0, or -1 and errno. */
int e2b__source_watch(e2b__agent_t *agent, e2b__source_t *source, uint32_t events);
void e2b__source_close(e2b__agent_t *agent, e2b__source_t *source);
/* Starts or stops the clock of idleness, after something came or went. */
void e2b__agent_count(e2b__agent_t *agent);
uint64_t e2b__agent_after(const e2b__agent_t *agent, uint64_t ms);

/* ---- listen.c ---- */

/* 0, or -1 and errno. */
int e2b__agent_listen(e2b__agent_t *agent);

/* ---- connection.c ---- */

typedef enum e2b__phase {
  E2B__PHASE_HANDSHAKE,
  E2B__PHASE_OPEN,
  E2B__PHASE_CLOSING, /* our last word is said or on its way; what comes is discarded */
  E2B__PHASE_CLOSED
} e2b__phase_t;

struct e2b__connection {
  e2b__source_t source; /* first */
  e2b__agent_t *agent;
  e2b__list_t node;       /* of agent->connections, or ->buried */
  e2b__list_t phase_node; /* of agent->handshakes */
  e2b__list_t dirty;
  e2b__phase_t phase;
  bool blocked;      /* the socket takes no more; the epoll says when it does */
  bool said_all;     /* the write side is shut */
  bool was_attached; /* once is all */
  uint64_t heard_ms;
  e2b__timer_t clock; /* of the handshake, silence, or lingering */
  e2b__buffer_t head; /* of the request */
  e2b__buffer_t out;  /* what must go out before anything else */
  size_t out_at;
  e2b__ws_decoder_t decoder;
  e2b__viewer_t *viewer;
  unsigned lists;      /* answers to `list` that are owed */
  uint64_t list_after; /* the last terminal told by the present one */
};

/* Takes the socket over. NULL when memory is out. */
e2b__connection_t *e2b__connection_new(e2b__agent_t *agent, int fd);
/* Says `code`, and goes when it is said. Its viewer is lost to the terminal, unless it left. */
void e2b__connection_close(e2b__connection_t *connection, unsigned code);
/* At once, without a word. */
void e2b__connection_drop(e2b__connection_t *connection);
/* There is something to send: soon. */
void e2b__connection_touch(e2b__connection_t *connection);
/* Bytes that go out in order; a failure drops the connection. */
void e2b__connection_frame(e2b__connection_t *connection, unsigned opcode, const void *data,
                           size_t len);
/* Frees what was dropped in this round. */
void e2b__connections_bury(e2b__agent_t *agent);

/* ---- send.c ---- */

/* Sends what there is, and as much as the socket takes. */
void e2b__connection_flush(e2b__connection_t *connection);

/* ---- answers.c: control messages to a client ---- */

void e2b__answer_attached(e2b__connection_t *connection, uint64_t lost);
void e2b__answer_error(e2b__connection_t *connection, const char *code, const char *message,
                       const char *id);
void e2b__answer_signalled(e2b__connection_t *connection, const char *id, bool found);
void e2b__answer_input(e2b__connection_t *connection, uint64_t offset);
void e2b__answer_gap(e2b__connection_t *connection, uint64_t lost, uint64_t offset);
void e2b__answer_size(e2b__connection_t *connection);
void e2b__answer_exit(e2b__connection_t *connection);
/* The next part of the answer to `list`. */
void e2b__answer_list(e2b__connection_t *connection);

/* ---- requests.c ---- */

void e2b__connection_control(e2b__connection_t *connection, const char *text, size_t len);
void e2b__connection_input(e2b__connection_t *connection, const char *data, size_t len);

/* ---- terminal.c ---- */

typedef enum e2b__reading {
  E2B__READING_ON,
  E2B__READING_HELD, /* for the viewers */
  E2B__READING_HUNG, /* nobody has the far end open, but the program runs */
  E2B__READING_OVER
} e2b__reading_t;

struct e2b__terminal {
  e2b__source_t source; /* first: the near end */
  e2b__agent_t *agent;
  e2b__list_t node; /* of agent->terminals */
  e2b__list_t kept;
  e2b__list_t id_node;
  e2b__list_t pid_node;
  uint64_t number; /* how manieth */
  char id[E2B__AGENT_NAME_LARGEST + 1];
  pid_t pid;
  char **argv; /* one piece of memory with the strings */
  size_t argc;
  unsigned short cols;
  unsigned short rows;
  int64_t created_ms; /* since 1970 */
  uint64_t hold_ms;
  e2b__ring_t ring;
  e2b__list_t viewers; /* attached and lost */
  e2b__list_t inputs;  /* viewers with input in their queue */
  unsigned attached_count;
  unsigned lost_count;
  e2b__reading_t reading;
  bool hold_expired; /* it runs on, until a viewer shows signs of life */
  bool expired;      /* forgotten when the last viewer goes */
  bool reaped;
  size_t rest; /* how much more is read after the program's end */
  int code;
  int signal;
  e2b__timer_t pause;
  e2b__timer_t life; /* until it is killed; once it has ended, until it is forgotten */
};

/* All that could fail for want of memory, before the program is started. NULL then. */
e2b__terminal_t *e2b__terminal_new(e2b__agent_t *agent, const e2b__control_t *create);
/* Takes `master` over. */
void e2b__terminal_started(e2b__terminal_t *terminal, pid_t pid, int master, uint64_t timeout_ms);
void e2b__terminal_free(e2b__terminal_t *terminal);
bool e2b__terminal_is_over(const e2b__terminal_t *terminal);
void e2b__terminal_ended(e2b__terminal_t *terminal, int status);
/* A viewer came, left, or took something: is it still to be held? */
void e2b__terminal_reconsider(e2b__terminal_t *terminal, bool progress);
void e2b__terminal_resize(e2b__terminal_t *terminal, unsigned cols, unsigned rows);
/* False when it has ended. */
bool e2b__terminal_signal(e2b__terminal_t *terminal, int sig);
/* Brings waiting input to the program. */
void e2b__terminal_feed(e2b__terminal_t *terminal);
/* Takes input of a viewer's that fits its window. */
void e2b__terminal_input(e2b__viewer_t *viewer, const char *data, size_t len);
void e2b__terminal_forget_if_expired(e2b__terminal_t *terminal);

/* ---- terminals.c ---- */

e2b__terminal_t *e2b__terminals_find(e2b__agent_t *agent, const char *id);
void e2b__terminals_add(e2b__terminal_t *terminal);
void e2b__terminals_keep(e2b__terminal_t *terminal);
/* Forgets it; its memory goes with e2b__terminals_bury(). */
void e2b__terminals_remove(e2b__terminal_t *terminal);
void e2b__terminals_bury(e2b__agent_t *agent);
void e2b__terminals_reap(e2b__agent_t *agent);
/* SIGHUP for every program, because the agent ends. */
void e2b__terminals_hang_up(e2b__agent_t *agent);

/* ---- viewer.c ---- */

struct e2b__viewer {
  e2b__list_t node;       /* of terminal->viewers, the longest lost first */
  e2b__list_t input_node; /* of terminal->inputs */
  e2b__terminal_t *terminal;
  e2b__connection_t *connection; /* NULL: lost */
  e2b__flow_t flow;
  e2b__input_t input;
  uint64_t told;     /* of input: accepted, and the client knows */
  e2b__timer_t news; /* until it is told that input was accepted */
  bool input_due;    /* now */
  bool size_due;     /* another viewer has changed the size */
  bool exit_told;
  bool left;     /* for good; what was accepted is still delivered */
  bool known;    /* its writer had a connection before this one */
  char writer[]; /* empty: none */
};

/* The viewer of that writer, or a new one, on this connection. NULL when memory is out. A
 * connection that the writer has already is closed. */
e2b__viewer_t *e2b__viewer_attach(e2b__terminal_t *terminal, e2b__connection_t *connection,
                                  const char *writer);
/* The connection is gone. What a writer had accepted stays. */
void e2b__viewer_lose(e2b__viewer_t *viewer);
/* It left for good: nothing is kept but input that was accepted, until that is delivered. */
void e2b__viewer_leave(e2b__viewer_t *viewer);
void e2b__viewer_free(e2b__viewer_t *viewer);
/* Input was accepted: the client is to hear of it, soon or at once. */
void e2b__viewer_accepted(e2b__viewer_t *viewer);
/* The client has been told of all input accepted. */
void e2b__viewer_told(e2b__viewer_t *viewer);

#endif
