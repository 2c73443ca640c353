/* SPDX-License-Identifier: MIT */
/* Input that a program was started with and that does not reach it: the program might wait for it
 * for ever, so that it is not left alone with its wait. */

#include "support/stage.h"

static void release_held(void *server) {
  fault_release(server);
}

/* Runs until somebody sends it a signal; ends as if killed, or by itself. */
static void waiting_program(faults_t *f, bool by_itself) {
  fault_rule_t *rule = fault_on(f->server, START);
  bytes_t body = {NULL, 0};
  put_start(f, &body, 7);
  put_out(f, &body, "partly", 6);
  faults_stream(f, rule, &body, false);
  bytes_free(&body);
  fault_hold(rule);
  if (by_itself) {
    put_exit(f, &body, 0);
  } else if (f->options.rpc_encoding == E2B_RPC_JSON) {
    static const char killed[] =
        "{\"event\":{\"end\":{\"exitCode\":-1, \"status\":\"signal: killed\"}}}";
    put_envelope(&body, 0, killed, sizeof killed - 1);
  } else {
    static const char killed[] = "\x0a\x14\x1a\x12\x08\x01\x1a\x0esignal: killed";
    put_envelope(&body, 0, killed, sizeof killed - 1);
  }
  put_end(&body, NULL);
  fault_chunk(rule, body.data, body.len);
  fault_last_chunk(rule);
  bytes_free(&body);
  rule = fault_on(f->server, "POST /process.Process/SendSignal");
  fault_call(rule, release_held, f->server);
  fault_answer(rule, 200,
               f->options.rpc_encoding == E2B_RPC_JSON ? "application/json" : "application/proto",
               f->options.rpc_encoding == E2B_RPC_JSON ? "{}" : "", NULL);
}

static e2b_future_t *run_with_input(stage_t *s, bool start) {
  e2b_run_options options;
  stage_run_options(s, &options);
  options.stdin_data = "promised";
  options.stdin_len = 8;
  options.collect = E2B_ON;
  return start ? CALL(e2b_command_start_shell(s->f.sandbox, "cat", &options))
               : CALL(e2b_run_shell(s->f.sandbox, "cat", &options));
}

static void a_run_that_lost_its_input_is_killed_and_fails(void **state) {
  stage_t s;
  stage_open(&s, *state);
  waiting_program(&s.f, false);
  fault_reset(fault_on(s.f.server, SEND_INPUT));
  const faults_error_t error = faults_fails(&s.f, run_with_input(&s, false));
  assert_int_equal(error.code, E2B_ECONNLOST);
  assert_string_equal(error.partial_out, "partly");
  assert_int_equal(fault_count(s.f.server, "/process.Process/SendSignal"), 1);
  stage_close(&s);
}

/* It was refused in so many words. */
static void a_run_whose_input_was_refused_is_killed_and_fails(void **state) {
  stage_t s;
  stage_open(&s, *state);
  waiting_program(&s.f, false);
  fault_answer(fault_on(s.f.server, SEND_INPUT), 500, "application/json",
               "{\"code\":\"internal\",\"message\":\"no\"}", NULL);
  assert_int_equal(faults_code(&s.f, run_with_input(&s, false)), E2B_ESERVER);
  stage_close(&s);
}

static void a_program_that_ended_by_itself_did_not_need_it(void **state) {
  stage_t s;
  stage_open(&s, *state);
  waiting_program(&s.f, true);
  fault_reset(fault_on(s.f.server, SEND_INPUT));
  faults_succeeds(&s.f, run_with_input(&s, false));
  stage_close(&s);
}

static void a_program_that_closed_its_input_runs_on(void **state) {
  stage_t s;
  stage_open(&s, *state);
  fault_rule_t *rule = fault_on(s.f.server, SEND_INPUT);
  fault_call(rule, release_held, s.f.server);
  fault_answer(rule, 400, "application/json",
               "{\"code\":\"failed_precondition\",\"message\":\"stdin not enabled or closed\"}",
               NULL);
  waiting_program(&s.f, true);
  faults_succeeds(&s.f, run_with_input(&s, false));
  assert_int_equal(fault_count(s.f.server, "/process.Process/SendSignal"), 0);
  stage_close(&s);
}

static void a_started_program_is_let_go_not_killed(void **state) {
  stage_t s;
  stage_open(&s, *state);
  waiting_program(&s.f, false);
  fault_reset(fault_on(s.f.server, SEND_INPUT));
  e2b_future_t *future = run_with_input(&s, true);
  assert_int_equal(harness_await(&s.f.h, future), 0);
  s.command = e2b_future_command(future);
  e2b_future_release(future);
  assert_int_equal(faults_code(&s.f, CALL(e2b_command_wait(s.command))), E2B_ECONNLOST);
  assert_int_equal(fault_count(s.f.server, "/process.Process/SendSignal"), 0);
  stage_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_run_that_lost_its_input_is_killed_and_fails),
      IN_BOTH(a_run_whose_input_was_refused_is_killed_and_fails),
      IN_BOTH(a_program_that_ended_by_itself_did_not_need_it),
      IN_BOTH(a_program_that_closed_its_input_runs_on),
      IN_BOTH(a_started_program_is_let_go_not_killed),
  };
  return cmocka_run_group_tests_name("promised input", tests, NULL, NULL);
}
