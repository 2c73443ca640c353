/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "proto/message_internal.h"

/* Reading the binary encoding. Nothing is copied: strings point into the input. */

enum { LARGEST_NUMBER = (1 << 29) - 1 };

typedef struct reader {
  e2b__arena_t *arena;
  int rc;
  const char *why;
} reader;

/* Where reading goes on; NULL after a fault, which the reader then knows. */
typedef const unsigned char *position;

/* A stretch of input. `at` NULL: a fault. */
typedef struct span {
  position at;
  position end;
} span;

/* Returned in registers: this is where a small message spends its time. */
typedef struct varint {
  position next; /* NULL: a fault */
  uint64_t value;
} varint;

static position fault(reader *r, const char *why) {
  r->why = why;
  r->rc = E2B_EPROTOCOL;
  return NULL;
}

static position no_memory(reader *r) {
  r->rc = E2B_ENOMEM;
  return NULL;
}

static varint long_varint(reader *r, position at, position end) {
  uint64_t bits = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at == end) return (varint){fault(r, "the message ends inside a varint"), 0};
    const unsigned char byte = *at++;
    if (shift == 63 && byte > 1) break;
    bits |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return (varint){at, bits};
  }
  return (varint){fault(r, "a varint is longer than 64 bits"), 0};
}

static inline varint take_varint(reader *r, position at, position end) {
  if (at < end && at[0] < 0x80) return (varint){at + 1, at[0]};
  if (end - at > 1 && at[1] < 0x80) { /* the length of most output */
    return (varint){at + 2, (at[0] & 0x7fu) | (unsigned)at[1] << 7};
  }
  return long_varint(r, at, end);
}

static inline span take_bytes(reader *r, position at, position end, uint64_t len) {
  if (len > (uint64_t)(end - at)) {
    return (span){fault(r, "a length reaches past the message's end"), NULL};
  }
  return (span){at, at + len};
}

static inline span take_length(reader *r, position at, position end) {
  const varint len = take_varint(r, at, end);
  if (len.next == NULL) return (span){NULL, NULL};
  return take_bytes(r, len.next, end, len.value);
}

/* A field's number and wire type, as one value. */
static inline varint take_tag(reader *r, position at, position end) {
  varint tag = take_varint(r, at, end);
  if (tag.next != NULL && (tag.value >> 3 == 0 || tag.value >> 3 > LARGEST_NUMBER)) {
    tag.next = fault(r, "invalid field number");
  }
  return tag;
}

/* The value of a field nobody knows, groups excepted. */
static position skip_plain(reader *r, position at, position end, unsigned wire) {
  switch (wire) {
  case WIRE_VARINT: return take_varint(r, at, end).next;
  case WIRE_FIXED64: return take_bytes(r, at, end, 8).end;
  case WIRE_LENGTH: return take_length(r, at, end).end;
  case WIRE_FIXED32: return take_bytes(r, at, end, 4).end;
  default: return fault(r, "invalid wire type");
  }
}

/* Groups are an encoding that nobody writes any more, yet a reader has to get past them. */
static position skip_group(reader *r, position at, position end, uint64_t number) {
  uint64_t open[E2B__MESSAGE_DEPTH];
  size_t depth = 0;
  open[depth++] = number;
  while (depth > 0) {
    const varint tag = take_tag(r, at, end);
    if (tag.next == NULL) return NULL;
    at = tag.next;
    const unsigned wire = tag.value & 7;
    if (wire == WIRE_GROUP_END) {
      if (open[--depth] != tag.value >> 3) return fault(r, "a group ends that was not begun");
    } else if (wire == WIRE_GROUP) {
      if (depth == E2B__MESSAGE_DEPTH) return fault(r, "the message is nested too deeply");
      open[depth++] = tag.value >> 3;
    } else {
      at = skip_plain(r, at, end, wire);
      if (at == NULL) return NULL;
    }
  }
  return at;
}

