/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* What programs read: given at once, written piece by piece, refused while nobody reads. */

static e2b_run_options *fresh(void) {
  static e2b_run_options options;
  E2B_INIT(&options);
  return &options;
}

static void no_input_at_all(void **state) {
  (void)state;
  assert_out(RAN(e2b_run_shell(scene.sandbox, "wc -c", NULL)), "0\n");
}

static void empty_input(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->stdin_data = "";
  assert_out(RAN(e2b_run_shell(scene.sandbox, "wc -c", options)), "0\n");
}

static void one_byte(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->stdin_data = "\0";
  options->stdin_len = 1;
  assert_bytes(RAN(e2b_run_command(scene.sandbox, "cat", NULL, options))->stdout_data, "\0", 1);
}

static void one_megabyte(void **state) {
  (void)state;
  const size_t len = 1 << 20;
  char *data = test_malloc(len);
  unsigned seed = 1;
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1103515245 + 12345;
    data[i] = (char)(seed >> 16);
  }
  e2b_run_options *options = fresh();
  options->stdin_data = data;
  options->stdin_len = len;
  assert_bytes(RAN(e2b_run_command(scene.sandbox, "cat", NULL, options))->stdout_data, data, len);
  test_free(data);
}

static void input_that_nobody_reads(void **state) {
  (void)state;
  const size_t len = 1 << 20;
  char *data = test_calloc(len, 1);
  e2b_run_options *options = fresh();
  options->stdin_data = data;
  options->stdin_len = len;
  const e2b_execution_t *end =
      RAN(e2b_run_shell(scene.sandbox, "head -c 3 | wc -c; exec <&-; echo done", options));
  assert_out(end, "3\ndone\n");
  assert_int_equal(end->exit_code, 0);
  test_free(data);
}

static void a_program_that_leaves_at_once(void **state) {
  (void)state;
  char data[100000] = "";
  e2b_run_options *options = fresh();
  options->stdin_data = data;
  options->stdin_len = sizeof data;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(RAN(e2b_run_command(scene.sandbox, "false", NULL, options))->exit_code, 1);
  }
}

static void written_while_it_runs(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *cat = STARTED(e2b_command_start(scene.sandbox, "cat", NULL, options));
  OK(e2b_command_write(cat, "one ", 4));
  OK(e2b_command_write(cat, "", 0));
  OK(e2b_command_write(cat, "two\0", 4));
  OK(e2b_command_close_stdin(cat));
  assert_bytes(RAN(e2b_command_wait(cat))->stdout_data, "one two\0", 8);
}

static void a_thousand_writes_stay_in_order(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *cat = STARTED(e2b_command_start(scene.sandbox, "cat", NULL, options));
  char expected[1000 * 5 + 1];
  for (size_t i = 0; i < 1000; i++) {
    snprintf(expected + 5 * i, 6, "%04u\n", (unsigned)i % 10000);
    scene_keep(e2b_command_write(cat, expected + 5 * i, 5));
  }
  OK(e2b_command_close_stdin(cat));
  assert_out(RAN(e2b_command_wait(cat)), expected);
}

/* The news of its end often overtakes the answer to the write that caused it. */
static void a_program_that_ends_on_a_word(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  for (int i = 0; i < 30; i++) {
    e2b_command_t *reader =
        STARTED(e2b_command_start_shell(scene.sandbox, "read word; exit 3", options));
    OK(e2b_command_write(reader, "end\n", 4));
    assert_int_equal(RAN(e2b_command_wait(reader))->exit_code, 3);
  }
}

static void both_given_and_written(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->stdin_data = "given ";
  options->stdin_len = 6;
  options->keep_stdin_open = 1;
  e2b_command_t *cat = STARTED(e2b_command_start(scene.sandbox, "cat", NULL, options));
  OK(e2b_command_write(cat, "written", 7));
  OK(e2b_command_close_stdin(cat));
  assert_out(RAN(e2b_command_wait(cat)), "given written");
}

static void nothing_to_write_to(void **state) {
  (void)state;
  e2b_command_t *sleeper = STARTED(e2b_command_start_shell(scene.sandbox, "exec sleep 600", NULL));
  FAILS(E2B_ENOSTDIN, e2b_command_write(sleeper, "x", 1));
  OK(e2b_command_kill(sleeper));
  OK(e2b_command_wait(sleeper));
  FAILS(E2B_ENOSTDIN, e2b_command_write(sleeper, "x", 1));

  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *cat = STARTED(e2b_command_start(scene.sandbox, "cat", NULL, options));
  OK(e2b_command_close_stdin(cat));
  FAILS(E2B_ENOSTDIN, e2b_command_write(cat, "x", 1));
  OK(e2b_command_wait(cat));
}

static void closed_twice(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *cat =
      STARTED(e2b_command_start_shell(scene.sandbox, "cat >/dev/null; exec sleep 600", options));
  OK(e2b_command_close_stdin(cat));
  const int rc = e2b_future_await(scene_keep(e2b_command_close_stdin(cat)), LONG_ENOUGH_MS);
  assert_true(rc == 0 || rc == E2B_ENOSTDIN);
  OK(e2b_command_kill(cat));
  OK(e2b_command_wait(cat));
}

