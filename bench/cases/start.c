/* SPDX-License-Identifier: MIT */
/* From nothing to the answer of a first request; the driver measures the process as a whole. */
#include "ours.h"

int main(int argc, char **argv) {
  uv_loop_t loop;
  bench_init(argc, argv);
  bench_start();
  uv_loop_init(&loop);
  e2b_client_t *client = e2b_client_new(&loop, NULL);
  e2b_future_t *info = e2b_sandbox_get_info_by_id(client, "i1a2b3c4d5e6f7g8h9j0k");
  const int rc = e2b_future_await(info, 30000);
  return bench_finish(1, 0, rc != 0);
}
