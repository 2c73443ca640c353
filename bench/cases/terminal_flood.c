/* SPDX-License-Identifier: MIT */
/* The output of one terminal:  terminal_flood total=BYTES */
#include "ours.h"

static ours_t ours;
static e2b_terminal_t *terminal;
static uint64_t wanted, bytes, chunks, failed;
static unsigned left;

static void on_data(e2b_terminal_t *it, const char *data, size_t len, void *user_data) {
  (void)it;
  (void)user_data;
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
  ours_init(&ours, argc, argv);
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  options.program = "flood";
  options.on_data = on_data;
  options.on_closed = on_closed;
  e2b_future_t *made = e2b_terminal_create(ours.sandbox, &options);
  if (e2b_future_await(made, 30000) != 0) bench_die(e2b_future_error(made)->message);
  terminal = e2b_future_terminal(made);
  e2b_future_release(made);
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
