/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_TIMERS_H
#define E2B_LIB_AGENT_TIMERS_H

#include <stddef.h>
#include <stdint.h>

/* One-shot timers in a binary heap. Whoever owns timers reserves their places first, so that
 * starting one cannot fail. */
typedef struct e2b__timer {
  uint64_t due_ms;
  size_t place; /* in the heap, from 1; 0: not running */
  void (*fire)(struct e2b__timer *timer);
} e2b__timer_t;

typedef struct e2b__timers {
  e2b__timer_t **heap;
  size_t count;
  size_t capacity;
  size_t reserved;
} e2b__timers_t;

/* Places for that many more timers: 0 or E2B_ENOMEM. */
int e2b__timers_reserve(e2b__timers_t *timers, size_t count);
void e2b__timers_unreserve(e2b__timers_t *timers, size_t count);
void e2b__timers_free(e2b__timers_t *timers);

/* Starts it, anew when it runs. */
void e2b__timer_start(e2b__timers_t *timers, e2b__timer_t *timer, uint64_t due_ms);
void e2b__timer_stop(e2b__timers_t *timers, e2b__timer_t *timer);
/* Fires all that are due. */
void e2b__timers_run(e2b__timers_t *timers, uint64_t now_ms);
/* When the next is due; UINT64_MAX when none runs. */
uint64_t e2b__timers_next(const e2b__timers_t *timers);

#endif
