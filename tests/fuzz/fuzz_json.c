/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "proto/connect_error.h"
#include "proto/json.h"
#include "proto/json_scan.h"

/* Text that the scanner accepts: a tree of it prints as text that the scanner accepts again, and a
 * string survives quoting. Error bodies are read whatever they are. */

static void check_string(e2b__json_token_t token) {
  char *text = malloc(token.len + 1);
  e2b__buffer_t quoted = E2B__BUFFER_INIT(1 << 26);
  e2b__json_scan_t scan;
  e2b__json_token_t again;
  HOLDS(text != NULL);
  size_t len = e2b__json_unescape(token, text);
  HOLDS(len <= token.len);
  HOLDS(e2b__json_quote(&quoted, text, len) == 0);
  e2b__json_scan_init(&scan, quoted.data, quoted.len);
  HOLDS(e2b__json_scan_string(&scan, &again) && e2b__json_scan_end(&scan));
  char *room = malloc(again.len + 1);
  HOLDS(room != NULL && e2b__json_unescape(again, room) == len);
  HOLDS(memcmp(room, text, len) == 0);
  free(room);
  free(text);
  e2b__buffer_free(&quoted);
}

static void check_tree(const char *text, size_t len, bool valid) {
  cJSON *tree = e2b__json_parse(text, len);
  HOLDS(valid || tree == NULL);
  char *printed = tree != NULL ? cJSON_PrintUnformatted(tree) : NULL;
  if (printed != NULL) {
    e2b__json_scan_t scan;
    e2b__json_scan_init(&scan, printed, strlen(printed));
    HOLDS(e2b__json_scan_skip(&scan) && e2b__json_scan_end(&scan));
  }
  e2b__json_int(tree, "code", 0);
  e2b__json_time_ms(tree, "time", 0);
  cJSON_free(printed);
  cJSON_Delete(tree);
}

static void check_errors(const char *text, size_t len) {
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  HOLDS(e2b__connect_error_decode(text, len, &arena, &error) == 0);
  HOLDS(error.form != E2B__ERROR_NONE && error.message != NULL);
  int rc = e2b__connect_end_decode(text, len, &arena, &error);
  HOLDS(rc == 0 || rc == E2B_EPROTOCOL);
  HOLDS(error.message != NULL);
  e2b__arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  e2b__json_scan_t scan;
  e2b__json_token_t token;
  int64_t seconds;
  int32_t nanos;
  e2b__json_scan_init(&scan, text, size);
  bool valid = e2b__json_scan_skip(&scan) && e2b__json_scan_end(&scan);
  HOLDS(valid || scan.fault != NULL || scan.at < scan.end);
  check_tree(text, size, valid);
  check_errors(text, size);
  e2b__json_scan_init(&scan, text, size);
  if (e2b__json_scan_string(&scan, &token)) check_string(token);
  if (e2b__rfc3339_parse(text, size, &seconds, &nanos) == 0) {
    char time[32];
    HOLDS(e2b__rfc3339_format(seconds, nanos, time) == 0);
  }
  return 0;
}