static void a_reader_that_went_away(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *deaf = STARTED(
      e2b_command_start_shell(scene.sandbox, "exec <&-; echo deaf; exec sleep 600", options));
  e2b_future_t *written = NULL;
  int rc = 0;
  for (unsigned tries = 0; rc == 0; tries++) { /* the pipe takes some before it closes */
    written = scene_keep(e2b_command_write(deaf, "x", 1));
    rc = e2b_future_await(written, LONG_ENOUGH_MS);
    scene_pace(tries);
  }
  assert_int_equal(rc, E2B_ENOSTDIN);
  OK(e2b_command_kill(deaf));
  OK(e2b_command_wait(deaf));
}

static void on_drain(e2b_command_t *command, void *user_data) {
  assert_non_null(command);
  *(bool *)user_data = true;
}

static void a_slow_reader_holds_up_the_writer(void **state) {
  (void)state;
  static char piece[1 << 18];
  memset(piece, 'p', sizeof piece);
  bool drained = false;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  options->on_drain = on_drain;
  options->user_data = &drained;
  const char *go = scene_path("go");
  char line[256];
  snprintf(line, sizeof line, "until [ -e %s ]; do sleep 0.05; done; exec wc -c", go);
  e2b_command_t *slow = STARTED(e2b_command_start_shell(scene.sandbox, line, options));
  size_t accepted = 0;
  e2b_future_t *written;
  for (;;) {
    written = scene_keep(e2b_command_write(slow, piece, sizeof piece));
    if (e2b_future_is_done(written)) break;
    accepted += sizeof piece;
    assert_true(accepted < 64u << 20);
  }
  assert_int_equal(e2b_future_await(written, 0), E2B_EAGAIN);
  assert_true(accepted >= 2u << 20 && accepted <= 8u << 20);
  assert_false(drained);
  OK(e2b_files_write(scene.sandbox, go, "", 0, NULL));
  assert_true(scene_turn(LONG_ENOUGH_MS, &drained));
  OK(e2b_command_write(slow, piece, sizeof piece));
  accepted += sizeof piece;
  OK(e2b_command_close_stdin(slow));
  const e2b_execution_t *end = RAN(e2b_command_wait(slow));
  assert_int_equal(strtoull(end->stdout_data.ptr, NULL, 10), accepted);
}

static void a_kill_ends_a_write_that_is_held_up(void **state) {
  (void)state;
  static char piece[1 << 20];
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *deaf = STARTED(e2b_command_start_shell(scene.sandbox, "exec sleep 600", options));
  e2b_future_t *written = scene_keep(e2b_command_write(deaf, piece, sizeof piece));
  assert_int_equal(e2b_future_await(written, 200), E2B_EAGAIN);
  assert_true(YES(e2b_command_kill(deaf)));
  const int rc = e2b_future_await(written, LONG_ENOUGH_MS);
  assert_int_equal(rc, E2B_ENOSTDIN);
  assert_int_equal(RAN(e2b_command_wait(deaf))->exit_code, -1);
}

static void a_cancelled_write(void **state) {
  (void)state;
  static char piece[1 << 20];
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *deaf = STARTED(e2b_command_start_shell(scene.sandbox, "exec sleep 600", options));
  e2b_future_t *first = scene_keep(e2b_command_write(deaf, piece, sizeof piece));
  e2b_future_t *second = scene_keep(e2b_command_write(deaf, piece, sizeof piece));
  assert_int_equal(e2b_future_cancel(second), 0);
  assert_int_equal(e2b_future_await(second, 0), E2B_ECANCELED);
  assert_int_equal(e2b_future_await(first, 50), E2B_EAGAIN);
  assert_int_equal(e2b_future_cancel(first), 0);
  assert_int_equal(e2b_future_await(first, 0), E2B_ECANCELED);
  OK(e2b_command_kill(deaf));
  OK(e2b_command_wait(deaf));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(no_input_at_all),
      SCENE_TEST(empty_input),
      SCENE_TEST(one_byte),
      SCENE_TEST(one_megabyte),
      SCENE_TEST(input_that_nobody_reads),
      SCENE_TEST(a_program_that_leaves_at_once),
      SCENE_TEST(written_while_it_runs),
      SCENE_TEST(a_thousand_writes_stay_in_order),
      SCENE_TEST(a_program_that_ends_on_a_word),
      SCENE_TEST(both_given_and_written),
      SCENE_TEST(nothing_to_write_to),
      SCENE_TEST(closed_twice),
      SCENE_TEST(a_reader_that_went_away),
      SCENE_TEST(a_slow_reader_holds_up_the_writer),
      SCENE_TEST(a_kill_ends_a_write_that_is_held_up),
      SCENE_TEST(a_cancelled_write),
  };
  return cmocka_run_group_tests_name("input", tests, scene_open, scene_close);
}
