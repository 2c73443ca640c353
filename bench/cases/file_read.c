/* SPDX-License-Identifier: MIT */
/* A file in pieces to a callback:  file_read total=BYTES */
#include "ours.h"

static ours_t ours;
static unsigned left;
static uint64_t failed, read_bytes;

static void on_data(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  (void)transfer;
  (void)data;
  (void)user_data;
  read_bytes += len;
}

static void on_done(e2b_future_t *future, void *user_data) {
  (void)user_data;
  if (e2b_future_error(future) != NULL) ours_failed(future, &failed);
  left--;
}

static void run(unsigned long long total) {
  char path[32];
  snprintf(path, sizeof path, "%llu", total);
  left = 1;
  e2b_future_then(e2b_files_read_stream(ours.sandbox, path, on_data, NULL, NULL), on_done, NULL);
  ours_run(&ours, &left);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const uint64_t total = bench_number("total", 1 << 30);
  run(total / 64);
  read_bytes = 0;
  bench_start();
  run(total);
  const int status = bench_finish(1, read_bytes, failed + (read_bytes != total));
  ours_close(&ours);
  return status;
}
