/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include "proto/connect_error.h"
#include "proto/envelope.h"
#include "proto/filesystem.h"
#include "proto/process.h"
#include "unit.h"

/* What the real daemon was sent and what it said. */

typedef struct stream {
  const e2b__message_t *type;
  e2b__encoding_t encoding;
  e2b__arena_t arena;
  e2b__buffer_t json; /* its messages, a line each */
  e2b__connect_error_t end;
  bool ended;
} stream;

static void take(stream *s, const e2b__envelope_t *e) {
  const char *why = NULL;
  union {
    e2b__process_event_response_t process;
    e2b__watch_response_t watch;
  } message;
  if ((e->flags & E2B__ENVELOPE_END_STREAM) != 0) {
    assert_int_equal(e2b__connect_end_decode(e->payload, e->len, &s->arena, &s->end), 0);
    s->ended = true;
    return;
  }
  int rc = e2b__message_decode(s->type, e->payload, e->len, s->encoding, &s->arena, &message, &why);
  if (rc != 0) fail_msg("%s", why);
  assert_int_equal(e2b__message_encode(s->type, &message, E2B__JSON, &s->json), 0);
  assert_int_equal(e2b__buffer_append_str(&s->json, "\n"), 0);
}

/* Takes a recorded stream in pieces of `step` bytes. */
static stream play(const char *name, const e2b__message_t *type, e2b__encoding_t encoding,
                   size_t step) {
  fixture f = fixture_load(name);
  stream s = {type, encoding, {0}, E2B__BUFFER_INIT(1 << 20), {0}, false};
  e2b__envelope_decoder_t d;
  e2b__envelope_decoder_init(&d, 1 << 20);
  for (size_t at = 0; at < f.response_len; at += step) {
    const char *data = f.response + at;
    size_t len = f.response_len - at < step ? f.response_len - at : step;
    e2b__envelope_t e;
    int rc;
    while ((rc = e2b__envelope_next(&d, &data, &len, &e)) == 1)
      take(&s, &e);
    assert_int_equal(rc, 0);
  }
  assert_false(e2b__envelope_partial(&d));
  assert_true(s.ended);
  e2b__envelope_decoder_free(&d);
  fixture_free(&f);
  return s;
}

static void stream_free(stream *s) {
  e2b__buffer_free(&s->json);
  e2b__arena_free(&s->arena);
}

static void check(const char *name, const e2b__message_t *type, e2b__encoding_t encoding,
                  const char *json, e2b__connect_code_t code) {
  for (size_t step = 1; step < 2000; step += step < 20 ? 1 : 97) {
    stream s = play(name, type, encoding, step);
    assert_string_equal(s.json.data != NULL ? s.json.data : "", json);
    assert_int_equal(s.end.code, code);
    stream_free(&s);
  }
}

static void commands_run_to_their_end(void **state) {
  (void)state;
  check("process-start-exit-3", &e2b__process_event_response, E2B__JSON,
        "{\"event\":{\"start\":{\"pid\":17658}}}\n"
        "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true,\"status\":\"exit status 3\","
        "\"error\":\"exit status 3\"}}}\n",
        E2B__CONNECT_NONE);
  check("process-start-proto", &e2b__process_event_response, E2B__PROTO,
        "{\"event\":{\"start\":{\"pid\":18476}}}\n"
        "{\"event\":{\"data\":{\"stdout\":\"aGkK\"}}}\n"
        "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true,\"status\":\"exit status 3\","
        "\"error\":\"exit status 3\"}}}\n",
        E2B__CONNECT_NONE);
  check("process-start-proto-sigkill", &e2b__process_event_response, E2B__PROTO,
        "{\"event\":{\"start\":{\"pid\":18479}}}\n"
        "{\"event\":{\"end\":{\"exitCode\":-1,\"status\":\"signal: killed\","
        "\"error\":\"signal: killed\"}}}\n",
        E2B__CONNECT_NONE);
}

static void success_has_no_exit_code_member(void **state) {
  (void)state;
  stream s = play("process-start-success", &e2b__process_event_response, E2B__JSON, 7);
  assert_non_null(strstr(s.json.data,
                         "{\"event\":{\"end\":{\"exited\":true,\"status\":\"exit status 0\"}}}\n"));
  stream_free(&s);
}

static void keepalives_come_between(void **state) {
  (void)state;
  stream s = play("process-start-keepalive", &e2b__process_event_response, E2B__JSON, 3);
  assert_non_null(strstr(s.json.data, "{\"event\":{\"keepalive\":{}}}\n"));
  stream_free(&s);
}

static void streams_fail_in_their_last_envelope(void **state) {
  (void)state;
  check("process-start-bad-cwd", &e2b__process_event_response, E2B__JSON, "",
        E2B__CONNECT_INVALID_ARGUMENT);
  check("connect-stream-bad-flags", &e2b__process_event_response, E2B__JSON, "",
        E2B__CONNECT_INTERNAL);
}

static void a_watch_tells_what_happened(void **state) {
  (void)state;
  stream s = play("fs-watchdir", &e2b__watch_response, E2B__JSON, 11);
  assert_memory_equal(s.json.data, "{\"start\":{}}\n", 13);
  assert_non_null(strstr(s.json.data, "\"type\":\"EVENT_TYPE_RENAME\""));
  assert_int_equal(s.end.code, E2B__CONNECT_DEADLINE_EXCEEDED);
  stream_free(&s);
}

/* Drops the blanks that this build of the daemon writes after commas. */
static char *without_blanks(const fixture *f) {
  char *text = malloc(f->response_len + 1);
  size_t len = 0;
  bool quoted = false;
  for (size_t i = 0; i < f->response_len; i++) {
    char c = f->response[i];
    if (c == '"') quoted = !quoted; /* no recording here has an escaped quote */
    if (c != ' ' || quoted) text[len++] = c;
  }
  text[len] = '\0';
  return text;
}

