/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "net/call.h"
#include "support/faults.h"

/* Refusals of the control plane and of the daemon: each its own code, with the server's words. */

static const char unauthorized[] = "{\"code\":401,\"message\":\"Invalid API key, please visit "
                                   "https://e2b.dev/docs/api-key for more information.\"}";

static faults_error_t create_refused(int status, const char *type, const char *body,
                                     const char *headers) {
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  fault_answer(fault_on(f.server, CREATE), status, type, body, headers);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_int_equal(error.http_status, status);
  assert_int_equal(error.attempts, 1);
  assert_int_equal(fault_count(f.server, NULL), 1);
  faults_close(&f);
  return error;
}

static void a_wrong_key_is_said_so(void **state) {
  (void)state;
  faults_error_t error = create_refused(401, "application/json", unauthorized, NULL);
  assert_int_equal(error.code, E2B_EAUTH);
  assert_true(strncmp(error.message, "E2B authentication failed", 25) == 0);
  assert_non_null(strstr(error.detail, "Invalid API key"));
  assert_false(error.maybe_applied);
  error = create_refused(401, "text/plain", "who are you?", NULL);
  assert_int_equal(error.code, E2B_EAUTH);
  assert_string_equal(error.detail, "who are you?");
}

static void a_blocked_team_is_forbidden(void **state) {
  (void)state;
  const faults_error_t error = create_refused(
      403, "application/json", "{\"code\":403,\"message\":\"team is blocked\"}", NULL);
  assert_int_equal(error.code, E2B_EFORBIDDEN);
  assert_string_equal(error.detail, "team is blocked");
}

static void an_unknown_template_is_not_found(void **state) {
  (void)state;
  const faults_error_t error = create_refused(
      404, "application/json", "{\"code\":404,\"message\":\"template 'x' not found\"}", NULL);
  assert_int_equal(error.code, E2B_ENOTFOUND);
}

#define PAUSE "POST /sandboxes/" FAULTS_SANDBOX_ID "/pause"

static int paused(faults_t *f) {
  e2b_future_t *future = e2b_sandbox_pause_by_id(f->h.client, FAULTS_SANDBOX_ID);
  assert_int_equal(harness_await(&f->h, future), 0);
  const int answer = e2b_future_bool(future);
  e2b_future_release(future);
  return answer;
}

static void already_paused(faults_t *f) {
  fault_answer(fault_on(f->server, PAUSE), 409, "application/json",
               "{\"code\":409,\"message\":\"Error pausing sandbox - sandbox "
               "'" FAULTS_SANDBOX_ID "' is already paused\"}",
               NULL);
}

static void a_pause_whose_answer_was_lost_was_ours(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_retries = 1;
  faults_client(&f);
  fault_reset(fault_once(f.server, PAUSE));
  already_paused(&f);
  assert_int_equal(paused(&f), 1);
  assert_int_equal(paused(&f), 0); /* and this one came too late */
  faults_close(&f);
}

static void a_pause_while_resuming_is_a_conflict(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, PAUSE), 409, "application/json",
               "{\"code\":409,\"message\":\"Sandbox '" FAULTS_SANDBOX_ID
               "' cannot be paused while in 'resuming' state\"}",
               NULL);
  assert_int_equal(faults_code(&f, e2b_sandbox_pause(f.sandbox)), E2B_ECONFLICT);
  faults_close(&f);
}

/* The URL was wrong, perhaps, and somebody else answered. */
static void who_refused_is_named(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  fault_answer(fault_on(f.server, "GET /v2/sandboxes"), 404, "text/html", "", NULL);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ENOTFOUND);
  char expected[128];
  snprintf(expected, sizeof expected, "not found (HTTP 404 from 127.0.0.1:%u)",
           (unsigned)fault_port(f.server));
  assert_string_equal(error.message, expected);
  faults_close(&f);
}

