/* SPDX-License-Identifier: MIT */
/* Giving up, at every moment of every operation. */

#include "support/stage.h"

#include <stdio.h>
#include <unistd.h>

enum { LATEST = 40, PACE = 24 };

typedef void (*give_up)(stage_t *s, e2b_future_t *future);

static void by_cancel(stage_t *s, e2b_future_t *future) {
  const unsigned outcomes = s->outcomes;
  CALL(e2b_future_cancel(future));
  assert_int_equal(s->outcomes, outcomes);
  assert_int_equal(e2b_future_is_done(future), 1);
  assert_int_equal(e2b_future_error(future)->code, E2B_ECANCELED);
  CALL(e2b_future_cancel(future));
}

static void by_close(stage_t *s, e2b_future_t *future) {
  CALL_VOID(e2b_client_close(s->f.h.client, stage_on_closed, s));
  s->f.h.client = NULL;
  assert_int_equal(e2b_future_is_done(future), 1);
  assert_int_equal(e2b_future_error(future)->code, E2B_ECLOSED);
}

/* The operation begins, the loop turns k times, then it is given up. False when it had ended. */
static bool give_up_after(const operation_t *operation, const e2b_rpc_encoding_t *encoding,
                          unsigned k, give_up how, bool wanted) {
  stage_t s;
  stage_open(&s, encoding);
  if (operation->prepare != NULL) operation->prepare(&s.f);
  stage_script(&s.f);
  if (operation->on_command) stage_attach(&s);
  fault_pace(s.f.server, PACE);
  e2b_future_t *future = operation->start(&s);
  assert_non_null(future);
  if (wanted) {
    CALL(e2b_future_then(e2b_future_acquire(future), stage_on_future, &s));
  }
  harness_turn(&s.f.h, k);
  const bool early = e2b_future_is_done(future) == 0;
  if (early) how(&s, future);
  const unsigned callbacks = s.callbacks;
  CALL_VOID(e2b_future_release(future));
  fault_pace(s.f.server, 0);
  if (s.command != NULL && s.f.h.client != NULL) {
    e2b_future_release(CALL(e2b_command_kill(s.command)));
  }
  if (s.f.h.client != NULL) stage_settle(&s);
  const unsigned after = s.callbacks;
  const bool on_handle = s.command != NULL; /* which goes on without the future */
  stage_close(&s);
  if (early && !on_handle && after != callbacks) fail_msg("%s, %u: data", operation->name, k);
  if (wanted && s.outcomes != 1) fail_msg("%s, %u: %u calls", operation->name, k, s.outcomes);
  return early;
}

static void walk(const e2b_rpc_encoding_t *encoding, give_up how, bool wanted) {
  for (size_t i = 0; i < operations_count; i++) {
    unsigned k = 0;
    while (k < LATEST && give_up_after(&operations[i], encoding, k, how, wanted)) {
      k++;
    }
    if (getenv("E2B_TEST_VERBOSE") != NULL) print_message("%s: %u\n", operations[i].name, k);
    assert_true(k > 0);
  }
}

static void cancelling_at_any_turn_of_the_loop(void **state) {
  walk(*state, by_cancel, true);
}

static void cancelling_what_nobody_waits_for(void **state) {
  walk(*state, by_cancel, false);
}

static void closing_at_any_turn_of_the_loop(void **state) {
  walk(*state, by_close, true);
}

static void closing_when_nobody_waits(void **state) {
  walk(*state, by_close, false);
}

/* Lost interest: the operation goes on by itself. */
static void releasing_never_stops_anything(void **state) {
  for (size_t i = 0; i < operations_count; i++) {
    stage_t s;
    stage_open(&s, *state);
    if (operations[i].prepare != NULL) operations[i].prepare(&s.f);
    stage_script(&s.f);
    if (operations[i].on_command) stage_attach(&s);
    e2b_client_stats stats;
    E2B_INIT(&stats);
    e2b_client_get_stats(s.f.h.client, &stats);
    const uint64_t decided = stats.futures_decided;
    CALL_VOID(e2b_future_release(operations[i].start(&s)));
    if (s.command != NULL) e2b_future_release(CALL(e2b_command_close_stdin(s.command)));
    stage_settle(&s);
    e2b_client_get_stats(s.f.h.client, &stats);
    assert_true(stats.futures_decided > decided);
    stage_close(&s);
  }
}

/* --- moments that take time ---------------------------------------------------------------------
 */

typedef struct moment {
  stage_t *s;
  unsigned requests; /* seen by the server */
  unsigned held;
} moment;

