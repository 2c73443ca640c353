/* SPDX-License-Identifier: MIT */
/* e2b_run_command() of a short command, from start to result:  run_command count=N in_flight=M
 * real=0 The canned server knows `hello`; a real one (1) runs a shell that says it, as the SDKs do.
 */
#include "ours.h"

typedef struct run {
  uint64_t started_us;
} run_t;

static ours_t ours;
static unsigned left, to_start;
static uint64_t failed, output_bytes;

static void start(run_t *run);

static void on_result(e2b_future_t *future, void *user_data) {
  run_t *run = user_data;
  const e2b_execution_t *result = e2b_future_execution(future);
  if (result == NULL) {
    ours_failed(future, &failed);
  } else {
    if (result->exit_code != 0 || result->stdout_data.len == 0) failed++;
    output_bytes += result->stdout_data.len;
  }
  bench_latency(bench_now_us() - run->started_us);
  left--;
  if (to_start > 0) start(run);
}

static void start(run_t *run) {
  static const char *const in_a_shell[] = {"-l", "-c", "echo hello", NULL};
  static char program[64] = "";
  static const char *const *args;
  if (*program == '\0') {
    const unsigned long long bytes = bench_number("output", 0);
    if (bench_number("real", 0) != 0) {
      snprintf(program, sizeof program, "/bin/bash");
      args = in_a_shell;
    } else if (bytes == 0) {
      snprintf(program, sizeof program, "hello");
    } else {
      snprintf(program, sizeof program, "flood %llu %llu", bytes, bytes);
    }
  }
  to_start--;
  run->started_us = bench_now_us();
  e2b_future_then(e2b_run_command(ours.sandbox, program, args, NULL), on_result, run);
}

static void run_all(run_t *runs, unsigned in_flight, unsigned count) {
  left = to_start = count;
  for (unsigned i = 0; i < in_flight && to_start > 0; i++) {
    start(&runs[i]);
  }
  ours_run(&ours, &left);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const unsigned count = (unsigned)bench_number("count", 10000);
  const unsigned in_flight = (unsigned)bench_number("in_flight", 64);
  run_t *runs = calloc(in_flight, sizeof *runs);
  if (runs == NULL) bench_die("out of memory");
  run_all(runs, in_flight, (unsigned)bench_number("warm_up", 1000));
  output_bytes = 0;
  bench_start();
  run_all(runs, in_flight, count);
  const int status = bench_finish(count, output_bytes, failed);
  ours_close(&ours);
  free(runs);
  return status;
}
