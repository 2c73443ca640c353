/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "proto/message_internal.h"

/* Writing the binary encoding: one pass finds the size, the next one writes without looking at
 * room. */

static size_t varint_size(uint64_t value) {
  return 1 + (size_t)(63 - __builtin_clzll(value | 1)) / 7;
}

static char *put_varint(char *to, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    *to++ = (char)(value | 0x80);
  *to++ = (char)value;
  return to;
}

static uint64_t tag_of(const e2b__field_t *field, unsigned wire) {
  return (uint64_t)field->number << 3 | wire;
}

/* The varint that stands for a scalar. */
static uint64_t scalar_bits(const e2b__field_t *field, const void *value) {
  switch (field->type) {
  case E2B__FIELD_UINT32: return *(const uint32_t *)value;
  case E2B__FIELD_SINT32: {
    uint32_t n = (uint32_t) * (const int32_t *)value;
    return (n << 1) ^ (0u - (n >> 31));
  }
  case E2B__FIELD_INT64: return (uint64_t) * (const int64_t *)value;
  case E2B__FIELD_ENUM: return (uint64_t)(int64_t) * (const int32_t *)value;
  default: return *(const bool *)value;
  }
}

static size_t length_size(size_t len) {
  return varint_size(len) + len;
}

static size_t timestamp_size(const e2b__timestamp_t *t) {
  size_t size = t->seconds != 0 ? 1 + varint_size((uint64_t)t->seconds) : 0;
  return size + (t->nanos != 0 ? 1 + varint_size((uint64_t)(int64_t)t->nanos) : 0);
}

static size_t pair_size(const e2b__str_pair_t *pair) {
  return 1 + length_size(pair->name.len) + 1 + length_size(pair->value.len);
}

static size_t message_size(const e2b__message_t *type, const void *message);

/* Of one value, without its tag; without its length too when it has one. */
static size_t value_size(const e2b__field_t *field, const void *value) {
  switch (field->type) {
  case E2B__FIELD_STRING:
  case E2B__FIELD_BYTES: return ((const e2b__str_t *)value)->len;
  case E2B__FIELD_MESSAGE: return message_size(field->sub, value);
  case E2B__FIELD_TIMESTAMP: return timestamp_size(value);
  case E2B__FIELD_MAP: return pair_size(value);
  default: return varint_size(scalar_bits(field, value));
  }
}

/* Repeated scalars go packed: one tag and one length for all. */
static bool is_packed(const e2b__field_t *field) {
  return (field->flags & E2B__REPEATED) != 0 && e2b__field_wire(field) == WIRE_VARINT;
}

/* Of all values of a field together, without tags and lengths. */
static size_t values_size(const e2b__field_t *field, const void *message, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    size += value_size(field, e2b__field_value(field, message, i));
  return size;
}

/* Recursion ends with the tables, which form no cycle. */
static size_t message_size(const e2b__message_t *type, const void *message) {
  size_t total = 0;
  for (size_t f = 0; f < type->count; f++) {
    const e2b__field_t *field = &type->fields[f];
    size_t count = e2b__field_values(field, message);
    size_t tag = varint_size(tag_of(field, WIRE_LENGTH));
    if (count > 0 && is_packed(field)) {
      total += tag + length_size(values_size(field, message, count));
      continue;
    }
    for (size_t i = 0; i < count; i++) {
      size_t size = value_size(field, e2b__field_value(field, message, i));
      total += tag + (e2b__field_wire(field) == WIRE_VARINT ? size : length_size(size));
    }
  }
  return total;
}

static char *put_bytes(char *to, const char *data, size_t len) {
  if (len > 0) memcpy(to, data, len);
  return to + len;
}

static char *put_str(char *to, e2b__str_t str) {
  return put_bytes(put_varint(to, str.len), str.ptr, str.len);
}

static char *put_timestamp(char *to, const e2b__timestamp_t *t) {
  if (t->seconds != 0) {
    *to++ = 1 << 3 | WIRE_VARINT;
    to = put_varint(to, (uint64_t)t->seconds);
  }
  if (t->nanos != 0) {
    *to++ = 2 << 3 | WIRE_VARINT;
    to = put_varint(to, (uint64_t)(int64_t)t->nanos);
  }
  return to;
}

static char *put_pair(char *to, const e2b__str_pair_t *pair) {
  *to++ = 1 << 3 | WIRE_LENGTH;
  to = put_str(to, pair->name);
  *to++ = 2 << 3 | WIRE_LENGTH;
  return put_str(to, pair->value);
}

static char *put_message(char *to, const e2b__message_t *type, const void *message);

static char *put_value(char *to, const e2b__field_t *field, const void *value) {
  if (e2b__field_wire(field) == WIRE_VARINT) return put_varint(to, scalar_bits(field, value));
  to = put_varint(to, value_size(field, value));
  switch (field->type) {
  case E2B__FIELD_MESSAGE: return put_message(to, field->sub, value);
  case E2B__FIELD_TIMESTAMP: return put_timestamp(to, value);
  case E2B__FIELD_MAP: return put_pair(to, value);
  default: {
    const e2b__str_t *str = value;
    return put_bytes(to, str->ptr, str->len);
  }
  }
}

static char *put_packed(char *to, const e2b__field_t *field, const void *message, size_t count) {
  to = put_varint(to, tag_of(field, WIRE_LENGTH));
  to = put_varint(to, values_size(field, message, count));
  for (size_t i = 0; i < count; i++)
    to = put_value(to, field, e2b__field_value(field, message, i));
  return to;
}

static char *put_message(char *to, const e2b__message_t *type, const void *message) {
  for (size_t f = 0; f < type->count; f++) {
    const e2b__field_t *field = &type->fields[f];
    size_t count = e2b__field_values(field, message);
    if (count > 0 && is_packed(field)) {
      to = put_packed(to, field, message, count);
      continue;
    }
    for (size_t i = 0; i < count; i++) {
      to = put_varint(to, tag_of(field, e2b__field_wire(field)));
      to = put_value(to, field, e2b__field_value(field, message, i));
    }
  }
  return to;
}

static bool is_text(e2b__str_t str) {
  return e2b__utf8_valid(str.ptr, str.len);
}

/* Every peer refuses a string that is not UTF-8, so it must not leave in the first place. */
static bool message_is_text(const e2b__message_t *type, const void *message) {
  for (size_t f = 0; f < type->count; f++) {
    const e2b__field_t *field = &type->fields[f];
    size_t count = e2b__field_values(field, message);
    for (size_t i = 0; i < count; i++) {
      const void *value = e2b__field_value(field, message, i);
      const e2b__str_pair_t *pair = value;
      bool good = true;
      if (field->type == E2B__FIELD_STRING) good = is_text(*(const e2b__str_t *)value);
      if (field->type == E2B__FIELD_MAP) good = is_text(pair->name) && is_text(pair->value);
      if (field->type == E2B__FIELD_MESSAGE) good = message_is_text(field->sub, value);
      if (!good) return false;
    }
  }
  return true;
}

int e2b__message_encode_binary(const e2b__message_t *type, const void *message,
                               e2b__buffer_t *out) {
  if (!message_is_text(type, message)) return E2B_EINVAL;
  size_t size = message_size(type, message);
  int rc = e2b__buffer_reserve(out, size);
  if (rc != 0) return rc;
  char *start = out->data + out->len;
  char *end = put_message(start, type, message);
  e2b__buffer_commit(out, (size_t)(end - start));
  return 0;
}
