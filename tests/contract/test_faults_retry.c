/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>

#include "support/faults.h"

/* What is sent again, how often and when; and what never is. */

static const char listed[] = "[]";

static void open_with_retries(faults_t *f, unsigned retries) {
  faults_open(f, NULL);
  f->options.max_retries = retries;
  faults_client(f);
}

static void safe_requests_are_repeated_so_often_and_no_more(void **state) {
  (void)state;
  static const int statuses[] = {502, 503, 504, 429};
  for (size_t i = 0; i < E2B__COUNT(statuses); i++) {
    faults_t f;
    open_with_retries(&f, 2);
    fault_answer(fault_on(f.server, "GET /v2/sandboxes"), statuses[i], "text/plain", "later", NULL);
    const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
    assert_int_equal(error.http_status, statuses[i]);
    assert_int_equal(error.attempts, 3);
    assert_int_equal(fault_count(f.server, NULL), 3);
    e2b_client_stats stats;
    E2B_INIT(&stats);
    e2b_client_get_stats(f.h.client, &stats);
    assert_int_equal(stats.retries, 2);
    assert_int_equal(stats.requests_started, 3);
    faults_close(&f);
  }
}

static void a_repeated_request_may_succeed(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 3);
  fault_answer(fault_once(f.server, NULL), 503, "text/plain", "later", NULL);
  fault_reset(fault_once(f.server, NULL));
  fault_answer(fault_on(f.server, NULL), 200, "application/json", listed, NULL);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(fault_count(f.server, NULL), 3);
  faults_close(&f);
}

/* The handshake is a part of connecting: nothing was sent yet. */
static void a_reset_inside_the_handshake_is_a_failure_to_connect(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  char url[64];
  snprintf(url, sizeof url, "https://127.0.0.1:%u", fault_port(f.server));
  f.options.api_url = url;
  f.options.max_retries = 2;
  faults_client(&f);
  fault_reset(fault_on_accept(f.server, 0));
  const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ECONNECT);
  assert_int_equal(error.attempts, 3);
  assert_false(error.maybe_applied);
  assert_int_equal(fault_connections(f.server), 3);
  faults_close(&f);
}

static void other_failures_are_final(void **state) {
  (void)state;
  static const int statuses[] = {400, 401, 403, 404, 409, 500, 501, 505};
  for (size_t i = 0; i < E2B__COUNT(statuses); i++) {
    faults_t f;
    open_with_retries(&f, 3);
    fault_answer(fault_on(f.server, NULL), statuses[i], "text/plain", "no", NULL);
    assert_int_equal(faults_fails(&f, e2b_sandbox_list(f.h.client, NULL)).attempts, 1);
    assert_int_equal(fault_count(f.server, NULL), 1);
    faults_close(&f);
  }
}

static void the_server_says_whether_to_repeat(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 3);
  fault_answer(fault_on(f.server, NULL), 503, NULL, "", "Should-Retry: false\r\n");
  assert_int_equal(faults_fails(&f, e2b_sandbox_list(f.h.client, NULL)).attempts, 1);
  fault_clear(f.server);
  fault_answer(fault_once(f.server, NULL), 500, NULL, "", "should-retry: true\r\n");
  fault_answer(fault_on(f.server, NULL), 200, "application/json", listed, NULL);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(fault_count(f.server, NULL), 2);
  faults_close(&f);
}

static void the_wait_that_was_asked_for_is_waited(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 1);
  fault_answer(fault_once(f.server, NULL), 429, "application/json", "{}", "Retry-After: 1\r\n");
  fault_answer(fault_on(f.server, NULL), 200, "application/json", listed, NULL);
  uv_update_time(&f.h.loop);
  const uint64_t before = uv_now(&f.h.loop);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  uv_update_time(&f.h.loop);
  assert_true(uv_now(&f.h.loop) - before >= 1000);
  faults_close(&f);
}

