/* SPDX-License-Identifier: MIT */
#include "proto/json.h"

#include "proto/json_scan.h"

/* Backslashes occur in strings only, the text being valid. */
bool e2b__json_has_nul(const char *data, size_t len) {
  const char *at = len > 0 ? memmem(data, len, "\\u0000", 6) : NULL;
  for (size_t i = 0; at != NULL && i + 6 <= len; i++) {
    if (data[i] != '\\') continue;
    if (memcmp(data + i, "\\u0000", 6) == 0) return true;
    i++;
  }
  return false;
}

/* cJSON ends a string at the first NUL that is escaped in it. "\u0000" has the length of "\ufffd",
 * so the text is rewritten in place. */
static void replace_nuls(char *text, size_t len) {
  for (size_t i = 0; i + 1 < len; i++) {
    if (text[i] != '\\') continue;
    if (len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0) memcpy(text + i, "\\ufffd", 6);
    i++;
  }
}

cJSON *e2b__json_parse(const char *data, size_t len) {
  e2b__json_scan_t scan;
  e2b__json_scan_init(&scan, data, len);
  if (!e2b__json_scan_skip(&scan) || !e2b__json_scan_end(&scan)) return NULL;
  if (!e2b__json_has_nul(data, len)) return cJSON_ParseWithLength(data, len);
  char *copy = e2b__strndup(data, len);
  if (copy == NULL) return NULL;
  replace_nuls(copy, len);
  cJSON *tree = cJSON_ParseWithLength(copy, len);
  e2b__free(copy);
  return tree;
}

static const cJSON *member(const cJSON *object, const char *name) {
  return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *e2b__json_string(const cJSON *object, const char *name, const char *fallback) {
  const cJSON *item = member(object, name);
  return cJSON_IsString(item) ? item->valuestring : fallback;
}

double e2b__json_number(const cJSON *object, const char *name, double fallback) {
  const cJSON *item = member(object, name);
  return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

int64_t e2b__json_int(const cJSON *object, const char *name, int64_t fallback) {
  const cJSON *item = member(object, name);
  if (!cJSON_IsNumber(item)) return fallback;
  if (item->valuedouble >= 0x1p63) return INT64_MAX;
  if (item->valuedouble < -0x1p63) return INT64_MIN;
  return (int64_t)item->valuedouble;
}

bool e2b__json_bool(const cJSON *object, const char *name, bool fallback) {
  const cJSON *item = member(object, name);
  return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

int64_t e2b__json_time_ms(const cJSON *object, const char *name, int64_t fallback) {
  const char *text = e2b__json_string(object, name, NULL);
  int64_t seconds;
  int32_t nanos;
  if (text == NULL || e2b__rfc3339_parse(text, strlen(text), &seconds, &nanos) != 0) {
    return fallback;
  }
  return seconds * 1000 + nanos / 1000000;
}
