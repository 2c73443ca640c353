/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <stdlib.h>

enum { SETTLE_MS = 300 };

void keys_init(keys_t *keys, uv_loop_t *loop, void (*type)(unsigned terminal)) {
  keys->loop = loop;
  keys->type = type;
  keys->terminals = (unsigned)bench_number("terminals", 1);
  keys->rate = bench_number("rate", 0);
  keys->typed_ns = calloc(keys->terminals, sizeof *keys->typed_ns);
  if (keys->typed_ns == NULL) bench_die("out of memory");
  uv_timer_init(loop, &keys->timer);
}

void keys_one_open(keys_t *keys) {
  keys->resident = bench_resident_bytes();
}

static void type(keys_t *keys, unsigned terminal) {
  keys->to_type--;
  keys->typed_ns[terminal] = bench_now_ns();
  keys->type(terminal);
}

void keys_echo(keys_t *keys, unsigned terminal, const char *data, size_t len) {
  const uint64_t typed_ns = keys->typed_ns[terminal];
  if (typed_ns == 0 || len != 1 || data[0] != KEYS_KEY) {
    keys->failed++;
    return;
  }
  bench_latency_ns(bench_now_ns() - typed_ns);
  keys->typed_ns[terminal] = 0;
  keys->left--;
  if (keys->rate == 0 && keys->to_type > 0) type(keys, terminal);
}

static void on_tick(uv_timer_t *timer) {
  keys_t *keys = timer->data;
  for (uint64_t i = 0; i < keys->a_tick && keys->to_type > 0; i++) {
    if (keys->typed_ns[keys->next] == 0) type(keys, keys->next);
    keys->next = (keys->next + 1) % keys->terminals;
  }
}

static void run_part(keys_t *keys, uint64_t count) {
  keys->left = keys->to_type = count;
  if (keys->rate > 0) {
    const uint64_t interval_ms = keys->rate < 1000 ? 1000 / keys->rate : 1;
    keys->a_tick = keys->rate < 1000 ? 1 : keys->rate / 1000;
    keys->timer.data = keys;
    uv_timer_start(&keys->timer, on_tick, interval_ms, interval_ms);
  }
  for (unsigned i = 0; keys->rate == 0 && i < keys->terminals && keys->to_type > 0; i++) {
    type(keys, i);
  }
  while (keys->left > 0 && keys->failed == 0) {
    uv_run(keys->loop, UV_RUN_ONCE);
  }
  uv_timer_stop(&keys->timer);
}

static void on_settled(uv_timer_t *timer) {
  *(unsigned *)timer->data = 0;
}

static void settle(keys_t *keys) {
  unsigned waiting = 1;
  keys->timer.data = &waiting;
  uv_timer_start(&keys->timer, on_settled, SETTLE_MS, 0);
  while (waiting > 0) {
    uv_run(keys->loop, UV_RUN_ONCE);
  }
}

void keys_run(keys_t *keys) {
  settle(keys);
  const unsigned others = keys->terminals - 1;
  const uint64_t resident = bench_resident_bytes();
  const uint64_t more = resident > keys->resident ? resident - keys->resident : 0;
  bench_note("stream_bytes", others > 0 ? (double)more / others : 0);
  run_part(keys, bench_number("warm_up", keys->terminals));
  keys->operations = bench_number("count", 100000);
  bench_start();
  run_part(keys, keys->operations);
}

int keys_finish(keys_t *keys) {
  const int status = bench_finish(keys->operations, 0, keys->failed);
  uv_close((uv_handle_t *)&keys->timer, NULL);
  uv_run(keys->loop, UV_RUN_NOWAIT);
  free(keys->typed_ns);
  return status;
}
