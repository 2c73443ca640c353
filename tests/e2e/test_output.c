/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdlib.h>

/* What programs print: how much, of what, to whom, and what happens when it is too much. */

enum { MB = 1000 * 1000 };

typedef struct sink {
  size_t bytes;
  size_t calls;
  bool wrong;
} sink;

static const e2b_execution_t *shell(const char *line, const e2b_run_options *options) {
  return RAN(e2b_run_shell(scene.sandbox, line, options));
}

/* The output of `seq`-like counting: eight digits and a newline, from zero on. */
static void count_lines(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  sink *to = user_data;
  assert_non_null(command);
  to->calls++;
  for (size_t i = 0; i < len && !to->wrong; i++) {
    const size_t at = to->bytes + i;
    size_t number = at / 9;
    for (size_t k = 7 - (at % 9 < 8 ? at % 9 : 7); k > 0; k--) {
      number /= 10;
    }
    const char expected = at % 9 == 8 ? '\n' : (char)('0' + number % 10);
    to->wrong = data[i] != expected;
  }
  to->bytes += len;
}

static void count_bytes(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  sink *to = user_data;
  (void)command;
  (void)data;
  to->calls++;
  to->bytes += len;
}

static e2b_run_options output_to(e2b_output_cb on_stdout, void *user_data) {
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_stdout = on_stdout;
  options.user_data = user_data;
  return options;
}

static void ten_megabytes_collected(void **state) {
  (void)state;
  e2b_run_options options;
  E2B_INIT(&options);
  options.max_output_bytes = 32 * MB;
  const e2b_execution_t *end =
      shell("awk 'BEGIN { for (i = 0; i < 1200000; i++) printf \"%08d\\n\", i }'; echo end >&2",
            &options);
  assert_int_equal(end->stdout_data.len, 1200000 * 9);
  sink check = {0, 0, false};
  count_lines((e2b_command_t *)&check, end->stdout_data.ptr, end->stdout_data.len, &check);
  assert_false(check.wrong);
  assert_err(end, "end\n");
}

static void hundred_megabytes_in_pieces(void **state) {
  (void)state;
  sink to = {0, 0, false};
  e2b_run_options options = output_to(count_bytes, &to);
  const e2b_execution_t *end = shell("head -c 100000000 /dev/zero | tr '\\0' x", &options);
  assert_int_equal(to.bytes, 100 * MB);
  assert_true(to.calls > 1);
  assert_false(to.wrong);
  assert_out(end, "");
  assert_int_equal(end->exit_code, 0);
}

static void order_is_kept(void **state) {
  (void)state;
  sink to = {0, 0, false};
  e2b_run_options options = output_to(count_lines, &to);
  shell("awk 'BEGIN { for (i = 0; i < 500000; i++) printf \"%08d\\n\", i }'", &options);
  assert_int_equal(to.bytes, 500000 * 9);
  assert_false(to.wrong);
}

static void a_ceiling(void **state) {
  (void)state;
  e2b_run_options options;
  E2B_INIT(&options);
  options.max_output_bytes = 100000;
  const e2b_execution_t *end = shell("head -c 100000 /dev/zero", &options);
  assert_int_equal(end->stdout_data.len, 100000);
  const e2b_error_t *error =
      FAILS(E2B_ETOOBIG, e2b_run_shell(scene.sandbox, "head -c 100001 /dev/zero", &options));
  assert_non_null(error->partial);
  assert_true(error->partial->stdout_data.len <= 100000);
}

static void hundred_megabytes_are_too_many(void **state) {
  (void)state;
  FAILS(E2B_ETOOBIG, e2b_run_shell(scene.sandbox, "exec head -c 100000000 /dev/zero", NULL));
}

static bool runs(uint32_t pid) {
  const e2b_process_list_t *list = e2b_future_process_list(OK(e2b_command_list(scene.sandbox)));
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].pid == pid) return true;
  }
  return false;
}

