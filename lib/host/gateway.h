/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_GATEWAY_H
#define E2B_LIB_HOST_GATEWAY_H

#include "host/sandbox.h"

/* The host's end of the gateway, the process that gives sandboxes a way out (what it does:
 * spawner/gateway.h). There is one of it for all of them. A machine that cannot have one has
 * sandboxes without a way out; the log says so, once, and why. One that ends is started again, and
 * all sandboxes that may go out get back their way. */

/* Waits until the gateway has its namespaces, for some milliseconds. */
void e2b__host_gateway_start(e2b_host_t *host);
/* Its handles close from the loop. */
void e2b__host_gateway_stop(e2b_host_t *host);
bool e2b__host_gateway_is_up(const e2b_host_t *host);
/* The user namespace that all sandboxes' are made in; -1: there is none. */
int e2b__host_gateway_namespace(const e2b_host_t *host);

/* Makes the sandbox's way out what its allow_internet and its network's rules say; of these it
 * keeps one, that all addresses are denied. True: e2b__host_sandbox_connected()
 * follows, whatever comes of it. */
bool e2b__host_gateway_apply(e2b__host_sandbox_t *sandbox);

#endif
