/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_MESSAGE_H
#define E2B_LIB_PROTO_MESSAGE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"

/* Messages of the sandbox daemon, in both encodings that Connect knows: binary protobuf and
 * proto3 JSON. A message is a plain C struct; a table of its fields drives one encoder and one
 * decoder for each encoding. No generator, no reflection beyond the table. */

typedef enum e2b__encoding { E2B__PROTO, E2B__JSON } e2b__encoding_t;

/* A string or bytes value. ptr NULL means absent; an empty value that is present has a non-NULL
 * ptr. Not NUL-terminated. Decoded from binary it points into the input, from JSON into the arena.
 */
typedef struct e2b__str {
  const char *ptr;
  size_t len;
} e2b__str_t;

#define E2B__STR(literal) ((e2b__str_t){(literal), sizeof(literal) - 1})
static inline e2b__str_t e2b__str(const char *s) {
  e2b__str_t str = {s, s != NULL ? strlen(s) : 0};
  return str;
}
static inline bool e2b__str_equal(e2b__str_t a, const char *b) {
  return a.ptr != NULL && a.len == strlen(b) && memcmp(a.ptr, b, a.len) == 0;
}

typedef struct e2b__str_pair {
  e2b__str_t name;
  e2b__str_t value;
} e2b__str_pair_t;

typedef struct e2b__timestamp {
  int64_t seconds; /* since 1970 */
  int32_t nanos;
} e2b__timestamp_t;

/* What a field is, and what the struct holds for it. */
typedef enum e2b__field_type {
  E2B__FIELD_UINT32,    /* uint32_t */
  E2B__FIELD_SINT32,    /* int32_t, zig-zag in binary */
  E2B__FIELD_INT64,     /* int64_t, a decimal string in JSON */
  E2B__FIELD_BOOL,      /* bool */
  E2B__FIELD_ENUM,      /* int32_t; JSON names from `sub`, a e2b__enum_t */
  E2B__FIELD_STRING,    /* e2b__str_t */
  E2B__FIELD_BYTES,     /* e2b__str_t, base64 in JSON */
  E2B__FIELD_MESSAGE,   /* pointer to the struct of `sub`, an e2b__message_t; NULL is absent */
  E2B__FIELD_TIMESTAMP, /* e2b__timestamp_t, always OPTIONAL; RFC 3339 in JSON */
  E2B__FIELD_MAP        /* map<string,string>: array of e2b__str_pair_t */
} e2b__field_type_t;

enum {
  E2B__REPEATED = 1, /* pointer to an array; `companion` is the offset of its size_t count */
  E2B__OPTIONAL = 2, /* presence is kept: scalars by a bool at `companion`, strings by ptr */
  E2B__ONEOF = 4 /* like OPTIONAL; in JSON input two members of one message's oneof are an error */
};

typedef struct e2b__enum_value {
  int32_t number;
  const char *name;
} e2b__enum_value_t;

typedef struct e2b__enum {
  const e2b__enum_value_t *values;
  size_t count;
} e2b__enum_t;

typedef struct e2b__field {
  uint8_t number;
  uint8_t type; /* e2b__field_type_t */
  uint8_t flags;
  uint16_t offset;
  uint16_t companion;
  const char *json_name; /* lowerCamelCase; snake_case is accepted on input too */
  const void *sub;
} e2b__field_t;

/* Fields are in ascending order of their numbers, at most 64. MAP fields use `companion` as
 * REPEATED do. */
typedef struct e2b__message {
  const char *name;
  const e2b__field_t *fields;
  size_t count;
  size_t size; /* of the struct */
} e2b__message_t;

/* A message without fields. */
typedef struct e2b__empty_message {
  char unused;
} e2b__empty_t;

extern const e2b__message_t e2b__empty;

/* Appends `message` to `out`, which stays as it was on failure. Members with default values are
 * left out unless OPTIONAL or ONEOF and present. Returns 0, E2B_ENOMEM, E2B_ETOOBIG, or E2B_EINVAL
 * (a STRING or a map that is not valid UTF-8, which no peer accepts; in JSON also a time outside
 * the years 1 to 9999). */
int e2b__message_encode(const e2b__message_t *type, const void *message, e2b__encoding_t encoding,
                        e2b__buffer_t *out);

/* Fills `message`, which it zeroes first, from the whole of `data`. Unknown fields and unknown enum
 * names are ignored. In binary, duplicates follow protobuf (last one wins, messages merge, repeated
 * fields append; packed and unpacked scalars are both read). JSON is strict as proto3 JSON is: the
 * text must be one object, numbers must fit, strings for numbers are accepted, null is absent, a
 * member may come once only. A key may come twice in a map: the last one counts. Nesting is
 * bounded. Returns 0, E2B_ENOMEM, or E2B_EPROTOCOL (the message is all zeroes then); with
 * EPROTOCOL, `*why` (if why is not NULL) is a static or arena string that names the fault. */
int e2b__message_decode(const e2b__message_t *type, const char *data, size_t len,
                        e2b__encoding_t encoding, e2b__arena_t *arena, void *message,
                        const char **why);

#endif
