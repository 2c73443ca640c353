/* SPDX-License-Identifier: MIT */
/* Arguments that make no sense: each is said to be wrong, and nothing is sent. */

#include "e2b/code.h"
#include "support/faults.h"

static const e2b_pair_t halves[] = {{"name", NULL}, {NULL, "value"}};

/* Lists that are counted and not there, or not whole. */
typedef struct bad_list {
  const e2b_pair_t *pairs;
  size_t count;
} bad_list;
static const bad_list bad_lists[] = {{NULL, 1}, {&halves[0], 1}, {&halves[1], 1}};

static void refused(faults_t *f, e2b_future_t *future) {
  assert_int_equal(faults_code(f, future), E2B_EINVAL);
  assert_int_equal(fault_count(f->server, NULL), 0);
}

static void lists_that_are_none_in_the_control_plane(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(bad_lists); i++) {
    const bad_list *bad = &bad_lists[i];
    faults_t f;
    faults_ready(&f, NULL);
    e2b_create_options create;
    E2B_INIT(&create);
    create.metadata = bad->pairs;
    create.metadata_count = bad->count;
    refused(&f, e2b_sandbox_create(f.h.client, &create));
    E2B_INIT(&create);
    create.envs = bad->pairs;
    create.envs_count = bad->count;
    refused(&f, e2b_sandbox_create(f.h.client, &create));
    e2b_list_options list;
    E2B_INIT(&list);
    list.metadata = bad->pairs;
    list.metadata_count = bad->count;
    refused(&f, e2b_sandbox_list(f.h.client, &list));
    faults_close(&f);
  }
}

static void lists_that_are_none_of_a_program(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(bad_lists); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    e2b_run_options run;
    E2B_INIT(&run);
    run.envs = bad_lists[i].pairs;
    run.envs_count = bad_lists[i].count;
    refused(&f, e2b_run_shell(f.sandbox, "true", &run));
    refused(&f, e2b_command_start(f.sandbox, "true", NULL, &run));
    e2b_code_options code;
    E2B_INIT(&code);
    code.run = &run;
    refused(&f, e2b_run_code(f.sandbox, "1", &code));
    e2b_terminal_options terminal;
    E2B_INIT(&terminal);
    terminal.envs = bad_lists[i].pairs;
    terminal.envs_count = bad_lists[i].count;
    refused(&f, e2b_terminal_create(f.sandbox, &terminal));
    faults_close(&f);
  }
}

static void lists_that_are_none_of_a_file(void **state) {
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(bad_lists); i++) {
    faults_t f;
    faults_ready(&f, NULL);
    e2b_file_options options;
    E2B_INIT(&options);
    options.metadata = bad_lists[i].pairs;
    options.metadata_count = bad_lists[i].count;
    refused(&f, e2b_files_write(f.sandbox, "/x", "x", 1, &options));
    const e2b_file_content_t file = {"/x", "x", 1};
    refused(&f, e2b_files_write_many(f.sandbox, &file, 1, &options));
    e2b_upload_t *upload;
    refused(&f, e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, &options, &upload));
    e2b_upload_release(upload);
    faults_close(&f);
  }
}

/* What is no UTF-8 cannot be said in JSON: in its place would stand something else. */
static void strings_that_are_no_text(void **state) {
  (void)state;
  static const e2b_pair_t pairs[] = {{"name", "caf\xe9"}, {"caf\xe9", "value"}};
  static const char *const args[] = {"fine", "caf\xe9", NULL};
  faults_t f;
  faults_ready(&f, NULL);
  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = "caf\xe9";
  refused(&f, e2b_sandbox_create(f.h.client, &create));
  for (size_t i = 0; i < E2B__COUNT(pairs); i++) {
    E2B_INIT(&create);
    create.metadata = &pairs[i];
    create.metadata_count = 1;
    refused(&f, e2b_sandbox_create(f.h.client, &create));
    E2B_INIT(&create);
    create.envs = &pairs[i];
    create.envs_count = 1;
    refused(&f, e2b_sandbox_create(f.h.client, &create));
  }
  for (int transport = E2B_TRANSPORT_AUTO; transport <= E2B_TRANSPORT_ENVD; transport++) {
    e2b_terminal_options terminal;
    for (int i = 0; i < 5; i++) {
      E2B_INIT(&terminal);
      terminal.transport = (e2b_transport_t)transport;
      terminal.program = i == 0 ? args[1] : "sh";
      if (i == 1) terminal.args = args;
      if (i == 2) terminal.cwd = args[1];
      if (i > 2) terminal.envs = &pairs[i - 3];
      terminal.envs_count = i > 2;
      refused(&f, e2b_terminal_create(f.sandbox, &terminal));
    }
  }
  faults_close(&f);
}

