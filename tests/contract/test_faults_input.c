/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/faults.h"

/* Standard input on a bad day: in order, and never twice. */

#define CLOSE_STDIN "POST /process.Process/CloseStdin"

/* A program that runs, pid 7, and whose stream the test goes on with when it calls
 * fault_release(). */
static e2b_command_t *started(faults_t *f, const e2b_run_options *given) {
  bytes_t body = {NULL, 0};
  put_start(f, &body, 7);
  fault_rule_t *rule = fault_on(f->server, START);
  faults_stream(f, rule, &body, false);
  fault_hold(rule);
  bytes_free(&body);
  put_exit(f, &body, 0);
  put_end(&body, NULL);
  fault_chunk(rule, body.data, body.len);
  fault_last_chunk(rule);
  bytes_free(&body);
  e2b_run_options options;
  E2B_INIT(&options);
  if (given != NULL) options = *given;
  options.keep_stdin_open = 1;
  e2b_future_t *future = e2b_command_start_shell(f->sandbox, "cat", &options);
  assert_int_equal(harness_await(&f->h, future), 0);
  e2b_command_t *command = e2b_future_command(future);
  assert_non_null(command);
  e2b_future_release(future);
  return command;
}

static void taken(fault_rule_t *rule) {
  fault_answer(rule, 200, "application/json", "{}", NULL);
}

/* In protobuf "{}" is no message; an empty body is the empty one. */
static void answered(const faults_t *f, fault_rule_t *rule) {
  if (f->options.rpc_encoding == E2B_RPC_JSON) {
    taken(rule);
  } else {
    fault_answer(rule, 200, "application/proto", "", NULL);
  }
}

/* For a while, so that what comes after it has to wait in line; then all is accepted. */
static void first_write_hangs(const faults_t *f) {
  fault_rule_t *rule = fault_once(f->server, SEND_INPUT);
  fault_wait(rule, 50);
  answered(f, rule);
  answered(f, fault_on(f->server, SEND_INPUT));
  answered(f, fault_on(f->server, CLOSE_STDIN));
}

static void finish(faults_t *f, e2b_command_t *command) {
  fault_release(f->server);
  faults_succeeds(f, e2b_command_wait(command));
  e2b_command_release(command);
}

static void input_whose_answer_was_lost_is_not_sent_again(void **state) {
  for (int how = 0; how < 3; how++) {
    faults_t f;
    faults_open(&f, *state);
    f.options.max_retries = 5;
    faults_sandbox(&f);
    e2b_command_t *command = started(&f, NULL);
    fault_rule_t *rule = fault_once(f.server, SEND_INPUT);
    if (how == 1) fault_text(rule, "HTTP/1.1 200 O");
    if (how == 2) {
      fault_close(rule);
    } else {
      fault_reset(rule);
    }
    answered(&f, fault_on(f.server, SEND_INPUT));
    const faults_error_t error = faults_fails(&f, e2b_command_write(command, "once", 4));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_true(error.maybe_applied);
    harness_turn(&f.h, 20);
    assert_int_equal(fault_count(f.server, SEND_INPUT), 1);
    /* What comes after it is another matter. */
    faults_succeeds(&f, e2b_command_write(command, "more", 4));
    assert_int_equal(fault_count(f.server, SEND_INPUT), 2);
    finish(&f, command);
    faults_close(&f);
  }
}

static void input_on_a_connection_that_died_is_not_sent_again(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  fault_rule_t *rule = fault_once(f.server, SEND_INPUT);
  answered(&f, rule);
  fault_close(fault_on(f.server, SEND_INPUT));
  faults_succeeds(&f, e2b_command_write(command, "a", 1));
  assert_int_equal(faults_code(&f, e2b_command_write(command, "b", 1)), E2B_ECONNLOST);
  harness_turn(&f.h, 20);
  assert_int_equal(fault_count(f.server, SEND_INPUT), 2);
  assert_int_equal(fault_request(f.server, SEND_INPUT, 0)->connection,
                   fault_request(f.server, SEND_INPUT, 1)->connection);
  finish(&f, command);
  faults_close(&f);
}

