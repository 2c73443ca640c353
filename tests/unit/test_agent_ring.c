/* SPDX-License-Identifier: MIT */
#include "agent/flow.h"
#include "agent/timers.h"
#include "support/starving.h"
#include "unit.h"

/* The agent's ring, the arithmetic of viewers, and its timers. */

/* Byte `offset` of the stream that the tests write. */
static unsigned char byte_at(uint64_t offset) {
  return (unsigned char)(offset * 7 + offset / 251);
}

static void write_bytes(e2b__ring_t *ring, size_t count) {
  while (count > 0) {
    struct iovec pieces[2];
    size_t room = e2b__ring_space(ring, count, pieces), at = 0;
    assert_true(room > 0 && room <= count);
    assert_int_equal(pieces[0].iov_len + pieces[1].iov_len, room);
    for (size_t i = 0; i < 2; i++)
      for (size_t k = 0; k < pieces[i].iov_len; k++)
        ((unsigned char *)pieces[i].iov_base)[k] = byte_at(ring->end + at++);
    e2b__ring_commit(ring, room);
    count -= room;
  }
}

static void check_content(const e2b__ring_t *ring) {
  struct iovec pieces[2];
  size_t have = e2b__ring_peek(ring, ring->start, SIZE_MAX, pieces);
  uint64_t offset = ring->start;
  assert_int_equal(have, ring->end - ring->start);
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; k < pieces[i].iov_len; k++)
      assert_int_equal(((unsigned char *)pieces[i].iov_base)[k], byte_at(offset++));
  assert_int_equal(offset, ring->end);
}

static void a_ring_grows_to_its_limit_and_then_forgets_the_oldest(void **state) {
  e2b__ring_t ring;
  (void)state;
  e2b__ring_init(&ring, 60000);
  assert_int_equal(ring.limit, 65536);
  assert_int_equal(ring.capacity, 0);
  size_t steps[] = {1, 100, 3000, 1, 5000, 4096, 20000, 7, 30000, 65536, 3, 70000, 1};
  uint64_t total = 0;
  for (size_t i = 0; i < E2B__COUNT(steps); i++) {
    write_bytes(&ring, steps[i]);
    total += steps[i];
    assert_int_equal(ring.end, total);
    assert_true(ring.capacity <= ring.limit);
    if (total <= ring.limit) assert_int_equal(ring.start, 0);
    check_content(&ring);
  }
  assert_int_equal(ring.start, total - ring.limit);
  e2b__ring_free(&ring);
}

static void a_quiet_ring_is_small(void **state) {
  e2b__ring_t ring;
  (void)state;
  e2b__ring_init(&ring, 1 << 20);
  write_bytes(&ring, 50);
  write_bytes(&ring, 50);
  assert_int_equal(ring.capacity, E2B__RING_SMALLEST);
  e2b__ring_free(&ring);
  e2b__ring_init(&ring, 1);
  assert_int_equal(ring.limit, E2B__RING_SMALLEST);
}

static void without_memory_a_ring_goes_on_smaller(void **state) {
  e2b__ring_t ring;
  struct iovec pieces[2];
  (void)state;
  e2b__ring_init(&ring, 1 << 20);
  starving_library_arm(1);
  assert_int_equal(e2b__ring_space(&ring, 1, pieces), 0);
  write_bytes(&ring, 4096);
  starving_library_arm(1);
  assert_true(e2b__ring_space(&ring, 1000, pieces) > 0);
  e2b__ring_commit(&ring, 0);
  check_content(&ring);
  write_bytes(&ring, 5000);
  check_content(&ring);
  e2b__ring_free(&ring);
  starving_library_remove();
}

static void a_viewer_is_sent_half_a_ring_ahead(void **state) {
  e2b__ring_t ring;
  e2b__flow_t flow;
  bool progress;
  (void)state;
  e2b__ring_init(&ring, 4096);
  write_bytes(&ring, 3000);
  assert_int_equal(e2b__flow_begin(&flow, &ring, 100), 0);
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 2048);
  flow.sent += 2048;
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 0);
  assert_true(e2b__flow_ack(&flow, 600, &progress) && progress);
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 500);
  assert_true(e2b__flow_ack(&flow, 500, &progress) && !progress); /* an old one changes nothing */
  assert_int_equal(flow.acked, 600);
  assert_false(e2b__flow_ack(&flow, 2149, &progress));
  flow.sent += 500;
  assert_true(e2b__flow_ack(&flow, 2648, &progress) && progress);
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 352);
  e2b__ring_free(&ring);
}

static void a_gap_is_told_when_the_window_is_open(void **state) {
  e2b__ring_t ring;
  e2b__flow_t flow;
  bool progress;
  (void)state;
  e2b__ring_init(&ring, 4096);
  write_bytes(&ring, 2048);
  assert_int_equal(e2b__flow_begin(&flow, &ring, 0), 0);
  flow.sent = 2048;
  write_bytes(&ring, 10000);
  assert_int_equal(e2b__flow_gap(&flow, &ring), 0); /* its window is shut */
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 0);
  assert_true(e2b__flow_ack(&flow, 48, &progress));
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 0); /* first the gap */
  assert_int_equal(e2b__flow_gap(&flow, &ring), 12048 - 4096 - 2048);
  assert_int_equal(flow.sent, ring.start);
  assert_int_equal(e2b__flow_gap(&flow, &ring), 0);
  assert_int_equal(e2b__flow_sendable(&flow, &ring), 2048);
  /* What was acknowledged meanwhile is old. */
  assert_true(e2b__flow_ack(&flow, 2048, &progress) && !progress);
  /* And who begins too early hears it at once. */
  assert_int_equal(e2b__flow_begin(&flow, &ring, 1), ring.start - 1);
  e2b__ring_free(&ring);
}