static bool is_in_backoff(void *ctx) {
  const moment *at = ctx;
  e2b_client_stats stats;
  E2B_INIT(&stats);
  e2b_client_get_stats(at->s->f.h.client, &stats);
  return fault_count(at->s->f.server, "/health") >= at->requests && stats.in_flight == 0 &&
         stats.waiting == 0;
}

static bool is_held(void *ctx) {
  const moment *at = ctx;
  return fault_held(at->s->f.server) >= at->held;
}

static void with_retries(e2b_client_options *options) {
  options->max_retries = 3;
}

static void finish(stage_t *s, e2b_future_t *future, give_up how) {
  CALL(e2b_future_then(e2b_future_acquire(future), stage_on_future, s));
  assert_int_equal(e2b_future_is_done(future), 0);
  how(s, future);
  CALL_VOID(e2b_future_release(future));
  stage_close(s);
  assert_int_equal(s->outcomes, 1);
}

static const give_up ways[] = {by_cancel, by_close};

static void between_two_tries(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    stage_t s;
    stage_open_with(&s, *state, with_retries);
    fault_answer(fault_on(s.f.server, HEALTH), 503, "text/plain", "later", "Retry-After: 9\r\n");
    e2b_future_t *future = CALL(e2b_sandbox_is_running(s.f.sandbox));
    moment at = {&s, 1, 0};
    harness_until(&s.f.h, is_in_backoff, &at);
    finish(&s, future, ways[w]);
  }
}

/* The stream broke, and the sandbox is being asked whether it is there. */
static void while_the_sandbox_is_asked_after_a_break(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    for (int kind = 0; kind < 4; kind++) {
      stage_t s;
      stage_open(&s, *state);
      fault_close(fault_on(s.f.server, START));
      fault_close(fault_on(s.f.server, "/files"));
      fault_close(fault_on(s.f.server, "/filesystem.Filesystem/Stat"));
      fault_hold(fault_on(s.f.server, HEALTH));
      e2b_future_t *future =
          kind == 0   ? CALL(e2b_run_command(s.f.sandbox, "ls", NULL, NULL))
          : kind == 1 ? CALL(e2b_files_read_stream(s.f.sandbox, "/x", stage_on_data, &s, NULL))
          : kind == 2 ? CALL(e2b_files_stat(s.f.sandbox, "/x", NULL))
                      : CALL(e2b_command_start(s.f.sandbox, "ls", NULL, NULL));
      moment at = {&s, 0, 1};
      harness_until(&s.f.h, is_held, &at);
      finish(&s, future, ways[w]);
    }
  }
}

static void while_the_interpreter_is_asked_whether_it_parses(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    stage_t s;
    stage_open(&s, *state);
    fault_rule_t *rule = fault_once(s.f.server, START);
    stage_program(&s.f, rule, "", "SyntaxError: what?\n", 1);
    fault_hold(fault_on(s.f.server, START));
    e2b_future_t *future = CALL(e2b_run_code(s.f.sandbox, "print(", NULL));
    moment at = {&s, 0, 1};
    harness_until(&s.f.h, is_held, &at);
    finish(&s, future, ways[w]);
  }
}

/* One input is on its way and never answered, the others wait behind it. */
static void input_on_its_way_and_in_line(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    stage_t s;
    stage_open(&s, *state);
    fault_hang(fault_on(s.f.server, SEND_INPUT));
    stage_script(&s.f);
    stage_attach(&s);
    static const char much[300 << 10];
    e2b_future_t *inputs[4];
    for (size_t i = 0; i < E2B__COUNT(inputs); i++) {
      inputs[i] = i < 3 ? CALL(e2b_command_write(s.command, much, sizeof much))
                        : CALL(e2b_command_close_stdin(s.command));
      CALL(e2b_future_then(e2b_future_acquire(inputs[i]), stage_on_future, &s));
    }
    harness_turn(&s.f.h, 5);
    CALL(e2b_future_cancel(inputs[1])); /* out of the line */
    CALL(e2b_future_cancel(inputs[0])); /* goes on without anybody */
    CALL(e2b_future_cancel(inputs[3]));
    harness_turn(&s.f.h, 5);
    assert_int_equal(e2b_future_is_done(inputs[2]), 0);
    ways[w](&s, inputs[2]);
    for (size_t i = 0; i < E2B__COUNT(inputs); i++) {
      CALL_VOID(e2b_future_release(inputs[i]));
    }
    stage_close(&s);
    assert_int_equal(s.outcomes, E2B__COUNT(inputs));
  }
}

static void one_at_a_time(e2b_client_options *options) {
  options->max_in_flight = 1;
}

