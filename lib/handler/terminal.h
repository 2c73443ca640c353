/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_TERMINAL_H
#define E2B_LIB_HANDLER_TERMINAL_H

#include "e2b/terminal.h"
#include "handler/stream.h"

/* A browser that looks at a terminal: through server-sent events, or through a WebSocket, which can
 * also type. Each has a handle of its own, so none holds up another. */

typedef struct e2b__viewing {
  const char *terminal_id;
  uint64_t offset;        /* the first byte wanted */
  const char *socket_key; /* Sec-WebSocket-Key; NULL: server-sent events */
} e2b__viewing_t;

/* Answers h with the stream of a terminal in h->sandbox. `viewing` is copied. */
void e2b__terminal_view(e2b__handling_t *h, const e2b__viewing_t *viewing);

/* operator.c: handles for requests that type or resize, kept for the next one. */
typedef void (*e2b__operator_cb)(e2b__handling_t *h, e2b_terminal_t *terminal);
/* Goes on with `next`, which finds the terminal; or answers. */
void e2b__operator_take(e2b__handling_t *h, const char *terminal_id, e2b__operator_cb next);
/* The handle turned out to be of no more use. */
void e2b__operator_forget(e2b__handling_t *h, const char *terminal_id);
/* Lets those go that were not used for a while; the handler's clock. */
void e2b__operators_expire(e2b_handler_t *handler);
/* Lets all of a handler's go. */
void e2b__operators_free(e2b_handler_t *handler);

/* "Terminal with ID x not found", when that is what it is; else as any failure. */
void e2b__terminal_fail_with(e2b__handling_t *h, const char *terminal_id, const e2b_error_t *error);

#endif
