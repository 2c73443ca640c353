/* SPDX-License-Identifier: MIT */
#include "proto/json_record.h"

#include "e2b/base.h"
#include "e2b/error.h"
#include "support/starving.h"
#include "unit.h"

typedef struct thing {
  const char *text;
  int64_t number;
  int64_t time_ms;
  e2b_toggle_t toggle;
  const e2b_pair_t *pairs;
  size_t pairs_count;
  const char *inner;
} thing;

static const e2b__record_field_t inner_fields[] = {E2B__FIELD(TEXT, "inner", thing, inner),
                                                   E2B__FIELDS_END};
static const e2b__record_field_t fields[] = {
    E2B__FIELD(TEXT, "text", thing, text),
    E2B__FIELD(INT, "number", thing, number),
    E2B__FIELD(TIME, "time", thing, time_ms),
    E2B__FIELD(TOGGLE, "toggle", thing, toggle),
    E2B__FIELD_PAIRS("pairs", thing, pairs, pairs_count),
    E2B__FIELD_NESTED("nested", inner_fields),
    E2B__FIELDS_END,
};

static e2b__arena_t arena;

static int free_arena(void **state) {
  (void)state;
  e2b__arena_free(&arena);
  return 0;
}

static int parse(const char *text, thing *out) {
  memset(out, 0, sizeof *out);
  return e2b__record_parse(&arena, text, strlen(text), fields, out);
}

static void members_of_every_kind_arrive(void **state) {
  (void)state;
  thing t;
  assert_int_equal(parse(" { \"unknown\" : [1, {\"a\":null}], \"text\":\"a\\u00e9\\n\","
                         "\"number\":-7, \"time\":\"1969-12-31T23:59:59.5Z\", \"toggle\":false,"
                         "\"pairs\":{\"k\":\"v\",\"n\":1,\"\":\"\"}, \"nested\":{\"x\":1,"
                         "\"inner\":\"i\"} } ",
                         &t),
                   0);
  assert_string_equal(t.text, "a\303\251\n");
  assert_int_equal(t.number, -7);
  assert_int_equal(t.time_ms, -500);
  assert_int_equal(t.toggle, E2B_OFF);
  assert_int_equal(t.pairs_count, 2);
  assert_string_equal(t.pairs[0].name, "k");
  assert_string_equal(t.pairs[0].value, "v");
  assert_string_equal(t.pairs[1].name, "");
  assert_string_equal(t.pairs[1].value, "");
  assert_string_equal(t.inner, "i");
}

static void members_come_in_any_order_and_the_last_counts(void **state) {
  (void)state;
  thing t;
  assert_int_equal(parse("{\"nested\":{\"inner\":\"i\"},\"number\":1,\"unknown\":0,"
                         "\"text\":\"x\",\"number\":2,\"text\":\"y\"}",
                         &t),
                   0);
  assert_string_equal(t.inner, "i");
  assert_int_equal(t.number, 2);
  assert_string_equal(t.text, "y");
}

static void absent_null_and_of_another_type_are_the_default(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{}",
      "{\"text\":null,\"number\":null,\"time\":null,\"toggle\":null}",
      "{\"pairs\":null,\"nested\":null}",
      "{\"text\":1,\"number\":\"1\",\"time\":5,\"toggle\":\"true\",\"pairs\":[],\"nested\":[]}",
      "{\"text\":[\"x\"],\"number\":{},\"time\":\"soon\",\"toggle\":1,\"pairs\":{},\"nested\":{}}",
      "{\"Text\":\"x\",\"nested\":{\"text\":\"x\"},\"inner\":\"x\"}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    thing t;
    assert_int_equal(parse(texts[i], &t), 0);
    assert_string_equal(t.text, "");
    assert_string_equal(t.inner, "");
    assert_int_equal(t.number, 0);
    assert_int_equal(t.time_ms, 0);
    assert_int_equal(t.toggle, E2B_DEFAULT);
    assert_int_equal(t.pairs_count, 0);
  }
}

static void what_is_not_one_object_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "[]",
                                    "null",
                                    "{} x",
                                    "{\"text\":\"x\"",
                                    "{\"text\":\"x\",}",
                                    "{\"text\" \"x\"}",
                                    "{\"number\":01}",
                                    "{\"toggle\":tru}",
                                    "{\"time\":\"\\ud800\"}",
                                    "{\"pairs\":{\"a\":\"b\",}}",
                                    "{\"pairs\":{\"a\" \"b\"}}",
                                    "{\"nested\":{\"inner\":\"x\"}",
                                    "{\"unknown\":[}"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    thing t;
    if (parse(bad[i], &t) != E2B_EPROTOCOL) fail_msg("accepted: %s", bad[i]);
  }
}