static void told_of(const e2b_client_options *options, const char *expected) {
  uv_loop_t loop;
  assert_int_equal(uv_loop_init(&loop), 0);
  e2b_client_t *client = e2b_client_new(&loop, options);
  e2b_future_t *future = e2b_sandbox_list(client, NULL);
  assert_int_equal(e2b_future_await(future, E2B_NO_TIMEOUT), E2B_EINVAL);
  assert_non_null(strstr(e2b_future_error(future)->message, expected));
  e2b_future_release(future);
  e2b_client_close(client, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void which_url_is_wrong_is_said(void **state) {
  (void)state;
  e2b_client_options options;
  E2B_INIT(&options);
  options.api_key = "e2b_0";
  options.api_url = "127.0.0.1:3000";
  told_of(&options, "api_url (or E2B_API_URL) is not an http:// or https:// URL");
  options.api_url = "http://127.0.0.1:3000";
  options.sandbox_url = "ftp://127.0.0.1";
  told_of(&options, "sandbox_url (or E2B_SANDBOX_URL) is not an http:// or https:// URL");
  options.sandbox_url = NULL;
  options.domain = "e2b.app/v2";
  told_of(&options, "domain (or E2B_DOMAIN) is not the name of a host");
}

static void a_bad_request_is_the_callers_fault(void **state) {
  (void)state;
  const faults_error_t error = create_refused(
      400, "application/json", "{\"code\":400,\"message\":\"validation error:\\n bad\"}", NULL);
  assert_int_equal(error.code, E2B_EREQUEST);
  assert_true(e2b_code_flags(error.code) & E2B_FLAG_INPUT);
}

static void a_conflict_is_one(void **state) {
  (void)state;
  const faults_error_t error = create_refused(
      409, "application/json",
      "{\"code\":409,\"message\":\"in flight\",\"error_code\":\"sandbox_start_in_flight\"}", NULL);
  assert_int_equal(error.code, E2B_ECONFLICT);
  assert_string_equal(error.server_code, "sandbox_start_in_flight");
}

static void a_rate_limit_names_the_wait(void **state) {
  (void)state;
  const faults_error_t error =
      create_refused(429, "application/json", "{\"code\":429,\"message\":\"Rate limit exceeded\"}",
                     "Retry-After: 7\r\n");
  assert_int_equal(error.code, E2B_ERATE);
  assert_int_equal(error.retry_after_ms, 7000);
}

static void a_limit_without_a_wait_is_the_quota(void **state) {
  (void)state;
  const faults_error_t error = create_refused(
      429, "application/json", "{\"code\":429,\"message\":\"20 concurrent sandboxes\"}", NULL);
  assert_int_equal(error.code, E2B_EQUOTA);
  assert_true(strncmp(error.message, "E2B quota exceeded", 18) == 0);
  assert_non_null(strstr(error.message, "20 concurrent sandboxes"));
  assert_int_equal(error.retry_after_ms, 0);
}

static void a_failing_server_leaves_it_open(void **state) {
  (void)state;
  faults_error_t error = create_refused(500, "application/json", "{\"code\":500}", NULL);
  assert_int_equal(error.code, E2B_ESERVER);
  assert_true(error.maybe_applied);
  error = create_refused(501, "text/plain", "no such thing", NULL);
  assert_int_equal(error.code, E2B_EUNIMPLEMENTED);
  assert_false(error.maybe_applied);
}

static void an_unavailable_server_is_unavailable(void **state) {
  (void)state;
  static const int statuses[] = {502, 503, 504};
  for (size_t i = 0; i < E2B__COUNT(statuses); i++) {
    const faults_error_t error =
        create_refused(statuses[i], "text/html", "<html>later</html>", "Retry-After: 2\r\n");
    assert_int_equal(error.code, E2B_EUNAVAILABLE);
    assert_int_equal(error.retry_after_ms, 2000);
  }
}

static void a_redirection_is_not_followed(void **state) {
  (void)state;
  const faults_error_t error = create_refused(302, "text/html", "", "Location: /elsewhere\r\n");
  assert_int_equal(error.code, E2B_EPROTOCOL);
}

static void a_success_that_describes_nothing_makes_no_sense(void **state) {
  (void)state;
  static const char *const bodies[] = {"", "{}", "[]", "{\"sandboxID\":7}", "<html>", "null"};
  for (size_t i = 0; i < E2B__COUNT(bodies); i++) {
    const faults_error_t error = create_refused(201, "application/json", bodies[i], NULL);
    assert_int_equal(error.code, E2B_EPROTOCOL);
    assert_true(error.maybe_applied);
  }
}

static void only_404_means_that_there_is_no_sandbox(void **state) {
  (void)state;
  static const struct {
    int status;
    int code;
  } rows[] = {{404, E2B_ESANDBOXNOTFOUND}, {400, E2B_EREQUEST},    {401, E2B_EAUTH},
              {403, E2B_EFORBIDDEN},       {410, E2B_EREQUEST},    {500, E2B_ESERVER},
              {502, E2B_EUNAVAILABLE},     {503, E2B_EUNAVAILABLE}};
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    fault_clear(f.server);
    fault_answer(fault_on(f.server, NULL), rows[i].status, "application/json",
                 "{\"code\":1,\"message\":\"Sandbox \\\"x\\\" doesn't exist\"}", NULL);
    assert_int_equal(faults_code(&f, e2b_sandbox_connect(f.h.client, "x", NULL)), rows[i].code);
    assert_int_equal(faults_code(&f, e2b_sandbox_get_info_by_id(f.h.client, "x")), rows[i].code);
    assert_int_equal(faults_code(&f, e2b_sandbox_set_timeout_by_id(f.h.client, "x", 1000)),
                     rows[i].code);
    e2b_future_t *kill = e2b_sandbox_kill_by_id(f.h.client, "x");
    const int rc = harness_await(&f.h, kill);
    assert_int_equal(rc, rows[i].status == 404 ? 0 : rows[i].code);
    assert_int_equal(e2b_future_bool(kill), 0);
    e2b_future_release(kill);
  }
  faults_close(&f);
}

static void a_list_that_is_none_makes_no_sense(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  fault_answer(fault_on(f.server, NULL), 200, "application/json", "{\"items\":[]}", NULL);
  assert_int_equal(faults_code(&f, e2b_sandbox_list(f.h.client, NULL)), E2B_EPROTOCOL);
  faults_close(&f);
}

static void answers_past_the_ceiling_are_refused(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.max_response_bytes = 1000;
  faults_client(&f);
  char *body = calloc(1, 5001);
  memset(body, ' ', 5000);
  fault_answer(fault_on(f.server, NULL), 200, "application/json", body, NULL);
  assert_int_equal(faults_code(&f, e2b_sandbox_list(f.h.client, NULL)), E2B_ETOOBIG);
  free(body);
  faults_close(&f);
}

/* 401 of the daemon's own, 401 of the Connect kind, the edge's, and what is nobody's. */
static void the_daemons_refusals_have_codes(void **state) {
  static const struct {
    int status;
    const char *type;
    const char *body;
    int code;
    e2b_presence_t presence;
  } rows[] = {
      {401, "application/json; charset=utf-8",
       "{\"code\":401,\"message\":\"unauthorized access, please provide a valid access token\"}\n",
       E2B_EAUTH, E2B_PRESENCE_ALIVE},
      {401, "application/json",
       "{\"code\":\"unauthenticated\",\"message\":\"invalid username: 'x'\"}", E2B_EAUTH,
       E2B_PRESENCE_ALIVE},
      {404, "application/json", "{\"code\":\"not_found\",\"message\":\"no such file\"}",
       E2B_ENOTFOUND, E2B_PRESENCE_ALIVE},
      {502, "application/json; charset=utf-8", FAULTS_GONE_BODY, E2B_ESANDBOXGONE,
       E2B_PRESENCE_GONE},
      {502, "application/json; charset=utf-8", FAULTS_PORT_BODY, E2B_EPORTCLOSED,
       E2B_PRESENCE_ALIVE},
      {502, "text/plain", "Failed to route request to sandbox", E2B_EUNAVAILABLE,
       E2B_PRESENCE_UNKNOWN},
      {500, "application/json", "{\"code\":\"internal\",\"message\":\"boom\"}", E2B_ESERVER,
       E2B_PRESENCE_ALIVE},
      {429, "application/json", "{\"sandboxId\":\"i1\",\"message\":\"too many\",\"code\":429}",
       E2B_ERATE, E2B_PRESENCE_UNKNOWN},
      {415, NULL, "", E2B_EREQUEST, E2B_PRESENCE_UNKNOWN},
  };
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    fault_clear(f.server);
    fault_answer(fault_on(f.server, NULL), rows[i].status, rows[i].type, rows[i].body, NULL);
    const faults_error_t error = faults_fails(&f, e2b_files_stat(f.sandbox, "/x", NULL));
    assert_int_equal(error.code, rows[i].code);
    assert_int_equal(error.sandbox, rows[i].presence);
    assert_int_equal(error.http_status, rows[i].status);
    assert_int_equal(fault_count(f.server, NULL), 1);
  }
  faults_close(&f);
}

