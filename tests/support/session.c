/* SPDX-License-Identifier: MIT */
#include "support/session.h"

#include <signal.h>
#include <stdio.h>

#include "e2b/code.h"

typedef struct outcome {
  unsigned failures; /* operations that did not succeed, but were to */
  int code;          /* of the first */
  const char *where; /* the first */
} outcome_t;

typedef struct session {
  stage_t s;
  const e2b_rpc_encoding_t *encoding;
  bool strict; /* the first failure must be E2B_ENOMEM */
  outcome_t outcome;
} session;

static void note_failure(session *it, const char *where, int code) {
  if (it->outcome.failures++ > 0) return;
  it->outcome.code = code;
  it->outcome.where = where;
}

/* Waits for it. Its code; the failure is whole. */
static int outcome_of(session *it, e2b_future_t *future, const char *where, int expected) {
  if (future == NULL) {
    note_failure(it, where, E2B_ENOMEM);
    return E2B_ENOMEM;
  }
  const int code = harness_await(&it->s.f.h, future);
  const e2b_error_t *error = e2b_future_error(future);
  if (code != 0) {
    assert_int_equal(error->code, code);
    assert_true(strlen(error->message) > 0);
    assert_true(strlen(error->operation) + strlen(error->detail) + strlen(error->connect_code) +
                    strlen(error->server_code) <
                100000);
    if (error->partial != NULL) assert_non_null(error->partial->status);
  }
  if (code != expected) note_failure(it, where, code);
  return code;
}

static void expect(session *it, e2b_future_t *future, const char *where, int expected) {
  outcome_of(it, future, where, expected);
  e2b_future_release(future);
}

/* Text that is lent may be read up to its end. */
static void readable(const char *text) {
  assert_non_null(text);
  assert_true(strlen(text) < 10000);
}

static void expect_execution(session *it, e2b_future_t *future, const char *where,
                             const char *out) {
  if (outcome_of(it, future, where, 0) == 0) {
    const e2b_execution_t *result = e2b_future_execution(future);
    assert_non_null(result);
    assert_string_equal(result->stdout_data.ptr, out);
    readable(result->status);
    readable(result->sandbox_id);
    assert_int_equal(result->exit_code, 0);
  }
  e2b_future_release(future);
}

static void expect_info(session *it, e2b_future_t *future, const char *where) {
  if (outcome_of(it, future, where, 0) == 0) {
    const e2b_file_info_t *info = e2b_future_file_info(future);
    assert_string_equal(info->path, "/tmp/x");
    readable(info->owner);
    readable(info->permissions);
  }
  e2b_future_release(future);
}

static void control_plane(session *it) {
  stage_t *s = &it->s;
  e2b_future_t *future = e2b_sandbox_get_info(s->f.sandbox);
  if (outcome_of(it, future, "info", 0) == 0) {
    const e2b_sandbox_info_t *info = e2b_future_sandbox_info(future);
    assert_string_equal(info->id, FAULTS_SANDBOX_ID);
    assert_int_equal(info->metadata_count, 1);
    assert_string_equal(info->metadata[0].value, "v");
  }
  e2b_future_release(future);
  future = e2b_sandbox_list(s->f.h.client, NULL);
  if (outcome_of(it, future, "list", 0) == 0) {
    assert_int_equal(e2b_future_sandbox_list(future)->count, 1);
    assert_string_equal(e2b_future_sandbox_list(future)->next_token, "next");
  }
  e2b_future_release(future);
  expect(it, e2b_sandbox_set_timeout(s->f.sandbox, 1000), "set_timeout", 0);
}

static void programs(session *it) {
  stage_t *s = &it->s;
  static const char *const args[] = {"-l", NULL};
  expect_execution(it, e2b_run_command(s->f.sandbox, "ls", args, NULL), "run_command", "out");
  e2b_run_options options;
  stage_run_options(s, &options);
  options.text = 1;
  options.collect = E2B_ON;
  options.cwd = "/tmp";
  options.user = "root";
  options.stdin_data = "words";
  options.stdin_len = 5;
  expect_execution(it, e2b_run_shell(s->f.sandbox, "cat", &options), "run_shell", "out");
  expect_execution(it, e2b_run_code(s->f.sandbox, "print('out')", NULL), "run_code", "out");
  e2b_future_t *future = e2b_command_list(s->f.sandbox);
  if (outcome_of(it, future, "command_list", 0) == 0) {
    assert_string_equal(e2b_future_process_list(future)->items[0].program, "sleep");
  }
  e2b_future_release(future);
}

static void handle(session *it) {
  stage_t *s = &it->s;
  e2b_run_options options;
  stage_run_options(s, &options);
  e2b_future_t *future = e2b_command_connect(s->f.sandbox, 7, &options);
  outcome_of(it, future, "command_connect", 0);
  s->command = e2b_future_command(future);
  e2b_future_release(future);
  if (s->command == NULL) return;
  expect(it, e2b_command_write(s->command, "words", 5), "command_write", 0);
  expect(it, e2b_command_signal(s->command, SIGTERM), "command_signal", 0);
  future = e2b_command_close_stdin(s->command);
  const int code = outcome_of(it, future, "command_close_stdin", 0);
  e2b_future_release(future);
  if (code != 0) e2b_command_disconnect(s->command); /* it would run for ever */
  expect(it, e2b_command_wait(s->command), "command_wait", 0);
  e2b_command_release(s->command);
  s->command = NULL;
}

