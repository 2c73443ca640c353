/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_JSON_H
#define E2B_LIB_PROTO_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/arena.h"
#include "proto/json_write.h"

/* Reading: thin helpers over cJSON, which owns the tree. */

/* The whole of `data` as one JSON value; NULL when it is not (trailing text included; strict where
 * cJSON is not) or memory is out. Nesting is bounded. A NUL inside a string, which a C string
 * cannot hold, becomes U+FFFD. Free with cJSON_Delete. */
cJSON *e2b__json_parse(const char *data, size_t len);
/* Whether that has happened: a string of `data`, which is valid, has a NUL in it. */
bool e2b__json_has_nul(const char *data, size_t len);
/* Member accessors: the default when the member is absent, null, or of another type. */
const char *e2b__json_string(const cJSON *object, const char *name, const char *fallback);
double e2b__json_number(const cJSON *object, const char *name, double fallback);
/* A whole number: fractions are cut off, what does not fit is clamped to the range of int64_t. */
int64_t e2b__json_int(const cJSON *object, const char *name, int64_t fallback);
bool e2b__json_bool(const cJSON *object, const char *name, bool fallback);
/* RFC 3339 to milliseconds since 1970; `fallback` when absent or malformed. */
int64_t e2b__json_time_ms(const cJSON *object, const char *name, int64_t fallback);

/* RFC 3339 with milliseconds and Z; `text` takes at least 32 bytes. Times outside the years 1 to
 * 9999 are clamped. */
void e2b__rfc3339_from_ms(int64_t unix_ms, char text[32]);
/* The same with as many of 0, 3, 6 or 9 fractional digits as the value needs. 0, or E2B_EINVAL when
 * it is outside those years or `nanos` is not 0 to 999999999. */
int e2b__rfc3339_format(int64_t seconds, int32_t nanos, char text[32]);
/* 0, or E2B_EPROTOCOL. Accepts offsets and any number of fractional digits, of which nine count. */
int e2b__rfc3339_parse(const char *text, size_t len, int64_t *seconds, int32_t *nanos);

#endif
