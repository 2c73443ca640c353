/* SPDX-License-Identifier: MIT */
#include "agent/timers.h"

#include "base/alloc.h"
#include "e2b/error.h"

int e2b__timers_reserve(e2b__timers_t *timers, size_t count) {
  size_t wanted = timers->reserved + count;
  if (wanted > timers->capacity) {
    size_t capacity = wanted < 64 ? 64 : wanted * 2;
    e2b__timer_t **heap = e2b__realloc(timers->heap, capacity * sizeof *heap);
    if (heap == NULL) return E2B_ENOMEM;
    timers->heap = heap;
    timers->capacity = capacity;
  }
  timers->reserved = wanted;
  return 0;
}

void e2b__timers_unreserve(e2b__timers_t *timers, size_t count) {
  timers->reserved -= count;
}

void e2b__timers_free(e2b__timers_t *timers) {
  e2b__free(timers->heap);
  *timers = (e2b__timers_t){NULL, 0, 0, 0};
}

static void put(e2b__timers_t *timers, size_t place, e2b__timer_t *timer) {
  timers->heap[place - 1] = timer;
  timer->place = place;
}

/* Finds the place of `timer`, with a hole at `place`. */
static void settle(e2b__timers_t *timers, size_t place, e2b__timer_t *timer) {
  for (; place > 1; place /= 2) {
    e2b__timer_t *parent = timers->heap[place / 2 - 1];
    if (parent->due_ms <= timer->due_ms) break;
    put(timers, place, parent);
  }
  for (;;) {
    size_t child = place * 2;
    if (child > timers->count) break;
    if (child < timers->count && timers->heap[child]->due_ms < timers->heap[child - 1]->due_ms)
      child++;
    if (timer->due_ms <= timers->heap[child - 1]->due_ms) break;
    put(timers, place, timers->heap[child - 1]);
    place = child;
  }
  put(timers, place, timer);
}

void e2b__timer_start(e2b__timers_t *timers, e2b__timer_t *timer, uint64_t due_ms) {
  timer->due_ms = due_ms;
  settle(timers, timer->place != 0 ? timer->place : ++timers->count, timer);
}

void e2b__timer_stop(e2b__timers_t *timers, e2b__timer_t *timer) {
  size_t place = timer->place;
  if (place == 0) return;
  timer->place = 0;
  e2b__timer_t *last = timers->heap[--timers->count];
  if (last != timer) settle(timers, place, last);
}

void e2b__timers_run(e2b__timers_t *timers, uint64_t now_ms) {
  while (timers->count > 0 && timers->heap[0]->due_ms <= now_ms) {
    e2b__timer_t *timer = timers->heap[0];
    e2b__timer_stop(timers, timer);
    timer->fire(timer);
  }
}

uint64_t e2b__timers_next(const e2b__timers_t *timers) {
  return timers->count > 0 ? timers->heap[0]->due_ms : UINT64_MAX;
}
