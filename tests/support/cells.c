/* SPDX-License-Identifier: MIT */
#include "support/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#ifdef E2B_TEST_WITH_HOST

enum { KEPT = 256, PATIENCE_MS = 60000 };

/* Freed after the test. */
static cell_t *cells[KEPT];
static size_t cells_count;
static char *texts[KEPT];
static size_t texts_count;

static const char *keep_text(char *text) {
  assert_true(texts_count < KEPT);
  texts[texts_count++] = text;
  return text;
}

bool cells_possible(void) {
  const char *dir = getenv("E2B_TEST_PYTHON");
  if (dir != NULL && *dir != '\0') return true;
  printf("skipped: E2B_TEST_PYTHON names no Python environment\n");
  return false;
}

int cells_open(void **state) {
  int rc = wire_open(state);
  wire.template = "code-interpreter-v1";
  wire.port = "49999";
  return rc;
}

int cells_enter(void **state) {
  return wire_enter(state);
}

/* Skipping from a fixture would count as a failure. */
void cells_need_isolation(void) {
  skip_unless(&wire.server, SERVER_ISOLATED, "paths and users are the machine's");
}

int cells_leave(void **state) {
  while (cells_count > 0) {
    cell_t *cell = cells[--cells_count];
    free(cell->text);
    cJSON_Delete(cell->lines);
    free(cell);
  }
  while (texts_count > 0)
    free(texts[--texts_count]);
  return wire_leave(state);
}

/* The complete lines of a body. */
static cJSON *lines_of(const char *text, size_t len) {
  cJSON *lines = cJSON_CreateArray();
  assert_non_null(lines);
  for (const char *end; (end = memchr(text, '\n', len)) != NULL;) {
    cJSON *line = e2b__json_parse(text, (size_t)(end - text));
    if (line == NULL) fail_msg("no JSON: %.*s", (int)(end - text), text);
    cJSON_AddItemToArray(lines, line);
    len -= (size_t)(end + 1 - text);
    text = end + 1;
  }
  return lines;
}

cell_t *cells_take(wire_exchange_t *exchange) {
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while (!exchange->done && uv_hrtime() < end)
    wire_turn();
  assert_true(exchange->done);
  assert_true(cells_count < KEPT);
  cell_t *cell = calloc(1, sizeof *cell);
  assert_non_null(cell);
  cells[cells_count++] = cell;
  cell->status = exchange->status;
  cell->len = exchange->body.len;
  cell->text = calloc(1, cell->len + 1);
  assert_non_null(cell->text);
  if (cell->len > 0) memcpy(cell->text, exchange->body.data, cell->len);
  bool whole = exchange->code == CURLE_OK;
  wire_end(exchange);
  if (cell->status != 200 || cell->text[0] != '{') return cell;
  cell->lines = lines_of(cell->text, cell->len);
  const cJSON *last = cJSON_GetArrayItem(cell->lines, cJSON_GetArraySize(cell->lines) - 1);
  cell->ended = whole && strcmp(e2b__json_string(last, "type", ""), "end_of_execution") == 0;
  return cell;
}

cell_t *cells_ask(const char *method, const char *path, const char *body) {
  return cells_take(wire_begin(method, path, "application/json", body != NULL ? body : "",
                               body != NULL ? strlen(body) : 0, NULL));
}

wire_exchange_t *cells_begin(const char *code, const char *more) {
  e2b__buffer_t body = E2B__BUFFER_INIT(64 << 20);
  int rc = e2b__buffer_append_str(&body, "{\"code\":");
  if (rc == 0) rc = e2b__json_quote(&body, code, strlen(code));
  if (rc == 0 && more != NULL) rc = e2b__buffer_append_str(&body, ",");
  if (rc == 0 && more != NULL) rc = e2b__buffer_append_str(&body, more);
  if (rc == 0) rc = e2b__buffer_append_str(&body, "}");
  assert_int_equal(rc, 0);
  wire_exchange_t *exchange =
      wire_begin("POST", "/execute", "application/json", body.data, body.len, NULL);
  e2b__buffer_free(&body);
  return exchange;
}

