/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/faults.h"

/* Uploads that are refused early, stall, get lost. */

#define UPLOAD "POST /files"

static const char stored[] = "[{\"name\":\"x\",\"path\":\"/x\",\"type\":\"file\"}]";
static const char full[] =
    "{\"code\":507,\"message\":\"attempted to write 10 bytes: not enough disk space available\"}\n";

enum { BIG = 8 << 20, PIECE = 256 << 10 };

static char *big_piece(void) {
  char *data = calloc(1, BIG);
  assert_non_null(data);
  return data;
}

/* How servers refuse before they have read everything. */
static void read_the_rest(fault_rule_t *rule) {
  fault_read_on(rule);
}
static void close_at_once(fault_rule_t *rule) {
  fault_close(rule);
}
static void close_sending_side(fault_rule_t *rule) {
  fault_half_close(rule);
}
static void hold_the_connection(fault_rule_t *rule) {
  fault_hang(rule);
}

static void (*const refusers[])(fault_rule_t *) = {read_the_rest, close_at_once, close_sending_side,
                                                   hold_the_connection};

static void refuse_early(faults_t *f, void (*afterwards)(fault_rule_t *), const char *headers) {
  fault_rule_t *rule = fault_on(f->server, UPLOAD);
  fault_early(rule, 100000);
  fault_stop_reading(rule);
  fault_answer(rule, 507, "application/json; charset=utf-8", full, headers);
  afterwards(rule);
}

static void an_answer_that_comes_before_the_end_of_the_body_is_kept(void **state) {
  (void)state;
  static const char *const headers[] = {NULL, "Connection: close\r\n"};
  char *data = big_piece();
  for (size_t i = 0; i < E2B__COUNT(refusers); i++) {
    for (size_t k = 0; k < E2B__COUNT(headers); k++) {
      faults_t f;
      faults_ready(&f, NULL);
      faults_alive(&f);
      refuse_early(&f, refusers[i], headers[k]);
      const faults_error_t error =
          faults_fails(&f, e2b_files_write(f.sandbox, "/x", data, BIG, NULL));
      if (error.code != E2B_ENOSPACE) {
        fail_msg("%zu %zu: %s: %s", i, k, e2b_code_name(error.code), error.message);
      }
      assert_int_equal(error.http_status, 507);
      assert_non_null(strstr(error.message, "not enough disk space"));
      assert_int_equal(fault_count(f.server, UPLOAD), 1);
      assert_int_equal(fault_count(f.server, HEALTH), 0);
      faults_close(&f);
    }
  }
  free(data);
}

/* --- in pieces ----------------------------------------------------------------------------------
 */

typedef struct feeder {
  char *data;
  uint64_t written;
  uint64_t total;
  unsigned pieces;
  unsigned refused;
  unsigned drained;
  int last;
  e2b_future_t *future;
} feeder_t;

static void feed(e2b_upload_t *upload, feeder_t *feeder) {
  while (feeder->written < feeder->total) {
    feeder->last = e2b_upload_write(upload, feeder->data, PIECE);
    if (feeder->last == E2B_EAGAIN) feeder->refused++;
    if (feeder->last != 0) return;
    feeder->written += PIECE;
  }
  assert_int_equal(e2b_upload_end(upload), 0);
}

static void on_drain(e2b_upload_t *upload, void *user_data) {
  feeder_t *feeder = user_data;
  feeder->drained++;
  feed(upload, feeder);
}

static e2b_future_t *begin(faults_t *f, feeder_t *feeder, e2b_upload_t **upload) {
  memset(feeder, 0, sizeof *feeder);
  feeder->data = big_piece();
  feeder->total = 64 << 20;
  e2b_future_t *future = e2b_files_write_stream(f->sandbox, "/x", on_drain, feeder, NULL, upload);
  assert_non_null(future);
  assert_non_null(*upload);
  feed(*upload, feeder);
  return future;
}

