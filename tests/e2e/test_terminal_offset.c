/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "support/viewer.h"

/* Viewers of one terminal of the agent that begin where they say. */

static viewer *new_viewer(void) {
  viewer *it = viewer_new(E2B_TRANSPORT_AGENT);
  it->options.program = "/bin/sh";
  return it;
}

static viewer *run_viewer(const char *script) {
  static const char *args[] = {"-c", NULL, NULL};
  viewer *it = new_viewer();
  args[1] = script;
  it->options.args = args;
  viewer_opens(it);
  return it;
}

static void expect_offset(viewer *it, const char *data, size_t len) {
  (void)data;
  (void)len;
  /* Inside on_data it is where these bytes begin. */
  assert_int_equal(e2b_terminal_offset(it->terminal), *(uint64_t *)it->ctx + it->bytes - len);
}

static void it_counts_what_was_delivered(void **state) {
  (void)state;
  viewer *it = run_viewer("stty raw -echo; echo set; read go; seq 1 20000; exit 0");
  viewer_sees(it, "set\n");
  uint64_t nothing = 0;
  it->ctx = &nothing;
  it->on_data = expect_offset;
  assert_int_equal(e2b_terminal_offset(it->terminal), 4);
  viewer_types(it, "\n");
  viewer_sees_exit(it, 0);
  assert_int_equal(it->bytes, 4 + 108894);
  assert_int_equal(e2b_terminal_offset(it->terminal), it->bytes);
  assert_int_equal(e2b_terminal_offset(NULL), 0);
}

static void a_viewer_goes_on_where_another_was(void **state) {
  (void)state;
  viewer *first = run_viewer("stty raw -echo; echo one; read go; echo two; exit 0");
  viewer_sees(first, "one\n");
  uint64_t offset = e2b_terminal_offset(first->terminal);
  assert_int_equal(offset, first->bytes);
  viewer *next = new_viewer();
  next->options.from_offset = offset; /* the end of the output so far */
  viewer_attaches(next, e2b_terminal_id(first->terminal));
  next->ctx = &offset;
  next->on_data = expect_offset;
  assert_int_equal(e2b_terminal_offset(next->terminal), offset);
  viewer_types(next, "\n");
  viewer_sees_exit(next, 0);
  assert_string_equal(next->told.seen, "two\n");
  assert_int_equal(e2b_terminal_offset(next->terminal), offset + 4);
  assert_int_equal(next->told.gaps, 0);
  viewer_is_closed(first);
  assert_int_equal(e2b_terminal_offset(first->terminal), offset + 4);
}

static void a_viewer_begins_in_the_middle_of_what_is_kept(void **state) {
  (void)state;
  viewer *first = run_viewer("stty raw -echo; echo 0123456789; exit 5");
  viewer_sees_exit(first, 5);
  viewer *next = new_viewer();
  next->options.from_offset = 7;
  viewer_attaches(next, e2b_terminal_id(first->terminal));
  viewer_sees_exit(next, 5);
  assert_string_equal(next->told.seen, "789\n");
  assert_int_equal(next->told.gaps, 0);
}

static void beyond_the_end_there_is_nothing(void **state) {
  (void)state;
  viewer *first = run_viewer("stty raw -echo; echo 0123456789; read go");
  viewer_sees(first, "9\n");
  static const uint64_t beyond[] = {12, UINT64_C(1) << 40, (UINT64_C(1) << 53) + 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
    viewer *next = new_viewer();
    next->options.from_offset = beyond[i];
    const char *id = e2b_terminal_id(first->terminal);
    FAILS(E2B_EREQUEST, e2b_terminal_get_by_id(scene.sandbox, id, &next->options));
    assert_int_equal(next->told.closed, 0); /* no future has yielded it */
  }
}

static void what_is_not_kept_any_more_is_told(void **state) {
  (void)state;
  enum { FROM = 100, ALL = 108894 };
  static const char *const args[] = {"-c", "stty raw -echo; seq 1 20000; exit 0", NULL};
  viewer *first = new_viewer();
  first->options.args = args;
  first->options.ring_bytes = 4096;
  viewer_opens(first);
  viewer_sees_exit(first, 0);
  viewer *next = new_viewer();
  next->options.from_offset = FROM;
  viewer_attaches(next, e2b_terminal_id(first->terminal));
  viewer_sees_exit(next, 0);
  assert_int_equal(next->told.gaps, 1);
  assert_int_equal(next->told.gap, ALL - 4096 - FROM);
  assert_int_equal(next->bytes, 4096);
  assert_int_equal(e2b_terminal_offset(next->terminal), ALL);
  /* Who does not say gets what is kept, and misses nothing. */
  viewer *oldest = new_viewer();
  viewer_attaches(oldest, e2b_terminal_id(first->terminal));
  viewer_sees_exit(oldest, 0);
  assert_int_equal(oldest->told.gaps, 0);
  assert_int_equal(oldest->bytes, 4096);
  assert_int_equal(e2b_terminal_offset(oldest->terminal), ALL);
}

#define VIEWER_TEST(test) cmocka_unit_test_setup_teardown(test, NULL, viewer_tidy)

static const struct CMUnitTest tests[] = {
    VIEWER_TEST(it_counts_what_was_delivered),
    VIEWER_TEST(a_viewer_goes_on_where_another_was),
    VIEWER_TEST(a_viewer_begins_in_the_middle_of_what_is_kept),
    VIEWER_TEST(beyond_the_end_there_is_nothing),
    VIEWER_TEST(what_is_not_kept_any_more_is_told),
};

SCENE_RUN("terminal offset", tests)
