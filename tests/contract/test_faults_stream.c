/* SPDX-License-Identifier: MIT */
#include "support/faults.h"

/* Streams that break, in either encoding: each ends in a result or in one typed error, and the
 * sandbox is asked once, when that helps. */

static e2b_future_t *run(faults_t *f) {
  return e2b_run_shell(f->sandbox, "true", NULL);
}

/* A stream with this body, then this end of the connection, asked for by one command. */
static faults_error_t broken(faults_t *f, const bytes_t *body, void (*end)(fault_rule_t *rule)) {
  fault_rule_t *rule = fault_on(f->server, START);
  faults_stream(f, rule, body, end == NULL);
  if (end != NULL) end(rule);
  return faults_fails(f, run(f));
}

static void some_output(const faults_t *f, bytes_t *body) {
  put_start(f, body, 7);
  put_out(f, body, "so far", 6);
}

static void a_broken_stream_asks_once_whether_the_sandbox_lives(void **state) {
  void (*const ends[])(fault_rule_t *) = {fault_reset, fault_close, fault_last_chunk};
  for (size_t i = 0; i < E2B__COUNT(ends); i++) {
    faults_t f;
    faults_ready(&f, *state);
    bytes_t body = {NULL, 0};
    some_output(&f, &body);
    faults_alive(&f);
    const faults_error_t error = broken(&f, &body, ends[i]);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_string_equal(error.partial_out, "so far");
    assert_int_equal(fault_count(f.server, HEALTH), 1);
    assert_int_equal(fault_count(f.server, START), 1);
    assert_int_equal(fault_count(f.server, NULL), 2);
    bytes_free(&body);
    faults_close(&f);
  }
}

static void a_stream_of_a_sandbox_that_is_gone_says_so(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  some_output(&f, &body);
  faults_gone(&f);
  const faults_error_t error = broken(&f, &body, fault_reset);
  assert_int_equal(error.code, E2B_ESANDBOXGONE);
  assert_int_equal(error.sandbox, E2B_PRESENCE_GONE);
  assert_non_null(strstr(error.message, FAULTS_SANDBOX_ID));
  assert_string_equal(error.partial_out, "so far");
  assert_int_equal(fault_count(f.server, HEALTH), 1);
  bytes_free(&body);
  faults_close(&f);
}

static void a_probe_without_a_clear_answer_leaves_it_open(void **state) {
  static const struct {
    int status; /* 0: a reset */
    const char *type;
    const char *body;
  } rows[] = {{0, NULL, NULL},
              {500, "text/plain", "?"},
              {502, "text/plain", "Failed to route request to sandbox"},
              {502, "application/json", FAULTS_PORT_BODY},
              {403, "application/json", "{}"}};
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    faults_t f;
    faults_ready(&f, *state);
    bytes_t body = {NULL, 0};
    some_output(&f, &body);
    fault_rule_t *rule = fault_on(f.server, HEALTH);
    if (rows[i].status == 0) {
      fault_reset(rule);
    } else {
      fault_answer(rule, rows[i].status, rows[i].type, rows[i].body, NULL);
    }
    const faults_error_t error = broken(&f, &body, fault_reset);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_UNKNOWN);
    assert_int_equal(fault_count(f.server, HEALTH), 1);
    bytes_free(&body);
    faults_close(&f);
  }
}

/* Before any event: the program may run, and nobody knows its pid. */
static void a_stream_that_never_began_is_lost_too(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  faults_alive(&f);
  fault_reset(fault_on(f.server, START));
  const faults_error_t error = faults_fails(&f, run(&f));
  assert_int_equal(error.code, E2B_ECONNLOST);
  assert_true(error.maybe_applied);
  assert_false(error.has_partial);
  assert_int_equal(fault_count(f.server, START), 1);
  faults_close(&f);
}

static void a_start_is_not_repeated_on_a_connection_that_died(void **state) {
  faults_t f;
  faults_ready(&f, *state); /* the create has left a connection behind */
  faults_alive(&f);
  fault_close(fault_on(f.server, START));
  assert_int_equal(faults_code(&f, run(&f)), E2B_ECONNLOST);
  assert_int_equal(fault_request(f.server, START, 0)->number, 2);
  assert_int_equal(fault_count(f.server, START), 1);
  faults_close(&f);
}

/* --- the end of the program is the result -------------------------------------------------------
 */

static void expect_exit_3(faults_t *f, e2b_future_t *future) {
  const int rc = harness_await(&f->h, future);
  if (rc != 0) fail_msg("%s: %s", e2b_code_name(rc), e2b_future_error(future)->message);
  const e2b_execution_t *result = e2b_future_execution(future);
  assert_non_null(result);
  assert_int_equal(result->exit_code, 3);
  assert_true(result->exited);
  assert_string_equal(result->status, "exit status 3");
  assert_string_equal(result->stdout_data.ptr, "hello");
  assert_string_equal(result->stderr_data.ptr, "oops");
  assert_int_equal(result->pid, 7);
  e2b_future_release(future);
}

