/* SPDX-License-Identifier: MIT */
/* GETs of a small answer that nobody looks at:  get_info count=N in_flight=M warm_up=W
 * However many are wanted, at most `at_once` are in the multi, which is slow when it holds many. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "multi.h"

typedef struct call {
  CURL *easy;
  uint64_t started_us;
} call_t;

static multi_t multi;
static unsigned left, to_start, failed;
static uint64_t *asked_us; /* a ring: when each of those that wait was wanted */
static unsigned wanted, first_waiting, waiting;

static void want(void) {
  asked_us[(first_waiting + waiting++) % wanted] = bench_now_us();
  to_start--;
}

static void start(call_t *call) {
  call->started_us = asked_us[first_waiting];
  first_waiting = (first_waiting + 1) % wanted;
  waiting--;
  curl_multi_add_handle(multi.curl, call->easy);
}

static void on_done(CURL *easy, CURLcode result) {
  call_t *call;
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (result != CURLE_OK || status != 200) failed++;
  bench_latency(bench_now_us() - call->started_us);
  left--;
  if (to_start > 0) want();
  if (waiting > 0) start(call);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  return size * count;
}

static void run(call_t *calls, unsigned at_once, unsigned count) {
  left = to_start = count;
  for (unsigned i = 0; i < wanted && to_start > 0; i++) {
    want();
  }
  for (unsigned i = 0; i < at_once && waiting > 0; i++) {
    start(&calls[i]);
  }
  multi_run(&multi, &left);
}

int main(int argc, char **argv) {
  char url[512];
  bench_init(argc, argv);
  const unsigned count = (unsigned)bench_number("count", 20000);
  const unsigned at_once = (unsigned)bench_number("at_once", 64);
  wanted = (unsigned)bench_number("in_flight", 64);
  snprintf(url, sizeof url, "%s/sandboxes/i1a2b3c4d5e6f7g8h9j0k", bench_env("E2B_API_URL"));
  struct curl_slist *headers = multi_api_headers();
  multi_init(&multi, (long)at_once * 2, on_done);
  call_t *calls = calloc(at_once, sizeof *calls);
  asked_us = calloc(wanted, sizeof *asked_us);
  if (calls == NULL || asked_us == NULL) bench_die("out of memory");
  for (unsigned i = 0; i < at_once; i++) {
    calls[i].easy = multi_easy(&multi, url, headers);
    curl_easy_setopt(calls[i].easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(calls[i].easy, CURLOPT_PRIVATE, &calls[i]);
  }
  run(calls, at_once, (unsigned)bench_number("warm_up", 2000));
  bench_start();
  run(calls, at_once, count);
  return bench_finish(count, 0, failed);
}
