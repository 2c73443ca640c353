/* SPDX-License-Identifier: MIT */
#include "ours.h"

void ours_init(ours_t *ours, int argc, char **argv) {
  bench_init(argc, argv);
  uv_loop_init(&ours->loop);
  ours->client = e2b_client_new(&ours->loop, NULL);
  e2b_future_t *made = e2b_sandbox_create(ours->client, NULL);
  if (e2b_future_await(made, 30000) != 0) bench_die(e2b_future_error(made)->message);
  ours->sandbox = e2b_future_sandbox(made);
  e2b_future_release(made);
}

void ours_run(ours_t *ours, const unsigned *left) {
  while (*left > 0) {
    uv_run(&ours->loop, UV_RUN_ONCE);
  }
}

void ours_close(ours_t *ours) {
  e2b_sandbox_release(ours->sandbox);
  e2b_client_close(ours->client, NULL, NULL);
  uv_run(&ours->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&ours->loop) != 0) bench_die("the loop still has handles");
}

void ours_failed(e2b_future_t *future, uint64_t *failed) {
  if ((*failed)++ < 3) fprintf(stderr, "%s\n", e2b_future_error(future)->message);
}
