/* SPDX-License-Identifier: MIT */
#include "proto/filesystem.h"
#include "proto/process.h"
#include "unit.h"

static e2b__arena_t arena;
static const char *why;

static int reset(void **state) {
  (void)state;
  e2b__arena_free(&arena);
  return 0;
}

static int decode(const e2b__message_t *type, const char *text, void *message) {
  int rc = e2b__message_decode(type, text, strlen(text), E2B__JSON, &arena, message, &why);
  assert_int_equal(rc == E2B_EPROTOCOL, why != NULL);
  return rc;
}

static void blanks_and_order_do_not_matter(void **state) {
  (void)state;
  e2b__process_event_response_t r;
  assert_int_equal(decode(&e2b__process_event_response,
                          " {\"event\" : {\"end\":{\"status\":\"exit status 3\", \"exited\":true,\n"
                          "\t\"exitCode\": 3}}}\r\n",
                          &r),
                   0);
  assert_int_equal(r.event->end->exit_code, 3);
  assert_true(r.event->end->exited);
  assert_true(e2b__str_equal(r.event->end->status, "exit status 3"));
  assert_null(r.event->end->error.ptr);
}

static void names_may_be_in_snake_case_or_escaped(void **state) {
  (void)state;
  e2b__watch_request_t w;
  assert_int_equal(
      decode(&e2b__watch_request,
             "{\"include_entry\":true,\"allowNetworkMounts\":true,\"p\\u0061th\":\"x\"}", &w),
      0);
  assert_true(w.include_entry && w.allow_network_mounts);
  assert_true(e2b__str_equal(w.path, "x"));
  assert_int_equal(decode(&e2b__watch_request,
                          "{\"include_Entry\":true,\"IncludeEntry\":true,"
                          "\"includeentry\":true,\"include_entry_\":true}",
                          &w),
                   0);
  assert_false(w.include_entry);
}

static void unknown_members_are_ignored_but_must_be_json(void **state) {
  (void)state;
  e2b__path_request_t p;
  assert_int_equal(
      decode(&e2b__path_request, "{\"x\":[{\"path\":1}],\"path\":\"a\",\"\":null}", &p), 0);
  assert_true(e2b__str_equal(p.path, "a"));
  assert_int_equal(decode(&e2b__path_request, "{\"x\":[1,],\"path\":\"a\"}", &p), E2B_EPROTOCOL);
}

static void null_is_absent(void **state) {
  (void)state;
  e2b__process_start_request_t r;
  assert_int_equal(decode(&e2b__process_start_request,
                          "{\"process\":{\"cmd\":null,\"args\":null,\"envs\":null,\"cwd\":null},"
                          "\"pty\":null,\"tag\":null,\"stdin\":null}",
                          &r),
                   0);
  assert_null(r.process->cmd.ptr);
  assert_null(r.process->cwd.ptr);
  assert_null(r.pty);
  assert_null(r.tag.ptr);
  assert_false(r.has_stdin);
  e2b__process_selector_request_t s;
  assert_int_equal(
      decode(&e2b__process_selector_request, "{\"process\":{\"pid\":null,\"tag\":\"\"}}", &s), 0);
  assert_false(s.process->has_pid);
  assert_non_null(s.process->tag.ptr);
  assert_int_equal(decode(&e2b__process_start_request, "{\"process\":{\"args\":[null]}}", &r),
                   E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__process_start_request, "{\"process\":{\"envs\":{\"a\":null}}}", &r),
                   E2B_EPROTOCOL);
}

static void numbers_may_be_strings_and_are_exact(void **state) {
  (void)state;
  e2b__process_selector_request_t s;
  assert_int_equal(decode(&e2b__process_selector_request, "{\"process\":{\"pid\":\"731\"}}", &s),
                   0);
  assert_int_equal(s.process->pid, 731);
  assert_int_equal(decode(&e2b__process_selector_request, "{\"process\":{\"pid\":7.31e2}}", &s), 0);
  assert_int_equal(s.process->pid, 731);
  assert_int_equal(
      decode(&e2b__process_selector_request, "{\"process\":{\"pid\":\"7\\u00331\"}}", &s), 0);
  assert_int_equal(s.process->pid, 731);
  e2b__entry_response_t e;
  static const struct {
    const char *text;
    int64_t value;
  } sizes[] = {
      {"\"9223372036854775807\"", INT64_MAX},
      {"\"-9223372036854775808\"", INT64_MIN},
      {"9007199254740993", 9007199254740993},
      {"\"9007199254740993\"", 9007199254740993},
      {"1e3", 1000},
      {"-0", 0},
  };
  for (size_t i = 0; i < E2B__COUNT(sizes); i++) {
    char text[100];
    snprintf(text, sizeof text, "{\"entry\":{\"size\":%s}}", sizes[i].text);
    assert_int_equal(decode(&e2b__entry_response, text, &e), 0);
    assert_true(e.entry->size == sizes[i].value);
  }
}

