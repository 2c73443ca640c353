/* SPDX-License-Identifier: MIT */
#include "support/faults.h"

/* Connections that are kept, shared, waited for, given up. */

#define LIST   "GET /v2/sandboxes"
#define SIGNAL "POST /process.Process/SendSignal"

static void listed(fault_rule_t *rule) {
  fault_answer(rule, 200, "application/json", "[]", NULL);
}

/* What the server has closed meanwhile is not tried: a create would be lost on it. */
static void a_kept_connection_that_was_closed_is_not_used(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    faults_t f;
    faults_open(&f, NULL);
    faults_client(&f);
    fault_rule_t *rule = fault_on(f.server, LIST);
    listed(rule);
    fault_hold(rule);
    if (reset) {
      fault_reset(rule);
    } else {
      fault_close(rule);
    }
    faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
    assert_int_equal(fault_held(f.server), 1);
    fault_release(f.server);
    harness_turn(&f.h, 10);
    faults_made(fault_on(f.server, CREATE));
    faults_succeeds(&f, e2b_sandbox_create(f.h.client, NULL));
    assert_int_equal(fault_connections(f.server), 2);
    assert_int_equal(fault_count(f.server, CREATE), 1);
    faults_close(&f);
  }
}

static void a_connection_is_kept_for_the_next_request(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  listed(fault_on(f.server, LIST));
  for (int i = 0; i < 20; i++) {
    faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  }
  assert_int_equal(fault_connections(f.server), 1);
  faults_close(&f);
}

static void no_more_requests_are_under_way_than_asked_for(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_in_flight = 2;
  faults_client(&f);
  fault_rule_t *rule = fault_on(f.server, LIST);
  fault_hold(rule);
  listed(rule);
  e2b_future_t *futures[7];
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    futures[i] = e2b_sandbox_list(f.h.client, NULL);
  }
  for (unsigned sent = 2; sent <= E2B__COUNT(futures); sent++) {
    while (fault_count(f.server, LIST) < sent) {
      harness_turn(&f.h, 1);
      if (fault_held(f.server) == 2) fault_release(f.server);
    }
    assert_true(fault_held(f.server) <= 2);
  }
  assert_true(fault_connections(f.server) <= 2);
  while (!e2b_future_is_done(futures[E2B__COUNT(futures) - 1])) {
    harness_turn(&f.h, 1);
    fault_release(f.server);
  }
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    faults_succeeds(&f, futures[i]);
  }
  faults_close(&f);
}

/* It never went out: so nothing can have come of it. */
static void a_request_may_time_out_in_the_line(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_in_flight = 1;
  faults_client(&f);
  fault_hang(fault_on(f.server, LIST));
  faults_made(fault_on(f.server, CREATE));
  e2b_future_t *hanging = e2b_sandbox_list(f.h.client, NULL);
  e2b_create_options options;
  E2B_INIT(&options);
  options.request_timeout_ms = 50;
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, &options));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
  assert_false(error.maybe_applied);
  assert_int_equal(fault_count(f.server, CREATE), 0);
  e2b_future_t *waiting = e2b_sandbox_create(f.h.client, NULL);
  e2b_future_cancel(hanging);
  assert_int_equal(faults_code(&f, hanging), E2B_ECANCELED);
  faults_succeeds(&f, waiting);
  faults_close(&f);
}

static void a_cancelled_wait_is_not_followed_by_a_request(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 5;
  faults_client(&f);
  fault_answer(fault_on(f.server, LIST), 503, NULL, "", "Retry-After: 1\r\n");
  e2b_future_t *future = e2b_sandbox_list(f.h.client, NULL);
  while (strstr(f.h.log, "try 2") == NULL) {
    harness_turn(&f.h, 1);
  }
  e2b_future_cancel(future);
  assert_int_equal(faults_code(&f, future), E2B_ECANCELED);
  harness_turn(&f.h, 10);
  assert_int_equal(fault_count(f.server, LIST), 1);
  faults_close(&f);
}

/* Tried as often as allowed, and only then is the sandbox asked, once. */
static void a_safe_call_that_stays_lost_asks_once(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.max_retries = 2;
  faults_sandbox(&f);
  faults_gone(&f);
  fault_reset(fault_on(f.server, NULL));
  const faults_error_t error = faults_fails(&f, e2b_files_stat(f.sandbox, "/x", NULL));
  assert_int_equal(error.code, E2B_ESANDBOXGONE);
  assert_int_equal(error.sandbox, E2B_PRESENCE_GONE);
  assert_int_equal(error.attempts, 3);
  assert_int_equal(fault_count(f.server, HEALTH), 1);
  /* curl tries a safe one again by itself when the connection was one it had kept. */
  assert_int_equal(fault_count(f.server, "POST /filesystem.Filesystem/Stat"), 4);
  faults_close(&f);
}

