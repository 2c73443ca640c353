/* SPDX-License-Identifier: MIT */
#ifndef E2B_TERMINAL_H
#define E2B_TERMINAL_H

#include "e2b/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Interactive terminals in a sandbox: a program on a pseudo-terminal, a stream of bytes both ways.
 * A terminal lives as long as its program and its sandbox, whatever happens to its clients: a
 * handle is one viewer of it. An operation on a NULL terminal returns NULL (or E2B_ENOMEM), which
 * every future function takes. */
typedef struct e2b_terminal e2b_terminal_t;

/* How a handle reaches its terminal.
 *  AGENT    a small program that the library puts into the sandbox once per user and keeps the
 *           terminals: they outlive lost connections, with every byte once and in order.
 *  JUPYTER  the terminal service of a Jupyter server, such as the code-interpreter template's on
 *           port 8888 (protocol 7.1 to 7.3). Text: bytes that are not UTF-8 do not pass. No exit
 *           codes. Output that was missed in an outage is replayed as far as the server keeps it.
 *  TTYD     a ttyd that runs in the template (protocol 7.4), with -W. It chooses the program. Its
 *           terminals end with their connection, have no id, and no exit codes.
 *  ENVD     the sandbox's process service (protocol 5.8, 5.9). Everywhere. What a program writes
 *           while nobody is connected is lost. Its end is told when no process has the terminal
 *           open any more: a job in the background may delay it, also after a kill. */
typedef enum e2b_transport {
  E2B_TRANSPORT_AUTO = 0, /* AGENT; ENVD where that cannot run, and the log says so */
  E2B_TRANSPORT_AGENT = 1,
  E2B_TRANSPORT_JUPYTER = 2,
  E2B_TRANSPORT_TTYD = 3,
  E2B_TRANSPORT_ENVD = 4
} e2b_transport_t;

/* How a terminal's program ended. */
typedef struct e2b_terminal_exit {
  int known;     /* nonzero: the transport tells; else the rest is -1 and 0 */
  int exit_code; /* -1 when a signal ended it */
  int signal;    /* its number on Linux; 0 for none */
} e2b_terminal_exit_t;

/* Instead of a number of bytes that nobody counted. */
#define E2B_BYTES_UNKNOWN UINT64_MAX

/* Callbacks come from the loop, never from inside a call of the library, and may call anything:
 * write, pause, close, release, e2b_client_close(). All are optional. Data may come before the
 * callback of the future that yields the terminal. */
typedef void (*e2b_terminal_data_cb)(e2b_terminal_t *terminal, const char *data, size_t len,
                                     void *user_data);
typedef void (*e2b_terminal_exit_cb)(e2b_terminal_t *terminal, const e2b_terminal_exit_t *exit,
                                     void *user_data);
typedef void (*e2b_terminal_gap_cb)(e2b_terminal_t *terminal, uint64_t bytes, void *user_data);
typedef void (*e2b_terminal_error_cb)(e2b_terminal_t *terminal, const e2b_error_t *error,
                                      void *user_data);
typedef void (*e2b_terminal_cb)(e2b_terminal_t *terminal, void *user_data);

