/* SPDX-License-Identifier: MIT */
#include <nghttp2/nghttp2.h>

#include "support/h2_faults.h"

/* Streams that the server ends or does not want, and connections that it wants no more of. */

/* A rule that resets so many streams, and answers the others. */
typedef struct resets {
  unsigned left;
  uint32_t error;
  bool inside; /* the answer has begun */
  h2_answer_t *then;
} resets_t;

static void reset_at_first(h2_request_t *request, void *ctx) {
  resets_t *resets = ctx;
  if (resets->left == 0) {
    h2_answers(request, resets->then);
    return;
  }
  resets->left--;
  if (resets->inside) {
    h2_head(request, resets->then->status, resets->then->type, -1);
    h2_data(request, resets->then->body, 1);
  }
  h2_reset(request, resets->error);
}

static const uint32_t failures[] = {NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL,
                                    NGHTTP2_ENHANCE_YOUR_CALM};

static e2b_future_t *list(h2_faults_t *t) {
  return e2b_sandbox_list(t->f.h.client, NULL);
}

static e2b_future_t *create(h2_faults_t *t) {
  return e2b_sandbox_create(t->f.h.client, NULL);
}

/* Nobody has looked at it: it takes none of the tries. */
static void a_refused_stream_is_sent_again(void **state) {
  (void)state;
  h2_faults_t t;
  resets_t resets = {2, NGHTTP2_REFUSED_STREAM, false, &h2_listed};
  h2_open(&t);
  h2_client(&t);
  h2_on(t.server, LIST, reset_at_first, &resets);
  faults_succeeds(&t.f, list(&t));
  assert_int_equal(h2_count(t.server, LIST), 3);
  h2_close(&t);
}

/* curl does not say that it was refused, and not lost: so it counts as the worse of both. */
static void a_refused_create_is_not_sent_again(void **state) {
  (void)state;
  for (int kept = 0; kept < 2; kept++) {
    h2_faults_t t;
    resets_t resets = {1, NGHTTP2_REFUSED_STREAM, false, &h2_made};
    h2_open(&t);
    t.f.options.max_retries = 5;
    h2_client(&t);
    h2_on(t.server, CREATE, reset_at_first, &resets);
    h2_on(t.server, LIST, h2_answers, &h2_listed);
    if (kept) faults_succeeds(&t.f, list(&t));
    const faults_error_t error = faults_fails(&t.f, create(&t));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_true(error.maybe_applied);
    assert_int_equal(error.attempts, 1);
    assert_int_equal(h2_count(t.server, CREATE), 1);
    h2_close(&t);
  }
}

static void a_stream_that_is_reset_takes_a_try(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(failures); i++) {
    for (int inside = 0; inside < 2; inside++) {
      h2_faults_t t;
      resets_t resets = {2, failures[i], inside != 0, &h2_listed};
      h2_open(&t);
      t.f.options.max_retries = 1;
      h2_client(&t);
      h2_on(t.server, LIST, reset_at_first, &resets);
      const faults_error_t error = faults_fails(&t.f, list(&t));
      assert_int_equal(error.code, E2B_ECONNLOST);
      assert_int_equal(error.attempts, 2);
      assert_int_equal(h2_count(t.server, LIST), 2);
      faults_succeeds(&t.f, list(&t));
      assert_int_equal(h2_connections(t.server), 1); /* nothing is wrong with it */
      h2_close(&t);
    }
  }
}

static void a_create_whose_stream_is_reset_may_have_been_done(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(failures); i++) {
    for (int inside = 0; inside < 2; inside++) {
      h2_faults_t t;
      resets_t resets = {1, failures[i], inside != 0, &h2_made};
      h2_open(&t);
      t.f.options.max_retries = 5;
      h2_client(&t);
      h2_on(t.server, CREATE, reset_at_first, &resets);
      const faults_error_t error = faults_fails(&t.f, create(&t));
      assert_int_equal(error.code, E2B_ECONNLOST);
      assert_true(error.maybe_applied);
      assert_int_equal(error.attempts, 1);
      assert_int_equal(h2_count(t.server, CREATE), 1);
      h2_close(&t);
    }
  }
}

static void a_reset_ends_its_stream_and_no_other(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  e2b_future_t *futures[3];
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    futures[i] = list(&t);
  }
  h2_until_asked(&t, 3);
  h2_reset(h2_request(t.server, LIST, 1), NGHTTP2_INTERNAL_ERROR);
  assert_int_equal(faults_code(&t.f, futures[1]), E2B_ECONNLOST);
  h2_answers(h2_request(t.server, LIST, 0), &h2_listed);
  h2_answers(h2_request(t.server, LIST, 2), &h2_listed);
  faults_succeeds(&t.f, futures[0]);
  faults_succeeds(&t.f, futures[2]);
  assert_int_equal(h2_connections(t.server), 1);
  h2_close(&t);
}

static void output_up_to_a_reset_is_kept(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_sandbox(&t);
  h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
  bytes_t begun = {NULL, 0};
  put_start(&t.f, &begun, 7);
  put_out(&t.f, &begun, "hello", 5);
  e2b_future_t *future = e2b_run_command(t.f.sandbox, "ls", NULL, NULL);
  h2_until_asked(&t, 1);
  h2_request_t *request = h2_request(t.server, START, 0);
  h2_head(request, 200, faults_stream_type(&t.f), -1);
  h2_data(request, begun.data, begun.len);
  h2_reset(request, NGHTTP2_INTERNAL_ERROR);
  const faults_error_t error = faults_fails(&t.f, future);
  assert_int_equal(error.code, E2B_ECONNLOST);
  assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
  assert_true(error.maybe_applied);
  assert_string_equal(error.partial_out, "hello");
  assert_int_equal(h2_count(t.server, START), 1);
  bytes_free(&begun);
  h2_close(&t);
}