static void a_sandbox_is_asked_whether_it_runs(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  faults_alive(&f); /* with its empty Content-Type */
  e2b_future_t *future = e2b_sandbox_is_running(f.sandbox);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_bool(future), 1);
  e2b_future_release(future);
  fault_clear(f.server);
  faults_gone(&f);
  future = e2b_sandbox_is_running(f.sandbox);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_bool(future), 0);
  e2b_future_release(future);
  fault_clear(f.server);
  fault_answer(fault_on(f.server, HEALTH), 403, "application/json",
               "{\"sandboxId\":\"i1\",\"message\":\"no\",\"code\":403}", NULL);
  assert_int_equal(faults_code(&f, e2b_sandbox_is_running(f.sandbox)), E2B_EAUTH);
  faults_close(&f);
}

typedef struct answer {
  unsigned count;
  int code;
  size_t len;
  char text[64];
} answer_t;

static void on_answer(void *ctx, const e2b__call_result_t *result) {
  answer_t *answer = ctx;
  answer->count++;
  answer->code = result->code;
  answer->len = result->body_len;
  strncpy(answer->text, result->body, sizeof answer->text - 1);
}

static answer_t ask(faults_t *f, size_t most) {
  answer_t answer = {0};
  e2b__call_t call;
  const e2b__call_request_t request = {
      .http = {.method = "GET", .url = fault_url(f->server)},
      .timeout_ms = E2B_NO_TIMEOUT,
      .max_response_bytes = most,
  };
  assert_int_equal(e2b__call_start(&call, f->h.client->http, &request, on_answer, &answer), 0);
  harness_until_count(&f->h, &answer.count, 1);
  return answer;
}

