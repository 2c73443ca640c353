/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "proto/websocket_handshake.h"

/* Terminals as the agent serves them (lib/agent/PROTOCOL.md), without any program behind: what is
 * typed comes back as output. One that was created as `flood` takes a number of bytes as its input
 * instead, and prints as many. */

enum {
  TEXT = 1,
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10,
  KEPT = 80 * 1024, /* of frames that are cut; the longest has 64 KiB and its head */
  OUTPUT = 1 << 20,
  FLOOD_FRAME = 32 * 1024,
  FLOOD_FRAMES = 8
};

struct terminal {
  uint64_t accepted; /* input */
  bool floods;
  char *kept;
  size_t kept_len;
};

/* Answers to what one read brought go out in one piece. */
static unsigned char output[OUTPUT];
static size_t output_len;
static char flood[FLOOD_FRAMES * (4 + 8 + FLOOD_FRAME)];

static void put_head(unsigned opcode, size_t len) {
  output[output_len++] = (unsigned char)(0x80 | opcode);
  if (len > 125) {
    output[output_len++] = 126;
    output[output_len++] = (unsigned char)(len >> 8);
  }
  output[output_len++] = (unsigned char)len;
}

static void put_frame(unsigned opcode, const void *data, size_t len) {
  put_head(opcode, len);
  memcpy(output + output_len, data, len);
  output_len += len;
}

static void on_flushed(uv_write_t *req, int status) {
  connection_t *connection = req->handle->data;
  free(req);
  if (status != 0) connection_close(connection);
}

static void flush(connection_t *connection) {
  const size_t len = output_len;
  uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
  uv_buf_t buf = uv_buf_init((char *)output, (unsigned)len);
  output_len = 0;
  if (len == 0 || uv_is_closing((uv_handle_t *)stream)) return;
  const int sent = uv_try_write(stream, &buf, 1);
  if (sent == (int)len) return;
  const size_t rest = len - (sent > 0 ? (size_t)sent : 0);
  uv_write_t *req = sent >= 0 || sent == UV_EAGAIN ? malloc(sizeof *req + rest) : NULL;
  if (req != NULL) {
    memcpy(req + 1, output + len - rest, rest);
    buf = uv_buf_init((char *)(req + 1), (unsigned)rest);
    if (uv_write(req, stream, &buf, 1, on_flushed) == 0) return;
    free(req);
  }
  connection_close(connection);
}

/* --- what a terminal does -----------------------------------------------------------------------
 */

static void on_control(connection_t *connection, const char *text, size_t len) {
  struct terminal *terminal = connection->terminal;
  if (memmem(text, len, "\"create\"", 8) == NULL) return;
  static const char attached[] =
      "{\"type\":\"attached\",\"id\":\"t\",\"pid\":1234,\"argv\":[\"cat\"],\"cols\":80,\"rows\":24,"
      "\"offset\":0,\"lost\":0,\"input\":0,\"window\":65536,\"ring\":262144}";
  terminal->floods = memmem(text, len, "\"flood\"", 7) != NULL;
  put_frame(TEXT, attached, sizeof attached - 1);
}

static void more_flood(connection_t *connection) {
  connection->left -= connection->left < FLOOD_FRAMES ? connection->left : FLOOD_FRAMES;
  if (connection->left == 0) connection->more = NULL;
  connection_write(connection, flood, sizeof flood);
}

static void start_flood(connection_t *connection, const char *number) {
  if (flood[0] == 0) {
    for (size_t i = 0; i < FLOOD_FRAMES; i++) {
      static const unsigned char head[4] = {0x80 | BINARY, 126, (FLOOD_FRAME + 8) >> 8,
                                            (FLOOD_FRAME + 8) & 255};
      char *frame = flood + i * (4 + 8 + FLOOD_FRAME);
      memcpy(frame, head, sizeof head);
      memset(frame + 4 + 8, 'x', FLOOD_FRAME);
    }
  }
  connection->left = (strtoull(number, NULL, 10) + FLOOD_FRAME - 1) / FLOOD_FRAME;
  connection->more = more_flood;
  more_flood(connection);
}

