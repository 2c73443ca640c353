/* SPDX-License-Identifier: MIT */
/* Sandboxes made, used once and let go, all through one client:  churn count=N in_flight=M
 * What is resident, and what is open, after it against what was after a tenth of it. */
#include <dirent.h>
#include <malloc.h>

#include "ours.h"

static ours_t ours;
static unsigned left, to_start;
static uint64_t failed;

static void start(void);

static void on_result(e2b_future_t *future, void *user_data) {
  if (e2b_future_execution(future) == NULL) ours_failed(future, &failed);
  e2b_sandbox_release(user_data);
  left--;
  if (to_start > 0) start();
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  (void)user_data;
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  if (sandbox == NULL) {
    ours_failed(future, &failed);
    left--;
  } else {
    e2b_future_then(e2b_run_command(sandbox, "hello", NULL, NULL), on_result, sandbox);
  }
}

static void start(void) {
  to_start--;
  e2b_future_then(e2b_sandbox_create(ours.client, NULL), on_sandbox, NULL);
}

static void run(unsigned count, unsigned in_flight) {
  left = to_start = count;
  while (to_start > 0 && count - to_start < in_flight) {
    start();
  }
  ours_run(&ours, &left);
  malloc_trim(0);
}

static double descriptors(void) {
  double count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL) {
    count++;
  }
  if (dir != NULL) closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  const unsigned count = (unsigned)bench_number("count", 100000);
  const unsigned in_flight = (unsigned)bench_number("in_flight", 64);
  run(count / 10, in_flight);
  const double memory = (double)bench_resident_bytes();
  const double files = descriptors();
  bench_start();
  run(count, in_flight);
  bench_note("memory_ratio", (double)bench_resident_bytes() / memory);
  bench_note("descriptors_ratio", descriptors() / files);
  const int status = bench_finish(count, 0, failed);
  ours_close(&ours);
  return status;
}
