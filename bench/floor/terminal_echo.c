/* SPDX-License-Identifier: MIT */
/* Keys typed into terminals, and their echoes:  terminal_echo terminals=N rate=R count=KEYS */
#include <stdlib.h>

#include "keys.h"
#include "wire.h"

static keys_t keys;
static wire_t *terminals;
static unsigned started, opened;

static void type(unsigned terminal) {
  static const char key = KEYS_KEY;
  wire_type(&terminals[terminal], &key, 1);
}

static void on_output(wire_t *wire, const char *data, size_t len) {
  keys_echo(&keys, wire->at, data, len);
}

static void open_next(void) {
  if (started == keys.terminals) return;
  wire_open(&terminals[started], started);
  started++;
}

static void on_open(wire_t *wire) {
  (void)wire;
  opened++;
  if (opened > 1) open_next();
}

static void open_until(unsigned wanted) {
  while (opened < wanted) {
    uv_run(keys.loop, UV_RUN_ONCE);
  }
}

int main(int argc, char **argv) {
  static wires_t wires = {.program = "cat", .on_open = on_open, .on_output = on_output};
  uv_loop_t loop;
  bench_init(argc, argv);
  uv_loop_init(&loop);
  wires_init(&wires, &loop);
  keys_init(&keys, &loop, type);
  terminals = calloc(keys.terminals, sizeof *terminals);
  if (terminals == NULL) bench_die("out of memory");
  open_next();
  open_until(1);
  keys_one_open(&keys);
  for (uint64_t i = bench_number("at_once", 50); i > 0; i--) {
    open_next();
  }
  open_until(keys.terminals);
  keys_run(&keys);
  return keys_finish(&keys);
}
