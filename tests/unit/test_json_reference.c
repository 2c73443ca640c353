/* SPDX-License-Identifier: MIT */
/* The scanner of JSON strings against a slow reading of RFC 8259, and against cJSON, on random
 * texts cut at every byte. */

#include <inttypes.h>

#include <cjson/cJSON.h>

#include "base/utf8.h"
#include "proto/json_scan.h"
#include "unit.h"

enum { ROUNDS = 3000, LONGEST = 256 };

/* The same numbers in every run. */
static uint32_t random_below(uint32_t limit) {
  static uint64_t seed = 88172645463325252u;
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32) % limit;
}

/* --- the slow reading ------------------------------------------------------------------------- */

static size_t put(char *out, uint32_t c) {
  const size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = len; i-- > 1; c >>= 6) {
    out[i] = (char)(0x80 | (c & 0x3f));
  }
  out[0] = (char)(lead[len] | c);
  return len;
}

/* "\uXXXX" at `at`; -1: it is not there. */
static long unit_at(const char *text, size_t len, size_t at) {
  char digits[5] = "";
  if (len - at < 6 || text[at] != '\\' || text[at + 1] != 'u') return -1;
  memcpy(digits, text + at + 2, 4);
  return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/* The length of the string that `text` begins with, quotes included, and what it says; 0: none. */
static size_t read_slowly(const char *text, size_t len, char *out, size_t *out_len) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  *out_len = 0;
  if (len == 0 || text[0] != '"') return 0;
  for (size_t at = 1; at < len;) {
    const unsigned char c = (unsigned char)text[at];
    if (c == '"') return at + 1;
    if (c < 0x20) return 0;
    if (c != '\\') {
      const size_t width = e2b__utf8_char(text + at, len - at);
      if (width == 0) return 0;
      memcpy(out + *out_len, text + at, width);
      *out_len += width;
      at += width;
      continue;
    }
    const char *name = at + 1 < len && text[at + 1] != '\0' ? strchr(names, text[at + 1]) : NULL;
    if (name != NULL) {
      out[(*out_len)++] = values[name - names];
      at += 2;
      continue;
    }
    const long unit = unit_at(text, len, at);
    at += 6;
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return 0;
    if (unit < 0xd800 || unit > 0xdfff) {
      *out_len += put(out + *out_len, (uint32_t)unit);
      continue;
    }
    const long low = at < len ? unit_at(text, len, at) : -1;
    at += 6;
    if (low < 0xdc00 || low > 0xdfff) return 0;
    *out_len += put(out + *out_len,
                    0x10000u + ((uint32_t)unit - 0xd800u) * 0x400u + ((uint32_t)low - 0xdc00u));
  }
  return 0;
}

/* --- texts ------------------------------------------------------------------------------------ */

#define PIECE(text) \
  { text, sizeof text - 1 }

static const struct piece {
  const char *text;
  size_t len;
} pieces[] = {
    PIECE("\""),
    PIECE("\\\""),
    PIECE("\\\\"),
    PIECE("\\/"),
    PIECE("\\n"),
    PIECE("\\t"),
    PIECE("\\u0041"),
    PIECE("\\u0000"),
    PIECE("\\u00e9"),
    PIECE("\\u20AC"),
    PIECE("\\ud83d\\ude42"),
    PIECE("\\uDBFF\\uDFFF"),
    PIECE("\303\251"),
    PIECE("\342\202\254"),
    PIECE("\360\237\231\202"),
    PIECE(" "),
    PIECE("\177"),
    PIECE(","),
    /* From here on none is good by itself. */
    PIECE("\\"),
    PIECE("\\x"),
    PIECE("\\u"),
    PIECE("\\u12g4"),
    PIECE("\\ud83d"),
    PIECE("\\ude42"),
    PIECE("\\ud83d\\u0041"),
    PIECE("\\ud83d\\n"),
    PIECE("\n"),
    PIECE("\0"),
    PIECE("\037"),
    PIECE("\200"),
    PIECE("\377"),
    PIECE("\300\200"),
    PIECE("\355\240\200"),
    PIECE("\360\237\231"),
};
enum { GOOD_PIECES = 18 };

/* A string with up to four pieces that are not plain, at any place of any block that may be read at
 * once; mostly ended, mostly good. */
