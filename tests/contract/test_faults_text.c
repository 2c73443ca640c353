/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/utf8.h"
#include "support/faults.h"

/* Text mode: a character is never split between two callbacks, however its bytes arrive. */

typedef struct reader {
  bytes_t got;
  unsigned calls;
  bool all_valid;
} reader_t;

static void on_text(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  reader_t *reader = user_data;
  reader->calls++;
  if (!e2b__utf8_valid(data, len)) reader->all_valid = false;
  bytes_add(&reader->got, data, len);
}

/* Runs a program whose output comes in these pieces. */
static void read_pieces(faults_t *f, const bytes_t *pieces, size_t count, bool on_stderr,
                        reader_t *reader) {
  fault_clear(f->server);
  bytes_t body = {NULL, 0};
  put_start(f, &body, 7);
  for (size_t i = 0; i < count; i++) {
    if (on_stderr) {
      put_err(f, &body, pieces[i].data, pieces[i].len);
    } else {
      put_out(f, &body, pieces[i].data, pieces[i].len);
    }
  }
  put_exit(f, &body, 0);
  put_end(&body, NULL);
  faults_stream(f, fault_on(f->server, START), &body, true);
  bytes_free(&body);
  memset(reader, 0, sizeof *reader);
  reader->all_valid = true;
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_stdout = options.on_stderr = on_text;
  options.user_data = reader;
  options.text = 1;
  faults_succeeds(f, e2b_run_shell(f->sandbox, "true", &options));
}

static char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xc3\xa9";

static void a_character_is_never_split(void **state) {
  const size_t len = sizeof text - 1;
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i <= len; i++) {
    for (size_t k = i; k <= len; k++) {
      const bytes_t pieces[] = {{text, i}, {text + i, k - i}, {text + k, len - k}};
      reader_t reader;
      read_pieces(&f, pieces, 3, (i + k) % 2 != 0, &reader);
      assert_true(reader.all_valid);
      assert_int_equal(reader.got.len, len);
      assert_memory_equal(reader.got.data, text, len);
      bytes_free(&reader.got);
    }
  }
  faults_close(&f);
}

static void single_bytes_are_joined_to_characters(void **state) {
  enum { LEN = sizeof text - 1 };
  bytes_t pieces[LEN];
  for (size_t i = 0; i < LEN; i++) {
    pieces[i].data = text + i;
    pieces[i].len = 1;
  }
  faults_t f;
  faults_ready(&f, *state);
  reader_t reader;
  read_pieces(&f, pieces, LEN, false, &reader);
  assert_true(reader.all_valid);
  assert_int_equal(reader.calls, 6);
  assert_int_equal(reader.got.len, LEN);
  assert_memory_equal(reader.got.data, text, LEN);
  bytes_free(&reader.got);
  faults_close(&f);
}

/* What is no text comes through all the same, every byte, in order. */
static void bytes_that_are_no_text_are_not_lost(void **state) {
  static char junk[] = "\xff\xc3(\xe2\x82(\xf0\x9f\x98"
                       "a\x80\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82";
  const size_t len = sizeof junk - 1;
  faults_t f;
  faults_ready(&f, *state);
  for (size_t i = 0; i <= len; i++) {
    for (size_t k = i; k <= len; k++) {
      const bytes_t pieces[] = {{junk, i}, {junk + i, k - i}, {junk + k, len - k}};
      reader_t reader;
      read_pieces(&f, pieces, 3, false, &reader);
      assert_int_equal(reader.got.len, len);
      assert_memory_equal(reader.got.data, junk, len);
      bytes_free(&reader.got);
    }
  }
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(a_character_is_never_split),
      IN_BOTH(single_bytes_are_joined_to_characters),
      IN_BOTH(bytes_that_are_no_text_are_not_lost),
  };
  return cmocka_run_group_tests_name("faults: text", tests, NULL, NULL);
}