static void numbers_that_do_not_fit_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "-1", "4294967296", "1.5",      "\"\"",   "\" 1\"", "\"1 \"",  "\"x\"", "true",          "[]",
      "{}", "1e10",       "\"0x10\"", "\"01\"", "\"-1\"", "\"1.5\"", "01",    "1e999999999999"};
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    e2b__process_selector_request_t s;
    char text[100];
    snprintf(text, sizeof text, "{\"process\":{\"pid\":%s}}", bad[i]);
    if (decode(&e2b__process_selector_request, text, &s) != E2B_EPROTOCOL) {
      fail_msg("accepted: %s", bad[i]);
    }
  }
  e2b__entry_response_t e;
  assert_int_equal(
      decode(&e2b__entry_response, "{\"entry\":{\"size\":\"9223372036854775808\"}}", &e),
      E2B_EPROTOCOL);
  e2b__process_event_response_t r;
  assert_int_equal(
      decode(&e2b__process_event_response, "{\"event\":{\"end\":{\"exitCode\":2147483648}}}", &r),
      E2B_EPROTOCOL);
}

static void two_members_of_a_oneof_are_an_error(void **state) {
  (void)state;
  e2b__process_selector_request_t s;
  assert_int_equal(
      decode(&e2b__process_selector_request, "{\"process\":{\"pid\":1,\"tag\":\"x\"}}", &s),
      E2B_EPROTOCOL);
  assert_non_null(strstr(why, "tag"));
  e2b__process_event_response_t r;
  assert_int_equal(
      decode(&e2b__process_event_response, "{\"event\":{\"start\":{},\"keepalive\":{}}}", &r),
      E2B_EPROTOCOL);
}

static void a_member_that_comes_twice_is_an_error(void **state) {
  (void)state;
  e2b__watch_request_t w;
  assert_int_equal(decode(&e2b__watch_request, "{\"path\":\"a\",\"path\":\"a\"}", &w),
                   E2B_EPROTOCOL);
  assert_int_equal(
      decode(&e2b__watch_request, "{\"include_entry\":true,\"includeEntry\":true}", &w),
      E2B_EPROTOCOL);
}

static void enums_are_names_or_numbers_and_unknown_names_are_dropped(void **state) {
  (void)state;
  e2b__send_signal_request_t s;
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":\"SIGNAL_SIGTERM\"}", &s), 0);
  assert_int_equal(s.signal, 15);
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":\"SIGNAL\\u005fSIGKILL\"}", &s),
                   0);
  assert_int_equal(s.signal, 9);
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":2}", &s), 0);
  assert_int_equal(s.signal, 2);
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":\"SIGNAL_SIGINT\"}", &s), 0);
  assert_int_equal(s.signal, 0);
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":true}", &s), E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__send_signal_request, "{\"signal\":4294967296}", &s), E2B_EPROTOCOL);
}

static void bytes_are_base64_of_either_alphabet(void **state) {
  (void)state;
  e2b__send_input_request_t s;
  static const char *const forms[] = {"-_8=", "-_8", "+/8=", "+/8", "\\u002b/8="};
  for (size_t i = 0; i < E2B__COUNT(forms); i++) {
    char text[100];
    snprintf(text, sizeof text, "{\"input\":{\"stdin\":\"%s\"}}", forms[i]);
    assert_int_equal(decode(&e2b__send_input_request, text, &s), 0);
    assert_int_equal(s.input->stdin_data.len, 2);
    assert_memory_equal(s.input->stdin_data.ptr, "\373\377", 2);
  }
  assert_int_equal(decode(&e2b__send_input_request, "{\"input\":{\"stdin\":\"\"}}", &s), 0);
  assert_non_null(s.input->stdin_data.ptr);
  assert_int_equal(decode(&e2b__send_input_request, "{\"input\":{\"stdin\":\"*\"}}", &s),
                   E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__send_input_request, "{\"input\":{\"stdin\":7}}", &s),
                   E2B_EPROTOCOL);
}

static void strings_keep_nuls_and_characters_of_every_plane(void **state) {
  (void)state;
  e2b__path_request_t p;
  assert_int_equal(decode(&e2b__path_request, "{\"path\":\"/\\u0000x\\ud83d\\ude42\303\251\"}", &p),
                   0);
  assert_int_equal(p.path.len, 9);
  assert_memory_equal(p.path.ptr, "/\0x\360\237\231\202\303\251", 9);
}