static void a_full_line_refuses_and_tells_when_there_is_room(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, UPLOAD), 200, "text/plain; charset=utf-8", stored, NULL);
  feeder_t feeder;
  e2b_upload_t *upload;
  e2b_future_t *future = begin(&f, &feeder, &upload);
  assert_int_equal(feeder.refused, 1);
  assert_true(feeder.written <= 2 << 20);
  assert_int_equal(harness_await(&f.h, future), 0);
  assert_string_equal(e2b_future_file_info(future)->path, "/x");
  e2b_future_release(future);
  assert_int_equal(feeder.refused, feeder.drained);
  const fault_request_t *request = fault_request(f.server, UPLOAD, 0);
  assert_true(request->chunked);
  assert_true(request->complete);
  assert_true(request->body_bytes == feeder.total);
  assert_int_equal(e2b_upload_write(upload, "x", 1), E2B_ECLOSED);
  assert_int_equal(e2b_upload_end(upload), E2B_ECLOSED);
  e2b_upload_release(upload);
  free(feeder.data);
  faults_close(&f);
}

/* From the line, straight into curl's buffer, and both in one piece. */
static void feed_all_lengths(e2b_upload_t *upload, void *user_data) {
  static const size_t lengths[] = {1, 32757, 65536, 7, 100000, 32768, 300000, 4096};
  feeder_t *feeder = user_data;
  while (feeder->written < feeder->total) {
    const size_t rest = (size_t)(feeder->total - feeder->written);
    size_t len = lengths[feeder->pieces % E2B__COUNT(lengths)];
    if (len > rest) len = rest;
    feeder->last = e2b_upload_write(upload, feeder->data + feeder->written, len);
    if (feeder->last != 0) return;
    feeder->written += len;
    feeder->pieces++;
  }
  assert_int_equal(e2b_upload_end(upload), 0);
}

static void pieces_of_any_length_arrive_in_order(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, UPLOAD), 200, "text/plain; charset=utf-8", stored, NULL);
  feeder_t feeder = {.data = big_piece(), .total = FAULT_BODY_KEPT};
  for (size_t i = 0; i < FAULT_BODY_KEPT; i++) {
    feeder.data[i] = (char)(i % 251 + i / 65521);
  }
  e2b_upload_t *upload;
  e2b_future_t *future =
      e2b_files_write_stream(f.sandbox, "/x", feed_all_lengths, &feeder, NULL, &upload);
  feed_all_lengths(upload, &feeder);
  assert_int_equal(feeder.last, E2B_EAGAIN);
  faults_succeeds(&f, future);
  const fault_request_t *request = fault_request(f.server, UPLOAD, 0);
  assert_true(request->body_bytes == feeder.total);
  assert_memory_equal(request->body, feeder.data, FAULT_BODY_KEPT);
  e2b_upload_release(upload);
  free(feeder.data);
  faults_close(&f);
}

static void a_server_that_stops_reading_holds_the_writer_up(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_rule_t *rule = fault_on(f.server, UPLOAD);
  fault_early(rule, 0);
  fault_stop_reading(rule);
  fault_hold(rule);
  fault_read_on(rule);
  fault_answer(rule, 200, "text/plain; charset=utf-8", stored, NULL);
  feeder_t feeder;
  e2b_upload_t *upload;
  e2b_future_t *future = begin(&f, &feeder, &upload);
  uint64_t before;
  do {
    before = feeder.written;
    harness_turn(&f.h, 500);
  } while (feeder.written != before || fault_held(f.server) == 0);
  assert_true(feeder.written < feeder.total);
  assert_int_equal(feeder.last, E2B_EAGAIN);
  fault_release(f.server);
  faults_succeeds(&f, future);
  assert_true(fault_request(f.server, UPLOAD, 0)->body_bytes == feeder.total);
  e2b_upload_release(upload);
  free(feeder.data);
  faults_close(&f);
}

static void an_upload_in_pieces_may_be_refused_early(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(refusers); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    faults_alive(&f);
    refuse_early(&f, refusers[i], NULL);
    feeder_t feeder;
    e2b_upload_t *upload;
    e2b_future_t *future = begin(&f, &feeder, &upload);
    const faults_error_t error = faults_fails(&f, future);
    if (error.code != E2B_ENOSPACE) {
      fail_msg("%zu: %s: %s", i, e2b_code_name(error.code), error.message);
    }
    assert_int_equal(e2b_upload_write(upload, "x", 1), E2B_ECLOSED);
    e2b_upload_release(upload);
    free(feeder.data);
    faults_close(&f);
  }
}

