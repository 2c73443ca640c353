/* SPDX-License-Identifier: MIT */
/* A command's output, and all around it, thrown away:  stdout chunk=BYTES total=BYTES */
#include <stdio.h>

#include "bench.h"
#include "multi.h"

static multi_t multi;
static unsigned left, failed;
static uint64_t bytes;

static void on_done(CURL *easy, CURLcode result) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (result != CURLE_OK || status != 200) failed++;
  left--;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  bytes += size * count;
  return size * count;
}

static void run(CURL *easy, unsigned long long chunk, unsigned long long total) {
  char line[64], body[256];
  snprintf(line, sizeof line, "flood %llu %llu", chunk, total);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)multi_start_body(line, body, sizeof body));
  curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
  left = 1;
  curl_multi_add_handle(multi.curl, easy);
  multi_run(&multi, &left);
}

int main(int argc, char **argv) {
  char url[512];
  bench_init(argc, argv);
  const uint64_t chunk = bench_number("chunk", 32768);
  const uint64_t total = bench_number("total", 512 << 20);
  snprintf(url, sizeof url, "%s/process.Process/Start", bench_env("E2B_SANDBOX_URL"));
  multi_init(&multi, 2, on_done);
  CURL *easy = multi_easy(&multi, url, multi_stream_headers());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)bench_number("buffer", 65536));
  run(easy, chunk, total / 16);
  bytes = 0;
  bench_start();
  run(easy, chunk, total);
  /* The payload's, like everybody's: the envelopes around it are not counted. */
  return bench_finish(total / chunk, total, failed || bytes < total);
}
