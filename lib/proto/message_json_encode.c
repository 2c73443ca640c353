/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/utf8.h"
#include "proto/json.h"
#include "proto/message_internal.h"

/* Writing proto3 JSON: members in the order of their numbers, without blanks. */

static void put_message(e2b__json_writer_t *w, const char *name, const e2b__message_t *type,
                        const void *message);

static void put_text(e2b__json_writer_t *w, const char *name, e2b__str_t str) {
  if (w->rc == 0 && !e2b__utf8_valid(str.ptr, str.len)) w->rc = E2B_EINVAL;
  if (w->rc == 0) e2b__json_put_string(w, name, str.ptr, str.len);
}

static void put_int64(e2b__json_writer_t *w, const char *name, int64_t value) {
  char text[24];
  int len = snprintf(text, sizeof text, "\"%lld\"", (long long)value);
  e2b__json_put_raw(w, name, text, (size_t)len);
}

/* A number without a name goes as it is. */
static void put_enum(e2b__json_writer_t *w, const char *name, const e2b__enum_t *type,
                     int32_t number) {
  for (size_t i = 0; i < type->count; i++) {
    const e2b__enum_value_t *value = &type->values[i];
    if (value->number != number) continue;
    e2b__json_put_string(w, name, value->name, strlen(value->name));
    return;
  }
  e2b__json_put_int(w, name, number);
}

static void put_timestamp(e2b__json_writer_t *w, const char *name, const e2b__timestamp_t *t) {
  char text[32];
  if (w->rc == 0) w->rc = e2b__rfc3339_format(t->seconds, t->nanos, text);
  if (w->rc == 0) e2b__json_put_string(w, name, text, strlen(text));
}

static void put_value(e2b__json_writer_t *w, const char *name, const e2b__field_t *field,
                      const void *value) {
  switch (field->type) {
  case E2B__FIELD_UINT32: e2b__json_put_int(w, name, *(const uint32_t *)value); break;
  case E2B__FIELD_SINT32: e2b__json_put_int(w, name, *(const int32_t *)value); break;
  case E2B__FIELD_INT64: put_int64(w, name, *(const int64_t *)value); break;
  case E2B__FIELD_BOOL: e2b__json_put_bool(w, name, *(const bool *)value); break;
  case E2B__FIELD_ENUM: put_enum(w, name, field->sub, *(const int32_t *)value); break;
  case E2B__FIELD_STRING: put_text(w, name, *(const e2b__str_t *)value); break;
  case E2B__FIELD_BYTES: {
    const e2b__str_t *str = value;
    e2b__json_put_base64(w, name, str->ptr, str->len);
    break;
  }
  case E2B__FIELD_TIMESTAMP: put_timestamp(w, name, value); break;
  default: put_message(w, name, field->sub, value);
  }
}

static void put_map(e2b__json_writer_t *w, const e2b__field_t *field, const void *message,
                    size_t count) {
  const e2b__str_pair_t *pairs = e2b__load_pointer(e2b__field_slot(field, message));
  e2b__json_open(w, field->json_name, '{');
  for (size_t i = 0; i < count && w->rc == 0; i++) {
    put_text(w, NULL, pairs[i].name);
    if (w->rc == 0) w->rc = e2b__buffer_append(w->out, ":", 1);
    w->first = true; /* the value belongs to the name: no comma */
    put_text(w, NULL, pairs[i].value);
  }
  e2b__json_close(w, '}');
}

static void put_list(e2b__json_writer_t *w, const e2b__field_t *field, const void *message,
                     size_t count) {
  e2b__json_open(w, field->json_name, '[');
  for (size_t i = 0; i < count && w->rc == 0; i++) {
    put_value(w, NULL, field, e2b__field_value(field, message, i));
  }
  e2b__json_close(w, ']');
}

/* Recursion ends with the tables, which form no cycle. */
static void put_message(e2b__json_writer_t *w, const char *name, const e2b__message_t *type,
                        const void *message) {
  e2b__json_open(w, name, '{');
  for (size_t i = 0; i < type->count && w->rc == 0; i++) {
    const e2b__field_t *field = &type->fields[i];
    size_t count = e2b__field_values(field, message);
    if (count == 0) continue;
    if (field->type == E2B__FIELD_MAP) {
      put_map(w, field, message, count);
    } else if (e2b__field_is_list(field)) {
      put_list(w, field, message, count);
    } else {
      put_value(w, field->json_name, field, e2b__field_value(field, message, 0));
    }
  }
  e2b__json_close(w, '}');
}

int e2b__message_encode_json(const e2b__message_t *type, const void *message, e2b__buffer_t *out) {
  e2b__json_writer_t w;
  e2b__json_begin(&w, out);
  put_message(&w, NULL, type, message);
  return w.rc;
}
