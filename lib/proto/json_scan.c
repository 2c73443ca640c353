/* SPDX-License-Identifier: MIT */
#include "proto/json_scan.h"

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

void e2b__json_scan_init(e2b__json_scan_t *scan, const char *data, size_t len) {
  scan->start = scan->at = len > 0 ? data : "";
  scan->end = scan->at + len;
  scan->fault = NULL;
}

bool e2b__json_scan_fail(e2b__json_scan_t *scan, const char *fault) {
  if (scan->fault == NULL) scan->fault = fault;
  scan->end = scan->at; /* nothing is left to be read */
  return false;
}

bool e2b__json_scan_end(e2b__json_scan_t *scan) {
  return e2b__json_scan_peek(scan) == '\0' && scan->at == scan->end && scan->fault == NULL;
}

bool e2b__json_scan_unexpected(e2b__json_scan_t *scan) {
  return e2b__json_scan_fail(scan, scan->at == scan->end ? "unexpected end of JSON text"
                                                         : "syntax error in JSON text");
}

/* --- strings ---------------------------------------------------------------------------------- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each byte that is zero. Bytes above a zero byte may be flagged too: the lowest
 * flag is right. */
static uint64_t zero_bytes(uint64_t word) {
  return (word - EACH(1)) & ~word;
}

#ifdef __SSE2__
/* One bit for each of sixteen bytes that is not plain. */
static unsigned special_bytes(const char *s) {
  const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)s);
  /* As signed bytes, those above ASCII are less than a blank too. */
  const __m128i special = _mm_or_si128(_mm_cmplt_epi8(text, _mm_set1_epi8(0x20)),
                                       _mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(text, _mm_set1_epi8('\\'))));
  return (unsigned)_mm_movemask_epi8(special);
}
#endif

inline size_t e2b__json_plain_run(const char *s, size_t len) {
  size_t i = 0;
#ifdef __SSE2__
  for (; len - i >= 16; i += 16) {
    const unsigned which = special_bytes(s + i);
    if (which != 0) return i + (size_t)__builtin_ctz(which);
  }
#endif
  for (; len - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, s + i, sizeof word);
    word = le64toh(word); /* the first byte is the lowest */
    const uint64_t below_blank = (word - EACH(0x20)) & ~word;
    const uint64_t special =
        (word | below_blank | zero_bytes(word ^ EACH('"')) | zero_bytes(word ^ EACH('\\'))) &
        EACH(0x80);
    if (special != 0) return i + (size_t)__builtin_ctzll(special) / 8;
  }
  return i;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The value of "\uXXXX" at `s`, -1 when that is not there. */
