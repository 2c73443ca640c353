/* SPDX-License-Identifier: MIT */
/* The output of one terminal:  terminal_flood total=BYTES real=0
 * The canned server knows `flood`; a real one (1) is given a shell that does the same. */
#include "ours.h"

static ours_t ours;
static e2b_terminal_t *terminal;
static uint64_t wanted, bytes, chunks, failed;
static unsigned left;
static bool ready;

static void on_data(e2b_terminal_t *it, const char *data, size_t len, void *user_data) {
  (void)it;
  (void)user_data;
  if (!ready) {
    ready = memchr(data, '\n', len) != NULL;
    return;
  }
  if (data[0] != 'x' || data[len - 1] != 'x') failed++;
  bytes += len;
  chunks++;
  if (bytes >= wanted) left = 0;
}

static void on_closed(e2b_terminal_t *it, const e2b_error_t *error, void *user_data) {
  (void)it;
  (void)user_data;
  if (error != NULL) bench_die(error->message);
}

static void print(uint64_t total) {
  char line[32];
  const int len = snprintf(line, sizeof line, "%llu\n", (unsigned long long)total);
  wanted = total;
  bytes = chunks = 0;
  left = 1;
  if (e2b_terminal_write(terminal, line, (size_t)len) != 0) bench_die("it cannot be written to");
  ours_run(&ours, &left);
}

int main(int argc, char **argv) {
  static const char *const args[] = {
      "-c", "stty -echo; echo; while read n; do head -c $n /dev/zero | tr '\\0' x; done", NULL};
  ours_init(&ours, argc, argv);
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  const bool real = bench_number("real", 0) != 0;
  ready = !real;
  options.program = real ? "/bin/sh" : "flood";
  options.args = real ? args : NULL;
  options.on_data = on_data;
  options.on_closed = on_closed;
  e2b_future_t *made = e2b_terminal_create(ours.sandbox, &options);
  if (e2b_future_await(made, 30000) != 0) bench_die(e2b_future_error(made)->message);
  terminal = e2b_future_terminal(made);
  e2b_future_release(made);
  while (!ready) {
    uv_run(&ours.loop, UV_RUN_ONCE);
  }
  const uint64_t total = bench_number("total", 1 << 30);
  print(total / 16);
  bench_start();
  print(total);
  const int status = bench_finish(chunks, bytes, failed);
  e2b_terminal_close(terminal);
  e2b_terminal_release(terminal);
  ours_close(&ours);
  return status;
}