static position skip(reader *r, position at, position end, uint64_t tag) {
  return (tag & 7) == WIRE_GROUP ? skip_group(r, at, end, tag >> 3)
                                 : skip_plain(r, at, end, tag & 7);
}

static void store_scalar(const e2b__field_t *field, void *slot, uint64_t bits) {
  switch (field->type) {
  case E2B__FIELD_UINT32: *(uint32_t *)slot = (uint32_t)bits; break;
  case E2B__FIELD_SINT32: {
    uint32_t n = (uint32_t)bits;
    *(int32_t *)slot = (int32_t)((n >> 1) ^ (0u - (n & 1)));
    break;
  }
  case E2B__FIELD_INT64: *(int64_t *)slot = (int64_t)bits; break;
  case E2B__FIELD_ENUM: *(int32_t *)slot = (int32_t)(uint32_t)bits; break;
  default: *(bool *)slot = bits != 0;
  }
}

/* The functions below answer false after a fault. */

static void store_bytes(span bytes, e2b__str_t *str) {
  str->ptr = (const char *)bytes.at;
  str->len = (size_t)(bytes.end - bytes.at);
}

static bool store_string(reader *r, span bytes, e2b__str_t *str) {
  store_bytes(bytes, str);
  return e2b__utf8_valid(str->ptr, str->len) ||
         fault(r, "string field contains invalid UTF-8") != NULL;
}

/* A map entry is a message with the key as field 1 and the value as field 2. */
static bool store_pair(reader *r, span in, e2b__str_pair_t *pair) {
  pair->name = pair->value = E2B__STR("");
  while (in.at < in.end) {
    const varint tag = take_tag(r, in.at, in.end);
    if (tag.next == NULL) return false;
    in.at = tag.next;
    if (tag.value >> 3 > 2 || (tag.value & 7) != WIRE_LENGTH) {
      in.at = skip(r, in.at, in.end, tag.value);
    } else {
      const span bytes = take_length(r, in.at, in.end);
      if (bytes.at == NULL) return false;
      if (!store_string(r, bytes, tag.value >> 3 == 1 ? &pair->name : &pair->value)) return false;
      in.at = bytes.end;
    }
    if (in.at == NULL) return false;
  }
  return true;
}

static bool store_timestamp(reader *r, span in, e2b__timestamp_t *t) {
  while (in.at < in.end) {
    const varint tag = take_tag(r, in.at, in.end);
    if (tag.next == NULL) return false;
    in.at = tag.next;
    if (tag.value >> 3 > 2 || (tag.value & 7) != WIRE_VARINT) {
      in.at = skip(r, in.at, in.end, tag.value);
    } else {
      const varint bits = take_varint(r, in.at, in.end);
      if (tag.value >> 3 == 1) t->seconds = (int64_t)bits.value;
      if (tag.value >> 3 == 2) t->nanos = (int32_t)(uint32_t)bits.value;
      in.at = bits.next;
    }
    if (in.at == NULL) return false;
  }
  return true;
}

static position read_scalar(reader *r, const e2b__field_t *field, position at, position end,
                            void *message) {
  const varint bits = take_varint(r, at, end);
  if (bits.next == NULL) return NULL;
  void *slot = e2b__field_add(field, message, r->arena);
  if (slot == NULL) return no_memory(r);
  store_scalar(field, slot, bits.value);
  return bits.next;
}

static bool read_message(reader *r, const e2b__message_t *type, span in, void *message, bool blank,
                         int depth);

/* A message that comes twice merges. */
static bool store_message(reader *r, const e2b__field_t *field, span bytes, void *message,
                          int depth) {
  const e2b__message_t *type = field->sub;
  void *slot = e2b__field_slot(field, message);
  void *nested = e2b__field_is_list(field) ? NULL : e2b__load_pointer(slot);
  const bool blank = nested == NULL;
  if (e2b__field_is_list(field)) {
    nested = e2b__field_add(field, message, r->arena);
  } else if (blank) {
    nested = e2b__arena_calloc(r->arena, 1, type->size);
    e2b__store_pointer(slot, nested);
  }
  if (nested == NULL) return no_memory(r) != NULL;
  return read_message(r, type, bytes, nested, blank, depth + 1);
}

