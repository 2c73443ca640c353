/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "handler/terminal.h"
#include "terminal/terminal.h"

/* A request that types into a terminal needs a handle of it, and what was typed must have arrived
 * before the handle goes. So handles are kept for a while; what the terminal prints they drop. */

enum { MOST_OPERATORS = 64 };

typedef struct e2b__operator {
  e2b__list_t node; /* in handler->operators, the last used first */
  unsigned refs; /* of the handler, or the request that makes it; of the terminal's last callback */
  e2b__caller_t *caller;    /* NULL when it was let go */
  e2b_terminal_t *terminal; /* NULL until it is there, and when it was let go */
  char *sandbox_id;
  char *terminal_id;
  uint64_t used_ms;
} operator_t;

static void drop(operator_t *it) {
  if (--it->refs > 0) return;
  e2b__free(it->sandbox_id);
  e2b__free(it->terminal_id);
  e2b__free(it);
}

static void let_go(operator_t *it) {
  e2b_terminal_t *terminal = it->terminal;
  it->terminal = NULL;
  e2b__list_remove(&it->node);
  e2b__caller_drop(it->caller);
  it->caller = NULL;
  e2b_terminal_release(terminal);
  drop(it);
}

/* Its program has ended, its sandbox has, or it was let go. */
static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  operator_t *it = user_data;
  (void)terminal;
  (void)error;
  if (it->terminal != NULL) let_go(it);
  drop(it);
}

void e2b__operators_free(e2b_handler_t *handler) {
  while (!e2b__list_empty(&handler->operators)) {
    let_go(E2B__CONTAINER(handler->operators.next, operator_t, node));
  }
}

/* --- for how long -------------------------------------------------------------------------------
 */

static void use(e2b_handler_t *handler, operator_t *it) {
  it->used_ms = uv_now(handler->client->loop);
  e2b__list_remove(&it->node);
  e2b__list_append(handler->operators.next, &it->node);
}

void e2b__operators_expire(e2b_handler_t *handler) {
  const uint64_t now = uv_now(handler->client->loop);
  while (!e2b__list_empty(&handler->operators)) {
    operator_t *it = E2B__CONTAINER(handler->operators.prev, operator_t, node);
    const uint64_t due = e2b__time_after(it->used_ms, handler->options.terminal_keep_ms);
    if (due > now) {
      e2b__handler_clock_set(handler, due);
      return;
    }
    if (e2b__terminal_waiting(it->terminal) > 0) {
      use(handler, it); /* an outage: the terminal itself knows how long it may last */
    } else {
      let_go(it);
    }
  }
}

/* The least recently used goes, of those whose input has arrived if there is one. */
static void make_room(e2b_handler_t *handler) {
  size_t count = 0;
  operator_t *goes = NULL;
  for (e2b__list_t *node = handler->operators.next; node != &handler->operators;
       node = node->next) {
    operator_t *it = E2B__CONTAINER(node, operator_t, node);
    if (goes == NULL || e2b__terminal_waiting(it->terminal) == 0) goes = it;
    count++;
  }
  if (count >= MOST_OPERATORS) let_go(goes);
}

/* --- one for a request --------------------------------------------------------------------------
 */

static operator_t *find(const e2b__handling_t *h, const char *terminal_id) {
  const e2b_handler_t *handler = h->handler;
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

/* NULL when out of memory. */
static operator_t *operator_new(const e2b__handling_t *h, const char *terminal_id) {
  operator_t *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) return NULL;
  e2b__list_init(&it->node);
  it->refs = 1;
  it->sandbox_id = e2b__strdup(h->id);
  it->terminal_id = e2b__strdup(terminal_id);
  if (it->sandbox_id != NULL && it->terminal_id != NULL) {
    it->caller = h->caller;
    it->caller->refs++;
    return it;
  }
  drop(it);
  return NULL;
}

/* The terminal's last callback has not come: it queues behind its future's. */
static void take_terminal(operator_t *it, e2b_future_t *done) {
  it->terminal = e2b_future_terminal(done);
  if (it->terminal != NULL) it->refs++;
}

static void on_orphaned(e2b__handling_t *h, e2b_future_t *done) {
  take_terminal(h->operator, done);
  let_go(h->operator);
}

static void on_attached(e2b__handling_t *h, e2b_future_t *done) {
  operator_t *it = h->operator;
  take_terminal(it, done);
  if (it->terminal == NULL) {
    let_go(it);
    e2b__terminal_fail_with(h, e2b__action_text(h, "terminalId"), e2b_future_error(done));
    return;
  }
  e2b_handler_t *handler = h->handler;
  make_room(handler);
  use(handler, it);
  e2b__handler_clock_set(handler, e2b__time_after(it->used_ms, handler->options.terminal_keep_ms));
  h->operate(h, it->terminal);
}

void e2b__operator_take(e2b__handling_t *h, const char *terminal_id, e2b__operator_cb next) {
  operator_t *it = find(h, terminal_id);
  if (it != NULL) {
    use(h->handler, it);
    next(h, it->terminal);
    return;
  }
  h->operate = next;
  h->operator= operator_new(h, terminal_id);
  if (h->operator== NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.on_closed = on_closed;
  options.user_data = h->operator;
  e2b_future_t *future = e2b_terminal_get_by_id(h->sandbox, terminal_id, &options);
  e2b__handling_await_or(h, future, on_attached, on_orphaned);
}

void e2b__operator_forget(e2b__handling_t *h, const char *terminal_id) {
  operator_t *it = find(h, terminal_id);
  if (it != NULL) let_go(it);
}
