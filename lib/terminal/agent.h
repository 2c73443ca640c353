/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_AGENT_H
#define E2B_LIB_TERMINAL_AGENT_H

#include "net/delay.h"
#include "terminal/agent_supervisor.h"
#include "terminal/endpoint.h"
#include "terminal/line.h"
#include "terminal/terminal.h"

/* The client's side of the agent's protocol (agent/PROTOCOL.md), one WebSocket for a terminal:
 * agent.c has the connection, agent_receive.c what comes, agent_send.c what goes, and
 * agent_query.c the calls that belong to no terminal.
 *
 *  state       socket   leaves by
 *  APART       none     open() -> ASKING or CONNECTING
 *  ASKING      none     the supervisor's answer -> CONNECTING, or failed -> APART
 *  CONNECTING  opening  the upgrade -> ATTACHING; its end -> APART
 *  ATTACHING   open     `attached` -> ATTACHED; an error, its end -> APART
 *  ATTACHED    open     its end -> APART
 *  LEAVING     closing  its end, or that of the client: freed
 * Whatever ends in APART tells the terminal that it failed. close() ends in LEAVING when there is
 * an open socket, else it frees at once. */
typedef enum e2b__agent_state {
  E2B__AGENT_APART,
  E2B__AGENT_ASKING,
  E2B__AGENT_CONNECTING,
  E2B__AGENT_ATTACHING,
  E2B__AGENT_ATTACHED,
  E2B__AGENT_LEAVING
} e2b__agent_state_t;

enum {
  E2B__AGENT_NAME_SIZE = 20,          /* of ids and writers that are made here */
  E2B__AGENT_MESSAGE_MAX = 128 << 10, /* of a control message to a terminal */
  E2B__AGENT_OFFSET_BYTES = 8         /* in front of output */
};

#define E2B__AGENT_PROTOCOL "e2b-terminal.v1"

typedef struct e2b__agent {
  /* What a key looks at. */
  e2b__transport_t base;
  e2b__agent_state_t state;
  bool suspect;       /* the address: the last connection to it was refused */
  bool created;       /* the agent has the terminal: from now on it is attached to */
  uint8_t offset_len; /* of the bytes in front of output that have come */
  unsigned char offset[E2B__AGENT_OFFSET_BYTES];
  uint32_t ring;
  uint32_t window;
  e2b__websocket_t *socket;
  uint64_t acked;    /* what the agent was told of the terminal's offset */
  uint64_t accepted; /* input: the first byte in `line` has this offset */
  uint64_t sent;     /* input: what this connection was given */
  e2b__line_t line;  /* typed, and not accepted */

  uint32_t liveness_ms;
  unsigned generation; /* of the address that is used */
  e2b__supervisor_t *supervisor;
  e2b__supervisor_wait_t wait;
  e2b__delay_t *clock; /* while ATTACHING */
  e2b__guest_t guest;  /* while LEAVING */
  char *id;            /* of the terminal */
  char writer[E2B__AGENT_NAME_SIZE];
  e2b__buffer_t request; /* the create, until it was answered */
  e2b__list_t signals;   /* that are not answered, oldest first */
} e2b__agent_t;

/* agent_receive.c */
extern const e2b__websocket_events_t e2b__agent_events;

/* agent_send.c */
/* The create message, into agent->request. */
int e2b__agent_make_request(e2b__agent_t *agent, const e2b__terminal_spec_t *spec);
/* Whether the hello says from where output is wanted; else it is the oldest that is kept. */
bool e2b__agent_names_offset(const e2b__agent_t *agent);
/* Creates or attaches. */
int e2b__agent_send_hello(e2b__agent_t *agent);
/* All that may be sent now: signals, the size, input. */
void e2b__agent_pump(e2b__agent_t *agent);
/* Tells the agent what was taken, when that is much. 0, or E2B_ENOMEM. */
int e2b__agent_acknowledge(e2b__agent_t *agent);
/* The agent has accepted input up to this offset. False: that makes no sense. */
bool e2b__agent_accept(e2b__agent_t *agent, uint64_t offset);
int e2b__agent_write(e2b__transport_t *transport, const char *data, size_t len);
size_t e2b__agent_waiting(const e2b__transport_t *transport);
void e2b__agent_go_on(e2b__transport_t *transport);
int e2b__agent_resize(e2b__transport_t *transport);
e2b_future_t *e2b__agent_signal(e2b__transport_t *transport, int signal_number, const char *name);
/* The oldest signal that was sent is answered: with `error` NULL, whether it found anything. */
void e2b__agent_answer_signal(e2b__agent_t *agent, bool found, const e2b_error_t *error);
/* The connection is gone: what was sent and not answered may have had its effect; a kill is sent
 * again. */
void e2b__agent_lose_signals(e2b__agent_t *agent);
void e2b__agent_end_signals(e2b__agent_t *agent, int code);

/* agent.c */
bool e2b__agent_is_id(const char *id);
/* The connection is of no use any more. */
void e2b__agent_fail(e2b__agent_t *agent, const e2b_error_t *error, bool final);
/* Of the answer to the hello. */
void e2b__agent_start_clock(e2b__agent_t *agent);
/* Its socket has closed after close(). */
void e2b__agent_left(e2b__agent_t *agent);
/* Its socket has ended by itself. */
void e2b__agent_gone(e2b__agent_t *agent, const e2b__websocket_end_t *end);
/* Options of a WebSocket to an agent; the endpoint must outlive their use. 0 or an error. */
int e2b__agent_options(e2b__endpoint_t *endpoint, const e2b_sandbox_t *sandbox,
                       const e2b__agent_address_t *address, char bearer[80],
                       e2b__websocket_options_t *options);

/* agent_query.c: futures of public functions */
e2b_future_t *e2b__agent_list(e2b_sandbox_t *sandbox, const char *user);
e2b_future_t *e2b__agent_kill(e2b_sandbox_t *sandbox, const char *user, const char *id);

#endif
