/* SPDX-License-Identifier: MIT */
/* Many commands that print once a second, each event decoded:  streams streams=N seconds=S
 * Over HTTP/1.1 every stream has a connection of its own, and curl is told so. Over HTTP/2 a
 * connection is opened, and when it is up filled before the next is; with no more than 16 streams,
 * since whatever comes in on it, curl runs all that it carries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "events.h"
#include "multi.h"

enum { A_CONNECTION = 16, UPLOAD_BUFFER = 16384 };

typedef struct stream {
  CURL *easy;
  events_t events;
} stream_t;

static multi_t multi;
static stream_t *streams;
static CURLSH *share;
static struct curl_slist *headers;
static char url[512], body[256];
static size_t body_len;
static unsigned wanted, opened, to_open, waiting;
static bool http2;
static uint64_t failed, events;

static size_t on_body(char *data, size_t size, size_t count, void *ctx);

static void on_done(CURL *easy, CURLcode result) {
  (void)easy;
  (void)result;
  failed++;
}

static void open_next(void) {
  stream_t *stream = &streams[opened];
  CURL *easy = stream->easy = multi_easy(&multi, url, headers);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body_len);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
  curl_easy_setopt(easy, CURLOPT_SHARE, share); /* room for TLS sessions once, not in each */
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, !http2 || opened % A_CONNECTION == 0 ? 1L : 0L);
  opened++;
  waiting++;
  curl_multi_add_handle(multi.curl, easy);
}

static void on_fill(uv_check_t *check) {
  /* Not from inside curl's callback. */
  if (http2 && waiting > 0 && opened % A_CONNECTION == 1) return;
  while (to_open > 0 && opened < wanted && waiting < A_CONNECTION) {
    if (http2 && opened % A_CONNECTION == 0 && waiting > 0) return;
    open_next();
    if (http2 && opened % A_CONNECTION == 1) return;
  }
  if (opened == wanted) uv_check_stop(check);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  stream_t *stream = ctx;
  events_t *e = &stream->events;
  const int started = e->started;
  if (events_take(e, data, count) != 0) return 0;
  if (!started && e->started) {
    waiting--;
    to_open--;
    /* Frees it: the request is out. */
    curl_easy_setopt(stream->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
  }
  for (size_t at = 0; at + 17 <= e->output_len; at += 17) {
    bench_latency(bench_now_us() - strtoull(e->output + at, NULL, 10));
    events++;
  }
  e->output_len = 0;
  return size * count;
}

static void on_end(uv_timer_t *timer) {
  *(unsigned *)timer->data = 0;
  uv_stop(timer->loop);
}

static void run_for(uint64_t ms) {
  unsigned left = 1;
  uv_timer_t timer;
  uv_timer_init(&multi.loop, &timer);
  timer.data = &left;
  uv_timer_start(&timer, on_end, ms, 0);
  multi_run(&multi, &left);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&multi.loop, UV_RUN_NOWAIT);
}

int main(int argc, char **argv) {
  bench_init(argc, argv);
  wanted = to_open = (unsigned)bench_number("streams", 1000);
  snprintf(url, sizeof url, "%s/process.Process/Start", bench_env("E2B_SANDBOX_URL"));
  http2 = strncmp(url, "https:", 6) == 0;
  headers = multi_stream_headers();
  body_len = multi_start_body("tick", body, sizeof body);
  multi_init(&multi, (long)wanted + 10, on_done);
  curl_multi_setopt(multi.curl, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)A_CONNECTION);
  share = curl_share_init();
  curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  streams = calloc(wanted, sizeof *streams);
  if (streams == NULL) bench_die("out of memory");
  const uint64_t before = bench_resident_bytes();
  uv_check_t check;
  uv_check_init(&multi.loop, &check);
  uv_check_start(&check, on_fill);
  on_fill(&check);
  while (to_open > 0) {
    uv_run(&multi.loop, UV_RUN_ONCE);
  }
  uv_check_stop(&check);
  run_for(bench_number("settle_ms", 2000));
  bench_note("stream_bytes", (double)(bench_resident_bytes() - before) / wanted);
  events = 0;
  bench_start();
  run_for(bench_number("seconds", 10) * 1000);
  return bench_finish(events, 0, failed);
}
