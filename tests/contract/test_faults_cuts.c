/* SPDX-License-Identifier: MIT */
#include "support/faults.h"

/* A stream's answer in pieces, cut anywhere, changed anywhere: what comes of it is the result or a
 * typed error, and never nothing. */

static e2b_future_t *run(faults_t *f) {
  return e2b_run_shell(f->sandbox, "true", NULL);
}

static void expect_usual(faults_t *f, e2b_future_t *future) {
  const int rc = harness_await(&f->h, future);
  if (rc != 0) fail_msg("%s: %s", e2b_code_name(rc), e2b_future_error(future)->message);
  const e2b_execution_t *result = e2b_future_execution(future);
  assert_int_equal(result->exit_code, 3);
  assert_string_equal(result->stdout_data.ptr, "hello");
  assert_string_equal(result->stderr_data.ptr, "oops");
  e2b_future_release(future);
}

static void a_stream_may_come_byte_by_byte(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  bytes_t answer = {NULL, 0};
  put_usual(&f, &body);
  put_answer(&f, &answer, &body);
  fault_send_bytewise(fault_on(f.server, START), answer.data, answer.len);
  expect_usual(&f, run(&f));
  bytes_free(&body);
  bytes_free(&answer);
  faults_close(&f);
}

/* Where in the answer the exit event is complete: from there on the result is known. */
static size_t known_from(const faults_t *f, const bytes_t *answer) {
  bytes_t body = {NULL, 0};
  put_start(f, &body, 7);
  put_out(f, &body, "hello", 5);
  put_err(f, &body, "oops", 4);
  put_exit(f, &body, 3);
  size_t left = body.len;
  bytes_free(&body);
  const char *at = strstr(answer->data, "\r\n\r\n") + 4;
  for (;;) {
    char *chunk;
    const size_t len = strtoul(at, &chunk, 16);
    if (len >= left) return (size_t)(chunk + 2 - answer->data) + left;
    left -= len;
    at = chunk + 2 + len + 2;
  }
}

static void cut_everywhere(faults_t *f, void (*end)(fault_rule_t *rule)) {
  bytes_t body = {NULL, 0};
  bytes_t answer = {NULL, 0};
  put_usual(f, &body);
  put_answer(f, &answer, &body);
  const size_t known = known_from(f, &answer);
  for (size_t cut = 0; cut < answer.len; cut++) {
    fault_clear(f->server);
    faults_alive(f);
    fault_rule_t *rule = fault_on(f->server, START);
    fault_send(rule, answer.data, cut);
    end(rule);
    if (cut >= known) {
      expect_usual(f, run(f));
      assert_int_equal(fault_count(f->server, HEALTH), 0);
      continue;
    }
    const faults_error_t error = faults_fails(f, run(f));
    if (error.code != E2B_ECONNLOST) {
      fail_msg("cut at %zu: %s: %s", cut, e2b_code_name(error.code), error.message);
    }
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_int_equal(fault_count(f->server, HEALTH), 1);
    assert_int_equal(fault_count(f->server, START), 1);
  }
  bytes_free(&body);
  bytes_free(&answer);
}

static void a_stream_that_is_cut_anywhere_is_lost(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  cut_everywhere(&f, fault_close);
  faults_close(&f);
}

static void a_stream_that_is_reset_anywhere_is_lost(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  cut_everywhere(&f, fault_reset);
  faults_close(&f);
}

/* The body is cut, the answer is whole. */
static void a_body_that_ends_anywhere_without_an_end_is_lost(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  bytes_t known = {NULL, 0};
  put_usual(&f, &body);
  put_start(&f, &known, 7);
  put_out(&f, &known, "hello", 5);
  put_err(&f, &known, "oops", 4);
  put_exit(&f, &known, 3);
  for (size_t cut = 0; cut < body.len; cut++) {
    fault_clear(f.server);
    faults_alive(&f);
    const bytes_t part = {body.data, cut};
    faults_stream(&f, fault_on(f.server, START), &part, true);
    if (cut >= known.len) {
      expect_usual(&f, run(&f));
    } else {
      assert_int_equal(faults_code(&f, run(&f)), E2B_ECONNLOST);
      assert_int_equal(fault_count(f.server, HEALTH), 1);
    }
  }
  bytes_free(&body);
  bytes_free(&known);
  faults_close(&f);
}

/* Any one byte another: also of the HTTP head and of the framing. */
static void a_changed_byte_anywhere_is_survived(void **state) {
  static const unsigned char changes[] = {0xff, 0x01, 0x20, 0x80};
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  bytes_t answer = {NULL, 0};
  put_usual(&f, &body);
  put_answer(&f, &answer, &body);
  for (size_t at = 0; at < answer.len; at++) {
    fault_clear(f.server);
    faults_alive(&f);
    fault_answer(fault_on(f.server, "POST /process.Process/SendSignal"), 200, "application/json",
                 "{}", NULL);
    fault_rule_t *rule = fault_on(f.server, START);
    answer.data[at] ^= changes[at % sizeof changes];
    fault_send(rule, answer.data, answer.len);
    fault_close(rule);
    answer.data[at] ^= changes[at % sizeof changes];
    e2b_future_t *future = run(&f);
    const int rc = harness_await(&f.h, future);
    /* Neither the caller's mistake nor a lack of memory. */
    if (rc == E2B_EINVAL || rc == E2B_ENOMEM || rc == E2B_EREQUEST) {
      fail_msg("changed at %zu: %s", at, e2b_future_error(future)->message);
    }
    e2b_future_release(future);
    assert_true(fault_count(f.server, START) <= 1);
  }
  bytes_free(&body);
  bytes_free(&answer);
  faults_close(&f);
}