static void on_input(connection_t *connection, const char *data, size_t len) {
  struct terminal *terminal = connection->terminal;
  terminal->accepted += len;
  if (terminal->floods) {
    start_flood(connection, data); /* ends with a newline */
    return;
  }
  put_head(BINARY, len + 8);
  for (int i = 56; i >= 0; i -= 8) {
    output[output_len++] = (unsigned char)(terminal->accepted >> i);
  }
  memcpy(output + output_len, data, len);
  output_len += len;
}

/* --- frames ------------------------------------------------------------------------------------
 */

/* Its length, when all of it is there; else 0. */
static size_t take_frame(connection_t *connection, unsigned char *data, size_t len) {
  size_t head = 2 + 4;
  if (len < head) return 0;
  size_t payload = data[1] & 127;
  if (payload == 126) {
    head += 2;
    payload = (size_t)data[2] << 8 | data[3];
  }
  if (payload == 127 || (data[1] & 128) == 0) {
    connection_close(connection);
    return len;
  }
  if (len < head + payload) return 0;
  const unsigned char *mask = data + head - 4;
  for (size_t i = 0; i < payload; i++) {
    data[head + i] ^= mask[i & 3];
  }
  const char *text = (const char *)data + head;
  switch (data[0] & 15) {
  case TEXT: on_control(connection, text, payload); break;
  case BINARY: on_input(connection, text, payload); break;
  case PING: put_frame(PONG, text, payload); break;
  case CLOSE:
    put_frame(CLOSE, text, payload);
    flush(connection);
    connection_close(connection);
    break;
  default: break;
  }
  return head + payload;
}

static size_t take_frames(connection_t *connection, char *data, size_t len) {
  size_t taken = 0, frame;
  while (connection->terminal != NULL && taken < len &&
         (frame = take_frame(connection, (unsigned char *)data + taken, len - taken)) > 0) {
    taken += frame;
    if (output_len > OUTPUT / 2) flush(connection);
  }
  return taken;
}

void terminal_take(connection_t *connection, char *data, size_t len) {
  struct terminal *terminal = connection->terminal;
  if (terminal->kept_len > 0 || len < 2) {
    if (terminal->kept == NULL) terminal->kept = malloc(KEPT);
    if (terminal->kept == NULL) abort();
    while (len > 0 && connection->terminal != NULL) {
      const size_t room = KEPT - terminal->kept_len;
      const size_t piece = len < room ? len : room;
      memcpy(terminal->kept + terminal->kept_len, data, piece);
      terminal->kept_len += piece;
      data += piece;
      len -= piece;
      const size_t taken = take_frames(connection, terminal->kept, terminal->kept_len);
      if (connection->terminal == NULL) return;
      terminal->kept_len -= taken;
      memmove(terminal->kept, terminal->kept + taken, terminal->kept_len);
    }
  } else {
    const size_t taken = take_frames(connection, data, len);
    if (connection->terminal == NULL) return;
    if (taken < len) {
      if (terminal->kept == NULL) terminal->kept = malloc(KEPT);
      if (terminal->kept == NULL || len - taken > KEPT) abort();
      memcpy(terminal->kept, data + taken, len - taken);
      terminal->kept_len = len - taken;
    }
  }
  flush(connection);
}

/* --- the beginning and the end -----------------------------------------------------------------
 */

void terminal_accept(connection_t *connection, const char *key) {
  char head[256], text[E2B__WEBSOCKET_KEY + 1], accept[E2B__WEBSOCKET_ACCEPT + 1];
  snprintf(text, sizeof text, "%s", key + strspn(key, " "));
  connection->terminal = calloc(1, sizeof *connection->terminal);
  if (connection->terminal == NULL || e2b__websocket_accept(text, accept) != 0) abort();
  output_len = (size_t)snprintf(head, sizeof head,
                                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                                "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n\r\n",
                                accept);
  memcpy(output, head, output_len);
  flush(connection);
}

void terminal_forget(connection_t *connection) {
  if (connection->terminal == NULL) return;
  free(connection->terminal->kept);
  free(connection->terminal);
  connection->terminal = NULL;
}
