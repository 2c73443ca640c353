/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

#include "base/alloc.h"

enum { LEVELS = E2B__WHEEL_LEVELS, SLOTS = E2B__WHEEL_SLOTS, BITS = 6 };

void e2b__wheel_init(e2b__wheel_t *wheel, uint64_t now_ms) {
  wheel->now_ms = now_ms;
  wheel->next_ms = UINT64_MAX;
  e2b__list_init(&wheel->due);
  for (size_t level = 0; level < LEVELS; level++) {
    wheel->used[level] = 0;
    for (size_t slot = 0; slot < SLOTS; slot++) {
      e2b__list_init(&wheel->slots[level][slot]);
    }
  }
}

/* The first used slot of the level behind `from`, both counted from time 0. A slot of the same
 * place as `from` is one turn later. */
static uint64_t used_behind(const e2b__wheel_t *wheel, unsigned level, uint64_t from) {
  const uint64_t used = wheel->used[level];
  const unsigned first = (unsigned)(from + 1) % SLOTS;
  const uint64_t turned = used >> first | used << (SLOTS - first) % SLOTS;
  return from + 1 + (uint64_t)__builtin_ctzll(turned);
}

static void file(e2b__wheel_t *wheel, e2b__clock_t *clock) {
  uint64_t at_ms = clock->due_ms;
  if (at_ms <= wheel->now_ms) {
    e2b__list_append(&wheel->due, &clock->node);
    wheel->next_ms = wheel->now_ms;
    return;
  }
  const uint64_t reach_ms = (UINT64_C(1) << BITS * LEVELS) - 1;
  if (at_ms - wheel->now_ms > reach_ms) at_ms = wheel->now_ms + reach_ms;
  unsigned level = 0;
  while ((at_ms - wheel->now_ms) >> BITS * (level + 1) != 0) {
    level++;
  }
  const uint64_t slot = at_ms >> BITS * level;
  e2b__list_append(&wheel->slots[level][slot % SLOTS], &clock->node);
  wheel->used[level] |= UINT64_C(1) << slot % SLOTS;
  if (slot << BITS * level < wheel->next_ms) wheel->next_ms = slot << BITS * level;
}

void e2b__wheel_set(e2b__wheel_t *wheel, uint64_t now_ms, e2b__clock_t *clock, uint64_t due_ms) {
  if (now_ms > wheel->now_ms && now_ms < wheel->next_ms) wheel->now_ms = now_ms;
  e2b__list_remove(&clock->node);
  clock->due_ms = due_ms;
  file(wheel, clock);
}

/* What lies in slots whose time has come is filed anew. */
static void advance(e2b__wheel_t *wheel, uint64_t now_ms) {
  e2b__list_t moving;
  e2b__list_init(&moving);
  for (unsigned level = 0; level < LEVELS; level++) {
    const uint64_t last = now_ms >> BITS * level;
    uint64_t slot = wheel->now_ms >> BITS * level;
    while (wheel->used[level] != 0 && (slot = used_behind(wheel, level, slot)) <= last) {
      e2b__list_move(&moving, &wheel->slots[level][slot % SLOTS]);
      wheel->used[level] &= ~(UINT64_C(1) << slot % SLOTS);
    }
  }
  wheel->now_ms = now_ms;
  e2b__list_t *node;
  while ((node = e2b__list_take(&moving)) != NULL) {
    file(wheel, E2B__CONTAINER(node, e2b__clock_t, node));
  }
}

static void find_next(e2b__wheel_t *wheel) {
  wheel->next_ms = e2b__list_empty(&wheel->due) ? UINT64_MAX : wheel->now_ms;
  for (unsigned level = 0; level < LEVELS; level++) {
    if (wheel->used[level] == 0) continue;
    const uint64_t slot = used_behind(wheel, level, wheel->now_ms >> BITS * level);
    if (slot << BITS * level < wheel->next_ms) wheel->next_ms = slot << BITS * level;
  }
}

e2b__clock_t *e2b__wheel_take(e2b__wheel_t *wheel, uint64_t now_ms) {
  if (now_ms > wheel->now_ms) advance(wheel, now_ms);
  e2b__list_t *node = e2b__list_take(&wheel->due);
  find_next(wheel);
  return node != NULL ? E2B__CONTAINER(node, e2b__clock_t, node) : NULL;
}
