/* SPDX-License-Identifier: MIT */
#include "support/stage.h"

#include <signal.h>
#include <stdio.h>

#include "e2b/code.h"
#include "proto/filesystem.h"
#include "proto/process.h"

enum { PID = 7, UPLOAD_BYTES = 2 << 20, UPLOAD_PIECE = 700 << 10, DOWNLOAD_BYTES = 200 << 10 };

unsigned stage_inside;

void stage_broken(const char *what, const char *file, int line) {
  fprintf(stderr, "%s:%d: broken inside a callback: %s\n", file, line, what);
  abort();
}

/* --- the server ------------------------------------------------------------------------------- */

static void unary(faults_t *f, const char *what, const e2b__message_t *type, const void *message) {
  e2b__buffer_t body = E2B__BUFFER_INIT(1 << 20);
  const bool json = f->options.rpc_encoding == E2B_RPC_JSON;
  const e2b__encoding_t encoding = json ? E2B__JSON : E2B__PROTO;
  assert_int_equal(e2b__message_encode(type, message, encoding, &body), 0);
  fault_answer_bytes(fault_on(f->server, what), 200,
                     json ? "application/json" : "application/proto",
                     body.data != NULL ? body.data : "", body.len, NULL);
  e2b__buffer_free(&body);
}

void stage_program(faults_t *f, fault_rule_t *rule, const char *out, const char *err,
                   unsigned exit_code) {
  bytes_t body = {NULL, 0};
  put_start(f, &body, PID);
  fault_head_chunked(rule, 200, faults_stream_type(f), NULL);
  fault_chunk(rule, body.data, body.len);
  bytes_free(&body);
  if (*out != '\0') put_out(f, &body, out, strlen(out));
  if (*err != '\0') put_err(f, &body, err, strlen(err));
  put_exit(f, &body, exit_code);
  put_end(&body, NULL);
  fault_chunk(rule, body.data, body.len);
  bytes_free(&body);
  fault_last_chunk(rule);
}

static void release_held(void *server) {
  fault_release(server);
}

/* A program that runs until somebody says that it is enough. */
static void attached_program(faults_t *f) {
  fault_rule_t *rule = fault_on(f->server, "POST /process.Process/Connect");
  bytes_t body = {NULL, 0};
  put_start(f, &body, PID);
  put_out(f, &body, "here", 4);
  faults_stream(f, rule, &body, false);
  bytes_free(&body);
  fault_hold(rule);
  put_exit(f, &body, 0);
  put_end(&body, NULL);
  fault_chunk(rule, body.data, body.len);
  fault_last_chunk(rule);
  bytes_free(&body);
}

static void process_script(faults_t *f) {
  stage_program(f, fault_on(f->server, START), "out", "err", 0);
  attached_program(f);
  e2b__process_config_t config = {E2B__STR("sleep"), NULL, 0, NULL, 0, E2B__STR("/tmp")};
  e2b__process_info_t process = {&config, PID, E2B__STR("tag")};
  const e2b__process_list_response_t list = {&process, 1};
  unary(f, "POST /process.Process/List", &e2b__process_list_response, &list);
  const e2b__empty_t nothing = {0};
  unary(f, SEND_INPUT, &e2b__empty, &nothing);
  const char *const ends[] = {"POST /process.Process/CloseStdin",
                              "POST /process.Process/SendSignal"};
  for (size_t i = 0; i < E2B__COUNT(ends); i++) {
    fault_rule_t *rule = fault_on(f->server, ends[i]);
    fault_call(rule, release_held, f->server);
    fault_answer(rule, 200,
                 f->options.rpc_encoding == E2B_RPC_JSON ? "application/json" : "application/proto",
                 f->options.rpc_encoding == E2B_RPC_JSON ? "{}" : "", NULL);
  }
}

