/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_PAIRS_H
#define E2B_LIB_BASE_PAIRS_H

#include <stdbool.h>

#include "e2b/base.h"

/* Whether a caller's list is one: there, and every pair whole. */
static inline bool e2b__pairs_ok(const e2b_pair_t *pairs, size_t count) {
  if (pairs == NULL) return count == 0;
  for (size_t i = 0; i < count; i++) {
    if (pairs[i].name == NULL || pairs[i].value == NULL) return false;
  }
  return true;
}

#endif
