/* SPDX-License-Identifier: MIT */
#include "proto/filesystem.h"
#include "proto/message_internal.h"
#include "proto/process.h"
#include "support/starving.h"
#include "unit.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

static e2b__arena_t arena;

static int reset(void **state) {
  (void)state;
  e2b__arena_free(&arena);
  return 0;
}

static int decode(const e2b__message_t *type, const char *data, size_t len, void *message) {
  const char *why = NULL;
  int rc = e2b__message_decode(type, data, len, E2B__PROTO, &arena, message, &why);
  assert_int_equal(rc == E2B_EPROTOCOL, why != NULL);
  return rc;
}

static void known_bytes_are_read(void **state) {
  (void)state;
  e2b__process_event_response_t r;
  assert_int_equal(
      decode(&e2b__process_event_response, BYTES("\x0a\x06\x0a\x04\x08\xac\x90\x01"), &r), 0);
  assert_int_equal(r.event->start->pid, 18476);
  assert_int_equal(decode(&e2b__process_event_response, BYTES("\x0a\x07\x12\x05\x0a\x03hi\n"), &r),
                   0);
  assert_true(e2b__str_equal(r.event->data->stdout_data, "hi\n"));
  assert_null(r.event->data->stderr_data.ptr);
  assert_int_equal(decode(&e2b__process_event_response,
                          BYTES("\x0a\x24\x1a\x22\x08\x06\x10\x01\x1a\x0d"
                                "exit status 3\"\x0d"
                                "exit status 3"),
                          &r),
                   0);
  assert_int_equal(r.event->end->exit_code, 3);
  assert_true(r.event->end->exited);
  assert_true(e2b__str_equal(r.event->end->error, "exit status 3"));
}

static void strings_are_lent_from_the_input_and_an_event_costs_one_block(void **state) {
  (void)state;
  const char input[] = "\x0a\x07\x12\x05\x0a\x03hi\n";
  e2b__process_event_response_t r;
  starving_library_arm(0);
  assert_int_equal(decode(&e2b__process_event_response, BYTES(input), &r), 0);
  assert_ptr_equal(r.event->data->stdout_data.ptr, input + 6);
  assert_int_equal(starving_count(), 1);
  e2b__arena_reset(&arena);
  assert_int_equal(decode(&e2b__process_event_response, BYTES(input), &r), 0);
  assert_int_equal(starving_count(), 1);
  e2b__arena_free(&arena);
  starving_library_remove();
}

static void an_empty_value_that_is_present_has_a_pointer(void **state) {
  (void)state;
  e2b__process_event_response_t r;
  assert_int_equal(decode(&e2b__process_event_response, BYTES("\x0a\x04\x12\x02\x1a\x00"), &r), 0);
  assert_non_null(r.event->data->pty_data.ptr);
  assert_int_equal(r.event->data->pty_data.len, 0);
  assert_null(r.event->data->stdout_data.ptr);
}

static void no_bytes_are_the_default_message(void **state) {
  (void)state;
  e2b__process_event_response_t r;
  assert_int_equal(decode(&e2b__process_event_response, NULL, 0, &r), 0);
  assert_null(r.event);
}

static void unknown_fields_of_every_wire_type_are_skipped(void **state) {
  (void)state;
  e2b__watcher_id_t w;
  const char input[] = "\xf8\x01\xff\x01" /* 31: varint */
                       "\xf9\x01"         /* 31: eight bytes */
                       "12345678"
                       "\xfa\x01\x03xyz" /* 31: bytes */
                       "\xfd\x01"        /* 31: four bytes */
                       "1234"
                       "\xfb\x01\x0b\x12\x01z\x0c\x08\x05\xfc\x01" /* 31: a group in a group */
                       "\x0a\x02id"
                       "\xf8\xff\xff\xff\x0f\x01"; /* the highest number there is */
  assert_int_equal(decode(&e2b__watcher_id, BYTES(input), &w), 0);
  assert_true(e2b__str_equal(w.watcher_id, "id"));
}

