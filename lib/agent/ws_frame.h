/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_WS_FRAME_H
#define E2B_LIB_AGENT_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* The server's side of WebSocket frames (RFC 6455): bytes in, events out. No socket. */

enum {
  E2B__WS_CONTINUATION = 0,
  E2B__WS_OPCODE_TEXT = 1,
  E2B__WS_OPCODE_BINARY = 2,
  E2B__WS_OPCODE_CLOSE = 8,
  E2B__WS_OPCODE_PING = 9,
  E2B__WS_OPCODE_PONG = 10,
  E2B__WS_LARGEST = 64 << 10, /* a frame, and a text message, from the client */
  E2B__WS_CONTROL_LARGEST = 125,
  E2B__WS_HEAD_LARGEST = 10 /* of what a server sends */
};

/* Close codes. */
enum {
  E2B__WS_NORMAL = 1000,
  E2B__WS_GOING_AWAY = 1001,
  E2B__WS_PROTOCOL_ERROR = 1002,
  E2B__WS_NO_CODE = 1005,
  E2B__WS_BAD_TEXT = 1007,
  E2B__WS_BREACH = 1008,
  E2B__WS_TOO_BIG = 1009,
  E2B__WS_INTERNAL = 1011
};

typedef enum e2b__ws_event_type {
  E2B__WS_MORE,  /* all input was taken */
  E2B__WS_TEXT,  /* a whole message, valid UTF-8 */
  E2B__WS_DATA,  /* a piece of a binary message; where messages end is nobody's business here */
  E2B__WS_PING,  /* to be answered with the same bytes */
  E2B__WS_CLOSE, /* the client's; `code` is E2B__WS_NO_CODE when it gave none */
  E2B__WS_FAULT  /* close with `code`; the decoder is of no more use */
} e2b__ws_event_type_t;

typedef struct e2b__ws_event {
  e2b__ws_event_type_t type;
  const char *data; /* lent until the next call */
  size_t len;
  unsigned code;
} e2b__ws_event_t;

typedef struct e2b__ws_decoder {
  unsigned char head[14];
  uint8_t head_len;  /* read so far; 0 between frames */
  uint8_t head_need; /* as far as is known */
  bool in_payload;
  uint8_t message;  /* the opcode of the message that is not complete yet, or 0 */
  uint8_t rotation; /* of the mask */
  uint64_t left;    /* of the payload */
  size_t control_len;
  unsigned char control[E2B__WS_CONTROL_LARGEST];
  e2b__buffer_t text; /* of a message that came in pieces */
  bool text_lent;
} e2b__ws_decoder_t;

void e2b__ws_decoder_init(e2b__ws_decoder_t *decoder);
void e2b__ws_decoder_free(e2b__ws_decoder_t *decoder);
/* Takes bytes from *data, which it unmasks in place, until there is an event. */
e2b__ws_event_t e2b__ws_decode(e2b__ws_decoder_t *decoder, unsigned char **data, size_t *len);

/* Writes the head of a frame; returns its length. */
size_t e2b__ws_head(unsigned char out[E2B__WS_HEAD_LARGEST], unsigned opcode, uint64_t len);

#endif
