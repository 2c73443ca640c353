/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "support/cells.h"

/* Contexts: which there are, what they keep from each other, and how they end. */

static int count_contexts(void) {
  cell_t *cell = cells_ask("GET", "/contexts", NULL);
  cJSON *list = e2b__json_parse(cell->text, cell->len);
  int count = cJSON_GetArraySize(list);
  cJSON_Delete(list);
  return count;
}

/* "id" of the nth context, which must be of that language and in that directory. */
static const char *listed(int nth, const char *language, const char *cwd) {
  static char id[64];
  cell_t *cell = cells_ask("GET", "/contexts", NULL);
  cJSON *list = e2b__json_parse(cell->text, cell->len);
  const cJSON *context = cJSON_GetArrayItem(list, nth);
  assert_string_equal(e2b__json_string(context, "language", ""), language);
  assert_string_equal(e2b__json_string(context, "cwd", ""), cwd);
  snprintf(id, sizeof id, "%s", e2b__json_string(context, "id", ""));
  cJSON_Delete(list);
  return id;
}

static void answers(const char *method, const char *id, const char *what, long status,
                    const char *text) {
  char path[128];
  snprintf(path, sizeof path, "/contexts/%s%s", id, what);
  cell_t *cell = cells_ask(method, path, NULL);
  assert_int_equal(cell->status, status);
  assert_string_equal(cell->text, text);
}

static void defaults_are_there_from_the_start(void **state) {
  (void)state;
  cells_need_isolation();
  assert_int_equal(count_contexts(), 2);
  const char *id = listed(0, "python", "/home/user");
  assert_int_equal(strlen(id), 36);
  listed(1, "javascript", "/home/user");
  /* The default one by its language, by nothing, and by its id. */
  cells_prints("x = 1", NULL, "");
  cells_value("x", "\"language\":\"Python \"", "1");
  cells_value("x", cells_in(listed(0, "python", "/home/user")), "1");
  assert_int_equal(count_contexts(), 2);
  cells_value("1 + 1", TYPESCRIPT, "2");
  assert_int_equal(count_contexts(), 3);
  listed(2, "typescript", "/home/user");
}

static void contexts_share_nothing_but_the_sandbox(void **state) {
  (void)state;
  cells_need_isolation();
  const char *a = cells_in(cells_context("{}"));
  const char *b = cells_in(cells_context("{\"language\":\"python\",\"cwd\":\"/tmp\"}"));
  listed(3, "python", "/tmp");
  cells_prints("x = 'a'; open('/tmp/shared', 'w').write(x) and None", a, "");
  cells_fails("x", b, "NameError", "name 'x' is not defined");
  cells_value("open('shared').read()", b, "a");
  cells_value("import os; os.getcwd()", a, "/home/user");
  cells_value("import os; os.getcwd(), os.geteuid()", b, "('/tmp', 0)");
}

static void a_directory_that_is_not_there_is_no_error(void **state) {
  (void)state;
  cells_need_isolation();
  const char *context = cells_in(cells_context("{\"cwd\":\"/nonexistent\"}"));
  listed(2, "python", "/nonexistent");
  cells_value("import os; os.getcwd()", context, "/home/user");
}

static void a_restarted_context_begins_again_at_home(void **state) {
  (void)state;
  cells_need_isolation();
  const char *id = cells_context("{\"cwd\":\"/tmp\"}"), *context = cells_in(id);
  cells_prints("x = 1", context, "");
  answers("POST", id, "/restart", 200, "null");
  cells_fails("x", context, "NameError", NULL);
  cells_value("import os; os.getcwd()", context, "/home/user");
  listed(2, "python", "/tmp");
  answers("POST", "nope", "/restart", 404, "Context nope not found");
}

static void a_deleted_context_is_gone(void **state) {
  (void)state;
  const char *id = cells_context("{}");
  assert_int_equal(count_contexts(), 3);
  answers("DELETE", id, "", 200, "null");
  assert_int_equal(count_contexts(), 2);
  char text[80];
  snprintf(text, sizeof text, "Context %s not found", id);
  answers("DELETE", id, "", 404, text);
  cell_t *cell = cells_take(cells_begin("1", cells_in(id)));
  assert_int_equal(cell->status, 404);
  assert_string_equal(cell->text, text);
}

static void default_contexts_survive_restart_and_delete(void **state) {
  (void)state;
  cells_need_isolation();
  cells_prints("x = 1", NULL, "");
  answers("POST", listed(0, "python", "/home/user"), "/restart", 200, "null");
  cells_fails("x", NULL, "NameError", NULL);
  answers("DELETE", listed(0, "python", "/home/user"), "", 200, "null");
  assert_int_equal(count_contexts(), 1);
  cells_value("1 + 1", NULL, "2");
  assert_int_equal(count_contexts(), 2);
}

