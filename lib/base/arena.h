/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_ARENA_H
#define E2B_LIB_BASE_ARENA_H

#include "base/alloc.h"

#include <stdbool.h>

/* Memory of one result: taken in pieces, given back all at once. Zero-initialised is empty. */
typedef struct e2b__arena {
  struct e2b__arena_block *blocks;
  size_t used;     /* of the newest block */
  size_t capacity; /* of the newest block */
  bool lent;       /* the oldest block is not the arena's own */
} e2b__arena_t;

/* Of an empty arena: its first pieces come from `memory`, aligned for any type, which stays as long
 * as they are used. */
void e2b__arena_lend(e2b__arena_t *arena, void *memory, size_t size);

void *e2b__arena_alloc(e2b__arena_t *arena, size_t size);                 /* aligned for any type */
void *e2b__arena_calloc(e2b__arena_t *arena, size_t count, size_t size);  /* zeroed, checked */
char *e2b__arena_strndup(e2b__arena_t *arena, const char *s, size_t len); /* adds the NUL */
/* Forgets all pieces but keeps one block for the next use. */
void e2b__arena_reset(e2b__arena_t *arena);
void e2b__arena_free(e2b__arena_t *arena);

#endif
