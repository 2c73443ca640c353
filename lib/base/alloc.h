/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_ALLOC_H
#define E2B_LIB_BASE_ALLOC_H

#include "e2b/base.h"

/* All memory of the library comes from here. Every one may fail; nothing in the library aborts. */
void *e2b__malloc(size_t size);
void *e2b__calloc(size_t count, size_t size); /* checked for overflow */
void *e2b__realloc(void *ptr, size_t size);
void e2b__free(void *ptr);
/* Zeroed memory that begins a cache line, for what there are thousands of. Freed by
 * e2b__free_aligned(). */
enum { E2B__CACHE_LINE = 64 };
void *e2b__calloc_aligned(size_t size);
void e2b__free_aligned(void *ptr);
char *e2b__strdup(const char *s); /* NULL for NULL */
char *e2b__strndup(const char *s, size_t len);
/* A formatted string of its own; NULL when out of memory. */
char *e2b__format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Copies a caller's options struct of any age over a zeroed one of today's size. */
void e2b__options_copy(void *to, size_t to_size, const void *from);

#define E2B__CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define E2B__COUNT(array)                 (sizeof(array) / sizeof((array)[0]))

/* Asks for the cache lines of what is wanted soon: beside thousands of its kind it is cold. `from`
 * may be any address. */
static inline void e2b__prefetch(const void *from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += E2B__CACHE_LINE) {
    __builtin_prefetch((const void *)((uintptr_t)from + at));
  }
}

#endif
