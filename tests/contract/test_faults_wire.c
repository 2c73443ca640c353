/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/faults.h"

/* What the client puts on the wire: the hazards of the protocol that a request can step on. */

static void answer_run(faults_t *f) {
  bytes_t body = {NULL, 0};
  put_usual(f, &body);
  faults_stream(f, fault_on(f->server, START), &body, true);
  bytes_free(&body);
}

static const char *timeout_sent_for(faults_t *f, uint64_t timeout_ms) {
  fault_clear(f->server);
  answer_run(f);
  e2b_run_options options;
  E2B_INIT(&options);
  options.timeout_ms = timeout_ms;
  faults_succeeds(f, e2b_run_shell(f->sandbox, "true", &options));
  fault_request_t *request = fault_request(f->server, START, 0);
  assert_string_equal(fault_header(request, "Keepalive-Ping-Interval"), "50");
  return fault_header(request, "Connect-Timeout-Ms");
}

/* 0, a fraction or eleven digits make the daemon run the program for ever, or refuse it. */
static void a_lifetime_is_a_whole_number_above_nothing(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  assert_null(timeout_sent_for(&f, 0));
  assert_null(timeout_sent_for(&f, E2B_NO_TIMEOUT));
  assert_null(timeout_sent_for(&f, E2B_NO_TIMEOUT - 1));
  assert_null(timeout_sent_for(&f, 10000000000u));
  assert_string_equal(timeout_sent_for(&f, 1), "1");
  assert_string_equal(timeout_sent_for(&f, 1500), "1500");
  assert_string_equal(timeout_sent_for(&f, 9999999999u), "9999999999");
  faults_close(&f);
}

/* The daemon takes a half-close for a hang-up. */
static void nothing_is_closed_before_the_end(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_usual(&f, &body);
  fault_rule_t *rule = fault_on(f.server, START);
  fault_hold(rule);
  faults_stream(&f, rule, &body, false);
  fault_hold(rule);
  fault_last_chunk(rule);
  e2b_future_t *future = e2b_run_shell(f.sandbox, "true", NULL);
  while (fault_held(f.server) == 0) {
    harness_turn(&f.h, 1);
  }
  harness_turn(&f.h, 20);
  assert_int_equal(fault_half_closes(f.server), 0);
  fault_release(f.server);
  while (fault_held(f.server) == 0) {
    harness_turn(&f.h, 1);
  }
  harness_turn(&f.h, 20);
  assert_int_equal(fault_half_closes(f.server), 0);
  fault_release(f.server);
  faults_succeeds(&f, future);
  assert_int_equal(fault_half_closes(f.server), 0);
  bytes_free(&body);
  faults_close(&f);
}

static void nothing(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  (void)transfer;
  (void)data;
  (void)len;
  (void)user_data;
}

/* One of everything that goes to the sandbox. */
static void call_everything(faults_t *f, const char *user) {
  static const char stored[] = "[{\"name\":\"a\",\"path\":\"/a\",\"type\":\"file\"}]";
  answer_run(f);
  faults_alive(f);
  fault_answer(fault_on(f->server, "GET /files"), 200, "text/plain", "text", NULL);
  fault_answer(fault_on(f->server, "POST /files"), 200, "text/plain", stored, NULL);
  fault_answer(fault_on(f->server, NULL), 200, NULL, "", NULL); /* an empty message, or no JSON */
  e2b_file_options options;
  E2B_INIT(&options);
  options.user = user;
  e2b_run_options run;
  E2B_INIT(&run);
  run.user = user;
  char *big = calloc(1, 1500000);
  assert_non_null(big);
  e2b_upload_t *upload = NULL;
  e2b_future_t *futures[16];
  size_t count = 0;
  futures[count++] = e2b_run_shell(f->sandbox, "true", &run);
  futures[count++] = e2b_files_stat(f->sandbox, "/x", &options);
  futures[count++] = e2b_files_list(f->sandbox, "/x", 1, &options);
  futures[count++] = e2b_files_mkdir(f->sandbox, "/x", &options);
  futures[count++] = e2b_files_rename(f->sandbox, "/x", "/y", &options);
  futures[count++] = e2b_files_remove(f->sandbox, "/x", &options);
  futures[count++] = e2b_files_read(f->sandbox, "/x", &options);
  futures[count++] = e2b_files_read_stream(f->sandbox, "/x", nothing, NULL, &options);
  futures[count++] = e2b_files_write(f->sandbox, "/x", big, 1500000, &options);
  futures[count++] = e2b_files_write_stream(f->sandbox, "/x", NULL, NULL, &options, &upload);
  futures[count++] = e2b_command_list(f->sandbox);
  futures[count++] = e2b_command_kill_by_pid(f->sandbox, 7);
  futures[count++] = e2b_sandbox_is_running(f->sandbox);
  assert_int_equal(e2b_upload_write(upload, big, 100000), 0);
  assert_int_equal(e2b_upload_end(upload), 0);
  e2b_upload_release(upload);
  for (size_t i = 0; i < count; i++) {
    harness_await(&f->h, futures[i]);
    e2b_future_release(futures[i]);
  }
  assert_int_equal(fault_count(f->server, NULL), count);
  free(big);
}