static void refused_input_says_why(void **state) {
  static const struct {
    int status;
    const char *type;
    const char *body;
    int code;
  } rows[] = {{400, "application/json",
               "{\"code\":\"failed_precondition\",\"message\":\"stdin not enabled or closed\"}",
               E2B_ENOSTDIN},
              {404, "application/json",
               "{\"code\":\"not_found\",\"message\":\"process with pid 7 not found\"}",
               E2B_ENOTFOUND},
              {502, "application/json", FAULTS_GONE_BODY, E2B_ESANDBOXGONE},
              {503, "text/plain", "later", E2B_EUNAVAILABLE},
              {500, "text/html", "<html>", E2B_ESERVER}};
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    faults_t f;
    faults_open(&f, *state);
    f.options.max_retries = 5;
    faults_sandbox(&f);
    e2b_command_t *command = started(&f, NULL);
    fault_answer(fault_on(f.server, SEND_INPUT), rows[i].status, rows[i].type, rows[i].body, NULL);
    assert_int_equal(faults_code(&f, e2b_command_write(command, "x", 1)), rows[i].code);
    assert_int_equal(fault_count(f.server, SEND_INPUT), 1);
    finish(&f, command);
    faults_close(&f);
  }
}

/* A program that does not read: the call hangs, and what comes after it waits in order. */
static void input_arrives_in_order_and_together(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  first_write_hangs(&f);
  e2b_future_t *futures[5];
  futures[0] = e2b_command_write(command, "AAAA", 4);
  futures[1] = e2b_command_write(command, "BBBB", 4);
  futures[2] = e2b_command_write(command, "CCCC", 4);
  futures[3] = e2b_command_write(command, "DDDD", 4);
  futures[4] = e2b_command_close_stdin(command);
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    faults_succeeds(&f, futures[i]);
  }
  assert_int_equal(fault_count(f.server, SEND_INPUT), 2);
  assert_int_equal(fault_count(f.server, CLOSE_STDIN), 1);
  const fault_request_t *second = fault_request(f.server, SEND_INPUT, 1);
  const char *expected =
      f.options.rpc_encoding == E2B_RPC_JSON ? "QkJCQkNDQ0NERERE" : "BBBBCCCCDDDD";
  assert_non_null(memmem(second->body, second->body_len, expected, strlen(expected)));
  assert_ptr_equal(fault_request(f.server, NULL, fault_count(f.server, NULL) - 1),
                   fault_request(f.server, CLOSE_STDIN, 0));
  assert_int_equal(faults_code(&f, e2b_command_write(command, "E", 1)), E2B_ENOSTDIN);
  finish(&f, command);
  faults_close(&f);
}

static void input_that_hangs_ends_with_the_program(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  fault_hang(fault_on(f.server, SEND_INPUT));
  e2b_future_t *on_the_way = e2b_command_write(command, "AAAA", 4);
  e2b_future_t *in_line = e2b_command_write(command, "BBBB", 4);
  e2b_future_t *given_up = e2b_command_write(command, "CCCC", 4);
  while (fault_count(f.server, SEND_INPUT) == 0) {
    harness_turn(&f.h, 1);
  }
  e2b_future_cancel(given_up);
  assert_int_equal(faults_code(&f, given_up), E2B_ECANCELED);
  assert_int_equal(e2b_future_is_done(on_the_way), 0);
  finish(&f, command);
  const faults_error_t error = faults_fails(&f, on_the_way);
  assert_int_equal(error.code, E2B_ENOSTDIN);
  assert_true(error.maybe_applied);
  const faults_error_t other = faults_fails(&f, in_line);
  assert_int_equal(other.code, E2B_ENOSTDIN);
  assert_false(other.maybe_applied);
  assert_int_equal(fault_count(f.server, SEND_INPUT), 1);
  faults_close(&f);
}

static void on_drain(e2b_command_t *command, void *user_data) {
  (void)command;
  (*(unsigned *)user_data)++;
}

static void a_line_that_is_full_refuses_and_tells_when_there_is_room(void **state) {
  enum { PIECE = 1 << 20 };
  faults_t f;
  faults_ready(&f, *state);
  unsigned drained = 0;
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_drain = on_drain;
  options.user_data = &drained;
  e2b_command_t *command = started(&f, &options);
  answered(&f, fault_on(f.server, SEND_INPUT));
  char *piece = calloc(1, PIECE);
  assert_non_null(piece);
  e2b_future_t *futures[4];
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    futures[i] = e2b_command_write(command, piece, PIECE);
    assert_int_equal(e2b_future_is_done(futures[i]), 0);
  }
  assert_int_equal(faults_code(&f, e2b_command_write(command, "x", 1)), E2B_EAGAIN);
  assert_int_equal(drained, 0);
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    faults_succeeds(&f, futures[i]);
  }
  harness_until_count(&f.h, &drained, 1);
  faults_succeeds(&f, e2b_command_write(command, "x", 1));
  assert_int_equal(drained, 1);
  free(piece);
  finish(&f, command);
  faults_close(&f);
}

