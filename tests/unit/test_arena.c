/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>

#include "support/starving.h"
#include "unit.h"

static void pieces_are_aligned_and_apart(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  unsigned char *pieces[200];
  for (size_t i = 0; i < 200; i++) {
    pieces[i] = e2b__arena_alloc(&arena, i);
    assert_non_null(pieces[i]);
    assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
    memset(pieces[i], (int)i, i);
  }
  for (size_t i = 0; i < 200; i++) {
    for (size_t k = 0; k < i; k++)
      assert_int_equal(pieces[i][k], i);
  }
  e2b__arena_free(&arena);
}

static void a_piece_larger_than_any_block_gets_its_own(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  e2b__arena_alloc(&arena, 16);
  char *large = e2b__arena_calloc(&arena, 1000, 1000);
  assert_non_null(large);
  assert_int_equal(large[999999], 0);
  assert_non_null(e2b__arena_alloc(&arena, 16));
  e2b__arena_free(&arena);
}

static void sizes_that_overflow_are_refused(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  assert_null(e2b__arena_alloc(&arena, SIZE_MAX));
  assert_null(e2b__arena_alloc(&arena, SIZE_MAX / 2 + 1));
  assert_null(e2b__arena_calloc(&arena, SIZE_MAX / 2, 4));
  assert_null(e2b__arena_strndup(&arena, "", SIZE_MAX));
  e2b__arena_free(&arena);
}

static void strndup_adds_the_nul(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  assert_string_equal(e2b__arena_strndup(&arena, "abcdef", 3), "abc");
  assert_string_equal(e2b__arena_strndup(&arena, NULL, 0), "");
  e2b__arena_free(&arena);
}

static void reset_keeps_one_block_for_the_next_use(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  starving_library_arm(0);
  for (int i = 0; i < 100; i++)
    e2b__arena_alloc(&arena, 100);
  assert_true(starving_live() > 1);
  e2b__arena_reset(&arena);
  assert_int_equal(starving_live(), 1);
  size_t before = starving_count();
  assert_non_null(e2b__arena_alloc(&arena, 100));
  assert_int_equal(starving_count(), before);
  e2b__arena_free(&arena);
  assert_int_equal(starving_live(), 0);
  starving_library_remove();
}

static void an_empty_arena_may_be_reset_and_freed(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  e2b__arena_reset(&arena);
  e2b__arena_free(&arena);
  e2b__arena_free(&arena);
}

static void a_failed_allocation_leaves_the_arena_usable(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  starving_library_arm(1);
  assert_null(e2b__arena_alloc(&arena, 8));
  char *first = e2b__arena_strndup(&arena, "kept", 4);
  starving_library_arm(1);
  assert_null(e2b__arena_alloc(&arena, 100000));
  assert_string_equal(first, "kept");
  assert_non_null(e2b__arena_alloc(&arena, 8));
  e2b__arena_free(&arena);
  assert_int_equal(starving_live(), 0);
  starving_library_remove();
}

static void lent_memory_comes_first_and_stays_the_lenders(void **state) {
  (void)state;
  alignas(max_align_t) unsigned char room[256];
  e2b__arena_t arena = {0};
  starving_library_arm(0);
  e2b__arena_lend(&arena, room, sizeof room);
  unsigned char *piece = e2b__arena_alloc(&arena, 100);
  assert_true(piece > room && piece + 100 <= room + sizeof room);
  assert_int_equal(starving_live(), 0);
  assert_non_null(e2b__arena_alloc(&arena, sizeof room));
  assert_int_equal(starving_live(), 1);
  e2b__arena_free(&arena);
  assert_int_equal(starving_live(), 0);
  assert_non_null(e2b__arena_alloc(&arena, 8)); /* an arena like any other now */
  e2b__arena_free(&arena);
  assert_int_equal(starving_live(), 0);
  starving_library_remove();
}

static void too_little_to_lend_is_left_alone(void **state) {
  (void)state;
  alignas(max_align_t) unsigned char room[1] = {7};
  e2b__arena_t arena = {0};
  e2b__arena_lend(&arena, room, sizeof room);
  assert_non_null(e2b__arena_alloc(&arena, 1));
  assert_int_equal(room[0], 7);
  e2b__arena_free(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces_are_aligned_and_apart),
      cmocka_unit_test(a_piece_larger_than_any_block_gets_its_own),
      cmocka_unit_test(sizes_that_overflow_are_refused),
      cmocka_unit_test(strndup_adds_the_nul),
      cmocka_unit_test(reset_keeps_one_block_for_the_next_use),
      cmocka_unit_test(an_empty_arena_may_be_reset_and_freed),
      cmocka_unit_test(a_failed_allocation_leaves_the_arena_usable),
      cmocka_unit_test(lent_memory_comes_first_and_stays_the_lenders),
      cmocka_unit_test(too_little_to_lend_is_left_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