static void numbers_are_cut_and_clamped(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t value;
  } cases[] = {{"-1.9", -1},
               {"12e2", 1200},
               {"1.5e3", 1500},
               {"0.1e400", INT64_MAX},
               {"1e300", INT64_MAX},
               {"-1e300", INT64_MIN},
               {"9223372036854775807", INT64_MAX},
               {"-9223372036854775808", INT64_MIN},
               {"4294967296", INT64_C(4294967296)}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    thing t;
    snprintf(text, sizeof text, "{\"number\":%s}", cases[i].text);
    assert_int_equal(parse(text, &t), 0);
    assert_true(t.number == cases[i].value);
  }
}

static void a_nul_does_not_cut_a_string(void **state) {
  (void)state;
  thing t;
  assert_int_equal(parse("{\"text\":\"x\\u0000y\",\"pairs\":{\"a\\u0000\":\"\\\\u0000\"}}", &t), 0);
  assert_string_equal(t.text, "x\357\277\275y");
  assert_string_equal(t.pairs[0].name, "a\357\277\275");
  assert_string_equal(t.pairs[0].value, "\\u0000");
}

static void names_may_be_escaped(void **state) {
  (void)state;
  thing t;
  assert_int_equal(parse("{\"\\u0074ext\":\"x\"}", &t), 0);
  assert_string_equal(t.text, "x");
}

static void lists_hold_a_record_for_each_element(void **state) {
  (void)state;
  void *things;
  size_t count;
  const char *text = "[{\"text\":\"a\"}, 5 ,{\"text\":\"b\"}]";
  assert_int_equal(
      e2b__records_parse(&arena, text, strlen(text), fields, sizeof(thing), &things, &count), 0);
  assert_int_equal(count, 3);
  assert_string_equal(((thing *)things)[0].text, "a");
  assert_string_equal(((thing *)things)[1].text, "");
  assert_string_equal(((thing *)things)[2].text, "b");
  assert_int_equal(e2b__records_parse(&arena, "[ ]", 3, fields, sizeof(thing), &things, &count), 0);
  assert_int_equal(count, 0);
  assert_null(things);
  static const char *const bad[] = {"", "{}", "[", "[{}", "[{},]", "[{}] x", "[{\"text\":\"}]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(
        e2b__records_parse(&arena, bad[i], strlen(bad[i]), fields, sizeof(thing), &things, &count),
        E2B_EPROTOCOL);
  }
}

static void text_without_a_nul_behind_it_is_not_overrun(void **state) {
  (void)state;
  const char *text = "{\"number\":12345,\"pairs\":{\"a\":\"b\"},\"text\":\"c\"}";
  for (size_t len = 0; len <= strlen(text); len++) {
    thing t;
    memset(&t, 0, sizeof t);
    char *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, text, len);
    assert_int_equal(e2b__record_parse(&arena, exact, len, fields, &t),
                     len == strlen(text) ? 0 : E2B_EPROTOCOL);
    free(exact);
  }
}

static void running_out_of_memory_is_told(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"text\":\"x\"}", "{\"pairs\":{\"a\":\"b\"}}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    thing t;
    e2b__arena_free(&arena);
    starving_library_arm(1);
    const int rc = parse(texts[i], &t);
    starving_library_remove();
    assert_int_equal(rc, E2B_ENOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(members_of_every_kind_arrive, free_arena),
      cmocka_unit_test_teardown(members_come_in_any_order_and_the_last_counts, free_arena),
      cmocka_unit_test_teardown(absent_null_and_of_another_type_are_the_default, free_arena),
      cmocka_unit_test_teardown(what_is_not_one_object_is_refused, free_arena),
      cmocka_unit_test_teardown(numbers_are_cut_and_clamped, free_arena),
      cmocka_unit_test_teardown(a_nul_does_not_cut_a_string, free_arena),
      cmocka_unit_test_teardown(names_may_be_escaped, free_arena),
      cmocka_unit_test_teardown(lists_hold_a_record_for_each_element, free_arena),
      cmocka_unit_test_teardown(text_without_a_nul_behind_it_is_not_overrun, free_arena),
      cmocka_unit_test_teardown(running_out_of_memory_is_told, free_arena),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
