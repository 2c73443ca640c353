/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/json.h"
#include "support/cells.h"

/* What the service's interpreter answered, as recorded in fixtures/interpreter, against what this
 * host answers to the same requests. Left out of the comparison: what is never the same twice
 * (times, counters, ids, places in tracebacks) and what other releases of the same packages draw
 * and render otherwise. */

static cJSON *read_fixture(const char *name) {
  char path[600];
  e2b__buffer_t text = E2B__BUFFER_INIT(1 << 20);
  snprintf(path, sizeof path, "%s/interpreter/%s.json", E2B_FIXTURES, name);
  FILE *file = fopen(path, "re");
  if (file == NULL) fail_msg("%s is missing", path);
  char piece[4096];
  for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
    assert_int_equal(e2b__buffer_append(&text, piece, got), 0);
  fclose(file);
  cJSON *fixture = e2b__json_parse(text.data, text.len);
  assert_non_null(fixture);
  e2b__buffer_free(&text);
  return fixture;
}

static char *decode(const cJSON *object, const char *name) {
  const char *base64 = e2b__json_string(object, name, "");
  size_t len = 0;
  char *text = calloc(1, e2b__base64_decoded_bound(strlen(base64)) + 1);
  assert_non_null(text);
  assert_int_equal(e2b__base64_decode(base64, strlen(base64), text, &len), 0);
  text[len] = '\0';
  return text;
}

static void drop(cJSON *line, const char *name) {
  cJSON_DeleteItemFromObjectCaseSensitive(line, name);
}

/* Which ticks there are is the drawing's business. */
static void drop_ticks(cJSON *chart) {
  static const char *const ticks[] = {"x_ticks", "y_ticks", "x_tick_labels", "y_tick_labels"};
  cJSON *element;
  for (size_t i = 0; i < E2B__COUNT(ticks); i++)
    drop(chart, ticks[i]);
  cJSON_ArrayForEach(element, cJSON_GetObjectItemCaseSensitive(chart, "elements")) {
    if (cJSON_IsObject(element)) drop_ticks(element);
  }
}

static void normalise(cJSON *line) {
  static const char *const unsteady[] = {"timestamp", "execution_count", "traceback", "png",
                                         "html"};
  for (size_t i = 0; i < E2B__COUNT(unsteady); i++) {
    bool was = cJSON_HasObjectItem(line, unsteady[i]);
    drop(line, unsteady[i]);
    if (was) cJSON_AddTrueToObject(line, unsteady[i]); /* but that it is there */
  }
  drop_ticks(cJSON_GetObjectItemCaseSensitive(line, "chart"));
  /* "(2747763117.py, line 1)" */
  cJSON *value = cJSON_GetObjectItemCaseSensitive(line, "value");
  char *place = cJSON_IsString(value) ? strstr(value->valuestring, " (") : NULL;
  if (place != NULL && strstr(place, ".py") != NULL) *place = '\0';
  /* Where a warning comes from. */
  if (strcmp(e2b__json_string(line, "type", ""), "stderr") == 0) drop(line, "text");
}

/* Neighbouring pieces of the same stream become one. */
static void join_output(cJSON *lines) {
  for (int i = 1; i < cJSON_GetArraySize(lines);) {
    cJSON *before = cJSON_GetArrayItem(lines, i - 1), *line = cJSON_GetArrayItem(lines, i);
    const char *type = e2b__json_string(line, "type", "");
    if (strcmp(type, "stdout") != 0 || strcmp(type, e2b__json_string(before, "type", "")) != 0) {
      i++;
      continue;
    }
    char *both = e2b__format("%s%s", e2b__json_string(before, "text", ""),
                             e2b__json_string(line, "text", ""));
    cJSON_ReplaceItemInObjectCaseSensitive(before, "text", cJSON_CreateString(both));
    e2b__free(both);
    cJSON_DeleteItemFromArray(lines, i);
  }
}

static cJSON *lines_of(const char *body) {
  cJSON *lines = cJSON_CreateArray();
  for (const char *end; (end = strchr(body, '\n')) != NULL; body = end + 1) {
    cJSON *line = e2b__json_parse(body, (size_t)(end - body));
    assert_non_null(line);
    normalise(line);
    cJSON_AddItemToArray(lines, line);
  }
  join_output(lines);
  return lines;
}

