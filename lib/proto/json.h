/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_JSON_H
#define E2B_LIB_PROTO_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"

/* Reading: thin helpers over cJSON, which owns the tree. */

/* The whole of `data` as one JSON value; NULL when it is not (trailing text included; strict where
 * cJSON is not) or memory is out. Nesting is bounded. A NUL inside a string, which a C string
 * cannot hold, becomes U+FFFD. Free with cJSON_Delete. */
cJSON *e2b__json_parse(const char *data, size_t len);
/* Member accessors: the default when the member is absent, null, or of another type. */
const char *e2b__json_string(const cJSON *object, const char *name, const char *fallback);
double e2b__json_number(const cJSON *object, const char *name, double fallback);
/* A whole number: fractions are cut off, what does not fit is clamped to the range of int64_t. */
int64_t e2b__json_int(const cJSON *object, const char *name, int64_t fallback);
bool e2b__json_bool(const cJSON *object, const char *name, bool fallback);
/* RFC 3339 to milliseconds since 1970; `fallback` when absent or malformed. */
int64_t e2b__json_time_ms(const cJSON *object, const char *name, int64_t fallback);

/* Writing: straight into a buffer, no tree. The first failure sticks in `rc`, so that a caller
 * writes everything and looks once. Commas are the writer's business. */
typedef struct e2b__json_writer {
  e2b__buffer_t *out;
  int rc;
  bool first; /* no comma before the next member */
} e2b__json_writer_t;

void e2b__json_begin(e2b__json_writer_t *w, e2b__buffer_t *out);
/* `name` NULL: an element of an array, or the outermost value. */
void e2b__json_open(e2b__json_writer_t *w, const char *name, char bracket); /* '{' or '[' */
void e2b__json_close(e2b__json_writer_t *w, char bracket);                  /* '}' or ']' */
/* A string; bytes that are not UTF-8 become U+FFFD. */
void e2b__json_put_string(e2b__json_writer_t *w, const char *name, const char *s, size_t len);
void e2b__json_put_int(e2b__json_writer_t *w, const char *name, int64_t value);
/* The shortest text that reads back the same; null when there is none (not a number, infinite). */
void e2b__json_put_double(e2b__json_writer_t *w, const char *name, double value);
void e2b__json_put_bool(e2b__json_writer_t *w, const char *name, bool value);
void e2b__json_put_null(e2b__json_writer_t *w, const char *name);
/* Bytes as a base64 string. */
void e2b__json_put_base64(e2b__json_writer_t *w, const char *name, const void *data, size_t len);
/* Text that is JSON already; it is not looked at. */
void e2b__json_put_raw(e2b__json_writer_t *w, const char *name, const char *json, size_t len);

/* Appends `s` quoted and escaped, as e2b__json_put_string does. */
int e2b__json_quote(e2b__buffer_t *out, const char *s, size_t len);

/* RFC 3339 with milliseconds and Z; `text` takes at least 32 bytes. Times outside the years 1 to
 * 9999 are clamped. */
void e2b__rfc3339_from_ms(int64_t unix_ms, char text[32]);
/* The same with as many of 0, 3, 6 or 9 fractional digits as the value needs. 0, or E2B_EINVAL when
 * it is outside those years or `nanos` is not 0 to 999999999. */
int e2b__rfc3339_format(int64_t seconds, int32_t nanos, char text[32]);
/* 0, or E2B_EPROTOCOL. Accepts offsets and any number of fractional digits, of which nine count. */
int e2b__rfc3339_parse(const char *text, size_t len, int64_t *seconds, int32_t *nanos);

#endif
