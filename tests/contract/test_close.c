/* SPDX-License-Identifier: MIT */
/* Closing the client, with everything pending and with nothing; what is left afterwards. */

#include "support/stage.h"

#include <stdio.h>

enum { LATEST = 40, PACE = 24, MOST = 64 };

typedef struct crowd {
  stage_t s; /* first */
  e2b_future_t *futures[MOST];
  size_t count;
} crowd;

static void gather(crowd *c, const e2b_rpc_encoding_t *encoding) {
  memset(c, 0, sizeof *c);
  stage_open(&c->s, encoding);
  for (size_t i = 0; i < operations_count; i++) {
    if (operations[i].prepare != NULL) operations[i].prepare(&c->s.f);
  }
  stage_script(&c->s.f);
  stage_attach(&c->s);
  fault_pace(c->s.f.server, PACE);
  for (size_t i = 0; i < operations_count; i++) {
    c->futures[c->count] = operations[i].start(&c->s);
    CALL(e2b_future_then(e2b_future_acquire(c->futures[c->count]), stage_on_future, &c->s));
    c->count++;
  }
}

static void close_it(crowd *c) {
  e2b_client_t *client = c->s.f.h.client;
  CALL_VOID(e2b_client_close(client, stage_on_closed, &c->s));
  CALL_VOID(e2b_client_close(client, NULL, NULL));
  c->s.f.h.client = NULL;
}

static void everything_pending_is_decided_at_any_turn(void **state) {
  for (unsigned k = 0; k < LATEST; k++) {
    crowd c;
    gather(&c, *state);
    harness_turn(&c.s.f.h, k);
    const unsigned before = c.s.outcomes;
    close_it(&c);
    assert_int_equal(c.s.outcomes, before);
    unsigned closed = 0;
    for (size_t i = 0; i < c.count; i++) {
      assert_int_equal(e2b_future_is_done(c.futures[i]), 1);
      const e2b_error_t *error = e2b_future_error(c.futures[i]);
      closed += error != NULL && error->code == E2B_ECLOSED;
    }
    assert_true(k > 5 || closed > 5);
    const unsigned callbacks = c.s.callbacks;
    harness_until_count(&c.s.f.h, &c.s.closed, 1);
    assert_int_equal(c.s.callbacks, callbacks);
    assert_int_equal(c.s.outcomes, c.count);
    for (size_t i = 0; i < c.count; i++) {
      CALL_VOID(e2b_future_release(c.futures[i]));
    }
    stage_close(&c.s);
    assert_int_equal(c.s.outcomes, c.count);
  }
}

/* Nobody holds anything any more when the end comes. */
static void everything_released_before(void **state) {
  for (unsigned k = 0; k < LATEST; k += 3) {
    crowd c;
    gather(&c, *state);
    for (size_t i = 0; i < c.count; i++) {
      CALL_VOID(e2b_future_release(c.futures[i]));
    }
    harness_turn(&c.s.f.h, k);
    CALL_VOID(e2b_upload_release(c.s.upload));
    CALL_VOID(e2b_command_release(c.s.command));
    CALL_VOID(e2b_sandbox_release(c.s.f.sandbox));
    c.s.upload = NULL;
    c.s.command = NULL;
    c.s.f.sandbox = NULL;
    close_it(&c);
    stage_close(&c.s);
    assert_int_equal(c.s.outcomes, c.count);
  }
}

static void handles_are_valid_for_release_after_the_end(void **state) {
  crowd c;
  gather(&c, *state);
  harness_turn(&c.s.f.h, 8);
  close_it(&c);
  harness_until_count(&c.s.f.h, &c.s.closed, 1);
  for (size_t i = 0; i < c.count; i++) {
    if (e2b_future_error(c.futures[i]) != NULL) {
      assert_true(*e2b_future_error(c.futures[i])->message != '\0');
    }
    assert_int_equal(CALL(e2b_future_cancel(c.futures[i])), 0);
    assert_int_equal(CALL(e2b_future_then(c.futures[i], stage_on_future, &c.s)), E2B_EALREADY);
  }
  assert_string_equal(e2b_sandbox_id(c.s.f.sandbox), FAULTS_SANDBOX_ID);
  assert_int_equal(e2b_command_pid(c.s.command), 7);
  CALL_VOID(e2b_command_pause(c.s.command));
  CALL_VOID(e2b_command_resume(c.s.command));
  CALL_VOID(e2b_command_disconnect(c.s.command));
  assert_int_equal(CALL(e2b_upload_write(c.s.upload, "x", 1)), E2B_ECLOSED);
  assert_int_equal(CALL(e2b_upload_end(c.s.upload)), E2B_ECLOSED);
  stage_close(&c.s);
}