/* A wait that ends after the deadline is not begun: the answer is given at once. */
static void no_wait_passes_the_deadline(void **state) {
  (void)state;
  static const char *const waits[] = {"Retry-After: 30\r\n", "Retry-After: 3600\r\n",
                                      "Retry-After: 99999999999999999999999\r\n"};
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 5;
  f.options.request_timeout_ms = 10000;
  faults_client(&f);
  for (size_t i = 0; i < E2B__COUNT(waits) - 1; i++) {
    fault_clear(f.server);
    fault_answer(fault_on(f.server, NULL), 503, NULL, "", waits[i]);
    const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
    assert_int_equal(error.code, E2B_EUNAVAILABLE);
    assert_int_equal(error.attempts, 1);
    assert_true(error.retry_after_ms >= 30000);
  }
  faults_close(&f);
}

/* Nobody wants to come back after an hour; nor may he come back sooner. */
static void a_wait_that_is_too_long_is_told_and_not_cut_short(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 5;
  f.options.request_timeout_ms = E2B_NO_TIMEOUT;
  faults_client(&f);
  fault_answer(fault_on(f.server, NULL), 429, NULL, "", "Retry-After: 3600\r\n");
  const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ERATE);
  assert_int_equal(error.retry_after_ms, 3600000);
  assert_int_equal(error.attempts, 1);
  faults_close(&f);
}

static void the_deadline_counts_all_tries_together(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 1000;
  f.options.request_timeout_ms = 200;
  faults_client(&f);
  fault_answer(fault_once(f.server, NULL), 503, NULL, "", NULL);
  fault_hang(fault_on(f.server, NULL));
  const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
  assert_int_equal(error.attempts, 2);
  faults_close(&f);
}

/* --- create ----------------------------------------------------------------------------------- */

static void a_create_is_not_repeated_after_a_refusal(void **state) {
  (void)state;
  static const int statuses[] = {429, 500, 502, 503, 504};
  for (size_t i = 0; i < E2B__COUNT(statuses); i++) {
    faults_t f;
    open_with_retries(&f, 5);
    fault_answer(fault_on(f.server, CREATE), statuses[i], NULL, "", NULL);
    assert_int_equal(faults_fails(&f, e2b_sandbox_create(f.h.client, NULL)).attempts, 1);
    assert_int_equal(fault_count(f.server, CREATE), 1);
    faults_close(&f);
  }
}

static void a_create_is_not_repeated_when_its_answer_is_lost(void **state) {
  (void)state;
  for (int how = 0; how < 4; how++) {
    faults_t f;
    open_with_retries(&f, 5);
    fault_rule_t *rule = fault_on(f.server, CREATE);
    if (how == 1) fault_text(rule, "HTTP/1.1 201 Crea");
    if (how == 2) fault_text(rule, "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"sandb");
    if (how == 3) {
      fault_close(rule);
    } else {
      fault_reset(rule);
    }
    const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_true(error.maybe_applied);
    assert_int_equal(error.attempts, 1);
    harness_turn(&f.h, 20);
    assert_int_equal(fault_count(f.server, CREATE), 1);
    faults_close(&f);
  }
}

/* curl sends a request again by itself when a kept-alive connection ends without an answer. */
static void a_create_is_not_repeated_when_a_kept_connection_dies_under_it(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    faults_t f;
    open_with_retries(&f, 5);
    fault_rule_t *rule = fault_on(f.server, "GET /v2/sandboxes");
    fault_answer(rule, 200, "application/json", listed, NULL);
    faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
    rule = fault_on(f.server, CREATE);
    if (reset) {
      fault_reset(rule);
    } else {
      fault_close(rule);
    }
    const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_true(error.maybe_applied);
    harness_turn(&f.h, 20);
    assert_int_equal(fault_count(f.server, CREATE), 1);
    assert_int_equal(fault_request(f.server, CREATE, 0)->number, 2); /* it was that connection */
    faults_close(&f);
  }
}

