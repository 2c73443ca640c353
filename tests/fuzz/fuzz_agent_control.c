/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "agent/control.h"
#include "fuzz.h"
#include "proto/json_scan.h"

/* A control message that is read well keeps to its ranges; one that is no JSON object is a breach.
 */

static bool is_object(const char *text, size_t size) {
  e2b__json_scan_t scan;
  e2b__json_scan_init(&scan, text, size);
  return e2b__json_scan_peek(&scan) == '{' && e2b__json_scan_skip(&scan) &&
         e2b__json_scan_end(&scan);
}

static void check(const e2b__control_t *control) {
  HOLDS(control->type < E2B__CONTROL_TYPES);
  HOLDS(control->cols >= 1 && control->cols <= 65535);
  HOLDS(control->rows >= 1 && control->rows <= 65535);
  HOLDS(control->ring >= 4096 && control->ring <= 1 << 30);
  HOLDS(control->offset >> 53 == 0 && control->hold_ms >> 53 == 0 && control->signal <= 64);
  HOLDS(memchr(control->id, '\0', sizeof control->id) != NULL);
  HOLDS(memchr(control->writer, '\0', sizeof control->writer) != NULL);
  if (control->type != E2B__CONTROL_CREATE) return;
  HOLDS(control->id[0] != '\0' && control->argc > 0);
  for (size_t i = 0; i < control->argc; i++)
    HOLDS(control->argv[i] != NULL);
  HOLDS(control->argv[control->argc] == NULL);
  for (char **env = control->envs; env != NULL && *env != NULL; env++)
    HOLDS(strchr(*env, '=') != NULL && **env != '=');
  HOLDS(control->cwd == NULL || *control->cwd != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  e2b__control_t control;
  e2b__arena_t arena = {0};
  const char *why = NULL;
  e2b__control_result_t result =
      e2b__control_read(&control, (const char *)data, size, &arena, &why);
  if (result == E2B__CONTROL_GOOD) check(&control);
  if (result == E2B__CONTROL_INVALID) HOLDS(why != NULL);
  if (result != E2B__CONTROL_BREACH) HOLDS(is_object((const char *)data, size));
  e2b__arena_free(&arena);
  return 0;
}
