/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "e2b/error.h"
#include "proto/json.h"
#include "unit.h"

static void check(const char *text, int64_t seconds, int32_t nanos) {
  int64_t s;
  int32_t n;
  if (e2b__rfc3339_parse(text, strlen(text), &s, &n) != 0) fail_msg("refused: %s", text);
  assert_int_equal(s, seconds);
  assert_int_equal(n, nanos);
}

static void times_are_read(void **state) {
  (void)state;
  check("1970-01-01T00:00:00Z", 0, 0);
  check("2025-01-02T03:04:05.678901234Z", 1735787045, 678901234);
  check("2025-01-02t03:04:05.6z", 1735787045, 600000000);
  check("2025-01-02T03:04:05.6789012349999999999Z", 1735787045, 678901234);
  check("2025-01-02T05:34:05+02:30", 1735787045, 0);
  check("2025-01-01T22:04:05-05:00", 1735787045, 0);
  check("2024-02-29T00:00:00Z", 1709164800, 0);
  check("1969-12-31T23:59:59.5Z", -1, 500000000);
  check("0001-01-01T00:00:00Z", -62135596800, 0);
  check("9999-12-31T23:59:59Z", 253402300799, 0);
}

static void what_is_no_time_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "2025",
      "2025-01-02",
      "2025-01-02T03:04:05",
      "2025-01-02 03:04:05Z",
      "2025-13-02T03:04:05Z",
      "2025-00-02T03:04:05Z",
      "2025-01-00T03:04:05Z",
      "2025-02-29T03:04:05Z",
      "1900-02-29T03:04:05Z",
      "2025-04-31T03:04:05Z",
      "2025-01-02T24:04:05Z",
      "2025-01-02T03:60:05Z",
      "2025-01-02T03:04:60Z",
      "2025-01-02T03:04:05.Z",
      "2025-01-02T03:04:05+2:00",
      "2025-01-02T03:04:05+24:00",
      "2025-01-02T03:04:05Zx",
      "2025-01-02T03:04:05ZZ",
      "+025-01-02T03:04:05Z",
      "2025-1-02T03:04:05Z",
      "0000-01-02T03:04:05Z",
      "0001-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01",
  };
  int64_t s;
  int32_t n;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (e2b__rfc3339_parse(bad[i], strlen(bad[i]), &s, &n) == 0) fail_msg("accepted: %s", bad[i]);
  }
}

static void a_time_is_refused_at_every_cut(void **state) {
  (void)state;
  const char *text = "2025-01-02T03:04:05.678+02:00";
  int64_t s;
  int32_t n;
  for (size_t len = 0; len < strlen(text); len++) {
    char *cut = malloc(len + 1);
    memcpy(cut, text, len);
    assert_int_equal(e2b__rfc3339_parse(cut, len, &s, &n), E2B_EPROTOCOL);
    free(cut);
  }
}

static void fractions_have_as_many_digits_as_they_need(void **state) {
  (void)state;
  char text[32];
  assert_int_equal(e2b__rfc3339_format(0, 0, text), 0);
  assert_string_equal(text, "1970-01-01T00:00:00Z");
  assert_int_equal(e2b__rfc3339_format(1735787045, 500000000, text), 0);
  assert_string_equal(text, "2025-01-02T03:04:05.500Z");
  assert_int_equal(e2b__rfc3339_format(1735787045, 1000, text), 0);
  assert_string_equal(text, "2025-01-02T03:04:05.000001Z");
  assert_int_equal(e2b__rfc3339_format(-1, 1, text), 0);
  assert_string_equal(text, "1969-12-31T23:59:59.000000001Z");
}

static void times_out_of_range_cannot_be_written(void **state) {
  (void)state;
  char text[32];
  assert_int_equal(e2b__rfc3339_format(-62135596801, 0, text), E2B_EINVAL);
  assert_int_equal(e2b__rfc3339_format(253402300800, 0, text), E2B_EINVAL);
  assert_int_equal(e2b__rfc3339_format(INT64_MIN, 0, text), E2B_EINVAL);
  assert_int_equal(e2b__rfc3339_format(0, -1, text), E2B_EINVAL);
  assert_int_equal(e2b__rfc3339_format(0, 1000000000, text), E2B_EINVAL);
}

static void milliseconds_are_always_written_and_clamped(void **state) {
  (void)state;
  char text[32];
  e2b__rfc3339_from_ms(1735787045007, text);
  assert_string_equal(text, "2025-01-02T03:04:05.007Z");
  e2b__rfc3339_from_ms(-1, text);
  assert_string_equal(text, "1969-12-31T23:59:59.999Z");
  e2b__rfc3339_from_ms(INT64_MAX, text);
  assert_string_equal(text, "9999-12-31T23:59:59.999Z");
  e2b__rfc3339_from_ms(INT64_MIN, text);
  assert_string_equal(text, "0001-01-01T00:00:00.000Z");
}

static void the_calendar_agrees_with_the_c_librarys(void **state) {
  (void)state;
  for (int64_t t = -62135596800; t <= 253402300799; t += 86400 * 97 + 3607) {
    char ours[32], theirs[64];
    time_t when = (time_t)t;
    struct tm tm;
    gmtime_r(&when, &tm);
    snprintf(theirs, sizeof theirs, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert_int_equal(e2b__rfc3339_format(t, 0, ours), 0);
    assert_string_equal(ours, theirs);
    check(ours, t, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(times_are_read),
      cmocka_unit_test(what_is_no_time_is_refused),
      cmocka_unit_test(a_time_is_refused_at_every_cut),
      cmocka_unit_test(fractions_have_as_many_digits_as_they_need),
      cmocka_unit_test(times_out_of_range_cannot_be_written),
      cmocka_unit_test(milliseconds_are_always_written_and_clamped),
      cmocka_unit_test(the_calendar_agrees_with_the_c_librarys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