/* --- envelopes that are wrong -------------------------------------------------------------------
 */

static faults_error_t run_body(faults_t *f, bytes_t *body) {
  fault_clear(f->server);
  faults_alive(f);
  fault_answer(fault_on(f->server, "POST /process.Process/SendSignal"), 200, "application/json",
               "{}", NULL);
  fault_rule_t *rule = fault_on(f->server, START);
  faults_stream(f, rule, body, false);
  fault_hang(rule); /* the client has to notice by itself */
  bytes_free(body);
  return faults_fails(f, run(f));
}

static void envelopes_with_unknown_flags_make_no_sense(void **state) {
  static const int flags[] = {0x01, 0x03, 0x04, 0x40, 0x80, 0xff};
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i < E2B__COUNT(flags); i++) {
    bytes_t body = {NULL, 0};
    put_start(&f, &body, 7);
    put_envelope(&body, flags[i], "{}", 2);
    const faults_error_t error = run_body(&f, &body);
    assert_int_equal(error.code, E2B_EPROTOCOL);
    assert_true(error.maybe_applied);
    assert_true(error.has_partial);
    assert_int_equal(fault_count(f.server, HEALTH), 0);
  }
  faults_close(&f);
}

static void an_envelope_past_the_ceiling_is_not_waited_for(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  for (int started = 0; started < 2; started++) {
    bytes_t body = {NULL, 0};
    if (started) put_start(&f, &body, 7);
    bytes_add(&body, "\0\xff\xff\xff\xff{\"eve", 10);
    assert_int_equal(run_body(&f, &body).code, E2B_ETOOBIG);
    harness_turn(&f.h, 20);
    /* The program is of no use any more; one without a pid cannot be ended. */
    assert_int_equal(fault_count(f.server, "POST /process.Process/SendSignal"), started);
  }
  faults_close(&f);
}

static void messages_that_are_garbage_make_no_sense(void **state) {
  static const char *const garbage[] = {"<html>", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                        "{\"event\":{\"start\":{\"pid\":7}}", "\x0a\x7f"};
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i < E2B__COUNT(garbage); i++) {
    bytes_t body = {NULL, 0};
    put_start(&f, &body, 7);
    put_envelope(&body, 0, garbage[i], strlen(garbage[i]));
    const faults_error_t error = run_body(&f, &body);
    assert_int_equal(error.code, E2B_EPROTOCOL);
    assert_true(error.has_partial);
  }
  faults_close(&f);
}

static void output_before_the_start_makes_no_sense(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_out(&f, &body, "hello", 5);
  assert_int_equal(run_body(&f, &body).code, E2B_EPROTOCOL);
  put_exit(&f, &body, 3);
  assert_int_equal(run_body(&f, &body).code, E2B_EPROTOCOL);
  faults_close(&f);
}

static void what_is_no_http_makes_no_sense(void **state) {
  static const char *const answers[] = {"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "\r\n\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                                        "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 999999 OK\r\n\r\n"};
  const size_t numbers = 4; /* curl 8 takes its first three digits, for a failure of the server */
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i < E2B__COUNT(answers); i++) {
    fault_clear(f.server);
    faults_alive(&f);
    fault_rule_t *rule = fault_on(f.server, NULL);
    fault_text(rule, answers[i]);
    fault_close(rule);
    const faults_error_t error = faults_fails(&f, run(&f));
    if (error.code != E2B_EPROTOCOL && (i != numbers || error.code != E2B_ESERVER)) {
      fail_msg("%zu: %s: %s", i, e2b_code_name(error.code), error.message);
    }
    assert_true(error.maybe_applied);
  }
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_stream_may_come_byte_by_byte),
      IN_BOTH(a_stream_that_is_cut_anywhere_is_lost),
      IN_BOTH(a_stream_that_is_reset_anywhere_is_lost),
      IN_BOTH(a_body_that_ends_anywhere_without_an_end_is_lost),
      IN_BOTH(a_changed_byte_anywhere_is_survived),
      IN_BOTH(envelopes_with_unknown_flags_make_no_sense),
      IN_BOTH(an_envelope_past_the_ceiling_is_not_waited_for),
      IN_BOTH(messages_that_are_garbage_make_no_sense),
      IN_BOTH(output_before_the_start_makes_no_sense),
      IN_BOTH(what_is_no_http_makes_no_sense),
  };
  return cmocka_run_group_tests_name("faults: cuts", tests, NULL, NULL);
}
