/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/base64.h"
#include "proto/json_scan.h"
#include "proto/json_write.h"

void e2b__json_begin(e2b__json_writer_t *w, e2b__buffer_t *out) {
  w->out = out;
  w->rc = 0;
  w->first = true;
}

static void put(e2b__json_writer_t *w, const char *text, size_t len) {
  if (w->rc == 0) w->rc = e2b__buffer_append(w->out, text, len);
}

/* What stands before each value: a comma unless it is the first, and its name. */
static void put_name(e2b__json_writer_t *w, const char *name) {
  if (!w->first) put(w, ",", 1);
  w->first = false;
  if (name == NULL) return;
  if (w->rc == 0) w->rc = e2b__json_quote(w->out, name, strlen(name));
  put(w, ":", 1);
}

void e2b__json_open(e2b__json_writer_t *w, const char *name, char bracket) {
  put_name(w, name);
  put(w, &bracket, 1);
  w->first = true;
}

void e2b__json_close(e2b__json_writer_t *w, char bracket) {
  put(w, &bracket, 1);
  w->first = false;
}

void e2b__json_put_raw(e2b__json_writer_t *w, const char *name, const char *json, size_t len) {
  put_name(w, name);
  put(w, json, len);
}

void e2b__json_put_string(e2b__json_writer_t *w, const char *name, const char *s, size_t len) {
  put_name(w, name);
  if (w->rc == 0) w->rc = e2b__json_quote(w->out, s, len);
}

void e2b__json_put_int(e2b__json_writer_t *w, const char *name, int64_t value) {
  char text[24];
  int len = snprintf(text, sizeof text, "%lld", (long long)value);
  e2b__json_put_raw(w, name, text, (size_t)len);
}

/* printf and strtod follow the process's locale; JSON knows the point only. */
static void use_point(char *text) {
  const char *point = localeconv()->decimal_point;
  char *found = strcmp(point, ".") != 0 ? strstr(text, point) : NULL;
  if (found == NULL) return;
  *found = '.';
  memmove(found + 1, found + strlen(point), strlen(found + strlen(point)) + 1);
}

void e2b__json_put_double(e2b__json_writer_t *w, const char *name, double value) {
  char text[64];
  if (!isfinite(value)) {
    e2b__json_put_null(w, name);
    return;
  }
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, value);
    if (strtod(text, NULL) == value) break;
  }
  use_point(text);
  e2b__json_put_raw(w, name, text, strlen(text));
}

void e2b__json_put_bool(e2b__json_writer_t *w, const char *name, bool value) {
  e2b__json_put_raw(w, name, value ? "true" : "false", value ? 4 : 5);
}

void e2b__json_put_null(e2b__json_writer_t *w, const char *name) {
  e2b__json_put_raw(w, name, "null", 4);
}

void e2b__json_put_base64(e2b__json_writer_t *w, const char *name, const void *data, size_t len) {
  size_t size = e2b__base64_encoded_size(len);
  put_name(w, name);
  put(w, "\"", 1);
  if (w->rc == 0) w->rc = e2b__buffer_reserve(w->out, size + 1);
  if (w->rc != 0) return;
  e2b__base64_encode(data, len, w->out->data + w->out->len);
  e2b__buffer_commit(w->out, size);
  put(w, "\"", 1);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The letter of a two-character escape, 0 when `c` has none. */
static char short_escape(unsigned char c) {
  switch (c) {
  case '"': return '"';
  case '\\': return '\\';
  case '\b': return 'b';
  case '\f': return 'f';
  case '\n': return 'n';
  case '\r': return 'r';
  case '\t': return 't';
  default: return '\0';
  }
}

static int put_escape(e2b__buffer_t *out, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  char text[6] = {'\\', short_escape(c), '0', '0', '0', '0'};
  if (text[1] != '\0') return e2b__buffer_append(out, text, 2);
  text[1] = 'u';
  text[4] = hex[c >> 4];
  text[5] = hex[c & 15];
  return e2b__buffer_append(out, text, 6);
}

/* How many bytes at `s` go out as they are: plain ones and whole UTF-8 characters. */
static size_t unescaped_run(const char *s, size_t len) {
  size_t i = 0;
  while (i < len) {
    size_t run = e2b__json_plain_run(s + i, len - i);
    if (run == 0) {
      unsigned char c = (unsigned char)s[i];
      if (c < 0x20 || c == '"' || c == '\\') break;
      run = e2b__utf8_char(s + i, len - i);
      if (run == 0) break;
    }
    i += run;
  }
  return i;
}

int e2b__json_quote(e2b__buffer_t *out, const char *s, size_t len) {
  size_t before = out->len;
  int rc = len < SIZE_MAX - 2 ? e2b__buffer_reserve(out, len + 2) : E2B_ETOOBIG;
  if (rc == 0) rc = e2b__buffer_append(out, "\"", 1);
  for (size_t i = 0; i < len && rc == 0;) {
    size_t run = unescaped_run(s + i, len - i);
    rc = e2b__buffer_append(out, s + i, run);
    i += run;
    if (i == len || rc != 0) break;
    unsigned char c = (unsigned char)s[i++];
    rc = c < 0x80 ? put_escape(out, c) : e2b__buffer_append(out, "\xef\xbf\xbd", 3);
  }
  if (rc == 0) rc = e2b__buffer_append(out, "\"", 1);
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}
