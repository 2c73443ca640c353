/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *libc_malloc(size_t size, void *user_data) {
  (void)user_data;
  return malloc(size);
}

static void *libc_realloc(void *ptr, size_t size, void *user_data) {
  (void)user_data;
  return realloc(ptr, size);
}

static void libc_free(void *ptr, void *user_data) {
  (void)user_data;
  free(ptr);
}

static const e2b_allocator_t libc_allocator = {libc_malloc, libc_realloc, libc_free, NULL};
static e2b_allocator_t current = {libc_malloc, libc_realloc, libc_free, NULL};

const char *e2b_version(void) {
  return E2B_VERSION;
}

void e2b_set_allocator(const e2b_allocator_t *allocator) {
  current = allocator != NULL ? *allocator : libc_allocator;
}

void *e2b__malloc(size_t size) {
  return current.malloc(size, current.user_data);
}

void *e2b__calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  void *ptr = e2b__malloc(count * size);
  if (ptr != NULL) memset(ptr, 0, count * size);
  return ptr;
}

void *e2b__realloc(void *ptr, size_t size) {
  return current.realloc(ptr, size, current.user_data);
}

void e2b__free(void *ptr) {
  if (ptr != NULL) current.free(ptr, current.user_data);
}

/* Where the block begins is kept in front: it is aligned for a pointer, so there is room. */
void *e2b__calloc_aligned(size_t size) {
  if (size > SIZE_MAX - E2B__CACHE_LINE) return NULL;
  char *block = e2b__calloc(1, size + E2B__CACHE_LINE);
  if (block == NULL) return NULL;
  char *aligned = block + E2B__CACHE_LINE - (uintptr_t)block % E2B__CACHE_LINE;
  memcpy(aligned - sizeof block, &block, sizeof block);
  return aligned;
}

void e2b__free_aligned(void *ptr) {
  if (ptr == NULL) return;
  void *block;
  memcpy(&block, (char *)ptr - sizeof block, sizeof block);
  e2b__free(block);
}

char *e2b__strndup(const char *s, size_t len) {
  if (len == SIZE_MAX) return NULL;
  char *copy = e2b__malloc(len + 1);
  if (copy == NULL) return NULL;
  if (len > 0) memcpy(copy, s, len);
  copy[len] = '\0';
  return copy;
}

char *e2b__strdup(const char *s) {
  return s != NULL ? e2b__strndup(s, strlen(s)) : NULL;
}

char *e2b__format(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (len < 0) return NULL;
  char *text = e2b__malloc((size_t)len + 1);
  if (text == NULL) return NULL;
  va_start(args, fmt);
  vsnprintf(text, (size_t)len + 1, fmt, args);
  va_end(args);
  return text;
}

void e2b__options_copy(void *to, size_t to_size, const void *from) {
  memset(to, 0, to_size);
  if (from != NULL) {
    size_t from_size;
    memcpy(&from_size, from, sizeof from_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
  }
  memcpy(to, &to_size, sizeof to_size);
}
