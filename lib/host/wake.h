/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WAKE_H
#define E2B_LIB_HOST_WAKE_H

#include "host/request.h"
#include "host/sandbox.h"

/* Sandboxes that a request to them brings back, when they were created so. */

/* For a request that was just read: true when it is held until the sandbox runs and is routed
 * again then (request->held), or when it is refused. */
bool e2b__host_wake(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox);
/* Lets those go that are held: the sandbox runs, or never will. */
void e2b__host_wake_release(e2b__host_sandbox_t *sandbox);

#endif
