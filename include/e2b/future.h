/* SPDX-License-Identifier: MIT */
#ifndef E2B_FUTURE_H
#define E2B_FUTURE_H

#include "e2b/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The outcome of one operation. Every operation returns one at once; it is decided exactly once,
 * later, on the loop's thread, and the first outcome wins. A future has a reference count and
 * starts with one reference, the caller's. Every function here takes NULL, which is what an
 * operation returns when memory ran out before there could be a future, and answers E2B_ENOMEM
 * (or NULL, where it returns a pointer). */
typedef struct e2b_future e2b_future_t;

typedef void (*e2b_future_cb)(e2b_future_t *future, void *user_data);

/* Asks for one call of `callback` when the future is decided, or, if it is already, soon. The
 * callback comes from the loop, never from inside this or any other call into the library; it may
 * call anything, e2b_client_close() included.
 *
 * The caller's reference goes to the library, whatever this function answers: the future stays
 * valid until `callback` has returned, and e2b_future_then(e2b_sandbox_create(c, &o), on_sandbox,
 * app) leaks nothing. Answers 0, or an error, and then the callback never comes: E2B_ENOMEM for
 * NULL, E2B_EINVAL without a callback, E2B_EALREADY when one was given before, E2B_ECLOSED when
 * the client is closed for good. */
E2B_API int e2b_future_then(e2b_future_t *future, e2b_future_cb callback, void *user_data);

/* Turns the loop until the future is decided or `timeout_ms` has passed, for programs and tests
 * that want straight-line code (0 only looks); keeps the caller's reference. Answers 0 when it
 * succeeded, the failure's code when it failed, E2B_EAGAIN when it is not decided yet,
 * E2B_EREENTRANT inside a callback of the library (and must not be called from any other callback
 * of the same loop either).
 */
E2B_API int e2b_future_await(e2b_future_t *future, uint64_t timeout_ms);

/* Gives the operation up. Legal anywhere, any number of times; never calls back inside. Unless it
 * was decided before, the outcome becomes E2B_ECANCELED. What happens remotely is said at each
 * operation. Keeps the caller's reference. */
E2B_API int e2b_future_cancel(e2b_future_t *future);

/* One more reference, for one more e2b_future_release(). Returns its argument. */
E2B_API e2b_future_t *e2b_future_acquire(e2b_future_t *future);

/* Gives one reference back. Lost interest only: never cancels the operation. */
E2B_API void e2b_future_release(e2b_future_t *future);

/* 1 when decided, 0 when not. */
E2B_API int e2b_future_is_done(const e2b_future_t *future);

/* Why it failed; NULL when it succeeded or is not decided. Lent until the future is released. A
 * NULL future has an error too: E2B_ENOMEM, static, which is also what an operation on a NULL
 * handle ends in. */
E2B_API const e2b_error_t *e2b_future_error(const e2b_future_t *future);

/* Results have accessors of their own beside the operations that yield them. They return NULL (or
 * 0) when the future is not decided, failed, or is of another operation; the last also asserts in
 * debug builds. Plain data is lent until the future is released; handles come with a reference of
 * their own. */

/* The answer of operations that yield a yes or no. */
E2B_API int e2b_future_bool(const e2b_future_t *future);

#ifdef __cplusplus
}
#endif

#endif
