/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_FLOOR_WIRE_H
#define E2B_BENCH_FLOOR_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <wslay/wslay.h>

/* Bare wslay on uv_tcp, as lean as it goes: its frame-level interface, one read buffer for all, one
 * context for making frames, and of the agent's protocol only what has to be said. */
typedef struct wire {
  uv_tcp_t tcp;
  wslay_frame_context_ptr decoder;
  const char *input; /* arrived and not taken */
  size_t input_len;
  unsigned at; /* of its terminal */
  bool open;
  uint8_t head_len; /* of the 8 bytes in front of output that have come */
  uint64_t taken;   /* output */
  uint64_t told;    /* of it the server knows */
  uint64_t got;     /* of the frame under way */
} wire_t;

typedef struct wires {
  uv_loop_t *loop;
  const char *program;
  void (*on_open)(wire_t *wire);
  void (*on_output)(wire_t *wire, const char *data, size_t len);
} wires_t;

void wires_init(wires_t *wires, uv_loop_t *loop);
void wire_open(wire_t *wire, unsigned at);
void wire_type(wire_t *wire, const char *data, size_t len);

#endif
