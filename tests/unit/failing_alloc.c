/* SPDX-License-Identifier: MIT */
#include "failing_alloc.h"

#include <stdlib.h>

#include "e2b/base.h"

static struct {
  size_t fail_at;
  size_t count;
  size_t live;
} state;

static int fails(void) {
  return ++state.count == state.fail_at;
}

static void *counted_malloc(size_t size, void *user_data) {
  (void)user_data;
  void *ptr = fails() ? NULL : malloc(size);
  state.live += ptr != NULL;
  return ptr;
}

static void *counted_realloc(void *old, size_t size, void *user_data) {
  (void)user_data;
  void *ptr = fails() ? NULL : realloc(old, size);
  state.live += ptr != NULL && old == NULL;
  return ptr;
}

static void counted_free(void *ptr, void *user_data) {
  (void)user_data;
  state.live -= ptr != NULL;
  free(ptr);
}

void failing_alloc_arm(size_t nth) {
  static const e2b_allocator_t allocator = {counted_malloc, counted_realloc, counted_free, NULL};
  state.fail_at = nth;
  state.count = 0;
  e2b_set_allocator(&allocator);
}

size_t failing_alloc_count(void) {
  return state.count;
}
size_t failing_alloc_live(void) {
  return state.live;
}

void failing_alloc_remove(void) {
  state.fail_at = 0;
  e2b_set_allocator(NULL);
}
