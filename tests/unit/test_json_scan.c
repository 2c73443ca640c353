/* SPDX-License-Identifier: MIT */
#include "proto/json_scan.h"

#include "unit.h"

static bool valid(const char *text, size_t len) {
  /* Memory of just that size, so that a step too far is noticed. */
  char *copy = malloc(len + 1);
  memcpy(copy, text, len);
  char *exact = realloc(copy, len > 0 ? len : 1);
  e2b__json_scan_t scan;
  e2b__json_scan_init(&scan, exact, len);
  bool good = e2b__json_scan_skip(&scan) && e2b__json_scan_end(&scan);
  free(exact);
  return good;
}

static void json_is_accepted(void **state) {
  (void)state;
  static const char *const good[] = {"0",
                                     "-0",
                                     "1.5e+10",
                                     "1E-2",
                                     "\"\"",
                                     "true",
                                     "false",
                                     "null",
                                     "[]",
                                     "{}",
                                     " [ 1 , [ ] ] ",
                                     "{\"\":{}}",
                                     "\t\r\n 1 ",
                                     "[[]]",
                                     "[{}]",
                                     "{\"a\":1,\"a\":[true,null]}",
                                     "\"\\u0000\\ud83d\\ude42\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                     "\"\303\251\342\202\254\360\237\231\202\"",
                                     "\"\177\"",
                                     "{\"a\":{\"b\":{\"c\":[1,2,{\"d\":[]}]}}}"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    if (!valid(good[i], strlen(good[i]))) fail_msg("refused: %s", good[i]);
  }
}

static void what_is_no_json_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    " ",
                                    "01",
                                    "-",
                                    "+1",
                                    ".5",
                                    "1.",
                                    "1e",
                                    "1e+",
                                    "0x1",
                                    "NaN",
                                    "Infinity",
                                    "tru",
                                    "nul",
                                    "True",
                                    "'a'",
                                    "\"",
                                    "\"\\\"",
                                    "\"\\x\"",
                                    "\"\\u12\"",
                                    "\"\\u12g4\"",
                                    "\"\\ud800\"",
                                    "\"\\udc00\"",
                                    "\"\\ud800\\u0041\"",
                                    "\"\\ud800x\"",
                                    "\"\n\"",
                                    "\"\t\"",
                                    "\"\377\"",
                                    "\"\300\200\"",
                                    "\"\355\240\200\"",
                                    "[",
                                    "]",
                                    "[1",
                                    "[1,",
                                    "[1,]",
                                    "[,1]",
                                    "[1 2]",
                                    "{",
                                    "}",
                                    "{\"a\"",
                                    "{\"a\":",
                                    "{\"a\":1",
                                    "{\"a\":1,",
                                    "{\"a\":1,}",
                                    "{a:1}",
                                    "{1:1}",
                                    "{\"a\" 1}",
                                    "{,}",
                                    "[}",
                                    "{]",
                                    "[1}",
                                    "{\"a\":1]",
                                    "1 1",
                                    "{}{}",
                                    "null,",
                                    "// c\n1",
                                    "\357\273\2771",
                                    "\f1",
                                    "1\v",
                                    "\"a\"\"b\"",
                                    "[\"a\":1]",
                                    "--1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (valid(bad[i], strlen(bad[i]))) fail_msg("accepted: %s", bad[i]);
  }
  assert_false(valid("1\0", 2));
  assert_false(valid("\0", 1));
  assert_false(valid("\"\0\"", 3));
}

static void every_cut_of_a_text_is_refused(void **state) {
  (void)state;
  const char *text = "{\"a\\u00e9\\ud83d\\ude42\":[1.5e3,true,false,null,{\"b\":\"\303\251\"}]}";
  for (size_t len = 0; len < strlen(text); len++)
    assert_false(valid(text, len));
  assert_true(valid(text, strlen(text)));
}

static void nesting_is_bounded_without_recursion(void **state) {
  (void)state;
  char text[4 * E2B__JSON_DEPTH + 16];
  for (size_t depth = E2B__JSON_DEPTH - 1; depth <= E2B__JSON_DEPTH + 1; depth++) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(valid(text, 2 * depth), depth <= E2B__JSON_DEPTH);
  }
  size_t huge = 10 * 1000 * 1000;
  char *brackets = malloc(huge);
  memset(brackets, '[', huge);
  assert_false(valid(brackets, huge));
  free(brackets);
}