static void files_script(faults_t *f) {
  e2b__str_pair_t metadata = {E2B__STR("a"), E2B__STR("b")};
  e2b__entry_info_t entry = {.name = E2B__STR("x"),
                             .type = E2B__FILE_TYPE_FILE,
                             .path = E2B__STR("/tmp/x"),
                             .size = 5,
                             .mode = 0644,
                             .permissions = E2B__STR("-rw-r--r--"),
                             .owner = E2B__STR("user"),
                             .group = E2B__STR("user"),
                             .metadata = &metadata,
                             .metadata_count = 1};
  const e2b__entry_response_t one = {&entry};
  const e2b__list_dir_response_t list = {&entry, 1};
  const e2b__empty_t nothing = {0};
  unary(f, "POST /filesystem.Filesystem/Stat", &e2b__entry_response, &one);
  unary(f, "POST /filesystem.Filesystem/MakeDir", &e2b__entry_response, &one);
  unary(f, "POST /filesystem.Filesystem/Move", &e2b__entry_response, &one);
  unary(f, "POST /filesystem.Filesystem/ListDir", &e2b__list_dir_response, &list);
  unary(f, "POST /filesystem.Filesystem/Remove", &e2b__empty, &nothing);
  char *content = malloc(DOWNLOAD_BYTES);
  assert_non_null(content);
  memset(content, 'f', DOWNLOAD_BYTES);
  fault_answer_bytes(fault_on(f->server, "GET /files"), 200, "application/octet-stream", content,
                     DOWNLOAD_BYTES, NULL);
  free(content);
  fault_answer(fault_on(f->server, "POST /files"), 200, "application/json",
               "[{\"name\":\"x\",\"type\":\"file\",\"path\":\"/tmp/x\"}]", NULL);
}

#define ABOUT                                                                               \
  "{\"sandboxID\":\"" FAULTS_SANDBOX_ID "\",\"templateID\":\"base\",\"state\":\"running\"," \
  "\"alias\":\"a\",\"envdVersion\":\"0.6.13\",\"startedAt\":\"2026-01-01T00:00:00Z\","      \
  "\"endAt\":\"2026-01-01T01:00:00Z\",\"cpuCount\":2,\"memoryMB\":512,\"metadata\":{\"k\":\"v\"}}"

void stage_script(faults_t *f) {
  faults_made(fault_on(f->server, CREATE));
  faults_made(fault_on(f->server, "POST /sandboxes/" FAULTS_SANDBOX_ID "/connect"));
  fault_answer(fault_on(f->server, "POST /sandboxes/" FAULTS_SANDBOX_ID "/timeout"), 204, NULL, "",
               NULL);
  fault_answer(fault_on(f->server, "POST /sandboxes/" FAULTS_SANDBOX_ID "/pause"), 204, NULL, "",
               NULL);
  fault_answer(fault_on(f->server, "DELETE /sandboxes/" FAULTS_SANDBOX_ID), 204, NULL, "", NULL);
  fault_answer(fault_on(f->server, "GET /sandboxes/" FAULTS_SANDBOX_ID), 200, "application/json",
               ABOUT, NULL);
  fault_answer(fault_on(f->server, "GET /v2/sandboxes"), 200, "application/json", "[" ABOUT "]",
               "X-Next-Token: next\r\nX-Total-Running: 1\r\n");
  faults_alive(f);
  process_script(f);
  files_script(f);
}

/* --- callbacks -------------------------------------------------------------------------------- */

static void called(stage_t *s, const char *kind) {
  REQUIRE(stage_inside == 0);
  REQUIRE(s->closed == 0);
  s->callbacks++;
  if (s->on_callback != NULL) s->on_callback(s, kind);
}

void stage_on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  REQUIRE(command != NULL && data != NULL && len > 0);
  stage_t *s = user_data;
  s->output_of = command;
  called(s, "output");
  s->output_of = NULL;
}

void stage_on_drain(e2b_command_t *command, void *user_data) {
  REQUIRE(command != NULL);
  called(user_data, "drain");
}

