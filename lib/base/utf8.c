/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The length that a lead byte announces, 0 when it is none. */
static size_t announced(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

/* The second byte carries the rules against overlong forms, surrogates and values past U+10FFFF. */
static int second_ok(unsigned char lead, unsigned char second) {
  switch (lead) {
  case 0xe0: return second >= 0xa0 && second <= 0xbf;
  case 0xed: return second >= 0x80 && second <= 0x9f;
  case 0xf0: return second >= 0x90 && second <= 0xbf;
  case 0xf4: return second >= 0x80 && second <= 0x8f;
  default: return second >= 0x80 && second <= 0xbf;
  }
}

/* Nonzero when the `have` bytes at `s`, lead byte first, may be the start of a character. */
static int plausible(const unsigned char *s, size_t have) {
  if (have >= 2 && !second_ok(s[0], s[1])) return 0;
  for (size_t i = 2; i < have; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  return 1;
}

size_t e2b__utf8_tail(const char *data, size_t len) {
  const unsigned char *s = (const unsigned char *)data;
  for (size_t back = 1; back <= 3 && back <= len; back++) {
    unsigned char c = s[len - back];
    if ((c & 0xc0) == 0x80) continue;
    return announced(c) > back && plausible(s + len - back, back) ? back : 0;
  }
  return 0;
}

size_t e2b__utf8_char(const char *data, size_t len) {
  const unsigned char *s = (const unsigned char *)data;
  if (len == 0) return 0;
  size_t n = announced(s[0]);
  return n <= len && plausible(s, n) ? n : 0;
}

/* Text is mostly ASCII: eight bytes at a time as long as it is. */
static size_t ascii_run(const char *data, size_t len) {
  size_t i = 0;
  for (; len - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, data + i, sizeof word);
    if ((word & UINT64_C(0x8080808080808080)) != 0) break;
  }
  return i;
}

int e2b__utf8_valid(const char *data, size_t len) {
  size_t i = 0;
  while (i < len) {
    size_t n = ascii_run(data + i, len - i);
    if (n == 0) n = e2b__utf8_char(data + i, len - i);
    if (n == 0) return 0;
    i += n;
  }
  return 1;
}