typedef struct e2b_terminal_options {
  size_t size;
  /* e2b_terminal_create() alone. TTYD: only the size; the rest is its server's. */
  const char *program;     /* default: a login bash, /bin/bash -i -l */
  const char *const *args; /* without the program's own name; ends with NULL; may be NULL */
  uint16_t cols;           /* default 80 */
  uint16_t rows;           /* default 24 */
  const char *cwd;         /* default: the user's home */
  /* They go before the sandbox's own. So do TERM=xterm-256color, LANG=C.UTF-8 and LC_ALL=C.UTF-8,
   * each unless it is named here; LC_ALL goes before LANG, so another language names both. */
  const e2b_pair_t *envs;
  size_t envs_count;
  /* Default: the template's. The agent's terminals are kept by user. JUPYTER: E2B_EUNIMPLEMENTED,
   * it is the server's; so it is with TTYD, which ignores this. */
  const char *user;
  e2b_transport_t transport;
  uint16_t port;        /* JUPYTER: default 8888; TTYD: default 7681 */
  const char *base_url; /* JUPYTER, TTYD: a server of your own instead, "http://127.0.0.1:8888" */
  /* JUPYTER: sent as "Authorization: token ..."; TTYD: "user:password". Default none. */
  const char *credential;

  uint32_t ring_bytes; /* AGENT: output kept for those who come (back); default 256 KiB */
  /* AGENT: how long the program may be held back for a viewer that does not take its output.
   * Default 10,000; E2B_NO_TIMEOUT: as long as it takes; 1 is next to not at all. */
  uint64_t hold_ms;
  uint64_t timeout_ms; /* the program is killed then (AGENT, ENVD); default: never */

  /* e2b_terminal_get_by_id(), AGENT: the first byte of output wanted, see e2b_terminal_offset();
   * on_gap tells what is not kept any more. Default: the oldest that is kept. E2B_EREQUEST beyond
   * the end of the output. */
  uint64_t from_offset;

  size_t write_limit; /* of what e2b_terminal_write() holds; default 1 MiB */
  /* An outage may last so long; progress after a reconnect begins a new account. Default 300,000;
   * 1: the first lost connection is the end. */
  uint64_t reconnect_ms;
  /* AGENT, JUPYTER, TTYD: a connection on which nothing came for so long is lost: a silence of half
   * of it is broken by a ping. Default 60,000, at most 100,000; a connection that breaks openly is
   * noticed at once. */
  uint64_t liveness_ms;

  e2b_terminal_data_cb on_data;  /* output, lent for the call */
  e2b_terminal_gap_cb on_gap;    /* so many bytes of output are missing here */
  e2b_terminal_exit_cb on_exit;  /* the program has ended, and all its output has been delivered */
  e2b_terminal_error_cb on_lost; /* the connection; the library is reconnecting */
  e2b_terminal_cb on_restored;
  e2b_terminal_cb on_drain; /* what was refused with E2B_EAGAIN is welcome again */
  /* The last callback, once for every terminal that a future has yielded: after on_exit, after
   * e2b_terminal_close(), after the last release, after the client was closed (error NULL), or when
   * the terminal was lost for good (with the error). */
  e2b_terminal_error_cb on_closed;
  void *user_data;
} e2b_terminal_options;

/* Starts a program on a new terminal. Yields e2b_future_terminal() once it runs. Cancelling before
 * that may or may not leave it running. Errors: E2B_ENOTFOUND (AGENT: no such program; elsewhere a
 * program that cannot be found ends with exit code 127), E2B_EREQUEST (a working directory that
 * does not exist), E2B_EAUTH (no such user), E2B_EUNIMPLEMENTED (the agent cannot run in this
 * sandbox, and no other transport was allowed), E2B_ESANDBOXGONE, E2B_ELIMIT (AGENT: it has
 * 8,192 terminals, or the sandbox no pseudo-terminals, processes or descriptors left), E2B_ETOOBIG
 * (AGENT: program, arguments and variables take more than 64 KiB as JSON), E2B_EINVAL (a program,
 * argument, directory or variable that is not UTF-8 among others), those of connecting. In
 * a sandbox that is closed to the public E2B_EAUTH is also a traffic token that is wrong, and of
 * JUPYTER and TTYD a wrong `credential`. */
E2B_API e2b_future_t *e2b_terminal_create(e2b_sandbox_t *sandbox,
                                          const e2b_terminal_options *options);

/* One more viewer of a terminal that exists, of this client or of any: its recent output (AGENT:
 * what the ring holds; JUPYTER: what the server replays; ENVD: none), then what it writes from now
 * on, then its exit. Of the options, `user`, `transport`, `port`, `base_url`, `credential`,
 * `from_offset`, `write_limit`, `reconnect_ms`, `liveness_ms` and the callbacks count. The others
 * were settled when it was created: they must be valid, and change nothing. That goes for `cols`
 * and `rows` too: the terminal keeps its size until somebody calls e2b_terminal_resize(). With
 * E2B_TRANSPORT_AUTO a decimal id is one of ENVD. The agent keeps a terminal for ten minutes after
 * its program's end. E2B_ENOTFOUND; TTYD: E2B_EUNIMPLEMENTED. */
