/* SPDX-License-Identifier: MIT */
/* From nothing to the answer of a first request; the driver measures the process as a whole. */
#include <stdio.h>

#include "bench.h"
#include "multi.h"

static unsigned left = 1, failed;

static void on_done(CURL *easy, CURLcode result) {
  (void)easy;
  if (result != CURLE_OK) failed++;
  left--;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  return size * count;
}

int main(int argc, char **argv) {
  static multi_t multi;
  char url[512];
  bench_init(argc, argv);
  bench_start();
  snprintf(url, sizeof url, "%s/sandboxes/i1a2b3c4d5e6f7g8h9j0k", bench_env("E2B_API_URL"));
  multi_init(&multi, 2, on_done);
  CURL *easy = multi_easy(&multi, url, multi_api_headers());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_multi_add_handle(multi.curl, easy);
  multi_run(&multi, &left);
  return bench_finish(1, 0, failed);
}
