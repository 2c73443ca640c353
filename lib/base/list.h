/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_LIST_H
#define E2B_LIB_BASE_LIST_H

#include <stddef.h>

/* A doubly linked ring with the node inside the element. A node that is in no list points at
 * itself, so removing twice does no harm. */
typedef struct e2b__list {
  struct e2b__list *next;
  struct e2b__list *prev;
} e2b__list_t;

static inline void e2b__list_init(e2b__list_t *node) {
  node->next = node->prev = node;
}

static inline int e2b__list_empty(const e2b__list_t *list) {
  return list->next == list;
}

static inline void e2b__list_append(e2b__list_t *list, e2b__list_t *node) {
  node->prev = list->prev;
  node->next = list;
  list->prev->next = node;
  list->prev = node;
}

static inline void e2b__list_remove(e2b__list_t *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  e2b__list_init(node);
}

/* The first node, taken out; NULL when there is none. */
static inline e2b__list_t *e2b__list_take(e2b__list_t *list) {
  e2b__list_t *node = list->next;
  if (node == list) return NULL;
  e2b__list_remove(node);
  return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void e2b__list_move(e2b__list_t *to, e2b__list_t *from) {
  if (e2b__list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  e2b__list_init(from);
}

#endif
