/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bench.h"

enum { INPUT = 64 << 10, HEAD = 8, RING = 256 << 10 };

static wires_t *wires;
static wslay_frame_context_ptr encoder;
static struct sockaddr_in server;
static char input[INPUT];
static unsigned char frame[1024], randoms[1024];
static size_t frame_len, randoms_left;

/* --- writing -----------------------------------------------------------------------------------
 */

static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *ctx) {
  (void)flags;
  (void)ctx;
  if (len > sizeof frame - frame_len) bench_die("a frame is too long");
  memcpy(frame + frame_len, data, len);
  frame_len += len;
  return (ssize_t)len;
}

static int on_mask(uint8_t *to, size_t len, void *ctx) {
  (void)ctx;
  if (randoms_left < len) {
    if (getrandom(randoms, sizeof randoms, 0) != sizeof randoms) return -1;
    randoms_left = sizeof randoms;
  }
  randoms_left -= len;
  memcpy(to, randoms + randoms_left, len);
  return 0;
}

static void put(wire_t *wire, const void *data, size_t len) {
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
  if (uv_try_write((uv_stream_t *)&wire->tcp, &buf, 1) != (int)len) bench_die("it is not written");
}

static void send_frame(wire_t *wire, uint8_t opcode, const char *data, size_t len) {
  struct wslay_frame_iocb piece;
  memset(&piece, 0, sizeof piece);
  piece.fin = 1;
  piece.mask = 1;
  piece.opcode = opcode;
  piece.payload_length = len;
  piece.data = (const uint8_t *)data;
  piece.data_length = len;
  frame_len = 0;
  if (wslay_frame_send(encoder, &piece) != (ssize_t)len) bench_die("a frame cannot be made");
  put(wire, frame, frame_len);
}

void wire_type(wire_t *wire, const char *data, size_t len) {
  send_frame(wire, WSLAY_BINARY_FRAME, data, len);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static ssize_t on_recv(uint8_t *to, size_t size, int flags, void *ctx) {
  wire_t *wire = ctx;
  (void)flags;
  const size_t len = size < wire->input_len ? size : wire->input_len;
  if (len == 0) return 0;
  memcpy(to, wire->input, len);
  wire->input += len;
  wire->input_len -= len;
  return (ssize_t)len;
}

static void acknowledge(wire_t *wire) {
  char text[64];
  const int len = snprintf(text, sizeof text, "{\"type\":\"ack\",\"offset\":%llu}",
                           (unsigned long long)wire->taken);
  send_frame(wire, WSLAY_TEXT_FRAME, text, (size_t)len);
  wire->told = wire->taken;
}

static void on_output(wire_t *wire, const char *data, size_t len) {
  const size_t head = HEAD - (size_t)wire->head_len;
  const size_t skipped = len < head ? len : head;
  wire->head_len = (uint8_t)(wire->head_len + skipped);
  if (len == skipped) return;
  wire->taken += len - skipped;
  wires->on_output(wire, data + skipped, len - skipped);
  if (wire->taken - wire->told >= RING / 4) acknowledge(wire);
}

static void take_frames(wire_t *wire) {
  struct wslay_frame_iocb piece;
  memset(&piece, 0, sizeof piece);
  ssize_t len;
  while ((len = wslay_frame_recv(wire->decoder, &piece)) >= 0) {
    if (wire->got == 0) wire->head_len = 0;
    wire->got += piece.data_length;
    if (piece.opcode == WSLAY_BINARY_FRAME) {
      on_output(wire, (const char *)piece.data, piece.data_length);
    } else if (piece.opcode == WSLAY_TEXT_FRAME && !wire->open && piece.data_length > 18 &&
               memcmp(piece.data, "{\"type\":\"attached\"", 18) == 0) {
      wire->open = true;
      wires->on_open(wire);
    }
    if (wire->got == piece.payload_length) wire->got = 0;
  }
  if (len != WSLAY_ERR_WANT_READ) bench_die("frames that make no sense");
}

/* The answer to the upgrade comes in one piece, and nothing behind it. */
static void on_upgraded(wire_t *wire) {
  static const struct wslay_frame_callbacks callbacks = {on_send, on_recv, on_mask};
  char create[256];
  if (memcmp(wire->input, "HTTP/1.1 101", 12) != 0) bench_die("the upgrade was refused");
  if (wslay_frame_context_init(&wire->decoder, &callbacks, wire) != 0) bench_die("out of memory");
  wire->input_len = 0;
  const int len = snprintf(create, sizeof create,
                           "{\"type\":\"create\",\"id\":\"t%u\",\"argv\":[\"%s\"],\"cols\":80,"
                           "\"rows\":24,\"writer\":\"w%u\",\"offset\":0}",
                           wire->at, wires->program, wire->at);
  send_frame(wire, WSLAY_TEXT_FRAME, create, (size_t)len);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  (void)handle;
  (void)size;
  *buf = uv_buf_init(input, sizeof input);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
  wire_t *wire = stream->data;
  if (len < 0) bench_die(uv_strerror((int)len));
  wire->input = buf->base;
  wire->input_len = (size_t)len;
  if (len > 0 && wire->decoder == NULL) on_upgraded(wire);
  take_frames(wire);
}

/* --- opening -----------------------------------------------------------------------------------
 */

static void on_connected(uv_connect_t *connect, int status) {
  static const char request[] = "GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n\r\n";
  wire_t *wire = connect->handle->data;
  free(connect);
  if (status != 0) bench_die(uv_strerror(status));
  uv_tcp_nodelay(&wire->tcp, 1);
  put(wire, request, sizeof request - 1);
  uv_read_start((uv_stream_t *)&wire->tcp, on_alloc, on_read);
}

void wire_open(wire_t *wire, unsigned at) {
  uv_connect_t *connect = malloc(sizeof *connect);
  memset(wire, 0, sizeof *wire);
  wire->at = at;
  uv_tcp_init(wires->loop, &wire->tcp);
  wire->tcp.data = wire;
  if (connect == NULL ||
      uv_tcp_connect(connect, &wire->tcp, (const struct sockaddr *)&server, on_connected) != 0) {
    bench_die("it cannot connect");
  }
}

void wires_init(wires_t *all, uv_loop_t *loop) {
  static const struct wslay_frame_callbacks callbacks = {on_send, on_recv, on_mask};
  wires = all;
  wires->loop = loop;
  char host[64];
  int port;
  if (sscanf(bench_env("E2B_SANDBOX_URL"), "http://%63[0-9.]:%d", host, &port) != 2 ||
      uv_ip4_addr(host, port, &server) != 0) {
    bench_die("an address that is no plain one");
  }
  if (wslay_frame_context_init(&encoder, &callbacks, NULL) != 0) bench_die("out of memory");
}
