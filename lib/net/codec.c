/* SPDX-License-Identifier: MIT */
#include "net/codec.h"

#include <wslay/wslay.h>

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t on_recv(uint8_t *to, size_t size, int flags, void *ctx) {
  (void)flags;
  /* A decoder outlives the connection that it was made for: who has it now is in the dialer. */
  e2b__dialer_t *dialer = ctx;
  e2b__codec_t *codec = dialer->receiving;
  const ssize_t got = e2b__socket_read(dialer->received, to, size);
  if (got < 0) codec->over = true;
  if (got > 0) codec->ahead += (uint32_t)got;
  return got;
}

static bool borrow_decoder(e2b__codec_t *codec, e2b__dialer_t *dialer) {
  static const struct wslay_frame_callbacks callbacks = {NULL, on_recv, NULL};
  if (dialer->decoders_count > 0) {
    codec->decoder = dialer->decoders[--dialer->decoders_count];
    return true;
  }
  return wslay_frame_context_init(&codec->decoder, &callbacks, dialer) == 0;
}

/* As wslay has read it: it refuses any other than the shortest form. */
static unsigned header_length(const struct wslay_frame_iocb *frame) {
  return 2 +
         (frame->payload_length > UINT16_MAX ? 8
          : frame->payload_length > 125      ? 2
                                             : 0) +
         (frame->mask ? 4 : 0);
}

int e2b__codec_next(e2b__codec_t *codec, e2b__socket_t *socket, e2b__frame_t *frame) {
  struct wslay_frame_iocb piece;
  e2b__dialer_t *dialer = socket->dialer;
  if (codec->decoder == NULL && !borrow_decoder(codec, dialer)) return E2B_ENOMEM;
  memset(&piece, 0, sizeof piece);
  dialer->receiving = codec;
  dialer->received = socket;
  const ssize_t got = wslay_frame_recv(codec->decoder, &piece);
  dialer->receiving = NULL;
  if (got == WSLAY_ERR_WANT_READ) return codec->over ? E2B_ECONNLOST : 0;
  if (got < 0) return E2B_EPROTOCOL;
  frame->opcode = piece.opcode;
  frame->reserved = piece.rsv;
  frame->fin = piece.fin;
  frame->masked = piece.mask;
  frame->length = piece.payload_length;
  frame->data = (const char *)piece.data;
  frame->len = piece.data_length;
  frame->first = !codec->inside;
  if (frame->first) {
    codec->ahead -= header_length(&piece);
    codec->got = 0;
  }
  codec->ahead -= (uint32_t)piece.data_length;
  codec->got += piece.data_length;
  frame->last = codec->got == piece.payload_length;
  codec->inside = !frame->last;
  return 1;
}

bool e2b__codec_drained(const e2b__codec_t *codec, const e2b__socket_t *socket) {
  return !codec->inside && codec->ahead == 0 && e2b__socket_drained(socket);
}

void e2b__codec_rest(e2b__codec_t *codec, e2b__dialer_t *dialer) {
  if (codec->decoder == NULL || codec->inside || codec->ahead > 0) return;
  if (dialer->decoders_count < E2B__DIALER_CODECS) {
    dialer->decoders[dialer->decoders_count++] = codec->decoder;
  } else {
    wslay_frame_context_free(codec->decoder);
  }
  codec->decoder = NULL;
}

void e2b__codec_free(e2b__codec_t *codec, e2b__dialer_t *dialer) {
  e2b__codec_rest(codec, dialer);
  if (codec->decoder != NULL) wslay_frame_context_free(codec->decoder);
  codec->decoder = NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int flush(e2b__dialer_t *dialer) {
  const size_t len = dialer->output_len;
  dialer->output_len = 0;
  return e2b__socket_write(dialer->sending, dialer->output, len);
}

/* Gathers what belongs to one frame, so that it goes out in one piece. */
static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *ctx) {
  (void)flags;
  e2b__dialer_t *dialer = ctx;
  if (dialer->output_len == E2B__DIALER_OUTPUT) {
    dialer->send_error = flush(dialer);
    if (dialer->send_error != 0) return -1;
  }
  const size_t room = E2B__DIALER_OUTPUT - dialer->output_len;
  if (len > room) len = room;
  memcpy(dialer->output + dialer->output_len, data, len);
  dialer->output_len += len;
  return (ssize_t)len;
}

static int on_mask(uint8_t *to, size_t len, void *ctx) {
  return e2b__dialer_random(ctx, to, len);
}

static int encoder_of(e2b__dialer_t *dialer) {
  static const struct wslay_frame_callbacks callbacks = {on_send, NULL, on_mask};
  if (dialer->encoder != NULL) return 0;
  return wslay_frame_context_init(&dialer->encoder, &callbacks, dialer) == 0 ? 0 : E2B_ENOMEM;
}

int e2b__codec_write(e2b__socket_t *socket, uint8_t opcode, bool fin, const void *data,
                     size_t len) {
  enum { LONGEST_HEADER = 14 };
  e2b__dialer_t *dialer = socket->dialer;
  int rc = encoder_of(dialer);
  if (rc == 0) rc = e2b__socket_reserve(socket, len + LONGEST_HEADER);
  if (rc != 0) return E2B_ENOMEM;
  struct wslay_frame_iocb frame = {.fin = fin,
                                   .opcode = opcode,
                                   .payload_length = len,
                                   .mask = 1,
                                   .data = data,
                                   .data_length = len};
  dialer->sending = socket;
  dialer->output_len = 0;
  dialer->send_error = 0;
  const ssize_t taken = wslay_frame_send(dialer->encoder, &frame);
  if (taken >= 0 && (size_t)taken == len) return flush(dialer);
  /* It stopped in the middle of a frame and would go on with it. */
  wslay_frame_context_free(dialer->encoder);
  dialer->encoder = NULL;
  return dialer->send_error != 0 ? dialer->send_error : E2B_ESYSTEM;
}

void e2b__codec_free_shared(e2b__dialer_t *dialer) {
  while (dialer->decoders_count > 0) {
    wslay_frame_context_free(dialer->decoders[--dialer->decoders_count]);
  }
  if (dialer->encoder != NULL) wslay_frame_context_free(dialer->encoder);
}