static void a_known_field_of_another_wire_type_is_skipped(void **state) {
  (void)state;
  e2b__list_dir_request_t r;
  assert_int_equal(decode(&e2b__list_dir_request,
                          BYTES("\x08\x05\x12\x01x\x15"
                                "abcd"),
                          &r),
                   0);
  assert_null(r.path.ptr);
  assert_int_equal(r.depth, 0);
}

static void the_last_of_two_scalars_wins_and_messages_merge(void **state) {
  (void)state;
  e2b__list_dir_request_t d;
  assert_int_equal(decode(&e2b__list_dir_request,
                          BYTES("\x10\x01\x0a\x01"
                                "a\x10\x02\x0a\x01"
                                "b"),
                          &d),
                   0);
  assert_int_equal(d.depth, 2);
  assert_true(e2b__str_equal(d.path, "b"));
  e2b__process_start_request_t s;
  const char twice[] = "\x0a\x07\x0a\x02ls\x12\x01"
                       "a"
                       "\x0a\x06\x12\x01"
                       "b\x22\x01/";
  assert_int_equal(decode(&e2b__process_start_request, BYTES(twice), &s), 0);
  assert_true(e2b__str_equal(s.process->cmd, "ls"));
  assert_true(e2b__str_equal(s.process->cwd, "/"));
  assert_int_equal(s.process->args_count, 2);
  assert_true(e2b__str_equal(s.process->args[1], "b"));
}

static void the_last_member_of_a_oneof_wins(void **state) {
  (void)state;
  e2b__process_selector_request_t r;
  assert_int_equal(decode(&e2b__process_selector_request, BYTES("\x0a\x05\x08\x07\x12\x01t"), &r),
                   0);
  assert_false(r.process->has_pid);
  assert_int_equal(r.process->pid, 0);
  assert_true(e2b__str_equal(r.process->tag, "t"));
  assert_int_equal(decode(&e2b__process_selector_request, BYTES("\x0a\x05\x12\x01t\x08\x07"), &r),
                   0);
  assert_true(r.process->has_pid);
  assert_int_equal(r.process->pid, 7);
  assert_null(r.process->tag.ptr);
  e2b__watch_response_t w;
  assert_int_equal(decode(&e2b__watch_response, BYTES("\x0a\x00\x12\x03\x0a\x01x\x1a\x00"), &w), 0);
  assert_null(w.start);
  assert_null(w.filesystem);
  assert_non_null(w.keepalive);
}

static void malformed_input_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *data;
    size_t len;
  } bad[] = {
      {BYTES("\x0a")}, /* no length */
      {BYTES("\x0a\x05"
             "abcd")},                                         /* length past the end */
      {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}, /* length 2^64-1 */
      {BYTES("\x10")},                                         /* no value */
      {BYTES("\x10\x80")},
      {BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},     /* 65 bits */
      {BYTES("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")}, /* eleven bytes */
      {BYTES("\x00\x00")},                                         /* number 0 */
      {BYTES("\x80\x80\x80\x80\x10\x00")},                         /* number 2^29 */
      {BYTES("\x1e")},                                             /* wire type 6 */
      {BYTES("\x1f")},
      {BYTES("\x1c")},     /* a group's end alone */
      {BYTES("\x1b")},     /* a group without end */
      {BYTES("\x1b\x24")}, /* with another's end */
      {BYTES("\x19"
             "1234567")},
      {BYTES("\x1d"
             "123")},
      {BYTES("\x0a\x02\303\050")}, /* not UTF-8 */
  };
  e2b__list_dir_request_t r;
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    if (decode(&e2b__list_dir_request, bad[i].data, bad[i].len, &r) != E2B_EPROTOCOL) {
      fail_msg("accepted: case %zu", i);
    }
  }
}

static void groups_nest_so_deep_and_no_deeper(void **state) {
  (void)state;
  char input[200];
  e2b__empty_t e;
  for (size_t depth = 31; depth <= 33; depth++) {
    memset(input, 0x0b, depth);
    memset(input + depth, 0x0c, depth);
    assert_int_equal(decode(&e2b__empty, input, 2 * depth, &e), depth <= 32 ? 0 : E2B_EPROTOCOL);
  }
}

