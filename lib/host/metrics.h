/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_METRICS_H
#define E2B_LIB_HOST_METRICS_H

#include "host/sandbox.h"
#include "proto/json.h"

/* What a sandbox uses: a sample soon after it starts, then one every few seconds while it runs. */

void e2b__host_metrics_start(e2b__host_sandbox_t *sandbox);
/* While it is paused; and before it goes. */
void e2b__host_metrics_stop(e2b__host_sandbox_t *sandbox);
void e2b__host_metrics_free(e2b__host_sandbox_t *sandbox);

/* The samples of the time from `from` to `to`, seconds since 1970, as items of an open array. */
void e2b__host_metrics_put(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox, int64_t from,
                           int64_t to);
/* The last one, as a member named like the sandbox; nothing when there is none yet. */
void e2b__host_metrics_put_last(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox);
/* The last one as the daemon in the sandbox shows it; before the first, with nothing used. */
void e2b__host_metrics_put_daemon(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox);

#endif