/* The daemon would take what is before the colon. */
static void a_user_with_a_colon_is_nobody(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  e2b_run_options run;
  E2B_INIT(&run);
  run.user = "root:x";
  refused(&f, e2b_run_shell(f.sandbox, "id", &run));
  e2b_file_options file;
  E2B_INIT(&file);
  file.user = "root:x";
  refused(&f, e2b_files_stat(f.sandbox, "/", &file));
  e2b_terminal_options terminal;
  E2B_INIT(&terminal);
  terminal.user = "root:x";
  terminal.transport = E2B_TRANSPORT_ENVD;
  refused(&f, e2b_terminal_create(f.sandbox, &terminal));
  faults_close(&f);
}

static void headers_that_are_none(void **state) {
  (void)state;
  static const e2b_pair_t wrong[] = {
      {"", "x"}, {"A: B", "x"}, {"A B", "x"}, {"A\r\nB", "x"}, {"A", "x\r\nB: y"}};
  for (size_t i = 0; i < E2B__COUNT(bad_lists) + E2B__COUNT(wrong); i++) {
    faults_t f;
    faults_open(&f, NULL);
    const bool list = i < E2B__COUNT(bad_lists);
    f.options.api_headers = list ? bad_lists[i].pairs : &wrong[i - E2B__COUNT(bad_lists)];
    f.options.api_headers_count = 1;
    faults_client(&f);
    refused(&f, e2b_sandbox_list(f.h.client, NULL));
    faults_close(&f);
  }
}

static void a_header_without_a_value_is_sent(void **state) {
  (void)state;
  static const e2b_pair_t headers[] = {{"X-Empty", ""}, {"X-Full", "yes"}};
  faults_t f;
  faults_open(&f, NULL);
  f.options.api_headers = headers;
  f.options.api_headers_count = 2;
  faults_client(&f);
  fault_answer(fault_on(f.server, NULL), 200, "application/json", "[]", NULL);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, NULL));
  fault_request_t *request = fault_request(f.server, NULL, 0);
  assert_string_equal(fault_header(request, "X-Full"), "yes");
  assert_non_null(fault_header(request, "X-Empty"));
  assert_string_equal(fault_header(request, "X-Empty"), "");
  faults_close(&f);
}

static void bytes_that_are_not_there(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  e2b_run_options run;
  E2B_INIT(&run);
  run.stdin_len = 1;
  refused(&f, e2b_run_shell(f.sandbox, "cat", &run));
  refused(&f, e2b_files_write(f.sandbox, "/x", NULL, 1, NULL));
  refused(&f, e2b_files_write_many(f.sandbox, NULL, 1, NULL));
  const e2b_file_content_t file = {"/x", NULL, 1};
  refused(&f, e2b_files_write_many(f.sandbox, &file, 1, NULL));
  refused(&f, e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, NULL));
  e2b_upload_t *upload;
  e2b_future_t *future = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
  assert_int_equal(e2b_upload_write(upload, NULL, 1), E2B_EINVAL);
  assert_int_equal(e2b_upload_write(upload, NULL, 0), 0);
  assert_int_equal(e2b_upload_write(NULL, "x", 1), E2B_ENOMEM);
  e2b_upload_release(upload);
  e2b_future_release(future);
  faults_close(&f);
}

