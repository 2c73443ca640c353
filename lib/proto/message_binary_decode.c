/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "proto/message_internal.h"

/* Reading the binary encoding. Nothing is copied: strings point into the input. */

enum { LARGEST_NUMBER = (1 << 29) - 1 };

typedef struct reader {
  e2b__arena_t *arena;
  const char *why;
} reader;

/* A stretch of input that is being read. */
typedef struct span {
  const unsigned char *at;
  const unsigned char *end;
} span;

static int fault(reader *r, const char *why) {
  r->why = why;
  return E2B_EPROTOCOL;
}

static int long_varint(reader *r, span *in, uint64_t *value) {
  uint64_t bits = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (in->at == in->end) return fault(r, "the message ends inside a varint");
    unsigned char byte = *in->at++;
    if (shift == 63 && byte > 1) break;
    bits |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = bits;
      return 0;
    }
  }
  return fault(r, "a varint is longer than 64 bits");
}

static inline int take_varint(reader *r, span *in, uint64_t *value) {
  const size_t left = (size_t)(in->end - in->at);
  if (left > 0 && in->at[0] < 0x80) {
    *value = *in->at++;
    return 0;
  }
  if (left > 1 && in->at[1] < 0x80) { /* the length of most output */
    *value = (in->at[0] & 0x7fu) | (unsigned)in->at[1] << 7;
    in->at += 2;
    return 0;
  }
  return long_varint(r, in, value);
}

static inline int take_bytes(reader *r, span *in, uint64_t len, span *bytes) {
  if (len > (uint64_t)(in->end - in->at))
    return fault(r, "a length reaches past the message's end");
  bytes->at = in->at;
  bytes->end = in->at += len;
  return 0;
}

static inline int take_length(reader *r, span *in, span *bytes) {
  uint64_t len;
  int rc = take_varint(r, in, &len);
  return rc != 0 ? rc : take_bytes(r, in, len, bytes);
}

static inline int take_tag(reader *r, span *in, uint32_t *number, unsigned *wire) {
  uint64_t tag;
  int rc = take_varint(r, in, &tag);
  if (rc != 0) return rc;
  if (tag >> 3 == 0 || tag >> 3 > LARGEST_NUMBER) return fault(r, "invalid field number");
  *number = (uint32_t)(tag >> 3);
  *wire = (unsigned)(tag & 7);
  return 0;
}

/* The value of a field nobody knows, groups excepted. */
static int skip_plain(reader *r, span *in, unsigned wire) {
  uint64_t ignored;
  span bytes;
  switch (wire) {
  case WIRE_VARINT: return take_varint(r, in, &ignored);
  case WIRE_FIXED64: return take_bytes(r, in, 8, &bytes);
  case WIRE_LENGTH: return take_length(r, in, &bytes);
  case WIRE_FIXED32: return take_bytes(r, in, 4, &bytes);
  default: return fault(r, "invalid wire type");
  }
}

/* Groups are an encoding that nobody writes any more, yet a reader has to get past them. */
static int skip_group(reader *r, span *in, uint32_t number) {
  uint32_t open[E2B__MESSAGE_DEPTH];
  size_t depth = 0;
  open[depth++] = number;
  while (depth > 0) {
    unsigned wire;
    int rc = take_tag(r, in, &number, &wire);
    if (rc != 0) return rc;
    if (wire == WIRE_GROUP_END) {
      if (open[--depth] != number) return fault(r, "a group ends that was not begun");
    } else if (wire == WIRE_GROUP) {
      if (depth == E2B__MESSAGE_DEPTH) return fault(r, "the message is nested too deeply");
      open[depth++] = number;
    } else if ((rc = skip_plain(r, in, wire)) != 0) {
      return rc;
    }
  }
  return 0;
}

