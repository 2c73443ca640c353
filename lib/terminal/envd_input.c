/* SPDX-License-Identifier: MIT */
#include "proto/envelope.h"
#include "proto/process.h"
#include "terminal/envd.h"

/* Keystrokes on one StreamInput request, because unary calls may overtake each other and cost the
 * service twice as much (protocol 5.9, 5.13). The service answers only when the request ends, so it
 * ends when nobody types for a while: then an idle terminal holds one exchange instead of two, and
 * no proxy cuts a request that has been silent for too long. Nothing is sent twice. */

enum { IDLE_MS = 5000, CHUNK_BYTES = 16 << 10, LAST_ANSWER_MS = 10000 };

static void stop_idle_clock(e2b__envd_t *envd) {
  if (envd->input_idle != NULL) e2b__delay_cancel(envd->input_idle);
  envd->input_idle = NULL;
}

static int put_message(e2b__envd_t *envd, const e2b__stream_input_request_t *message) {
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  e2b__buffer_clear(&envd->frame);
  envd->frame_sent = 0;
  int rc = e2b__buffer_append(&envd->frame, prefix, sizeof prefix);
  if (rc == 0) {
    rc = e2b__message_encode(&e2b__stream_input_request, message,
                             e2b__daemon_encoding(e2b__terminal_client(envd->base.terminal)),
                             &envd->frame);
  }
  if (rc == 0) {
    e2b__envelope_prefix(prefix, 0, envd->frame.len - sizeof prefix);
    memcpy(envd->frame.data, prefix, sizeof prefix);
  }
  return rc;
}

static int put_start(e2b__envd_t *envd) {
  e2b__process_selector_t selector = {true, envd->pid, {NULL, 0}};
  e2b__process_selector_request_t start = {&selector};
  const e2b__stream_input_request_t message = {&start, NULL, NULL};
  return put_message(envd, &message);
}

static int put_data(e2b__envd_t *envd) {
  size_t len = e2b__line_len(&envd->line);
  if (len > CHUNK_BYTES) len = CHUNK_BYTES;
  e2b__process_input_t bytes = {{NULL, 0}, {e2b__line_data(&envd->line), len}};
  e2b__stream_input_data_t data = {&bytes};
  const e2b__stream_input_request_t message = {NULL, &data, NULL};
  const int rc = put_message(envd, &message);
  if (rc == 0) e2b__line_take(&envd->line, len);
  return rc;
}

/* curl asks for bytes. */
static size_t source(void *ctx, char *to, size_t size, bool *end) {
  e2b__envd_t *envd = ctx;
  *end = false;
  if (envd->frame_sent == envd->frame.len) {
    if (e2b__line_len(&envd->line) == 0) {
      *end = envd->input_state == E2B__ENVD_INPUT_ENDING;
      return 0;
    }
    /* Without memory this request ends in order, and the next one goes on. */
    if (put_data(envd) != 0) {
      e2b__buffer_clear(&envd->frame);
      envd->frame_sent = 0;
      envd->input_state = E2B__ENVD_INPUT_ENDING;
      *end = true;
      return 0;
    }
  }
  size_t len = envd->frame.len - envd->frame_sent;
  if (len > size) len = size;
  memcpy(to, envd->frame.data + envd->frame_sent, len);
  envd->frame_sent += len;
  if (envd->base.terminal->refused) {
    e2b__queue_push(&e2b__terminal_client(envd->base.terminal)->queue, &envd->room);
  }
  return len;
}

static int on_data(void *ctx, const char *data, size_t len) {
  (void)ctx; /* how it ended matters, not what was said: the output's stream tells of the program */
  (void)data;
  (void)len;
  return 0;
}

static void forget_exchange(e2b__envd_t *envd) {
  envd->input = NULL;
  envd->input_state = E2B__ENVD_INPUT_CLOSED;
  stop_idle_clock(envd);
  e2b__buffer_free(&envd->frame);
  envd->frame_sent = 0;
}

