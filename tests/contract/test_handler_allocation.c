/* SPDX-License-Identifier: MIT */
/* The request handler's memory runs out, at each allocation of every request. */

#include <stdio.h>

#include "support/asking.h"
#include "support/starving.h"

enum { WHOLE = 60, STRIDE = 7 };

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

/* False when the request came through without that allocation failing. */
static bool ask_without(const question_t *question, size_t nth, bool for_good) {
  const size_t live = starving_live();
  asking_t a;
  asking_open(&a);
  starving_arm(nth, for_good);
  e2b_future_t *future = asking_start(&a, question);
  if (future != NULL) asking_settle(&a, 1);
  CALL_VOID(e2b_future_release(future));
  const bool failed = starving_failed();
  starving_arm(0, false);
  if (!failed && a.status != question->status) fail_msg("%s: %d", question->name, a.status);
  asking_close(&a);
  if (starving_live() != live) {
    fail_msg("%s: %zu pieces are left after allocation %zu failed", question->name,
             starving_live() - live, nth);
  }
  return failed;
}

static void walk(bool for_good) {
  const bool all = getenv("E2B_TEST_ALL") != NULL;
  for (size_t i = 0; i < questions_count; i++) {
    size_t nth = 1;
    while (ask_without(&questions[i], nth, for_good)) {
      nth += all || nth < WHOLE ? 1 : STRIDE;
    }
    assert_true(nth > 1);
    if (getenv("E2B_TEST_VERBOSE") != NULL) print_message("%s: %zu\n", questions[i].name, nth);
  }
}

static void requests_without_one_allocation(void **state) {
  (void)state;
  walk(false);
}

static void requests_without_any_from_one_on(void **state) {
  (void)state;
  walk(true);
}

int main(void) {
  static const e2b_allocator_t allocator = {lib_malloc, lib_realloc, lib_free, NULL};
  e2b_set_allocator(&allocator);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_without_one_allocation),
      cmocka_unit_test(requests_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("handler allocation", tests, NULL, NULL);
}