/* The writer has nothing to say at that moment, and may never have again. */
static void a_refusal_reaches_a_writer_that_waits(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_rule_t *rule = fault_on(f.server, UPLOAD);
  fault_early(rule, 3);
  fault_answer(rule, 507, "application/json", full, "Connection: close\r\n");
  e2b_upload_t *upload;
  e2b_future_t *future = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
  assert_int_equal(e2b_upload_write(upload, "abc", 3), 0);
  assert_int_equal(faults_code(&f, future), E2B_ENOSPACE);
  e2b_upload_release(upload);
  faults_close(&f);
}

static void so_does_the_end_of_the_connection(void **state) {
  (void)state;
  void (*const ends[])(fault_rule_t *) = {fault_reset, fault_close};
  for (size_t i = 0; i < E2B__COUNT(ends); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    faults_gone(&f);
    fault_rule_t *rule = fault_on(f.server, UPLOAD);
    fault_early(rule, 3);
    ends[i](rule);
    e2b_upload_t *upload;
    e2b_future_t *future = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
    assert_int_equal(e2b_upload_write(upload, "abc", 3), 0);
    const faults_error_t error = faults_fails(&f, future);
    assert_int_equal(error.code, E2B_ESANDBOXGONE);
    assert_true(error.maybe_applied);
    assert_int_equal(e2b_upload_write(upload, "def", 3), E2B_ECLOSED);
    e2b_upload_release(upload);
    faults_close(&f);
  }
}

static void a_stalled_upload_is_given_up(void **state) {
  (void)state;
  for (int whole = 0; whole < 2; whole++) {
    faults_t f;
    faults_open(&f, NULL);
    f.options.silence_timeout_ms = 100;
    faults_sandbox(&f);
    fault_rule_t *rule = fault_on(f.server, UPLOAD);
    if (!whole) {
      fault_early(rule, 0);
      fault_stop_reading(rule);
    }
    fault_hang(rule);
    feeder_t feeder;
    e2b_upload_t *upload;
    e2b_future_t *future = begin(&f, &feeder, &upload);
    const faults_error_t error = faults_fails(&f, future);
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_int_equal(error.clock, E2B_CLOCK_SILENCE);
    assert_true(error.maybe_applied);
    assert_int_equal(feeder.written == feeder.total, whole);
    e2b_upload_release(upload);
    free(feeder.data);
    faults_close(&f);
  }
}

/* A writer that takes its time is not the server's silence. */
static void a_writer_may_take_its_time(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  f.options.silence_timeout_ms = 60;
  faults_sandbox(&f);
  fault_answer(fault_on(f.server, UPLOAD), 200, "text/plain", stored, NULL);
  e2b_upload_t *upload;
  e2b_future_t *future = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
  assert_int_equal(e2b_upload_write(upload, "abc", 3), 0);
  assert_int_equal(e2b_future_await(future, 200), E2B_EAGAIN);
  assert_int_equal(e2b_upload_write(upload, "def", 3), 0);
  assert_int_equal(e2b_upload_end(upload), 0);
  faults_succeeds(&f, future);
  assert_string_equal(fault_request(f.server, UPLOAD, 0)->body, "abcdef");
  e2b_upload_release(upload);
  faults_close(&f);
}

static void an_upload_may_be_cancelled_in_the_middle(void **state) {
  (void)state;
  for (int by_release = 0; by_release < 2; by_release++) {
    faults_t f;
    faults_ready(&f, NULL);
    fault_rule_t *rule = fault_on(f.server, UPLOAD);
    fault_early(rule, 1 << 20);
    fault_stop_reading(rule);
    fault_hold(rule);
    feeder_t feeder;
    e2b_upload_t *upload;
    e2b_future_t *future = begin(&f, &feeder, &upload);
    while (fault_held(f.server) == 0) {
      harness_turn(&f.h, 1);
    }
    if (by_release) {
      e2b_upload_release(upload);
    } else {
      e2b_future_cancel(future);
      assert_int_equal(e2b_upload_write(upload, "x", 1), E2B_ECLOSED);
      e2b_upload_release(upload);
    }
    assert_int_equal(faults_code(&f, future), E2B_ECANCELED);
    free(feeder.data);
    faults_close(&f);
  }
}

