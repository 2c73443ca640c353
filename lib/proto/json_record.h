/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_JSON_RECORD_H
#define E2B_LIB_PROTO_JSON_RECORD_H

#include <stddef.h>

#include "base/arena.h"

/* JSON objects straight into structs, by a table of members: no tree in between, and no allocation
 * but for what is kept. Lenient, as servers of many versions want it: members that the table does
 * not name are passed over, and one that is absent, null or of another type leaves its field at the
 * default. Of members that occur twice the last that fits counts. */

typedef enum e2b__record_kind {
  E2B__RECORD_TEXT,   /* const char *; default "" */
  E2B__RECORD_INT,    /* int64_t: a fraction is cut off, what does not fit is clamped; default 0 */
  E2B__RECORD_TIME,   /* int64_t: RFC 3339 as milliseconds since 1970; default 0 */
  E2B__RECORD_TOGGLE, /* e2b_toggle_t; default E2B_DEFAULT */
  E2B__RECORD_PAIRS,  /* e2b_pair_t * and a size_t: an object's members that are strings */
  E2B__RECORD_NESTED  /* an object, whose members are fields of the same struct */
} e2b__record_kind_t;

typedef struct e2b__record_field {
  const char *name;
  size_t name_len;
  e2b__record_kind_t kind;
  size_t offset;
  size_t count_offset;                    /* of pairs */
  const struct e2b__record_field *nested; /* ends as the outer table does */
} e2b__record_field_t;

#define E2B__FIELD(KIND, name, type, member) \
  { name, sizeof(name) - 1, E2B__RECORD_##KIND, offsetof(type, member), 0, NULL }
#define E2B__FIELD_PAIRS(name, type, member, count) \
  { name, sizeof(name) - 1, E2B__RECORD_PAIRS, offsetof(type, member), offsetof(type, count), NULL }
#define E2B__FIELD_NESTED(name, fields) \
  { name, sizeof(name) - 1, E2B__RECORD_NESTED, 0, 0, fields }
#define E2B__FIELDS_END \
  { NULL, 0, E2B__RECORD_TEXT, 0, 0, NULL }

/* One object and nothing else, into a zeroed struct. Strings lie in the arena; a NUL in one becomes
 * U+FFFD. 0; E2B_EPROTOCOL when it is something else; E2B_ENOMEM. */
int e2b__record_parse(e2b__arena_t *arena, const char *data, size_t len,
                      const e2b__record_field_t *fields, void *record);
/* An array of objects into an array of structs of `size` bytes in the arena; NULL for none. */
int e2b__records_parse(e2b__arena_t *arena, const char *data, size_t len,
                       const e2b__record_field_t *fields, size_t size, void **records,
                       size_t *count);

#endif
