/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/page.h"

/* The JSON contract of the request handler: each action, what it refuses and in which words. */

static const cJSON *ask_for(int status, const char *body) {
  const e2b_http_response_t *answer = page_posts(body);
  if (answer->status != status) {
    fail_msg("%s: %d instead of %d: %s", body, answer->status, status, answer->body.ptr);
  }
  return page_json(answer);
}

/* The answer to an action that must succeed; `members` is what follows the action's name. */
static const cJSON *ask(const char *action, const char *members) {
  char body[4096];
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.%s\",\"sandboxId\":\"%s\"%s}", action,
           e2b_sandbox_id(scene.sandbox), members);
  const cJSON *json = ask_for(200, body);
  assert_true(e2b__json_bool(json, "success", false));
  assert_string_equal(e2b__json_string(json, "provider", ""), "e2b");
  return json;
}

static void refused(int status, const char *body, const char *error) {
  const cJSON *json = ask_for(status, body);
  assert_false(e2b__json_bool(json, "success", true));
  assert_string_equal(e2b__json_string(json, "error", ""), error);
}

/* --- what each action requires ------------------------------------------------------------------
 */

static void every_action_says_what_it_misses(void **state) {
  static const struct {
    const char *body;
    const char *error;
  } table[] = {
      {"{}", "Unknown action: undefined"},
      {"{\"action\":5}", "Unknown action: undefined"},
      {"{\"action\":\"nothing\"}", "Unknown action: nothing"},
      {"{\"action\":\"compute.sandbox.\"}", "Unknown action: compute.sandbox."},
      {"{\"action\":\"compute.sandbox.destroy\"}", "Sandbox ID is required for destroy action"},
      {"{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":\"\"}",
       "Sandbox ID is required for destroy action"},
      {"{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":null}",
       "Sandbox ID is required for destroy action"},
      {"{\"action\":\"compute.sandbox.getInfo\"}", "Sandbox ID is required for getInfo action"},
      {"{\"action\":\"compute.sandbox.runCode\"}", "Code is required for runCode action"},
      {"{\"action\":\"compute.sandbox.runCode\",\"code\":\"\"}",
       "Code is required for runCode action"},
      {"{\"action\":\"compute.sandbox.runCommand\"}", "Command is required for runCommand action"},
      {"{\"action\":\"compute.sandbox.filesystem.readFile\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.readFile\",\"sandboxId\":\"x\"}",
       "File path is required for readFile action"},
      {"{\"action\":\"compute.sandbox.filesystem.writeFile\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.writeFile\",\"sandboxId\":\"x\"}",
       "File path is required for writeFile action"},
      {"{\"action\":\"compute.sandbox.filesystem.writeFile\",\"sandboxId\":\"x\",\"path\":\"/a\"}",
       "File content is required for writeFile action"},
      {"{\"action\":\"compute.sandbox.filesystem.mkdir\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.mkdir\",\"sandboxId\":\"x\"}",
       "Directory path is required for mkdir action"},
      {"{\"action\":\"compute.sandbox.filesystem.readdir\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.readdir\",\"sandboxId\":\"x\"}",
       "Directory path is required for readdir action"},
      {"{\"action\":\"compute.sandbox.filesystem.exists\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.exists\",\"sandboxId\":\"x\"}",
       "Path is required for exists action"},
      {"{\"action\":\"compute.sandbox.filesystem.remove\"}",
       "Sandbox ID is required for filesystem operations"},
      {"{\"action\":\"compute.sandbox.filesystem.remove\",\"sandboxId\":\"x\"}",
       "Path is required for remove action"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    refused(400, table[i].body, table[i].error);
  }
}

#define FILES(action, path) \
  "{\"action\":\"compute.sandbox.filesystem." action "\",\"sandboxId\":\"x\",\"path\":" path "}"

