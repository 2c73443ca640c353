/* SPDX-License-Identifier: MIT */
/* e2b_sandbox_get_info():  get_info count=N in_flight=M warm_up=W */
#include "ours.h"

typedef struct call {
  uint64_t started_us;
} call_t;

static ours_t ours;
static unsigned left, to_start;
static uint64_t failed;

static void start(call_t *call);

static void on_info(e2b_future_t *future, void *user_data) {
  call_t *call = user_data;
  const e2b_sandbox_info_t *info = e2b_future_sandbox_info(future);
  if (info == NULL) {
    ours_failed(future, &failed);
  } else if (info->cpu_count != 2 || info->metadata_count != 2) {
    failed++;
  }
  bench_latency(bench_now_us() - call->started_us);
  left--;
  if (to_start > 0) start(call);
}

static void start(call_t *call) {
  to_start--;
  call->started_us = bench_now_us();
  e2b_future_then(e2b_sandbox_get_info(ours.sandbox), on_info, call);
}

static void run(call_t *calls, unsigned in_flight, unsigned count) {
  left = to_start = count;
  for (unsigned i = 0; i < in_flight && to_start > 0; i++) {
    start(&calls[i]);
  }
  ours_run(&ours, &left);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const unsigned count = (unsigned)bench_number("count", 20000);
  const unsigned in_flight = (unsigned)bench_number("in_flight", 64);
  call_t *calls = calloc(in_flight, sizeof *calls);
  if (calls == NULL) bench_die("out of memory");
  run(calls, in_flight, (unsigned)bench_number("warm_up", 2000));
  bench_start();
  run(calls, in_flight, count);
  const int status = bench_finish(count, 0, failed);
  ours_close(&ours);
  free(calls);
  return status;
}
