/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include "unit.h"

/* Any code point as UTF-8 would write it, also those it must not. */
static size_t encode(unsigned c, size_t length, char out[4]) {
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  if (length == 1) {
    out[0] = (char)c;
    return 1;
  }
  for (size_t i = length - 1; i > 0; i--, c >>= 6)
    out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)(lead[length] | c);
  return length;
}

static size_t shortest(unsigned c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static void every_code_point_is_valid_but_surrogates_and_overlong_forms(void **state) {
  (void)state;
  char text[4];
  for (unsigned c = 0; c < 0x120000; c++) {
    int good = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
    size_t n = encode(c, shortest(c), text);
    if (e2b__utf8_valid(text, n) != good) fail_msg("U+%04X", c);
    if (e2b__utf8_char(text, n) != (good ? n : 0)) fail_msg("U+%04X", c);
    if (n < 4 && e2b__utf8_valid(text, encode(c, n + 1, text))) fail_msg("overlong U+%04X", c);
  }
}

static void a_cut_character_is_invalid_and_counts_as_tail(void **state) {
  (void)state;
  const char *text = "ab\303\251\342\202\254\360\237\231\202";
  static const size_t tails[] = {0, 0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0};
  for (size_t len = 0; len <= strlen(text); len++) {
    assert_int_equal(e2b__utf8_tail(text, len), tails[len]);
    assert_int_equal(e2b__utf8_valid(text, len), tails[len] == 0);
  }
}

static void invalid_bytes_are_no_tail(void **state) {
  (void)state;
  assert_int_equal(e2b__utf8_tail("\200", 1), 0);
  assert_int_equal(e2b__utf8_tail("\200\200\200\200", 4), 0);
  assert_int_equal(e2b__utf8_tail("\377", 1), 0);
  assert_int_equal(e2b__utf8_tail("\300", 1), 0);
  assert_int_equal(e2b__utf8_tail("\340\200", 2), 0); /* overlong */
  assert_int_equal(e2b__utf8_tail("\355\240", 2), 0); /* surrogate */
  assert_int_equal(e2b__utf8_tail("\364\220", 2), 0); /* past U+10FFFF */
  assert_int_equal(e2b__utf8_tail("\303", 1), 1);
}

static void a_bad_byte_is_found_anywhere_in_long_text(void **state) {
  (void)state;
  char text[64];
  for (size_t at = 0; at < sizeof text; at++) {
    memset(text, 'a', sizeof text);
    assert_true(e2b__utf8_valid(text, sizeof text));
    text[at] = (char)0xff;
    assert_false(e2b__utf8_valid(text, sizeof text));
  }
  assert_true(e2b__utf8_valid(NULL, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_point_is_valid_but_surrogates_and_overlong_forms),
      cmocka_unit_test(a_cut_character_is_invalid_and_counts_as_tail),
      cmocka_unit_test(invalid_bytes_are_no_tail),
      cmocka_unit_test(a_bad_byte_is_found_anywhere_in_long_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