E2B_API e2b_future_t *e2b_terminal_get_by_id(e2b_sandbox_t *sandbox, const char *id,
                                             const e2b_terminal_options *options);

/* The handle, with a reference of its own. */
E2B_API e2b_terminal_t *e2b_future_terminal(const e2b_future_t *future);
E2B_API e2b_terminal_t *e2b_terminal_acquire(e2b_terminal_t *terminal);
/* Gives a reference back. The last one closes (unless a wait is pending); the program runs on. NULL
 * is allowed. */
E2B_API void e2b_terminal_release(e2b_terminal_t *terminal);

/* Lent until the handle is released. "" and 0 where the transport has none. */
E2B_API const char *e2b_terminal_id(const e2b_terminal_t *terminal);
E2B_API uint32_t e2b_terminal_pid(const e2b_terminal_t *terminal);
/* The size as far as it is known. AGENT: the terminal's, also when another viewer has changed it.
 * Elsewhere what this handle has asked for last, or what its options said, which for
 * e2b_terminal_get_by_id() need not be the terminal's. */
E2B_API uint16_t e2b_terminal_cols(const e2b_terminal_t *terminal);
E2B_API uint16_t e2b_terminal_rows(const e2b_terminal_t *terminal);
E2B_API e2b_transport_t e2b_terminal_transport(const e2b_terminal_t *terminal);
/* How much of its output has been delivered or was missed, in bytes: what a later viewer gives as
 * `from_offset` to go on from here. Counts from the terminal's first byte (AGENT; elsewhere from
 * where this handle began). Inside on_data and on_gap it is where these bytes begin. */
E2B_API uint64_t e2b_terminal_offset(const e2b_terminal_t *terminal);

/* Types bytes, in the order of the calls; they are copied. 0, or E2B_EAGAIN when more than
 * `write_limit` would be waiting (nothing of it was taken; `on_drain` follows; a piece of any size
 * is taken when nothing waits), E2B_ECLOSED after the end, E2B_EINVAL, E2B_ENOMEM. In an outage
 * bytes wait. AGENT: each arrives once (or the terminal ends with E2B_ECONNLOST, when the agent has
 * forgotten a viewer that was lost, for 64 who were lost later). ENVD, JUPYTER, TTYD: none twice,
 * but what was on its way when a connection broke may be lost. A terminal in its usual mode takes
 * lines of 4,095 bytes at most; the kernel cuts longer ones. JUPYTER: bytes that are not UTF-8
 * arrive as U+FFFD. */
E2B_API int e2b_terminal_write(e2b_terminal_t *terminal, const void *data, size_t len);

/* Typed bytes that wait; 0 after the end. AGENT: all that the agent has not accepted: what it has
 * reaches the program, whatever becomes of this viewer. Elsewhere: what the connection has not
 * taken. */
E2B_API size_t e2b_terminal_pending_bytes(const e2b_terminal_t *terminal);

/* Sets the size, 1 to 65535 each: 0, E2B_EINVAL, E2B_ECLOSED, E2B_ENOMEM. The last to ask wins,
 * also over other viewers; what was asked for in an outage is sent after it. */
E2B_API int e2b_terminal_resize(e2b_terminal_t *terminal, uint16_t cols, uint16_t rows);

/* Sends a signal by its number (of Linux) to the program in the foreground (AGENT: and to the
 * terminal's own; SIGKILL and SIGHUP to all of its session). Yields e2b_future_bool(): 0 when it
 * had ended. JUPYTER and TTYD have none: SIGINT, SIGQUIT and SIGTSTP are typed as Ctrl-C,
 * Ctrl-\ and Ctrl-Z, others are E2B_EUNIMPLEMENTED. */