static void cancel_between_pieces(e2b_upload_t *upload, void *user_data) {
  feeder_t *feeder = user_data;
  feeder->drained++;
  assert_int_equal(e2b_upload_write(upload, feeder->data, 1000), 0);
  e2b_future_cancel(feeder->future);
  assert_int_equal(e2b_upload_write(upload, feeder->data, 1000), E2B_ECLOSED);
  assert_int_equal(e2b_upload_end(upload), E2B_ECLOSED);
}

static void an_upload_may_be_cancelled_when_more_is_asked_for(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, UPLOAD), 200, "text/plain; charset=utf-8", stored, NULL);
  feeder_t feeder = {.data = big_piece()};
  e2b_upload_t *upload;
  feeder.future =
      e2b_files_write_stream(f.sandbox, "/x", cancel_between_pieces, &feeder, NULL, &upload);
  assert_int_equal(e2b_upload_write(upload, feeder.data, BIG), 0);
  assert_int_equal(e2b_upload_write(upload, feeder.data, 1), E2B_EAGAIN);
  assert_int_equal(faults_code(&f, feeder.future), E2B_ECANCELED);
  assert_int_equal(feeder.drained, 1);
  assert_int_equal(e2b_upload_write(upload, feeder.data, 1), E2B_ECLOSED);
  e2b_upload_release(upload);
  free(feeder.data);
  faults_close(&f);
}

static void an_upload_whose_answer_was_lost_is_not_repeated(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    faults_t f;
    faults_open(&f, NULL);
    f.options.max_retries = 5;
    faults_sandbox(&f);
    faults_alive(&f);
    fault_rule_t *rule = fault_on(f.server, UPLOAD);
    if (reset) {
      fault_reset(rule);
    } else {
      fault_close(rule);
    }
    faults_error_t error = faults_fails(&f, e2b_files_write(f.sandbox, "/x", "abc", 3, NULL));
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_int_equal(fault_count(f.server, UPLOAD), 1);
    e2b_upload_t *upload;
    e2b_future_t *future = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
    assert_int_equal(e2b_upload_write(upload, "abc", 3), 0);
    assert_int_equal(e2b_upload_end(upload), 0);
    e2b_upload_release(upload);
    error = faults_fails(&f, future);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_int_equal(fault_count(f.server, UPLOAD), 2);
    assert_int_equal(fault_count(f.server, HEALTH), 2);
    faults_close(&f);
  }
}

static void a_success_that_stored_nothing_makes_no_sense(void **state) {
  (void)state;
  static const char *const bodies[] = {"[]", "", "{}", "<html>", "[{},{}]"};
  for (size_t i = 0; i < E2B__COUNT(bodies); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    fault_answer(fault_on(f.server, UPLOAD), 200, "text/html", bodies[i], NULL);
    e2b_upload_t *upload;
    e2b_future_t *futures[] = {e2b_files_write(f.sandbox, "/x", "abc", 3, NULL),
                               e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload)};
    assert_int_equal(e2b_upload_end(upload), 0);
    e2b_upload_release(upload);
    for (size_t k = 0; k < E2B__COUNT(futures); k++) {
      const faults_error_t error = faults_fails(&f, futures[k]);
      assert_int_equal(error.code, E2B_EPROTOCOL);
      assert_int_equal(error.http_status, 200);
      assert_int_equal(error.attempts, 1);
      assert_true(error.maybe_applied);
    }
    faults_close(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_that_comes_before_the_end_of_the_body_is_kept),
      cmocka_unit_test(a_full_line_refuses_and_tells_when_there_is_room),
      cmocka_unit_test(pieces_of_any_length_arrive_in_order),
      cmocka_unit_test(a_server_that_stops_reading_holds_the_writer_up),
      cmocka_unit_test(an_upload_in_pieces_may_be_refused_early),
      cmocka_unit_test(a_refusal_reaches_a_writer_that_waits),
      cmocka_unit_test(so_does_the_end_of_the_connection),
      cmocka_unit_test(a_stalled_upload_is_given_up),
      cmocka_unit_test(a_writer_may_take_its_time),
      cmocka_unit_test(an_upload_may_be_cancelled_in_the_middle),
      cmocka_unit_test(an_upload_may_be_cancelled_when_more_is_asked_for),
      cmocka_unit_test(an_upload_whose_answer_was_lost_is_not_repeated),
      cmocka_unit_test(a_success_that_stored_nothing_makes_no_sense),
  };
  return cmocka_run_group_tests_name("faults: uploads", tests, NULL, NULL);
}
