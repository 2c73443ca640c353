/* SPDX-License-Identifier: MIT */
#include <nghttp2/nghttp2.h>

#include "support/h2_faults.h"

/* Answers that are not what they say, and frames that nobody asked for. */

enum { NEIGHBOURS = 16 };

static e2b_future_t *list(h2_faults_t *t) {
  return e2b_sandbox_list(t->f.h.client, NULL);
}

/* As long as they claim, or not: ctx is the difference. */
static void answer_of_another_length(h2_request_t *request, void *ctx) {
  h2_head(request, 200, "application/json", 2 + *(const int *)ctx);
  h2_data(request, "[]", 2);
  h2_end(request);
}

static void a_body_of_another_length_than_was_said_is_no_answer(void **state) {
  (void)state;
  static int differences[] = {-1, 1, 1000};
  for (size_t i = 0; i < E2B__COUNT(differences); i++) {
    h2_faults_t t;
    h2_open(&t);
    h2_client(&t);
    h2_on(t.server, LIST, answer_of_another_length, &differences[i]);
    assert_int_equal(faults_code(&t.f, list(&t)), E2B_ECONNLOST);
    h2_clear(t.server);
    h2_on(t.server, LIST, h2_answers, &h2_listed);
    faults_succeeds(&t.f, list(&t));
    h2_close(&t);
  }
}

static void answer_with_long_headers(h2_request_t *request, void *ctx) {
  h2_head_of_size(request, 200, *(const size_t *)ctx);
  h2_data(request, "[]", 2);
  h2_end(request);
}

/* curl gives the whole connection up. */
static void headers_without_end_are_no_answer(void **state) {
  (void)state;
  size_t size = 900 * 1024;
  h2_faults_t t;
  h2_open(&t);
  t.f.options.max_retries = 1;
  h2_client(&t);
  e2b_future_t *neighbour = list(&t);
  h2_until_asked(&t, 1);
  e2b_future_t *created = e2b_sandbox_create(t.f.h.client, NULL);
  h2_until_asked(&t, 2);
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  answer_with_long_headers(h2_request(t.server, CREATE, 0), &size);
  const faults_error_t error = faults_fails(&t.f, created);
  assert_int_equal(error.code, E2B_ECONNLOST);
  assert_true(error.maybe_applied);
  assert_int_equal(h2_count(t.server, CREATE), 1);
  faults_succeeds(&t.f, neighbour);
  h2_close(&t);
}

/* --- frames -------------------------------------------------------------------------------------
 */

static void pings_and_frames_of_unknown_kinds_change_nothing(void **state) {
  (void)state;
  enum { PINGS = 500 };
  static const unsigned char unknown[] = {0, 0, 4, 0xbe, 0xff, 0, 0, 0, 0, 'w', 'h', 'a', 't'};
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  e2b_future_t *future = list(&t);
  h2_until_asked(&t, 1);
  h2_pings(t.server, 1, PINGS);
  h2_raw(t.server, 1, unknown, sizeof unknown);
  harness_until_count(&t.f.h, h2_pongs(t.server), PINGS);
  h2_raw(t.server, 1, unknown, sizeof unknown);
  h2_answers(h2_request(t.server, LIST, 0), &h2_listed);
  faults_succeeds(&t.f, future);
  assert_int_equal(h2_connections(t.server), 1);
  h2_close(&t);
}

/* A frame of data for no stream; one that is too long; what is no frame at all. The server does not
 * hang up. */
static void frames_against_the_rules_end_all_that_the_connection_carries(void **state) {
  (void)state;
  static const unsigned char no_stream[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
  static const unsigned char too_long[] = {0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 'x'};
  static const unsigned char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
  static const struct {
    const unsigned char *data;
    size_t len;
  } frames[] = {
      {no_stream, sizeof no_stream}, {too_long, sizeof too_long}, {text, sizeof text - 1}};
  for (size_t i = 0; i < E2B__COUNT(frames); i++) {
    h2_faults_t t;
    h2_open(&t);
    t.f.options.max_retries = 2;
    t.f.options.request_timeout_ms = 3600 * 1000;
    h2_client(&t);
    e2b_future_t *lists[NEIGHBOURS], *created[NEIGHBOURS];
    for (unsigned j = 0; j < NEIGHBOURS; j++) {
      lists[j] = list(&t);
      created[j] = e2b_sandbox_create(t.f.h.client, NULL);
    }
    h2_until_asked(&t, 2 * NEIGHBOURS);
    h2_on(t.server, LIST, h2_answers, &h2_listed);
    h2_raw(t.server, 1, frames[i].data, frames[i].len);
    for (unsigned j = 0; j < NEIGHBOURS; j++) {
      const faults_error_t error = faults_fails(&t.f, created[j]);
      assert_int_equal(error.code, E2B_ECONNLOST);
      assert_true(error.maybe_applied);
      faults_succeeds(&t.f, lists[j]);
    }
    assert_int_equal(h2_count(t.server, CREATE), NEIGHBOURS);
    assert_int_equal(h2_count(t.server, LIST), 2 * NEIGHBOURS);
    assert_int_equal(h2_connections(t.server), 2);
    h2_close(&t);
  }
}

/* Of unknown length: all that is known is that they make no sense. */
static void answers_that_have_begun_end_with_their_connection(void **state) {
  (void)state;
  static const unsigned char no_stream[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
  for (size_t bytes = 0; bytes < 2; bytes++) {
    h2_faults_t t;
    h2_open(&t);
    t.f.options.request_timeout_ms = 3600 * 1000;
    h2_client(&t);
    e2b_future_t *lists[NEIGHBOURS];
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
      lists[i] = list(&t);
    }
    h2_until_asked(&t, NEIGHBOURS);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
      h2_head(h2_request(t.server, LIST, i), 200, "application/json", -1);
      h2_data(h2_request(t.server, LIST, i), "[", bytes);
    }
    h2_until_read(&t, 1);
    h2_raw(t.server, 1, no_stream, sizeof no_stream);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
      assert_int_equal(faults_code(&t.f, lists[i]), E2B_EPROTOCOL);
    }
    h2_on(t.server, LIST, h2_answers, &h2_listed);
    faults_succeeds(&t.f, list(&t));
    assert_int_equal(h2_connections(t.server), 2);
    h2_close(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_body_of_another_length_than_was_said_is_no_answer),
      cmocka_unit_test(headers_without_end_are_no_answer),
      cmocka_unit_test(pings_and_frames_of_unknown_kinds_change_nothing),
      cmocka_unit_test(frames_against_the_rules_end_all_that_the_connection_carries),
      cmocka_unit_test(answers_that_have_begun_end_with_their_connection),
  };
  return cmocka_run_group_tests_name("HTTP/2: answers", tests, NULL, NULL);
}
