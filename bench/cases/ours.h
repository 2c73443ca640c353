/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_CASES_OURS_H
#define E2B_BENCH_CASES_OURS_H

#include <e2b/e2b.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench.h"

/* What our side of every case begins and ends with: a client on a loop, and a sandbox of the canned
 * server. */
typedef struct ours {
  uv_loop_t loop;
  e2b_client_t *client;
  e2b_sandbox_t *sandbox;
} ours_t;

void ours_init(ours_t *ours, int argc, char **argv);
/* Turns the loop until `*left` is 0. */
void ours_run(ours_t *ours, const unsigned *left);
void ours_close(ours_t *ours);
/* Counts and shows the first few. */
void ours_failed(e2b_future_t *future, uint64_t *failed);

#endif
