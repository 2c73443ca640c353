/* SPDX-License-Identifier: MIT */
#include "agent/ws_frame.h"

#include <string.h>

#include "base/utf8.h"
#include "proto/websocket_close.h"

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };

void e2b__ws_decoder_init(e2b__ws_decoder_t *decoder) {
  memset(decoder, 0, sizeof *decoder);
  e2b__buffer_init(&decoder->text, E2B__WS_LARGEST);
}

void e2b__ws_decoder_free(e2b__ws_decoder_t *decoder) {
  e2b__buffer_free(&decoder->text);
}

static e2b__ws_event_t event(e2b__ws_event_type_t type, const void *data, size_t len) {
  return (e2b__ws_event_t){type, data, len, 0};
}

static e2b__ws_event_t ending(e2b__ws_event_type_t type, unsigned code) {
  return (e2b__ws_event_t){type, NULL, 0, code};
}

static bool is_control(unsigned opcode) {
  return (opcode & 8) != 0;
}

/* 0, or the code to close with, for the first two bytes of a frame. */
static unsigned check_start(const e2b__ws_decoder_t *decoder) {
  unsigned first = decoder->head[0], second = decoder->head[1], opcode = first & OPCODE;
  if ((first & RESERVED) != 0 || (second & MASKED) == 0) return E2B__WS_PROTOCOL_ERROR;
  switch (opcode) {
  case E2B__WS_CONTINUATION: return decoder->message != 0 ? 0 : E2B__WS_PROTOCOL_ERROR;
  case E2B__WS_OPCODE_TEXT:
  case E2B__WS_OPCODE_BINARY: return decoder->message == 0 ? 0 : E2B__WS_PROTOCOL_ERROR;
  case E2B__WS_OPCODE_CLOSE:
  case E2B__WS_OPCODE_PING:
  case E2B__WS_OPCODE_PONG:
    if ((first & FIN) == 0 || (second & LENGTH) > E2B__WS_CONTROL_LARGEST)
      return E2B__WS_PROTOCOL_ERROR;
    return 0;
  default: return E2B__WS_PROTOCOL_ERROR;
  }
}

static size_t length_bytes(const e2b__ws_decoder_t *decoder) {
  switch (decoder->head[1] & LENGTH) {
  case 126: return 2;
  case 127: return 8;
  default: return 0;
  }
}

/* The whole head is there. 0, or the code to close with. */
static unsigned begin_payload(e2b__ws_decoder_t *decoder) {
  size_t extra = length_bytes(decoder);
  uint64_t len = extra == 0 ? decoder->head[1] & LENGTH : 0;
  for (size_t i = 0; i < extra; i++)
    len = len << 8 | decoder->head[2 + i];
  /* The shortest form is the only one. */
  if ((extra == 2 && len < 126) || (extra == 8 && (len < 65536 || len >> 63 != 0)))
    return E2B__WS_PROTOCOL_ERROR;
  if (len > E2B__WS_LARGEST) return E2B__WS_TOO_BIG;
  unsigned opcode = decoder->head[0] & OPCODE;
  if (opcode != E2B__WS_CONTINUATION && !is_control(opcode)) decoder->message = (uint8_t)opcode;
  if (!is_control(opcode) && decoder->message == E2B__WS_OPCODE_TEXT &&
      len > E2B__WS_LARGEST - decoder->text.len)
    return E2B__WS_TOO_BIG;
  memmove(decoder->head + 2, decoder->head + 2 + extra, 4); /* the mask */
  decoder->in_payload = true;
  decoder->rotation = 0;
  decoder->control_len = 0;
  decoder->left = len;
  return 0;
}

/* Reads as much of a frame's head as there is. 0, or the code to close with. */
static unsigned read_head(e2b__ws_decoder_t *decoder, unsigned char **data, size_t *len) {
  while (*len > 0 && !decoder->in_payload) {
    decoder->head[decoder->head_len++] = *(*data)++;
    (*len)--;
    if (decoder->head_len < 2) continue;
    if (decoder->head_len == 2) {
      unsigned code = check_start(decoder);
      if (code != 0) return code;
      decoder->head_need = (uint8_t)(2 + length_bytes(decoder) + 4);
    }
    if (decoder->head_len == decoder->head_need) return begin_payload(decoder);
  }
  return 0;
}

