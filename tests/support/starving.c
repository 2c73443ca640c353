/* SPDX-License-Identifier: MIT */
#include "support/starving.h"

#include <stdlib.h>
#include <string.h>

static struct {
  size_t fail_at;
  bool for_good;
  bool failed;
  size_t count;
  size_t live;
} state;

static bool fails(void) {
  state.count++;
  if (state.fail_at == 0) return false;
  const bool now = state.for_good ? state.count >= state.fail_at : state.count == state.fail_at;
  state.failed |= now;
  return now;
}

static void *counted(void *ptr) {
  state.live += ptr != NULL;
  return ptr;
}

void *starving_malloc(size_t size) {
  return fails() ? NULL : counted(malloc(size));
}

void *starving_calloc(size_t count, size_t size) {
  return fails() ? NULL : counted(calloc(count, size));
}

void *starving_realloc(void *old, size_t size) {
  if (fails()) return NULL;
  void *ptr = realloc(old, size);
  if (old == NULL) counted(ptr);
  return ptr;
}

char *starving_strdup(const char *text) {
  return fails() ? NULL : counted(strdup(text));
}

void starving_free(void *ptr) {
  state.live -= ptr != NULL;
  free(ptr);
}

void starving_arm(size_t nth, bool for_good) {
  state.fail_at = nth;
  state.for_good = for_good;
  state.failed = false;
  state.count = 0;
}

size_t starving_count(void) {
  return state.count;
}

bool starving_failed(void) {
  return state.failed;
}

size_t starving_live(void) {
  return state.live;
}
