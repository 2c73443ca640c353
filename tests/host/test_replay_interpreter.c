/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "support/cells.h"
#include "support/replay.h"

/* Recorded exchanges with the code interpreter of the template. */

#define FOLDER "interpreter"

/* Where the recordings ran their cells. */
#define MAIN   "15e3e5e5-8b44-4636-94fa-c2874a42762d"
#define SECOND "56231c91-315c-4166-9216-f01a1f413e4b"
#define THIRD  "8f94bc5b-b9b7-467f-8712-7075d58976a8"
#define BOXES  "61ce7fc8-3616-498e-b1a5-3bb1c3cfbab6"
#define QUEUE  "b03bf100-c5fb-4930-8420-8be1b50094e5"

static void context(const char *recorded, const char *body) {
  replay_learn(recorded, cells_context(body));
}

/* The two that are there from the start. */
static void default_contexts(const char *python, const char *javascript) {
  cell_t *cell = cells_ask("GET", "/contexts", NULL);
  cJSON *list = e2b__json_parse(cell->text, cell->len);
  replay_learn(python, e2b__json_string(cJSON_GetArrayItem(list, 0), "id", ""));
  replay_learn(javascript, e2b__json_string(cJSON_GetArrayItem(list, 1), "id", ""));
  cJSON_Delete(list);
}

static void contexts(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "health", 0},
      {REPLAY_ASK, "context-create", 0},
      {REPLAY_ASK, "context-list", 0},
      {REPLAY_BEGIN, "execute-interrupt", 0},
      {REPLAY_SHELL, "pkill -INT python3", 0},
      {REPLAY_END, "execute-interrupt", 0},
      {REPLAY_BEGIN, "execute-during-restart", 0},
      {REPLAY_UNTIL, "execute-during-restart", 2},
      {REPLAY_ASK, "context-restart", 0},
      {REPLAY_END, "execute-during-restart", 0},
      {REPLAY_ASK, "execute-cwd-after-restart", 0},
      {REPLAY_ASK, "execute-kernel-death", 0},
      {REPLAY_BEGIN, "execute-during-delete", 0},
      {REPLAY_ASK, "context-delete", 0},
      {REPLAY_END, "execute-during-delete", 0},
      {REPLAY_ASK, "context-delete-404", 0},
      {REPLAY_ASK, "context-create-missing-cwd", 0},
      {REPLAY_ASK, "context-create-unknown-language-500", 0},
      {REPLAY_ASK, "execute-unknown-language-500", 0},
      {REPLAY_ASK, "execute-unknown-context-404", 0},
      {REPLAY_ASK, "execute-both-400", 0},
      {REPLAY_ASK, "execute-422", 0},
      {REPLAY_DONE, NULL, 0},
  };
  default_contexts("4d21e430-7cde-430d-b310-839b5b4ab765", "3eb77dd0-2b12-4e4d-ba07-836e84f0cf08");
  context(MAIN, "{}");
  context(SECOND, "{}");
  replay(FOLDER, steps);
}

static void cells(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "execute-keepalive", REPLAY_PULSE},
      {REPLAY_ASK, "execute-basic", 0},
      {REPLAY_ASK, "execute-stdout-stderr", 0},
      {REPLAY_ASK, "execute-error", 0},
      {REPLAY_ASK, "execute-syntax-error", 0},
      {REPLAY_ASK, "execute-system-exit", 0},
      {REPLAY_ASK, "execute-exception-group", 0},
      {REPLAY_ASK, "execute-input", 0},
      {REPLAY_ASK, "execute-empty", 0},
      {REPLAY_ASK, "execute-all-formats", 0},
      {REPLAY_ASK, "execute-display-update", 0},
      {REPLAY_ASK, "execute-string-result", 0},
      {REPLAY_ASK, "execute-json-nan", 0},
      {REPLAY_ASK, "execute-dataframe", 0},
      {REPLAY_ASK, "execute-dataframe-bigint-nan", 0},
      {REPLAY_ASK, "execute-env-vars", 0},
      {REPLAY_ASK, "execute-env-vars-error", 0},
      {REPLAY_ASK, "execute-env-vars-quote", 0},
      {REPLAY_ASK, "execute-first-cell-magic", 0},
      {REPLAY_ASK, "execute-rate-limit", 0},
      {REPLAY_DONE, NULL, 0},
  };
  context(MAIN, "{}");
  context(SECOND, "{}");
  context(THIRD, "{}");
  replay(FOLDER, steps);
}