void stage_on_data(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  REQUIRE(transfer != NULL && data != NULL && len > 0);
  stage_t *s = user_data;
  s->data_of = transfer;
  called(s, "data");
  s->data_of = NULL;
}

static void write_on(stage_t *s, e2b_upload_t *upload) {
  static const char zeroes[UPLOAD_PIECE];
  while (s->upload_left > 0) {
    const size_t len = s->upload_left < sizeof zeroes ? s->upload_left : sizeof zeroes;
    if (CALL(e2b_upload_write(upload, zeroes, len)) != 0) return;
    s->upload_left -= len;
  }
  CALL(e2b_upload_end(upload));
}

void stage_on_upload_drain(e2b_upload_t *upload, void *user_data) {
  called(user_data, "upload drain");
  write_on(user_data, upload);
}

void stage_on_future(e2b_future_t *future, void *user_data) {
  stage_t *s = user_data;
  REQUIRE(stage_inside == 0);
  REQUIRE(s->closed == 0);
  REQUIRE(e2b_future_is_done(future) == 1);
  s->outcomes++;
  s->last_code = e2b_future_error(future) != NULL ? e2b_future_error(future)->code : 0;
}

void stage_on_closed(void *user_data) {
  stage_t *s = user_data;
  REQUIRE(stage_inside == 0);
  s->closed++;
}

void stage_run_options(stage_t *s, e2b_run_options *options) {
  E2B_INIT(options);
  options->on_stdout = options->on_stderr = stage_on_output;
  options->on_drain = stage_on_drain;
  options->user_data = s;
}

/* --- life ------------------------------------------------------------------------------------- */

void stage_open_with(stage_t *s, const e2b_rpc_encoding_t *encoding,
                     void (*change)(e2b_client_options *options)) {
  memset(s, 0, sizeof *s);
  stage_inside = 0;
  faults_open(&s->f, encoding);
  /* Another host than the control plane's, so that the first call has to connect. */
  snprintf(s->sandbox_url, sizeof s->sandbox_url, "http://localhost:%u", fault_port(s->f.server));
  s->f.options.sandbox_url = s->sandbox_url;
  if (change != NULL) change(&s->f.options);
  faults_sandbox(&s->f);
}

void stage_open(stage_t *s, const e2b_rpc_encoding_t *encoding) {
  stage_open_with(s, encoding, NULL);
}

void stage_attach(stage_t *s) {
  e2b_run_options options;
  stage_run_options(s, &options);
  e2b_future_t *future = CALL(e2b_command_connect(s->f.sandbox, PID, &options));
  assert_int_equal(harness_await(&s->f.h, future), 0);
  s->command = e2b_future_command(future);
  assert_non_null(s->command);
  e2b_future_release(future);
}

static bool is_settled(void *ctx) {
  const stage_t *s = ctx;
  e2b_client_stats stats;
  E2B_INIT(&stats);
  e2b_client_get_stats(s->f.h.client, &stats);
  return stats.futures_pending == 0 && stats.in_flight == 0 && stats.waiting == 0;
}

void stage_settle(stage_t *s) {
  harness_until(&s->f.h, is_settled, s);
}

void stage_close(stage_t *s) {
  e2b_client_t *client = s->f.h.client;
  if (client != NULL) {
    CALL_VOID(e2b_client_close(client, stage_on_closed, s));
    s->f.h.client = NULL;
  }
  harness_until_count(&s->f.h, &s->closed, 1);
  CALL_VOID(e2b_upload_release(s->upload));
  CALL_VOID(e2b_command_release(s->command));
  s->upload = NULL;
  s->command = NULL;
  faults_close(&s->f);
  assert_int_equal(s->closed, 1);
}

/* --- operations ------------------------------------------------------------------------------- */