static void room_is_what_the_fastest_leaves(void **state) {
  e2b__ring_t ring;
  (void)state;
  e2b__ring_init(&ring, 4096);
  assert_int_equal(e2b__flow_room(&ring, 0), 4096);
  write_bytes(&ring, 4096);
  assert_int_equal(e2b__flow_room(&ring, 0), 0);
  assert_int_equal(e2b__flow_room(&ring, 4000), 4000);
  write_bytes(&ring, 1000);
  assert_int_equal(e2b__flow_room(&ring, 0), 0); /* what is gone cannot be held for */
  assert_int_equal(e2b__flow_room(&ring, 5096), 4096);
  e2b__ring_free(&ring);
}

static void input_is_accepted_up_to_a_window_and_may_wait_behind_it(void **state) {
  static char much[E2B__INPUT_WINDOW];
  e2b__input_t input;
  size_t len;
  (void)state;
  e2b__input_init(&input);
  e2b__input_pass(&input, 10);
  assert_int_equal(e2b__input_accepted(&input), 10);
  assert_true(e2b__input_fits(&input, sizeof much));
  assert_false(e2b__input_fits(&input, sizeof much + 1));
  assert_int_equal(e2b__input_append(&input, much, sizeof much), 0);
  assert_int_equal(e2b__input_accepted(&input), 10 + sizeof much);
  assert_int_equal(e2b__input_append(&input, much, 100), 0);
  assert_int_equal(e2b__input_accepted(&input), 10 + sizeof much);
  assert_true(e2b__input_fits(&input, sizeof much - 100));
  assert_false(e2b__input_fits(&input, sizeof much - 99));
  e2b__input_drain(&input, 30);
  assert_int_equal(e2b__input_accepted(&input), 10 + sizeof much + 30);
  /* What waits behind the window goes with the connection. */
  e2b__input_cut(&input);
  assert_int_equal(input.received, 10 + sizeof much + 30);
  assert_non_null(e2b__input_peek(&input, &len));
  assert_int_equal(len, sizeof much);
  e2b__input_drain(&input, len);
  assert_null(e2b__input_peek(&input, &len));
  assert_null(input.queue.data); /* an idle one keeps no memory */
  e2b__input_cut(&input);
  assert_int_equal(e2b__input_accepted(&input), 10 + sizeof much + 30);
  e2b__input_free(&input);
}

/* ---- timers ---- */

enum { TIMERS = 200 };
static struct {
  e2b__timers_t timers;
  e2b__timer_t all[TIMERS];
  uint64_t last;
  size_t fired;
} clockwork;

static void on_timer(e2b__timer_t *timer) {
  assert_true(timer->due_ms >= clockwork.last);
  assert_int_equal(timer->place, 0);
  clockwork.last = timer->due_ms;
  clockwork.fired++;
}

static void timers_fire_in_order_whatever_was_stopped_or_moved(void **state) {
  uint32_t seed = 1;
  (void)state;
  memset(&clockwork, 0, sizeof clockwork);
  assert_int_equal(e2b__timers_reserve(&clockwork.timers, TIMERS), 0);
  assert_int_equal(e2b__timers_next(&clockwork.timers), UINT64_MAX);
  for (size_t i = 0; i < TIMERS * 20; i++) {
    e2b__timer_t *timer = &clockwork.all[(seed = seed * 1103515245 + 12345) >> 8 & 127];
    timer->fire = on_timer;
    if (i % 5 == 4)
      e2b__timer_stop(&clockwork.timers, timer);
    else
      e2b__timer_start(&clockwork.timers, timer, seed >> 16 & 1023);
  }
  size_t running = 0;
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; i < TIMERS; i++) {
    if (clockwork.all[i].place == 0) continue;
    running++;
    if (clockwork.all[i].due_ms < first) first = clockwork.all[i].due_ms;
  }
  assert_int_equal(clockwork.timers.count, running);
  assert_int_equal(e2b__timers_next(&clockwork.timers), first);
  for (uint64_t now = 0; now < 1100; now += 10)
    e2b__timers_run(&clockwork.timers, now);
  assert_int_equal(clockwork.fired, running);
  e2b__timers_unreserve(&clockwork.timers, TIMERS);
  e2b__timers_free(&clockwork.timers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ring_grows_to_its_limit_and_then_forgets_the_oldest),
      cmocka_unit_test(a_quiet_ring_is_small),
      cmocka_unit_test(without_memory_a_ring_goes_on_smaller),
      cmocka_unit_test(a_viewer_is_sent_half_a_ring_ahead),
      cmocka_unit_test(a_gap_is_told_when_the_window_is_open),
      cmocka_unit_test(room_is_what_the_fastest_leaves),
      cmocka_unit_test(input_is_accepted_up_to_a_window_and_may_wait_behind_it),
      cmocka_unit_test(timers_fire_in_order_whatever_was_stopped_or_moved),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
