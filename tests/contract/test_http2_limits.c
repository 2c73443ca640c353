/* SPDX-License-Identifier: MIT */
#include "support/h2_faults.h"

/* How many streams the server allows, and what waits for what. */

enum { AT_ONCE = 50, A_CONNECTION = 100 };

static e2b_future_t *list(h2_faults_t *t) {
  return e2b_sandbox_list(t->f.h.client, NULL);
}

static e2b_future_t *create(h2_faults_t *t) {
  return e2b_sandbox_create(t->f.h.client, NULL);
}

static void all_at_once(unsigned limit, bool known, e2b_future_t *(*start)(h2_faults_t *t)) {
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  h2_settings(t.server)->most_streams = limit;
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  h2_on(t.server, CREATE, h2_answers, &h2_made);
  if (known) faults_succeeds(&t.f, list(&t));
  e2b_future_t *futures[AT_ONCE];
  for (size_t i = 0; i < AT_ONCE; i++) {
    futures[i] = start(&t);
  }
  for (size_t i = 0; i < AT_ONCE; i++) {
    assert_int_equal(harness_await(&t.f.h, futures[i]), 0);
    e2b_sandbox_release(start == create ? e2b_future_sandbox(futures[i]) : NULL);
    e2b_future_release(futures[i]);
  }
  assert_int_equal(h2_count(t.server, NULL), AT_ONCE + known);
  assert_in_range(h2_connections(t.server), 1, limit < AT_ONCE ? AT_ONCE - limit + 1 : 1);
  h2_close(&t);
}

/* Nobody tells how many these are before one is refused; so who finds no place has a connection
 * opened. None is refused, or asked for twice. */
static void all_are_done_however_few_streams_a_connection_may_have(void **state) {
  (void)state;
  static const unsigned limits[] = {1, 10, 100};
  for (size_t i = 0; i < E2B__COUNT(limits); i++) {
    all_at_once(limits[i], false, list);
    all_at_once(limits[i], true, create);
  }
}

/* A connection that does not begin to speak. */
static void a_server_without_settings_is_given_up(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  t.f.options.request_timeout_ms = 200;
  h2_client(&t);
  h2_settings(t.server)->silent = true;
  e2b_future_t *futures[3] = {list(&t), list(&t), create(&t)};
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    const faults_error_t error = faults_fails(&t.f, futures[i]);
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
    if (i == 2) assert_true(error.maybe_applied);
  }
  assert_int_equal(h2_connections(t.server), 1);
  h2_close(&t);
}

static void a_stream_without_settings_is_given_up(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  t.f.options.first_event_timeout_ms = 200;
  h2_sandbox(&t);
  h2_settings(t.server)->silent = true;
  const faults_error_t error =
      faults_fails(&t.f, e2b_command_start(t.f.sandbox, "cat", NULL, NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_FIRST_EVENT);
  assert_true(error.maybe_applied);
  h2_close(&t);
}

/* The connection has as many as it carries, and none of them ends. */
static void who_waits_in_line_for_too_long_goes_by_another_connection(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  faults_succeeds(&t.f, list(&t)); /* it is known now what the server speaks */
  h2_clear(t.server);
  e2b_future_t *held[A_CONNECTION];
  for (size_t i = 0; i < A_CONNECTION; i++) {
    held[i] = list(&t);
  }
  h2_until_asked(&t, 1 + A_CONNECTION);
  assert_int_equal(h2_connections(t.server), 1);
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  faults_succeeds(&t.f, list(&t));
  assert_int_equal(h2_connections(t.server), 2);
  for (unsigned i = 0; i < A_CONNECTION; i++) {
    h2_answers(h2_request(t.server, LIST, 1 + i), &h2_listed);
    faults_succeeds(&t.f, held[i]);
  }
  h2_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_are_done_however_few_streams_a_connection_may_have),
      cmocka_unit_test(a_server_without_settings_is_given_up),
      cmocka_unit_test(a_stream_without_settings_is_given_up),
      cmocka_unit_test(who_waits_in_line_for_too_long_goes_by_another_connection),
  };
  return cmocka_run_group_tests_name("HTTP/2: limits", tests, NULL, NULL);
}
