/* SPDX-License-Identifier: MIT */
#include "proto/json_record.h"

#include <string.h>

#include "e2b/base.h"
#include "e2b/error.h"
#include "proto/json.h"
#include "proto/json_scan.h"

typedef struct reader {
  e2b__json_scan_t scan;
  e2b__arena_t *arena;
  bool out_of_memory;
} reader;

/* The functions below answer true, or false when the text is bad or memory is out. */

static bool no_memory(reader *r) {
  r->out_of_memory = true;
  return false;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool copy_text(reader *r, const e2b__json_token_t *token, const char **text) {
  /* U+FFFD is three bytes, and the escape that it stands for was six. */
  char *copy = e2b__arena_alloc(r->arena, token->len + 1);
  if (copy == NULL) return no_memory(r);
  if (!token->escaped) {
    memcpy(copy, token->ptr, token->len);
    copy[token->len] = '\0';
  } else {
    e2b__json_unescape_text(*token, copy);
  }
  *text = copy;
  return true;
}

static bool read_text(reader *r, const char **text) {
  e2b__json_token_t token;
  if (e2b__json_scan_peek(&r->scan) != '"') return e2b__json_scan_skip(&r->scan);
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  return token.len == 0 || copy_text(r, &token, text);
}

static bool is_number(char c) {
  return c == '-' || (c >= '0' && c <= '9');
}

static bool read_int(reader *r, int64_t *value) {
  e2b__json_token_t token;
  if (!is_number(e2b__json_scan_peek(&r->scan))) return e2b__json_scan_skip(&r->scan);
  if (!e2b__json_scan_number(&r->scan, &token)) return false;
  *value = e2b__json_int64(token);
  return true;
}

static bool read_time(reader *r, int64_t *unix_ms) {
  e2b__json_token_t token;
  int64_t seconds;
  int32_t nanos;
  if (e2b__json_scan_peek(&r->scan) != '"') return e2b__json_scan_skip(&r->scan);
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  if (e2b__rfc3339_parse(token.ptr, token.len, &seconds, &nanos) == 0) {
    *unix_ms = seconds * 1000 + nanos / 1000000;
  }
  return true;
}

static bool read_toggle(reader *r, e2b_toggle_t *toggle) {
  const char c = e2b__json_scan_peek(&r->scan);
  if (c == 't' || c == 'f') *toggle = c == 't' ? E2B_ON : E2B_OFF;
  return e2b__json_scan_skip(&r->scan);
}

/* How many members the object has whose text begins here, behind its brace. */
static bool count_members(e2b__json_scan_t scan, size_t *count) {
  e2b__json_token_t name;
  *count = 0;
  do {
    if (!e2b__json_scan_name(&scan, &name) || !e2b__json_scan_skip(&scan)) return false;
    (*count)++;
  } while (e2b__json_scan_take(&scan, ','));
  return true;
}

static bool read_pairs(reader *r, const e2b_pair_t **pairs, size_t *count) {
  if (e2b__json_scan_peek(&r->scan) != '{') return e2b__json_scan_skip(&r->scan);
  e2b__json_scan_take(&r->scan, '{');
  if (e2b__json_scan_take(&r->scan, '}')) return true;
  size_t members;
  /* A fault in the text is found again, and told, below. */
  if (!count_members(r->scan, &members) || members == 0) members = 1;
  e2b_pair_t *list = e2b__arena_calloc(r->arena, members, sizeof *list);
  if (list == NULL) return no_memory(r);
  *pairs = list;
  *count = 0;
  do {
    e2b__json_token_t name;
    e2b_pair_t *pair = &list[*count];
    if (!e2b__json_scan_name(&r->scan, &name)) return false;
    if (e2b__json_scan_peek(&r->scan) != '"') {
      if (!e2b__json_scan_skip(&r->scan)) return false;
      continue;
    }
    pair->value = "";
    if (!copy_text(r, &name, &pair->name) || !read_text(r, &pair->value)) return false;
    (*count)++;
  } while (e2b__json_scan_take(&r->scan, ','));
  return e2b__json_scan_expect(&r->scan, '}');
}

/* --- objects -----------------------------------------------------------------------------------
 */

static void set_defaults(const e2b__record_field_t *fields, char *record) {
  for (const e2b__record_field_t *field = fields; field->name != NULL; field++) {
    if (field->kind == E2B__RECORD_TEXT) *(const char **)(void *)(record + field->offset) = "";
    if (field->kind == E2B__RECORD_NESTED) set_defaults(field->nested, record);
  }
}

static bool is_named(const e2b__record_field_t *field, const e2b__json_token_t *name) {
  return field->name_len == name->len && memcmp(field->name, name->ptr, name->len) == 0;
}

/* Servers write the members mostly in the order of the table: the search begins at `next`, the
 * field behind the one found last, and goes round. */
static const e2b__record_field_t *find(const e2b__record_field_t *fields,
                                       const e2b__record_field_t *next, e2b__json_token_t *name) {
  char room[E2B__JSON_WORD];
  if (name->escaped) *name = e2b__json_plain_word(*name, room);
  for (const e2b__record_field_t *field = next; field->name != NULL; field++) {
    if (is_named(field, name)) return field;
  }
  for (const e2b__record_field_t *field = fields; field != next; field++) {
    if (is_named(field, name)) return field;
  }
  return NULL;
}

static bool read_object(reader *r, const e2b__record_field_t *fields, char *record);

static bool read_field(reader *r, const e2b__record_field_t *field, char *record) {
  void *at = record + field->offset;
  switch (field->kind) {
  case E2B__RECORD_TEXT: return read_text(r, at);
  case E2B__RECORD_INT: return read_int(r, at);
  case E2B__RECORD_TIME: return read_time(r, at);
  case E2B__RECORD_TOGGLE: return read_toggle(r, at);
  case E2B__RECORD_PAIRS:
    return read_pairs(r, at, (size_t *)(void *)(record + field->count_offset));
  case E2B__RECORD_NESTED: return read_object(r, field->nested, record);
  }
  return false;
}

/* Recurses as deep as the tables are. */
static bool read_object(reader *r, const e2b__record_field_t *fields, char *record) {
  if (e2b__json_scan_peek(&r->scan) != '{') return e2b__json_scan_skip(&r->scan);
  e2b__json_scan_take(&r->scan, '{');
  if (e2b__json_scan_take(&r->scan, '}')) return true;
  const e2b__record_field_t *next = fields;
  do {
    e2b__json_token_t name;
    if (!e2b__json_scan_name(&r->scan, &name)) return false;
    const e2b__record_field_t *field = find(fields, next, &name);
    if (field != NULL) next = field + 1;
    if (field != NULL ? !read_field(r, field, record) : !e2b__json_scan_skip(&r->scan)) {
      return false;
    }
  } while (e2b__json_scan_take(&r->scan, ','));
  return e2b__json_scan_expect(&r->scan, '}');
}

static int outcome(reader *r, bool ok) {
  if (r->out_of_memory) return E2B_ENOMEM;
  return ok && e2b__json_scan_end(&r->scan) ? 0 : E2B_EPROTOCOL;
}

int e2b__record_parse(e2b__arena_t *arena, const char *data, size_t len,
                      const e2b__record_field_t *fields, void *record) {
  reader r = {.arena = arena};
  e2b__json_scan_init(&r.scan, data, len);
  if (e2b__json_scan_peek(&r.scan) != '{') return E2B_EPROTOCOL;
  set_defaults(fields, record);
  return outcome(&r, read_object(&r, fields, record));
}

static bool count_elements(e2b__json_scan_t scan, size_t *count) {
  *count = 0;
  do {
    if (!e2b__json_scan_skip(&scan)) return false;
    (*count)++;
  } while (e2b__json_scan_take(&scan, ','));
  return true;
}

int e2b__records_parse(e2b__arena_t *arena, const char *data, size_t len,
                       const e2b__record_field_t *fields, size_t size, void **records,
                       size_t *count) {
  reader r = {.arena = arena};
  size_t elements;
  *count = 0;
  *records = NULL;
  e2b__json_scan_init(&r.scan, data, len);
  if (!e2b__json_scan_take(&r.scan, '[')) return E2B_EPROTOCOL;
  if (e2b__json_scan_take(&r.scan, ']')) return outcome(&r, true);
  if (!count_elements(r.scan, &elements)) return E2B_EPROTOCOL;
  char *list = e2b__arena_calloc(arena, elements, size);
  if (list == NULL) return E2B_ENOMEM;
  bool ok = true;
  for (size_t i = 0; ok && i < elements; i++) {
    set_defaults(fields, list + i * size);
    ok =
        (i == 0 || e2b__json_scan_expect(&r.scan, ',')) && read_object(&r, fields, list + i * size);
  }
  *records = list;
  *count = elements;
  return outcome(&r, ok && e2b__json_scan_expect(&r.scan, ']'));
}