/* Both lie in the same buffer. */
static void an_answer_that_is_refused_has_nothing_of_the_one_before(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  fault_answer(fault_on(f.server, NULL), 200, "text/plain", "a secret", NULL);
  assert_string_equal(ask(&f, 8).text, "a secret");
  const answer_t refused = ask(&f, 7);
  assert_int_equal(refused.code, E2B_ETOOBIG);
  assert_int_equal(refused.len, 0);
  assert_string_equal(refused.text, "");
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wrong_key_is_said_so),
      cmocka_unit_test(a_blocked_team_is_forbidden),
      cmocka_unit_test(an_unknown_template_is_not_found),
      cmocka_unit_test(a_pause_whose_answer_was_lost_was_ours),
      cmocka_unit_test(a_pause_while_resuming_is_a_conflict),
      cmocka_unit_test(who_refused_is_named),
      cmocka_unit_test(which_url_is_wrong_is_said),
      cmocka_unit_test(a_bad_request_is_the_callers_fault),
      cmocka_unit_test(a_conflict_is_one),
      cmocka_unit_test(a_rate_limit_names_the_wait),
      cmocka_unit_test(a_limit_without_a_wait_is_the_quota),
      cmocka_unit_test(a_failing_server_leaves_it_open),
      cmocka_unit_test(an_unavailable_server_is_unavailable),
      cmocka_unit_test(a_redirection_is_not_followed),
      cmocka_unit_test(a_success_that_describes_nothing_makes_no_sense),
      cmocka_unit_test(only_404_means_that_there_is_no_sandbox),
      cmocka_unit_test(a_list_that_is_none_makes_no_sense),
      cmocka_unit_test(answers_past_the_ceiling_are_refused),
      cmocka_unit_test(an_answer_that_is_refused_has_nothing_of_the_one_before),
      IN_BOTH(the_daemons_refusals_have_codes),
      cmocka_unit_test(a_sandbox_is_asked_whether_it_runs),
  };
  return cmocka_run_group_tests_name("faults: refusals", tests, NULL, NULL);
}
