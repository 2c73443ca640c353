/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_LINE_H
#define E2B_LIB_TERMINAL_LINE_H

#include "base/buffer.h"

/* Bytes that wait for their turn: added at the end, taken from the front. A keystroke costs no
 * allocation once there was one, and a line that had much in it gives the memory back. */
typedef struct e2b__line {
  e2b__buffer_t bytes;
  size_t taken;
} e2b__line_t;

enum { E2B__LINE_KEPT = 1024 };

static inline void e2b__line_init(e2b__line_t *line) {
  e2b__buffer_init(&line->bytes, SIZE_MAX / 4);
  line->taken = 0;
}

static inline void e2b__line_free(e2b__line_t *line) {
  e2b__buffer_free(&line->bytes);
  line->taken = 0;
}

static inline size_t e2b__line_len(const e2b__line_t *line) {
  return line->bytes.len - line->taken;
}

static inline const char *e2b__line_data(const e2b__line_t *line) {
  return line->bytes.data + line->taken;
}

static inline int e2b__line_add(e2b__line_t *line, const void *data, size_t len) {
  if (line->taken > line->bytes.len / 2) {
    e2b__buffer_consume(&line->bytes, line->taken);
    line->taken = 0;
  }
  return e2b__buffer_append(&line->bytes, data, len);
}

/* The last bytes that were added, if they did not fit elsewhere. */
static inline void e2b__line_take_back(e2b__line_t *line, size_t len) {
  e2b__buffer_truncate(&line->bytes, line->bytes.len - len);
}

static inline void e2b__line_take(e2b__line_t *line, size_t len) {
  line->taken += len;
  if (line->taken < line->bytes.len) return;
  line->taken = 0;
  if (line->bytes.capacity > E2B__LINE_KEPT) {
    e2b__buffer_free(&line->bytes);
  } else {
    e2b__buffer_clear(&line->bytes);
  }
}

#endif
