/* SPDX-License-Identifier: MIT */
#include "sandbox/websocket.h"

enum { PING_MS = 30000, SILENCE_MS = 90000 };

/* A WebSocket from its opening to its outcome. */

void e2b__websocket_hang_up(e2b_websocket_t *websocket) {
  e2b__list_remove(&websocket->guest.node);
  e2b__queue_cancel(&websocket->begin);
  if (websocket->connection != NULL) {
    e2b__websocket_destroy(websocket->connection);
    websocket->connection = NULL;
    e2b__websocket_drop(websocket);
  }
  if (websocket->probe != NULL) {
    e2b__probe_cancel(websocket->probe);
    websocket->probe = NULL;
    e2b__websocket_drop(websocket);
  }
}

static void set_error(e2b_websocket_t *websocket, const e2b_error_t *error) {
  websocket->error = e2b__error_copy(&websocket->arena, error);
  websocket->has_error = true;
}

/* --- outcome ---------------------------------------------------------------------------------- */

/* Its outcome is known. */
static void conclude(e2b_websocket_t *websocket) {
  const bool was_opening = websocket->phase == E2B__WEBSOCKET_PHASE_OPENING;
  e2b__websocket_hold(websocket);
  websocket->phase = E2B__WEBSOCKET_PHASE_ENDED;
  e2b__list_remove(&websocket->guest.node);
  e2b__queue_cancel(&websocket->begin);
  if (was_opening) {
    e2b_future_t *future = websocket->opening;
    websocket->opening = NULL;
    e2b__future_fail(future, &websocket->error);
    e2b__websocket_drop(websocket);
  } else if (websocket->on_closed != NULL && websocket->handles > 0) {
    e2b__call_out_begin();
    websocket->on_closed(websocket, websocket->has_error ? &websocket->error : NULL,
                         websocket->has_end ? &websocket->end : NULL, websocket->user_data);
    e2b__call_out_end();
  }
  e2b__websocket_tell_waiters(websocket);
  e2b__websocket_drop(websocket);
}

static void on_probed(void *ctx, e2b_presence_t presence) {
  e2b_websocket_t *websocket = ctx;
  websocket->probe = NULL;
  e2b__probe_apply(&websocket->arena, websocket->sandbox, presence, &websocket->error);
  conclude(websocket);
  e2b__websocket_drop(websocket);
}

