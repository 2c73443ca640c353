/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "proto/envelope.h"

/* However a stream is cut into pieces, the same envelopes come out and the same error. The first
 * byte of the input is the size of the pieces. */

enum { CEILING = 1 << 16 };

/* The envelopes, written again, and at last the error. */
static int decode(const char *stream, size_t size, size_t step, e2b__buffer_t *out) {
  e2b__envelope_decoder_t d;
  int rc = 0;
  e2b__envelope_decoder_init(&d, CEILING);
  for (size_t at = 0; at < size && rc == 0; at += step) {
    size_t len = size - at < step ? size - at : step;
    char *piece = malloc(len);
    HOLDS(piece != NULL);
    memcpy(piece, stream + at, len);
    const char *data = piece;
    e2b__envelope_t e;
    while ((rc = e2b__envelope_next(&d, &data, &len, &e)) == 1) {
      unsigned char prefix[E2B__ENVELOPE_PREFIX];
      HOLDS(e.len <= CEILING);
      e2b__envelope_prefix(prefix, e.flags, e.len);
      HOLDS(e2b__buffer_append(out, prefix, sizeof prefix) == 0);
      HOLDS(e2b__buffer_append(out, e.payload, e.len) == 0);
    }
    if (rc == 0) HOLDS(len == 0);
    free(piece);
  }
  if (rc == 0) HOLDS((e2b__envelope_partial(&d) != 0) == (out->len != size));
  e2b__envelope_decoder_free(&d);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const char *stream = (const char *)data + 1;
  e2b__buffer_t whole = E2B__BUFFER_INIT(1 << 24), pieces = E2B__BUFFER_INIT(1 << 24);
  int rc = decode(stream, size - 1, size - 1, &whole);
  HOLDS(rc == 0 || rc == E2B_EPROTOCOL || rc == E2B_ETOOBIG);
  HOLDS(decode(stream, size - 1, (size_t)data[0] + 1, &pieces) == rc);
  HOLDS(whole.len == pieces.len);
  HOLDS(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
  HOLDS(whole.len <= size - 1 && (whole.len == 0 || memcmp(whole.data, stream, whole.len) == 0));
  e2b__buffer_free(&whole);
  e2b__buffer_free(&pieces);
  return 0;
}
