/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "unit.h"

typedef struct seen {
  int lines;
  e2b_log_level_t level;
  char text[2048];
} seen;

static void remember(e2b_log_level_t level, const char *line, void *user_data) {
  seen *s = user_data;
  s->lines++;
  s->level = level;
  snprintf(s->text, sizeof s->text, "%s", line);
}

static int evaluated(int *count) {
  return ++*count;
}

static void lines_up_to_the_level_are_written(void **state) {
  (void)state;
  seen s = {0, E2B_LOG_OFF, ""};
  e2b__log_t log = {remember, &s, E2B_LOG_INFO};
  E2B__LOG(&log, E2B_LOG_WARN, "%s %d", "sandbox", 7);
  assert_int_equal(s.lines, 1);
  assert_int_equal(s.level, E2B_LOG_WARN);
  assert_string_equal(s.text, "sandbox 7");
  E2B__LOG(&log, E2B_LOG_INFO, "x");
  assert_int_equal(s.lines, 2);
}

static void arguments_of_unwanted_lines_are_not_evaluated(void **state) {
  (void)state;
  int count = 0;
  seen s = {0, E2B_LOG_OFF, ""};
  e2b__log_t log = {remember, &s, E2B_LOG_INFO};
  e2b__log_t none = {NULL, NULL, E2B_LOG_TRACE};
  E2B__LOG(&log, E2B_LOG_DEBUG, "%d", evaluated(&count));
  E2B__LOG(&none, E2B_LOG_ERROR, "%d", evaluated(&count));
  assert_int_equal(count, 0);
  assert_int_equal(s.lines, 0);
}

static void control_characters_become_blanks(void **state) {
  (void)state;
  seen s = {0, E2B_LOG_OFF, ""};
  e2b__log_t log = {remember, &s, E2B_LOG_TRACE};
  E2B__LOG(&log, E2B_LOG_ERROR, "%s", "a\nb\033[31mc\177\303\251");
  assert_string_equal(s.text, "a b [31mc \303\251");
}

static void long_lines_are_cut(void **state) {
  (void)state;
  seen s = {0, E2B_LOG_OFF, ""};
  e2b__log_t log = {remember, &s, E2B_LOG_TRACE};
  E2B__LOG(&log, E2B_LOG_ERROR, "%05000d", 1);
  assert_int_equal(strlen(s.text), 1023);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_up_to_the_level_are_written),
      cmocka_unit_test(arguments_of_unwanted_lines_are_not_evaluated),
      cmocka_unit_test(control_characters_become_blanks),
      cmocka_unit_test(long_lines_are_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