static e2b_future_t *create(stage_t *s) {
  return CALL(e2b_sandbox_create(s->f.h.client, NULL));
}
static e2b_future_t *reconnect(stage_t *s) {
  return CALL(e2b_sandbox_connect(s->f.h.client, FAULTS_SANDBOX_ID, NULL));
}
static e2b_future_t *get_info(stage_t *s) {
  return CALL(e2b_sandbox_get_info(s->f.sandbox));
}
static e2b_future_t *list(stage_t *s) {
  return CALL(e2b_sandbox_list(s->f.h.client, NULL));
}
static e2b_future_t *kill_sandbox(stage_t *s) {
  return CALL(e2b_sandbox_kill(s->f.sandbox));
}
static e2b_future_t *set_timeout(stage_t *s) {
  return CALL(e2b_sandbox_set_timeout(s->f.sandbox, 60000));
}
static e2b_future_t *pause_sandbox(stage_t *s) {
  return CALL(e2b_sandbox_pause(s->f.sandbox));
}
static e2b_future_t *is_running(stage_t *s) {
  return CALL(e2b_sandbox_is_running(s->f.sandbox));
}
static e2b_future_t *run_command(stage_t *s) {
  static const char *const args[] = {"-la", NULL};
  e2b_run_options options;
  stage_run_options(s, &options);
  return CALL(e2b_run_command(s->f.sandbox, "ls", args, &options));
}
static e2b_future_t *run_with_input(stage_t *s) {
  e2b_run_options options;
  stage_run_options(s, &options);
  options.stdin_data = "some words";
  options.stdin_len = 10;
  options.user = "root";
  return CALL(e2b_run_shell(s->f.sandbox, "cat", &options));
}
static e2b_future_t *run_code(stage_t *s) {
  e2b_run_options run;
  stage_run_options(s, &run);
  run.collect = E2B_ON;
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_PYTHON;
  options.run = &run;
  return CALL(e2b_run_code(s->f.sandbox, "print(", &options));
}
static void code_fails(faults_t *f) {
  fault_rule_t *rule = fault_once(f->server, START);
  stage_program(f, rule, "", "SyntaxError: what?\n", 1);
}
static void code_is_wrong(faults_t *f) {
  code_fails(f);
  fault_rule_t *rule = fault_once(f->server, START);
  stage_program(f, rule, "", "SyntaxError: never closed\n", 61);
}
static e2b_future_t *run_module(stage_t *s) {
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_NODE;
  return CALL(e2b_run_code(s->f.sandbox, "await import('fs')", &options));
}
static void code_is_module(faults_t *f) {
  code_fails(f);
  fault_rule_t *rule = fault_once(f->server, START);
  stage_program(f, rule, "", "", 62);
}
static e2b_future_t *start(stage_t *s) {
  e2b_run_options options;
  stage_run_options(s, &options);
  return CALL(e2b_command_start(s->f.sandbox, "sleep", NULL, &options));
}
static e2b_future_t *attach(stage_t *s) {
  return CALL(e2b_command_connect(s->f.sandbox, PID, NULL));
}
static e2b_future_t *wait_for(stage_t *s) {
  return CALL(e2b_command_wait(s->command));
}
static e2b_future_t *write_input(stage_t *s) {
  return CALL(e2b_command_write(s->command, "words", 5));
}
static e2b_future_t *close_stdin(stage_t *s) {
  return CALL(e2b_command_close_stdin(s->command));
}
static e2b_future_t *terminate(stage_t *s) {
  return CALL(e2b_command_signal(s->command, SIGTERM));
}
static e2b_future_t *kill_command(stage_t *s) {
  return CALL(e2b_command_kill(s->command));
}
static e2b_future_t *kill_pid(stage_t *s) {
  return CALL(e2b_command_kill_by_pid(s->f.sandbox, PID));
}
static e2b_future_t *list_commands(stage_t *s) {
  return CALL(e2b_command_list(s->f.sandbox));
}
static e2b_future_t *read_file(stage_t *s) {
  return CALL(e2b_files_read(s->f.sandbox, "/tmp/x", NULL));
}
static e2b_future_t *read_stream(stage_t *s) {
  return CALL(e2b_files_read_stream(s->f.sandbox, "/tmp/x", stage_on_data, s, NULL));
}
static e2b_future_t *write_file(stage_t *s) {
  const e2b_pair_t metadata = {"a", "b"};
  e2b_file_options options;
  E2B_INIT(&options);
  options.metadata = &metadata;
  options.metadata_count = 1;
  return CALL(e2b_files_write(s->f.sandbox, "/tmp/x", "hello", 5, &options));
}
static e2b_future_t *write_many(stage_t *s) {
  const e2b_file_content_t file = {"/tmp/x", "hello", 5};
  return CALL(e2b_files_write_many(s->f.sandbox, &file, 1, NULL));
}
static e2b_future_t *write_stream(stage_t *s) {
  CALL_VOID(e2b_upload_release(s->upload));
  s->upload_left = UPLOAD_BYTES;
  e2b_future_t *future = CALL(
      e2b_files_write_stream(s->f.sandbox, "/tmp/x", stage_on_upload_drain, s, NULL, &s->upload));
  if (s->upload != NULL) write_on(s, s->upload);
  return future;
}
static e2b_future_t *list_files(stage_t *s) {
  return CALL(e2b_files_list(s->f.sandbox, "/tmp", 1, NULL));
}
static e2b_future_t *stat_file(stage_t *s) {
  return CALL(e2b_files_stat(s->f.sandbox, "/tmp/x", NULL));
}
static e2b_future_t *exists(stage_t *s) {
  return CALL(e2b_files_exists(s->f.sandbox, "/tmp/x", NULL));
}
static e2b_future_t *mkdir_file(stage_t *s) {
  return CALL(e2b_files_mkdir(s->f.sandbox, "/tmp/x", NULL));
}
static e2b_future_t *rename_file(stage_t *s) {
  return CALL(e2b_files_rename(s->f.sandbox, "/tmp/x", "/tmp/y", NULL));
}
static e2b_future_t *remove_file(stage_t *s) {
  return CALL(e2b_files_remove(s->f.sandbox, "/tmp/x", NULL));
}