static void mixed_nesting_is_matched(void **state) {
  (void)state;
  char text[8 * E2B__JSON_DEPTH];
  size_t len = 0;
  for (int i = 0; i < E2B__JSON_DEPTH / 2; i++)
    len += (size_t)sprintf(text + len, "[{\"a\":");
  text[len++] = '1';
  for (int i = 0; i < E2B__JSON_DEPTH / 2; i++)
    len += (size_t)sprintf(text + len, "}]");
  assert_true(valid(text, len));
  text[len - 1] = '}';
  assert_false(valid(text, len));
}

static void strings_are_unescaped_exactly(void **state) {
  (void)state;
  const char *text = "\"a\\u0000\\u00e9\\u20ac\\ud83d\\ude42\\\"\\\\\\/\\b\\f\\n\\r\\tz\"";
  e2b__json_scan_t scan;
  e2b__json_token_t token;
  char out[100];
  e2b__json_scan_init(&scan, text, strlen(text));
  assert_true(e2b__json_scan_string(&scan, &token));
  assert_true(token.escaped);
  assert_true(token.len < sizeof out);
  size_t len = e2b__json_unescape(token, out);
  const char expected[] = "a\0\303\251\342\202\254\360\237\231\202\"\\/\b\f\n\r\tz";
  assert_int_equal(len, sizeof expected - 1);
  assert_memory_equal(out, expected, len);
}

static void a_special_character_is_found_at_any_place(void **state) {
  (void)state;
  static const char special[] = {'"', '\\', '\n', '\x1f', '\0', '\x80', '\xff'};
  char text[40];
  for (size_t s = 0; s < sizeof special; s++) {
    for (size_t at = 0; at < sizeof text; at++) {
      memset(text, 'a', sizeof text);
      text[at] = special[s];
      assert_true(e2b__json_plain_run(text, sizeof text) <= at);
    }
  }
  for (int c = 0x20; c < 0x80; c++) {
    if (c == '"' || c == '\\') continue;
    memset(text, c, sizeof text);
    assert_int_equal(e2b__json_plain_run(text, sizeof text), sizeof text);
  }
}

static bool integer(const char *text, bool *negative, uint64_t *magnitude) {
  e2b__json_token_t token = {text, strlen(text), false};
  return e2b__json_integer(token, negative, magnitude);
}

static void whole_numbers_are_exact_however_they_are_written(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool negative;
    uint64_t magnitude;
  } good[] = {
      {"0", false, 0},
      {"-0", true, 0},
      {"9007199254740993", false, 9007199254740993},
      {"18446744073709551615", false, UINT64_MAX},
      {"-9223372036854775808", true, UINT64_C(9223372036854775808)},
      {"1.0", false, 1},
      {"1.50e1", false, 15},
      {"10e-1", false, 1},
      {"1e3", false, 1000},
      {"1E+3", false, 1000},
      {"0e999999999999999999999", false, 0},
      {"0.000e-99", false, 0},
      {"0.00012e5", false, 12},
      {"1e19", false, UINT64_C(10000000000000000000)},
      {"120000000000000000000000e-22", false, 12},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    bool negative;
    uint64_t magnitude;
    if (!integer(good[i].text, &negative, &magnitude)) fail_msg("refused: %s", good[i].text);
    assert_int_equal(negative, good[i].negative);
    assert_true(magnitude == good[i].magnitude);
  }
}

static void fractions_and_what_does_not_fit_are_no_integers(void **state) {
  (void)state;
  static const char *const bad[] = {"0.5",
                                    "1e-1",
                                    "18446744073709551616",
                                    "1e20",
                                    "1.01",
                                    "15e-1",
                                    "1e999999999999999999",
                                    "123e-99999999999999",
                                    "99999999999999999999"};
  bool negative;
  uint64_t magnitude;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (integer(bad[i], &negative, &magnitude)) fail_msg("accepted: %s", bad[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_is_accepted),
      cmocka_unit_test(what_is_no_json_is_refused),
      cmocka_unit_test(every_cut_of_a_text_is_refused),
      cmocka_unit_test(nesting_is_bounded_without_recursion),
      cmocka_unit_test(mixed_nesting_is_matched),
      cmocka_unit_test(strings_are_unescaped_exactly),
      cmocka_unit_test(a_special_character_is_found_at_any_place),
      cmocka_unit_test(whole_numbers_are_exact_however_they_are_written),
      cmocka_unit_test(fractions_and_what_does_not_fit_are_no_integers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
