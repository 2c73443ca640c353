/* SPDX-License-Identifier: MIT */
#include "proto/media_type.h"

#include "unit.h"

static void gives(const char *text, const char *name, int rc, const char *value) {
  e2b__buffer_t out = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__buffer_append_str(&out, "kept"), 0);
  assert_int_equal(e2b__media_param(text, strlen(text), name, &out), rc);
  assert_memory_equal(out.data, "kept", 4);
  assert_string_equal(out.data + 4, value);
  e2b__buffer_free(&out);
}

static void parameters_are_found_and_unquoted(void **state) {
  (void)state;
  gives("form-data; name=file", "name", 1, "file");
  gives("form-data; name=file", "filename", 0, "");
  gives("form-data;NAME = \"file\" ; filename=x", "name", 1, "file");
  gives("multipart/form-data; boundary=\"a b:c\"", "boundary", 1, "a b:c");
  gives("a/b; c=\"\"", "c", 1, "");
  gives("a/b", "c", 0, "");
  gives("a/b;", "c", 0, "");
  gives("", "c", 0, "");
}

static void backslashes_escape_what_is_special_and_nothing_else(void **state) {
  (void)state;
  gives("form-data; filename=\"m 2\\\"q\"", "filename", 1, "m 2\"q");
  gives("form-data; filename=\"a\\\\b\"", "filename", 1, "a\\b");
  gives("form-data; filename=\"C:\\dev\\foo\"", "filename", 1, "C:\\dev\\foo");
  gives("form-data; filename=\"\303\274;=\"", "filename", 1, "\303\274;=");
}

static void extended_values_go_first(void **state) {
  (void)state;
  gives("a; f*=utf-8''%C3%BC%20x", "f", 1, "\303\274 x");
  gives("a; f=plain; f*=UTF-8'en'x", "f", 1, "x");
  gives("a; f*=utf-8''x; f=\"plain\"", "f", 1, "x");
  gives("a; f*=us-ascii''%41", "f", 1, "A");
  gives("a; f*=latin1''x", "f", 0, "");
  gives("a; f*=utf-8''%4", "f", 0, "");
  gives("a; f*=utf-8''%00", "f", 0, "");
  gives("a; f*=x", "f", 0, "");
}

static void malformed_text_is_refused_as_a_whole(void **state) {
  static const char *const texts[] = {
      "a; f=x; =",   "a; f=\"x",      "a; f=x; f=y",  "a; f=",        "a; f x", "a; f=x y",
      "a; f=x, g=y", "a; f=\"x\ny\"", "a; f=\"x\"y;", "a; f=x; g*=;", "a; @=x", "a; f=x; g"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    gives(texts[i], "f", E2B_EPROTOCOL, "");
}

static void types_are_compared_without_their_parameters(void **state) {
  (void)state;
  assert_true(e2b__media_is("Text/Plain ; x=y", 16, "text/plain"));
  assert_true(e2b__media_is(" gzip ", 6, "gzip"));
  assert_false(e2b__media_is("text/plainer", 12, "text/plain"));
  assert_false(e2b__media_is("text", 4, "text/plain"));
  assert_false(e2b__media_is("", 0, "text/plain"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parameters_are_found_and_unquoted),
      cmocka_unit_test(backslashes_escape_what_is_special_and_nothing_else),
      cmocka_unit_test(extended_values_go_first),
      cmocka_unit_test(malformed_text_is_refused_as_a_whole),
      cmocka_unit_test(types_are_compared_without_their_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