static void wrong_types_are_named(void **state) {
  static const struct {
    const char *body;
    const char *error;
  } table[] = {
      {"{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":7}",
       "Field 'sandboxId' must be a string"},
      {"{\"action\":\"compute.sandbox.runCode\",\"code\":[]}", "Field 'code' must be a string"},
      {"{\"action\":\"compute.sandbox.runCode\",\"code\":\"1\",\"runtime\":1}",
       "Field 'runtime' must be a string"},
      {"{\"action\":\"compute.sandbox.runCode\",\"code\":\"1\",\"runtime\":\"cobol\"}",
       "Unknown runtime: cobol"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":[]}",
       "Field 'options' must be an object"},
      {"{\"action\":\"compute.sandbox.runCommand\",\"command\":\"ls\",\"args\":\"-l\"}",
       "Field 'args' must be an array of strings"},
      {"{\"action\":\"compute.sandbox.runCommand\",\"command\":\"ls\",\"args\":[1]}",
       "Field 'args' must be an array of strings"},
      {"{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":[]}",
       "Field 'sandboxId' must be a string"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":{\"sandboxId\":7}}",
       "Field 'options.sandboxId' must be a string"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":{\"timeout\":\"1\"}}",
       "Field 'options.timeout' must be a number of milliseconds"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":{\"timeout\":-1}}",
       "Field 'options.timeout' must be a number of milliseconds"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":{\"runtime\":{}}}",
       "Field 'options.runtime' must be a string"},
      {"{\"action\":\"compute.sandbox.create\",\"options\":{\"runtime\":\"cobol\"}}",
       "Unknown runtime: cobol"},
      {"{\"action\":\"compute.sandbox.runCommand\",\"command\":true}",
       "Field 'command' must be a string"},
      {"{\"action\":\"compute.sandbox.runCommand\",\"command\":\"ls\",\"cwd\":1}",
       "Field 'cwd' must be a string"},
      {"{\"action\":\"compute.sandbox.runCode\",\"code\":\"1\",\"stream\":\"yes\"}",
       "Field 'stream' must be true or false"},
      {FILES("readFile", "1"), "Field 'path' must be a string"},
      {FILES("writeFile", "1"), "Field 'path' must be a string"},
      {FILES("writeFile", "\"/a\",\"content\":{}"), "Field 'content' must be a string"},
      {FILES("writeFile", "\"/a\",\"content\":\"\",\"encoding\":2"),
       "Field 'encoding' must be a string"},
      {FILES("mkdir", "false"), "Field 'path' must be a string"},
      {FILES("readdir", "[]"), "Field 'path' must be a string"},
      {FILES("exists", "{}"), "Field 'path' must be a string"},
      {FILES("remove", "1e9"), "Field 'path' must be a string"},
      {FILES("writeFile", "\"/a\",\"content\":\"a\\u0000b\""), "A string must not contain \\u0000"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    refused(400, table[i].body, table[i].error);
  }
}

static void a_body_that_is_no_json_object_is_refused(void **state) {
  static const char *const bodies[] = {"",     "{",     "[]",   "1",
                                       "null", "\"x\"", "{} x", "{\"a\":\"\xff\"}"};
  (void)state;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    refused(400, bodies[i], "Invalid JSON in request body");
  }
}

static void other_methods_are_refused(void **state) {
  static const char *const methods[] = {"PUT", "DELETE", "HEAD", "get", ""};
  (void)state;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    const e2b_http_request request = page_request(methods[i], "{}");
    const e2b_http_response_t *answer = page_asks(&request);
    assert_int_equal(answer->status, 405);
    assert_string_equal(page_header(answer, "Allow"), "GET, POST, OPTIONS");
    assert_string_equal(e2b__json_string(page_json(answer), "error", ""),
                        "Only POST requests are supported");
  }
}

static void unknown_sandboxes_are_not_found(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  static const char *const ids[] = {"inothing0000000000000", "../v2/sandboxes", "a b", "%2e%2e"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    char body[256];
    char error[256];
    snprintf(error, sizeof error, "Sandbox with ID %s not found", ids[i]);
    snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":\"%s\"}",
             ids[i]);
    refused(404, body, error);
    snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":\"%s\"}",
             ids[i]);
    refused(404, body, error);
    snprintf(
        body, sizeof body,
        "{\"action\":\"compute.sandbox.filesystem.exists\",\"sandboxId\":\"%s\",\"path\":\"/\"}",
        ids[i]);
    refused(404, body, error);
  }
}

/* --- what each action does ----------------------------------------------------------------------
 */

static void code_is_run(void **state) {
  (void)state;
  const cJSON *json = ask("runCode", ",\"runtime\":\"python\",\"code\":\"import sys; print(6 * 7); "
                                     "print('oh', file=sys.stderr); sys.exit(3)\"");
  const cJSON *result = cJSON_GetObjectItem(json, "result");
  assert_string_equal(e2b__json_string(result, "stdout", ""), "42\n");
  assert_string_equal(e2b__json_string(result, "stderr", ""), "oh\n");
  assert_int_equal(e2b__json_int(result, "exitCode", -1), 3);
  assert_true(e2b__json_int(result, "executionTime", -1) >= 0);
  assert_string_equal(e2b__json_string(json, "sandboxId", ""), e2b_sandbox_id(scene.sandbox));
}

static void code_that_does_not_parse_is_the_callers_fault(void **state) {
  (void)state;
  char body[512];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCode\",\"sandboxId\":\"%s\",\"runtime\":\"python\","
           "\"code\":\"print(\"}",
           e2b_sandbox_id(scene.sandbox));
  const cJSON *json = ask_for(400, body);
  assert_non_null(strstr(e2b__json_string(json, "error", ""), "Syntax error: SyntaxError"));
}