static int32_t hex_escape(const char *s, size_t len) {
  int32_t value = 0;
  if (len < 6 || s[0] != '\\' || s[1] != 'u') return -1;
  for (size_t i = 2; i < 6; i++) {
    int digit = hex_digit(s[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static bool is_high(int32_t unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}
static bool is_low(int32_t unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The length of the escape sequence at `s`, which starts with a backslash; 0 when it is bad. */
static size_t escape_length(const char *s, size_t len) {
  if (len >= 2 && s[1] != '\0' && strchr("\"\\/bfnrt", s[1]) != NULL) return 2;
  int32_t unit = hex_escape(s, len);
  if (unit < 0 || is_low(unit)) return 0;
  if (!is_high(unit)) return 6;
  return is_low(hex_escape(s + 6, len - 6)) ? 12 : 0;
}

/* From `p` on, in the string that begins at token->ptr. Inline, it would have the short way below
 * save registers. */
__attribute__((noinline)) static bool scan_rest(e2b__json_scan_t *scan, e2b__json_token_t *token,
                                                const char *p) {
  bool high = false;
  token->escaped = false;
  for (;;) {
    p += e2b__json_plain_run(p, (size_t)(scan->end - p));
    if (p == scan->end) return e2b__json_scan_fail(scan, "unexpected end of JSON text");
    unsigned char c = (unsigned char)*p;
    if (c == '"') break;
    if (c < 0x20) return e2b__json_scan_fail(scan, "control character in a JSON string");
    if (c == '\\') {
      size_t length = escape_length(p, (size_t)(scan->end - p));
      if (length == 0) return e2b__json_scan_fail(scan, "invalid escape in a JSON string");
      token->escaped = true;
      p += length;
      continue;
    }
    do { /* what is not ASCII comes in runs */
      high = high || (unsigned char)*p >= 0x80;
      p++;
    } while (p < scan->end && (unsigned char)*p >= 0x80);
  }
  token->len = (size_t)(p - token->ptr);
  if (high && !e2b__utf8_valid(token->ptr, token->len)) {
    return e2b__json_scan_fail(scan, "invalid UTF-8 in a JSON string");
  }
  scan->at = p + 1;
  return true;
}

bool e2b__json_scan_string(e2b__json_scan_t *scan, e2b__json_token_t *token) {
  if (!e2b__json_scan_expect(scan, '"')) return false;
  const char *p = token->ptr = scan->at;
#ifdef __SSE2__
  /* Nearly every string is plain to its end: a leaf without calls. */
  for (; scan->end - p >= 16; p += 16) {
    const unsigned which = special_bytes(p);
    if (which == 0) continue;
    p += __builtin_ctz(which);
    if (*p != '"') break;
    token->len = (size_t)(p - token->ptr);
    token->escaped = false;
    scan->at = p + 1;
    return true;
  }
#endif
  return scan_rest(scan, token, p);
}

static size_t put_utf8(char *out, int32_t c) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 0x3f));
  out[2] = (char)(0x80 | (c >> 6 & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

static char short_escape(char c) {
  switch (c) {
  case 'b': return '\b';
  case 'f': return '\f';
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  default: return c;
  }
}

static size_t unescape(e2b__json_token_t token, char *out, int32_t for_nul) {
  const char *p = token.ptr;
  const char *end = p + token.len;
  char *to = out;
  while (p < end) {
    const char *stop = memchr(p, '\\', (size_t)(end - p));
    size_t plain = (size_t)((stop != NULL ? stop : end) - p);
    memmove(to, p, plain);
    to += plain;
    p += plain;
    if (stop == NULL) break;
    if (p[1] != 'u') {
      *to++ = short_escape(p[1]);
      p += 2;
      continue;
    }
    int32_t c = hex_escape(p, (size_t)(end - p));
    p += 6;
    if (is_high(c)) {
      c = 0x10000 + ((c - 0xd800) << 10) + (hex_escape(p, (size_t)(end - p)) - 0xdc00);
      p += 6;
    }
    to += put_utf8(to, c != 0 ? c : for_nul);
  }
  return (size_t)(to - out);
}

size_t e2b__json_unescape(e2b__json_token_t token, char *out) {
  return unescape(token, out, 0);
}

size_t e2b__json_unescape_text(e2b__json_token_t token, char *out) {
  const size_t len = unescape(token, out, 0xfffd);
  out[len] = '\0';
  return len;
}

e2b__json_token_t e2b__json_plain_word(e2b__json_token_t token, char room[E2B__JSON_WORD]) {
  if (!token.escaped || token.len > E2B__JSON_WORD) return token;
  token.len = e2b__json_unescape(token, room);
  token.ptr = room;
  token.escaped = false;
  return token;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static size_t digits(const char *p, const char *end) {
  const char *from = p;
  while (p < end && *p >= '0' && *p <= '9')
    p++;
  return (size_t)(p - from);
}

bool e2b__json_scan_number(e2b__json_scan_t *scan, e2b__json_token_t *token) {
  e2b__json_scan_peek(scan);
  const char *p = scan->at;
  const char *end = scan->end;
  bool good = true;
  if (p < end && *p == '-') p++;
  size_t whole = digits(p, end);
  good = whole == 1 || (whole > 1 && *p != '0');
  p += whole;
  if (p < end && *p == '.') {
    size_t fraction = digits(++p, end);
    good = good && fraction > 0;
    p += fraction;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    size_t exponent = digits(p, end);
    good = good && exponent > 0;
    p += exponent;
  }
  if (p == scan->at) return e2b__json_scan_unexpected(scan);
  if (!good) return e2b__json_scan_fail(scan, "invalid number in JSON text");
  token->ptr = scan->at;
  token->len = (size_t)(p - scan->at);
  token->escaped = false;
  scan->at = p;
  return true;
}

/* The exponent of "12.5e-3" from the character after the mantissa on; clamped far outside of what
 * could matter. */
static int64_t exponent_of(const char *p, const char *end) {
  const int64_t limit = INT64_C(1) << 40;
  int64_t value = 0;
  bool negative = false;
  if (p == end) return 0;
  p++;
  if (*p == '+' || *p == '-') negative = *p++ == '-';
  for (; p < end; p++) {
    if (value < limit) value = value * 10 + (*p - '0');
  }
  return negative ? -value : value;
}

static bool push_digit(uint64_t *magnitude, unsigned digit) {
  if (*magnitude > (UINT64_MAX - digit) / 10) return false;
  *magnitude = *magnitude * 10 + digit;
  return true;
}

/* What stands before the decimal point, and whether that is all. False when it does not fit. */
static bool whole_part(e2b__json_token_t number, bool *negative, uint64_t *magnitude,
                       bool *whole_number) {
  const char *p = number.ptr;
  const char *end = p + number.len;
  *magnitude = 0;
  *whole_number = true;
  *negative = *p == '-';
  if (*negative) p++;
  const char *mantissa_end = p;
  while (mantissa_end < end && *mantissa_end != 'e' && *mantissa_end != 'E')
    mantissa_end++;
  /* How many digits stand before the decimal point once the exponent has moved it. */
  int64_t whole = (int64_t)digits(p, mantissa_end) + exponent_of(mantissa_end, end);
  for (; p < mantissa_end; p++) {
    if (*p == '.') continue;
    if (whole-- > 0) {
      if (!push_digit(magnitude, (unsigned)(*p - '0'))) return false;
    } else if (*p != '0') {
      *whole_number = false;
    }
  }
  for (; whole > 0 && *magnitude != 0; whole--) {
    if (!push_digit(magnitude, 0)) return false;
  }
  return true;
}

bool e2b__json_integer(e2b__json_token_t number, bool *negative, uint64_t *magnitude) {
  bool whole_number;
  return whole_part(number, negative, magnitude, &whole_number) && whole_number;
}

int64_t e2b__json_int64(e2b__json_token_t number) {
  enum { SURE_TO_FIT = 18 };
  int64_t value = 0;
  size_t i = 0;
  while (i < number.len && i < SURE_TO_FIT && number.ptr[i] >= '0' && number.ptr[i] <= '9') {
    value = value * 10 + (number.ptr[i++] - '0');
  }
  if (i == number.len) return value;
  bool negative;
  bool whole_number;
  uint64_t magnitude;
  if (!whole_part(number, &negative, &magnitude, &whole_number) || magnitude > INT64_MAX) {
    return negative ? INT64_MIN : INT64_MAX;
  }
  return negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

/* --- structure -------------------------------------------------------------------------------- */

/* One that begins with `first`, which is next. */
static inline bool skip_scalar(e2b__json_scan_t *scan, char first) {
  e2b__json_token_t token;
  switch (first) {
  case '"': return e2b__json_scan_string(scan, &token);
  case 't': return e2b__json_scan_word(scan, "true");
  case 'f': return e2b__json_scan_word(scan, "false");
  case 'n': return e2b__json_scan_word(scan, "null");
  default: return e2b__json_scan_number(scan, &token);
  }
}

/* One bit a level: set for an object, clear for an array. */
typedef struct levels {
  size_t depth;
  uint8_t bits[(E2B__JSON_DEPTH + 7) / 8];
} levels;

static bool in_object(const levels *l) {
  return (l->bits[(l->depth - 1) / 8] >> (l->depth - 1) % 8 & 1) != 0;
}

static bool enter(e2b__json_scan_t *scan, levels *l, char bracket) {
  if (l->depth == E2B__JSON_DEPTH)
    return e2b__json_scan_fail(scan, "JSON text is nested too deeply");
  uint8_t bit = (uint8_t)(1u << l->depth % 8);
  if (bracket == '{') {
    l->bits[l->depth / 8] |= bit;
  } else {
    l->bits[l->depth / 8] &= (uint8_t)~bit;
  }
  l->depth++;
  return true;
}

/* After a value: closes what ends here. True with depth > 0 when another value follows. */
static bool after_value(e2b__json_scan_t *scan, levels *l) {
  e2b__json_token_t name;
  while (l->depth > 0) {
    bool object = in_object(l);
    if (e2b__json_scan_take(scan, ',')) return !object || e2b__json_scan_name(scan, &name);
    if (!e2b__json_scan_expect(scan, object ? '}' : ']')) return false;
    l->depth--;
  }
  return true;
}

static bool skip_nested(e2b__json_scan_t *scan) {
  levels l = {0, {0}};
  e2b__json_token_t name;
  do {
    char c = e2b__json_scan_peek(scan);
    if (c != '{' && c != '[') {
      if (!skip_scalar(scan, c)) return false;
    } else {
      if (!e2b__json_scan_take(scan, c) || !enter(scan, &l, c)) return false;
      if (!e2b__json_scan_take(scan, c == '{' ? '}' : ']')) {
        if (c == '{' && !e2b__json_scan_name(scan, &name)) return false;
        continue;
      }
      l.depth--;
    }
    if (!after_value(scan, &l)) return false;
  } while (l.depth > 0);
  return true;
}

bool e2b__json_scan_skip(e2b__json_scan_t *scan) {
  const char c = e2b__json_scan_peek(scan);
  return c == '{' || c == '[' ? skip_nested(scan) : skip_scalar(scan, c);
}
