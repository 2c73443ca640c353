/* SPDX-License-Identifier: MIT */
/* The library's own memory runs out, at each of its allocations. */

#include "support/session.h"

static void a_session_without_one_allocation(void **state) {
  session_walk(*state, false, 500, 7, true);
}

static void a_session_without_any_from_one_on(void **state) {
  session_walk(*state, true, 200, 7, true);
}

int main(void) {
  starving_library();
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_session_without_one_allocation),
      IN_BOTH(a_session_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
