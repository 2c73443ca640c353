/* SPDX-License-Identifier: MIT */
/* A file written in pieces:  file_write total=BYTES piece=BYTES */
#include "ours.h"

static ours_t ours;
static unsigned left;
static uint64_t failed, to_write, piece;
static char block[1 << 20];

static void on_done(e2b_future_t *future, void *user_data) {
  (void)user_data;
  if (e2b_future_error(future) != NULL) ours_failed(future, &failed);
  left--;
}

static void on_drain(e2b_upload_t *upload, void *user_data) {
  (void)user_data;
  while (to_write > 0) {
    const size_t len = to_write < piece ? (size_t)to_write : (size_t)piece;
    if (e2b_upload_write(upload, block, len) != 0) return;
    to_write -= len;
  }
  e2b_upload_end(upload);
}

static void run(uint64_t total) {
  e2b_upload_t *upload;
  to_write = total;
  left = 1;
  e2b_future_then(e2b_files_write_stream(ours.sandbox, "file", on_drain, NULL, NULL, &upload),
                  on_done, NULL);
  on_drain(upload, NULL);
  ours_run(&ours, &left);
  e2b_upload_release(upload);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const uint64_t total = bench_number("total", 1 << 30);
  piece = bench_number("piece", 65536);
  memset(block, 'x', sizeof block);
  run(total / 64);
  bench_start();
  run(total);
  const int status = bench_finish(1, total, failed + (to_write != 0));
  ours_close(&ours);
  return status;
}
