/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_PAIRS_H
#define E2B_LIB_BASE_PAIRS_H

#include <stdbool.h>

#include "base/utf8.h"
#include "e2b/base.h"

/* Whether a caller's list is one: there, and every pair whole. */
static inline bool e2b__pairs_ok(const e2b_pair_t *pairs, size_t count) {
  if (pairs == NULL) return count == 0;
  for (size_t i = 0; i < count; i++) {
    if (pairs[i].name == NULL || pairs[i].value == NULL) return false;
  }
  return true;
}

/* Such a string can be said in JSON as it is. */
static inline bool e2b__is_text(const char *s) {
  return s == NULL || e2b__utf8_valid(s, strlen(s));
}

/* The same, and all of it. */
static inline bool e2b__pairs_are_text(const e2b_pair_t *pairs, size_t count) {
  if (!e2b__pairs_ok(pairs, count)) return false;
  for (size_t i = 0; i < count; i++) {
    if (!e2b__is_text(pairs[i].name) || !e2b__is_text(pairs[i].value)) return false;
  }
  return true;
}

#endif
