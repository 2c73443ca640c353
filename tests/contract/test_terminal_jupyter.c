/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/faults.h"
#include "support/peer.h"

/* A Jupyter server that refuses, in the words of the real one (protocol 7.2, 7.3), and what the
 * user is told to do about it; and one that says nothing. */

static e2b_future_t *create(faults_t *f, const char *credential) {
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_JUPYTER;
  options.base_url = fault_url(f->server);
  options.credential = credential;
  return e2b_terminal_create(f->sandbox, &options);
}

static e2b_future_t *get(faults_t *f, const char *credential) {
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_JUPYTER;
  options.base_url = fault_url(f->server);
  options.credential = credential;
  return e2b_terminal_get_by_id(f->sandbox, "x", &options);
}

static e2b_terminal_list_options list_options(faults_t *f, const char *credential) {
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_JUPYTER;
  options.base_url = fault_url(f->server);
  options.credential = credential;
  return options;
}

static e2b_future_t *list(faults_t *f, const char *credential) {
  const e2b_terminal_list_options options = list_options(f, credential);
  return e2b_terminal_list(f->sandbox, &options);
}

static e2b_future_t *kill_one(faults_t *f, const char *credential) {
  const e2b_terminal_list_options options = list_options(f, credential);
  return e2b_terminal_kill_by_id(f->sandbox, "x", &options);
}

#define FORBIDDEN "{\"message\": \"Forbidden\", \"reason\": null}"

static const struct {
  const char *request;
  const char *body;
  e2b_future_t *(*start)(faults_t *f, const char *credential);
} calls[] = {
    {"POST /api/terminals", "{\"message\": \"'_xsrf' argument missing from POST\"}", create},
    {"GET /terminals/websocket/x", "", get},
    {"GET /api/terminals", FORBIDDEN, list},
    {"DELETE /api/terminals/x", FORBIDDEN, kill_one},
};

static void a_token_that_is_missing_or_wrong_is_said_so(void **state) {
  (void)state;
  static const char *const credentials[] = {NULL, "wrong-secret"};
  static const int statuses[] = {401, 403};
  for (size_t i = 0; i < E2B__COUNT(calls) * 4; i++) {
    const char *credential = credentials[i % 2];
    const size_t call = i / 4;
    faults_t f;
    faults_ready(&f, NULL);
    fault_answer(fault_on(f.server, calls[call].request), statuses[i / 2 % 2], "application/json",
                 calls[call].body, NULL);
    const faults_error_t error = faults_fails(&f, calls[call].start(&f, credential));
    assert_int_equal(error.code, E2B_EAUTH);
    assert_int_equal(error.http_status, statuses[i / 2 % 2]);
    assert_non_null(strstr(error.message, "the Jupyter server"));
    assert_non_null(strstr(error.message, "`credential`"));
    assert_non_null(strstr(error.message, credential == NULL ? "wants its token" : "refuses"));
    assert_null(strstr(error.message, "secret"));
    assert_null(strstr(f.h.log, "secret"));
    assert_int_equal(fault_count(f.server, NULL), 1);
    faults_close(&f);
  }
}

/* In front of one in a sandbox is the edge, which has a token of its own. */
static void the_edges_refusal_is_not_the_servers(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(calls); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    fault_answer(fault_on(f.server, calls[i].request), 403, "application/json; charset=utf-8",
                 "{\"sandboxId\":\"" FAULTS_SANDBOX_ID "\",\"message\":\"Sandbox is secured with "
                 "traffic access token. Token header 'e2b-traffic-access-token' is missing\","
                 "\"code\":403}",
                 NULL);
    const faults_error_t error = faults_fails(&f, calls[i].start(&f, NULL));
    assert_int_equal(error.code, E2B_EAUTH);
    assert_non_null(strstr(error.message, "'e2b-traffic-access-token' is missing"));
    assert_null(strstr(error.message, "Jupyter"));
    faults_close(&f);
  }
}

static void other_refusals_keep_their_words(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(calls); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    fault_answer(fault_on(f.server, calls[i].request), 400, "application/json",
                 "{\"message\": \"Invalid JSON in body of request\", \"reason\": null}", NULL);
    const faults_error_t error = faults_fails(&f, calls[i].start(&f, NULL));
    assert_int_equal(error.code, E2B_EREQUEST);
    assert_non_null(strstr(error.message, "Invalid JSON"));
    faults_close(&f);
  }
}

/* It takes every connection, and is there: it would answer a ping. */
static void a_server_that_never_speaks_is_not_waited_for(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.first_event_timeout_ms = 100;
  f.options.request_timeout_ms = 400;
  faults_sandbox(&f);
  peer_t *peer = peer_start(&f.h.loop);
  harness_at_stop(&f.h, peer_stop, peer);
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", peer_port(peer));
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_JUPYTER;
  options.base_url = url;
  const faults_error_t error = faults_fails(&f, e2b_terminal_get_by_id(f.sandbox, "x", &options));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_FIRST_EVENT);
  assert_true(peer_accepted(peer) > 1);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_token_that_is_missing_or_wrong_is_said_so),
      cmocka_unit_test(the_edges_refusal_is_not_the_servers),
      cmocka_unit_test(other_refusals_keep_their_words),
      cmocka_unit_test(a_server_that_never_speaks_is_not_waited_for),
  };
  return cmocka_run_group_tests_name("terminal jupyter refusals", tests, NULL, NULL);
}
