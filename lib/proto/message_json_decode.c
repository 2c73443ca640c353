/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "proto/base64.h"
#include "proto/json.h"
#include "proto/json_scan.h"
#include "proto/message_internal.h"

/* Reading proto3 JSON, straight from the text into the struct: a tree in between would cost an
 * allocation a value and could hold neither a NUL nor a whole int64. */

typedef struct reader {
  e2b__json_scan_t scan;
  e2b__arena_t *arena;
  const char *field; /* whose value was at fault; NULL when the text itself was */
  bool out_of_memory;
} reader;

/* The functions below answer true, or false with the fault recorded. */

static bool no_memory(reader *r) {
  r->out_of_memory = true;
  return false;
}

static bool bad_value(reader *r, const e2b__field_t *field, const char *fault) {
  if (r->scan.fault == NULL) r->field = field->json_name;
  return e2b__json_scan_fail(&r->scan, fault);
}

/* The content of a string token, with a NUL after it. */
static bool copy_text(reader *r, e2b__json_token_t token, e2b__str_t *str) {
  char *copy = e2b__arena_alloc(r->arena, token.len + 1);
  if (copy == NULL) return no_memory(r);
  if (token.escaped) {
    token.len = e2b__json_unescape(token, copy);
  } else {
    memcpy(copy, token.ptr, token.len);
  }
  copy[token.len] = '\0';
  *str = (e2b__str_t){copy, token.len};
  return true;
}

static bool read_string(reader *r, const e2b__field_t *field, e2b__str_t *str) {
  e2b__json_token_t token;
  if (e2b__json_scan_peek(&r->scan) != '"') return bad_value(r, field, "not a string");
  return e2b__json_scan_string(&r->scan, &token) && copy_text(r, token, str);
}

static bool read_bytes(reader *r, const e2b__field_t *field, e2b__str_t *str) {
  if (!read_string(r, field, str)) return false;
  char *text = (char *)(uintptr_t)str->ptr; /* our own copy, decoded where it lies */
  if (e2b__base64_decode(text, str->len, text, &str->len) != 0) {
    return bad_value(r, field, "not base64");
  }
  text[str->len] = '\0';
  return true;
}

static bool token_integer(e2b__json_token_t number, int64_t lowest, int64_t highest,
                          int64_t *value) {
  bool negative;
  uint64_t magnitude;
  if (!e2b__json_integer(number, &negative, &magnitude)) return false;
  uint64_t limit = negative ? 0u - (uint64_t)lowest : (uint64_t)highest;
  if (magnitude > limit) return false;
  *value = (int64_t)(negative ? 0u - magnitude : magnitude);
  return true;
}

/* The number that a string holds, and nothing but it. */
static bool quoted_number(e2b__json_token_t text, e2b__json_token_t *number) {
  e2b__json_scan_t inner;
  e2b__json_scan_init(&inner, text.ptr, text.len);
  return e2b__json_scan_number(&inner, number) && number->len == text.len;
}

/* A whole number, or a string that holds one. */
static bool read_integer(reader *r, const e2b__field_t *field, int64_t lowest, int64_t highest,
                         int64_t *value) {
  e2b__json_token_t token;
  char room[E2B__JSON_WORD];
  char c = e2b__json_scan_peek(&r->scan);
  bool good = true;
  if (c == '"') {
    if (!e2b__json_scan_string(&r->scan, &token)) return false;
    good = quoted_number(e2b__json_plain_word(token, room), &token);
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    if (!e2b__json_scan_number(&r->scan, &token)) return false;
  } else {
    good = false;
  }
  if (good && token_integer(token, lowest, highest, value)) return true;
  return bad_value(r, field, "not a whole number in range");
}

static bool read_bool(reader *r, const e2b__field_t *field, bool *value) {
  char c = e2b__json_scan_peek(&r->scan);
  if (c != 't' && c != 'f') return bad_value(r, field, "not true or false");
  *value = c == 't';
  return e2b__json_scan_word(&r->scan, c == 't' ? "true" : "false");
}

