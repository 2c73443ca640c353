/* SPDX-License-Identifier: MIT */
#include "proto/message_internal.h"

const e2b__message_t e2b__empty = {"google.protobuf.Empty", NULL, 0, sizeof(e2b__empty_t)};

size_t e2b__field_size(const e2b__field_t *field) {
  switch (field->type) {
  case E2B__FIELD_UINT32: return sizeof(uint32_t);
  case E2B__FIELD_SINT32:
  case E2B__FIELD_ENUM: return sizeof(int32_t);
  case E2B__FIELD_INT64: return sizeof(int64_t);
  case E2B__FIELD_BOOL: return sizeof(bool);
  case E2B__FIELD_MESSAGE: return ((const e2b__message_t *)field->sub)->size;
  case E2B__FIELD_TIMESTAMP: return sizeof(e2b__timestamp_t);
  case E2B__FIELD_MAP: return sizeof(e2b__str_pair_t);
  default: return sizeof(e2b__str_t);
  }
}

const void *e2b__field_value(const e2b__field_t *field, const void *message, size_t i) {
  const void *slot = e2b__field_slot(field, message);
  if (e2b__field_is_list(field)) {
    return (const char *)e2b__load_pointer(slot) + i * e2b__field_size(field);
  }
  return field->type == E2B__FIELD_MESSAGE ? e2b__load_pointer(slot) : slot;
}

/* Whether a scalar without presence differs from its default. */
static bool is_set(const e2b__field_t *field, const void *slot) {
  switch (field->type) {
  case E2B__FIELD_UINT32: return *(const uint32_t *)slot != 0;
  case E2B__FIELD_SINT32:
  case E2B__FIELD_ENUM: return *(const int32_t *)slot != 0;
  case E2B__FIELD_INT64: return *(const int64_t *)slot != 0;
  default: return *(const bool *)slot;
  }
}

size_t e2b__field_values(const e2b__field_t *field, const void *message) {
  if (e2b__field_is_list(field)) return *e2b__field_count(field, message);
  const void *slot = e2b__field_slot(field, message);
  switch (field->type) {
  case E2B__FIELD_STRING:
  case E2B__FIELD_BYTES: {
    const e2b__str_t *str = slot;
    return e2b__field_keeps_presence(field) ? str->ptr != NULL : str->len > 0;
  }
  case E2B__FIELD_MESSAGE: return e2b__load_pointer(slot) != NULL;
  case E2B__FIELD_TIMESTAMP: return *e2b__field_has(field, message);
  default:
    return e2b__field_keeps_presence(field) ? *e2b__field_has(field, message) : is_set(field, slot);
  }
}

static void set_has(const e2b__field_t *field, void *message, bool has) {
  if (e2b__field_keeps_presence(field)) *e2b__field_has(field, message) = has;
}

static void clear(const e2b__field_t *field, void *message) {
  void *slot = e2b__field_slot(field, message);
  switch (field->type) {
  case E2B__FIELD_STRING:
  case E2B__FIELD_BYTES: *(e2b__str_t *)slot = (e2b__str_t){NULL, 0}; break;
  case E2B__FIELD_MESSAGE: e2b__store_pointer(slot, NULL); break;
  default: memset(slot, 0, e2b__field_size(field)); set_has(field, message, false);
  }
}

void e2b__field_clear_others(const e2b__message_t *type, const e2b__field_t *chosen,
                             void *message) {
  for (size_t i = 0; i < type->count; i++) {
    const e2b__field_t *field = &type->fields[i];
    if (field != chosen && (field->flags & E2B__ONEOF) != 0) clear(field, message);
  }
}

/* The capacity is not kept anywhere: it is the next power of two of the count. */
static void *append(const e2b__field_t *field, void *message, e2b__arena_t *arena) {
  enum { SMALLEST = 4 };
  void *slot = e2b__field_slot(field, message);
  size_t *count = e2b__field_count(field, message);
  size_t size = e2b__field_size(field);
  char *array = e2b__load_pointer(slot);
  if (*count == 0 || (*count >= SMALLEST && (*count & (*count - 1)) == 0)) {
    size_t capacity = *count == 0 ? SMALLEST : *count * 2;
    if (capacity > SIZE_MAX / size) return NULL;
    char *larger = e2b__arena_alloc(arena, capacity * size);
    if (larger == NULL) return NULL;
    if (*count > 0) memcpy(larger, array, *count * size);
    array = larger;
    e2b__store_pointer(slot, array);
  }
  void *element = array + (*count)++ * size;
  memset(element, 0, size);
  return element;
}

void *e2b__field_add(const e2b__field_t *field, void *message, e2b__arena_t *arena) {
  if (e2b__field_is_list(field)) return append(field, message, arena);
  void *slot = e2b__field_slot(field, message);
  switch (field->type) {
  case E2B__FIELD_MESSAGE: {
    void *nested = e2b__load_pointer(slot);
    if (nested == NULL) {
      nested = e2b__arena_calloc(arena, 1, e2b__field_size(field));
      e2b__store_pointer(slot, nested);
    }
    return nested;
  }
  case E2B__FIELD_STRING:
  case E2B__FIELD_BYTES: return slot;
  default: set_has(field, message, true); return slot;
  }
}

int e2b__message_encode(const e2b__message_t *type, const void *message, e2b__encoding_t encoding,
                        e2b__buffer_t *out) {
  size_t before = out->len;
  int rc = encoding == E2B__JSON ? e2b__message_encode_json(type, message, out)
                                 : e2b__message_encode_binary(type, message, out);
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}

int e2b__message_decode(const e2b__message_t *type, const char *data, size_t len,
                        e2b__encoding_t encoding, e2b__arena_t *arena, void *message,
                        const char **why) {
  const char *unused;
  if (why == NULL) why = &unused;
  *why = NULL;
  memset(message, 0, type->size);
  if (len == 0) data = "";
  int rc = encoding == E2B__JSON ? e2b__message_decode_json(type, data, len, arena, message, why)
                                 : e2b__message_decode_binary(type, data, len, arena, message, why);
  /* Half a message is worse than none. */
  if (rc != 0) memset(message, 0, type->size);
  return rc;
}
