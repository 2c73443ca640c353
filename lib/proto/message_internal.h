/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_MESSAGE_INTERNAL_H
#define E2B_LIB_PROTO_MESSAGE_INTERNAL_H

#include "proto/message.h"

/* What the two encodings share: how a table's field is found in a struct. */

/* One line of a field table. A list's companion is its count, a scalar's with presence its bool. */
#define FIELD_AS(number, type, flags, of, member, companion, json_name, sub) \
  { (number), E2B__FIELD_##type, (flags), offsetof(of, member), (companion), (json_name), (sub) }
#define FIELD(number, type, of, member, json_name) \
  FIELD_AS(number, type, 0, of, member, 0, json_name, NULL)
#define FIELD_MAYBE(number, type, flag, of, member, json_name) \
  FIELD_AS(number, type, flag, of, member, 0, json_name, NULL)
#define FIELD_NESTED(number, flag, of, member, json_name, sub) \
  FIELD_AS(number, MESSAGE, flag, of, member, 0, json_name, sub)
#define FIELD_LIST(number, type, of, member, json_name, sub) \
  FIELD_AS(number, type, E2B__REPEATED, of, member, offsetof(of, member##_count), json_name, sub)
#define MESSAGE(name, fields, of) \
  { (name), (fields), E2B__COUNT(fields), sizeof(of) }

/* Messages nest five deep today; the bound holds whatever tables come. */
enum { E2B__MESSAGE_DEPTH = 32 };

/* A binary message is a run of fields, each a tag (a varint of number and wire type) and a value.
 */
enum {
  WIRE_VARINT = 0,
  WIRE_FIXED64 = 1,
  WIRE_LENGTH = 2,
  WIRE_GROUP = 3,
  WIRE_GROUP_END = 4,
  WIRE_FIXED32 = 5
};

/* The scalars are the first types of all. */
static inline unsigned e2b__field_wire(const e2b__field_t *field) {
  return field->type <= E2B__FIELD_ENUM ? WIRE_VARINT : WIRE_LENGTH;
}

static inline void *e2b__field_slot(const e2b__field_t *field, const void *message) {
  return (char *)(uintptr_t)message + field->offset;
}

/* Pointers to structs and arrays of many types lie in the slots: they are copied in and out, not
 * read through a pointer of another type. */
static inline void *e2b__load_pointer(const void *slot) {
  void *pointer;
  memcpy(&pointer, slot, sizeof pointer);
  return pointer;
}

static inline void e2b__store_pointer(void *slot, const void *pointer) {
  memcpy(slot, &pointer, sizeof pointer);
}

static inline bool e2b__field_is_list(const e2b__field_t *field) {
  return (field->flags & E2B__REPEATED) != 0 || field->type == E2B__FIELD_MAP;
}

static inline bool e2b__field_keeps_presence(const e2b__field_t *field) {
  return (field->flags & (E2B__OPTIONAL | E2B__ONEOF)) != 0;
}

static inline size_t *e2b__field_count(const e2b__field_t *field, const void *message) {
  return (size_t *)(void *)((char *)(uintptr_t)message + field->companion);
}

static inline bool *e2b__field_has(const e2b__field_t *field, const void *message) {
  return (bool *)((char *)(uintptr_t)message + field->companion);
}

/* Of one element. */
size_t e2b__field_size(const e2b__field_t *field);
/* Element `i` of a list; the struct that a MESSAGE field points to; the value itself otherwise. */
const void *e2b__field_value(const e2b__field_t *field, const void *message, size_t i);
/* How many values an encoder has to write: the list's count, or 0 or 1. */
size_t e2b__field_values(const e2b__field_t *field, const void *message);
/* A place for one more value, present from now on: a zeroed element, the struct that a MESSAGE
 * points to (the old one, if there is one, so that messages merge), the slot otherwise. NULL when
 * out of memory. */
void *e2b__field_add(const e2b__field_t *field, void *message, e2b__arena_t *arena);
/* Of a oneof only `chosen` is left. */
void e2b__field_clear_others(const e2b__message_t *type, const e2b__field_t *chosen, void *message);

int e2b__message_encode_binary(const e2b__message_t *type, const void *message, e2b__buffer_t *out);
int e2b__message_encode_json(const e2b__message_t *type, const void *message, e2b__buffer_t *out);
int e2b__message_decode_binary(const e2b__message_t *type, const char *data, size_t len,
                               e2b__arena_t *arena, void *message, const char **why);
int e2b__message_decode_json(const e2b__message_t *type, const char *data, size_t len,
                             e2b__arena_t *arena, void *message, const char **why);

#endif
