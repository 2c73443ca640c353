/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"
#include "unit.h"

static e2b__wheel_t wheel;

static void a_clock_is_due_at_its_millisecond_and_not_before(void **state) {
  (void)state;
  static const uint64_t starts[] = {0, 1, 63, 64, 4095, 123456789};
  static const uint64_t waits[] = {1,    2,    63,     64,     65,     127,     4095,   4096,
                                   4097, 8000, 262143, 262144, 262145, 1000000, 9999999};
  for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
    for (size_t w = 0; w < sizeof waits / sizeof *waits; w++) {
      e2b__clock_t clock;
      const uint64_t due = starts[s] + waits[w];
      e2b__wheel_init(&wheel, starts[s]);
      e2b__clock_init(&clock);
      e2b__wheel_set(&wheel, starts[s], &clock, due);
      unsigned turns = 0;
      while (wheel.next_ms < due) { /* it moves to lower levels */
        assert_null(e2b__wheel_take(&wheel, wheel.next_ms));
        assert_in_range(++turns, 1, 100);
      }
      assert_int_equal(wheel.next_ms, due);
      assert_ptr_equal(e2b__wheel_take(&wheel, due), &clock);
      assert_false(e2b__clock_is_set(&clock));
      assert_int_equal(wheel.next_ms, UINT64_MAX);
    }
  }
}

static void a_loop_that_was_held_up_finds_all_that_are_due(void **state) {
  (void)state;
  e2b__clock_t clocks[200];
  e2b__wheel_init(&wheel, 1000);
  for (size_t i = 0; i < 200; i++) {
    e2b__clock_init(&clocks[i]);
    e2b__wheel_set(&wheel, 1000, &clocks[i], 1000 + i * i);
  }
  size_t found = 0;
  e2b__clock_t *clock;
  while ((clock = e2b__wheel_take(&wheel, 11000)) != NULL) {
    assert_in_range(clock->due_ms, 1000, 11000);
    found++;
  }
  assert_int_equal(found, 101); /* 0 to 100 squared */
  for (size_t i = 0; i < 200; i++) {
    assert_int_equal(e2b__clock_is_set(&clocks[i]), i > 100);
  }
}

static void one_that_is_unset_or_set_anew_is_not_due_at_its_first_time(void **state) {
  (void)state;
  e2b__clock_t clocks[3];
  e2b__wheel_init(&wheel, 0);
  for (size_t i = 0; i < 3; i++) {
    e2b__clock_init(&clocks[i]);
    e2b__wheel_set(&wheel, 0, &clocks[i], 500);
  }
  e2b__clock_unset(&clocks[0]);
  e2b__wheel_set(&wheel, 400, &clocks[1], 700);
  assert_ptr_equal(e2b__wheel_take(&wheel, 600), &clocks[2]);
  assert_null(e2b__wheel_take(&wheel, 600));
  assert_ptr_equal(e2b__wheel_take(&wheel, 700), &clocks[1]);
  assert_null(e2b__wheel_take(&wheel, 700));
}

static void one_set_for_a_time_that_has_passed_is_due_at_once(void **state) {
  (void)state;
  e2b__clock_t clock;
  e2b__wheel_init(&wheel, 50);
  e2b__clock_init(&clock);
  e2b__wheel_set(&wheel, 50, &clock, 20);
  assert_in_range(wheel.next_ms, 0, 50);
  assert_ptr_equal(e2b__wheel_take(&wheel, 50), &clock);
}

/* Against the plain way to do it, with steps of all sizes. */
static void any_order_of_setting_and_waiting_misses_none(void **state) {
  (void)state;
  enum { CLOCKS = 64, STEPS = 20000 };
  static e2b__clock_t clocks[CLOCKS];
  uint64_t due[CLOCKS];
  uint64_t now = 777;
  uint32_t random = 1;
  e2b__wheel_init(&wheel, now);
  for (size_t i = 0; i < CLOCKS; i++) {
    e2b__clock_init(&clocks[i]);
    due[i] = UINT64_MAX;
  }
  for (size_t step = 0; step < STEPS; step++) {
    random = random * 1664525u + 1013904223u;
    const size_t which = random >> 26;
    const uint64_t far = (random >> 4 & 0xfffff) >> (random >> 9) % 20;
    if ((random >> 24 & 3) == 0) {
      e2b__clock_unset(&clocks[which]);
      due[which] = UINT64_MAX;
    } else {
      due[which] = now + far;
      e2b__wheel_set(&wheel, now, &clocks[which], due[which]);
    }
    now += far >> (random >> 14) % 12;
    e2b__clock_t *clock;
    while ((clock = e2b__wheel_take(&wheel, now)) != NULL) {
      const size_t found = (size_t)(clock - clocks);
      assert_in_range(due[found], 0, now);
      due[found] = UINT64_MAX;
    }
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < CLOCKS; i++) {
      if (due[i] < next) next = due[i];
    }
    assert_true(next > now);
    assert_true(wheel.next_ms <= next && wheel.next_ms > now);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_clock_is_due_at_its_millisecond_and_not_before),
      cmocka_unit_test(a_loop_that_was_held_up_finds_all_that_are_due),
      cmocka_unit_test(one_that_is_unset_or_set_anew_is_not_due_at_its_first_time),
      cmocka_unit_test(one_set_for_a_time_that_has_passed_is_due_at_once),
      cmocka_unit_test(any_order_of_setting_and_waiting_misses_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