/* Who still has a handle may still ask, and is told. */
static void operations_on_handles_after_the_end_fail_at_once(void **state) {
  for (size_t i = 0; i < operations_count; i++) {
    if (strncmp(operations[i].name, "sandbox_", 8) == 0) continue; /* some need the client */
    stage_t s;
    stage_open(&s, *state);
    stage_script(&s.f);
    stage_attach(&s);
    CALL_VOID(e2b_client_close(s.f.h.client, stage_on_closed, &s));
    s.f.h.client = NULL;
    const bool before = i % 2 == 0; /* on_closed has come, or not yet */
    if (before) harness_until_count(&s.f.h, &s.closed, 1);
    e2b_future_t *future = operations[i].start(&s);
    assert_int_equal(e2b_future_is_done(future), 1);
    if (e2b_future_error(future) == NULL || e2b_future_error(future)->code != E2B_ECLOSED) {
      fail_msg("%s: not E2B_ECLOSED", operations[i].name);
    }
    assert_int_equal(CALL(e2b_future_then(future, stage_on_future, &s)), before ? E2B_ECLOSED : 0);
    stage_close(&s);
    assert_int_equal(s.outcomes, before ? 0 : 1);
  }
}

typedef struct heir {
  stage_t s; /* first */
  e2b_client_t *next;
  bool heir_closed;
  e2b_future_t *future;
} heir;

static void on_heir_closed(void *user_data) {
  ((heir *)user_data)->heir_closed = true;
}

static void on_closed_make_another(void *user_data) {
  heir *h = user_data;
  stage_on_closed(&h->s);
  REQUIRE(e2b_future_await(h->future, 100) == E2B_EREENTRANT);
  CALL_VOID(e2b_future_release(h->future));
  CALL_VOID(e2b_command_release(h->s.command));
  h->s.command = NULL;
  CALL_VOID(e2b_sandbox_release(h->s.f.sandbox));
  h->s.f.sandbox = NULL;
  h->next = CALL(e2b_client_new(&h->s.f.h.loop, &h->s.f.options));
  REQUIRE(h->next != NULL);
  CALL_VOID(e2b_client_close(h->next, on_heir_closed, h));
}

static void anything_may_be_done_inside_on_closed(void **state) {
  heir h;
  memset(&h, 0, sizeof h);
  stage_open(&h.s, *state);
  stage_script(&h.s.f);
  stage_attach(&h.s);
  h.future = CALL(e2b_command_wait(h.s.command));
  CALL_VOID(e2b_client_close(h.s.f.h.client, on_closed_make_another, &h));
  h.s.f.h.client = NULL;
  harness_until_true(&h.s.f.h, &h.heir_closed);
  stage_close(&h.s);
}

/* --- programs whose run was cancelled before ---------------------------------------------------
 */

#define SIGNAL "POST /process.Process/SendSignal"

/* A program that runs, and has said something. */
static e2b_future_t *running(stage_t *s, const e2b_rpc_encoding_t *encoding) {
  memset(s, 0, sizeof *s);
  stage_open(s, encoding);
  bytes_t body = {NULL, 0};
  put_start(&s->f, &body, 7);
  put_out(&s->f, &body, "up", 2);
  faults_stream(&s->f, fault_on(s->f.server, START), &body, false);
  bytes_free(&body);
  e2b_run_options options;
  stage_run_options(s, &options);
  e2b_future_t *run = CALL(e2b_run_command(s->f.sandbox, "sleep", NULL, &options));
  harness_until_count(&s->f.h, &s->callbacks, 1);
  return run;
}

static void close_stage(stage_t *s) {
  CALL_VOID(e2b_client_close(s->f.h.client, stage_on_closed, s));
  s->f.h.client = NULL;
}

static void kills_under_way_are_finished(void **state) {
  stage_t s;
  e2b_future_t *run = running(&s, *state);
  fault_rule_t *rule = fault_on(s.f.server, SIGNAL);
  fault_hold(rule);
  fault_answer(rule, 200,
               s.f.options.rpc_encoding == E2B_RPC_JSON ? "application/json" : "application/proto",
               s.f.options.rpc_encoding == E2B_RPC_JSON ? "{}" : "", NULL);
  CALL(e2b_future_cancel(run));
  close_stage(&s);
  assert_int_equal(e2b_future_error(run)->code, E2B_ECANCELED); /* does not wait */
  while (fault_held(s.f.server) == 0) {
    harness_turn_once(&s.f.h);
  }
  harness_turn(&s.f.h, 20);
  assert_int_equal(s.closed, 0);
  fault_release(s.f.server);
  harness_until_count(&s.f.h, &s.closed, 1);
  e2b_future_release(run);
  stage_close(&s);
}