/* Nobody has taken it: there is room again though nothing was sent. */
static void room_that_a_cancel_makes_is_told(void **state) {
  enum { PIECE = 1 << 20 };
  faults_t f;
  faults_ready(&f, *state);
  unsigned drained = 0;
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_drain = on_drain;
  options.user_data = &drained;
  e2b_command_t *command = started(&f, &options);
  fault_hang(fault_on(f.server, SEND_INPUT));
  e2b_future_t *on_the_way = e2b_command_write(command, "A", 1);
  char *piece = calloc(1, PIECE);
  assert_non_null(piece);
  e2b_future_t *futures[3];
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    futures[i] = e2b_command_write(command, piece, PIECE);
  }
  assert_int_equal(faults_code(&f, e2b_command_write(command, piece, PIECE)), E2B_EAGAIN);
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    assert_int_equal(drained, 0);
    e2b_future_cancel(futures[i]);
    assert_int_equal(faults_code(&f, futures[i]), E2B_ECANCELED);
  }
  harness_until_count(&f.h, &drained, 1);
  free(piece);
  finish(&f, command);
  e2b_future_release(on_the_way);
  faults_close(&f);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void a_close_that_was_given_up_in_line_can_be_asked_for_again(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  first_write_hangs(&f);
  e2b_future_t *first = e2b_command_write(command, "AAAA", 4);
  e2b_future_t *given_up = e2b_command_close_stdin(command);
  e2b_future_cancel(given_up);
  assert_int_equal(faults_code(&f, given_up), E2B_ECANCELED);
  faults_succeeds(&f, e2b_command_write(command, "BBBB", 4));
  faults_succeeds(&f, first);
  assert_int_equal(fault_count(f.server, CLOSE_STDIN), 0);
  faults_succeeds(&f, e2b_command_close_stdin(command));
  assert_int_equal(fault_count(f.server, CLOSE_STDIN), 1);
  finish(&f, command);
  faults_close(&f);
}

static void a_close_that_failed_is_not_taken_for_one(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  fault_answer(fault_once(f.server, CLOSE_STDIN), 503, "text/plain", "later", NULL);
  answered(&f, fault_on(f.server, CLOSE_STDIN));
  assert_int_equal(faults_code(&f, e2b_command_close_stdin(command)), E2B_EUNAVAILABLE);
  faults_succeeds(&f, e2b_command_close_stdin(command));
  assert_int_equal(fault_count(f.server, CLOSE_STDIN), 2);
  faults_succeeds(&f, e2b_command_close_stdin(command));
  assert_int_equal(fault_count(f.server, CLOSE_STDIN), 2);
  finish(&f, command);
  faults_close(&f);
}

static void more_bytes_than_there_can_be_are_refused(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  e2b_command_t *command = started(&f, NULL);
  fault_hang(fault_on(f.server, SEND_INPUT));
  assert_int_equal(faults_code(&f, e2b_command_write(command, "x", SIZE_MAX)), E2B_ENOMEM);
  e2b_future_t *on_the_way = e2b_command_write(command, "A", 1);
  assert_int_equal(faults_code(&f, e2b_command_write(command, "x", SIZE_MAX)), E2B_EAGAIN);
  finish(&f, command);
  e2b_future_release(on_the_way);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(input_whose_answer_was_lost_is_not_sent_again),
      IN_BOTH(input_on_a_connection_that_died_is_not_sent_again),
      IN_BOTH(refused_input_says_why),
      IN_BOTH(input_arrives_in_order_and_together),
      IN_BOTH(input_that_hangs_ends_with_the_program),
      IN_BOTH(a_line_that_is_full_refuses_and_tells_when_there_is_room),
      IN_BOTH(room_that_a_cancel_makes_is_told),
      IN_BOTH(a_close_that_was_given_up_in_line_can_be_asked_for_again),
      IN_BOTH(a_close_that_failed_is_not_taken_for_one),
      IN_BOTH(more_bytes_than_there_can_be_are_refused),
  };
  return cmocka_run_group_tests_name("faults: input", tests, NULL, NULL);
}