static void text_that_is_not_unicode_is_refused(void **state) {
  (void)state;
  e2b__path_request_t p;
  assert_int_equal(decode(&e2b__path_request, "{\"path\":\"\377\"}", &p), E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__path_request, "{\"path\":\"\\ud83d\"}", &p), E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__path_request, "{\"path\":\"\\ude42\"}", &p), E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__path_request, "{\"\377\":1}", &p), E2B_EPROTOCOL);
}

static void the_text_must_be_one_object(void **state) {
  (void)state;
  static const char *const bad[] = {" ",
                                    "null",
                                    "[]",
                                    "\"x\"",
                                    "1",
                                    "{} x",
                                    "{}{}",
                                    "{",
                                    "}",
                                    "{\"a\"",
                                    "{,}",
                                    "{bad",
                                    "{\"path\":\"a\",}"};
  e2b__path_request_t p;
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    if (decode(&e2b__path_request, bad[i], &p) != E2B_EPROTOCOL) fail_msg("accepted: %s", bad[i]);
  }
  assert_int_equal(decode(&e2b__path_request, "", &p), E2B_EPROTOCOL);
  assert_string_equal(why, "zero-length payload is not a valid JSON object");
}

static void values_of_a_wrong_kind_are_refused_by_name(void **state) {
  (void)state;
  static const char *const bad[] = {
      "{\"process\":[]}",
      "{\"process\":\"x\"}",
      "{\"process\":{\"cmd\":1}}",
      "{\"process\":{\"args\":\"x\"}}",
      "{\"process\":{\"args\":{}}}",
      "{\"process\":{\"args\":[1]}}",
      "{\"process\":{\"envs\":[]}}",
      "{\"process\":{\"envs\":{\"a\":1}}}",
      "{\"process\":{\"envs\":{\"a\":\"b\",}}}",
      "{\"stdin\":\"true\"}",
      "{\"stdin\":1}",
      "{\"stdin\":tru}",
  };
  e2b__process_start_request_t r;
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    if (decode(&e2b__process_start_request, bad[i], &r) != E2B_EPROTOCOL) {
      fail_msg("accepted: %s", bad[i]);
    }
  }
  decode(&e2b__process_start_request, "{\"process\":{\"cmd\":1}}", &r);
  assert_string_equal(why, "cmd: not a string (at byte 18)");
  e2b__entry_response_t e;
  assert_int_equal(decode(&e2b__entry_response, "{\"entry\":{\"modifiedTime\":\"soon\"}}", &e),
                   E2B_EPROTOCOL);
  assert_int_equal(decode(&e2b__entry_response, "{\"entry\":{\"modifiedTime\":5}}", &e),
                   E2B_EPROTOCOL);
}

static void unknown_members_nest_deep_but_not_without_end(void **state) {
  (void)state;
  size_t huge = 1000 * 1000;
  char *text = malloc(huge + 1);
  e2b__path_request_t p;
  memset(text, '[', huge);
  memcpy(text, "{\"x\":", 5);
  text[huge] = '\0';
  assert_int_equal(decode(&e2b__path_request, text, &p), E2B_EPROTOCOL);
  free(text);
}

static void times_that_cannot_be_told_are_not_written(void **state) {
  (void)state;
  e2b__entry_info_t entry = {.has_modified_time = true, .modified_time = {INT64_MAX, 0}};
  e2b__entry_response_t r = {&entry};
  e2b__buffer_t out = E2B__BUFFER_INIT(1000);
  assert_int_equal(e2b__message_encode(&e2b__entry_response, &r, E2B__JSON, &out), E2B_EINVAL);
  assert_int_equal(out.len, 0);
  assert_int_equal(e2b__message_encode(&e2b__entry_response, &r, E2B__PROTO, &out), 0);
  e2b__buffer_free(&out);
}

int main(void) {
#define TEST(f) cmocka_unit_test_teardown(f, reset)
  const struct CMUnitTest tests[] = {
      TEST(blanks_and_order_do_not_matter),
      TEST(names_may_be_in_snake_case_or_escaped),
      TEST(unknown_members_are_ignored_but_must_be_json),
      TEST(null_is_absent),
      TEST(numbers_may_be_strings_and_are_exact),
      TEST(numbers_that_do_not_fit_are_refused),
      TEST(two_members_of_a_oneof_are_an_error),
      TEST(a_member_that_comes_twice_is_an_error),
      TEST(enums_are_names_or_numbers_and_unknown_names_are_dropped),
      TEST(bytes_are_base64_of_either_alphabet),
      TEST(strings_keep_nuls_and_characters_of_every_plane),
      TEST(text_that_is_not_unicode_is_refused),
      TEST(the_text_must_be_one_object),
      TEST(values_of_a_wrong_kind_are_refused_by_name),
      TEST(unknown_members_nest_deep_but_not_without_end),
      TEST(times_that_cannot_be_told_are_not_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