static void kills_that_nobody_answers_are_given_up(void **state) {
  stage_t s;
  e2b_future_t *run = running(&s, *state);
  fault_hang(fault_on(s.f.server, SIGNAL));
  CALL(e2b_future_cancel(run));
  close_stage(&s);
  harness_until_count(&s.f.h, &s.closed, 1);
  assert_int_equal(fault_count(s.f.server, SIGNAL), 1);
  e2b_future_release(run);
  stage_close(&s);
}

static void what_was_not_cancelled_lives_on(void **state) {
  stage_t s;
  e2b_future_t *run = running(&s, *state);
  close_stage(&s);
  CALL(e2b_future_cancel(run)); /* too late */
  harness_until_count(&s.f.h, &s.closed, 1);
  assert_int_equal(e2b_future_error(run)->code, E2B_ECLOSED);
  assert_int_equal(fault_count(s.f.server, SIGNAL), 0);
  e2b_future_release(run);
  stage_close(&s);
}

static void a_client_that_did_nothing_closes(void **state) {
  (void)state;
  for (int turns = 0; turns < 3; turns++) {
    harness_t h;
    harness_start(&h);
    harness_client(&h, NULL);
    harness_turn(&h, (unsigned)turns);
    e2b_client_close(NULL, NULL, NULL);
    if (turns == 2) {
      e2b_client_close(h.client, NULL, NULL); /* nobody wants to know */
      h.client = NULL;
    }
    harness_stop(&h);
  }
}

/* --- what fails before any traffic --------------------------------------------------------------
 */

static void refused(const char *key, int code) {
  harness_t h;
  harness_start(&h);
  e2b_client_options options;
  harness_options(&h, NULL, &options);
  options.api_key = key;
  harness_client(&h, &options);
  stage_t s;
  memset(&s, 0, sizeof s);
  e2b_future_t *future = CALL(e2b_sandbox_create(h.client, NULL));
  assert_int_equal(CALL(e2b_future_then(future, stage_on_future, &s)), 0);
  assert_int_equal(s.outcomes, 0);
  uv_run(&h.loop, UV_RUN_DEFAULT); /* keeps the loop running until it is told */
  assert_int_equal(s.outcomes, 1);
  assert_int_equal(s.last_code, code);
  future = CALL(e2b_sandbox_list(h.client, NULL));
  assert_int_equal(harness_await(&h, future), code);
  e2b_client_stats stats;
  E2B_INIT(&stats);
  e2b_client_get_stats(h.client, &stats);
  assert_int_equal(stats.requests_started, 0);
  e2b_future_release(future);
  harness_stop(&h);
}

static void without_a_key_nothing_is_sent(void **state) {
  (void)state;
  unsetenv("E2B_API_KEY");
  refused(NULL, E2B_ENOKEY);
  refused("", E2B_ENOKEY);
}

static void with_a_malformed_key_nothing_is_sent(void **state) {
  (void)state;
  refused("sk_123", E2B_EKEYFORMAT);
  refused("e2b_12\r\nX: y", E2B_EKEYFORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(everything_pending_is_decided_at_any_turn),
      cmocka_unit_test_prestate(everything_released_before, &faults_proto),
      cmocka_unit_test_prestate(handles_are_valid_for_release_after_the_end, &faults_proto),
      cmocka_unit_test_prestate(operations_on_handles_after_the_end_fail_at_once, &faults_proto),
      cmocka_unit_test_prestate(anything_may_be_done_inside_on_closed, &faults_proto),
      IN_BOTH(kills_under_way_are_finished),
      cmocka_unit_test_prestate(kills_that_nobody_answers_are_given_up, &faults_proto),
      cmocka_unit_test_prestate(what_was_not_cancelled_lives_on, &faults_proto),
      cmocka_unit_test(a_client_that_did_nothing_closes),
      cmocka_unit_test(without_a_key_nothing_is_sent),
      cmocka_unit_test(with_a_malformed_key_nothing_is_sent),
  };
  return cmocka_run_group_tests_name("closing", tests, NULL, NULL);
}
