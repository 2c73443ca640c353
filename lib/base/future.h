/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_FUTURE_H
#define E2B_LIB_BASE_FUTURE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/queue.h"
#include "e2b/future.h"

/* What a future yields, so that the wrong accessor is noticed. */
typedef enum e2b__kind {
  E2B__KIND_NOTHING,
  E2B__KIND_BOOL,
  E2B__KIND_SANDBOX,
  E2B__KIND_SANDBOX_INFO,
  E2B__KIND_SANDBOX_LIST,
  E2B__KIND_EXECUTION,
  E2B__KIND_COMMAND,
  E2B__KIND_PROCESS_LIST,
  E2B__KIND_BYTES,
  E2B__KIND_TRANSFERRED,
  E2B__KIND_FILE_INFO,
  E2B__KIND_FILE_LIST,
  E2B__KIND_HTTP_RESPONSE,
  E2B__KIND_WEBSOCKET,
  E2B__KIND_WEBSOCKET_END,
  E2B__KIND_TERMINAL,
  E2B__KIND_TERMINAL_EXIT,
  E2B__KIND_TERMINAL_LIST
} e2b__kind_t;

/* A pending future with two references: the caller's, and one that it holds on itself until it is
 * decided. `operation` is static. On a closing queue it is decided already, with E2B_ECLOSED; so
 * the maker asks e2b_future_is_done() before it starts work. NULL when out of memory. */
e2b_future_t *e2b__future_new(e2b__queue_t *queue, e2b__kind_t kind, const char *operation);
/* The same with `room` bytes behind it for its arena to begin with: for one that will need them. */
e2b_future_t *e2b__future_new_with_room(e2b__queue_t *queue, e2b__kind_t kind,
                                        const char *operation, size_t room);

/* Who works on it. `abandon` is called at most once, when the future is cancelled or the queue is
 * closed: it stops the work, frees what belongs to it, calls nobody back, and does no more to
 * the future than giving back a reference. It is not called once the future is decided. */
void e2b__future_bind(e2b_future_t *future, void (*abandon)(void *work), void *work);

/* Where the result's pieces live. */
e2b__arena_t *e2b__future_arena(e2b_future_t *future);
const char *e2b__future_operation(const e2b_future_t *future);

/* Lends `value` to the future until it goes, also when it fails: what an error points at. */
void e2b__future_keep(e2b_future_t *future, const void *value, void (*release_value)(void *value));

/* These decide. `value` lies in the future's arena, or is given back by `release_value` when the
 * future goes. After any of them the maker must not touch the future. */
void e2b__future_succeed(e2b_future_t *future, const void *value,
                         void (*release_value)(void *value));
void e2b__future_succeed_number(e2b_future_t *future, uint64_t number);
/* `error` may live in the future's arena or anywhere; operation is filled in when it is empty. */
void e2b__future_fail(e2b_future_t *future, const e2b_error_t *error);
void e2b__future_fail_text(e2b_future_t *future, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The value, for typed accessors; NULL unless it succeeded and is of `kind`. */
const void *e2b__future_value(const e2b_future_t *future, e2b__kind_t kind);
uint64_t e2b__future_number(const e2b_future_t *future, e2b__kind_t kind);

/* Decides every pending future with E2B_ECLOSED, abandoning its work, and makes later ones fail. */
void e2b__queue_close(e2b__queue_t *queue);

/* What was promised with an outcome that is known already: e2b__queue_close() leaves it pending. */
void e2b__future_owe(e2b_future_t *future);
/* Decides what was left, as e2b__queue_close() does it. */
void e2b__queue_write_off(e2b__queue_t *queue);

#endif