static void requests_to_the_sandbox_carry_what_they_should(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  const bool json = f.options.rpc_encoding == E2B_RPC_JSON;
  call_everything(&f, "worker");
  fault_request_t *request;
  for (unsigned i = 0; (request = fault_request(f.server, NULL, i)) != NULL; i++) {
    assert_true(request->complete);
    assert_null(fault_header(request, "X-API-KEY"));
    assert_null(strstr(request->head, HARNESS_KEY));
    assert_null(fault_header(request, "Accept-Encoding"));
    assert_null(fault_header(request, "Connect-Accept-Encoding"));
    assert_null(fault_header(request, "Content-Encoding"));
    assert_null(fault_header(request, "Expect"));
    assert_string_equal(fault_header(request, "User-Agent"), "libe2b/" E2B_VERSION);
    assert_string_equal(fault_header(request, "X-Access-Token"), FAULTS_TOKEN);
    assert_string_equal(fault_header(request, "E2b-Sandbox-Id"), FAULTS_SANDBOX_ID);
    assert_string_equal(fault_header(request, "E2b-Sandbox-Port"), "49983");
    const bool stream = strcmp(request->path, "/process.Process/Start") == 0;
    assert_int_equal(fault_header(request, "Keepalive-Ping-Interval") != NULL, stream);
    if (strchr(request->path, '.') == NULL) { /* no service */
      assert_null(fault_header(request, "Authorization"));
      const bool files = strcmp(request->path, "/files") == 0;
      assert_int_equal(strstr(request->target, "username=worker") != NULL, files);
      continue;
    }
    assert_string_equal(fault_header(request, "Connect-Protocol-Version"), "1");
    const char *type = fault_header(request, "Content-Type");
    assert_string_equal(type, stream ? faults_stream_type(&f)
                              : json ? "application/json"
                                     : "application/proto");
    const char *by = fault_header(request, "Authorization");
    const bool process = strncmp(request->path, "/process", 8) == 0;
    if (!process || stream) assert_string_equal(by, "Basic d29ya2VyOg==");
    /* A JSON message is never empty (protocol 5.4). */
    if (json && !stream) assert_int_equal(*request->body, '{');
  }
  faults_close(&f);
}

static void nobody_is_named_who_was_not_asked_for(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  call_everything(&f, NULL);
  fault_request_t *request;
  for (unsigned i = 0; (request = fault_request(f.server, NULL, i)) != NULL; i++) {
    assert_null(fault_header(request, "Authorization"));
    assert_null(strstr(request->target, "username"));
    assert_null(fault_header(request, "Connect-Timeout-Ms"));
  }
  faults_close(&f);
}

