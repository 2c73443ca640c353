/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_JSON_SCAN_H
#define E2B_LIB_PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A strict reader of JSON text (RFC 8259) that builds no tree and allocates nothing: the caller
 * knows what should come, asks for it token by token, and skips what it does not know. Strings are
 * checked as they pass (escapes, surrogate pairs, UTF-8, control characters). The first fault
 * sticks: everything after it fails too. */
typedef struct e2b__json_scan {
  const char *start;
  const char *at;
  const char *end;
  const char *fault; /* static text; NULL while all is well */
} e2b__json_scan_t;

/* A string between its quotes, or a number: a piece of the input. */
typedef struct e2b__json_token {
  const char *ptr;
  size_t len;
  bool escaped; /* a string with escape sequences */
} e2b__json_token_t;

enum { E2B__JSON_DEPTH = 1000 };

void e2b__json_scan_init(e2b__json_scan_t *scan, const char *data, size_t len);
/* Records a fault of the caller's finding; false, for returning it. */
bool e2b__json_scan_fail(e2b__json_scan_t *scan, const char *fault);
/* The first character of the next token; '\0' at the end of the text. */
static inline char e2b__json_scan_peek(e2b__json_scan_t *scan) {
  for (; scan->at < scan->end; scan->at++) {
    const char c = *scan->at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
  }
  return '\0';
}
/* Takes the punctuation mark `c` if it is next; not being next is no fault. */
static inline bool e2b__json_scan_take(e2b__json_scan_t *scan, char c) {
  if (e2b__json_scan_peek(scan) != c) return false;
  scan->at++;
  return true;
}
/* Records that what comes next is not what should; false. */
bool e2b__json_scan_unexpected(e2b__json_scan_t *scan);
/* Takes `c`; anything else is a fault. */
static inline bool e2b__json_scan_expect(e2b__json_scan_t *scan, char c) {
  return e2b__json_scan_take(scan, c) || e2b__json_scan_unexpected(scan);
}
bool e2b__json_scan_string(e2b__json_scan_t *scan, e2b__json_token_t *token);
bool e2b__json_scan_number(e2b__json_scan_t *scan, e2b__json_token_t *token);
/* Takes `word` (true, false, null). */
static inline bool e2b__json_scan_word(e2b__json_scan_t *scan, const char *word) {
  const size_t len = strlen(word);
  e2b__json_scan_peek(scan);
  if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0) {
    return e2b__json_scan_unexpected(scan);
  }
  scan->at += len;
  return true;
}
/* The name of a member and its colon. */
static inline bool e2b__json_scan_name(e2b__json_scan_t *scan, e2b__json_token_t *token) {
  return e2b__json_scan_string(scan, token) && e2b__json_scan_expect(scan, ':');
}
/* Any one value, at most E2B__JSON_DEPTH levels deep. Does not recurse. */
bool e2b__json_scan_skip(e2b__json_scan_t *scan);
/* True when nothing but blanks is left. */
bool e2b__json_scan_end(e2b__json_scan_t *scan);

/* The content of a scanned string; needs room for token.len bytes and returns how many it wrote.
 * There may be NULs among them. */
size_t e2b__json_unescape(e2b__json_token_t token, char *out);
/* The same as a C string: U+FFFD for each NUL, and a NUL behind it. Needs room for one more. */
size_t e2b__json_unescape_text(e2b__json_token_t token, char *out);

/* Names and numbers are never escaped by anybody, but may be. Answers their plain text, in `room`
 * if need be; too long a one stays as it is, and is nobody's name. */
enum { E2B__JSON_WORD = 64 };
e2b__json_token_t e2b__json_plain_word(e2b__json_token_t token, char room[E2B__JSON_WORD]);

/* How many bytes at `s` need neither escaping nor a look at UTF-8. Looks at many at a time, so the
 * last seven of `len` may be plain and not counted. */
size_t e2b__json_plain_run(const char *s, size_t len);

/* The exact value of a scanned number that is whole (1, 1.0, 10e-1): its sign and magnitude. False
 * when it has a fraction or does not fit. */
bool e2b__json_integer(e2b__json_token_t number, bool *negative, uint64_t *magnitude);
/* The value with its fraction cut off, clamped to the range. */
int64_t e2b__json_int64(e2b__json_token_t number);

#endif
