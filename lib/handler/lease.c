/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "handler/handler.h"

/* Handles of sandboxes, kept so that a request need not ask the control plane whose the sandbox is
 * and where. The least recently used go when there are too many: they are found again by asking. */

enum { MOST_LEASES = 4096 };

static void lease_free(e2b_handler_t *handler, e2b__lease_t *lease) {
  e2b__list_remove(&lease->node);
  handler->leases_count--;
  if (lease->counted) lease->caller->sandboxes--;
  e2b_sandbox_release(lease->sandbox);
  e2b__caller_drop(lease->caller);
  e2b__free(lease);
}

static void to_front(e2b_handler_t *handler, e2b__lease_t *lease) {
  e2b__list_remove(&lease->node);
  e2b__list_append(handler->leases.next, &lease->node);
}

e2b__lease_t *e2b__lease_find(e2b_handler_t *handler, const e2b__caller_t *caller, const char *id) {
  for (e2b__list_t *node = handler->leases.next; node != &handler->leases; node = node->next) {
    e2b__lease_t *lease = E2B__CONTAINER(node, e2b__lease_t, node);
    if (lease->caller != caller || strcmp(e2b_sandbox_id(lease->sandbox), id) != 0) continue;
    to_front(handler, lease);
    return lease;
  }
  return NULL;
}

/* The one that a full house can do without: it is not counted, so nobody's limit widens. */
static void make_room(e2b_handler_t *handler) {
  for (e2b__list_t *node = handler->leases.prev; node != &handler->leases; node = node->prev) {
    e2b__lease_t *lease = E2B__CONTAINER(node, e2b__lease_t, node);
    if (lease->counted) continue;
    lease_free(handler, lease);
    return;
  }
}

int e2b__lease_add(e2b_handler_t *handler, e2b__caller_t *caller, e2b_sandbox_t *sandbox,
                   e2b_runtime_t runtime, bool counted, uint64_t life_ms) {
  /* A life is given in whole seconds, rounded up. */
  const uint64_t ends_at_ms =
      e2b__time_after(uv_now(handler->client->loop), e2b__time_after(life_ms, 999));
  e2b__lease_t *lease = e2b__lease_find(handler, caller, e2b_sandbox_id(sandbox));
  if (lease != NULL) { /* two requests have connected to it at once */
    if (lease->ends_at_ms < ends_at_ms) lease->ends_at_ms = ends_at_ms;
    return 0;
  }
  if (handler->leases_count >= MOST_LEASES) make_room(handler);
  lease = e2b__calloc(1, sizeof *lease);
  if (lease == NULL) return E2B_ENOMEM;
  lease->caller = caller;
  caller->refs++;
  lease->sandbox = e2b_sandbox_acquire(sandbox);
  lease->runtime = runtime;
  lease->counted = counted;
  if (counted) caller->sandboxes++;
  lease->ends_at_ms = ends_at_ms;
  e2b__list_init(&lease->node);
  e2b__list_append(handler->leases.next, &lease->node);
  handler->leases_count++;
  return 0;
}

void e2b__lease_forget(e2b_handler_t *handler, const char *id) {
  e2b__list_t *node = handler->leases.next;
  while (node != &handler->leases) {
    e2b__lease_t *lease = E2B__CONTAINER(node, e2b__lease_t, node);
    node = node->next;
    if (id == NULL || strcmp(e2b_sandbox_id(lease->sandbox), id) == 0) lease_free(handler, lease);
  }
}

void e2b__lease_expire(e2b_handler_t *handler) {
  const uint64_t now = uv_now(handler->client->loop);
  e2b__list_t *node = handler->leases.next;
  while (node != &handler->leases) {
    e2b__lease_t *lease = E2B__CONTAINER(node, e2b__lease_t, node);
    node = node->next;
    if (lease->ends_at_ms <= now) lease_free(handler, lease);
  }
}
