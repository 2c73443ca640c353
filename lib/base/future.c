/* SPDX-License-Identifier: MIT */
#include "base/future.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

/*  state      then()              decide()            cancel()            task runs
 *  PENDING    keeps callback      -> DECIDED          -> DECIDED          -
 *  DECIDED    queues delivery     no effect           no effect           -> DELIVERED
 *  DELIVERED  E2B_EALREADY        no effect           no effect           -             */
typedef enum future_state { PENDING, DECIDED, DELIVERED } future_state;

struct e2b_future {
  unsigned refs;
  future_state state;
  e2b__kind_t kind;
  const char *operation;
  e2b__queue_t *queue;
  e2b__list_t node; /* in queue->pending or queue->owed */
  e2b__task_t task; /* the delivery */
  e2b_future_cb callback;
  void *user_data;
  void (*abandon)(void *work);
  void *work;
  const e2b_error_t *error; /* NULL: success */
  const void *value;
  void (*release_value)(void *value);
  uint64_t number;
  e2b__arena_t arena;
  alignas(max_align_t) unsigned char room[]; /* the arena's first */
};

static void deliver(e2b__task_t *task);

e2b_future_t *e2b__future_new(e2b__queue_t *queue, e2b__kind_t kind, const char *operation) {
  return e2b__future_new_with_room(queue, kind, operation, 0);
}

e2b_future_t *e2b__future_new_with_room(e2b__queue_t *queue, e2b__kind_t kind,
                                        const char *operation, size_t room) {
  e2b_future_t *future = e2b__malloc(sizeof *future + room);
  if (future == NULL) return NULL;
  memset(future, 0, sizeof *future);
  e2b__arena_lend(&future->arena, future->room, room);
  future->refs = 2;
  future->state = PENDING;
  future->kind = kind;
  future->operation = operation;
  future->queue = queue;
  e2b__queue_acquire(queue);
  e2b__list_init(&future->node);
  e2b__list_append(&queue->pending, &future->node);
  queue->pending_count++;
  e2b__task_init(&future->task, deliver);
  if (queue->closing) e2b__future_fail_text(future, E2B_ECLOSED, "the client is closed");
  return future;
}

void e2b__future_bind(e2b_future_t *future, void (*abandon)(void *work), void *work) {
  future->abandon = abandon;
  future->work = work;
}

e2b__arena_t *e2b__future_arena(e2b_future_t *future) {
  return &future->arena;
}

const char *e2b__future_operation(const e2b_future_t *future) {
  return future->operation;
}

e2b_future_t *e2b_future_acquire(e2b_future_t *future) {
  if (future != NULL) future->refs++;
  return future;
}

void e2b_future_release(e2b_future_t *future) {
  if (future == NULL || --future->refs > 0) return;
  if (future->release_value != NULL) future->release_value((void *)future->value);
  e2b__arena_free(&future->arena);
  e2b__queue_t *queue = future->queue;
  e2b__free(future);
  e2b__queue_release(queue);
}

static void deliver(e2b__task_t *task) {
  e2b_future_t *future = E2B__CONTAINER(task, e2b_future_t, task);
  future->state = DELIVERED;
  e2b__call_out_begin();
  future->callback(future, future->user_data);
  e2b__call_out_end();
  e2b_future_release(future); /* the one that then() took */
}

/* The one place where an outcome is fixed: detached from its work and from the pending ones first,
 * queued for delivery, and nobody is called here. */
static void decide(e2b_future_t *future) {
  assert(future->state == PENDING);
  future->state = DECIDED;
  future->abandon = NULL;
  future->work = NULL;
  e2b__list_remove(&future->node);
  future->queue->pending_count--;
  future->queue->decided_count++;
  if (future->callback != NULL) e2b__queue_push(future->queue, &future->task);
  e2b_future_release(future); /* the one it held on itself */
}

void e2b__future_keep(e2b_future_t *future, const void *value, void (*release_value)(void *value)) {
  future->value = value;
  future->release_value = release_value;
}

void e2b__future_succeed(e2b_future_t *future, const void *value,
                         void (*release_value)(void *value)) {
  e2b__future_keep(future, value, release_value);
  decide(future);
}

void e2b__future_succeed_number(e2b_future_t *future, uint64_t number) {
  future->number = number;
  decide(future);
}

