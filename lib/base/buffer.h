/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_BUFFER_H
#define E2B_LIB_BASE_BUFFER_H

#include "base/alloc.h"
#include "e2b/error.h"

/* A growing run of bytes with a ceiling. A NUL always follows the last byte once anything was
 * stored. Every function that adds answers 0, E2B_ENOMEM, or E2B_ETOOBIG past the ceiling, and
 * leaves the content as it was when it fails. */
typedef struct e2b__buffer {
  char *data;
  size_t len;
  size_t capacity;
  size_t ceiling; /* of len */
} e2b__buffer_t;

#define E2B__BUFFER_INIT(max) \
  { NULL, 0, 0, (max) }

static inline void e2b__buffer_init(e2b__buffer_t *buffer, size_t ceiling) {
  buffer->data = NULL;
  buffer->len = buffer->capacity = 0;
  buffer->ceiling = ceiling;
}

/* Room for `extra` more bytes at data + len; the caller adds what it wrote to len and keeps the
 * NUL (e2b__buffer_commit does both). */
int e2b__buffer_reserve(e2b__buffer_t *buffer, size_t extra);
void e2b__buffer_commit(e2b__buffer_t *buffer, size_t added);
int e2b__buffer_append(e2b__buffer_t *buffer, const void *data, size_t len);
int e2b__buffer_append_str(e2b__buffer_t *buffer, const char *s);
int e2b__buffer_printf(e2b__buffer_t *buffer, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first `count` bytes. */
void e2b__buffer_consume(e2b__buffer_t *buffer, size_t count);
/* Drops all but the first `len` bytes: takes back what was appended since. */
void e2b__buffer_truncate(e2b__buffer_t *buffer, size_t len);
/* Empties it but keeps the memory. */
void e2b__buffer_clear(e2b__buffer_t *buffer);
/* The bytes become the caller's, who frees them with e2b__free; the buffer is empty again. */
char *e2b__buffer_detach(e2b__buffer_t *buffer);
void e2b__buffer_free(e2b__buffer_t *buffer);

#endif
