/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

enum { SMALLEST = 64 };

int e2b__buffer_reserve(e2b__buffer_t *buffer, size_t extra) {
  if (extra > buffer->ceiling || buffer->len > buffer->ceiling - extra) return E2B_ETOOBIG;
  size_t needed = buffer->len + extra;
  if (needed >= SIZE_MAX / 2) return E2B_ENOMEM;
  needed += 1; /* the NUL */
  if (needed <= buffer->capacity) return 0;
  size_t capacity = buffer->capacity < SMALLEST ? SMALLEST : buffer->capacity * 2;
  if (capacity < needed) capacity = needed;
  if (buffer->ceiling < capacity - 1) capacity = buffer->ceiling + 1;
  char *data = e2b__realloc(buffer->data, capacity);
  if (data == NULL) return E2B_ENOMEM;
  buffer->data = data;
  buffer->capacity = capacity;
  return 0;
}

void e2b__buffer_commit(e2b__buffer_t *buffer, size_t added) {
  buffer->len += added;
  buffer->data[buffer->len] = '\0';
}

int e2b__buffer_append(e2b__buffer_t *buffer, const void *data, size_t len) {
  int rc = e2b__buffer_reserve(buffer, len);
  if (rc != 0) return rc;
  if (len > 0) memcpy(buffer->data + buffer->len, data, len);
  e2b__buffer_commit(buffer, len);
  return 0;
}

int e2b__buffer_append_str(e2b__buffer_t *buffer, const char *s) {
  return e2b__buffer_append(buffer, s, strlen(s));
}

int e2b__buffer_printf(e2b__buffer_t *buffer, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (len < 0) return E2B_EINVAL;
  int rc = e2b__buffer_reserve(buffer, (size_t)len);
  if (rc != 0) return rc;
  va_start(args, fmt);
  vsnprintf(buffer->data + buffer->len, (size_t)len + 1, fmt, args);
  va_end(args);
  buffer->len += (size_t)len;
  return 0;
}

void e2b__buffer_consume(e2b__buffer_t *buffer, size_t count) {
  if (count == 0) return;
  memmove(buffer->data, buffer->data + count, buffer->len - count);
  buffer->len -= count;
  buffer->data[buffer->len] = '\0';
}

void e2b__buffer_truncate(e2b__buffer_t *buffer, size_t len) {
  if (len >= buffer->len) return;
  buffer->len = len;
  buffer->data[len] = '\0';
}

void e2b__buffer_clear(e2b__buffer_t *buffer) {
  buffer->len = 0;
  if (buffer->data != NULL) buffer->data[0] = '\0';
}

char *e2b__buffer_detach(e2b__buffer_t *buffer) {
  char *data = buffer->data;
  buffer->data = NULL;
  buffer->len = buffer->capacity = 0;
  return data;
}

void e2b__buffer_free(e2b__buffer_t *buffer) {
  e2b__free(buffer->data);
  buffer->data = NULL;
  buffer->len = buffer->capacity = 0;
}
