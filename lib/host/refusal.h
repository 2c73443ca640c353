/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_REFUSAL_H
#define E2B_LIB_HOST_REFUSAL_H

#include "host/request.h"

/* What the edge says when a request cannot reach what it is for: JSON, or a page for people.
 * Clients decide by these texts. */

typedef enum e2b__host_refusal {
  E2B__REFUSAL_NONE,
  E2B__REFUSAL_NO_SANDBOX,
  E2B__REFUSAL_PORT_CLOSED,
  E2B__REFUSAL_TOKEN_MISSING,
  E2B__REFUSAL_TOKEN_INVALID,
  E2B__REFUSAL_NOT_RESUMED,
  E2B__REFUSAL_TOO_MANY,
  E2B__REFUSAL_RESERVED,
  E2B__REFUSAL_COUNT
} e2b__host_refusal_t;

enum { E2B__HOST_PROXIED_MAX = 1000 }; /* exchanges with the programs of one sandbox */

/* Answers now. */
void e2b__host_refuse(e2b__host_request_t *request, e2b__host_refusal_t refusal);
/* Sets request->handler to one that does, and discards the body. */
void e2b__host_refuse_route(e2b__host_request_t *request, e2b__host_refusal_t refusal);

#endif