static void until_exit(const faults_t *f, bytes_t *body) {
  put_start(f, body, 7);
  put_out(f, body, "hello", 5);
  put_err(f, body, "oops", 4);
  put_exit(f, body, 3);
}

static void an_error_after_the_exit_does_not_count(void **state) {
  static const char *const errors[] = {
      "{\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"context deadline exceeded\"}}",
      "{\"error\":{\"code\":\"internal\"}}", "not even JSON"};
  for (size_t i = 0; i < E2B__COUNT(errors); i++) {
    faults_t f;
    faults_ready(&f, *state);
    bytes_t body = {NULL, 0};
    until_exit(&f, &body);
    put_end(&body, errors[i]);
    faults_stream(&f, fault_on(f.server, START), &body, true);
    expect_exit_3(&f, run(&f));
    bytes_free(&body);
    faults_close(&f);
  }
}

/* The connection breaks, or stays open for ever: the exit was told, and nobody need be asked. */
static void a_connection_that_breaks_after_the_exit_does_not_count(void **state) {
  void (*const ends[])(fault_rule_t *) = {fault_reset, fault_close, fault_last_chunk, fault_hang};
  for (size_t i = 0; i < E2B__COUNT(ends); i++) {
    for (int with_end = 0; with_end < 2; with_end++) {
      faults_t f;
      faults_ready(&f, *state);
      bytes_t body = {NULL, 0};
      until_exit(&f, &body);
      if (with_end) put_end(&body, NULL);
      fault_rule_t *rule = fault_on(f.server, START);
      faults_stream(&f, rule, &body, false);
      ends[i](rule);
      fault_hang(fault_on(f.server, HEALTH));
      expect_exit_3(&f, run(&f));
      assert_int_equal(fault_count(f.server, HEALTH), 0);
      bytes_free(&body);
      faults_close(&f);
    }
  }
}

static void the_first_exit_counts_and_what_follows_it_does_not(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  until_exit(&f, &body);
  put_out(&f, &body, "late", 4);
  put_start(&f, &body, 9);
  put_out(&f, &body, "later", 5);
  put_exit(&f, &body, 4);
  put_end(&body, NULL);
  faults_stream(&f, fault_on(f.server, START), &body, true);
  expect_exit_3(&f, run(&f));
  bytes_free(&body);
  faults_close(&f);
}

/* --- errors told by the stream ------------------------------------------------------------------
 */

static void the_daemons_deadline_is_the_lifetime(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  some_output(&f, &body);
  put_end(&body, "{\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"context deadline "
                 "exceeded\"}}");
  faults_stream(&f, fault_on(f.server, START), &body, true);
  e2b_run_options options;
  E2B_INIT(&options);
  options.timeout_ms = 60000;
  const faults_error_t error = faults_fails(&f, e2b_run_shell(f.sandbox, "sleep 99", &options));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_LIFETIME);
  assert_string_equal(error.connect_code, "deadline_exceeded");
  assert_string_equal(error.partial_out, "so far");
  bytes_free(&body);
  faults_close(&f);
}

static void errors_told_by_the_stream_have_codes(void **state) {
  static const struct {
    const char *end;
    int code;
  } rows[] = {
      {"{\"error\":{\"code\":\"invalid_argument\",\"message\":\"cwd '/x' does not exist\"}}",
       E2B_EREQUEST},
      {"{\"error\":{\"code\":\"unauthenticated\",\"message\":\"invalid username: 'x'\"}}",
       E2B_EAUTH},
      {"{\"error\":{\"code\":\"not_found\",\"message\":\"process 7 not found\"}}", E2B_ENOTFOUND},
      {"{\"error\":{\"code\":\"unavailable\"}}", E2B_EUNAVAILABLE},
      {"{\"error\":{\"code\":\"internal\",\"message\":\"x\"},\"metadata\":{\"k\":[\"v\"]}}",
       E2B_ESERVER},
      {"{\"error\":{\"code\":\"canceled\",\"message\":\"context canceled\"}}", E2B_ECONNLOST},
      {"{\"error\":{\"code\":\"something_new\"}}", E2B_ESERVER},
      {"{}", E2B_ENORESULT},
      {"", E2B_ENORESULT},
      {"<html>", E2B_ENORESULT},
  };
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    faults_t f;
    faults_ready(&f, *state);
    faults_alive(&f);
    bytes_t body = {NULL, 0};
    put_end(&body, rows[i].end);
    const faults_error_t error = broken(&f, &body, NULL);
    if (error.code != rows[i].code) {
      fail_msg("%s: %s: %s", rows[i].end, e2b_code_name(error.code), error.message);
    }
    assert_int_equal(error.attempts, 1);
    assert_int_equal(fault_count(f.server, HEALTH), 0);
    bytes_free(&body);
    faults_close(&f);
  }
}

