/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_CELLS_H
#define E2B_TESTS_SUPPORT_CELLS_H

#include <cjson/cJSON.h>

#include "support/wire.h"

/* The host's code interpreter over the wire: requests to port 49999, cells, and the lines of their
 * answers. Everything that is answered is freed after the test. */

int cells_open(void **state);
int cells_enter(void **state);
int cells_leave(void **state);

/* A sandbox of its own each. */
#define CELLS_TEST(function) cmocka_unit_test_setup_teardown(function, cells_enter, cells_leave)
/* Without a Python environment all are skipped. */
#define CELLS_RUN(tests)           \
  if (!cells_possible()) return 0; \
  return cmocka_run_group_tests(tests, cells_open, wire_close)
bool cells_possible(void);
/* Skips a test that names places and users of a sandbox. */
void cells_need_isolation(void);

/* What languages are asked with. */
#define JAVASCRIPT "\"language\":\"javascript\""
#define TYPESCRIPT "\"language\":\"typescript\""
#define BASH       "\"language\":\"bash\""

typedef struct cell {
  long status;
  char *text; /* the body as it came */
  size_t len;
  cJSON *lines; /* those that are complete; an array */
  bool ended;   /* the last one is end_of_execution, and the body ended properly */
} cell_t;

/* One request to the end: `body` as JSON, NULL for none. */
cell_t *cells_ask(const char *method, const char *path, const char *body);
/* Runs a cell; `more` is further members of the request, or NULL. It must be answered with 200 and
 * end as cells do. */
cell_t *cells_run(const char *code, const char *more);
/* The same, not waited for. */
wire_exchange_t *cells_begin(const char *code, const char *more);
/* Turns until so much of this text has come. */
void cells_until(wire_exchange_t *exchange, const char *text);
/* What has come of it, once it is done (or broken: `ended` is false then); ends it. */
cell_t *cells_take(wire_exchange_t *exchange);
/* Closes its connection. */
void cells_cut(wire_exchange_t *exchange);

/* The nth line of that type; NULL. */
const cJSON *cells_line(const cell_t *cell, const char *type, int nth);
/* A member of it, which must be a string. */
const char *cells_member(const cell_t *cell, const char *type, int nth, const char *name);
/* All of "stdout" or "stderr". */
const char *cells_printed(const cell_t *cell, const char *type);

/* Runs a cell whose main result has this text, and no error. */
void cells_value(const char *code, const char *more, const char *text);
/* One that prints this, and fails in nothing. */
void cells_prints(const char *code, const char *more, const char *text);
/* One that fails so; `value` NULL: whatever it is. */
void cells_fails(const char *code, const char *more, const char *name, const char *value);
/* A context made with this body; its id. */
const char *cells_context(const char *body);
/* "context_id":"ID", to be passed as `more`. */
const char *cells_in(const char *id);

#endif
