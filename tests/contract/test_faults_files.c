/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/faults.h"

/* Downloads that are refused, cut, held up. */

#define DOWNLOAD "GET /files"

static const struct refusal {
  int status;
  const char *type;
  const char *body;
  int code;
  const char *text;
} refusals[] = {
    {404, "application/json; charset=utf-8",
     "{\"code\":404,\"message\":\"path '/x' does not exist\"}\n", E2B_ENOTFOUND,
     "path '/x' does not exist"},
    {400, "application/json; charset=utf-8",
     "{\"code\":400,\"message\":\"path '/x' is a directory\"}\n", E2B_EREQUEST,
     "path '/x' is a directory"},
    {400, "text/plain; charset=utf-8", "Invalid format for parameter path: multiple values\n",
     E2B_EREQUEST, "Invalid format"},
    {401, "application/json; charset=utf-8", "{\"code\":401,\"message\":\"unauthorized access\"}\n",
     E2B_EAUTH, "unauthorized access"},
    {500, "text/plain; charset=utf-8", "seeker can't seek\n", E2B_ESERVER, "seeker can't seek"},
    {502, "application/json; charset=utf-8", FAULTS_GONE_BODY, E2B_ESANDBOXGONE, "not found"},
    {507, "application/json; charset=utf-8",
     "{\"code\":507,\"message\":\"attempted to write 10 bytes: not enough disk space "
     "available\"}\n",
     E2B_ENOSPACE, "not enough disk space"},
};

static void never(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  (void)transfer;
  (void)data;
  (void)len;
  (void)user_data;
  fail_msg("an answer that is an error was taken for content");
}

static void refusals_keep_the_daemons_words(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  for (size_t i = 0; i < E2B__COUNT(refusals); i++) {
    const struct refusal *row = &refusals[i];
    e2b_upload_t *upload;
    fault_clear(f.server);
    fault_answer(fault_on(f.server, NULL), row->status, row->type, row->body, NULL);
    e2b_future_t *futures[] = {e2b_files_read(f.sandbox, "/x", NULL),
                               e2b_files_read_stream(f.sandbox, "/x", never, NULL, NULL),
                               e2b_files_write(f.sandbox, "/x", "0123456789", 10, NULL),
                               e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload)};
    assert_int_equal(e2b_upload_end(upload), 0);
    e2b_upload_release(upload);
    for (size_t k = 0; k < E2B__COUNT(futures); k++) {
      const faults_error_t error = faults_fails(&f, futures[k]);
      assert_int_equal(error.code, row->code);
      assert_int_equal(error.http_status, row->status);
      assert_non_null(strstr(error.message, row->text));
      assert_int_equal(error.attempts, 1);
    }
    assert_int_equal(fault_count(f.server, NULL), 4);
  }
  faults_close(&f);
}

/* --- content that breaks off -------------------------------------------------------------------
 */

typedef struct sink {
  bytes_t got;
  unsigned calls;
  e2b_transfer_t *transfer;
  void (*act)(struct sink *sink);
  e2b_future_t *future;
} sink_t;

static void on_piece(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  sink_t *sink = user_data;
  sink->calls++;
  sink->transfer = transfer;
  bytes_add(&sink->got, data, len);
  if (sink->act != NULL) sink->act(sink);
}

