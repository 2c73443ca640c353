/* SPDX-License-Identifier: MIT */
/* CPU time of a small call, ours against bare libcurl on libuv, in one process and in turn. Against
 * the server that E2B_API_URL, E2B_SANDBOX_URL and E2B_API_KEY name:
 *     bench_calls [calls] [in flight]
 */
#include <e2b/e2b.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "floor.h"

typedef struct calls {
  e2b_sandbox_t *sandbox;
  unsigned left;
  unsigned running;
  unsigned failed;
} calls_t;

static void call(calls_t *calls);

static void on_info(e2b_future_t *future, void *user_data) {
  calls_t *calls = user_data;
  if (e2b_future_sandbox_info(future) == NULL) calls->failed++;
  calls->running--;
  if (calls->left > 0) call(calls);
}

static void call(calls_t *calls) {
  calls->left--;
  calls->running++;
  if (e2b_future_then(e2b_sandbox_get_info(calls->sandbox), on_info, calls) != 0) {
    calls->running--;
    calls->failed++;
  }
}

static unsigned ours_run(uv_loop_t *loop, e2b_sandbox_t *sandbox, unsigned count,
                         unsigned in_flight) {
  calls_t calls = {sandbox, count, 0, 0};
  for (unsigned i = 0; i < in_flight && calls.left > 0; i++) {
    call(&calls);
  }
  while (calls.running > 0) {
    uv_run(loop, UV_RUN_ONCE);
  }
  return calls.failed;
}

static double cpu_us(void) {
  uv_rusage_t usage;
  uv_getrusage(&usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a;
  const double y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  enum { ROUNDS = 7 };
  const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 5000;
  const unsigned wanted = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
  const unsigned in_flight = wanted == 0 ? 1 : wanted > 1000 ? 1000 : wanted;
  const char *key = getenv("E2B_API_KEY");
  const char *api = getenv("E2B_API_URL");
  uv_loop_t loop;
  uv_loop_init(&loop);
  e2b_client_t *client = e2b_client_new(&loop, NULL);
  e2b_future_t *made = e2b_sandbox_create(client, NULL);
  e2b_future_await(made, 30000);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(made);
  unsigned failed = 0;
  if (sandbox == NULL || key == NULL || api == NULL) {
    fprintf(stderr, "%s\n",
            sandbox == NULL ? e2b_future_error(made)->message
                            : "E2B_API_URL and E2B_API_KEY name the server");
    failed = 1;
  } else {
    char url[512];
    double ratios[ROUNDS];
    snprintf(url, sizeof url, "%s/sandboxes/%s", api, e2b_sandbox_id(sandbox));
    printf("%u calls, %u at a time; CPU time of this process, a call\n", count, in_flight);
    for (int i = -1; i < ROUNDS && failed == 0; i++) { /* the first round warms up */
      const double start = cpu_us();
      failed += floor_run(&loop, url, key, count, in_flight);
      const double middle = cpu_us();
      failed += ours_run(&loop, sandbox, count, in_flight);
      const double end = cpu_us();
      if (i < 0) continue;
      ratios[i] = (end - middle) / (middle - start);
      printf("floor %6.1f us   ours %6.1f us   ratio %.2f\n", (middle - start) / count,
             (end - middle) / count, ratios[i]);
    }
    qsort(ratios, ROUNDS, sizeof *ratios, compare);
    if (failed == 0) printf("median ratio %.2f\n", ratios[ROUNDS / 2]);
    e2b_future_release(e2b_sandbox_kill(sandbox));
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  e2b_sandbox_release(sandbox);
  e2b_future_release(made);
  e2b_client_close(client, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return failed != 0;
}
