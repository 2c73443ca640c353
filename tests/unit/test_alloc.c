/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "support/starving.h"
#include "unit.h"

static void all_memory_comes_from_the_callers_allocator(void **state) {
  (void)state;
  starving_library_arm(0);
  void *a = e2b__malloc(10);
  char *b = e2b__strdup("text");
  a = e2b__realloc(a, 1000);
  assert_int_equal(starving_count(), 3);
  assert_int_equal(starving_live(), 2);
  e2b__free(a);
  e2b__free(b);
  e2b__free(NULL);
  assert_int_equal(starving_live(), 0);
  starving_library_remove();
}

static void every_function_says_when_memory_is_out(void **state) {
  (void)state;
  starving_library_arm(1);
  assert_null(e2b__malloc(1));
  starving_library_arm(1);
  assert_null(e2b__calloc(1, 1));
  starving_library_arm(1);
  assert_null(e2b__strndup("x", 1));
  starving_library_arm(1);
  assert_null(e2b__format("%d", 1));
  starving_library_remove();
}

static void aligned_memory_is_zeroed_and_begins_a_cache_line(void **state) {
  (void)state;
  for (size_t size = 1; size < 300; size += 7) {
    unsigned char *p = e2b__calloc_aligned(size);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % E2B__CACHE_LINE, 0);
    for (size_t i = 0; i < size; i++) {
      assert_int_equal(p[i], 0);
      p[i] = 0xff;
    }
    e2b__free_aligned(p);
  }
  e2b__free_aligned(NULL);
  assert_null(e2b__calloc_aligned(SIZE_MAX - 1));
}

static void calloc_zeroes_and_refuses_what_overflows(void **state) {
  (void)state;
  unsigned char *p = e2b__calloc(3, 5);
  for (size_t i = 0; i < 15; i++)
    assert_int_equal(p[i], 0);
  e2b__free(p);
  assert_null(e2b__calloc(SIZE_MAX / 2, 3));
}

static void strndup_copies_bytes_and_ends_them(void **state) {
  (void)state;
  char *copy = e2b__strndup("a\0bc", 3);
  assert_memory_equal(copy, "a\0b", 4);
  e2b__free(copy);
  copy = e2b__strndup(NULL, 0);
  assert_string_equal(copy, "");
  e2b__free(copy);
  assert_null(e2b__strdup(NULL));
}

static void format_makes_a_string_of_any_length(void **state) {
  (void)state;
  char *text = e2b__format("%s-%0500d", "x", 7);
  assert_int_equal(strlen(text), 502);
  e2b__free(text);
}

typedef struct options {
  size_t size;
  int known;
  int added_later;
} options;

static void options_of_an_older_caller_get_defaults_for_what_it_does_not_know(void **state) {
  (void)state;
  options theirs = {offsetof(options, added_later), 5, 99};
  options ours;
  e2b__options_copy(&ours, sizeof ours, &theirs);
  assert_int_equal(ours.size, sizeof ours);
  assert_int_equal(ours.known, 5);
  assert_int_equal(ours.added_later, 0);
}

static void options_of_a_newer_caller_are_cut(void **state) {
  (void)state;
  options theirs = {sizeof theirs + 100, 5, 6};
  options ours;
  e2b__options_copy(&ours, offsetof(options, added_later), &theirs);
  assert_int_equal(ours.size, offsetof(options, added_later));
  assert_int_equal(ours.known, 5);
}

static void options_left_out_are_all_default(void **state) {
  (void)state;
  options ours = {1, 2, 3};
  e2b__options_copy(&ours, sizeof ours, NULL);
  assert_int_equal(ours.size, sizeof ours);
  assert_int_equal(ours.known, 0);
  assert_int_equal(ours.added_later, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_memory_comes_from_the_callers_allocator),
      cmocka_unit_test(aligned_memory_is_zeroed_and_begins_a_cache_line),
      cmocka_unit_test(every_function_says_when_memory_is_out),
      cmocka_unit_test(calloc_zeroes_and_refuses_what_overflows),
      cmocka_unit_test(strndup_copies_bytes_and_ends_them),
      cmocka_unit_test(format_makes_a_string_of_any_length),
      cmocka_unit_test(options_of_an_older_caller_get_defaults_for_what_it_does_not_know),
      cmocka_unit_test(options_of_a_newer_caller_are_cut),
      cmocka_unit_test(options_left_out_are_all_default),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