/* What the end of the connection means in the library's own codes. */
static e2b_error_t error_of(e2b_websocket_t *websocket, const e2b__websocket_end_t *end) {
  e2b__arena_t *arena = &websocket->arena;
  if (end->status != 0) {
    e2b__connect_error_t answer;
    if (e2b__connect_error_decode(end->body, end->body_len, arena, &answer) != 0) {
      return e2b__error(E2B_ENOMEM);
    }
    e2b_error_t error = e2b__refusal_error(arena, (int)end->status, &answer);
    error.retry_after_ms = end->retry_after_ms;
    error.attempts = 1;
    return error;
  }
  const e2b__call_result_t result = {.code = end->code,
                                     .clock = end->clock,
                                     .why = end->why,
                                     .maybe_received = end->opened,
                                     .attempts = 1};
  if (end->code == E2B_ETOOBIG && end->opened) {
    return e2b__error_text(arena, E2B_ETOOBIG, "%s: %s", e2b_code_text(E2B_ETOOBIG), end->why);
  }
  return e2b__transport_error(arena, websocket->where, &result);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  e2b_websocket_t *websocket = ctx;
  websocket->connection = NULL;
  if (end->close_code != 0) {
    const char *reason = e2b__arena_strndup(&websocket->arena, end->reason, end->reason_len);
    websocket->end.close_code = end->close_code;
    websocket->end.reason = reason != NULL ? reason : "";
    websocket->has_end = true;
  }
  if (end->code != 0) {
    const e2b_error_t error = error_of(websocket, end);
    set_error(websocket, &error);
  }
  if (end->code == E2B_ECONNLOST && end->opened && websocket->sandbox != NULL) {
    websocket->probe = e2b__probe_start(websocket->sandbox, on_probed, websocket);
  }
  if (websocket->probe != NULL) {
    websocket->phase = E2B__WEBSOCKET_PHASE_PROBING;
    return; /* the connection's reference is the probe's */
  }
  conclude(websocket);
  e2b__websocket_drop(websocket);
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_begin(e2b__task_t *task) {
  e2b_websocket_t *websocket = E2B__CONTAINER(task, e2b_websocket_t, begin);
  if (websocket->connection != NULL && !websocket->paused) {
    e2b__websocket_resume(websocket->connection);
  }
}

static void on_open(void *ctx, const char *protocol) {
  e2b_websocket_t *websocket = ctx;
  e2b_future_t *future = websocket->opening;
  websocket->protocol = "";
  if (protocol != NULL) {
    websocket->protocol = e2b__arena_strndup(&websocket->arena, protocol, strlen(protocol));
  }
  if (websocket->protocol == NULL) {
    const e2b_error_t error = e2b__error(E2B_ENOMEM);
    set_error(websocket, &error);
    e2b__websocket_hold(websocket);
    e2b__websocket_hang_up(websocket);
    conclude(websocket);
    e2b__websocket_drop(websocket);
    return;
  }
  websocket->phase = E2B__WEBSOCKET_PHASE_OPEN;
  websocket->opening = NULL;
  websocket->handles++; /* the future's, with the reference that it had */
  e2b__websocket_pause(websocket->connection);
  e2b__future_succeed(future, websocket, e2b__websocket_release_value);
  if (websocket->connection != NULL) {
    e2b__queue_push(&websocket->client->queue, &websocket->begin);
  }
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  e2b_websocket_t *websocket = ctx;
  if (websocket->on_message == NULL) return;
  e2b__websocket_hold(websocket);
  e2b__call_out_begin();
  websocket->on_message(websocket, (e2b_message_kind_t)kind, data, len, websocket->user_data);
  e2b__call_out_end();
  e2b__websocket_drop(websocket);
}

static void on_data(void *ctx, const char *data, size_t len, bool first, bool last) {
  e2b_websocket_t *websocket = ctx;
  e2b__websocket_hold(websocket);
  e2b__call_out_begin();
  websocket->on_piece(websocket, data, len, first, last, websocket->user_data);
  e2b__call_out_end();
  e2b__websocket_drop(websocket);
}

static void on_drain(void *ctx) {
  e2b_websocket_t *websocket = ctx;
  if (websocket->on_drain == NULL) return;
  e2b__websocket_hold(websocket);
  e2b__call_out_begin();
  websocket->on_drain(websocket, websocket->user_data);
  e2b__call_out_end();
  e2b__websocket_drop(websocket);
}

static const e2b__websocket_events_t whole_events = {on_open, on_message, NULL, on_drain,
                                                     on_closed};
static const e2b__websocket_events_t piece_events = {on_open, on_message, on_data, on_drain,
                                                     on_closed};

/* --- opening ---------------------------------------------------------------------------------- */

static void abandon_opening(void *work) {
  e2b_websocket_t *websocket = work;
  websocket->opening = NULL;
  websocket->phase = E2B__WEBSOCKET_PHASE_ENDED;
  e2b__websocket_hang_up(websocket);
  e2b__websocket_drop(websocket);
}

static void on_client_close(e2b__guest_t *guest) {
  e2b_websocket_t *websocket = E2B__CONTAINER(guest, e2b_websocket_t, guest);
  const e2b_error_t error = e2b__error(E2B_ECLOSED);
  e2b__list_init(&guest->node);
  e2b__websocket_hold(websocket);
  if (websocket->phase != E2B__WEBSOCKET_PHASE_OPENING) { /* else the queue decides the future */
    set_error(websocket, &error);
    websocket->phase = E2B__WEBSOCKET_PHASE_ENDED;
    e2b__websocket_hang_up(websocket);
  }
  e2b__websocket_drop(websocket);
}

static e2b_websocket_t *websocket_new(e2b_client_t *client, e2b_sandbox_t *sandbox,
                                      const e2b_websocket_options *options) {
  e2b_websocket_t *websocket = e2b__calloc(1, sizeof *websocket);
  if (websocket == NULL) return NULL;
  websocket->refs = 1;
  websocket->client = client;
  websocket->sandbox = e2b_sandbox_acquire(sandbox);
  websocket->end.reason = "";
  websocket->on_message = options->on_message;
  websocket->on_piece = options->on_piece;
  websocket->on_drain = options->on_drain;
  websocket->on_closed = options->on_closed;
  websocket->user_data = options->user_data;
  websocket->guest.on_client_close = on_client_close;
  e2b__queue_acquire(&client->queue);
  e2b__list_init(&websocket->guest.node);
  e2b__list_init(&websocket->waiters);
  e2b__task_init(&websocket->begin, on_begin);
  return websocket;
}

static uint64_t clock_of(uint64_t wanted, uint64_t fallback) {
  return wanted == 0 ? fallback : wanted == E2B_NO_TIMEOUT ? 0 : wanted;
}

static int dial(e2b_websocket_t *websocket, const e2b__websocket_target_t *target,
                const e2b_websocket_options *options) {
  e2b__dialer_t *dialer = e2b__client_dialer(websocket->client);
  const bool v6 = strchr(target->host, ':') != NULL;
  char *where = e2b__format(v6 ? "%s://[%s]:%u" : "%s://%s:%u", target->secure ? "wss" : "ws",
                            target->host, target->port);
  if (where != NULL) {
    websocket->where = e2b__arena_strndup(&websocket->arena, where, strlen(where));
  }
  e2b__free(where);
  if (dialer == NULL || websocket->where == NULL) return E2B_ENOMEM;
  const e2b__websocket_options_t inner = {
      .secure = target->secure,
      .host = target->host,
      .port = target->port,
      .target = target->target,
      .headers = target->headers,
      .headers_count = target->headers_count,
      .protocols = options->protocols,
      .connect_timeout_ms = options->connect_timeout_ms,
      .ping_interval_ms = clock_of(options->ping_interval_ms, PING_MS),
      .liveness_ms = clock_of(options->silence_timeout_ms, SILENCE_MS),
      .close_timeout_ms = options->close_timeout_ms,
      .max_message_bytes = options->max_message_bytes,
      .max_pending_bytes = options->max_pending_bytes,
      .quick_ack = options->quick_ack == E2B_ON};
  return e2b__websocket_open(dialer, &inner,
                             options->on_piece != NULL ? &piece_events : &whole_events, websocket,
                             &websocket->connection);
}

typedef struct request {
  const char *name;
  const char *url;
  e2b_sandbox_t *sandbox; /* instead */
  uint16_t port;
  const char *path;
} request;

static e2b_future_t *connect_it(e2b_client_t *client, const request *wanted,
                                const e2b_websocket_options *given) {
  if (client == NULL) return NULL;
  e2b_websocket_options options;
  e2b__options_copy(&options, sizeof options, given);
  e2b_future_t *future = e2b__future_new(&client->queue, E2B__KIND_WEBSOCKET, wanted->name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  e2b_websocket_t *websocket = websocket_new(client, wanted->sandbox, &options);
  if (websocket == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  e2b__websocket_target_t target;
  e2b__arena_t *arena = &websocket->arena;
  int rc = wanted->sandbox != NULL
               ? e2b__websocket_target_of_port(arena, wanted->sandbox, wanted->port, wanted->path,
                                               &options, &target)
               : e2b__websocket_target_of_url(arena, wanted->url, &options, &target);
  if (rc == 0) rc = dial(websocket, &target, &options);
  if (rc != 0) {
    e2b__future_fail_text(
        future, rc, "%s%s", e2b_code_text(rc),
        rc == E2B_EINVAL ? ": the URL (or port and path), a header or the sub-protocols" : "");
    e2b__websocket_drop(websocket);
    return future;
  }
  e2b__websocket_hold(websocket); /* the connection's; ours is the future's now */
  websocket->opening = future;
  e2b__future_bind(future, abandon_opening, websocket);
  e2b__guest_add(client, &websocket->guest);
  return future;
}

e2b_future_t *e2b_websocket_connect(e2b_client_t *client, const char *url,
                                    const e2b_websocket_options *options) {
  const request wanted = {.name = "e2b_websocket_connect", .url = url};
  return connect_it(client, &wanted, options);
}

e2b_future_t *e2b_sandbox_websocket(e2b_sandbox_t *sandbox, uint16_t port, const char *path,
                                    const e2b_websocket_options *options) {
  if (sandbox == NULL) return NULL;
  const request wanted = {
      .name = "e2b_sandbox_websocket", .sandbox = sandbox, .port = port, .path = path};
  return connect_it(sandbox->client, &wanted, options);
}
