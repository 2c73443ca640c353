/* SPDX-License-Identifier: MIT */
/* The library's own memory runs out, at each of its allocations. */

#include "support/session.h"

static void *lib_malloc(size_t size, void *user_data) {
  (void)user_data;
  return starving_malloc(size);
}

static void *lib_realloc(void *ptr, size_t size, void *user_data) {
  (void)user_data;
  return starving_realloc(ptr, size);
}

static void lib_free(void *ptr, void *user_data) {
  (void)user_data;
  starving_free(ptr);
}

static void a_session_with_all_the_memory_it_wants(void **state) {
  assert_null(session_run(*state, 0, false).where);
}

static void a_session_without_one_allocation(void **state) {
  session_walk(*state, false, 500, 7, true);
}

static void a_session_without_any_from_one_on(void **state) {
  session_walk(*state, true, 200, 7, true);
}

int main(void) {
  static const e2b_allocator_t allocator = {lib_malloc, lib_realloc, lib_free, NULL};
  e2b_set_allocator(&allocator);
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_session_with_all_the_memory_it_wants),
      IN_BOTH(a_session_without_one_allocation),
      IN_BOTH(a_session_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