static void files(session *it) {
  stage_t *s = &it->s;
  expect_info(it, e2b_files_write(s->f.sandbox, "/tmp/x", "hello", 5, NULL), "files_write");
  e2b_future_t *future = e2b_files_read(s->f.sandbox, "/tmp/x", NULL);
  if (outcome_of(it, future, "files_read", 0) == 0) {
    assert_int_equal(strlen(e2b_future_bytes(future)->ptr), e2b_future_bytes(future)->len);
  }
  e2b_future_release(future);
  future = e2b_files_list(s->f.sandbox, "/tmp", 1, NULL);
  if (outcome_of(it, future, "files_list", 0) == 0) {
    assert_int_equal(e2b_future_file_list(future)->count, 1);
    assert_string_equal(e2b_future_file_list(future)->items[0].metadata[0].name, "a");
  }
  e2b_future_release(future);
  expect_info(it, e2b_files_stat(s->f.sandbox, "/tmp/x", NULL), "files_stat");
  expect(it, e2b_files_mkdir(s->f.sandbox, "/tmp/d", NULL), "files_mkdir", 0);
  expect(it, e2b_files_remove(s->f.sandbox, "/tmp/d", NULL), "files_remove", 0);
  /* The connection breaks here, and the sandbox is asked. */
  expect(it, e2b_files_rename(s->f.sandbox, "/tmp/x", "/tmp/y", NULL), "files_rename",
         E2B_ECONNLOST);
  const unsigned before = s->callbacks;
  future = e2b_files_read_stream(s->f.sandbox, "/tmp/x", stage_on_data, s, NULL);
  if (outcome_of(it, future, "files_read_stream", 0) == 0) {
    assert_true(e2b_future_transferred(future) > 0 && s->callbacks > before);
  }
  e2b_future_release(future);
  for (size_t i = 0; i < operations_count; i++) {
    if (strcmp(operations[i].name, "files_write_stream") != 0) continue;
    future = operations[i].start(s);
    if (s->upload_left > 0 && s->upload != NULL) harness_turn(&s->f.h, 50);
    if (s->upload_left > 0) { /* a piece did not find memory: given up */
      note_failure(it, "upload_write", E2B_ENOMEM);
      e2b_upload_release(s->upload);
      s->upload = NULL;
    }
    expect_info(it, future, "files_write_stream");
  }
}

static void session_of(session *it) {
  stage_t *s = &it->s;
  s->f.h.client = e2b_client_new(&s->f.h.loop, &s->f.options);
  if (s->f.h.client == NULL) {
    note_failure(it, "client", E2B_ENOMEM);
    return;
  }
  e2b_future_t *future = e2b_sandbox_create(s->f.h.client, NULL);
  outcome_of(it, future, "sandbox_create", 0);
  s->f.sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  if (s->f.sandbox == NULL) return;
  control_plane(it);
  programs(it);
  handle(it);
  files(it);
  expect(it, e2b_sandbox_kill(s->f.sandbox), "kill", 0);
}

static void play(void *ctx, size_t nth) {
  session *it = ctx;
  stage_t *s = &it->s;
  memset(s, 0, sizeof *s);
  memset(&it->outcome, 0, sizeof it->outcome);
  faults_open(&s->f, it->encoding);
  snprintf(s->sandbox_url, sizeof s->sandbox_url, "http://localhost:%u", fault_port(s->f.server));
  s->f.options.sandbox_url = s->sandbox_url;
  fault_close(fault_on(s->f.server, "POST /filesystem.Filesystem/Move"));
  stage_script(&s->f);
  starving_begin();
  session_of(it);
  e2b_client_t *client = s->f.h.client;
  s->f.h.client = NULL;
  if (client != NULL) {
    e2b_client_close(client, stage_on_closed, s);
    harness_until_count(&s->f.h, &s->closed, 1);
  } else {
    /* A client that could not be made may still have handles that close. */
    while (uv_run(&s->f.h.loop, UV_RUN_DEFAULT) != 0) {
    }
  }
  e2b_upload_release(s->upload);
  e2b_sandbox_release(s->f.sandbox);
  s->f.sandbox = NULL;
  const size_t count = starving_count();
  starving_end();
  faults_close(&s->f);
  const outcome_t *outcome = &it->outcome;
  const char *where = outcome->failures > 0 ? outcome->where : "nowhere";
  if (getenv("E2B_TEST_VERBOSE") != NULL) {
    print_message("%zu of %zu: %s: %s\n", nth, count, where, e2b_code_name(outcome->code));
  }
  if (!starving_failed()) assert_int_equal(outcome->failures, 0);
  if (e2b_code_flags(outcome->code) & E2B_FLAG_INPUT) { /* want of memory is no caller's mistake */
    fail_msg("%s without allocation %zu: %s", where, nth, e2b_code_name(outcome->code));
  }
  if (it->strict && outcome->failures > 0 && outcome->code != E2B_ENOMEM) {
    fail_msg("%s without allocation %zu: %s", where, nth, e2b_code_name(outcome->code));
  }
}

bool session_run(const e2b_rpc_encoding_t *encoding, size_t nth, bool for_good) {
  session it = {.encoding = encoding};
  const starving_scenario_t scenario = {"a session", play, &it};
  return !starving_play(&scenario, nth, for_good);
}

void session_walk(const e2b_rpc_encoding_t *encoding, bool for_good, size_t whole, size_t stride,
                  bool strict) {
  session it = {.encoding = encoding, .strict = strict};
  const starving_scenario_t scenario = {"a session", play, &it};
  starving_walk(&scenario, for_good, whole, stride);
}
