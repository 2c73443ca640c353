/* SPDX-License-Identifier: MIT */
/* A command's output to a callback:  stdout chunk=BYTES total=BYTES */
#include "ours.h"

static ours_t ours;
static unsigned left;
static uint64_t failed, output_bytes;

static void on_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  (void)data;
  (void)user_data;
  output_bytes += len;
}

static void on_result(e2b_future_t *future, void *user_data) {
  (void)user_data;
  const e2b_execution_t *result = e2b_future_execution(future);
  if (result == NULL) {
    ours_failed(future, &failed);
  } else if (result->exit_code != 0) {
    failed++;
  }
  left--;
}

static void run(unsigned long long chunk, unsigned long long total) {
  char program[64];
  e2b_run_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.on_stdout = on_stdout;
  snprintf(program, sizeof program, "flood %llu %llu", chunk, total);
  left = 1;
  e2b_future_then(e2b_run_command(ours.sandbox, program, NULL, &options), on_result, NULL);
  ours_run(&ours, &left);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const uint64_t chunk = bench_number("chunk", 32768);
  const uint64_t total = bench_number("total", 512 << 20);
  run(chunk, total / 16);
  output_bytes = 0;
  bench_start();
  run(chunk, total);
  const int status = bench_finish(output_bytes / chunk, output_bytes, failed);
  ours_close(&ours);
  return status;
}