static void commands_take_arguments_as_they_are_or_a_line_of_shell(void **state) {
  (void)state;
  const cJSON *json =
      ask("runCommand", ",\"command\":\"printf\",\"args\":[\"[%s]\",\"a b\",\"$HOME\"]");
  assert_string_equal(e2b__json_string(cJSON_GetObjectItem(json, "result"), "stdout", ""),
                      "[a b][$HOME]");
  json = ask("runCommand", ",\"command\":\"echo a | tr a b\"");
  assert_string_equal(e2b__json_string(cJSON_GetObjectItem(json, "result"), "stdout", ""), "b\n");
}

static void files_are_written_read_listed_and_removed(void **state) {
  (void)state;
  char members[512];
  const char *directory = scene_path("of-handler");
  snprintf(members, sizeof members, ",\"path\":\"%s\"", directory);
  ask("filesystem.mkdir", members);
  snprintf(members, sizeof members, ",\"path\":\"%s/a.txt\",\"content\":\"h\\u00e9\\n\"",
           directory);
  ask("filesystem.writeFile", members);
  snprintf(members, sizeof members, ",\"path\":\"%s/empty\",\"content\":\"\"", directory);
  ask("filesystem.writeFile", members);
  snprintf(members, sizeof members, ",\"path\":\"%s/a.txt\"", directory);
  assert_string_equal(e2b__json_string(ask("filesystem.readFile", members), "fileContent", ""),
                      "h\xc3\xa9\n");
  assert_true(e2b__json_bool(ask("filesystem.exists", members), "exists", false));
  snprintf(members, sizeof members, ",\"path\":\"%s\"", directory);
  const cJSON *files = cJSON_GetObjectItem(ask("filesystem.readdir", members), "files");
  assert_int_equal(cJSON_GetArraySize(files), 2);
  const cJSON *first = cJSON_GetArrayItem(files, 0);
  assert_string_equal(e2b__json_string(first, "name", ""), "a.txt");
  assert_int_equal(e2b__json_int(first, "size", -1), 4);
  assert_false(e2b__json_bool(first, "isDirectory", true));
  assert_true(e2b__json_time_ms(first, "lastModified", -1) > 0);
  ask("filesystem.remove", members);
  assert_false(e2b__json_bool(ask("filesystem.exists", members), "exists", true));
}

static void bytes_travel_as_base64(void **state) {
  (void)state;
  char members[512];
  const char *path = scene_path("bytes");
  snprintf(members, sizeof members,
           ",\"path\":\"%s\",\"content\":\"AP/+gA==\",\"encoding\":\"base64\"", path);
  ask("filesystem.writeFile", members);
  assert_bytes(*BYTES(e2b_files_read(scene.sandbox, path, NULL)), "\x00\xff\xfe\x80", 4);
  snprintf(members, sizeof members, ",\"path\":\"%s\",\"encoding\":\"base64\"", path);
  const cJSON *json = ask("filesystem.readFile", members);
  assert_string_equal(e2b__json_string(json, "fileContent", ""), "AP/+gA==");
}

static void a_missing_file_is_not_found(void **state) {
  (void)state;
  char body[512];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.filesystem.readFile\",\"sandboxId\":\"%s\","
           "\"path\":\"/no/such/file\"}",
           e2b_sandbox_id(scene.sandbox));
  ask_for(404, body);
}

static void sandboxes_are_made_described_listed_and_ended(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  const cJSON *json =
      ask_for(200, "{\"action\":\"compute.sandbox.create\",\"options\":{\"timeout\":"
                   "120000,\"runtime\":\"node\"}}");
  const char *id = e2b__json_string(json, "sandboxId", "");
  char body[512];
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":\"%s\"}", id);
  const cJSON *info = cJSON_GetObjectItem(ask_for(200, body), "info");
  assert_string_equal(e2b__json_string(info, "id", ""), id);
  assert_string_equal(e2b__json_string(info, "runtime", ""), "node");
  assert_string_equal(e2b__json_string(info, "status", ""), "running");
  assert_true(e2b__json_time_ms(info, "createdAt", -1) > 0);
  assert_in_range(e2b__json_int(info, "timeout", 0), 119000, 121000);
  json = ask_for(200, "{\"action\":\"compute.sandbox.list\"}");
  bool listed = false;
  const cJSON *item;
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "sandboxes")) {
    if (strcmp(e2b__json_string(item, "sandboxId", ""), id) == 0) listed = true;
  }
  assert_true(listed);
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":\"%s\"}", id);
  ask_for(200, body);
  char error[256];
  snprintf(error, sizeof error, "Sandbox with ID %s not found", id);
  refused(404, body, error);
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCode\",\"code\":\"1\",\"sandboxId\":\"%s\"}", id);
  refused(404, body, error);
}