static void content_that_breaks_off_is_lost(void **state) {
  (void)state;
  void (*const ends[])(fault_rule_t *) = {fault_close, fault_reset, fault_half_close};
  for (size_t i = 0; i < E2B__COUNT(ends) * 2; i++) {
    faults_t f;
    faults_ready(&f, NULL);
    faults_alive(&f);
    fault_rule_t *rule = fault_on(f.server, DOWNLOAD);
    if (i % 2 == 0) {
      fault_text(rule, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning");
    } else {
      fault_head_chunked(rule, 200, "text/plain", NULL);
      fault_chunk(rule, "beginning", 9);
    }
    ends[i / 2](rule);
    faults_error_t error = faults_fails(&f, e2b_files_read(f.sandbox, "/x", NULL));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    sink_t sink = {{NULL, 0}, 0, NULL, NULL, NULL};
    error = faults_fails(&f, e2b_files_read_stream(f.sandbox, "/x", on_piece, &sink, NULL));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_int_equal(error.http_status, 200);
    assert_string_equal(sink.got.data, "beginning");
    assert_int_equal(fault_count(f.server, DOWNLOAD), 2);
    assert_int_equal(fault_count(f.server, HEALTH), 2);
    bytes_free(&sink.got);
    faults_close(&f);
  }
}

/* Without its blank line a head is no head, and the file not empty. */
static void a_head_that_breaks_off_is_no_empty_file(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  faults_gone(&f);
  fault_rule_t *rule = fault_on(f.server, DOWNLOAD);
  fault_text(rule, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
  fault_close(rule);
  assert_int_equal(faults_code(&f, e2b_files_read(f.sandbox, "/x", NULL)), E2B_ESANDBOXGONE);
  assert_int_equal(faults_code(&f, e2b_files_read_stream(f.sandbox, "/x", never, NULL, NULL)),
                   E2B_ESANDBOXGONE);
  faults_close(&f);
}

/* More than was announced does not become part of the next answer. */
static void content_beyond_its_length_is_not_mixed_up(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_text(fault_once(f.server, DOWNLOAD),
             "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntextHTTP/1.1 200 OK\r\n"
             "Content-Length: 5\r\n\r\nwrong");
  fault_answer(fault_on(f.server, DOWNLOAD), 200, "text/plain", "right", NULL);
  e2b_future_t *future = e2b_files_read(f.sandbox, "/x", NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_string_equal(e2b_future_bytes(future)->ptr, "text");
  e2b_future_release(future);
  future = e2b_files_read(f.sandbox, "/x", NULL);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_string_equal(e2b_future_bytes(future)->ptr, "right");
  e2b_future_release(future);
  faults_close(&f);
}

static void content_has_a_ceiling(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, DOWNLOAD), 200, "text/plain", "0123456789", NULL);
  e2b_file_options options;
  E2B_INIT(&options);
  options.max_bytes = 9;
  assert_int_equal(faults_code(&f, e2b_files_read(f.sandbox, "/x", &options)), E2B_ETOOBIG);
  options.max_bytes = 10;
  faults_succeeds(&f, e2b_files_read(f.sandbox, "/x", &options));
  faults_close(&f);
}

static void a_silent_download_is_given_up(void **state) {
  (void)state;
  for (int begun = 0; begun < 2; begun++) {
    faults_t f;
    faults_open(&f, NULL);
    f.options.silence_timeout_ms = f.options.first_event_timeout_ms = 80;
    faults_sandbox(&f);
    fault_rule_t *rule = fault_on(f.server, DOWNLOAD);
    if (begun) fault_text(rule, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning");
    fault_hang(rule);
    sink_t sink = {{NULL, 0}, 0, NULL, NULL, NULL};
    const faults_error_t error =
        faults_fails(&f, e2b_files_read_stream(f.sandbox, "/x", on_piece, &sink, NULL));
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_int_equal(error.clock, begun ? E2B_CLOCK_SILENCE : E2B_CLOCK_FIRST_EVENT);
    bytes_free(&sink.got);
    faults_close(&f);
  }
}

/* --- in bulk ------------------------------------------------------------------------------------
 */

enum { TOTAL = 32 << 20 };

static size_t make(void *ctx, char *to, size_t size) {
  uint64_t *left = ctx;
  const size_t len = *left < size ? (size_t)*left : size;
  memset(to, 'x', len);
  *left -= len;
  return len;
}

static void serve(faults_t *f, uint64_t *left) {
  char head[96];
  *left = TOTAL;
  fault_rule_t *rule = fault_on(f->server, DOWNLOAD);
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", TOTAL);
  fault_text(rule, head);
  fault_generate(rule, make, left, false);
}

static void pause_it(sink_t *sink) {
  sink->act = NULL;
  e2b_transfer_pause(sink->transfer);
}

static void a_paused_download_stops_the_server(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.silence_timeout_ms = 300; /* which a pause is not */
  faults_sandbox(&f);
  uint64_t left;
  serve(&f, &left);
  sink_t sink = {{NULL, 0}, 0, NULL, pause_it, NULL};
  e2b_future_t *future = e2b_files_read_stream(f.sandbox, "/x", on_piece, &sink, NULL);
  harness_until_count(&f.h, &sink.calls, 1);
  const size_t seen = sink.got.len;
  harness_turn(&f.h, 500);
  assert_int_equal(sink.got.len, seen);
  assert_true(left > TOTAL / 4);
  e2b_transfer_resume(sink.transfer);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_int_equal(e2b_future_transferred(future), TOTAL);
  assert_int_equal(sink.got.len, TOTAL);
  e2b_future_release(future);
  bytes_free(&sink.got);
  faults_close(&f);
}

static void cancel_it(sink_t *sink) {
  e2b_future_cancel(sink->future);
}

static void pause_and_cancel(sink_t *sink) {
  e2b_transfer_pause(sink->transfer);
  cancel_it(sink);
}

static void a_download_may_be_cancelled_from_inside(void **state) {
  (void)state;
  void (*const acts[])(sink_t *) = {cancel_it, pause_and_cancel};
  for (size_t i = 0; i < E2B__COUNT(acts); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    uint64_t left;
    serve(&f, &left);
    sink_t sink = {{NULL, 0}, 0, NULL, acts[i], NULL};
    sink.future = e2b_files_read_stream(f.sandbox, "/x", on_piece, &sink, NULL);
    assert_int_equal(faults_code(&f, sink.future), E2B_ECANCELED);
    harness_turn(&f.h, 50);
    assert_int_equal(sink.calls, 1);
    bytes_free(&sink.got);
    faults_close(&f);
  }
}

/* It says that it was done, and no more that can be read. */
static void a_change_whose_answer_makes_no_sense_may_have_been_made(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  fault_answer(fault_on(f.server, NULL), 200, "text/html", "<html>", NULL);
  const faults_error_t moved = faults_fails(&f, e2b_files_rename(f.sandbox, "/a", "/b", NULL));
  assert_int_equal(moved.code, E2B_EPROTOCOL);
  assert_int_equal(moved.http_status, 200);
  assert_int_equal(moved.attempts, 1);
  assert_true(moved.maybe_applied);
  const faults_error_t asked = faults_fails(&f, e2b_sandbox_get_info(f.sandbox));
  assert_int_equal(asked.code, E2B_EPROTOCOL);
  assert_int_equal(asked.http_status, 200);
  assert_int_equal(asked.attempts, 1);
  assert_false(asked.maybe_applied);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refusals_keep_the_daemons_words),
      cmocka_unit_test(content_that_breaks_off_is_lost),
      cmocka_unit_test(a_head_that_breaks_off_is_no_empty_file),
      cmocka_unit_test(content_beyond_its_length_is_not_mixed_up),
      cmocka_unit_test(content_has_a_ceiling),
      cmocka_unit_test(a_silent_download_is_given_up),
      cmocka_unit_test(a_paused_download_stops_the_server),
      cmocka_unit_test(a_download_may_be_cancelled_from_inside),
      IN_BOTH(a_change_whose_answer_makes_no_sense_may_have_been_made),
  };
  return cmocka_run_group_tests_name("faults: downloads", tests, NULL, NULL);
}
