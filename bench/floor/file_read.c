/* SPDX-License-Identifier: MIT */
/* A body that is thrown away:  file_read total=BYTES */
#include <stdio.h>

#include "bench.h"
#include "multi.h"

static multi_t multi;
static unsigned left, failed;
static uint64_t bytes;

static void on_done(CURL *easy, CURLcode result) {
  (void)easy;
  if (result != CURLE_OK) failed++;
  left--;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  bytes += size * count;
  return size * count;
}

static void run(CURL *easy, unsigned long long total) {
  char url[512];
  snprintf(url, sizeof url, "%s/files?path=%llu", bench_env("E2B_SANDBOX_URL"), total);
  curl_easy_setopt(easy, CURLOPT_CURLU, NULL); /* it would go before */
  curl_easy_setopt(easy, CURLOPT_URL, url);
  left = 1;
  curl_multi_add_handle(multi.curl, easy);
  multi_run(&multi, &left);
}

int main(int argc, char **argv) {
  bench_init(argc, argv);
  const uint64_t total = bench_number("total", 1 << 30);
  multi_init(&multi, 2, on_done);
  CURL *easy = multi_easy(&multi, bench_env("E2B_SANDBOX_URL"), multi_stream_headers());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)bench_number("buffer", 65536));
  run(easy, total / 64);
  bytes = 0;
  bench_start();
  run(easy, total);
  return bench_finish(1, bytes, failed + (bytes != total));
}
