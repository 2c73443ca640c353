/* SPDX-License-Identifier: MIT */
/* A body of unknown length, copied from memory into curl's buffer:  file_write total=BYTES */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "multi.h"

static multi_t multi;
static unsigned left, failed;
static uint64_t to_write;
static char block[1 << 20];

static void on_done(CURL *easy, CURLcode result) {
  (void)easy;
  if (result != CURLE_OK) failed++;
  left--;
}

static size_t on_body_wanted(char *to, size_t size, size_t count, void *ctx) {
  (void)ctx;
  const size_t len = size * count < to_write ? size * count : (size_t)to_write;
  memcpy(to, block, len);
  to_write -= len;
  return len;
}

static size_t on_answer(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  return size * count;
}

static void run(CURL *easy, uint64_t total) {
  to_write = total;
  left = 1;
  curl_multi_add_handle(multi.curl, easy);
  multi_run(&multi, &left);
}

int main(int argc, char **argv) {
  char url[512];
  bench_init(argc, argv);
  const uint64_t total = bench_number("total", 1 << 30);
  snprintf(url, sizeof url, "%s/files?path=file", bench_env("E2B_SANDBOX_URL"));
  memset(block, 'x', sizeof block);
  multi_init(&multi, 2, on_done);
  CURL *easy = multi_easy(&multi, url, multi_stream_headers());
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_body_wanted);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)bench_number("buffer", 60 * 1024));
  run(easy, total / 64);
  bench_start();
  run(easy, total);
  return bench_finish(1, total, failed + (to_write != 0));
}