static void after_a_cell_whose_client_went(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "execute-immediately-after-cancel", 0},
      {REPLAY_ASK, "execute-1s-after-cancel", 0},
      {REPLAY_DONE, NULL, 0},
  };
  const char *id = cells_context("{}");
  replay_learn(SECOND, id);
  wire_exchange_t *left = cells_begin("import time; time.sleep(60)", cells_in(id));
  cells_until(left, "number_of_executions");
  cells_cut(left);
  replay(FOLDER, steps);
}

static void a_queue_that_is_deleted(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_SEND, "execute-queued-during-delete", 0},
      {REPLAY_DONE, NULL, 0},
  };
  static const replay_step rest[] = {
      {REPLAY_END, "execute-queued-during-delete", 0},
      {REPLAY_DONE, NULL, 0},
  };
  char path[128];
  const char *id = cells_context("{}");
  replay_learn(QUEUE, id);
  wire_exchange_t *running = cells_begin("import time; time.sleep(10)", cells_in(id));
  cells_until(running, "number_of_executions");
  replay(FOLDER, steps);
  snprintf(path, sizeof path, "/contexts/%s", id);
  assert_int_equal(cells_ask("DELETE", path, NULL)->status, 200);
  replay(FOLDER, rest);
  cells_take(running);
}

static void languages(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "execute-javascript", 0},
      {REPLAY_ASK, "execute-javascript-error", 0},
      {REPLAY_ASK, "execute-bash-nonzero", 0},
      {REPLAY_DONE, NULL, 0},
  };
  context("b2f4a909-325c-4213-ba29-e6d1db205eb0", "{" JAVASCRIPT "}");
  context("630ba433-7f98-42a9-a884-5025f7d1535f", "{" JAVASCRIPT "}");
  context("24b79ba8-fcf3-4167-8fd0-55cfb8f2d9da", "{" BASH "}");
  replay(FOLDER, steps);
}

static void charts(void **state) {
  (void)state;
  replay_needs(false);
  static const char small[] =
      "import matplotlib.pyplot as plt\nplt.rcParams.update({'figure.figsize': (3, 2), "
      "'figure.dpi': 20})";
  static const replay_step steps[] = {
      {REPLAY_ASK, "chart-line", 0},
      {REPLAY_ASK, "chart-line-dates", 0},
      {REPLAY_ASK, "chart-scatter", 0},
      {REPLAY_ASK, "chart-bar", 0},
      {REPLAY_ASK, "chart-barh", 0},
      {REPLAY_ASK, "chart-bar-equal-heights", 0},
      {REPLAY_ASK, "chart-pie", 0},
      {REPLAY_ASK, "chart-box", 0},
      {REPLAY_ASK, "chart-box-horizontal", 0},
      {REPLAY_ASK, "chart-box-without-patch-artist", 0},
      {REPLAY_ASK, "chart-box-extract-error", 0},
      {REPLAY_ASK, "chart-superchart", 0},
      {REPLAY_ASK, "chart-superchart-unknown", 0},
      {REPLAY_ASK, "chart-unknown", 0},
      {REPLAY_ASK, "chart-blank", 0},
      {REPLAY_DONE, NULL, 0},
  };
  cell_t *cell = cells_run("try:\n import e2b_charts\nexcept ImportError:\n print('none')", NULL);
  if (strcmp(cells_printed(cell, "stdout"), "none\n") == 0) replay_skip("no package e2b-charts");
  const char *ids[2] = {cells_context("{}"), cells_context("{}")};
  replay_learn(MAIN, ids[0]);
  replay_learn(BOXES, ids[1]);
  for (int i = 0; i < 2; i++)
    cells_prints(small, cells_in(ids[i]), "");
  replay(FOLDER, steps);
}

static void all_of_it(void **state) {
  (void)state;
  replay_complete(FOLDER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(contexts),
      CELLS_TEST(cells),
      CELLS_TEST(after_a_cell_whose_client_went),
      CELLS_TEST(a_queue_that_is_deleted),
      CELLS_TEST(languages),
      CELLS_TEST(charts),
      cmocka_unit_test(all_of_it),
  };
  CELLS_RUN(tests);
}
