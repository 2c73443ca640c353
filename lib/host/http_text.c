/* SPDX-License-Identifier: MIT */
#include "host/http_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "e2b/error.h"

/* ---- lists ---- */

bool e2b__host_list_has(const char *list, const char *member) {
  size_t len = strlen(member);
  while (list != NULL && *list != '\0') {
    list += strspn(list, ", ");
    size_t part = strcspn(list, ", ");
    if (part == len && memcmp(list, member, len) == 0) return true;
    list += part;
  }
  return false;
}

static void trim(const char **text, size_t *len) {
  while (*len > 0 && isspace((unsigned char)**text))
    (*text)++, (*len)--;
  while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
    (*len)--;
}

static bool same(const char *text, size_t len, const char *word) {
  return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* The q of "gzip;q=0.5"; what is not understood counts as 1. */
static double quality(const char *params, size_t len) {
  double q = 1;
  while (len > 0) {
    const char *end = memchr(params, ';', len);
    size_t part = end != NULL ? (size_t)(end - params) : len, trimmed = part;
    const char *text = params;
    char number[32], *tail;
    trim(&text, &trimmed);
    if (trimmed > 2 && trimmed < sizeof number && strncasecmp(text, "q=", 2) == 0) {
      memcpy(number, text + 2, trimmed - 2);
      number[trimmed - 2] = '\0';
      double value = strtod(number, &tail);
      if (*tail == '\0') q = value;
    }
    params += part;
    len -= part;
    if (len > 0) params++, len--;
  }
  return q;
}

/* ---- Accept-Encoding ---- */

e2b__host_coding_t e2b__host_choose_coding(const char *accept, bool *identity_acceptable) {
  bool identity_refused = false, identity_named = false, rest_refused = false;
  double best = 0;
  enum { CHOICE_NONE, CHOICE_GZIP, CHOICE_IDENTITY, CHOICE_ANY } choice = CHOICE_NONE;

  *identity_acceptable = true;
  if (accept == NULL || *accept == '\0') return E2B__CODING_IDENTITY;
  while (accept != NULL) {
    const char *comma = strchr(accept, ','), *name = accept;
    size_t len = comma != NULL ? (size_t)(comma - accept) : strlen(accept);
    const char *params = memchr(accept, ';', len);
    size_t name_len = params != NULL ? (size_t)(params - accept) : len;
    double q = params != NULL ? quality(params + 1, len - name_len - 1) : 1;
    trim(&name, &name_len);
    bool identity = same(name, name_len, "identity"), any = same(name, name_len, "*");
    if (identity && q == 0) identity_refused = true;
    if (identity && q != 0) identity_named = true;
    if (any && q == 0) rest_refused = true;
    if ((identity || any || same(name, name_len, "gzip")) && q != 0 &&
        (choice == CHOICE_NONE || q > best)) {
      best = q;
      choice = identity ? CHOICE_IDENTITY : any ? CHOICE_ANY : CHOICE_GZIP;
    }
    accept = comma != NULL ? comma + 1 : NULL;
  }
  if (rest_refused && !identity_named) identity_refused = true;
  *identity_acceptable = !identity_refused;
  if (choice == CHOICE_GZIP || (choice == CHOICE_ANY && identity_refused)) return E2B__CODING_GZIP;
  if (choice == CHOICE_NONE && identity_refused) return E2B__CODING_NONE;
  return E2B__CODING_IDENTITY;
}

/* ---- dates ---- */

bool e2b__host_date_parse(const char *text, int64_t *seconds) {
  /* In this order: a day's name of any length would swallow the first form's comma. */
  static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                      "%a %b %e %H:%M:%S %Y"};
  for (size_t i = 0; text != NULL && i < sizeof forms / sizeof *forms; i++) {
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    const char *end = strptime(text, forms[i], &tm);
    if (end == NULL || *end != '\0') continue;
    *seconds = (int64_t)timegm(&tm);
    return true;
  }
  return false;
}

bool e2b__host_date_write(time_t seconds, char *out) {
  struct tm tm;
  return gmtime_r(&seconds, &tm) != NULL && strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0;
}

/* ---- conditions ---- */

static bool given(const char *header) {
  return header != NULL && *header != '\0';
}

/* The length of the entity tag at `text`, 0 when there is none. */
static size_t entity_tag(const char *text) {
  size_t at = strncmp(text, "W/", 2) == 0 ? 2 : 0;
  if (text[at] != '"') return 0;
  size_t len = strcspn(text + at + 1, "\"");
  return text[at + 1 + len] == '"' ? at + len + 2 : 0;
}

/* No file has a tag, so nothing but a star matches. */
static bool list_has_star(const char *list) {
  for (;;) {
    list += strspn(list, " \t,");
    if (*list == '*') return true;
    size_t tag = entity_tag(list);
    if (tag == 0) return false;
    list += tag;
  }
}

