/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_HTTP_TEXT_H
#define E2B_LIB_HOST_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/arena.h"
#include "base/buffer.h"

/* What stands in HTTP headers, as Go's servers read and write it: the daemon is one. Headers that
 * are absent are NULL. */

/* What Accept-Encoding leaves for an answer that can be had plain or as gzip. */
typedef enum e2b__host_coding {
  E2B__CODING_IDENTITY,
  E2B__CODING_GZIP,
  E2B__CODING_NONE /* neither is acceptable */
} e2b__host_coding_t;

e2b__host_coding_t e2b__host_choose_coding(const char *accept, bool *identity_acceptable);
/* Whether `list` has the member, exactly so, between commas and blanks. */
bool e2b__host_list_has(const char *list, const char *member);

/* "Mon, 02 Jan 2006 15:04:05 GMT" and the two forms that came before it. False: none. */
bool e2b__host_date_parse(const char *text, int64_t *seconds);
/* Room for 32. False: no such date. */
bool e2b__host_date_write(time_t seconds, char *out);

typedef struct e2b__host_conditions {
  const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since, *if_range;
} e2b__host_conditions_t;

/* For a file without entity tag, changed at `modified`: 200 (go on), 304 or 412; *ranges tells
 * whether a Range counts. */
unsigned e2b__host_check_conditions(const e2b__host_conditions_t *conditions, time_t modified,
                                    bool *ranges);

typedef struct e2b__host_range {
  uint64_t from, len;
} e2b__host_range_t;

/* "bytes=0-9,20-,-5" of `size` bytes. Their number in *count (0: the whole) and 0; E2B_EINVAL: no
 * ranges at all; E2B_ENOTFOUND: none is inside; E2B_ENOMEM. */
int e2b__host_parse_ranges(const char *text, uint64_t size, e2b__arena_t *arena,
                           e2b__host_range_t **ranges, size_t *count);

/* Appends `inline; filename=...`. 0 or a code. */
int e2b__host_write_disposition(e2b__buffer_t *out, const char *name);

/* A media type by the name's extension, NULL when unknown; and by the first bytes of content. */
enum { E2B__HOST_SNIFF = 512 };
const char *e2b__host_type_by_name(const char *name);
const char *e2b__host_type_by_content(const char *data, size_t len);

#endif
