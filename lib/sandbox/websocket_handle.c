/* SPDX-License-Identifier: MIT */
#include "sandbox/websocket.h"

/* What the holder of a WebSocket may do with it. */

typedef struct waiter {
  e2b__list_t node;
  e2b_websocket_t *websocket;
  e2b_future_t *future;
} waiter;

/* --- references ------------------------------------------------------------------------------- */

void e2b__websocket_hold(e2b_websocket_t *websocket) {
  websocket->refs++;
}

void e2b__websocket_drop(e2b_websocket_t *websocket) {
  if (--websocket->refs > 0) return;
  e2b_client_t *client = websocket->client;
  e2b_sandbox_release(websocket->sandbox);
  e2b__arena_free(&websocket->arena);
  e2b__free(websocket);
  e2b__queue_release(&client->queue);
}

e2b_websocket_t *e2b_websocket_acquire(e2b_websocket_t *websocket) {
  if (websocket != NULL) {
    websocket->handles++;
    e2b__websocket_hold(websocket);
  }
  return websocket;
}

/* It lives as long as somebody has an interest in it. */
static void leave_if_unwanted(e2b_websocket_t *websocket) {
  if (websocket->handles > 0 || websocket->waiting > 0) return;
  if (websocket->phase == E2B__WEBSOCKET_PHASE_ENDED) return;
  websocket->phase = E2B__WEBSOCKET_PHASE_ENDED;
  e2b__websocket_hang_up(websocket);
}

void e2b_websocket_release(e2b_websocket_t *websocket) {
  if (websocket == NULL) return;
  websocket->handles--;
  leave_if_unwanted(websocket);
  e2b__websocket_drop(websocket);
}

void e2b__websocket_release_value(void *websocket) {
  e2b_websocket_release(websocket);
}

e2b_websocket_t *e2b_future_websocket(const e2b_future_t *future) {
  const e2b_websocket_t *websocket = e2b__future_value(future, E2B__KIND_WEBSOCKET);
  return e2b_websocket_acquire((e2b_websocket_t *)websocket);
}

const char *e2b_websocket_protocol(const e2b_websocket_t *websocket) {
  return websocket != NULL ? websocket->protocol : "";
}

/* --- the end ---------------------------------------------------------------------------------- */

static void release_end(void *end) {
  e2b__websocket_drop(E2B__CONTAINER(end, e2b_websocket_t, end));
}

static void tell(e2b_websocket_t *websocket, e2b_future_t *future) {
  if (websocket->has_error) {
    /* The future may outlive the handle. */
    e2b_error_t error = e2b__error_copy(e2b__future_arena(future), &websocket->error);
    error.operation = "";
    e2b__future_fail(future, &error);
    return;
  }
  e2b__websocket_hold(websocket);
  e2b__future_succeed(future, &websocket->end, release_end);
}

void e2b__websocket_tell_waiters(e2b_websocket_t *websocket) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&websocket->waiters)) != NULL) {
    waiter *entry = E2B__CONTAINER(node, waiter, node);
    websocket->waiting--;
    tell(websocket, entry->future);
    e2b__free(entry);
    e2b__websocket_drop(websocket);
  }
}

static void abandon_wait(void *work) {
  waiter *entry = work;
  e2b_websocket_t *websocket = entry->websocket;
  e2b__list_remove(&entry->node);
  websocket->waiting--;
  e2b__free(entry);
  leave_if_unwanted(websocket);
  e2b__websocket_drop(websocket);
}

e2b_future_t *e2b_websocket_wait(e2b_websocket_t *websocket) {
  if (websocket == NULL) return NULL;
  e2b_future_t *future =
      e2b__future_new(&websocket->client->queue, E2B__KIND_WEBSOCKET_END, "e2b_websocket_wait");
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (websocket->phase == E2B__WEBSOCKET_PHASE_ENDED) {
    tell(websocket, future);
    return future;
  }
  waiter *entry = e2b__malloc(sizeof *entry);
  if (entry == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  *entry = (waiter){.websocket = websocket, .future = future};
  e2b__list_append(&websocket->waiters, &entry->node);
  websocket->waiting++;
  e2b__websocket_hold(websocket);
  e2b__future_bind(future, abandon_wait, entry);
  return future;
}

const e2b_websocket_end_t *e2b_future_websocket_end(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_WEBSOCKET_END);
}

void e2b_websocket_close(e2b_websocket_t *websocket, unsigned code, const char *reason) {
  if (websocket == NULL || websocket->connection == NULL) return;
  e2b__websocket_close(websocket->connection, code, reason);
}

/* --- sending and reading ---------------------------------------------------------------------- */

static int check(const e2b_websocket_t *websocket, e2b_message_kind_t kind, const void *data,
                 size_t len) {
  if (websocket == NULL || (data == NULL && len > 0)) return E2B_EINVAL;
  if (kind != E2B_MESSAGE_TEXT && kind != E2B_MESSAGE_BINARY) return E2B_EINVAL;
  return websocket->connection != NULL ? 0 : E2B_ECLOSED;
}

int e2b_websocket_send(e2b_websocket_t *websocket, e2b_message_kind_t kind, const void *data,
                       size_t len) {
  const int rc = check(websocket, kind, data, len);
  if (rc != 0) return rc;
  return e2b__websocket_send(websocket->connection, (e2b__websocket_kind_t)kind, data, len);
}

int e2b_websocket_send_part(e2b_websocket_t *websocket, e2b_message_kind_t kind, const void *data,
                            size_t len, int last) {
  const int rc = check(websocket, kind, data, len);
  if (rc != 0) return rc;
  return e2b__websocket_send_part(websocket->connection, (e2b__websocket_kind_t)kind, data, len,
                                  last != 0);
}

size_t e2b_websocket_pending_bytes(const e2b_websocket_t *websocket) {
  if (websocket == NULL || websocket->connection == NULL) return 0;
  return e2b__websocket_pending_bytes(websocket->connection);
}

void e2b_websocket_pause(e2b_websocket_t *websocket) {
  if (websocket == NULL || websocket->connection == NULL) return;
  websocket->paused = true;
  e2b__websocket_pause(websocket->connection);
}

void e2b_websocket_resume(e2b_websocket_t *websocket) {
  if (websocket == NULL || websocket->connection == NULL || !websocket->paused) return;
  websocket->paused = false;
  e2b__websocket_resume(websocket->connection);
}