/* --- GOAWAY ----------------------------------------------------------------------------------- */

/* Whose requests came, by the number of its connection. */
static unsigned on_connection(h2_faults_t *t, unsigned connection) {
  unsigned count = 0;
  const h2_request_t *request;
  for (unsigned i = 0; (request = h2_request(t->server, NULL, i)) != NULL; i++) {
    count += request->connection == connection;
  }
  return count;
}

/* What it has taken it answers, the rest comes again by another connection, and nobody notices. */
static void calls_beyond_a_goaway_are_sent_again(void **state) {
  (void)state;
  enum { CALLS = 5, TAKEN = 2 };
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  e2b_future_t *futures[CALLS];
  for (size_t i = 0; i < CALLS; i++) {
    futures[i] = list(&t);
  }
  h2_until_asked(&t, CALLS);
  assert_int_equal(on_connection(&t, 1), CALLS);
  h2_goaway(t.server, 1, h2_request(t.server, NULL, TAKEN - 1)->stream, NGHTTP2_NO_ERROR);
  h2_until_asked(&t, CALLS + CALLS - TAKEN);
  for (unsigned i = 0; i < CALLS + CALLS - TAKEN; i++) {
    h2_answers(h2_request(t.server, NULL, i), &h2_listed);
  }
  for (size_t i = 0; i < CALLS; i++) {
    faults_succeeds(&t.f, futures[i]);
  }
  assert_int_equal(on_connection(&t, 1), CALLS);
  assert_int_equal(h2_count(t.server, NULL), CALLS + CALLS - TAKEN);
  h2_close(&t);
}

static void a_create_that_a_goaway_has_taken_is_answered(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  e2b_future_t *future = create(&t);
  h2_until_asked(&t, 1);
  h2_goaway(t.server, 1, h2_request(t.server, CREATE, 0)->stream, NGHTTP2_NO_ERROR);
  h2_answers(h2_request(t.server, CREATE, 0), &h2_made);
  const int rc = harness_await(&t.f.h, future);
  assert_int_equal(rc, 0);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  assert_non_null(sandbox);
  e2b_sandbox_release(sandbox);
  e2b_future_release(future);
  h2_close(&t);
}

/* As with a refused stream, curl does not tell it from a connection that broke. */
static void a_create_beyond_a_goaway_is_not_sent_again(void **state) {
  (void)state;
  for (int alone = 0; alone < 2; alone++) {
    h2_faults_t t;
    h2_open(&t);
    t.f.options.max_retries = 5;
    h2_client(&t);
    e2b_future_t *neighbour = alone ? NULL : list(&t);
    if (!alone) h2_until_asked(&t, 1);
    e2b_future_t *future = create(&t);
    h2_until_asked(&t, alone ? 1 : 2);
    const h2_request_t *request = h2_request(t.server, CREATE, 0);
    h2_goaway(t.server, 1, request->stream - 2 > 0 ? request->stream - 2 : 0, NGHTTP2_NO_ERROR);
    const faults_error_t error = faults_fails(&t.f, future);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_true(error.maybe_applied);
    assert_int_equal(error.attempts, 1);
    if (!alone) {
      h2_answers(h2_request(t.server, LIST, 0), &h2_listed);
      faults_succeeds(&t.f, neighbour);
    }
    assert_int_equal(h2_count(t.server, CREATE), 1);
    h2_close(&t);
  }
}

static void who_comes_after_a_goaway_takes_another_connection(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  h2_on(t.server, CREATE, h2_answers, &h2_made);
  e2b_future_t *first = list(&t);
  h2_until_asked(&t, 1);
  h2_goaway(t.server, 1, h2_request(t.server, LIST, 0)->stream, NGHTTP2_NO_ERROR);
  h2_until_read(&t, 1);
  faults_succeeds(&t.f, create(&t));
  assert_int_equal(h2_request(t.server, CREATE, 0)->connection, 2);
  h2_answers(h2_request(t.server, LIST, 0), &h2_listed);
  faults_succeeds(&t.f, first);
  faults_succeeds(&t.f, create(&t));
  assert_int_equal(h2_connections(t.server), 2);
  h2_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_refused_stream_is_sent_again),
      cmocka_unit_test(a_refused_create_is_not_sent_again),
      cmocka_unit_test(a_stream_that_is_reset_takes_a_try),
      cmocka_unit_test(a_create_whose_stream_is_reset_may_have_been_done),
      cmocka_unit_test(a_reset_ends_its_stream_and_no_other),
      cmocka_unit_test(output_up_to_a_reset_is_kept),
      cmocka_unit_test(calls_beyond_a_goaway_are_sent_again),
      cmocka_unit_test(a_create_that_a_goaway_has_taken_is_answered),
      cmocka_unit_test(a_create_beyond_a_goaway_is_not_sent_again),
      cmocka_unit_test(who_comes_after_a_goaway_takes_another_connection),
  };
  return cmocka_run_group_tests_name("HTTP/2: refusals", tests, NULL, NULL);
}