static void numbers_of_all_kinds_keep_their_value(void **state) {
  (void)state;
  e2b__entry_info_t in = {.size = INT64_MIN, .mode = UINT32_MAX, .type = -5};
  e2b__entry_response_t request = {&in}, r;
  e2b__buffer_t out = E2B__BUFFER_INIT(1000);
  assert_int_equal(e2b__message_encode(&e2b__entry_response, &request, E2B__PROTO, &out), 0);
  assert_int_equal(decode(&e2b__entry_response, out.data, out.len, &r), 0);
  assert_true(r.entry->size == INT64_MIN);
  assert_int_equal(r.entry->mode, UINT32_MAX);
  assert_int_equal(r.entry->type, -5);
  assert_false(r.entry->has_modified_time);
  e2b__buffer_free(&out);
  /* Bits past the field's width are dropped, as protobuf says. */
  e2b__list_dir_request_t d;
  assert_int_equal(decode(&e2b__list_dir_request, BYTES("\x10\x85\x80\x80\x80\x10"), &d), 0);
  assert_int_equal(d.depth, 5);
}

static void map_entries_may_lack_a_key_or_a_value_or_come_in_any_order(void **state) {
  (void)state;
  e2b__process_start_request_t r;
  const char input[] = "\x0a\x14"
                       "\x1a\x00"
                       "\x1a\x03\x0a\x01k"
                       "\x1a\x03\x12\x01v"
                       "\x1a\x06\x12\x01"
                       "1\x0a\x01"
                       "a";
  assert_int_equal(decode(&e2b__process_start_request, BYTES(input), &r), 0);
  const e2b__process_config_t *c = r.process;
  assert_int_equal(c->envs_count, 4);
  assert_true(e2b__str_equal(c->envs[0].name, "") && e2b__str_equal(c->envs[0].value, ""));
  assert_true(e2b__str_equal(c->envs[1].name, "k") && e2b__str_equal(c->envs[1].value, ""));
  assert_true(e2b__str_equal(c->envs[2].name, "") && e2b__str_equal(c->envs[2].value, "v"));
  assert_true(e2b__str_equal(c->envs[3].name, "a") && e2b__str_equal(c->envs[3].value, "1"));
}

/* No message of the daemon repeats a scalar; the tables can. */
typedef struct numbers {
  int32_t *values;
  size_t values_count;
} numbers;

static const e2b__field_t numbers_fields[] = {
    FIELD_LIST(1, SINT32, numbers, values, "values", NULL),
};
static const e2b__message_t numbers_type = MESSAGE("Numbers", numbers_fields, numbers);

static void repeated_scalars_are_written_packed_and_read_either_way(void **state) {
  (void)state;
  int32_t values[] = {1, -1, 0, INT32_MAX, INT32_MIN};
  numbers in = {values, 5}, back;
  e2b__buffer_t out = E2B__BUFFER_INIT(1000);
  assert_int_equal(e2b__message_encode(&numbers_type, &in, E2B__PROTO, &out), 0);
  assert_int_equal(out.data[0], 0x0a);
  assert_int_equal(decode(&numbers_type, out.data, out.len, &back), 0);
  assert_int_equal(back.values_count, 5);
  assert_memory_equal(back.values, values, sizeof values);
  assert_int_equal(decode(&numbers_type, BYTES("\x08\x02\x0a\x02\x01\x00\x08\x04"), &back), 0);
  assert_int_equal(back.values_count, 4);
  static const int32_t expected[] = {1, -1, 0, 2};
  assert_memory_equal(back.values, expected, sizeof expected);
  assert_int_equal(decode(&numbers_type, BYTES("\x0a\x01\x80"), &back), E2B_EPROTOCOL);
  e2b__buffer_free(&out);
}