/* The program belongs to the call: given up before it has a pid, it is ended when it has one. */
static void a_run_that_is_cancelled_before_its_start_is_ended_after_it(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_start(&f, &body, 7);
  fault_rule_t *rule = fault_on(f.server, START);
  fault_hold(rule);
  faults_stream(&f, rule, &body, false);
  fault_hang(rule);
  fault_answer(fault_on(f.server, SIGNAL), 200, NULL, "", NULL);
  e2b_future_t *future = e2b_run_shell(f.sandbox, "sleep 99", NULL);
  while (fault_held(f.server) == 0) {
    harness_turn(&f.h, 1);
  }
  e2b_future_cancel(future);
  assert_int_equal(faults_code(&f, future), E2B_ECANCELED);
  assert_int_equal(fault_count(f.server, SIGNAL), 0);
  fault_release(f.server);
  while (fault_count(f.server, SIGNAL) == 0 || !fault_request(f.server, SIGNAL, 0)->complete) {
    harness_turn(&f.h, 1);
  }
  const fault_request_t *request = fault_request(f.server, SIGNAL, 0);
  const char *expected = f.options.rpc_encoding == E2B_RPC_JSON ? "\"pid\":7" : "\x08\x07";
  assert_non_null(memmem(request->body, request->body_len, expected, strlen(expected)));
  bytes_free(&body);
  faults_close(&f);
}

static void attaching_to_what_does_not_run_is_not_found(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_end(&body,
          "{\"error\":{\"code\":\"not_found\",\"message\":\"process with pid 8 not found\"}}");
  faults_stream(&f, fault_on(f.server, "POST /process.Process/Connect"), &body, true);
  const faults_error_t error = faults_fails(&f, e2b_command_connect(f.sandbox, 8, NULL));
  assert_int_equal(error.code, E2B_ENOTFOUND);
  assert_string_equal(error.connect_code, "not_found");
  assert_int_equal(fault_count(f.server, NULL), 1);
  bytes_free(&body);
  faults_close(&f);
}

/* Many at once, and all break at once: each asks, and each is told. */
static void streams_that_break_together_each_end(void **state) {
  enum { STREAMS = 50 };
  faults_t f;
  faults_ready(&f, *state);
  faults_alive(&f);
  bytes_t body = {NULL, 0};
  put_start(&f, &body, 7);
  put_out(&f, &body, "so far", 6);
  fault_rule_t *rule = fault_on(f.server, START);
  faults_stream(&f, rule, &body, false);
  fault_hold(rule);
  fault_reset(rule);
  e2b_future_t *futures[STREAMS];
  for (size_t i = 0; i < STREAMS; i++) {
    futures[i] = e2b_run_shell(f.sandbox, "true", NULL);
  }
  while (fault_held(f.server) < STREAMS) {
    harness_turn(&f.h, 1);
  }
  fault_release(f.server);
  for (size_t i = 0; i < STREAMS; i++) {
    const faults_error_t error = faults_fails(&f, futures[i]);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_string_equal(error.partial_out, "so far");
  }
  assert_int_equal(fault_count(f.server, HEALTH), STREAMS);
  bytes_free(&body);
  faults_close(&f);
}

/* libuv's pool apart, which nothing here uses, one thread does it all. */
static void no_thread_is_started(void **state) {
  const unsigned before = harness_threads();
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_usual(&f, &body);
  faults_stream(&f, fault_on(f.server, START), &body, true);
  faults_succeeds(&f, e2b_run_shell(f.sandbox, "true", NULL));
  assert_int_equal(harness_threads(), before);
  bytes_free(&body);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_kept_connection_that_was_closed_is_not_used),
      cmocka_unit_test(a_connection_is_kept_for_the_next_request),
      cmocka_unit_test(no_more_requests_are_under_way_than_asked_for),
      cmocka_unit_test(a_request_may_time_out_in_the_line),
      cmocka_unit_test(a_cancelled_wait_is_not_followed_by_a_request),
      IN_BOTH(a_safe_call_that_stays_lost_asks_once),
      IN_BOTH(a_run_that_is_cancelled_before_its_start_is_ended_after_it),
      IN_BOTH(attaching_to_what_does_not_run_is_not_found),
      IN_BOTH(streams_that_break_together_each_end),
      IN_BOTH(no_thread_is_started),
  };
  return cmocka_run_group_tests_name("faults: connections", tests, NULL, NULL);
}