static void a_run_without_a_sandbox_gets_one(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  const cJSON *json =
      ask_for(200, "{\"action\":\"compute.sandbox.runCommand\",\"command\":\"echo new\"}");
  assert_string_equal(e2b__json_string(cJSON_GetObjectItem(json, "result"), "stdout", ""), "new\n");
  const char *id = e2b__json_string(json, "sandboxId", "");
  assert_string_not_equal(id, e2b_sandbox_id(scene.sandbox));
  assert_true(YES(e2b_sandbox_kill_by_id(scene.client, id)));
}

/* --- a run as it happens ------------------------------------------------------------------------
 */

static e2b_http_stream_t *stream_of(const char *members, page_viewer_t *v) {
  char body[1024];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\"%s}",
           e2b_sandbox_id(scene.sandbox), members);
  const e2b_http_response_t *answer = page_posts(body);
  assert_int_equal(answer->status, 200);
  assert_string_equal(page_header(answer, "Content-Type"), "text/event-stream");
  return page_views(v, answer);
}

static void a_run_is_streamed_as_events(void **state) {
  static page_viewer_t v;
  (void)state;
  stream_of(",\"command\":\"echo out; echo err >&2; exit 4\"", &v);
  page_until_ended(&v);
  assert_non_null(strstr(v.text, "data: {\"type\":\"started\",\"sandboxId\":\""));
  assert_non_null(strstr(v.text, "data: {\"type\":\"stdout\",\"data\":\"out\\n\"}\n\n"));
  assert_non_null(strstr(v.text, "data: {\"type\":\"stderr\",\"data\":\"err\\n\"}\n\n"));
  assert_non_null(strstr(v.text, "data: {\"type\":\"result\",\"success\":true,\"result\":{"));
  assert_non_null(strstr(v.text, "\"exitCode\":4"));
}

static void a_browser_that_leaves_ends_its_run(void **state) {
  static page_viewer_t v;
  (void)state;
  const char *name = scene_path("left-behind");
  char members[512];
  snprintf(members, sizeof members, ",\"command\":\"echo up; exec -a %s sleep 1000\"", name);
  e2b_http_stream_t *stream = stream_of(members, &v);
  page_until_says(&v, "up", 2);
  e2b_http_stream_close(stream);
  page_until_ended(&v);
  scene_until_gone(name);
}

static void a_paused_stream_holds_the_output_and_loses_none(void **state) {
  static page_viewer_t v;
  (void)state;
  e2b_http_stream_t *stream = stream_of(",\"command\":\"seq 1 2000\"", &v);
  e2b_http_stream_pause(stream);
  const bool never = false;
  scene_turn(PACE_MS, &never);
  assert_int_equal(v.len, 0);
  e2b_http_stream_resume(stream);
  page_until_ended(&v);
  assert_non_null(strstr(v.text, "\\n2000\\n"));
  assert_non_null(strstr(v.text, "\"type\":\"result\""));
}

static void an_answer_that_nobody_reads_costs_nothing(void **state) {
  (void)state;
  char body[512];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\","
           "\"command\":\"sleep 1000\"}",
           e2b_sandbox_id(scene.sandbox));
  page_posts(body); /* released after the test, with the stream that nobody took */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PAGE_TEST(every_action_says_what_it_misses),
      PAGE_TEST(wrong_types_are_named),
      PAGE_TEST(a_body_that_is_no_json_object_is_refused),
      PAGE_TEST(other_methods_are_refused),
      PAGE_TEST(unknown_sandboxes_are_not_found),
      PAGE_TEST(code_is_run),
      PAGE_TEST(code_that_does_not_parse_is_the_callers_fault),
      PAGE_TEST(commands_take_arguments_as_they_are_or_a_line_of_shell),
      PAGE_TEST(files_are_written_read_listed_and_removed),
      PAGE_TEST(bytes_travel_as_base64),
      PAGE_TEST(a_missing_file_is_not_found),
      PAGE_TEST(sandboxes_are_made_described_listed_and_ended),
      PAGE_TEST(a_run_without_a_sandbox_gets_one),
      PAGE_TEST(a_run_is_streamed_as_events),
      PAGE_TEST(a_browser_that_leaves_ends_its_run),
      PAGE_TEST(a_paused_stream_holds_the_output_and_loses_none),
      PAGE_TEST(an_answer_that_nobody_reads_costs_nothing),
  };
  return cmocka_run_group_tests_name("handler", tests, scene_open, scene_close);
}
