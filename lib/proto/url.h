/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_URL_H
#define E2B_LIB_PROTO_URL_H

#include <stdbool.h>

#include "base/buffer.h"

/* An http or https URL taken apart. Strings are NUL-terminated copies in the struct's one block. */
typedef struct e2b__url {
  bool https;
  char *host;    /* lower case; an IPv6 literal without its brackets */
  uint16_t port; /* 80 or 443 when the text names none */
  char *path;    /* without trailing slashes; "" for the root; no query, no fragment */
} e2b__url_t;

/* 0, E2B_EINVAL (not http(s), no host, bad port, user info, blanks, control characters),
 * E2B_ENOMEM. On failure *url is empty. */
int e2b__url_parse(const char *text, e2b__url_t *url);
void e2b__url_free(e2b__url_t *url);

/* Percent-encodes all but the unreserved characters. */
int e2b__url_escape(e2b__buffer_t *out, const char *s, size_t len);
/* Decodes %XX (and '+' as a blank when `plus`); a NUL or malformed escape is E2B_EINVAL. */
int e2b__url_unescape(e2b__buffer_t *out, const char *s, size_t len, bool plus);
/* Appends "?name=value" or "&name=value", escaped; the first when `*count` is 0, which it raises.
 */
int e2b__url_query(e2b__buffer_t *out, unsigned *count, const char *name, const char *value);
/* The decoded value of the first `name` in a raw query string. 1 found, 0 absent, or an error. */
int e2b__url_query_get(const char *query, size_t len, const char *name, e2b__buffer_t *value);

#endif