static bool store_length(reader *r, const e2b__field_t *field, span bytes, void *message,
                         int depth) {
  if (field->type == E2B__FIELD_MESSAGE) return store_message(r, field, bytes, message, depth);
  void *slot = e2b__field_is_list(field) || field->type == E2B__FIELD_TIMESTAMP
                   ? e2b__field_add(field, message, r->arena)
                   : e2b__field_slot(field, message);
  if (slot == NULL) return no_memory(r) != NULL;
  switch (field->type) {
  case E2B__FIELD_BYTES: store_bytes(bytes, slot); return true;
  case E2B__FIELD_STRING: return store_string(r, bytes, slot);
  case E2B__FIELD_MAP: return store_pair(r, bytes, slot);
  default: return store_timestamp(r, bytes, slot);
  }
}

static inline position read_length(reader *r, const e2b__field_t *field, position at, position end,
                                   void *message, int depth) {
  const span bytes = take_length(r, at, end);
  if (bytes.at == NULL) return NULL;
  return store_length(r, field, bytes, message, depth) ? bytes.end : NULL;
}

static position read_packed(reader *r, const e2b__field_t *field, position at, position end,
                            void *message) {
  const span values = take_length(r, at, end);
  at = values.at;
  while (at != NULL && at < values.end) {
    at = read_scalar(r, field, at, values.end, message);
  }
  return at;
}

/* Numbers mostly count from 1 without a gap, so the first look hits. */
static inline const e2b__field_t *find(const e2b__message_t *type, uint64_t number) {
  if (number <= type->count && type->fields[number - 1].number == number) {
    return &type->fields[number - 1];
  }
  for (size_t i = 0; i < type->count; i++) {
    if (type->fields[i].number == number) return &type->fields[i];
  }
  return NULL;
}

static inline position read_field(reader *r, const e2b__field_t *field, uint64_t tag, position at,
                                  position end, void *message, int depth) {
  const unsigned wire = tag & 7;
  if (field == NULL) return skip(r, at, end, tag);
  if (wire == e2b__field_wire(field)) {
    return wire == WIRE_LENGTH ? read_length(r, field, at, end, message, depth)
                               : read_scalar(r, field, at, end, message);
  }
  /* A list of anything else than scalars had matched. */
  if (wire == WIRE_LENGTH && e2b__field_is_list(field)) {
    return read_packed(r, field, at, end, message);
  }
  return skip(r, at, end, tag);
}

/* `blank`: nothing is set in the struct yet. */
static bool read_message(reader *r, const e2b__message_t *type, span in, void *message, bool blank,
                         int depth) {
  const e2b__field_t *chosen = NULL; /* of a oneof, the last */
  position at = in.at;
  if (depth > E2B__MESSAGE_DEPTH) return fault(r, "the message is nested too deeply") != NULL;
  while (at < in.end) {
    const varint tag = take_tag(r, at, in.end);
    if (tag.next == NULL) return false;
    const e2b__field_t *field = find(type, tag.value >> 3);
    at = read_field(r, field, tag.value, tag.next, in.end, message, depth);
    if (at == NULL) return false;
    if (field != NULL && (field->flags & E2B__ONEOF) != 0 &&
        (tag.value & 7) == e2b__field_wire(field)) {
      if (!blank && chosen != field) e2b__field_clear_others(type, field, message);
      blank = false;
      chosen = field;
    }
  }
  return true;
}

int e2b__message_decode_binary(const e2b__message_t *type, const char *data, size_t len,
                               e2b__arena_t *arena, void *message, const char **why) {
  reader r = {arena, 0, NULL};
  const span in = {(position)data, (position)data + len};
  read_message(&r, type, in, message, true, 0);
  *why = r.why;
  return r.rc;
}
