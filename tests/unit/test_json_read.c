/* SPDX-License-Identifier: MIT */
#include "proto/json.h"

#include "support/starving.h"
#include "unit.h"

static cJSON *parse(const char *text) {
  return e2b__json_parse(text, strlen(text));
}

static void the_whole_text_must_be_one_value(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",         " ",      "{} x",           "{}{}",  "01",         "1.",
      "+1",       "\"\t\"", "\357\273\277{}", "nulll", "{\"a\":1,}", "\"\\ud800\"",
      "\"\377\"", "\v1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (parse(bad[i]) != NULL) fail_msg("accepted: %s", bad[i]);
  }
  assert_null(e2b__json_parse(NULL, 0));
  assert_null(e2b__json_parse("{}\0", 3));
  cJSON *tree = parse(" {\"a\":[1]} \n");
  assert_non_null(tree);
  cJSON_Delete(tree);
}

static void text_without_a_nul_behind_it_is_not_overrun(void **state) {
  (void)state;
  const char *text = "{\"a\":12345}";
  for (size_t len = 0; len <= strlen(text); len++) {
    char *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, text, len);
    cJSON *tree = e2b__json_parse(exact, len);
    assert_int_equal(tree != NULL, len == strlen(text));
    cJSON_Delete(tree);
    free(exact);
  }
  cJSON *tree = e2b__json_parse("12345", 3);
  assert_int_equal(tree->valueint, 123);
  cJSON_Delete(tree);
}

static void members_of_another_type_count_as_absent(void **state) {
  (void)state;
  cJSON *tree = parse("{\"s\":\"x\",\"n\":1.5,\"b\":true,\"z\":null,\"o\":{},\"S\":\"upper\"}");
  assert_string_equal(e2b__json_string(tree, "s", "-"), "x");
  assert_string_equal(e2b__json_string(tree, "n", "-"), "-");
  assert_string_equal(e2b__json_string(tree, "z", "-"), "-");
  assert_string_equal(e2b__json_string(tree, "missing", "-"), "-");
  assert_null(e2b__json_string(NULL, "s", NULL));
  assert_true(e2b__json_number(tree, "n", 0) == 1.5);
  assert_true(e2b__json_number(tree, "s", 7) == 7);
  assert_true(e2b__json_bool(tree, "b", false));
  assert_true(e2b__json_bool(tree, "s", true));
  assert_false(e2b__json_bool(tree, "o", false));
  cJSON *array = parse("[\"s\"]");
  assert_string_equal(e2b__json_string(array, "s", "-"), "-");
  cJSON_Delete(array);
  cJSON_Delete(tree);
}

static void whole_numbers_are_cut_and_clamped(void **state) {
  (void)state;
  cJSON *tree = parse("{\"a\":7,\"b\":-1.9,\"c\":1e300,\"d\":-1e300,\"e\":\"7\","
                      "\"f\":4294967296,\"g\":9223372036854775807,\"h\":1e999}");
  assert_int_equal(e2b__json_int(tree, "a", 0), 7);
  assert_int_equal(e2b__json_int(tree, "b", 0), -1);
  assert_true(e2b__json_int(tree, "c", 0) == INT64_MAX);
  assert_true(e2b__json_int(tree, "d", 0) == INT64_MIN);
  assert_int_equal(e2b__json_int(tree, "e", 3), 3);
  assert_true(e2b__json_int(tree, "f", 0) == INT64_C(4294967296));
  assert_true(e2b__json_int(tree, "g", 0) == INT64_MAX);
  assert_true(e2b__json_int(tree, "h", 0) == INT64_MAX);
  cJSON_Delete(tree);
}

static void times_become_milliseconds(void **state) {
  (void)state;
  cJSON *tree = parse("{\"t\":\"2025-01-02T03:04:05.678901234Z\",\"bad\":\"soon\",\"n\":5,"
                      "\"before\":\"1969-12-31T23:59:59.5Z\"}");
  assert_true(e2b__json_time_ms(tree, "t", 0) == INT64_C(1735787045678));
  assert_int_equal(e2b__json_time_ms(tree, "before", 0), -500);
  assert_int_equal(e2b__json_time_ms(tree, "bad", -1), -1);
  assert_int_equal(e2b__json_time_ms(tree, "n", -1), -1);
  assert_int_equal(e2b__json_time_ms(tree, "missing", -1), -1);
  cJSON_Delete(tree);
}

static void a_nul_in_a_string_does_not_cut_it(void **state) {
  (void)state;
  cJSON *tree = parse("{\"a\":\"x\\u0000y\",\"b\":\"\\\\u0000\",\"c\":\"\\\\\\u0000\"}");
  assert_string_equal(e2b__json_string(tree, "a", ""), "x\357\277\275y");
  assert_string_equal(e2b__json_string(tree, "b", ""), "\\u0000");
  assert_string_equal(e2b__json_string(tree, "c", ""), "\\\357\277\275");
  cJSON_Delete(tree);
  static const char *const with[] = {"\"\\u0000\"", "[\"\\\\\\u0000\"]", "{\"\\u0000\":1}"};
  static const char *const without[] = {"", "0", "\"\\\\u0000\"", "\"\\\\\\\\u0000 \\u0001\""};
  for (size_t i = 0; i < E2B__COUNT(with); i++) {
    assert_true(e2b__json_has_nul(with[i], strlen(with[i])));
  }
  for (size_t i = 0; i < E2B__COUNT(without); i++) {
    assert_false(e2b__json_has_nul(without[i], strlen(without[i])));
  }
  starving_library_arm(1);
  assert_null(parse("\"\\u0000\""));
  starving_library_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_whole_text_must_be_one_value),
      cmocka_unit_test(text_without_a_nul_behind_it_is_not_overrun),
      cmocka_unit_test(members_of_another_type_count_as_absent),
      cmocka_unit_test(whole_numbers_are_cut_and_clamped),
      cmocka_unit_test(times_become_milliseconds),
      cmocka_unit_test(a_nul_in_a_string_does_not_cut_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
