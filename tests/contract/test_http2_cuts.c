/* SPDX-License-Identifier: MIT */
#include "support/h2_faults.h"

#include <curl/curl.h>

/* Connections that end with streams on them, or with none. */

enum { LISTS = 4 };

static e2b_future_t *list(h2_faults_t *t) {
  return e2b_sandbox_list(t->f.h.client, NULL);
}

static e2b_future_t *create(h2_faults_t *t) {
  return e2b_sandbox_create(t->f.h.client, NULL);
}

/* The head and half of the body. */
static void begin_answer(h2_request_t *request) {
  h2_head(request, 200, "application/json", -1);
  h2_data(request, "[", 1);
}

static void of_what_a_lost_connection_carried_only_the_repeatable_is_repeated(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    for (int answers = 0; answers < 2; answers++) {
      h2_faults_t t;
      h2_open(&t);
      t.f.options.max_retries = 1;
      h2_client(&t);
      e2b_future_t *lists[LISTS];
      for (size_t i = 0; i < LISTS; i++) {
        lists[i] = list(&t);
      }
      h2_until_asked(&t, LISTS);
      e2b_future_t *created = create(&t);
      h2_until_asked(&t, LISTS + 1);
      for (unsigned i = 0; answers && i <= LISTS; i++) {
        begin_answer(h2_request(t.server, NULL, i));
      }
      if (answers) h2_until_read(&t, 1);
      h2_on(t.server, LIST, h2_answers, &h2_listed);
      h2_on(t.server, CREATE, h2_answers, &h2_made);
      h2_cut(t.server, 1, reset);
      const faults_error_t error = faults_fails(&t.f, created);
      assert_int_equal(error.code, E2B_ECONNLOST);
      assert_true(error.maybe_applied);
      assert_int_equal(error.attempts, 1);
      for (size_t i = 0; i < LISTS; i++) {
        faults_succeeds(&t.f, lists[i]);
      }
      assert_int_equal(h2_count(t.server, LIST), 2 * LISTS);
      assert_int_equal(h2_count(t.server, CREATE), 1);
      h2_close(&t);
    }
  }
}

static void a_program_on_a_lost_connection_keeps_its_output(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    h2_faults_t t;
    h2_open(&t);
    h2_sandbox(&t);
    h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
    bytes_t begun = {NULL, 0};
    put_start(&t.f, &begun, 7);
    put_out(&t.f, &begun, "hello", 5);
    e2b_future_t *future = e2b_run_command(t.f.sandbox, "ls", NULL, NULL);
    h2_until_asked(&t, 1);
    h2_head(h2_request(t.server, START, 0), 200, faults_stream_type(&t.f), -1);
    h2_data(h2_request(t.server, START, 0), begun.data, begun.len);
    h2_until_read(&t, 1);
    h2_cut(t.server, 1, reset);
    const faults_error_t error = faults_fails(&t.f, future);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_string_equal(error.partial_out, "hello");
    assert_int_equal(h2_count(t.server, START), 1);
    bytes_free(&begun);
    h2_close(&t);
  }
}

/* libcurl 8.5.0 does not see that a connection has ended in order, and writes to it. */
static bool writes_to_what_has_ended(void) {
  return curl_version_info(CURLVERSION_NOW)->version_num == 0x080500;
}

/* Nothing was sent on the dead one, so a create is not in doubt. */
static void a_connection_that_died_idle_is_not_used(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    for (int seen = 0; seen < 2; seen++) {
      h2_faults_t t;
      h2_open(&t);
      h2_client(&t);
      h2_on(t.server, LIST, h2_answers, &h2_listed);
      h2_on(t.server, CREATE, h2_answers, &h2_made);
      faults_succeeds(&t.f, list(&t));
      h2_cut(t.server, 1, reset);
      if (seen) harness_turn(&t.f.h, 5);
      e2b_future_t *future = create(&t);
      if (!reset && writes_to_what_has_ended()) {
        const faults_error_t error = faults_fails(&t.f, future);
        assert_int_equal(error.code, E2B_ECONNLOST);
        assert_true(error.maybe_applied);
        assert_int_equal(h2_count(t.server, CREATE), 0);
        h2_close(&t);
        continue;
      }
      assert_int_equal(harness_await(&t.f.h, future), 0);
      e2b_sandbox_release(e2b_future_sandbox(future));
      e2b_future_release(future);
      assert_int_equal(h2_request(t.server, CREATE, 0)->connection, 2);
      assert_int_equal(h2_connections(t.server), 2);
      h2_close(&t);
    }
  }
}

/* Those in line for it open another. */
static void a_handshake_that_is_cut_fails_one_call(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  h2_settings(t.server)->ends_in_handshake = true;
  e2b_future_t *futures[LISTS];
  for (size_t i = 0; i < LISTS; i++) {
    futures[i] = list(&t);
  }
  while (h2_connections(t.server) == 0) {
    harness_turn_once(&t.f.h);
  }
  h2_settings(t.server)->ends_in_handshake = false;
  const faults_error_t error = faults_fails(&t.f, futures[0]);
  assert_int_equal(error.code, E2B_ECONNECT);
  assert_false(error.maybe_applied);
  for (size_t i = 1; i < LISTS; i++) {
    faults_succeeds(&t.f, futures[i]);
  }
  assert_int_equal(h2_connections(t.server), 2);
  h2_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_what_a_lost_connection_carried_only_the_repeatable_is_repeated),
      cmocka_unit_test(a_program_on_a_lost_connection_keeps_its_output),
      cmocka_unit_test(a_connection_that_died_idle_is_not_used),
      cmocka_unit_test(a_handshake_that_is_cut_fails_one_call),
  };
  return cmocka_run_group_tests_name("HTTP/2: cuts", tests, NULL, NULL);
}