static void long_lists_keep_every_element(void **state) {
  (void)state;
  e2b__entry_info_t *entries = calloc(5000, sizeof *entries);
  for (size_t i = 0; i < 5000; i++)
    entries[i].size = (int64_t)i + 1;
  e2b__list_dir_response_t listing = {entries, 5000}, back;
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  assert_int_equal(e2b__message_encode(&e2b__list_dir_response, &listing, E2B__PROTO, &out), 0);
  assert_int_equal(decode(&e2b__list_dir_response, out.data, out.len, &back), 0);
  assert_int_equal(back.entries_count, 5000);
  for (size_t i = 0; i < 5000; i++)
    assert_true(back.entries[i].size == (int64_t)i + 1);
  e2b__buffer_free(&out);
  free(entries);
}

/* Of every length that a varint's length turns at. */
static void output_alone_is_read_the_short_way_with_the_same_result(void **state) {
  static char text[70000];
  static const size_t sizes[] = {0, 1, 119, 120, 127, 128, 300, 16370, 16384, sizeof text};
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(sizes) * 3; i++) {
    e2b__process_data_event_t data = {0}, quick;
    e2b__process_event_t event = {.data = &data};
    e2b__process_event_response_t sent = {&event}, back;
    e2b__str_t *const members[] = {&data.stdout_data, &data.stderr_data, &data.pty_data};
    *members[i % 3] = (e2b__str_t){text, sizes[i / 3]};
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    assert_int_equal(e2b__message_encode(&e2b__process_event_response, &sent, E2B__PROTO, &out), 0);
    assert_int_equal(decode(&e2b__process_event_response, out.data, out.len, &back), 0);
    assert_true(e2b__process_data_read(out.data, out.len, &quick));
    assert_memory_equal(&quick, back.event->data, sizeof quick);
    for (size_t len = 0; len < out.len; len += 1 + len / 8) {
      assert_false(e2b__process_data_read(out.data, len, &quick));
    }
    e2b__buffer_free(&out);
  }
}

static void anything_but_output_alone_takes_the_long_way(void **state) {
  static const struct {
    const char *bytes;
    size_t len;
  } others[] = {
      {BYTES("\x0a\x06\x0a\x04\x08\xac\x90\x01")},             /* a start */
      {BYTES("\x0a\x02\x22\x00")},                             /* a keep-alive */
      {BYTES("\x0a\x02\x12\x00")},                             /* a data event without output */
      {BYTES("\x0a\x07\x12\x05\x22\x03hi\n")},                 /* a fourth output */
      {BYTES("\x0a\x0b\x12\x09\x0a\x03hi\n\x12\x02no")},       /* two outputs */
      {BYTES("\x0a\x09\x12\x05\x0a\x03hi\n\x22\x00")},         /* another event behind */
      {BYTES("\x0a\x07\x12\x05\x0a\x03hi\n\x10\x01")},         /* an unknown field behind */
      {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}, /* no length at all */
      {BYTES("\x0a\x07\x12\x05\x0a\x04hi\n")},                 /* a length past the end */
  };
  (void)state;
  e2b__process_data_event_t data;
  for (size_t i = 0; i < E2B__COUNT(others); i++) {
    assert_false(e2b__process_data_read(others[i].bytes, others[i].len, &data));
  }
}

int main(void) {
#define TEST(f) cmocka_unit_test_teardown(f, reset)
  const struct CMUnitTest tests[] = {
      TEST(known_bytes_are_read),
      TEST(strings_are_lent_from_the_input_and_an_event_costs_one_block),
      TEST(an_empty_value_that_is_present_has_a_pointer),
      TEST(no_bytes_are_the_default_message),
      TEST(unknown_fields_of_every_wire_type_are_skipped),
      TEST(a_known_field_of_another_wire_type_is_skipped),
      TEST(the_last_of_two_scalars_wins_and_messages_merge),
      TEST(the_last_member_of_a_oneof_wins),
      TEST(malformed_input_is_refused),
      TEST(groups_nest_so_deep_and_no_deeper),
      TEST(numbers_of_all_kinds_keep_their_value),
      TEST(map_entries_may_lack_a_key_or_a_value_or_come_in_any_order),
      TEST(repeated_scalars_are_written_packed_and_read_either_way),
      TEST(long_lists_keep_every_element),
      TEST(output_alone_is_read_the_short_way_with_the_same_result),
      TEST(anything_but_output_alone_takes_the_long_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
