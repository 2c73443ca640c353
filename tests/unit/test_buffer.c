/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include "support/starving.h"
#include "unit.h"

static void grows_and_keeps_a_nul_behind_the_content(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(1 << 20);
  for (int i = 0; i < 1000; i++)
    assert_int_equal(e2b__buffer_append_str(&b, "abc"), 0);
  assert_int_equal(b.len, 3000);
  assert_int_equal(b.data[3000], '\0');
  assert_int_equal(strlen(b.data), 3000);
  e2b__buffer_free(&b);
}

static void the_ceiling_can_be_reached_but_not_passed(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(5);
  assert_int_equal(e2b__buffer_append_str(&b, "12345"), 0);
  assert_int_equal(e2b__buffer_append(&b, "6", 1), E2B_ETOOBIG);
  assert_int_equal(e2b__buffer_append(&b, "", 0), 0);
  assert_int_equal(e2b__buffer_reserve(&b, SIZE_MAX), E2B_ETOOBIG);
  assert_string_equal(b.data, "12345");
  e2b__buffer_free(&b);
}

static void a_failed_addition_leaves_the_content(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(1 << 20);
  starving_library_arm(0);
  assert_int_equal(e2b__buffer_append_str(&b, "kept"), 0);
  starving_library_arm(1);
  assert_int_equal(e2b__buffer_printf(&b, "%0500d", 1), E2B_ENOMEM);
  assert_string_equal(b.data, "kept");
  assert_int_equal(b.len, 4);
  e2b__buffer_free(&b);
  starving_library_remove();
}

static void printf_appends(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(100);
  assert_int_equal(e2b__buffer_printf(&b, "%s=%d", "a", 1), 0);
  assert_int_equal(e2b__buffer_printf(&b, "&b=%d", 2), 0);
  assert_string_equal(b.data, "a=1&b=2");
  assert_int_equal(e2b__buffer_printf(&b, "%0200d", 1), E2B_ETOOBIG);
  assert_string_equal(b.data, "a=1&b=2");
  e2b__buffer_free(&b);
}

static void reserve_and_commit_take_bytes_written_in_place(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(100);
  assert_int_equal(e2b__buffer_reserve(&b, 10), 0);
  memcpy(b.data + b.len, "0123", 4);
  e2b__buffer_commit(&b, 4);
  assert_string_equal(b.data, "0123");
  e2b__buffer_free(&b);
}

static void consume_drops_from_the_front_and_truncate_from_the_end(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(100);
  e2b__buffer_consume(&b, 0);
  e2b__buffer_truncate(&b, 0);
  e2b__buffer_append_str(&b, "abcdef");
  e2b__buffer_consume(&b, 2);
  assert_string_equal(b.data, "cdef");
  e2b__buffer_truncate(&b, 100);
  assert_string_equal(b.data, "cdef");
  e2b__buffer_truncate(&b, 1);
  assert_string_equal(b.data, "c");
  e2b__buffer_consume(&b, 1);
  assert_string_equal(b.data, "");
  e2b__buffer_free(&b);
}

static void clear_keeps_the_memory_and_detach_gives_it_away(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(100);
  e2b__buffer_clear(&b);
  e2b__buffer_append_str(&b, "abc");
  char *data = b.data;
  e2b__buffer_clear(&b);
  assert_ptr_equal(b.data, data);
  assert_string_equal(b.data, "");
  e2b__buffer_append_str(&b, "xyz");
  char *mine = e2b__buffer_detach(&b);
  assert_null(b.data);
  assert_string_equal(mine, "xyz");
  e2b__free(mine);
  assert_int_equal(e2b__buffer_append_str(&b, "again"), 0);
  e2b__buffer_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grows_and_keeps_a_nul_behind_the_content),
      cmocka_unit_test(the_ceiling_can_be_reached_but_not_passed),
      cmocka_unit_test(a_failed_addition_leaves_the_content),
      cmocka_unit_test(printf_appends),
      cmocka_unit_test(reserve_and_commit_take_bytes_written_in_place),
      cmocka_unit_test(consume_drops_from_the_front_and_truncate_from_the_end),
      cmocka_unit_test(clear_keeps_the_memory_and_detach_gives_it_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