/* Refused, and the message has these words. */
static void refused_for(faults_t *f, e2b_future_t *future, const char *words) {
  const faults_error_t error = faults_fails(f, future);
  const char *message = error.message;
  assert_int_equal(error.code, E2B_EINVAL);
  if (strncmp(message, "invalid argument: ", 18) != 0 || strstr(message, words) == NULL) {
    fail_msg("\"%s\" does not say \"%s\"", message, words);
  }
  assert_int_equal(fault_count(f->server, NULL), 0);
}

static void the_wrong_argument_of_a_sandbox_is_named(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = "caf\xe9";
  refused_for(&f, e2b_sandbox_create(f.h.client, &create), "template");
  E2B_INIT(&create);
  create.metadata = halves;
  create.metadata_count = 1;
  refused_for(&f, e2b_sandbox_create(f.h.client, &create), "metadata");
  E2B_INIT(&create);
  create.envs = halves;
  create.envs_count = 1;
  refused_for(&f, e2b_sandbox_create(f.h.client, &create), "variable");
  E2B_INIT(&create);
  create.idempotency_key = "A key";
  refused_for(&f, e2b_sandbox_create(f.h.client, &create), "idempotency key");
  e2b_list_options list;
  E2B_INIT(&list);
  list.metadata = halves;
  list.metadata_count = 1;
  refused_for(&f, e2b_sandbox_list(f.h.client, &list), "metadata");
  refused_for(&f, e2b_sandbox_connect(f.h.client, "", NULL), "sandbox id");
  refused_for(&f, e2b_sandbox_kill_by_id(f.h.client, NULL), "sandbox id");
  faults_close(&f);
}

static void the_wrong_argument_of_a_program_is_named(void **state) {
  (void)state;
  static const char *const args[] = {"caf\xe9", NULL};
  faults_t f;
  faults_ready(&f, NULL);
  e2b_run_options run;
  E2B_INIT(&run);
  refused_for(&f, e2b_run_command(f.sandbox, NULL, NULL, NULL), "no program");
  refused_for(&f, e2b_run_command(f.sandbox, "ls", args, NULL), "argument");
  run.stdin_len = 1;
  refused_for(&f, e2b_run_command(f.sandbox, "ls", NULL, &run), "stdin_data");
  E2B_INIT(&run);
  run.user = "root:x";
  refused_for(&f, e2b_run_command(f.sandbox, "ls", NULL, &run), "colon");
  E2B_INIT(&run);
  run.cwd = args[0];
  refused_for(&f, e2b_run_command(f.sandbox, "ls", NULL, &run), "directory");
  E2B_INIT(&run);
  run.envs = halves;
  run.envs_count = 1;
  refused_for(&f, e2b_command_start(f.sandbox, "ls", NULL, &run), "variable");
  e2b_code_options code;
  E2B_INIT(&code);
  code.run = &run;
  refused_for(&f, e2b_run_code(f.sandbox, "1", &code), "variable");
  faults_close(&f);
}

static void ignore(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  (void)transfer, (void)data, (void)len, (void)user_data;
}