static void unmask(e2b__ws_decoder_t *decoder, unsigned char *data, size_t len) {
  unsigned char mask[8];
  uint64_t word, wide;
  size_t i = 0;
  for (size_t k = 0; k < sizeof mask; k++)
    mask[k] = decoder->head[2 + (decoder->rotation + k) % 4];
  memcpy(&wide, mask, sizeof wide);
  for (; len - i >= sizeof word; i += sizeof word) {
    memcpy(&word, data + i, sizeof word);
    word ^= wide;
    memcpy(data + i, &word, sizeof word);
  }
  for (; i < len; i++)
    data[i] ^= mask[i % 4];
  decoder->rotation = (uint8_t)((decoder->rotation + len) % 4);
}

static e2b__ws_event_t whole_control(e2b__ws_decoder_t *decoder) {
  const unsigned char *data = decoder->control;
  size_t len = decoder->control_len;
  switch (decoder->head[0] & OPCODE) {
  case E2B__WS_OPCODE_PING: return event(E2B__WS_PING, data, len);
  case E2B__WS_OPCODE_CLOSE:
    if (len == 0) return ending(E2B__WS_CLOSE, E2B__WS_NO_CODE);
    unsigned code = len >= 2 ? (unsigned)data[0] << 8 | data[1] : 0;
    if (!e2b__websocket_close_code_ok(code)) return ending(E2B__WS_FAULT, E2B__WS_PROTOCOL_ERROR);
    if (!e2b__utf8_valid((const char *)data + 2, len - 2))
      return ending(E2B__WS_FAULT, E2B__WS_BAD_TEXT);
    return ending(E2B__WS_CLOSE, code);
  default: return event(E2B__WS_MORE, NULL, 0); /* a pong is nothing but a sign of life */
  }
}

static e2b__ws_event_t whole_text(e2b__ws_decoder_t *decoder, const void *data, size_t len) {
  if (!e2b__utf8_valid(data, len)) return ending(E2B__WS_FAULT, E2B__WS_BAD_TEXT);
  decoder->text_lent = true;
  return event(E2B__WS_TEXT, data, len);
}

/* Takes a piece of the payload; an event of type E2B__WS_MORE when it makes none. */
static e2b__ws_event_t take_piece(e2b__ws_decoder_t *decoder, unsigned char *data, size_t len) {
  unsigned opcode = decoder->head[0] & OPCODE;
  bool frame_ends = decoder->left == 0;
  bool message_ends = frame_ends && (decoder->head[0] & FIN) != 0;

  if (frame_ends) {
    decoder->in_payload = false;
    decoder->head_len = 0;
  }
  if (is_control(opcode)) {
    memcpy(decoder->control + decoder->control_len, data, len);
    decoder->control_len += len;
    return frame_ends ? whole_control(decoder) : event(E2B__WS_MORE, NULL, 0);
  }
  unsigned message = decoder->message;
  if (message_ends) decoder->message = 0;
  if (message == E2B__WS_OPCODE_BINARY)
    return event(len > 0 ? E2B__WS_DATA : E2B__WS_MORE, data, len);
  /* Most messages are one frame in one read: they need no copy. */
  if (message_ends && decoder->text.len == 0) return whole_text(decoder, data, len);
  if (e2b__buffer_append(&decoder->text, data, len) != 0)
    return ending(E2B__WS_FAULT, E2B__WS_INTERNAL);
  if (!message_ends) return event(E2B__WS_MORE, NULL, 0);
  return whole_text(decoder, decoder->text.data, decoder->text.len);
}

e2b__ws_event_t e2b__ws_decode(e2b__ws_decoder_t *decoder, unsigned char **data, size_t *len) {
  if (decoder->text_lent) {
    e2b__buffer_free(&decoder->text);
    decoder->text_lent = false;
  }
  for (;;) {
    if (!decoder->in_payload) {
      unsigned code = read_head(decoder, data, len);
      if (code != 0) return ending(E2B__WS_FAULT, code);
      if (!decoder->in_payload) return event(E2B__WS_MORE, NULL, 0);
    }
    size_t piece = decoder->left < *len ? (size_t)decoder->left : *len;
    if (piece == 0 && decoder->left > 0) return event(E2B__WS_MORE, NULL, 0);
    unsigned char *from = *data;
    unmask(decoder, from, piece);
    decoder->left -= piece;
    *data += piece;
    *len -= piece;
    e2b__ws_event_t found = take_piece(decoder, from, piece);
    if (found.type != E2B__WS_MORE) return found;
  }
}

size_t e2b__ws_head(unsigned char out[E2B__WS_HEAD_LARGEST], unsigned opcode, uint64_t len) {
  size_t bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
  out[0] = (unsigned char)(FIN | opcode);
  out[1] = bytes == 0 ? (unsigned char)len : bytes == 2 ? 126 : 127;
  for (size_t i = 0; i < bytes; i++)
    out[2 + i] = (unsigned char)(len >> 8 * (bytes - 1 - i));
  return 2 + bytes;
}