unsigned e2b__host_check_conditions(const e2b__host_conditions_t *conditions, time_t modified,
                                    bool *ranges) {
  int64_t when, changed = (int64_t)modified;
  bool has_time = modified != 0;

  *ranges = true;
  if (given(conditions->if_match)) {
    if (!list_has_star(conditions->if_match)) return 412;
  } else if (has_time && given(conditions->if_unmodified_since) &&
             e2b__host_date_parse(conditions->if_unmodified_since, &when) && changed > when) {
    return 412;
  }
  if (given(conditions->if_none_match)) {
    if (list_has_star(conditions->if_none_match)) return 304;
  } else if (has_time && given(conditions->if_modified_since) &&
             e2b__host_date_parse(conditions->if_modified_since, &when) && changed <= when) {
    return 304;
  }
  if (given(conditions->if_range))
    *ranges = entity_tag(conditions->if_range) == 0 && has_time &&
              e2b__host_date_parse(conditions->if_range, &when) && changed == when;
  return 200;
}

/* ---- ranges ---- */

static bool parse_number(const char *text, size_t len, uint64_t *value) {
  trim(&text, &len);
  if (len > 0 && *text == '+') text++, len--;
  *value = 0;
  if (len == 0) return false;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9' || *value > (INT64_MAX - 9) / 10) return false;
    *value = *value * 10 + (uint64_t)(text[i] - '0');
  }
  return true;
}

/* 1: inside; 0: outside; or E2B_EINVAL. */
static int parse_range(const char *text, size_t len, uint64_t size, e2b__host_range_t *range) {
  const char *dash = memchr(text, '-', len);
  uint64_t to;
  if (dash == NULL) return E2B_EINVAL;
  size_t first = (size_t)(dash - text), last = len - first - 1;
  trim(&text, &first);
  const char *end = dash + 1;
  trim(&end, &last);
  if (first == 0) {
    if (last == 0 || *end == '-' || !parse_number(end, last, &to)) return E2B_EINVAL;
    range->len = to < size ? to : size;
    range->from = size - range->len;
    return 1;
  }
  if (!parse_number(text, first, &range->from)) return E2B_EINVAL;
  if (range->from >= size) return 0;
  to = size - 1;
  if (last > 0 && (!parse_number(end, last, &to) || to < range->from)) return E2B_EINVAL;
  if (to >= size) to = size - 1;
  range->len = to - range->from + 1;
  return 1;
}

int e2b__host_parse_ranges(const char *text, uint64_t size, e2b__arena_t *arena,
                           e2b__host_range_t **ranges, size_t *count) {
  bool outside = false;
  size_t room = 1;

  *count = 0;
  *ranges = NULL;
  if (!given(text)) return 0;
  if (strncmp(text, "bytes=", 6) != 0) return E2B_EINVAL;
  text += 6;
  for (const char *p = text; *p != '\0'; p++)
    room += *p == ',';
  *ranges = e2b__arena_calloc(arena, room, sizeof **ranges);
  if (*ranges == NULL) return E2B_ENOMEM;
  while (text != NULL) {
    const char *comma = strchr(text, ',');
    size_t len = comma != NULL ? (size_t)(comma - text) : strlen(text);
    trim(&text, &len);
    int rc = len > 0 ? parse_range(text, len, size, &(*ranges)[*count]) : 0;
    if (rc < 0) return rc;
    if (rc > 0)
      (*count)++;
    else if (len > 0)
      outside = true;
    text = comma != NULL ? comma + 1 : NULL;
  }
  return outside && *count == 0 ? E2B_ENOTFOUND : 0;
}

/* ---- Content-Disposition ---- */

int e2b__host_write_disposition(e2b__buffer_t *out, const char *name) {
  static const char special[] = "()<>@,;:\\\"/[]?=";
  bool encode = false, quote = *name == '\0';
  for (const char *p = name; *p != '\0'; p++) {
    unsigned char c = (unsigned char)*p;
    if ((c < ' ' && c != '\t') || c > '~') encode = true;
    if (c <= ' ' || strchr(special, c) != NULL) quote = true;
  }
  int rc = e2b__buffer_append_str(out, encode  ? "inline; filename*=utf-8''"
                                       : quote ? "inline; filename=\""
                                               : "inline; filename=");
  for (const char *p = name; rc == 0 && *p != '\0'; p++) {
    unsigned char c = (unsigned char)*p;
    if (encode && (c <= ' ' || c >= 127 || strchr("*'%", c) != NULL || strchr(special, c) != NULL))
      rc = e2b__buffer_printf(out, "%%%02X", c);
    else if (!encode && (c == '"' || c == '\\'))
      rc = e2b__buffer_printf(out, "\\%c", c);
    else
      rc = e2b__buffer_append(out, p, 1);
  }
  if (rc == 0 && quote && !encode) rc = e2b__buffer_append(out, "\"", 1);
  return rc;
}