cell_t *cells_run(const char *code, const char *more) {
  cell_t *cell = cells_take(cells_begin(code, more));
  if (cell->status != 200 || !cell->ended)
    fail_msg("%s\nwas answered with %ld: %s", code, cell->status, cell->text);
  return cell;
}

void cells_until(wire_exchange_t *exchange, const char *text) {
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while ((exchange->body.data == NULL || strstr(exchange->body.data, text) == NULL) &&
         uv_hrtime() < end) {
    if (exchange->done) fail_msg("it ended without '%s'", text);
    wire_turn();
  }
  assert_true(uv_hrtime() < end);
}

void cells_cut(wire_exchange_t *exchange) {
  wire_end(exchange);
}

/* ---- looking at answers ---- */

const cJSON *cells_line(const cell_t *cell, const char *type, int nth) {
  const cJSON *line;
  cJSON_ArrayForEach(line, cell->lines) {
    if (strcmp(e2b__json_string(line, "type", ""), type) == 0 && nth-- == 0) return line;
  }
  return NULL;
}

const char *cells_member(const cell_t *cell, const char *type, int nth, const char *name) {
  const char *value = e2b__json_string(cells_line(cell, type, nth), name, NULL);
  if (value == NULL) fail_msg("no %s in %s %d of: %s", name, type, nth, cell->text);
  return value;
}

const char *cells_printed(const cell_t *cell, const char *type) {
  e2b__buffer_t all = E2B__BUFFER_INIT(256 << 20);
  const cJSON *line;
  for (int i = 0; (line = cells_line(cell, type, i)) != NULL; i++)
    assert_int_equal(e2b__buffer_append_str(&all, e2b__json_string(line, "text", "?")), 0);
  char *text = strdup(all.data != NULL ? all.data : "");
  e2b__buffer_free(&all);
  assert_non_null(text);
  return keep_text(text);
}

void cells_value(const char *code, const char *more, const char *text) {
  cell_t *cell = cells_run(code, more);
  const cJSON *line;
  cJSON_ArrayForEach(line, cell->lines) {
    if (!e2b__json_bool(line, "is_main_result", false)) continue;
    assert_string_equal(e2b__json_string(line, "text", "(none)"), text);
    assert_null(cells_line(cell, "error", 0));
    return;
  }
  fail_msg("%s\nhas no value: %s", code, cell->text);
}

void cells_prints(const char *code, const char *more, const char *text) {
  cell_t *cell = cells_run(code, more);
  if (cells_line(cell, "error", 0) != NULL) fail_msg("%s\nfailed: %s", code, cell->text);
  assert_string_equal(cells_printed(cell, "stdout"), text);
}

void cells_fails(const char *code, const char *more, const char *name, const char *value) {
  cell_t *cell = cells_run(code, more);
  assert_string_equal(cells_member(cell, "error", 0, "name"), name);
  if (value != NULL) assert_string_equal(cells_member(cell, "error", 0, "value"), value);
}

const char *cells_context(const char *body) {
  cell_t *cell = cells_ask("POST", "/contexts", body);
  if (cell->status != 200) fail_msg("%s: %ld %s", body, cell->status, cell->text);
  cJSON *context = cJSON_GetArrayItem(cell->lines, 0);
  if (context == NULL) {
    /* No line: the body has no newline. */
    context = e2b__json_parse(cell->text, cell->len);
    assert_non_null(context);
    cJSON_AddItemToArray(cell->lines, context);
  }
  return e2b__json_string(context, "id", "");
}

const char *cells_in(const char *id) {
  char *text = calloc(1, 80);
  assert_non_null(text);
  snprintf(text, 80, "\"context_id\":\"%s\"", id);
  return keep_text(text);
}

#endif
