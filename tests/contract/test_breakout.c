/* SPDX-License-Identifier: MIT */
/* Values that would mean something else where they are put: the end of a header line, another host,
 * a time past all times, a handle that is none. */

#include "support/faults.h"

#include <signal.h>

static void a_line_break_in_the_user_agent_is_refused(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.user_agent = "mine\r\nX-Other: 1";
  faults_client(&f);
  assert_int_equal(faults_code(&f, e2b_sandbox_list(f.h.client, NULL)), E2B_EINVAL);
  assert_int_equal(fault_count(f.server, NULL), 0);
  faults_close(&f);
}

static void a_malformed_domain_is_refused_whatever_the_api_url_is(void **state) {
  (void)state;
  static const char *const domains[] = {"two words", "a.b/c", "a.b?c", "user@host", "a.b:x"};
  for (size_t i = 0; i < E2B__COUNT(domains); i++) {
    faults_t f;
    faults_open(&f, NULL);
    f.options.domain = domains[i];
    faults_client(&f);
    assert_int_equal(faults_code(&f, e2b_sandbox_create(f.h.client, NULL)), E2B_EINVAL);
    assert_int_equal(fault_count(f.server, NULL), 0);
    faults_close(&f);
  }
}

static void a_domain_may_name_a_port(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.domain = "e2b.localhost:4443";
  faults_sandbox(&f);
  assert_string_equal(e2b_sandbox_domain(f.sandbox), "e2b.localhost:4443");
  faults_close(&f);
}

static void what_the_server_says_ends_no_line_and_leads_to_no_other_host(void **state) {
  (void)state;
  static const char *const answers[] = {
      "{\"sandboxID\":\"i1\\r\\nX-Other: 1\"}",
      "{\"sandboxID\":\"i1.other.example/\"}",
      "{\"sandboxID\":\"i1@other.example\"}",
      "{\"sandboxID\":\"i1\",\"envdAccessToken\":\"t\\r\\nX-Other: 1\"}",
      "{\"sandboxID\":\"i1\",\"domain\":\"other.example/x\"}",
      "{\"sandboxID\":\"i1\",\"domain\":\"two words\"}",
  };
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  for (size_t i = 0; i < E2B__COUNT(answers); i++) {
    fault_clear(f.server);
    fault_answer(fault_on(f.server, CREATE), 201, "application/json", answers[i], NULL);
    const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
    assert_int_equal(error.code, E2B_EPROTOCOL);
    assert_true(error.maybe_applied);
  }
  faults_close(&f);
}

static void a_filter_without_a_value_is_invalid(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  faults_client(&f);
  const e2b_pair_t pairs[] = {{"name", NULL}, {NULL, "value"}};
  for (size_t i = 0; i < E2B__COUNT(pairs); i++) {
    e2b_list_options options;
    E2B_INIT(&options);
    options.metadata = &pairs[i];
    options.metadata_count = 1;
    assert_int_equal(faults_code(&f, e2b_sandbox_list(f.h.client, &options)), E2B_EINVAL);
  }
  faults_close(&f);
}

static void a_deadline_past_all_times_is_none(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = E2B_NO_TIMEOUT - 1;
  faults_sandbox(&f);
  fault_answer(fault_on(f.server, "GET /files"), 200, NULL, "x", NULL);
  e2b_file_options options;
  E2B_INIT(&options);
  options.request_timeout_ms = E2B_NO_TIMEOUT - 1;
  faults_succeeds(&f, e2b_files_read(f.sandbox, "/x", &options));
  bytes_t body = {0};
  put_usual(&f, &body);
  faults_stream(&f, fault_on(f.server, START), &body, true);
  bytes_free(&body);
  e2b_run_options run;
  E2B_INIT(&run);
  run.timeout_ms = run.first_event_timeout_ms = E2B_NO_TIMEOUT - 1;
  faults_succeeds(&f, e2b_run_command(f.sandbox, "ls", NULL, &run));
  faults_close(&f);
}

static void a_file_changed_past_all_times_has_a_time(void **state) {
  (void)state;
  /* entry { name "x", modified_time { seconds: the largest } } */
  static const char most[] = "\x0a\x0f\x0a\x01x\x4a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  faults_t f;
  faults_ready(&f, &faults_proto);
  fault_answer_bytes(fault_on(f.server, "/filesystem.Filesystem/Stat"), 200, "application/proto",
                     most, sizeof most - 1, NULL);
  e2b_future_t *future = e2b_files_stat(f.sandbox, "/x", NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_true(e2b_future_file_info(future)->modified_ms > INT64_MAX / 2);
  e2b_future_release(future);
  faults_close(&f);
}

static void a_command_that_is_none_yields_none(void **state) {
  (void)state;
  assert_null(e2b_command_wait(NULL));
  assert_null(e2b_command_write(NULL, "x", 1));
  assert_null(e2b_command_close_stdin(NULL));
  assert_null(e2b_command_signal(NULL, SIGTERM));
  assert_null(e2b_command_kill(NULL));
  assert_int_equal(e2b_command_pid(NULL), 0);
  e2b_command_pause(NULL);
  e2b_command_resume(NULL);
  e2b_command_disconnect(NULL);
  e2b_command_release(NULL);
  assert_int_equal(e2b_future_await(e2b_command_wait(NULL), 0), E2B_ENOMEM);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_break_in_the_user_agent_is_refused),
      cmocka_unit_test(a_malformed_domain_is_refused_whatever_the_api_url_is),
      cmocka_unit_test(a_domain_may_name_a_port),
      cmocka_unit_test(what_the_server_says_ends_no_line_and_leads_to_no_other_host),
      cmocka_unit_test(a_filter_without_a_value_is_invalid),
      IN_BOTH(a_deadline_past_all_times_is_none),
      cmocka_unit_test(a_file_changed_past_all_times_has_a_time),
      cmocka_unit_test(a_command_that_is_none_yields_none),
  };
  return cmocka_run_group_tests_name("values that break out", tests, NULL, NULL);
}
