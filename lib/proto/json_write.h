/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_JSON_WRITE_H
#define E2B_LIB_PROTO_JSON_WRITE_H

#include <stdbool.h>

#include "base/buffer.h"

/* Writing JSON straight into a buffer, no tree. The first failure sticks in `rc`, so that a caller
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

#endif