static bool token_equals(e2b__json_token_t token, const char *name) {
  return !token.escaped && token.len == strlen(name) && memcmp(token.ptr, name, token.len) == 0;
}

/* A name or a number; *known is false for a name that is not in the table. */
static bool read_enum(reader *r, const e2b__field_t *field, int32_t *value, bool *known) {
  const e2b__enum_t *type = field->sub;
  e2b__json_token_t token;
  char room[E2B__JSON_WORD];
  *known = true;
  if (e2b__json_scan_peek(&r->scan) != '"') {
    int64_t number;
    if (!read_integer(r, field, INT32_MIN, INT32_MAX, &number)) return false;
    *value = (int32_t)number;
    return true;
  }
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  token = e2b__json_plain_word(token, room);
  for (size_t i = 0; i < type->count; i++) {
    if (!token_equals(token, type->values[i].name)) continue;
    *value = type->values[i].number;
    return true;
  }
  *known = false;
  return true;
}

static bool read_timestamp(reader *r, const e2b__field_t *field, e2b__timestamp_t *t) {
  e2b__json_token_t token;
  if (e2b__json_scan_peek(&r->scan) == '"') {
    if (!e2b__json_scan_string(&r->scan, &token)) return false;
    if (e2b__rfc3339_parse(token.ptr, token.len, &t->seconds, &t->nanos) == 0) return true;
  }
  return bad_value(r, field, "not an RFC 3339 time");
}

static bool read_message(reader *r, const e2b__message_t *type, void *message, int depth);

static bool read_scalar(reader *r, const e2b__field_t *field, void *slot) {
  int64_t value = 0;
  switch (field->type) {
  case E2B__FIELD_UINT32:
    if (!read_integer(r, field, 0, UINT32_MAX, &value)) return false;
    *(uint32_t *)slot = (uint32_t)value;
    return true;
  case E2B__FIELD_SINT32:
    if (!read_integer(r, field, INT32_MIN, INT32_MAX, &value)) return false;
    *(int32_t *)slot = (int32_t)value;
    return true;
  case E2B__FIELD_INT64: return read_integer(r, field, INT64_MIN, INT64_MAX, slot);
  case E2B__FIELD_BOOL: return read_bool(r, field, slot);
  case E2B__FIELD_STRING: return read_string(r, field, slot);
  case E2B__FIELD_BYTES: return read_bytes(r, field, slot);
  default: return read_timestamp(r, field, slot);
  }
}

/* One value that is not null. The slot is made only once an enum's name is known. */
static bool read_value(reader *r, const e2b__field_t *field, void *message, int depth) {
  int32_t number = 0;
  bool known = true;
  if (field->type == E2B__FIELD_ENUM && !read_enum(r, field, &number, &known)) return false;
  if (!known) return true;
  void *slot = e2b__field_add(field, message, r->arena);
  if (slot == NULL) return no_memory(r);
  if (field->type == E2B__FIELD_MESSAGE) return read_message(r, field->sub, slot, depth + 1);
  if (field->type != E2B__FIELD_ENUM) return read_scalar(r, field, slot);
  *(int32_t *)slot = number;
  return true;
}

static bool read_list(reader *r, const e2b__field_t *field, void *message, int depth) {
  if (!e2b__json_scan_take(&r->scan, '[')) return bad_value(r, field, "not an array");
  if (e2b__json_scan_take(&r->scan, ']')) return true;
  do {
    if (!read_value(r, field, message, depth)) return false;
  } while (e2b__json_scan_take(&r->scan, ','));
  return e2b__json_scan_expect(&r->scan, ']');
}

static bool read_map(reader *r, const e2b__field_t *field, void *message) {
  e2b__json_token_t name;
  if (!e2b__json_scan_take(&r->scan, '{')) return bad_value(r, field, "not an object");
  if (e2b__json_scan_take(&r->scan, '}')) return true;
  do {
    e2b__str_pair_t *pair = e2b__field_add(field, message, r->arena);
    if (pair == NULL) return no_memory(r);
    if (!e2b__json_scan_name(&r->scan, &name) || !copy_text(r, name, &pair->name)) return false;
    if (!read_string(r, field, &pair->value)) return false;
  } while (e2b__json_scan_take(&r->scan, ','));
  return e2b__json_scan_expect(&r->scan, '}');
}