/* The recording had other contexts: the default one of the language serves. */
static char *request_body(const cJSON *request, const char *language) {
  char *text = decode(request, "body_base64");
  cJSON *body = text[0] == '{' ? e2b__json_parse(text, strlen(text)) : NULL;
  if (body == NULL) return text;
  const char *id = e2b__json_string(body, "context_id", NULL);
  if (id != NULL && strlen(id) == 36) {
    drop(body, "context_id");
    if (language != NULL) cJSON_AddStringToObject(body, "language", language);
  }
  free(text);
  char *printed = cJSON_PrintUnformatted(body);
  text = strdup(printed);
  cJSON_free(printed);
  cJSON_Delete(body);
  assert_non_null(text);
  return text;
}

static void replay(const char *name, const char *language) {
  cJSON *fixture = read_fixture(name);
  const cJSON *request = cJSON_GetObjectItemCaseSensitive(fixture, "request");
  const cJSON *response = cJSON_GetObjectItemCaseSensitive(fixture, "response");
  char *sent = request_body(request, language), *expected = decode(response, "body_base64");
  cell_t *cell = cells_ask(e2b__json_string(request, "method", ""),
                           e2b__json_string(request, "path", ""), sent);
  assert_int_equal(cell->status, e2b__json_int(response, "status", 0));
  if (strncmp(expected, "{\"type\"", 7) != 0) {
    assert_string_equal(cell->text, expected);
  } else {
    cJSON *want = lines_of(expected), *got = lines_of(cell->text);
    if (!cJSON_Compare(want, got, true)) {
      char *a = cJSON_PrintUnformatted(want), *b = cJSON_PrintUnformatted(got);
      print_error("%s\nrecorded: %s\nanswered: %s\n", name, a, b);
      cJSON_free(a);
      cJSON_free(b);
      fail();
    }
    cJSON_Delete(want);
    cJSON_Delete(got);
  }
  free(sent);
  free(expected);
  cJSON_Delete(fixture);
}

static void refusals(void **state) {
  (void)state;
  static const char *const names[] = {"execute-unknown-context-404",
                                      "execute-unknown-language-500",
                                      "execute-both-400",
                                      "execute-422",
                                      "context-create-unknown-language-500",
                                      "health"};
  for (size_t i = 0; i < E2B__COUNT(names); i++)
    replay(names[i], NULL);
}

static void python_cells(void **state) {
  (void)state;
  static const char *const names[] = {
      "execute-basic",         "execute-error",       "execute-syntax-error",
      "execute-string-result", "execute-all-formats", "execute-display-update",
      "execute-json-nan",      "execute-empty",       "execute-input",
      "execute-system-exit",   "execute-env-vars",    "execute-kernel-death"};
  for (size_t i = 0; i < E2B__COUNT(names); i++)
    replay(names[i], NULL);
}

static void other_languages(void **state) {
  (void)state;
  replay("execute-javascript", "javascript");
  replay("execute-bash-nonzero", "bash");
}

static void charts(void **state) {
  (void)state;
  static const char *const names[] = {"chart-bar",        "chart-barh",    "chart-line",
                                      "chart-pie",        "chart-box",     "chart-scatter",
                                      "chart-superchart", "chart-unknown", "chart-blank"};
  cell_t *cell = cells_run("try:\n import e2b_charts\nexcept ImportError:\n print('none')", NULL);
  if (strcmp(cells_printed(cell, "stdout"), "none\n") == 0) {
    print_message("         no package e2b-charts\n");
    skip();
  }
  cells_prints("import matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = 0.6, 0.4", NULL,
               "");
  for (size_t i = 0; i < E2B__COUNT(names); i++)
    replay(names[i], NULL);
}

static void data_of_a_table(void **state) {
  (void)state;
  cell_t *cell = cells_run("import pandas as pd\n"
                           "pd.DataFrame({'a': [1, 2], 'b': [1.5, float('nan')],"
                           " 't': pd.to_datetime(['2024-01-01', '2024-01-02'])})",
                           NULL);
  const cJSON *result = cells_line(cell, "result", 0);
  char *data = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(result, "data"));
  assert_string_equal(data, "{\"a\":[1,2],\"b\":[1.5,null],"
                            "\"t\":[\"2024-01-01T00:00:00\",\"2024-01-02T00:00:00\"]}");
  cJSON_free(data);
  assert_non_null(strstr(e2b__json_string(result, "html", ""), "<table"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(refusals), CELLS_TEST(python_cells),    CELLS_TEST(other_languages),
      CELLS_TEST(charts),   CELLS_TEST(data_of_a_table),
  };
  CELLS_RUN(tests);
}
