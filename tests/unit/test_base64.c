/* SPDX-License-Identifier: MIT */
#include "proto/base64.h"

#include "e2b/error.h"
#include "unit.h"

static int decode(const char *text, char *out, size_t *len) {
  return e2b__base64_decode(text, strlen(text), out, len);
}

static void vectors_of_rfc_4648_both_ways(void **state) {
  (void)state;
  static const char *const vectors[][2] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    char out[16] = "";
    size_t len = strlen(vectors[i][0]);
    size_t size = e2b__base64_encoded_size(len);
    assert_int_equal(size, strlen(vectors[i][1]));
    e2b__base64_encode(vectors[i][0], len, out);
    assert_memory_equal(out, vectors[i][1], size);
    assert_int_equal(decode(vectors[i][1], out, &size), 0);
    assert_int_equal(size, len);
    assert_memory_equal(out, vectors[i][0], len);
  }
}

static void bytes_of_all_values_and_lengths_survive(void **state) {
  (void)state;
  unsigned char bytes[300];
  char text[400];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)(i * 7 + i / 3);
  for (size_t len = 0; len <= sizeof bytes; len++) {
    char back[300];
    size_t size = e2b__base64_encoded_size(len);
    size_t written;
    e2b__base64_encode(bytes, len, text);
    assert_true(e2b__base64_decoded_bound(size) >= len);
    assert_int_equal(e2b__base64_decode(text, size, back, &written), 0);
    assert_int_equal(written, len);
    assert_memory_equal(back, bytes, len);
  }
}

static void decoding_in_place_is_allowed(void **state) {
  (void)state;
  char text[] = "aGVsbG8gd29ybGQhIQ==";
  size_t len;
  assert_int_equal(e2b__base64_decode(text, strlen(text), text, &len), 0);
  assert_int_equal(len, 13);
  assert_memory_equal(text, "hello world!!", 13);
}

static void url_safe_unpadded_and_broken_lines_are_read(void **state) {
  (void)state;
  char out[32];
  size_t len;
  assert_int_equal(decode("-_-_", out, &len), 0);
  assert_memory_equal(out, "\373\377\277", 3);
  assert_int_equal(decode("+/+/", out, &len), 0);
  assert_memory_equal(out, "\373\377\277", 3);
  assert_int_equal(decode("Zm9vYg", out, &len), 0);
  assert_int_equal(len, 4);
  assert_int_equal(decode("Zm9\r\nvYm\nE\n=\n", out, &len), 0);
  assert_int_equal(len, 5);
  assert_memory_equal(out, "fooba", 5);
}

static void what_is_no_base64_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "A",    "=",     "==",    "====",  "A===",     "AA=",  "AAA==",
      "AAA*", "AA A",  "AAAA=", "AA==A", "AA==AAAA", "AA=A", "\303\251AA",
      "*AAA", "AAAAA", "=AAA",  "AA=\n", "A=\nAA"};
  char out[32];
  size_t len;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (decode(bad[i], out, &len) != E2B_EPROTOCOL) fail_msg("accepted: %s", bad[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_of_rfc_4648_both_ways),
      cmocka_unit_test(bytes_of_all_values_and_lengths_survive),
      cmocka_unit_test(decoding_in_place_is_allowed),
      cmocka_unit_test(url_safe_unpadded_and_broken_lines_are_read),
      cmocka_unit_test(what_is_no_base64_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
