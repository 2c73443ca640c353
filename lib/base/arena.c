/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>

typedef struct e2b__arena_block {
  struct e2b__arena_block *next;
  size_t capacity;
  alignas(max_align_t) unsigned char data[];
} arena_block;

enum { FIRST_BLOCK = 496, LARGEST_STEP = 64 * 1024 };

static void use_block(e2b__arena_t *arena, arena_block *block, size_t capacity) {
  block->next = arena->blocks;
  block->capacity = capacity;
  arena->blocks = block;
  arena->capacity = capacity;
  arena->used = 0;
}

void e2b__arena_lend(e2b__arena_t *arena, void *memory, size_t size) {
  if (size <= sizeof(arena_block)) return;
  use_block(arena, memory, size - sizeof(arena_block));
  arena->lent = true;
}

void *e2b__arena_alloc(e2b__arena_t *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  if (size > SIZE_MAX / 2) return NULL;
  size = (size + align - 1) & ~(align - 1);
  if (arena->blocks == NULL || arena->capacity - arena->used < size) {
    size_t capacity = arena->blocks != NULL ? arena->capacity * 2 : FIRST_BLOCK;
    if (capacity > LARGEST_STEP) capacity = LARGEST_STEP;
    if (capacity < size) capacity = size;
    arena_block *block = e2b__malloc(sizeof *block + capacity);
    if (block == NULL) return NULL;
    use_block(arena, block, capacity);
  }
  void *piece = arena->blocks->data + arena->used;
  arena->used += size;
  return piece;
}

void *e2b__arena_calloc(e2b__arena_t *arena, size_t count, size_t size) {
  size_t total; /* a division would cost more than all the rest */
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *piece = e2b__arena_alloc(arena, total);
  if (piece != NULL) memset(piece, 0, total);
  return piece;
}

char *e2b__arena_strndup(e2b__arena_t *arena, const char *s, size_t len) {
  if (len == SIZE_MAX) return NULL;
  char *copy = e2b__arena_alloc(arena, len + 1);
  if (copy == NULL) return NULL;
  if (len > 0) memcpy(copy, s, len);
  copy[len] = '\0';
  return copy;
}

void e2b__arena_reset(e2b__arena_t *arena) {
  arena_block *block = arena->blocks;
  if (block == NULL) return;
  while (block->next != NULL) {
    arena_block *next = block->next;
    e2b__free(block);
    block = next;
  }
  arena->blocks = block;
  arena->capacity = block->capacity;
  arena->used = 0;
}

void e2b__arena_free(e2b__arena_t *arena) {
  e2b__arena_reset(arena);
  if (!arena->lent) e2b__free(arena->blocks); /* the oldest, the only one left */
  arena->blocks = NULL;
  arena->used = arena->capacity = 0;
  arena->lent = false;
}
