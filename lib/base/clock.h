/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_CLOCK_H
#define E2B_LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock that only goes forward. */
static inline uint64_t e2b__monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Milliseconds since 1970, UTC. */
static inline int64_t e2b__wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* `ms` after `now`; UINT64_MAX, which is never, when that is later than can be said. */
static inline uint64_t e2b__time_after(uint64_t now, uint64_t ms) {
  return ms < UINT64_MAX - now ? now + ms : UINT64_MAX;
}

#endif
