/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_ENVD_H
#define E2B_LIB_TERMINAL_ENVD_H

#include "net/delay.h"
#include "sandbox/stream.h"
#include "terminal/line.h"
#include "terminal/terminal.h"

/* Terminals of the sandbox's process service (protocol 5.8, 5.9): envd.c has the program and its
 * output, envd_input.c the keystrokes. */

/* The service's list does not say which processes have a terminal: ours carry this tag, and the
 * size behind it. */
#define E2B__ENVD_TAG "e2b-terminal:"

/*  state   exchange  leaves by
 *  CLOSED  none      bytes to type -> OPEN
 *  OPEN    sending   nothing typed for a while -> ENDING; the service's word -> CLOSED
 *  ENDING  sending   the service's word -> CLOSED                                               */
typedef enum e2b__envd_input_state {
  E2B__ENVD_INPUT_CLOSED,
  E2B__ENVD_INPUT_OPEN,
  E2B__ENVD_INPUT_ENDING
} e2b__envd_input_state_t;

typedef struct e2b__envd {
  e2b__transport_t base;
  e2b__stream_t *stream; /* output; NULL while not connected */
  char *user;            /* who signals; NULL: the template's */
  uint32_t pid;          /* 0 until it runs */
  bool attached;         /* to a terminal that was there */
  bool connected;        /* its start event has come on this stream */
  bool ended;            /* `exit` is set: the end of the stream is to follow */
  bool timed;            /* it has a lifetime */
  bool resize_again;     /* the size has changed since the request under way */
  e2b_terminal_exit_t exit;
  e2b__arena_t event; /* of one event */
  e2b_future_t *resizing;

  e2b__envd_input_state_t input_state;
  e2b__line_t line;       /* typed, and not sent */
  e2b__exchange_t *input; /* one request, open as long as somebody types */
  e2b__delay_t *input_idle;
  uint64_t typed_ms;
  e2b__buffer_t frame; /* the envelope that is being sent */
  size_t frame_sent;
  char *input_url;
  e2b__task_t room; /* tells the terminal, not from inside curl */
} e2b__envd_t;

void e2b__envd_input_init(e2b__envd_t *envd);
/* Sends what waits, if there is anything and the terminal is connected. 0 or E2B_ENOMEM. */
int e2b__envd_input_pump(e2b__envd_t *envd);
/* The connection is gone: so is what was on its way; what waits stays. */
void e2b__envd_input_drop(e2b__envd_t *envd);
void e2b__envd_input_free(e2b__envd_t *envd);
/* envd.c: its connection broke, while `error` was found out. */
void e2b__envd_lost(e2b__envd_t *envd, const e2b_error_t *error);

#endif
