/* SPDX-License-Identifier: MIT */
#include <float.h>
#include <locale.h>
#include <math.h>

#include "proto/json.h"
#include "unit.h"

static void commas_and_names_are_the_writers_business(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(1000);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &b);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "s", "x", 1);
  e2b__json_put_int(&w, "i", INT64_MIN);
  e2b__json_open(&w, "a", '[');
  e2b__json_put_bool(&w, NULL, true);
  e2b__json_put_null(&w, NULL);
  e2b__json_open(&w, NULL, '{');
  e2b__json_close(&w, '}');
  e2b__json_open(&w, NULL, '[');
  e2b__json_close(&w, ']');
  e2b__json_close(&w, ']');
  e2b__json_put_raw(&w, "r", "[1]", 3);
  e2b__json_put_base64(&w, "b", "hi\n", 3);
  e2b__json_put_base64(&w, "e", NULL, 0);
  e2b__json_put_double(&w, "d", 0.5);
  e2b__json_close(&w, '}');
  assert_int_equal(w.rc, 0);
  assert_string_equal(b.data, "{\"s\":\"x\",\"i\":-9223372036854775808,\"a\":[true,null,{},[]],"
                              "\"r\":[1],\"b\":\"aGkK\",\"e\":\"\",\"d\":0.5}");
  e2b__buffer_free(&b);
}

static void check_double(double value, const char *text) {
  e2b__buffer_t b = E2B__BUFFER_INIT(1000);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &b);
  e2b__json_put_double(&w, NULL, value);
  assert_int_equal(w.rc, 0);
  assert_string_equal(b.data, text);
  e2b__buffer_free(&b);
}

static void numbers_are_short_and_read_back_the_same(void **state) {
  (void)state;
  check_double(0.1, "0.1");
  check_double(1.0 / 3, "0.3333333333333333");
  check_double(1e300, "1e+300");
  check_double(-0.0, "-0");
  check_double(DBL_MAX, "1.7976931348623157e+308");
  check_double(42, "42");
  check_double(INFINITY, "null");
  check_double(NAN, "null");
}

static void the_locale_does_not_change_the_point(void **state) {
  (void)state;
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  bool found = false;
  for (size_t i = 0; i < 3 && !found; i++)
    found = setlocale(LC_NUMERIC, locales[i]) != NULL;
  if (!found) skip();
  check_double(1.5, "1.5");
  setlocale(LC_NUMERIC, "C");
}

static void strings_are_escaped_and_repaired(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(1000);
  const char text[] = "a\"b\\c/\b\f\n\r\t\1\037\177\303\251\377z\342\202\360\237\231\202\0end";
  assert_int_equal(e2b__json_quote(&b, text, sizeof text - 1), 0);
  assert_string_equal(b.data, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\177\303\251\357\277\275z"
                              "\357\277\275\357\277\275\360\237\231\202\\u0000end\"");
  e2b__buffer_clear(&b);
  assert_int_equal(e2b__json_quote(&b, NULL, 0), 0);
  assert_string_equal(b.data, "\"\"");
  e2b__buffer_free(&b);
}

static void what_is_written_parses_as_the_same(void **state) {
  (void)state;
  char text[256];
  for (int i = 0; i < 255; i++)
    text[i] = (char)(i % 127 + 1);
  e2b__buffer_t b = E2B__BUFFER_INIT(4096);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &b);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "\"\n", text, 255);
  e2b__json_close(&w, '}');
  assert_int_equal(w.rc, 0);
  cJSON *tree = e2b__json_parse(b.data, b.len);
  const char *back = e2b__json_string(tree, "\"\n", NULL);
  assert_non_null(back);
  assert_int_equal(strlen(back), 255);
  assert_memory_equal(back, text, 255);
  cJSON_Delete(tree);
  e2b__buffer_free(&b);
}

static void the_first_failure_sticks(void **state) {
  (void)state;
  for (size_t ceiling = 0; ceiling < 24; ceiling++) {
    e2b__buffer_t b = E2B__BUFFER_INIT(ceiling);
    e2b__json_writer_t w;
    e2b__json_begin(&w, &b);
    e2b__json_open(&w, NULL, '{');
    e2b__json_put_string(&w, "name", "a\nb", 3);
    e2b__json_put_base64(&w, "b", "abc", 3);
    e2b__json_close(&w, '}');
    assert_int_equal(w.rc, E2B_ETOOBIG);
    assert_true(b.len <= ceiling);
    e2b__buffer_free(&b);
  }
}

static void quoting_that_does_not_fit_leaves_the_content(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(10);
  assert_int_equal(e2b__buffer_append_str(&b, "kept"), 0);
  assert_int_equal(e2b__json_quote(&b, "\1\1", 2), E2B_ETOOBIG);
  assert_string_equal(b.data, "kept");
  assert_int_equal(e2b__json_quote(&b, "x", SIZE_MAX - 1), E2B_ETOOBIG);
  e2b__buffer_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commas_and_names_are_the_writers_business),
      cmocka_unit_test(numbers_are_short_and_read_back_the_same),
      cmocka_unit_test(the_locale_does_not_change_the_point),
      cmocka_unit_test(strings_are_escaped_and_repaired),
      cmocka_unit_test(what_is_written_parses_as_the_same),
      cmocka_unit_test(the_first_failure_sticks),
      cmocka_unit_test(quoting_that_does_not_fit_leaves_the_content),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