E2B_API e2b_future_t *e2b_terminal_signal(e2b_terminal_t *terminal, int signal_number);
/* Ends the program by SIGKILL (JUPYTER: DELETE; TTYD: by hanging up). Yields e2b_future_bool().
 * Idempotent; the exit follows as its own event. */
E2B_API e2b_future_t *e2b_terminal_kill(e2b_terminal_t *terminal);

/* The end: yields e2b_future_terminal_exit(), lent until the future is released. Any number of
 * times, also after the end. Cancelling gives up the waiting only. Errors: E2B_ESANDBOXGONE,
 * E2B_ECONNLOST (or what else kept failing until `reconnect_ms` was used up), E2B_ENORESULT (the
 * terminal is there no more), E2B_ECANCELED (closed meanwhile). */
E2B_API e2b_future_t *e2b_terminal_wait(e2b_terminal_t *terminal);
E2B_API const e2b_terminal_exit_t *e2b_future_terminal_exit(const e2b_future_t *future);

/* Lets go of the terminal, whose program runs on (TTYD: is hung up): no callback but on_closed
 * comes after this call. Input that could not be sent yet is dropped, and nobody is told: what was
 * written in an outage, or faster than the program reads. AGENT: what was sent arrives, unless the
 * connection is lost in this very moment or the loop is not run any more; elsewhere even that may
 * be lost. Who wants input to arrive closes after its effect has been seen: an echo, a prompt, the
 * exit; or, AGENT, when e2b_terminal_pending_bytes() is 0.
 */
E2B_API void e2b_terminal_close(e2b_terminal_t *terminal);

/* Stops and goes on delivering output. A paused terminal stops reading its socket; AGENT: for
 * `hold_ms` its program is held back once the ring is full, then it runs on and on_gap tells what
 * was missed. JUPYTER's server keeps everything in its memory meanwhile; ENVD's program blocks, for
 * every viewer. */
E2B_API void e2b_terminal_pause(e2b_terminal_t *terminal);
E2B_API void e2b_terminal_resume(e2b_terminal_t *terminal);

typedef struct e2b_terminal_info {
  const char *id;
  uint32_t pid;
  const char *program;
  const char *const *args; /* ends with NULL */
  size_t args_count;
  uint16_t cols; /* ENVD: as it was created; 0 where the transport does not tell */
  uint16_t rows;
  int running;              /* 0: exited, and still kept */
  e2b_terminal_exit_t exit; /* when it is not running */
  int64_t created_ms;       /* since 1970; 0 where the transport does not tell */
  uint32_t viewers;         /* connected now; likewise */
  e2b_transport_t transport;
} e2b_terminal_info_t;

typedef struct e2b_terminal_list {
  const e2b_terminal_info_t *items;
  size_t count;
} e2b_terminal_list_t;

typedef struct e2b_terminal_list_options {
  size_t size;
  const char *user; /* AGENT: whose terminals; default: the template's user */
  /* AUTO: those of the agent, if one runs, and of ENVD. TTYD has no list. */
  e2b_transport_t transport;
  uint16_t port;
  const char *base_url;
  const char *credential;
} e2b_terminal_list_options;

/* Exactly the terminals that this library created (JUPYTER: all that the server has), from any
 * client. Starts nothing in the sandbox. Yields e2b_future_terminal_list(). */
E2B_API e2b_future_t *e2b_terminal_list(e2b_sandbox_t *sandbox,
                                        const e2b_terminal_list_options *options);
E2B_API const e2b_terminal_list_t *e2b_future_terminal_list(const e2b_future_t *future);

/* Ends a terminal's program by SIGKILL (JUPYTER: DELETE). Yields e2b_future_bool(): 0 when there is
 * no such terminal. */
E2B_API e2b_future_t *e2b_terminal_kill_by_id(e2b_sandbox_t *sandbox, const char *id,
                                              const e2b_terminal_list_options *options);

#ifdef __cplusplus
}
#endif

#endif
