/* SPDX-License-Identifier: MIT */
/* The output of one terminal:  terminal_flood total=BYTES */
#include <stdio.h>

#include "bench.h"
#include "wire.h"

static uv_loop_t loop;
static wire_t terminal;
static uint64_t wanted, bytes, chunks, failed;

static void on_output(wire_t *wire, const char *data, size_t len) {
  (void)wire;
  if (data[0] != 'x' || data[len - 1] != 'x') failed++;
  bytes += len;
  chunks++;
}

static void on_open(wire_t *wire) {
  (void)wire;
}

static void print(uint64_t total) {
  char line[32];
  const int len = snprintf(line, sizeof line, "%llu\n", (unsigned long long)total);
  wanted = total;
  bytes = chunks = 0;
  wire_type(&terminal, line, (size_t)len);
  while (bytes < wanted) {
    uv_run(&loop, UV_RUN_ONCE);
  }
}

int main(int argc, char **argv) {
  static wires_t wires = {.program = "flood", .on_open = on_open, .on_output = on_output};
  bench_init(argc, argv);
  uv_loop_init(&loop);
  wires_init(&wires, &loop);
  wire_open(&terminal, 0);
  while (!terminal.open) {
    uv_run(&loop, UV_RUN_ONCE);
  }
  const uint64_t total = bench_number("total", 1 << 30);
  print(total / 16);
  bench_start();
  print(total);
  return bench_finish(chunks, bytes, failed);
}
