/* SPDX-License-Identifier: MIT */
/* A short command's whole stream, read into a result:  run_command count=N in_flight=M */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "events.h"
#include "multi.h"

typedef struct run {
  CURL *easy;
  events_t events;
  uint64_t started_us;
} run_t;

static multi_t multi;
static unsigned left, to_start, failed;
static uint64_t output_bytes;

static void start(run_t *run) {
  to_start--;
  events_reset(&run->events);
  run->started_us = bench_now_us();
  curl_multi_add_handle(multi.curl, run->easy);
}

static void on_done(CURL *easy, CURLcode result) {
  run_t *run;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&run);
  const events_t *events = &run->events;
  if (result != CURLE_OK || !events->ended || !events->exited || events->exit_code != 0 ||
      events->output_len == 0) {
    failed++;
  }
  output_bytes += events->output_len;
  bench_latency(bench_now_us() - run->started_us);
  left--;
  if (to_start > 0) start(run);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  return events_take(ctx, data, count) == 0 ? size * count : 0;
}

static void run_all(run_t *runs, unsigned in_flight, unsigned count) {
  left = to_start = count;
  for (unsigned i = 0; i < in_flight && to_start > 0; i++) {
    start(&runs[i]);
  }
  multi_run(&multi, &left);
}

int main(int argc, char **argv) {
  char url[512], line[64], body[256];
  bench_init(argc, argv);
  const unsigned count = (unsigned)bench_number("count", 10000);
  const unsigned in_flight = (unsigned)bench_number("in_flight", 64);
  const unsigned long long output = bench_number("output", 0);
  snprintf(url, sizeof url, "%s/process.Process/Start", bench_env("E2B_SANDBOX_URL"));
  if (output == 0) {
    snprintf(line, sizeof line, "hello");
  } else {
    snprintf(line, sizeof line, "flood %llu %llu", output, output);
  }
  const size_t body_len = multi_start_body(line, body, sizeof body);
  struct curl_slist *headers = multi_stream_headers();
  multi_init(&multi, (long)in_flight * 2, on_done);
  run_t *runs = calloc(in_flight, sizeof *runs);
  if (runs == NULL) bench_die("out of memory");
  for (unsigned i = 0; i < in_flight; i++) {
    CURL *easy = runs[i].easy = multi_easy(&multi, url, headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body_len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &runs[i].events);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &runs[i]);
  }
  run_all(runs, in_flight, (unsigned)bench_number("warm_up", 1000));
  output_bytes = 0;
  bench_start();
  run_all(runs, in_flight, count);
  const int status = bench_finish(count, output_bytes, failed);
  for (unsigned i = 0; i < in_flight; i++) {
    events_free(&runs[i].events);
  }
  return status;
}