static void on_done(void *ctx, const e2b__http_result_t *result) {
  e2b__envd_t *envd = ctx;
  const bool asked_to_end = envd->input_state == E2B__ENVD_INPUT_ENDING;
  forget_exchange(envd);
  if (result->code == 0 && result->status == 200) {
    /* A refusal comes early: the program has gone, or its end of the terminal. */
    if (!asked_to_end) e2b__line_take(&envd->line, e2b__line_len(&envd->line));
    if (e2b__envd_input_pump(envd) != 0) e2b__terminal_stalled(envd->base.terminal);
    return;
  }
  e2b__arena_t arena = {0};
  e2b__call_result_t call = {0};
  call.code = result->code != 0 ? result->code : E2B_ECONNLOST;
  call.status = result->status;
  call.clock = result->clock;
  call.maybe_received = true;
  call.why = result->code != 0 ? result->why : "the input was not taken";
  const e2b_error_t error = e2b__transport_error(&arena, envd->input_url, &call);
  e2b__envd_lost(envd, &error);
  e2b__arena_free(&arena);
}

static const e2b__http_events_t events = {on_data, on_done};

static void on_idle(void *ctx) {
  e2b__envd_t *envd = ctx;
  e2b_client_t *client = e2b__terminal_client(envd->base.terminal);
  envd->input_idle = NULL;
  const uint64_t silent_ms = uv_now(client->loop) - envd->typed_ms;
  const bool more = e2b__line_len(&envd->line) > 0 || envd->frame_sent < envd->frame.len;
  if (!more && silent_ms >= IDLE_MS) {
    envd->input_state = E2B__ENVD_INPUT_ENDING;
    e2b__exchange_continue_body(envd->input);
    e2b__exchange_hurry(envd->input, LAST_ANSWER_MS);
    return;
  }
  const uint64_t left_ms = more || silent_ms >= IDLE_MS ? IDLE_MS : IDLE_MS - silent_ms;
  envd->input_idle = e2b__delay_start(client->http, left_ms, on_idle, envd);
}

static int open_exchange(e2b__envd_t *envd) {
  e2b_client_t *client = e2b__terminal_client(envd->base.terminal);
  const e2b_sandbox_t *sandbox = envd->base.terminal->sandbox;
  if (envd->input_url == NULL) {
    envd->input_url = e2b__format("%s/process.Process/StreamInput", sandbox->daemon_url);
    if (envd->input_url == NULL) return E2B_ENOMEM;
  }
  const int rc = put_start(envd);
  if (rc != 0) return rc;
  e2b__http_request_t request;
  memset(&request, 0, sizeof request);
  request.method = "POST";
  request.url = envd->input_url;
  request.headers = sandbox->stream;
  request.source = source;
  request.stream = true;
  envd->input = e2b__exchange_start(client->http, &request, &events, envd);
  if (envd->input == NULL) return E2B_ENOMEM;
  envd->input_state = E2B__ENVD_INPUT_OPEN;
  envd->input_idle = e2b__delay_start(client->http, IDLE_MS, on_idle, envd);
  return 0;
}

static void on_room(e2b__task_t *task) {
  e2b__terminal_room(E2B__CONTAINER(task, e2b__envd_t, room)->base.terminal);
}

void e2b__envd_input_init(e2b__envd_t *envd) {
  e2b__task_init(&envd->room, on_room);
  e2b__line_init(&envd->line);
  e2b__buffer_init(&envd->frame, SIZE_MAX / 4);
}

int e2b__envd_input_pump(e2b__envd_t *envd) {
  if (!envd->connected || e2b__line_len(&envd->line) == 0) return 0;
  envd->typed_ms = uv_now(e2b__terminal_client(envd->base.terminal)->loop);
  switch (envd->input_state) {
  case E2B__ENVD_INPUT_CLOSED: return open_exchange(envd);
  case E2B__ENVD_INPUT_OPEN: e2b__exchange_continue_body(envd->input); return 0;
  case E2B__ENVD_INPUT_ENDING: return 0; /* the next request follows its answer */
  }
  return 0;
}

void e2b__envd_input_drop(e2b__envd_t *envd) {
  if (envd->input != NULL) e2b__exchange_cancel(envd->input);
  forget_exchange(envd);
}

void e2b__envd_input_free(e2b__envd_t *envd) {
  e2b__envd_input_drop(envd);
  e2b__queue_cancel(&envd->room);
  e2b__line_free(&envd->line);
  e2b__free(envd->input_url);
}