/* Who is next in line goes when the one in front gives up. */
static void a_place_in_line_is_passed_on(void **state) {
  stage_t s;
  stage_open_with(&s, *state, one_at_a_time);
  fault_hang(fault_on(s.f.server, "GET /files"));
  stage_script(&s.f);
  e2b_future_t *stuck = CALL(e2b_files_read(s.f.sandbox, "/x", NULL));
  e2b_future_t *given_up = CALL(e2b_files_stat(s.f.sandbox, "/x", NULL));
  e2b_future_t *next = CALL(e2b_files_stat(s.f.sandbox, "/x", NULL));
  harness_turn(&s.f.h, 10);
  assert_int_equal(e2b_future_is_done(next), 0);
  by_cancel(&s, given_up);
  by_cancel(&s, stuck);
  assert_int_equal(harness_await(&s.f.h, next), 0);
  e2b_future_release(stuck);
  e2b_future_release(given_up);
  e2b_future_release(next);
  stage_close(&s);
}

static void paused_program(stage_t *s, const char *kind) {
  (void)kind;
  if (s->output_of != NULL) CALL_VOID(e2b_command_pause(s->output_of));
  if (s->data_of != NULL) CALL_VOID(e2b_transfer_pause(s->data_of));
}

static void while_paused(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    for (int kind = 0; kind < 2; kind++) {
      stage_t s;
      stage_open(&s, *state);
      stage_script(&s.f);
      s.on_callback = paused_program;
      e2b_run_options options;
      stage_run_options(&s, &options);
      e2b_future_t *future =
          kind == 0 ? CALL(e2b_run_command(s.f.sandbox, "ls", NULL, &options))
                    : CALL(e2b_files_read_stream(s.f.sandbox, "/x", stage_on_data, &s, NULL));
      harness_until_count(&s.f.h, &s.callbacks, 1);
      harness_turn(&s.f.h, 20);
      assert_int_equal(s.callbacks, 1);
      finish(&s, future, ways[w]);
      assert_int_equal(s.callbacks, 1);
    }
  }
}

/* The machine's own name needs a lookup, but nobody else's server. */
static void while_a_name_is_resolved(void **state) {
  for (size_t w = 0; w < E2B__COUNT(ways); w++) {
    for (unsigned turns = 0; turns < 3; turns++) {
      stage_t s;
      stage_open(&s, *state);
      char name[128];
      char url[160];
      assert_int_equal(gethostname(name, sizeof name), 0);
      snprintf(url, sizeof url, "http://%s:1", name);
      e2b_client_options options;
      harness_options(&s.f.h, url, &options);
      e2b_client_t *client = e2b_client_new(&s.f.h.loop, &options);
      assert_non_null(client);
      e2b_future_t *first = CALL(e2b_sandbox_list(client, NULL));
      e2b_future_t *second = CALL(e2b_sandbox_list(client, NULL));
      harness_turn(&s.f.h, turns);
      if (w == 0) {
        CALL(e2b_future_cancel(first));
        assert_int_equal(e2b_future_is_done(first), 1);
      }
      CALL_VOID(e2b_client_close(client, stage_on_closed, &s));
      harness_until_count(&s.f.h, &s.closed, 1);
      s.closed = 0;
      assert_int_equal(e2b_future_is_done(first) + e2b_future_is_done(second), 2);
      e2b_future_release(first);
      e2b_future_release(second);
      stage_close(&s);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(cancelling_at_any_turn_of_the_loop),
      IN_BOTH(closing_at_any_turn_of_the_loop),
      cmocka_unit_test_prestate(cancelling_what_nobody_waits_for, &faults_proto),
      cmocka_unit_test_prestate(closing_when_nobody_waits, &faults_proto),
      cmocka_unit_test_prestate(releasing_never_stops_anything, &faults_proto),
      cmocka_unit_test_prestate(between_two_tries, &faults_proto),
      cmocka_unit_test_prestate(while_the_sandbox_is_asked_after_a_break, &faults_proto),
      cmocka_unit_test_prestate(while_the_interpreter_is_asked_whether_it_parses, &faults_proto),
      cmocka_unit_test_prestate(input_on_its_way_and_in_line, &faults_proto),
      cmocka_unit_test_prestate(a_place_in_line_is_passed_on, &faults_proto),
      cmocka_unit_test_prestate(while_paused, &faults_proto),
      cmocka_unit_test_prestate(while_a_name_is_resolved, &faults_proto),
  };
  return cmocka_run_group_tests_name("giving up", tests, NULL, NULL);
}