/* Whether `token` is `name` or its snake_case form. */
static bool names(e2b__json_token_t token, const char *name) {
  if (token_equals(token, name)) return true;
  const char *p = token.ptr;
  const char *end = p + token.len;
  for (; *name != '\0'; name++) {
    bool upper = *name >= 'A' && *name <= 'Z';
    if (upper && (p == end || *p++ != '_')) return false;
    if (p == end || *p++ != (upper ? (char)(*name - 'A' + 'a') : *name)) return false;
  }
  return p == end;
}

/* The field of a member's name, NULL when there is none. */
static const e2b__field_t *find(const e2b__message_t *type, e2b__json_token_t token) {
  char room[E2B__JSON_WORD];
  token = e2b__json_plain_word(token, room);
  for (size_t i = 0; i < type->count; i++) {
    if (names(token, type->fields[i].json_name)) return &type->fields[i];
  }
  return NULL;
}

/* What of one object has come so far. */
typedef struct seen {
  uint64_t fields; /* a bit each, by place in the table */
  bool oneof;
} seen;

/* The value after a member's name. */
static bool read_member(reader *r, const e2b__message_t *type, const e2b__field_t *field,
                        void *message, seen *s, int depth) {
  if (field == NULL) return e2b__json_scan_skip(&r->scan);
  uint64_t bit = UINT64_C(1) << (field - type->fields);
  if ((s->fields & bit) != 0) return bad_value(r, field, "the field comes twice");
  s->fields |= bit;
  if (e2b__json_scan_peek(&r->scan) == 'n') return e2b__json_scan_word(&r->scan, "null");
  if (field->type == E2B__FIELD_MAP) return read_map(r, field, message);
  if (e2b__field_is_list(field)) return read_list(r, field, message, depth);
  if ((field->flags & E2B__ONEOF) != 0) {
    if (s->oneof) return bad_value(r, field, "another member of the oneof is already set");
    s->oneof = true;
  }
  return read_value(r, field, message, depth);
}

static bool read_message(reader *r, const e2b__message_t *type, void *message, int depth) {
  e2b__json_token_t name;
  seen s = {0, false};
  if (depth > E2B__MESSAGE_DEPTH) {
    return e2b__json_scan_fail(&r->scan, "the message is nested too deeply");
  }
  if (!e2b__json_scan_expect(&r->scan, '{')) return false;
  if (e2b__json_scan_take(&r->scan, '}')) return true;
  do {
    if (!e2b__json_scan_name(&r->scan, &name)) return false;
    if (!read_member(r, type, find(type, name), message, &s, depth)) return false;
  } while (e2b__json_scan_take(&r->scan, ','));
  return e2b__json_scan_expect(&r->scan, '}');
}

/* The fault with its place, for people. Without memory for that the bare fault has to do. */
static const char *describe(reader *r) {
  char text[160];
  const char *fault = r->scan.fault != NULL ? r->scan.fault : "text after the JSON object";
  int len = snprintf(text, sizeof text, "%s%s%s (at byte %zu)", r->field != NULL ? r->field : "",
                     r->field != NULL ? ": " : "", fault, (size_t)(r->scan.at - r->scan.start));
  const char *copy = e2b__arena_strndup(r->arena, text, (size_t)len);
  return copy != NULL ? copy : fault;
}

int e2b__message_decode_json(const e2b__message_t *type, const char *data, size_t len,
                             e2b__arena_t *arena, void *message, const char **why) {
  reader r = {.arena = arena};
  if (len == 0) {
    *why = "zero-length payload is not a valid JSON object";
    return E2B_EPROTOCOL;
  }
  e2b__json_scan_init(&r.scan, data, len);
  if (read_message(&r, type, message, 0) && e2b__json_scan_end(&r.scan)) return 0;
  if (r.out_of_memory) return E2B_ENOMEM;
  *why = describe(&r);
  return E2B_EPROTOCOL;
}
