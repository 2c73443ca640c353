/* SPDX-License-Identifier: MIT */
#include "code/detect_pattern.h"

#include <string.h>

/* How far %* goes. Bounds the time that a line takes. */
enum { REACH = 256 };

static const char *skip_blanks(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len;
  while (at < end && e2b__code_is_blank(*at))
    at++;
  return at;
}

static const char *skip_word(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len;
  while (at < end && e2b__code_is_word(*at))
    at++;
  return at;
}

/* After the name at `at`; NULL when there is none. Between names, operators are none. */
static const char *skip_name(const e2b__code_line_t *line, const char *at) {
  const char *next = skip_word(line, at);
  if (next == at || (*at >= '0' && *at <= '9')) return NULL;
  if (e2b__code_is_one_of("in is and or not if else for as", '\0', at, (size_t)(next - at))) {
    return NULL;
  }
  return next;
}

static const char *skip_dotted(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len, *next = skip_name(line, at);
  while (next != NULL && next < end && *next == '.')
    next = skip_name(line, next + 1);
  return next;
}

static const char *skip_number(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len, *start = at;
  while (at < end && *at >= '0' && *at <= '9')
    at++;
  return at > start ? at : NULL;
}

static const char *skip_word_with(const e2b__code_line_t *line, const char *at, const char *part) {
  const char *next = skip_word(line, at);
  size_t n = strlen(part);
  for (const char *p = at; (size_t)(next - p) >= n; p++) {
    if (memcmp(p, part, n) == 0) return next;
  }
  return NULL;
}

static const char *skip_one_of(const e2b__code_line_t *line, const char *at, const char *list) {
  const char *next = skip_word(line, at);
  return e2b__code_is_one_of(list, ']', at, (size_t)(next - at)) ? next : NULL;
}

static char placeholder_of(char class) {
  switch (class) {
  case 's': return E2B__CODE_STRING;
  case 't': return E2B__CODE_TRIPLE;
  case 'l': return E2B__CODE_TEMPLATE;
  case 'r': return E2B__CODE_REGEX;
  case 'm': return E2B__CODE_MAGIC;
  case 'c': return E2B__CODE_SLASH_COMMENT;
  case 'h': return E2B__CODE_HASH_COMMENT;
  case '%': return '%';
  default: return '\0';
  }
}

/* After what the class at `class`, the byte that follows the %, stands for; NULL when `at` has
 * something else. */
static const char *match_class(const e2b__code_line_t *line, const char *at, const char *class) {
  const char *next;
  switch (*class) {
  case '_': next = skip_blanks(line, at); return next > at ? next : NULL;
  case 'i': return skip_name(line, at);
  case 'n': next = skip_word(line, at); return next > at ? next : NULL;
  case 'd': return skip_dotted(line, at);
  case '0': return skip_number(line, at);
  case 'u': return skip_word_with(line, at, "__");
  case '$': return skip_word_with(line, at, "$");
  case 'w': return skip_word(line, at);
  case '[': return skip_one_of(line, at, class + 1);
  }
  if (at == line->text + line->len) return NULL;
  if (*class == 'q') return *at == E2B__CODE_STRING || *at == E2B__CODE_TRIPLE ? at + 1 : NULL;
  return *at == placeholder_of(*class) ? at + 1 : NULL;
}

static bool ends_statement(const e2b__code_line_t *line, const char *at) {
  at = skip_blanks(line, at);
  return at < line->text + line->len ? *at == ';' : line->ends;
}

static bool matches(const e2b__code_line_t *line, const char *at, const char *pattern);

static bool matches_later(const e2b__code_line_t *line, const char *at, const char *pattern) {
  const char *end = line->text + line->len;
  bool starts_blank = pattern[0] == '%' && pattern[1] == '_';
  if (end - at > REACH) end = at + REACH;
  for (; at < end; at++) {
    if (starts_blank && !e2b__code_is_blank(*at)) continue;
    bool inside = at > line->text && e2b__code_is_word(at[-1]) && e2b__code_is_word(*pattern);
    if (!inside && matches(line, at, pattern)) return true;
  }
  return matches(line, at, pattern);
}

static bool matches(const e2b__code_line_t *line, const char *at, const char *pattern) {
  const char *end = line->text + line->len;
  for (; *pattern != '\0'; pattern++) {
    if (*pattern == '%') {
      if (*++pattern == '*') return matches_later(line, at, pattern + 1);
      at = match_class(line, at, pattern);
      if (at == NULL) return false;
      if (*pattern == '[') pattern = strchr(pattern, ']');
    } else if (*pattern == ' ') {
      at = skip_blanks(line, at);
    } else if (*pattern == '$') {
      return ends_statement(line, at);
    } else {
      if (at == end || *at++ != *pattern) return false;
      bool word_goes_on = e2b__code_is_word(pattern[1]) && pattern[1] != '$';
      if (!word_goes_on && strncmp(pattern + 1, "%w", 2) != 0 && e2b__code_is_word(*pattern) &&
          at < end && e2b__code_is_word(*at)) {
        return false;
      }
    }
  }
  return true;
}

bool e2b__code_pattern_is_at(const e2b__code_line_t *line, const char *at, bool fresh,
                             const char *pattern) {
  bool member = at > line->text && at[-1] == '.';
  if (*pattern == '^') {
    if (!fresh) return false;
    pattern++;
  } else if (pattern[0] == '%' && pattern[1] == '.') {
    pattern += 2;
    member = false;
  }
  return !(member && e2b__code_is_word(*at)) && matches(line, at, pattern);
}

size_t e2b__code_pattern_lead(const char *pattern) {
  if (*pattern == '^') pattern++;
  if (*pattern != '%') return (unsigned char)*pattern;
  char placeholder = placeholder_of(pattern[1]);
  return placeholder != '\0' ? (unsigned char)placeholder : E2B__CODE_LEAD_WORD;
}
