/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_JUPYTER_H
#define E2B_LIB_TERMINAL_JUPYTER_H

#include "terminal/endpoint.h"
#include "terminal/line.h"
#include "terminal/terminal.h"

/* Terminals of a Jupyter server (protocol 7.1 to 7.3): jupyter.c has the connection,
 * jupyter_text.c what is said on it, jupyter_rest.c the calls beside it.
 *
 *  state       socket   leaves by
 *  APART       none     open() -> MAKING for a new one, else CONNECTING
 *  MAKING      none     the answer -> CONNECTING, or failed and final
 *  CONNECTING  opening  the upgrade -> HELLO; its end -> APART
 *  HELLO       open     `setup` -> OPEN, or READY; its end -> APART
 *  READY       open     a new program's wrapper shows its sign -> OPEN
 *  OPEN        open     its end -> APART; `disconnect` -> the program has ended               */
typedef enum e2b__jupyter_state {
  E2B__JUPYTER_APART,
  E2B__JUPYTER_MAKING,
  E2B__JUPYTER_CONNECTING,
  E2B__JUPYTER_HELLO,
  E2B__JUPYTER_READY,
  E2B__JUPYTER_OPEN
} e2b__jupyter_state_t;

/* Where the server is, and what it wants to see. Strings are the owner's. */
typedef struct e2b__jupyter_server {
  uint16_t port;
  const char *base_url;
  const char *credential;
} e2b__jupyter_server_t;

enum {
  E2B__JUPYTER_PORT = 8888,
  E2B__JUPYTER_TAIL = 512 /* of the output, to find its place in a replay */
};

typedef struct e2b__jupyter {
  e2b__transport_t base;
  e2b__jupyter_state_t state;
  e2b__jupyter_server_t server;
  char *base_url;
  char *credential;
  char name[24];
  bool made;      /* the server has the terminal */
  bool fresh;     /* its program waits for a newline */
  bool replaying; /* the next output is what the server kept */
  uint32_t liveness_ms;
  e2b__websocket_t *socket;
  e2b__delay_t *clock; /* in HELLO and READY */
  e2b_future_t *making;
  e2b__line_t line;   /* typed, and not sent */
  e2b__buffer_t text; /* of one message */
  size_t tail_len;
  char tail[E2B__JUPYTER_TAIL];
} e2b__jupyter_t;

/* jupyter_text.c */
extern const e2b__websocket_events_t e2b__jupyter_events;
/* Sends what is typed, as far as it goes. 0 or E2B_ENOMEM. */
int e2b__jupyter_pump(e2b__jupyter_t *jupyter);
int e2b__jupyter_send_size(e2b__jupyter_t *jupyter);

/* jupyter.c */
/* Of what the server has to say before the terminal is open. */
void e2b__jupyter_start_clock(e2b__jupyter_t *jupyter);
void e2b__jupyter_fail(e2b__jupyter_t *jupyter, const e2b_error_t *error, bool final);
void e2b__jupyter_made(e2b__jupyter_t *jupyter, const e2b_error_t *error);
void e2b__jupyter_gone(e2b__jupyter_t *jupyter, const e2b__websocket_end_t *end);

/* jupyter_rest.c */
/* POST: a terminal of its name; e2b__jupyter_made() follows from the loop, unless jupyter->making
 * is cancelled. 0 or an error. */
int e2b__jupyter_make(e2b__jupyter_t *jupyter, const e2b__terminal_spec_t *spec);
e2b_future_t *e2b__jupyter_delete(e2b_sandbox_t *sandbox, const e2b__jupyter_server_t *server,
                                  const char *name, const char *function);
e2b_future_t *e2b__jupyter_list(e2b_sandbox_t *sandbox, const e2b__jupyter_server_t *server);
/* The server's own rule: letters, digits and underscores. */
bool e2b__jupyter_is_name(const char *name);
/* Of a refusal for want of the right token says what the user can do; other errors stay. */
void e2b__jupyter_explain(e2b__arena_t *arena, bool has_credential, e2b_error_t *error);
/* Adds "Authorization" with its value in the endpoint's arena. 0 or E2B_ENOMEM. */
int e2b__jupyter_authorize(e2b__endpoint_t *endpoint, const char *credential);

/* What the wrapper of a new program prints when it listens: a sequence that shows nothing. */
#define E2B__JUPYTER_SIGN "\033[m"

#endif