static size_t make_text(char text[LONGEST]) {
  size_t len = 0;
  const uint32_t count = random_below(5);
  const size_t of = random_below(4) > 0 ? GOOD_PIECES : sizeof pieces / sizeof pieces[0];
  text[len++] = '"';
  for (uint32_t i = 0; i <= count; i++) {
    const size_t run = random_below(4) > 0 ? random_below(20) : random_below(50);
    memset(text + len, 'a' + (int)i, run);
    len += run;
    if (i == count) break;
    const struct piece *piece = &pieces[random_below((uint32_t)of)];
    memcpy(text + len, piece->text, piece->len);
    len += piece->len;
  }
  text[len++] = '"';
  const size_t behind = random_below(20);
  memset(text + len, ' ', behind);
  return len + behind;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* cJSON takes more than is good (control characters, bad UTF-8, bad digits), so it is asked about
 * what is good alone. */
static void check_cjson(const char *text, size_t len, const char *wanted, size_t wanted_len) {
  cJSON *tree = cJSON_ParseWithLength(text, len);
  assert_non_null(tree);
  assert_memory_equal(tree->valuestring, wanted, wanted_len);
  assert_int_equal(tree->valuestring[wanted_len], '\0');
  cJSON_Delete(tree);
}

/* Whether it was a string. */
static bool check_text(const char *from, size_t len) {
  char wanted[2 * LONGEST], got[2 * LONGEST];
  char *text = malloc(len > 0 ? len : 1); /* just so long: a byte too far is noticed */
  memcpy(text, from, len);
  size_t wanted_len;
  const size_t end = read_slowly(text, len, wanted, &wanted_len);
  e2b__json_scan_t scan;
  e2b__json_token_t token;
  e2b__json_scan_init(&scan, text, len);
  const bool good = e2b__json_scan_string(&scan, &token);
  assert_int_equal(good, end > 0);
  if (good) {
    assert_ptr_equal(token.ptr, text + 1);
    assert_int_equal(token.len, end - 2);
    assert_int_equal(token.escaped, memchr(text, '\\', end) != NULL);
    assert_ptr_equal(scan.at, text + end);
    assert_int_equal(e2b__json_unescape(token, got), wanted_len);
    assert_memory_equal(got, wanted, wanted_len);
    check_cjson(text, end, wanted, wanted_len);
  } else {
    assert_non_null(scan.fault);
    assert_false(e2b__json_scan_take(&scan, ','));
    assert_false(e2b__json_scan_skip(&scan));
    assert_false(e2b__json_scan_end(&scan));
  }
  free(text);
  return good;
}

static void strings_are_read_as_by_the_book_at_every_cut(void **state) {
  (void)state;
  char text[LONGEST];
  unsigned good = 0, bad = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    const size_t most = make_text(text);
    for (size_t len = 0; len <= most; len++) {
      if (check_text(text, len)) {
        good++;
      } else {
        bad++;
      }
    }
  }
  assert_true(good > ROUNDS && bad > ROUNDS);
}

static void a_string_ends_at_any_place_of_a_block(void **state) {
  (void)state;
  char text[LONGEST];
  for (size_t run = 0; run <= 70; run++) {
    for (size_t behind = 0; behind <= 20; behind++) {
      memset(text, 'a', sizeof text);
      text[0] = text[run + 1] = '"';
      memset(text + run + 2, '"', behind);
      assert_true(check_text(text, run + 2 + behind));
      assert_false(check_text(text, run + 1));
    }
  }
}

static void a_whole_number_is_the_c_librarys(void **state) {
  (void)state;
  char text[32];
  for (unsigned round = 0; round < 20000; round++) {
    const uint64_t bits = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
    const int64_t number = (int64_t)bits >> random_below(64);
    const int len = snprintf(text, sizeof text, "%" PRId64, number);
    assert_true(e2b__json_int64((e2b__json_token_t){text, (size_t)len, false}) == number);
  }
  static const char *const large[] = {"9223372036854775807", "9223372036854775808",
                                      "99999999999999999999"};
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    assert_true(e2b__json_int64((e2b__json_token_t){large[i], strlen(large[i]), false}) ==
                INT64_MAX);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strings_are_read_as_by_the_book_at_every_cut),
      cmocka_unit_test(a_string_ends_at_any_place_of_a_block),
      cmocka_unit_test(a_whole_number_is_the_c_librarys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
