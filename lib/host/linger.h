/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_LINGER_H
#define E2B_LIB_HOST_LINGER_H

#include "host/internal.h"

/* A connection whose client was answered while it still sends. Closing it at once would send a
 * reset, and many clients lose the answer then: what they send is read and forgotten for a while.
 * Nothing comes of failing: then there is a reset. */
void e2b__host_linger(e2b_host_t *host, int fd);
/* Ends them all. */
void e2b__host_linger_end(e2b_host_t *host);

#endif
