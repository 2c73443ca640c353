/* SPDX-License-Identifier: MIT */
#include "proto/media_type.h"

#include <string.h>
#include <strings.h>

#include "e2b/error.h"

/* The strictness, and the lenience with backslashes, are those of the daemon. */

typedef struct cursor {
  const char *at, *end;
} cursor_t;

static bool is_special(char c) {
  return c != '\0' && strchr("()<>@,;:\\\"/[]?=", c) != NULL;
}

static bool is_token_char(char c) {
  return (unsigned char)c > 32 && (unsigned char)c < 127 && !is_special(c);
}

static void skip_blanks(cursor_t *in) {
  while (in->at < in->end &&
         (*in->at == ' ' || *in->at == '\t' || *in->at == '\r' || *in->at == '\n'))
    in->at++;
}

static size_t take_token(cursor_t *in, const char **token) {
  *token = in->at;
  while (in->at < in->end && is_token_char(*in->at))
    in->at++;
  return (size_t)(in->at - *token);
}

/* A backslash stands for itself unless it precedes a special character: some browsers send whole
 * Windows paths. `out` may be NULL. */
static int take_quoted(cursor_t *in, e2b__buffer_t *out) {
  int rc = 0;
  for (in->at++; in->at < in->end && rc == 0; in->at++) {
    char c = *in->at;
    if (c == '"') {
      in->at++;
      return 0;
    }
    if (c == '\r' || c == '\n' || c == '\0') break;
    if (c == '\\' && in->at + 1 < in->end && is_special(in->at[1])) c = *++in->at;
    if (out != NULL) rc = e2b__buffer_append(out, &c, 1);
  }
  return rc != 0 ? rc : E2B_EPROTOCOL;
}

static int take_value(cursor_t *in, e2b__buffer_t *out) {
  const char *token;
  if (in->at < in->end && *in->at == '"') return take_quoted(in, out);
  size_t len = take_token(in, &token);
  if (len == 0) return E2B_EPROTOCOL;
  return out != NULL ? e2b__buffer_append(out, token, len) : 0;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
  return -1;
}

/* charset'language'text with %XX, in place from `start` on. False: not understood. */
static bool decode_extended(e2b__buffer_t *value, size_t start) {
  char *text = value->data + start, *to = text;
  char *first = strchr(text, '\''), *second = first != NULL ? strchr(first + 1, '\'') : NULL;
  if (second == NULL) return false;
  size_t charset = (size_t)(first - text);
  if (!(charset == 5 && strncasecmp(text, "utf-8", 5) == 0) &&
      !(charset == 8 && strncasecmp(text, "us-ascii", 8) == 0))
    return false;
  for (const char *from = second + 1; *from != '\0'; from++) {
    int high, low;
    if (*from != '%') {
      *to++ = *from;
      continue;
    }
    if ((high = hex(from[1])) < 0 || (low = hex(from[2])) < 0) return false;
    if (high == 0 && low == 0) return false;
    *to++ = (char)(high * 16 + low);
    from += 2;
  }
  e2b__buffer_truncate(value, (size_t)(to - value->data));
  return true;
}

typedef enum which { WHICH_OTHER, WHICH_PLAIN, WHICH_EXTENDED } which_t;

static which_t which_param(const char *token, size_t len, const char *name) {
  size_t name_len = strlen(name);
  if (len < name_len || strncasecmp(token, name, name_len) != 0) return WHICH_OTHER;
  if (len == name_len) return WHICH_PLAIN;
  return len == name_len + 1 && token[name_len] == '*' ? WHICH_EXTENDED : WHICH_OTHER;
}

/* One "; name=value". `found` tells which form the value has that is in the buffer now. */
static int take_param(cursor_t *in, const char *name, e2b__buffer_t *value, size_t start,
                      which_t *found) {
  const char *token;
  if (in->at == in->end || *in->at != ';') return E2B_EPROTOCOL;
  in->at++;
  skip_blanks(in);
  if (in->at == in->end) return 0; /* a last semicolon does no harm */
  size_t len = take_token(in, &token);
  skip_blanks(in);
  if (len == 0 || in->at == in->end || *in->at != '=') return E2B_EPROTOCOL;
  in->at++;
  skip_blanks(in);
  which_t which = which_param(token, len, name);
  if (which != WHICH_OTHER && which == *found) return E2B_EPROTOCOL;
  if (which <= *found) return take_value(in, NULL);
  e2b__buffer_truncate(value, start);
  *found = which;
  int rc = take_value(in, value);
  if (rc == 0 && which == WHICH_EXTENDED &&
      (value->len == start || !decode_extended(value, start))) {
    e2b__buffer_truncate(value, start);
    *found = WHICH_OTHER;
  }
  return rc;
}

int e2b__media_param(const char *text, size_t len, const char *name, e2b__buffer_t *value) {
  cursor_t in = {text, text + len};
  size_t start = value->len;
  which_t found = WHICH_OTHER;
  int rc = 0;

  while (in.at < in.end && *in.at != ';')
    in.at++;
  while (rc == 0) {
    skip_blanks(&in);
    if (in.at == in.end) break;
    rc = take_param(&in, name, value, start, &found);
  }
  if (rc != 0) {
    e2b__buffer_truncate(value, start);
    return rc;
  }
  return found != WHICH_OTHER;
}

bool e2b__media_is(const char *text, size_t len, const char *type) {
  cursor_t in = {text, text + len};
  skip_blanks(&in);
  const char *end = memchr(in.at, ';', (size_t)(in.end - in.at));
  if (end == NULL) end = in.end;
  while (end > in.at && (end[-1] == ' ' || end[-1] == '\t'))
    end--;
  return (size_t)(end - in.at) == strlen(type) && strncasecmp(in.at, type, strlen(type)) == 0;
}
