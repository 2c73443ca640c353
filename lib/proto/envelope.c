/* SPDX-License-Identifier: MIT */
#include "proto/envelope.h"

#include <string.h>

/* Up to here the room for an announced payload is taken at once; beyond it the buffer grows with
 * what really comes, so that an announcement alone costs no memory. */
enum { RESERVED_AT_ONCE = 64 * 1024 };

void e2b__envelope_prefix(unsigned char prefix[E2B__ENVELOPE_PREFIX], unsigned flags, size_t len) {
  prefix[0] = (unsigned char)flags;
  prefix[1] = (unsigned char)(len >> 24);
  prefix[2] = (unsigned char)(len >> 16);
  prefix[3] = (unsigned char)(len >> 8);
  prefix[4] = (unsigned char)len;
}

void e2b__envelope_decoder_init(e2b__envelope_decoder_t *decoder, size_t ceiling) {
  if (ceiling > UINT32_MAX) ceiling = UINT32_MAX;
  decoder->ceiling = ceiling;
  decoder->failed = 0;
  e2b__buffer_init(&decoder->gathered, ceiling + E2B__ENVELOPE_PREFIX);
}

void e2b__envelope_decoder_free(e2b__envelope_decoder_t *decoder) {
  e2b__buffer_free(&decoder->gathered);
}

static int check(const e2b__envelope_decoder_t *decoder, const char *prefix) {
  if ((unsigned char)prefix[0] > E2B__ENVELOPE_KNOWN_FLAGS) return E2B_EPROTOCOL;
  return e2b__envelope_announced(prefix) > decoder->ceiling ? E2B_ETOOBIG : 0;
}

static int deliver(const char *prefix, const char *payload, e2b__envelope_t *envelope) {
  envelope->flags = (unsigned char)prefix[0];
  envelope->payload = payload;
  envelope->len = e2b__envelope_announced(prefix);
  return 1;
}

static int fail(e2b__envelope_decoder_t *decoder, int rc) {
  e2b__buffer_free(&decoder->gathered);
  return decoder->failed = rc;
}

/* Moves input to the gathered bytes until those are `goal` long. */
static int gather(e2b__envelope_decoder_t *decoder, size_t goal, const char **data, size_t *len) {
  e2b__buffer_t *gathered = &decoder->gathered;
  size_t wanted = goal - gathered->len;
  size_t taken = wanted < *len ? wanted : *len;
  int rc = e2b__buffer_reserve(gathered, goal <= RESERVED_AT_ONCE ? wanted : taken);
  if (rc == 0) rc = e2b__buffer_append(gathered, *data, taken);
  if (rc != 0) return fail(decoder, rc);
  *data += taken;
  *len -= taken;
  return 0;
}

/* The envelope whose beginning has been gathered. */
static int next_gathered(e2b__envelope_decoder_t *decoder, const char **data, size_t *len,
                         e2b__envelope_t *envelope) {
  e2b__buffer_t *gathered = &decoder->gathered;
  if (gathered->len < E2B__ENVELOPE_PREFIX) {
    int rc = gather(decoder, E2B__ENVELOPE_PREFIX, data, len);
    if (rc != 0 || gathered->len < E2B__ENVELOPE_PREFIX) return rc;
    rc = check(decoder, gathered->data);
    if (rc != 0) return fail(decoder, rc);
  }
  size_t payload = e2b__envelope_announced(gathered->data);
  if (gathered->len == E2B__ENVELOPE_PREFIX && payload > 0 && payload <= *len) {
    /* Only the prefix came in pieces: the payload needs no copy. */
    int rc = deliver(gathered->data, *data, envelope);
    e2b__buffer_clear(gathered);
    *data += payload;
    *len -= payload;
    return rc;
  }
  size_t goal = E2B__ENVELOPE_PREFIX + payload;
  if (gathered->len < goal) {
    int rc = gather(decoder, goal, data, len);
    if (rc != 0 || gathered->len < goal) return rc;
  }
  return deliver(gathered->data, gathered->data + E2B__ENVELOPE_PREFIX, envelope);
}

int e2b__envelope_partial(const e2b__envelope_decoder_t *decoder) {
  const e2b__buffer_t *gathered = &decoder->gathered;
  if (gathered->len < E2B__ENVELOPE_PREFIX) return gathered->len > 0;
  return gathered->len < E2B__ENVELOPE_PREFIX + e2b__envelope_announced(gathered->data);
}

int e2b__envelope_next_piece(e2b__envelope_decoder_t *decoder, const char **data, size_t *len,
                             e2b__envelope_t *envelope) {
  if (decoder->failed != 0) return decoder->failed;
  e2b__buffer_t *gathered = &decoder->gathered;
  if (gathered->len > 0 && !e2b__envelope_partial(decoder)) {
    e2b__buffer_clear(gathered); /* it was delivered by the call before */
    return e2b__envelope_next(decoder, data, len, envelope);
  }
  if (*len == 0) {
    if (gathered->len == 0 && gathered->capacity > E2B__ENVELOPE_KEPT) e2b__buffer_free(gathered);
    return 0;
  }
  if (gathered->len > 0) return next_gathered(decoder, data, len, envelope);
  if (*len < E2B__ENVELOPE_PREFIX) return gather(decoder, E2B__ENVELOPE_PREFIX, data, len);
  const int rc = check(decoder, *data);
  if (rc != 0) return fail(decoder, rc);
  return gather(decoder, E2B__ENVELOPE_PREFIX + e2b__envelope_announced(*data), data, len);
}