const operation_t operations[] = {
    {"sandbox_create", create, false, NULL},
    {"sandbox_connect", reconnect, false, NULL},
    {"sandbox_get_info", get_info, false, NULL},
    {"sandbox_list", list, false, NULL},
    {"sandbox_kill", kill_sandbox, false, NULL},
    {"sandbox_set_timeout", set_timeout, false, NULL},
    {"sandbox_pause", pause_sandbox, false, NULL},
    {"sandbox_is_running", is_running, false, NULL},
    {"run_command", run_command, false, NULL},
    {"run_shell with input", run_with_input, false, NULL},
    {"run_code that does not parse", run_code, false, code_is_wrong},
    {"run_code that is a module", run_module, false, code_is_module},
    {"command_start", start, false, NULL},
    {"command_connect", attach, false, NULL},
    {"command_wait", wait_for, true, NULL},
    {"command_write", write_input, true, NULL},
    {"command_close_stdin", close_stdin, true, NULL},
    {"command_signal", terminate, true, NULL},
    {"command_kill", kill_command, true, NULL},
    {"command_kill_by_pid", kill_pid, false, NULL},
    {"command_list", list_commands, false, NULL},
    {"files_read", read_file, false, NULL},
    {"files_read_stream", read_stream, false, NULL},
    {"files_write", write_file, false, NULL},
    {"files_write_many", write_many, false, NULL},
    {"files_write_stream", write_stream, false, NULL},
    {"files_list", list_files, false, NULL},
    {"files_stat", stat_file, false, NULL},
    {"files_exists", exists, false, NULL},
    {"files_mkdir", mkdir_file, false, NULL},
    {"files_rename", rename_file, false, NULL},
    {"files_remove", remove_file, false, NULL},
};
const size_t operations_count = E2B__COUNT(operations);
