/* SPDX-License-Identifier: MIT */
#include "proto/multipart.h"

#include "unit.h"

static void parts_and_tail_make_a_body(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__multipart_head(&b, "XX", "/tmp/a.txt", 1), 0);
  assert_int_equal(e2b__buffer_append_str(&b, "one"), 0);
  assert_int_equal(e2b__multipart_head(&b, "XX", "b", 0), 0);
  assert_int_equal(e2b__buffer_append_str(&b, "two"), 0);
  assert_int_equal(e2b__multipart_tail(&b, "XX"), 0);
  assert_string_equal(b.data,
                      "--XX\r\n"
                      "Content-Disposition: form-data; name=\"file\"; filename=\"/tmp/a.txt\"\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n"
                      "one\r\n--XX\r\n"
                      "Content-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n"
                      "two\r\n--XX--\r\n");
  e2b__buffer_free(&b);
}

static void a_file_name_cannot_leave_its_quotes_or_its_line(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__multipart_head(&b, "X", "a\"b\\c\r\nd\303\251", 1), 0);
  assert_non_null(strstr(b.data, "filename=\"a\\\"b\\\\c%0D%0Ad\303\251\"\r\n"));
  e2b__buffer_free(&b);
}

static void a_head_that_does_not_fit_leaves_the_content(void **state) {
  (void)state;
  for (size_t ceiling = 4; ceiling < 110; ceiling++) {
    e2b__buffer_t b = E2B__BUFFER_INIT(ceiling);
    assert_int_equal(e2b__buffer_append_str(&b, "kept"), 0);
    assert_int_equal(e2b__multipart_head(&b, "X", "some \" name", 1), E2B_ETOOBIG);
    assert_string_equal(b.data, "kept");
    e2b__buffer_free(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_and_tail_make_a_body),
      cmocka_unit_test(a_file_name_cannot_leave_its_quotes_or_its_line),
      cmocka_unit_test(a_head_that_does_not_fit_leaves_the_content),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
