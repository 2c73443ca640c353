/* SPDX-License-Identifier: MIT */
#include <uv.h>

#include "handler/terminal.h"

/* A request that types into a terminal needs a handle of it, and what was typed must have left
 * before the handle goes. So handles are kept for a while; what the terminal prints they drop. */

enum { MOST_OPERATORS = 64, KEPT_MS = 60000 };

typedef struct operator_t {
  e2b__list_t node; /* in handler->operators, the last used first */
  e2b__caller_t *caller;
  e2b_terminal_t *terminal;
  char *sandbox_id;
  char *terminal_id;
  uint64_t used_ms;
} operator_t;

static void operator_free(operator_t *it) {
  e2b__list_remove(&it->node);
  e2b_terminal_release(it->terminal);
  e2b__caller_drop(it->caller);
  e2b__free(it->sandbox_id);
  e2b__free(it->terminal_id);
  e2b__free(it);
}

void e2b__operators_free(e2b_handler_t *handler) {
  while (!e2b__list_empty(&handler->operators)) {
    operator_free(E2B__CONTAINER(handler->operators.next, operator_t, node));
  }
}

void e2b__operators_expire(e2b_handler_t *handler) {
  const uint64_t now = uv_now(handler->client->loop);
  size_t count = 0;
  e2b__list_t *node = handler->operators.next;
  while (node != &handler->operators) {
    operator_t *it = E2B__CONTAINER(node, operator_t, node);
    node = node->next;
    if (++count > MOST_OPERATORS || now - it->used_ms > KEPT_MS) operator_free(it);
  }
}

static operator_t *find(e2b__handling_t *h, const char *terminal_id) {
  e2b_handler_t *handler = h->handler;
  for (e2b__list_t *node = handler->operators.next; node != &handler->operators;
       node = node->next) {
    operator_t *it = E2B__CONTAINER(node, operator_t, node);
    if (it->caller == h->caller && strcmp(it->sandbox_id, h->id) == 0 &&
        strcmp(it->terminal_id, terminal_id) == 0) {
      return it;
    }
  }
  return NULL;
}

static void use(e2b__handling_t *h, operator_t *it) {
  it->used_ms = uv_now(h->handler->client->loop);
  e2b__list_remove(&it->node);
  e2b__list_append(h->handler->operators.next, &it->node);
}

/* Takes the handle over. NULL when out of memory. */
static operator_t *operator_new(e2b__handling_t *h, const char *terminal_id,
                                e2b_terminal_t *terminal) {
  operator_t *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) {
    e2b_terminal_release(terminal);
    return NULL;
  }
  e2b__list_init(&it->node);
  it->caller = h->caller;
  h->caller->refs++;
  it->terminal = terminal;
  it->sandbox_id = e2b__strdup(h->id);
  it->terminal_id = e2b__strdup(terminal_id);
  if (it->sandbox_id != NULL && it->terminal_id != NULL) return it;
  operator_free(it);
  return NULL;
}

static void on_attached(e2b__handling_t *h, e2b_future_t *done) {
  const char *terminal_id = e2b__action_text(h, "terminalId");
  e2b_terminal_t *terminal = e2b_future_terminal(done);
  if (terminal == NULL) {
    e2b__terminal_fail_with(h, terminal_id, e2b_future_error(done));
    return;
  }
  operator_t *it = operator_new(h, terminal_id, terminal);
  if (it == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  use(h, it);
  h->operate(h, it->terminal);
}

void e2b__operator_take(e2b__handling_t *h, const char *terminal_id, e2b__operator_cb next) {
  operator_t *it = find(h, terminal_id);
  if (it != NULL) {
    use(h, it);
    next(h, it->terminal);
    return;
  }
  h->operate = next;
  e2b__handling_await(h, e2b_terminal_get_by_id(h->sandbox, terminal_id, NULL), on_attached);
}

void e2b__operator_forget(e2b__handling_t *h, const char *terminal_id) {
  operator_t *it = find(h, terminal_id);
  if (it != NULL) operator_free(it);
}
