/* SPDX-License-Identifier: MIT */
#include "host/waiter.h"

#include "host/control.h"

/* In the request's arena; request->state. */
typedef struct waiter {
  e2b__list_t node;
  e2b__host_request_t *request;
  e2b__host_wait_kind_t kind;
} waiter_t;

static void wait_in(e2b__host_request_t *request, e2b__list_t *list, e2b__host_wait_kind_t kind) {
  waiter_t *waiter = e2b__arena_alloc(&request->arena, sizeof *waiter);
  if (waiter == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  waiter->request = request;
  waiter->kind = kind;
  request->state = waiter;
  e2b__list_append(list, &waiter->node);
}

void e2b__host_wait(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox,
                    e2b__host_wait_kind_t kind) {
  wait_in(request, &sandbox->waiters, kind);
}

void e2b__host_wait_in(e2b__host_request_t *request, e2b__list_t *list) {
  wait_in(request, list, E2B__WAIT_OTHER);
}

e2b__host_request_t *e2b__host_waiter_take(e2b__list_t *list) {
  e2b__list_t *node = e2b__list_take(list);
  if (node == NULL) return NULL;
  e2b__host_request_t *request = E2B__CONTAINER(node, waiter_t, node)->request;
  request->state = NULL;
  return request;
}

void e2b__host_waiter_gone(e2b__host_request_t *request) {
  waiter_t *waiter = request->state;
  if (waiter != NULL) e2b__list_remove(&waiter->node);
  request->state = NULL;
}

bool e2b__host_has_waiters(const e2b__host_sandbox_t *sandbox, e2b__host_wait_kind_t kind) {
  const e2b__list_t *all = &sandbox->waiters;
  for (const e2b__list_t *node = all->next; node != all; node = node->next)
    if (E2B__CONTAINER(node, const waiter_t, node)->kind == kind) return true;
  return false;
}

static void refuse(e2b__host_request_t *request, const e2b__host_sandbox_t *sandbox,
                   e2b__host_wait_kind_t kind) {
  if (kind == E2B__WAIT_CREATE)
    e2b__host_answer_error(request, 500, "Failed to create sandbox%s%.400s",
                           sandbox->complaint[0] != '\0' ? ": " : "", sandbox->complaint);
  else
    e2b__host_answer_no_sandbox(request, sandbox->id);
}

void e2b__host_waiters_answer(e2b__host_sandbox_t *sandbox, e2b__host_wait_kind_t kind, bool ok) {
  e2b__list_t *all = &sandbox->waiters, *next;
  for (e2b__list_t *node = all->next; node != all; node = next) {
    waiter_t *waiter = E2B__CONTAINER(node, waiter_t, node);
    next = node->next;
    if (waiter->kind != kind) continue;
    e2b__list_remove(node);
    waiter->request->state = NULL;
    if (!ok)
      refuse(waiter->request, sandbox, kind);
    else if (kind == E2B__WAIT_PAUSE)
      e2b__host_answer_bytes(waiter->request, 204, NULL, "", 0);
    else
      e2b__host_answer_sandbox(waiter->request, sandbox, 201);
  }
}
