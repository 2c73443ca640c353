/* SPDX-License-Identifier: MIT */
#include <nghttp2/nghttp2.h>

#include "support/h2_faults.h"

/* Windows that are shut, streams that are paused, ended or refused early, beside others. */

#define UPLOAD "POST /files"

enum { BODY = 1 << 20, OUTPUT = 4 << 20 };

static h2_answer_t stored = {200, "text/plain; charset=utf-8",
                             "[{\"name\":\"x\",\"path\":\"/x\",\"type\":\"file\"}]"};
static h2_answer_t full = {507, "application/json",
                           "{\"code\":507,\"message\":\"not enough disk space available\"}"};

static void an_upload_waits_for_its_window(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_sandbox(&t);
  h2_settings(t.server)->window = 0;
  h2_on(t.server, UPLOAD, h2_answers, &stored);
  h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
  char *data = calloc(1, BODY);
  assert_non_null(data);
  e2b_future_t *future = e2b_files_write(t.f.sandbox, "/x", data, BODY, NULL);
  h2_until_asked(&t, 1);
  h2_until_read(&t, 1); /* SETTINGS too */
  faults_succeeds(&t.f, e2b_sandbox_is_running(t.f.sandbox));
  h2_request_t *request = h2_request(t.server, UPLOAD, 0);
  assert_false(request->complete);
  const uint64_t before = request->body_bytes;
  assert_true(before < BODY);
  h2_open_window(request, 2 * BODY);
  faults_succeeds(&t.f, future);
  assert_true(request->complete);
  assert_true(request->body_bytes >= BODY);
  assert_int_equal(h2_count(t.server, UPLOAD), 1);
  assert_int_equal(h2_connections(t.server), 1);
  free(data);
  h2_close(&t);
}

static void an_upload_whose_window_stays_shut_is_given_up(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  t.f.options.silence_timeout_ms = 100;
  h2_sandbox(&t);
  h2_settings(t.server)->window = 0;
  e2b_upload_t *upload;
  e2b_future_t *future = e2b_files_write_stream(t.f.sandbox, "/x", NULL, NULL, NULL, &upload);
  char piece[1 << 16] = {0};
  while (e2b_upload_write(upload, piece, sizeof piece) == 0) {
  }
  const faults_error_t error = faults_fails(&t.f, future);
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_SILENCE);
  assert_true(error.maybe_applied);
  e2b_upload_release(upload);
  h2_close(&t);
}

/* The answer is whole, and nobody wants the rest of the body. */
static void an_upload_may_be_refused_early(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_sandbox(&t);
  h2_on_head(t.server, UPLOAD, h2_answers, &full);
  h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
  e2b_upload_t *upload;
  e2b_future_t *future = e2b_files_write_stream(t.f.sandbox, "/x", NULL, NULL, NULL, &upload);
  assert_int_equal(e2b_upload_write(upload, "abc", 3), 0);
  const faults_error_t error = faults_fails(&t.f, future);
  assert_int_equal(error.code, E2B_ENOSPACE);
  assert_int_equal(error.http_status, 507);
  assert_int_equal(h2_count(t.server, UPLOAD), 1);
  e2b_upload_release(upload);
  faults_succeeds(&t.f, e2b_sandbox_is_running(t.f.sandbox));
  h2_close(&t);
}

/* --- a running program ------------------------------------------------------------------------ */

static void begin_program(h2_request_t *request, void *ctx) {
  const bytes_t *begun = ctx;
  h2_head(request, 200, "application/connect+proto", -1);
  h2_data(request, begun->data, begun->len);
}

typedef struct program {
  h2_faults_t t;
  bytes_t begun;
  e2b_command_t *command;
  uint64_t seen;
  bool pause;
} program_t;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  program_t *p = user_data;
  (void)data;
  p->seen += len;
  if (p->pause) e2b_command_pause(command);
  p->pause = false;
}

static void program_open(program_t *p) {
  memset(p, 0, sizeof *p);
  h2_open(&p->t);
  h2_sandbox(&p->t);
  put_start(&p->t.f, &p->begun, 7);
  h2_on(p->t.server, HEALTH, h2_answers, &h2_nothing);
  h2_on(p->t.server, START, begin_program, &p->begun);
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_stdout = on_output;
  options.user_data = p;
  e2b_future_t *future = e2b_command_start(p->t.f.sandbox, "cat", NULL, &options);
  assert_int_equal(harness_await(&p->t.f.h, future), 0);
  p->command = e2b_future_command(future);
  e2b_future_release(future);
}

