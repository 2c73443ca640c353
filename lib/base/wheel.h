/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_WHEEL_H
#define E2B_LIB_BASE_WHEEL_H

#include <stdint.h>

#include "base/list.h"

/* Many clocks on one timer: a timing wheel. To set one and to unset it costs the same however many
 * are set, and touches the memory of its neighbours only; a heap of a thousand walks through a
 * dozen of them, which are seldom in the cache. It knows no time of its own. */

typedef struct e2b__clock {
  e2b__list_t node;
  uint64_t due_ms;
} e2b__clock_t;

enum { E2B__WHEEL_LEVELS = 3, E2B__WHEEL_SLOTS = 64 };

/* A slot of the first level is a millisecond wide, one of each other as wide as the whole level
 * before. A clock lies on the lowest level that reaches as far as it is away; when its slot's time
 * comes, it moves to a lower one or is due. What is out of reach waits in the last slot. */
typedef struct e2b__wheel {
  uint64_t now_ms;
  uint64_t next_ms;                 /* nothing moves before; UINT64_MAX: nothing is set */
  uint64_t used[E2B__WHEEL_LEVELS]; /* a bit for each slot; may be set though it is empty by now */
  e2b__list_t slots[E2B__WHEEL_LEVELS][E2B__WHEEL_SLOTS];
  e2b__list_t due;
} e2b__wheel_t;

void e2b__wheel_init(e2b__wheel_t *wheel, uint64_t now_ms);
static inline void e2b__clock_init(e2b__clock_t *clock) {
  e2b__list_init(&clock->node);
}
static inline int e2b__clock_is_set(const e2b__clock_t *clock) {
  return !e2b__list_empty(&clock->node);
}
static inline void e2b__clock_unset(e2b__clock_t *clock) {
  e2b__list_remove(&clock->node);
}
/* Sets it, anew when it is set. Then wheel->next_ms says when e2b__wheel_take() has work. */
void e2b__wheel_set(e2b__wheel_t *wheel, uint64_t now_ms, e2b__clock_t *clock, uint64_t due_ms);
/* One that is due, no longer set; NULL when none is. */
e2b__clock_t *e2b__wheel_take(e2b__wheel_t *wheel, uint64_t now_ms);

#endif