/* An answer, read and written again, is what the daemon wrote; so it is after a way in binary. */
static void check_answer(const char *name, const e2b__message_t *type, void *message) {
  fixture f = fixture_load(name);
  e2b__arena_t arena = {0};
  e2b__buffer_t json = E2B__BUFFER_INIT(1 << 20), binary = E2B__BUFFER_INIT(1 << 20);
  char *expected = without_blanks(&f);
  const char *why = NULL;
  int rc = e2b__message_decode(type, f.response, f.response_len, E2B__JSON, &arena, message, &why);
  if (rc != 0) fail_msg("%s: %s", name, why);
  assert_int_equal(e2b__message_encode(type, message, E2B__JSON, &json), 0);
  assert_string_equal(json.data, expected);
  assert_int_equal(e2b__message_encode(type, message, E2B__PROTO, &binary), 0);
  assert_int_equal(
      e2b__message_decode(type, binary.data, binary.len, E2B__PROTO, &arena, message, &why), 0);
  e2b__buffer_clear(&json);
  assert_int_equal(e2b__message_encode(type, message, E2B__JSON, &json), 0);
  assert_string_equal(json.data, expected);
  free(expected);
  e2b__buffer_free(&json);
  e2b__buffer_free(&binary);
  e2b__arena_free(&arena);
  fixture_free(&f);
}

static void answers_are_written_again_as_they_were(void **state) {
  (void)state;
  e2b__entry_response_t entry;
  e2b__list_dir_response_t listing;
  e2b__watcher_events_response_t events;
  e2b__process_list_response_t processes;
  e2b__empty_t empty;
  check_answer("fs-stat-file", &e2b__entry_response, &entry);
  check_answer("fs-stat-broken-symlink", &e2b__entry_response, &entry);
  check_answer("fs-listdir-depth-2", &e2b__list_dir_response, &listing);
  check_answer("fs-getwatcherevents", &e2b__watcher_events_response, &events);
  check_answer("process-list-one", &e2b__process_list_response, &processes);
  check_answer("process-sendinput-stdin", &e2b__empty, &empty);
}

static void requests_in_binary_are_what_was_sent(void **state) {
  (void)state;
  fixture f = fixture_load("process-start-proto");
  e2b__str_t args[] = {E2B__STR("-c"), E2B__STR("echo hi; exit 3")};
  e2b__process_config_t config = {.cmd = E2B__STR("/bin/sh"), .args = args, .args_count = 2};
  e2b__process_start_request_t start = {.process = &config, .has_stdin = true};
  e2b__buffer_t out = E2B__BUFFER_INIT(1000);
  assert_int_equal(e2b__message_encode(&e2b__process_start_request, &start, E2B__PROTO, &out), 0);
  assert_int_equal(out.len, f.request_len - E2B__ENVELOPE_PREFIX);
  assert_memory_equal(out.data, f.request + E2B__ENVELOPE_PREFIX, out.len);
  e2b__buffer_free(&out);
  fixture_free(&f);
}

static void requests_in_json_are_what_was_sent(void **state) {
  (void)state;
  fixture f = fixture_load("process-sendsignal-sigkill");
  e2b__arena_t arena = {0};
  e2b__send_signal_request_t r;
  e2b__buffer_t out = E2B__BUFFER_INIT(1000);
  assert_int_equal(e2b__message_decode(&e2b__send_signal_request, f.request, f.request_len,
                                       E2B__JSON, &arena, &r, NULL),
                   0);
  assert_int_equal(r.signal, E2B__SIGNAL_SIGKILL);
  assert_int_equal(e2b__message_encode(&e2b__send_signal_request, &r, E2B__JSON, &out), 0);
  assert_int_equal(out.len, f.request_len);
  assert_memory_equal(out.data, f.request, out.len);
  e2b__buffer_free(&out);
  e2b__arena_free(&arena);
  fixture_free(&f);
}

static void an_input_stream_is_read_as_the_daemon_does(void **state) {
  (void)state;
  fixture f = fixture_load("process-streaminput");
  e2b__arena_t arena = {0};
  e2b__envelope_decoder_t d;
  e2b__envelope_t e;
  const char *data = f.request;
  size_t len = f.request_len;
  unsigned starts = 0, inputs = 0;
  e2b__envelope_decoder_init(&d, 1 << 20);
  while (e2b__envelope_next(&d, &data, &len, &e) == 1) {
    e2b__stream_input_request_t r;
    assert_int_equal(e2b__message_decode(&e2b__stream_input_request, e.payload, e.len, E2B__JSON,
                                         &arena, &r, NULL),
                     0);
    if (starts == 0) assert_non_null(r.start);
    starts += r.start != NULL;
    inputs += r.data != NULL && r.data->input != NULL;
  }
  assert_int_equal(starts, 1);
  assert_true(inputs > 0);
  e2b__envelope_decoder_free(&d);
  e2b__arena_free(&arena);
  fixture_free(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commands_run_to_their_end),
      cmocka_unit_test(success_has_no_exit_code_member),
      cmocka_unit_test(keepalives_come_between),
      cmocka_unit_test(streams_fail_in_their_last_envelope),
      cmocka_unit_test(a_watch_tells_what_happened),
      cmocka_unit_test(answers_are_written_again_as_they_were),
      cmocka_unit_test(requests_in_binary_are_what_was_sent),
      cmocka_unit_test(requests_in_json_are_what_was_sent),
      cmocka_unit_test(an_input_stream_is_read_as_the_daemon_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