static void program_close(program_t *p) {
  bytes_free(&p->begun);
  e2b_command_release(p->command);
  h2_close(&p->t);
}

static bool all_seen(void *ctx) {
  return ((program_t *)ctx)->seen == OUTPUT;
}

static void a_paused_stream_holds_up_none_beside_it(void **state) {
  (void)state;
  static program_t p;
  program_open(&p);
  h2_request_t *request = h2_request(p.t.server, START, 0);
  static char words[1 << 16];
  bytes_t out = {NULL, 0};
  for (size_t i = 0; i < OUTPUT; i += sizeof words) {
    put_out(&p.t.f, &out, words, sizeof words);
  }
  p.pause = true;
  h2_data(request, out.data, out.len);
  harness_turn_once(&p.t.f.h);
  while (p.pause) {
    harness_turn_once(&p.t.f.h);
  }
  for (int i = 0; i < 20; i++) {
    faults_succeeds(&p.t.f, e2b_sandbox_is_running(p.t.f.sandbox));
  }
  assert_int_equal(h2_connections(p.t.server), 1);
  assert_true(p.seen < OUTPUT);
  e2b_command_resume(p.command);
  harness_until(&p.t.f.h, all_seen, &p);
  bytes_free(&out);
  program_close(&p);
}

static bool is_reset(void *ctx) {
  return ((const h2_request_t *)ctx)->reset;
}

/* The server hears of it with the next call, before which curl 7.88 keeps it to itself; the
 * connection goes on. */
static void who_leaves_a_stream_resets_it(void **state) {
  (void)state;
  static program_t p;
  program_open(&p);
  h2_request_t *request = h2_request(p.t.server, START, 0);
  e2b_command_disconnect(p.command);
  faults_succeeds(&p.t.f, e2b_sandbox_is_running(p.t.f.sandbox));
  harness_until(&p.t.f.h, is_reset, request);
  assert_int_equal(h2_connections(p.t.server), 1);
  program_close(&p);
}

static void a_cancelled_call_resets_its_stream(void **state) {
  (void)state;
  static program_t p;
  program_open(&p);
  h2_clear(p.t.server);
  e2b_future_t *future = e2b_sandbox_is_running(p.t.f.sandbox);
  h2_until_asked(&p.t, 2);
  e2b_future_cancel(future);
  assert_int_equal(faults_code(&p.t.f, future), E2B_ECANCELED);
  h2_on(p.t.server, HEALTH, h2_answers, &h2_nothing);
  faults_succeeds(&p.t.f, e2b_sandbox_is_running(p.t.f.sandbox));
  harness_until(&p.t.f.h, is_reset, h2_request(p.t.server, HEALTH, 0));
  assert_false(h2_request(p.t.server, START, 0)->reset);
  assert_int_equal(h2_connections(p.t.server), 1);
  program_close(&p);
}

static bool none_open(void *ctx) {
  return h2_connections_open(ctx) == 0;
}

static void closing_the_client_ends_its_streams(void **state) {
  (void)state;
  static program_t p;
  program_open(&p);
  h2_clear(p.t.server);
  e2b_future_t *futures[] = {e2b_command_wait(p.command), e2b_sandbox_is_running(p.t.f.sandbox),
                             e2b_run_command(p.t.f.sandbox, "ls", NULL, NULL)};
  h2_until_asked(&p.t, 3);
  harness_close_client(&p.t.f.h);
  for (size_t i = 0; i < E2B__COUNT(futures); i++) {
    assert_int_equal(e2b_future_is_done(futures[i]), 1);
    assert_int_equal(e2b_future_error(futures[i])->code, E2B_ECLOSED);
    e2b_future_release(futures[i]);
  }
  harness_until(&p.t.f.h, none_open, p.t.server);
  program_close(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_upload_waits_for_its_window),
      cmocka_unit_test(an_upload_whose_window_stays_shut_is_given_up),
      cmocka_unit_test(an_upload_may_be_refused_early),
      cmocka_unit_test(a_paused_stream_holds_up_none_beside_it),
      cmocka_unit_test(who_leaves_a_stream_resets_it),
      cmocka_unit_test(a_cancelled_call_resets_its_stream),
      cmocka_unit_test(closing_the_client_ends_its_streams),
  };
  return cmocka_run_group_tests_name("HTTP/2: flow", tests, NULL, NULL);
}
