/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_ENVELOPE_H
#define E2B_LIB_PROTO_ENVELOPE_H

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"

/* Connect stream envelopes: one byte of flags, four of length (big endian), the payload. */

enum {
  E2B__ENVELOPE_PREFIX = 5,
  E2B__ENVELOPE_COMPRESSED = 1,
  E2B__ENVELOPE_END_STREAM = 2,
  E2B__ENVELOPE_KNOWN_FLAGS = E2B__ENVELOPE_COMPRESSED | E2B__ENVELOPE_END_STREAM,
  E2B__ENVELOPE_KEPT = 512 /* bytes of a buffer, at most, while a stream waits */
};

/* Writes the prefix of a payload of `len` bytes (at most UINT32_MAX). */
void e2b__envelope_prefix(unsigned char prefix[E2B__ENVELOPE_PREFIX], unsigned flags, size_t len);

/* Takes envelopes out of a byte stream that arrives in any pieces, one byte at a time included. A
 * payload that lies whole in one piece is lent from it without a copy; only one that spans pieces
 * is gathered. */
typedef struct e2b__envelope_decoder {
  e2b__buffer_t gathered; /* prefix and payload so far of the envelope that is not complete */
  size_t ceiling;         /* of a payload */
  int failed;             /* the error it stays in */
} e2b__envelope_decoder_t;

typedef struct e2b__envelope {
  unsigned flags;
  const char *payload; /* lent until the next call with this decoder */
  size_t len;
} e2b__envelope_t;

void e2b__envelope_decoder_init(e2b__envelope_decoder_t *decoder, size_t ceiling);
/* Nonzero when the input so far ends inside an envelope. */
int e2b__envelope_partial(const e2b__envelope_decoder_t *decoder);
void e2b__envelope_decoder_free(e2b__envelope_decoder_t *decoder);

/* The payload's length, of a whole prefix. */
static inline size_t e2b__envelope_announced(const char *prefix) {
  uint32_t len;
  memcpy(&len, prefix + 1, sizeof len);
  return be32toh(len);
}

/* The rest of e2b__envelope_next(): all but an envelope that lies whole in the input. */
int e2b__envelope_next_piece(e2b__envelope_decoder_t *decoder, const char **data, size_t *len,
                             e2b__envelope_t *envelope);

/* Takes from *data, *len what it can. 1: *envelope is filled; call again. 0: all input is taken
 * and more is needed. E2B_ETOOBIG: the announced payload is past the ceiling. E2B_EPROTOCOL:
 * flags other than the two known. E2B_ENOMEM. After an error the decoder stays in it. */
static inline int e2b__envelope_next(e2b__envelope_decoder_t *decoder, const char **data,
                                     size_t *len, e2b__envelope_t *envelope) {
  const bool between = decoder->gathered.len == 0 && decoder->failed == 0; /* two envelopes */
  if (between && *len >= E2B__ENVELOPE_PREFIX) {
    const char *prefix = *data;
    const size_t payload = e2b__envelope_announced(prefix);
    const unsigned flags = (unsigned char)prefix[0];
    if (payload <= *len - E2B__ENVELOPE_PREFIX && payload <= decoder->ceiling &&
        flags <= E2B__ENVELOPE_KNOWN_FLAGS) {
      *envelope = (e2b__envelope_t){flags, prefix + E2B__ENVELOPE_PREFIX, payload};
      *data += E2B__ENVELOPE_PREFIX + payload;
      *len -= E2B__ENVELOPE_PREFIX + payload;
      return 1;
    }
  } else if (between && *len == 0 && decoder->gathered.capacity <= E2B__ENVELOPE_KEPT) {
    return 0;
  }
  return e2b__envelope_next_piece(decoder, data, len, envelope);
}

#endif