static void the_wrong_argument_of_a_file_is_named(void **state) {
  (void)state;
  static const e2b_pair_t line_break = {"name", "a\nb"};
  static const e2b_file_content_t nameless = {NULL, "x", 1}, empty = {"/x", NULL, 1};
  faults_t f;
  faults_ready(&f, NULL);
  e2b_upload_t *upload;
  refused_for(&f, e2b_files_read(f.sandbox, NULL, NULL), "no path");
  refused_for(&f, e2b_files_stat(f.sandbox, NULL, NULL), "no path");
  refused_for(&f, e2b_files_stat(f.sandbox, "caf\xe9", NULL), "UTF-8");
  refused_for(&f, e2b_files_write(f.sandbox, NULL, "x", 1, NULL), "no path");
  refused_for(&f, e2b_files_write(f.sandbox, "/x", NULL, 1, NULL), "no bytes");
  refused_for(&f, e2b_files_write_many(f.sandbox, NULL, 1, NULL), "no files");
  refused_for(&f, e2b_files_write_many(f.sandbox, &nameless, 1, NULL), "no path");
  refused_for(&f, e2b_files_write_many(f.sandbox, &empty, 1, NULL), "no bytes");
  refused_for(&f, e2b_files_read_stream(f.sandbox, NULL, ignore, NULL, NULL), "no path");
  refused_for(&f, e2b_files_read_stream(f.sandbox, "/x", NULL, NULL, NULL), "no callback");
  refused_for(&f, e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, NULL), "handle");
  e2b_file_options file;
  E2B_INIT(&file);
  file.user = "root:x";
  refused_for(&f, e2b_files_stat(f.sandbox, "/x", &file), "colon");
  E2B_INIT(&file);
  file.metadata = &line_break;
  file.metadata_count = 1;
  refused_for(&f, e2b_files_write(f.sandbox, "/x", "x", 1, &file), "metadata");
  refused_for(&f, e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, &file, &upload), "metadata");
  e2b_upload_release(upload);
  faults_close(&f);
}

static void the_wrong_argument_of_a_terminal_is_named(void **state) {
  (void)state;
  static const char *const args[] = {"caf\xe9", NULL};
  const e2b_terminal_options wrong[] = {
      {.ring_bytes = 1},      {.transport = (e2b_transport_t)99}, {.args = args},
      {.program = "caf\xe9"}, {.program = "ls", .args = args},    {.cwd = "caf\xe9"},
      {.user = "root:x"},     {.envs = halves, .envs_count = 1},
  };
  static const char *const words[] = {"ring_bytes",  "transport",   "without a program",
                                      "the program", "an argument", "directory",
                                      "colon",       "variable"};
  faults_t f;
  faults_ready(&f, NULL);
  for (size_t i = 0; i < E2B__COUNT(wrong); i++) {
    e2b_terminal_options options = wrong[i];
    options.size = sizeof options;
    refused_for(&f, e2b_terminal_create(f.sandbox, &options), words[i]);
  }
  e2b_terminal_options options;
  E2B_INIT(&options);
  refused_for(&f, e2b_terminal_get_by_id(f.sandbox, "", &options), "id");
  for (int transport = E2B_TRANSPORT_AGENT; transport <= E2B_TRANSPORT_ENVD; transport++) {
    if (transport == E2B_TRANSPORT_TTYD) continue; /* it has no ids */
    options.transport = (e2b_transport_t)transport;
    e2b_terminal_list_options list;
    E2B_INIT(&list);
    list.transport = options.transport;
    refused_for(&f, e2b_terminal_get_by_id(f.sandbox, "a/b", &options), "id");
    refused_for(&f, e2b_terminal_kill_by_id(f.sandbox, "a/b", &list), "id");
  }
  faults_close(&f);
}

static void what_is_not_there_at_all(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  assert_int_equal(e2b_client_post(NULL, NULL, NULL), E2B_EINVAL);
  e2b_code_options code;
  E2B_INIT(&code);
  code.runtime = (e2b_runtime_t)7;
  refused(&f, e2b_run_code(f.sandbox, "1", &code));
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_that_are_none_in_the_control_plane),
      cmocka_unit_test(lists_that_are_none_of_a_program),
      cmocka_unit_test(lists_that_are_none_of_a_file),
      cmocka_unit_test(strings_that_are_no_text),
      cmocka_unit_test(a_user_with_a_colon_is_nobody),
      cmocka_unit_test(headers_that_are_none),
      cmocka_unit_test(a_header_without_a_value_is_sent),
      cmocka_unit_test(bytes_that_are_not_there),
      cmocka_unit_test(the_wrong_argument_of_a_sandbox_is_named),
      cmocka_unit_test(the_wrong_argument_of_a_program_is_named),
      cmocka_unit_test(the_wrong_argument_of_a_file_is_named),
      cmocka_unit_test(the_wrong_argument_of_a_terminal_is_named),
      cmocka_unit_test(what_is_not_there_at_all),
  };
  return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