static void a_sandbox_without_a_token_sends_none(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.user_agent = "mine/1.0";
  faults_client(&f);
  fault_answer(fault_on(f.server, CREATE), 201, "application/json", "{\"sandboxID\":\"i1\"}", NULL);
  e2b_future_t *future = e2b_sandbox_create(f.h.client, NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  f.sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  fault_request_t *request = fault_request(f.server, CREATE, 0);
  assert_string_equal(fault_header(request, "X-API-KEY"), HARNESS_KEY);
  assert_string_equal(fault_header(request, "User-Agent"), "mine/1.0");
  assert_null(fault_header(request, "Expect"));
  assert_null(fault_header(request, "Accept-Encoding"));
  faults_alive(&f);
  faults_succeeds(&f, e2b_sandbox_is_running(f.sandbox));
  request = fault_request(f.server, HEALTH, 0);
  assert_null(fault_header(request, "X-Access-Token"));
  assert_null(fault_header(request, "X-API-KEY"));
  assert_string_equal(fault_header(request, "User-Agent"), "mine/1.0");
  faults_close(&f);
}

static void an_api_header_may_name_the_program(void **state) {
  (void)state;
  static const e2b_pair_t header = {"user-agent", "other/2.0"};
  faults_t f;
  faults_open(&f, NULL);
  f.options.user_agent = "mine/1.0";
  f.options.api_headers = &header;
  f.options.api_headers_count = 1;
  faults_client(&f);
  fault_answer(fault_on(f.server, NULL), 200, "application/json", "[]", NULL);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  fault_request_t *request = fault_request(f.server, NULL, 0);
  assert_string_equal(fault_header(request, "User-Agent"), "other/2.0");
  assert_null(strstr(request->head, "mine/1.0")); /* nor a second one */
  faults_close(&f);
}

/* Unary answers above 2048 bytes come in chunks. */
static void an_answer_may_come_in_chunks(void **state) {
  enum { ENTRIES = 500 };
  faults_t f;
  faults_ready(&f, *state);
  const bool json = f.options.rpc_encoding == E2B_RPC_JSON;
  bytes_t body = {NULL, 0};
  if (json) bytes_add(&body, "{\"entries\":[", 12);
  for (int i = 0; i < ENTRIES; i++) {
    char entry[64];
    const char *form = json ? "%s{\"name\":\"f%04d\"}"
                            : "%s\x0a\x07\x0a\x05"
                              "f%04d";
    const int len = snprintf(entry, sizeof entry, form, json && i > 0 ? ", " : "", i);
    bytes_add(&body, entry, (size_t)len);
  }
  if (json) bytes_add(&body, "]}", 2);
  fault_rule_t *rule = fault_on(f.server, NULL);
  fault_head_chunked(rule, 200, json ? "application/json" : "application/proto", NULL);
  fault_chunk(rule, body.data, 2048);
  fault_chunk(rule, body.data + 2048, body.len - 2048);
  fault_last_chunk(rule);
  e2b_future_t *future = e2b_files_list(f.sandbox, "/", 1, NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  const e2b_file_list_t *list = e2b_future_file_list(future);
  assert_int_equal(list->count, ENTRIES);
  assert_string_equal(list->items[ENTRIES - 1].name, "f0499");
  e2b_future_release(future);
  bytes_free(&body);
  faults_close(&f);
}

/* Trailers are legal, and nobody's business. */
static void an_answer_may_have_trailers(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  fault_rule_t *rule = fault_on(f.server, "GET /files");
  fault_head_chunked(rule, 200, "text/plain", "Trailer: X-Sum\r\n");
  fault_chunk(rule, "text", 4);
  fault_text(rule, "0\r\nX-Sum: 12\r\n\r\n");
  e2b_future_t *future = e2b_files_read(f.sandbox, "/x", NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_string_equal(e2b_future_bytes(future)->ptr, "text");
  e2b_future_release(future);
  faults_close(&f);
}

static void an_informal_answer_comes_before_the_real_one(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  fault_rule_t *rule = fault_on(f.server, "GET /files");
  fault_text(rule, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
  fault_answer(rule, 200, "text/plain", "text", NULL);
  faults_succeeds(&f, e2b_files_read(f.sandbox, "/x", NULL));
  faults_close(&f);
}

/* Everything goes wrong at the loudest level of the log; faults_close() looks for secrets. */
static void a_secret_is_never_logged(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.max_retries = 1;
  faults_sandbox(&f);
  fault_answer(fault_on(f.server, NULL), 503, "text/plain", "token " FAULTS_TOKEN, NULL);
  e2b_future_release(e2b_files_stat(f.sandbox, "/x", NULL));
  e2b_future_t *future = e2b_sandbox_list(f.h.client, NULL);
  assert_int_equal(harness_await(&f.h, future), E2B_EUNAVAILABLE);
  e2b_future_release(future);
  assert_non_null(strstr(f.h.log, "try 2"));
  const e2b_pair_t secret = {"token", "metadata-secret-1"};
  e2b_list_options options;
  E2B_INIT(&options);
  options.metadata = &secret;
  options.metadata_count = 1;
  future = e2b_sandbox_list(f.h.client, &options);
  harness_await(&f.h, future);
  assert_null(strstr(e2b_future_error(future)->message, secret.value));
  e2b_future_release(future);
  assert_null(strstr(f.h.log, secret.value));
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_lifetime_is_a_whole_number_above_nothing),
      IN_BOTH(nothing_is_closed_before_the_end),
      IN_BOTH(requests_to_the_sandbox_carry_what_they_should),
      IN_BOTH(nobody_is_named_who_was_not_asked_for),
      cmocka_unit_test(a_sandbox_without_a_token_sends_none),
      cmocka_unit_test(an_api_header_may_name_the_program),
      IN_BOTH(an_answer_may_come_in_chunks),
      IN_BOTH(an_answer_may_have_trailers),
      IN_BOTH(an_informal_answer_comes_before_the_real_one),
      IN_BOTH(a_secret_is_never_logged),
  };
  return cmocka_run_group_tests_name("faults: the wire", tests, NULL, NULL);
}