static void an_answer_that_is_no_stream_is_read_as_what_it_is(void **state) {
  static const struct {
    int status;
    const char *type;
    const char *body;
    int code;
    e2b_presence_t presence;
  } rows[] = {
      {200, "text/html", "<html>Welcome to the hotel</html>", E2B_EPROTOCOL, E2B_PRESENCE_UNKNOWN},
      {200, NULL, "", E2B_EPROTOCOL, E2B_PRESENCE_UNKNOWN},
      {204, NULL, "", E2B_EPROTOCOL, E2B_PRESENCE_UNKNOWN},
      {302, "text/html", "", E2B_EPROTOCOL, E2B_PRESENCE_UNKNOWN},
      {401, "application/json; charset=utf-8",
       "{\"code\":401,\"message\":\"unauthorized access\"}\n", E2B_EAUTH, E2B_PRESENCE_ALIVE},
      {401, "text/plain", "no", E2B_EAUTH, E2B_PRESENCE_UNKNOWN},
      {403, "application/json", "{\"sandboxId\":\"i1\",\"message\":\"token\",\"code\":403}",
       E2B_EAUTH, E2B_PRESENCE_UNKNOWN},
      {403, "text/plain", "not for you", E2B_EFORBIDDEN, E2B_PRESENCE_UNKNOWN},
      {404, "text/plain; charset=utf-8", "404 page not found\n", E2B_ENOTFOUND,
       E2B_PRESENCE_UNKNOWN},
      {415, NULL, "", E2B_EREQUEST, E2B_PRESENCE_UNKNOWN},
      {502, "application/json; charset=utf-8", FAULTS_GONE_BODY, E2B_ESANDBOXGONE,
       E2B_PRESENCE_GONE},
      {502, "application/json; charset=utf-8", FAULTS_PORT_BODY, E2B_EPORTCLOSED,
       E2B_PRESENCE_ALIVE},
      {503, "text/plain", "draining", E2B_EUNAVAILABLE, E2B_PRESENCE_UNKNOWN},
  };
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    faults_t f;
    faults_ready(&f, *state);
    fault_answer(fault_on(f.server, START), rows[i].status, rows[i].type, rows[i].body, NULL);
    const faults_error_t error = faults_fails(&f, run(&f));
    assert_int_equal(error.code, rows[i].code);
    assert_int_equal(error.http_status, rows[i].status);
    assert_int_equal(error.sandbox, rows[i].presence);
    assert_int_equal(error.attempts, 1);
    assert_int_equal(fault_count(f.server, NULL), 1);
    faults_close(&f);
  }
}

static void events_of_no_interest_are_passed_over(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_keepalive(&f, &body);
  put_start(&f, &body, 7);
  put_keepalive(&f, &body);
  put_unknown(&f, &body);
  put_out(&f, &body, "hel", 3);
  put_keepalive(&f, &body);
  put_out(&f, &body, "lo", 2);
  put_unknown(&f, &body);
  put_err(&f, &body, "oops", 4);
  put_exit(&f, &body, 3);
  put_end(&body, "{\"metadata\":{\"k\":[\"v\"]}}");
  faults_stream(&f, fault_on(f.server, START), &body, true);
  expect_exit_3(&f, run(&f));
  bytes_free(&body);
  faults_close(&f);
}

/* Its number may be another's by now. */
static void a_program_that_has_ended_is_not_signalled(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_usual(&f, &body);
  faults_stream(&f, fault_on(f.server, START), &body, true);
  bytes_free(&body);
  e2b_future_t *future = e2b_command_start_shell(f.sandbox, "true", NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  e2b_command_t *command = e2b_future_command(future);
  e2b_future_release(future);
  faults_succeeds(&f, e2b_command_wait(command));
  for (int number = 9; number <= 15; number += 6) {
    e2b_future_t *signalled = e2b_command_signal(command, number);
    assert_int_equal(harness_await(&f.h, signalled), 0);
    assert_false(e2b_future_bool(signalled));
    e2b_future_release(signalled);
  }
  assert_int_equal(fault_count(f.server, NULL), 1);
  e2b_command_release(command);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_broken_stream_asks_once_whether_the_sandbox_lives),
      IN_BOTH(a_stream_of_a_sandbox_that_is_gone_says_so),
      IN_BOTH(a_probe_without_a_clear_answer_leaves_it_open),
      IN_BOTH(a_stream_that_never_began_is_lost_too),
      IN_BOTH(a_start_is_not_repeated_on_a_connection_that_died),
      IN_BOTH(an_error_after_the_exit_does_not_count),
      IN_BOTH(a_connection_that_breaks_after_the_exit_does_not_count),
      IN_BOTH(the_first_exit_counts_and_what_follows_it_does_not),
      IN_BOTH(the_daemons_deadline_is_the_lifetime),
      IN_BOTH(errors_told_by_the_stream_have_codes),
      IN_BOTH(an_answer_that_is_no_stream_is_read_as_what_it_is),
      IN_BOTH(events_of_no_interest_are_passed_over),
      IN_BOTH(a_program_that_has_ended_is_not_signalled),
  };
  return cmocka_run_group_tests_name("faults: streams", tests, NULL, NULL);
}
