/* SPDX-License-Identifier: MIT */
/* The memory of the JSON parser runs out. A program of its own: its hooks are global. */

#include "support/session.h"

static void a_session_without_one_allocation_of_the_parser(void **state) {
  session_walk(*state, false, 500, 7, false);
}

static void a_session_without_any_of_the_parser(void **state) {
  session_walk(*state, true, 100, 7, false);
}

int main(void) {
  starving_cjson();
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_session_without_one_allocation_of_the_parser),
      IN_BOTH(a_session_without_any_of_the_parser),
  };
  return cmocka_run_group_tests_name("allocation of cJSON", tests, NULL, NULL);
}
