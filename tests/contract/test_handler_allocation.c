/* SPDX-License-Identifier: MIT */
/* The request handler's memory runs out, at each allocation of every request. */

#include <stdio.h>

#include "support/asking.h"
#include "support/starving.h"

enum { WHOLE = 60, STRIDE = 7 };

static void ask(void *ctx, size_t nth) {
  const question_t *question = ctx;
  (void)nth;
  asking_t a;
  asking_open(&a);
  starving_begin();
  e2b_future_t *future = asking_start(&a, question);
  if (future != NULL) asking_settle(&a, 1);
  CALL_VOID(e2b_future_release(future));
  starving_end();
  const int status = a.status;
  asking_close(&a);
  if (!starving_failed() && status != question->status) {
    fail_msg("%s: %d", question->name, status);
  }
}

static void walk(bool for_good) {
  for (size_t i = 0; i < questions_count; i++) {
    question_t question = questions[i];
    const starving_scenario_t scenario = {question.name, ask, &question};
    starving_walk(&scenario, for_good, WHOLE, STRIDE);
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
  starving_library();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_without_one_allocation),
      cmocka_unit_test(requests_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("handler allocation", tests, NULL, NULL);
}
