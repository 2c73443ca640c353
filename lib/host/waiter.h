/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WAITER_H
#define E2B_LIB_HOST_WAITER_H

#include "host/request.h"
#include "host/sandbox.h"

/* Calls of the control plane that are answered when a change of a sandbox is complete. Any number
 * may wait for the same one: that is how calls join. */

typedef enum e2b__host_wait_kind {
  E2B__WAIT_CREATE,
  E2B__WAIT_PAUSE,
  E2B__WAIT_RESUME,
  E2B__WAIT_OTHER
} e2b__host_wait_kind_t;

/* Without memory the request is answered at once, with 500. */
void e2b__host_wait(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox,
                    e2b__host_wait_kind_t kind);
/* In a list of the caller's, who answers whom he takes out of it. */
void e2b__host_wait_in(e2b__host_request_t *request, e2b__list_t *list);
e2b__host_request_t *e2b__host_waiter_take(e2b__list_t *list);
bool e2b__host_has_waiters(const e2b__host_sandbox_t *sandbox, e2b__host_wait_kind_t kind);
/* `ok` false: it did not come to be, or the sandbox is killed. */
void e2b__host_waiters_answer(e2b__host_sandbox_t *sandbox, e2b__host_wait_kind_t kind, bool ok);
/* The client went away; the change goes on without it. */
void e2b__host_waiter_gone(e2b__host_request_t *request);

#endif