static void a_create_with_a_key_is_repeated_with_the_same_key(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 3;
  f.options.api_version = E2B_API_V2;
  faults_client(&f);
  fault_reset(fault_once(f.server, "POST /v2/sandboxes"));
  fault_answer(fault_once(f.server, "POST /v2/sandboxes"), 503, NULL, "", NULL);
  faults_made(fault_on(f.server, "POST /v2/sandboxes"));
  e2b_create_options options;
  E2B_INIT(&options);
  options.idempotency_key = "job-42";
  faults_succeeds(&f, e2b_sandbox_create(f.h.client, &options));
  assert_int_equal(fault_count(f.server, NULL), 3);
  const char *body = fault_request(f.server, NULL, 0)->body;
  assert_true(*body == '{');
  for (unsigned i = 0; i < 3; i++) {
    fault_request_t *request = fault_request(f.server, NULL, i);
    assert_string_equal(fault_header(request, "Idempotency-Key"), "job-42");
    assert_string_equal(request->body, body);
  }
  faults_close(&f);
}

/* A server of the first version does not know the key: it would make two. */
static void a_key_that_the_server_ignores_makes_nothing_safe(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 3);
  fault_reset(fault_on(f.server, CREATE));
  e2b_create_options options;
  E2B_INIT(&options);
  options.idempotency_key = "job-42";
  assert_int_equal(faults_fails(&f, e2b_sandbox_create(f.h.client, &options)).attempts, 1);
  assert_int_equal(fault_count(f.server, NULL), 1);
  faults_close(&f);
}

/* --- kill ------------------------------------------------------------------------------------- */

static void a_kill_is_one_request(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 3);
  fault_answer(fault_on(f.server, "DELETE /sandboxes/x"), 204, NULL, "", NULL);
  e2b_future_t *future = e2b_sandbox_kill_by_id(f.h.client, "x");
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_bool(future), 1);
  e2b_future_release(future);
  assert_int_equal(fault_count(f.server, NULL), 1);
  faults_close(&f);
}

static void a_kill_whose_answer_was_lost_has_killed(void **state) {
  (void)state;
  faults_t f;
  open_with_retries(&f, 3);
  fault_reset(fault_once(f.server, "DELETE /sandboxes/x"));
  fault_answer(fault_on(f.server, NULL), 404, "application/json", "{\"code\":404}", NULL);
  e2b_future_t *future = e2b_sandbox_kill_by_id(f.h.client, "x");
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_bool(future), 1);
  e2b_future_release(future);
  assert_int_equal(fault_count(f.server, NULL), 2);
  future = e2b_sandbox_kill_by_id(f.h.client, "x");
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_bool(future), 0); /* there was none */
  e2b_future_release(future);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(safe_requests_are_repeated_so_often_and_no_more),
      cmocka_unit_test(a_repeated_request_may_succeed),
      cmocka_unit_test(a_reset_inside_the_handshake_is_a_failure_to_connect),
      cmocka_unit_test(other_failures_are_final),
      cmocka_unit_test(the_server_says_whether_to_repeat),
      cmocka_unit_test(the_wait_that_was_asked_for_is_waited),
      cmocka_unit_test(no_wait_passes_the_deadline),
      cmocka_unit_test(a_wait_that_is_too_long_is_told_and_not_cut_short),
      cmocka_unit_test(the_deadline_counts_all_tries_together),
      cmocka_unit_test(a_create_is_not_repeated_after_a_refusal),
      cmocka_unit_test(a_create_is_not_repeated_when_its_answer_is_lost),
      cmocka_unit_test(a_create_is_not_repeated_when_a_kept_connection_dies_under_it),
      cmocka_unit_test(a_create_with_a_key_is_repeated_with_the_same_key),
      cmocka_unit_test(a_key_that_the_server_ignores_makes_nothing_safe),
      cmocka_unit_test(a_kill_is_one_request),
      cmocka_unit_test(a_kill_whose_answer_was_lost_has_killed),
  };
  return cmocka_run_group_tests_name("faults: retries", tests, NULL, NULL);
}