/* What a context's end does to a cell that runs and to one that waits. */
static void end_during(const char *method, const char *what) {
  const char *id = cells_context("{}"), *context = cells_in(id);
  wire_exchange_t *running =
      cells_begin("import time; print('x', flush=True); time.sleep(100)", context);
  cells_until(running, "\"stdout\"");
  wire_exchange_t *waiting = cells_begin("'queued'", context);
  wire_turn_for(100);
  answers(method, id, what, 200, "null");
  cell_t *cell = cells_take(running);
  assert_true(cell->ended);
  assert_string_equal(cells_member(cell, "error", 0, "name"), "WebSocketError");
  assert_string_equal(cells_member(cell, "error", 0, "value"),
                      "The connections was lost, rerun the code to get the results");
  assert_string_equal(cells_member(cell, "error", 1, "name"), "UnexpectedEndOfExecution");
  cell = cells_take(waiting);
  assert_true(cell->ended);
  assert_int_equal(cJSON_GetArraySize(cell->lines), 2);
  assert_string_equal(cells_member(cell, "error", 0, "name"), "UnexpectedEndOfExecution");
}

static void a_cell_is_told_of_its_contexts_end(void **state) {
  (void)state;
  end_during("POST", "/restart");
  end_during("DELETE", "");
}

static void nobody_waits_for_a_cell_of_another_context(void **state) {
  (void)state;
  wire_exchange_t *busy = cells_begin("import time; time.sleep(100)", NULL);
  cells_until(busy, "number_of_executions");
  cells_value("1 + 1", cells_in(cells_context("{}")), "2");
  cells_value("1 + 1", JAVASCRIPT, "2");
  cells_cut(busy);
}

static void cells_of_one_context_take_turns(void **state) {
  (void)state;
  wire_exchange_t *first = cells_begin("import time; time.sleep(0.5); order = ['first']", NULL);
  cells_until(first, "number_of_executions");
  wire_exchange_t *second = cells_begin("order.append('second')", NULL);
  wire_turn_for(50);
  wire_exchange_t *left = cells_begin("order.append('left')", NULL);
  wire_turn_for(50);
  wire_exchange_t *third = cells_begin("order.append('third'); order", NULL);
  wire_turn_for(50);
  /* A queued one has its head, and nothing more; who leaves the queue never ran. */
  long status = 0;
  curl_easy_getinfo(second->easy, CURLINFO_RESPONSE_CODE, &status);
  assert_int_equal(status, 200);
  assert_int_equal(second->body.len, 0);
  cells_cut(left);
  cells_take(first);
  cells_take(second);
  assert_string_equal(cells_member(cells_take(third), "result", 0, "text"),
                      "['first', 'second', 'third']");
}

static void a_pause_keeps_the_variables(void **state) {
  (void)state;
  cells_need_isolation();
  char path[128], id[64];
  cells_prints("x = 41", NULL, "");
  snprintf(path, sizeof path, "/sandboxes/%s/pause", wire.sandbox);
  memcpy(id, wire.sandbox, sizeof id);
  wire.sandbox[0] = '\0';
  assert_int_equal(cells_ask("POST", path, "{}")->status, 204);
  snprintf(path, sizeof path, "/sandboxes/%s/connect", id);
  assert_in_range(cells_ask("POST", path, "{\"timeout\":300}")->status, 200, 201);
  memcpy(wire.sandbox, id, sizeof id);
  cells_value("x + 1", NULL, "42");
}

static void a_pause_without_memory_keeps_no_context(void **state) {
  (void)state;
  cells_need_isolation();
  char path[128], id[64];
  cells_prints("x = 41", cells_in(cells_context("{}")), "");
  cells_prints("x = 41", NULL, "");
  snprintf(path, sizeof path, "/sandboxes/%s/pause", wire.sandbox);
  memcpy(id, wire.sandbox, sizeof id);
  wire.sandbox[0] = '\0';
  assert_int_equal(cells_ask("POST", path, "{\"memory\":false}")->status, 204);
  snprintf(path, sizeof path, "/sandboxes/%s/connect", id);
  assert_in_range(cells_ask("POST", path, "{\"timeout\":300}")->status, 200, 201);
  memcpy(wire.sandbox, id, sizeof id);
  assert_int_equal(count_contexts(), 2);
  cells_fails("x", NULL, "NameError", NULL);
}

static void the_sandboxs_end_cuts_everything(void **state) {
  (void)state;
  wire_exchange_t *running = cells_begin("import time; time.sleep(100)", NULL);
  cells_until(running, "number_of_executions");
  wire_exchange_t *waiting = cells_begin("1", NULL);
  wire_exchange_t *starting = cells_begin("1", TYPESCRIPT);
  wire_turn_for(20);
  wire_kill();
  assert_false(cells_take(running)->ended);
  assert_false(cells_take(waiting)->ended);
  assert_false(cells_take(starting)->ended);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(defaults_are_there_from_the_start),
      CELLS_TEST(contexts_share_nothing_but_the_sandbox),
      CELLS_TEST(a_directory_that_is_not_there_is_no_error),
      CELLS_TEST(a_restarted_context_begins_again_at_home),
      CELLS_TEST(a_deleted_context_is_gone),
      CELLS_TEST(default_contexts_survive_restart_and_delete),
      CELLS_TEST(a_cell_is_told_of_its_contexts_end),
      CELLS_TEST(nobody_waits_for_a_cell_of_another_context),
      CELLS_TEST(cells_of_one_context_take_turns),
      CELLS_TEST(a_pause_keeps_the_variables),
      CELLS_TEST(a_pause_without_memory_keeps_no_context),
      CELLS_TEST(the_sandboxs_end_cuts_everything),
  };
  CELLS_RUN(tests);
}