static int skip(reader *r, span *in, uint32_t number, unsigned wire) {
  return wire == WIRE_GROUP ? skip_group(r, in, number) : skip_plain(r, in, wire);
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

static int store_string(reader *r, span bytes, e2b__str_t *str) {
  str->ptr = (const char *)bytes.at;
  str->len = (size_t)(bytes.end - bytes.at);
  if (e2b__utf8_valid(str->ptr, str->len)) return 0;
  return fault(r, "string field contains invalid UTF-8");
}

/* A map entry is a message with the key as field 1 and the value as field 2. */
static int store_pair(reader *r, span in, e2b__str_pair_t *pair) {
  pair->name = pair->value = E2B__STR("");
  while (in.at < in.end) {
    uint32_t number;
    unsigned wire;
    span bytes;
    int rc = take_tag(r, &in, &number, &wire);
    if (rc != 0) return rc;
    if (number > 2 || wire != WIRE_LENGTH) {
      rc = skip(r, &in, number, wire);
    } else {
      rc = take_length(r, &in, &bytes);
      if (rc == 0) rc = store_string(r, bytes, number == 1 ? &pair->name : &pair->value);
    }
    if (rc != 0) return rc;
  }
  return 0;
}

static int store_timestamp(reader *r, span in, e2b__timestamp_t *t) {
  while (in.at < in.end) {
    uint32_t number;
    unsigned wire;
    uint64_t bits;
    int rc = take_tag(r, &in, &number, &wire);
    if (rc != 0) return rc;
    if (number > 2 || wire != WIRE_VARINT) {
      rc = skip(r, &in, number, wire);
    } else if ((rc = take_varint(r, &in, &bits)) == 0) {
      if (number == 1) t->seconds = (int64_t)bits;
      if (number == 2) t->nanos = (int32_t)(uint32_t)bits;
    }
    if (rc != 0) return rc;
  }
  return 0;
}

/* `blank`: nothing is set in the struct yet. */
static int read_message(reader *r, const e2b__message_t *type, span in, void *message, bool blank,
                        int depth);

static int store_length(reader *r, const e2b__field_t *field, span bytes, void *slot, bool blank,
                        int depth) {
  switch (field->type) {
  case E2B__FIELD_STRING: return store_string(r, bytes, slot);
  case E2B__FIELD_BYTES:
    *(e2b__str_t *)slot = (e2b__str_t){(const char *)bytes.at, (size_t)(bytes.end - bytes.at)};
    return 0;
  case E2B__FIELD_TIMESTAMP: return store_timestamp(r, bytes, slot);
  case E2B__FIELD_MAP: return store_pair(r, bytes, slot);
  default: return read_message(r, field->sub, bytes, slot, blank, depth + 1);
  }
}

/* The rest of a field whose wire type is the table's. */
static int read_field(reader *r, const e2b__field_t *field, span *in, void *message, int depth) {
  uint64_t bits = 0;
  span bytes = {NULL, NULL};
  bool scalar = e2b__field_wire(field) == WIRE_VARINT;
  int rc = scalar ? take_varint(r, in, &bits) : take_length(r, in, &bytes);
  if (rc != 0) return rc;
  /* A message that comes twice merges. */
  const bool blank = field->type != E2B__FIELD_MESSAGE || e2b__field_is_list(field) ||
                     e2b__load_pointer(e2b__field_slot(field, message)) == NULL;
  void *slot = e2b__field_add(field, message, r->arena);
  if (slot == NULL) return E2B_ENOMEM;
  if (!scalar) return store_length(r, field, bytes, slot, blank, depth);
  store_scalar(field, slot, bits);
  return 0;
}

static int read_packed(reader *r, const e2b__field_t *field, span *in, void *message, int depth) {
  span values;
  int rc = take_length(r, in, &values);
  while (rc == 0 && values.at < values.end) {
    rc = read_field(r, field, &values, message, depth);
  }
  return rc;
}

/* Numbers mostly count from 1 without a gap, so the first look hits. */
static const e2b__field_t *find(const e2b__message_t *type, uint32_t number) {
  if (number <= type->count && type->fields[number - 1].number == number) {
    return &type->fields[number - 1];
  }
  for (size_t i = 0; i < type->count; i++) {
    if (type->fields[i].number == number) return &type->fields[i];
  }
  return NULL;
}

static int read_message(reader *r, const e2b__message_t *type, span in, void *message, bool blank,
                        int depth) {
  const e2b__field_t *chosen = NULL; /* of a oneof, the last */
  if (depth > E2B__MESSAGE_DEPTH) return fault(r, "the message is nested too deeply");
  while (in.at < in.end) {
    uint32_t number;
    unsigned wire;
    int rc = take_tag(r, &in, &number, &wire);
    if (rc != 0) return rc;
    const e2b__field_t *field = find(type, number);
    if (field != NULL && wire == e2b__field_wire(field)) {
      rc = read_field(r, field, &in, message, depth);
      if (rc == 0 && (field->flags & E2B__ONEOF) != 0) {
        if (!blank && chosen != field) e2b__field_clear_others(type, field, message);
        blank = false;
        chosen = field;
      }
    } else if (field != NULL && wire == WIRE_LENGTH && e2b__field_is_list(field)) {
      rc = read_packed(r, field, &in, message, depth); /* of a scalar, or it had matched */
    } else {
      rc = skip(r, &in, number, wire);
    }
    if (rc != 0) return rc;
  }
  return 0;
}

int e2b__message_decode_binary(const e2b__message_t *type, const char *data, size_t len,
                               e2b__arena_t *arena, void *message, const char **why) {
  reader r = {arena, NULL};
  span in = {(const unsigned char *)data, (const unsigned char *)data + len};
  int rc = read_message(&r, type, in, message, true, 0);
  *why = r.why;
  return rc;
}