void e2b__future_fail(e2b_future_t *future, const e2b_error_t *error) {
  e2b_error_t named = *error;
  if (*named.operation == '\0') named.operation = future->operation;
  future->error = e2b__error_keep(&future->arena, &named);
  decide(future);
}

void e2b__future_fail_text(e2b_future_t *future, int code, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  e2b_error_t error = e2b__error(code);
  if (len >= 0) error.message = text;
  e2b__future_fail(future, &error);
}

static void give_up(e2b_future_t *future, int code) {
  void (*abandon)(void *work) = future->abandon;
  void *work = future->work;
  future->abandon = NULL;
  future->work = NULL;
  if (abandon != NULL) abandon(work);
  e2b_error_t error = e2b__error(code);
  error.maybe_applied = abandon != NULL;
  e2b__future_fail(future, &error);
}

int e2b_future_cancel(e2b_future_t *future) {
  if (future == NULL) return E2B_ENOMEM;
  if (future->state == PENDING) give_up(future, E2B_ECANCELED);
  return 0;
}

void e2b__queue_close(e2b__queue_t *queue) {
  queue->closing = true;
  while (!e2b__list_empty(&queue->pending)) {
    give_up(E2B__CONTAINER(queue->pending.next, e2b_future_t, node), E2B_ECLOSED);
  }
}

void e2b__future_owe(e2b_future_t *future) {
  e2b__list_remove(&future->node);
  e2b__list_append(&future->queue->owed, &future->node);
}

void e2b__queue_write_off(e2b__queue_t *queue) {
  while (!e2b__list_empty(&queue->owed)) {
    give_up(E2B__CONTAINER(queue->owed.next, e2b_future_t, node), E2B_ECLOSED);
  }
}

int e2b_future_then(e2b_future_t *future, e2b_future_cb callback, void *user_data) {
  if (future == NULL) return E2B_ENOMEM;
  int rc = 0;
  if (callback == NULL) {
    rc = E2B_EINVAL;
  } else if (future->callback != NULL) {
    rc = E2B_EALREADY;
  } else if (future->queue->closed) {
    rc = E2B_ECLOSED;
  }
  if (rc != 0) {
    e2b_future_release(future);
    return rc;
  }
  future->callback = callback;
  future->user_data = user_data;
  if (future->state == DECIDED) e2b__queue_push(future->queue, &future->task);
  return 0;
}

int e2b_future_await(e2b_future_t *future, uint64_t timeout_ms) {
  if (future == NULL) return E2B_ENOMEM;
  if (e2b__calling_out()) return E2B_EREENTRANT;
  const uint64_t start_ns = e2b__monotonic_ns();
  e2b_future_acquire(future);
  int rc = 0;
  while (future->state == PENDING) {
    uint64_t waited_ms = (e2b__monotonic_ns() - start_ns) / 1000000;
    if (timeout_ms != E2B_NO_TIMEOUT && waited_ms >= timeout_ms) break;
    uint64_t left_ms = timeout_ms == E2B_NO_TIMEOUT ? E2B_NO_TIMEOUT : timeout_ms - waited_ms;
    rc = future->queue->ops->turn(future->queue, left_ms);
    if (rc != 0) break;
  }
  if (rc == 0) {
    if (future->state == PENDING) {
      rc = E2B_EAGAIN;
    } else {
      rc = future->error != NULL ? future->error->code : 0;
    }
  }
  e2b_future_release(future);
  return rc;
}

int e2b_future_is_done(const e2b_future_t *future) {
  if (future == NULL) return E2B_ENOMEM;
  return future->state != PENDING;
}

const e2b_error_t *e2b_future_error(const e2b_future_t *future) {
  return future != NULL ? future->error : &e2b__error_no_future;
}

static bool has_value(const e2b_future_t *future, e2b__kind_t kind) {
  if (future == NULL) return false;
  assert(future->kind == kind && "this accessor is of another operation");
  return future->kind == kind && future->state != PENDING && future->error == NULL;
}

const void *e2b__future_value(const e2b_future_t *future, e2b__kind_t kind) {
  return has_value(future, kind) ? future->value : NULL;
}

uint64_t e2b__future_number(const e2b_future_t *future, e2b__kind_t kind) {
  return has_value(future, kind) ? future->number : 0;
}

int e2b_future_bool(const e2b_future_t *future) {
  return e2b__future_number(future, E2B__KIND_BOOL) != 0;
}