static void endless_output_is_ended(void **state) {
  (void)state;
  const e2b_error_t *error = FAILS(E2B_ETOOBIG, e2b_run_shell(scene.sandbox, "exec yes", NULL));
  const uint32_t pid = error->partial->pid;
  for (unsigned tries = 0; runs(pid); tries++) {
    scene_pace(tries);
  }
}

static void every_byte_value(void **state) {
  (void)state;
  char bytes[512];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (char)(i % 256);
  }
  e2b_run_options options;
  E2B_INIT(&options);
  options.stdin_data = bytes;
  options.stdin_len = sizeof bytes;
  const e2b_execution_t *end = shell("cat; printf 'a\\0b' >&2", &options);
  assert_bytes(end->stdout_data, bytes, sizeof bytes);
  assert_bytes(end->stderr_data, "a\0b", 3);
}

typedef struct text_sink {
  char text[64];
  size_t len;
  bool cut;
} text_sink;

static void take_text(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  text_sink *to = user_data;
  (void)command;
  if (len == 0 || ((unsigned char)data[0] & 0xc0) == 0x80) to->cut = true;
  memcpy(to->text + to->len, data, len);
  to->len += len;
}

/* Two writes with a pause between them arrive as two pieces. */
#define SPLIT_EURO                                                          \
  "printf 'a\\342\\202'; sleep 0.3; printf '\\254b\\360\\237'; sleep 0.3; " \
  "printf '\\230\\200c'"

static void characters_are_not_cut_in_text_mode(void **state) {
  (void)state;
  text_sink to = {"", 0, false};
  e2b_run_options options = output_to(take_text, &to);
  options.text = 1;
  shell(SPLIT_EURO, &options);
  assert_int_equal(to.len, 10);
  assert_memory_equal(to.text,
                      "a\xe2\x82\xac"
                      "b\xf0\x9f\x98\x80"
                      "c",
                      10);
  assert_false(to.cut);
}

static void bytes_that_are_no_text_arrive_in_text_mode(void **state) {
  (void)state;
  text_sink to = {"", 0, false};
  e2b_run_options options = output_to(take_text, &to);
  options.text = 1;
  shell("printf '\\377\\376x\\342'; sleep 0.2; printf 'y\\342\\202'", &options);
  assert_int_equal(to.len, 7);
  assert_memory_equal(to.text, "\xff\xfex\xe2y\xe2\x82", 7);
}

static void collecting_is_a_choice(void **state) {
  (void)state;
  sink to = {0, 0, false};
  e2b_run_options options = output_to(count_bytes, &to);
  const e2b_execution_t *end = shell("echo out; echo err >&2", &options);
  assert_out(end, "");
  assert_err(end, "err\n");
  assert_int_equal(to.bytes, 4);
  options.collect = E2B_ON;
  end = shell("echo out; echo err >&2", &options);
  assert_out(end, "out\n");
  assert_err(end, "err\n");
  assert_int_equal(to.bytes, 8);
  options.collect = E2B_OFF;
  end = shell("echo out; echo err >&2", &options);
  assert_out(end, "");
  assert_err(end, "");
}

static void both_streams_to_callbacks(void **state) {
  (void)state;
  sink to = {0, 0, false};
  e2b_run_options options = output_to(count_bytes, &to);
  options.on_stderr = count_bytes;
  shell("head -c 300000 /dev/zero & head -c 200000 /dev/zero >&2; wait", &options);
  assert_int_equal(to.bytes, 500000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(ten_megabytes_collected),
      SCENE_TEST(hundred_megabytes_in_pieces),
      SCENE_TEST(order_is_kept),
      SCENE_TEST(a_ceiling),
      SCENE_TEST(hundred_megabytes_are_too_many),
      SCENE_TEST(endless_output_is_ended),
      SCENE_TEST(every_byte_value),
      SCENE_TEST(characters_are_not_cut_in_text_mode),
      SCENE_TEST(bytes_that_are_no_text_arrive_in_text_mode),
      SCENE_TEST(collecting_is_a_choice),
      SCENE_TEST(both_streams_to_callbacks),
  };
  return cmocka_run_group_tests_name("output", tests, scene_open, scene_close);
}
