/* SPDX-License-Identifier: MIT */
#include "proto/base64.h"

#include <stdbool.h>
#include <stdint.h>

#include "e2b/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of each symbol, of both alphabets; the high bit marks what is none, so that one test
 * on the four values of a group finds any fault. */
#define XX 0x80
/* clang-format off */
static const uint8_t symbol[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, 62, XX, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
};
/* clang-format on */
#undef XX

size_t e2b__base64_encoded_size(size_t len) {
  return (len / 3 + (len % 3 != 0)) * 4;
}

void e2b__base64_encode(const void *data, size_t len, char *out) {
  const uint8_t *in = data;
  for (; len >= 3; len -= 3, in += 3, out += 4) {
    uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = alphabet[bits >> 6 & 63];
    out[3] = alphabet[bits & 63];
  }
  if (len == 0) return;
  uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
  out[0] = alphabet[bits >> 18];
  out[1] = alphabet[bits >> 12 & 63];
  out[2] = len == 2 ? alphabet[bits >> 6 & 63] : '=';
  out[3] = '=';
}

size_t e2b__base64_decoded_bound(size_t len) {
  return len / 4 * 3 + len % 4;
}

/* The symbols that are left after the last whole group: how many there were and their bits. */
typedef struct rest {
  unsigned count;
  unsigned padding;
  uint32_t bits;
} rest;

/* One character outside the fast path: a symbol, padding, or a line break. */
static bool take(rest *r, uint8_t c) {
  if (c == '\r' || c == '\n') return true;
  if (c == '=') {
    r->padding++;
    return true;
  }
  if ((symbol[c] & 0x80) != 0 || r->padding > 0) return false;
  r->bits = r->bits << 6 | symbol[c];
  r->count++;
  return true;
}

static char *put_group(char *out, uint32_t bits) {
  out[0] = (char)(bits >> 16);
  out[1] = (char)(bits >> 8);
  out[2] = (char)bits;
  return out + 3;
}

int e2b__base64_decode(const char *text, size_t len, char *out, size_t *written) {
  *written = 0;
  if (len == 0) return 0;
  const uint8_t *in = (const uint8_t *)text;
  const uint8_t *end = in + len;
  char *start = out;
  rest r = {0, 0, 0};
  while (in < end) {
    while (r.count == 0 && end - in >= 4) {
      uint32_t a = symbol[in[0]], b = symbol[in[1]], c = symbol[in[2]], d = symbol[in[3]];
      if (((a | b | c | d) & 0x80) != 0) break;
      out = put_group(out, a << 18 | b << 12 | c << 6 | d);
      in += 4;
    }
    if (in == end) break;
    if (!take(&r, *in++)) return E2B_EPROTOCOL;
    if (r.count < 4) continue;
    out = put_group(out, r.bits);
    r = (rest){0, 0, 0};
  }
  if (r.count == 1 || (r.padding > 0 && r.count + r.padding != 4) || r.padding > 2) {
    return E2B_EPROTOCOL;
  }
  if (r.count == 2) {
    *out++ = (char)(r.bits >> 4);
  } else if (r.count == 3) {
    *out++ = (char)(r.bits >> 10);
    *out++ = (char)(r.bits >> 2);
  }
  *written = (size_t)(out - start);
  return 0;
}
