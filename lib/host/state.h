/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_STATE_H
#define E2B_LIB_HOST_STATE_H

#include "host/internal.h"

/* The directory that holds the sandboxes' roots. A lock tells whether its host still lives; what a
 * dead one left behind is removed by the next. */

/* Makes or takes it over: host->state_dir, own_state_dir, state_lock. */
int e2b__host_state_open(e2b_host_t *host, const char *wanted, char *why, size_t why_size);
/* Removes what is the host's own. */
void e2b__host_state_close(e2b_host_t *host);

#endif
