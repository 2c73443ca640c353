/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "proto/base64.h"
#include "terminal/endpoint.h"
#include "terminal/line.h"
#include "terminal/terminal.h"

/* A terminal of a ttyd (protocol 7.4). The program lives as long as the connection, so there is no
 * coming back to one. No message is ever empty: the server would die of it. No pause and no resume
 * are sent: the one does nothing and the other loses output. */

enum { PORT = 7681, CHUNK_BYTES = 4096 };

typedef struct ttyd {
  e2b__transport_t base;
  e2b__websocket_t *socket;
  e2b__delay_t *clock; /* until it speaks */
  char *base_url;
  char *token; /* user:password in base64; "" for none */
  uint16_t port;
  uint32_t liveness_ms;
  bool speaking;  /* the server has said something: it runs the program */
  bool is_output; /* of the message that is coming */
  e2b__line_t line;
} ttyd;

static ttyd *ttyd_of(e2b__transport_t *transport) {
  return (ttyd *)transport;
}

static void free_ttyd(ttyd *it) {
  e2b__endpoint_stop_clock(&it->clock);
  if (it->socket != NULL) e2b__websocket_destroy(it->socket);
  e2b__line_free(&it->line);
  e2b__free(it->base_url);
  e2b__free(it->token);
  e2b__free(it);
}

/* --- what goes ----------------------------------------------------------------------------------
 */

/* 0 or E2B_ENOMEM. */
static int pump(ttyd *it) {
  char message[1 + CHUNK_BYTES];
  if (!it->speaking) return 0;
  message[0] = '0';
  for (;;) {
    size_t len = e2b__line_len(&it->line);
    if (len > CHUNK_BYTES) len = CHUNK_BYTES;
    if (len == 0) return 0;
    memcpy(message + 1, e2b__line_data(&it->line), len);
    const int rc = e2b__websocket_send(it->socket, E2B__WEBSOCKET_BINARY, message, 1 + len);
    if (rc != 0) return rc == E2B_ENOMEM ? rc : 0;
    e2b__line_take(&it->line, len);
  }
}

static int send_size(e2b__transport_t *transport) {
  ttyd *it = ttyd_of(transport);
  e2b_terminal_t *terminal = transport->terminal;
  char text[64];
  const int len =
      snprintf(text, sizeof text, "1{\"columns\":%u,\"rows\":%u}", terminal->cols, terminal->rows);
  const int rc = e2b__websocket_send(it->socket, E2B__WEBSOCKET_BINARY, text, (size_t)len);
  terminal->resized = rc != 0;
  if (rc == E2B_ENOMEM) e2b__terminal_stalled(terminal);
  return 0;
}

static void on_clock(void *ctx) {
  ttyd *it = ctx;
  it->clock = NULL;
  const e2b_error_t error = e2b__endpoint_silent();
  e2b__terminal_failed(it->base.terminal, &error, true);
}

static void on_open(void *ctx, const char *protocol) {
  ttyd *it = ctx;
  const e2b_terminal_t *terminal = it->base.terminal;
  (void)protocol;
  char *hello = e2b__format("{\"AuthToken\":\"%s\",\"columns\":%u,\"rows\":%u}", it->token,
                            terminal->cols, terminal->rows);
  int rc = hello != NULL
               ? e2b__websocket_send(it->socket, E2B__WEBSOCKET_BINARY, hello, strlen(hello))
               : E2B_ENOMEM;
  e2b__free(hello);
  if (rc == 0) {
    it->clock = e2b__endpoint_clock(terminal->sandbox, on_clock, it);
    return;
  }
  const e2b_error_t error = e2b__error(rc);
  e2b__terminal_failed(it->base.terminal, &error, true);
}

/* --- what comes ---------------------------------------------------------------------------------
 */

static void on_data(void *ctx, const char *data, size_t len, bool first, bool last) {
  ttyd *it = ctx;
  (void)last;
  if (len == 0) return;
  if (first) {
    it->is_output = *data == '0'; /* else a title or preferences */
    data++;
    len--;
    if (!it->speaking) {
      const e2b__terminal_opened_t opened = {.id = ""};
      it->speaking = true;
      e2b__endpoint_stop_clock(&it->clock);
      if (!e2b__terminal_opened(it->base.terminal, &opened)) return;
      if (pump(it) != 0) e2b__terminal_stalled(it->base.terminal);
    }
  }
  if (it->is_output && len > 0) e2b__terminal_data(it->base.terminal, data, len);
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  (void)kind; /* text: no version of it is known to send any */
  on_data(ctx, data, len, true, true);
}

static void on_drain(void *ctx) {
  ttyd *it = ctx;
  if (it->speaking && it->base.terminal->resized) send_size(&it->base);
  if (pump(it) != 0) e2b__terminal_stalled(it->base.terminal);
  e2b__terminal_room(it->base.terminal);
}

/* The end of the program has many forms: a close frame with 1000, one with 1006, which nobody may
 * send, or none at all. The last looks like a connection that the server has closed in order. */
static bool is_exit(const ttyd *it, const e2b__websocket_end_t *end) {
  if (!it->speaking || end->close_code == 1008) return false;
  return end->code == 0 || end->code == E2B_EPROTOCOL ||
         (end->code == E2B_ECONNLOST && end->finished);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  ttyd *it = ctx;
  it->socket = NULL;
  if (is_exit(it, end)) {
    const e2b_terminal_exit_t unknown = {0, -1, 0};
    e2b__terminal_exited(it->base.terminal, &unknown);
    return;
  }
  e2b__arena_t arena = {0};
  e2b_error_t error = e2b__endpoint_error(&arena, end);
  /* It refuses without a word (protocol 7.4). */
  if (end->close_code == 1008) {
    error = e2b__error_text(&arena, E2B_EAUTH, "%s: ttyd wants another credential",
                            e2b_code_text(E2B_EAUTH));
  }
  e2b__terminal_failed(it->base.terminal, &error, true);
  e2b__arena_free(&arena);
}

static const e2b__websocket_events_t events = {on_open, on_message, on_data, on_drain, on_closed};

/* --- the interface ------------------------------------------------------------------------------
 */

static int open_ttyd(e2b__transport_t *transport) {
  ttyd *it = ttyd_of(transport);
  e2b_sandbox_t *sandbox = transport->terminal->sandbox;
  e2b__dialer_t *dialer = e2b__client_dialer(sandbox->client);
  if (dialer == NULL) return E2B_ENOMEM;
  e2b__endpoint_t endpoint;
  int rc = e2b__endpoint_init(&endpoint, sandbox, it->port, it->base_url);
  char *target = rc == 0 ? e2b__format("%s/ws", endpoint.path) : NULL;
  char *basic = rc == 0 ? e2b__format("Basic %s", it->token) : NULL;
  if (rc == 0 && (target == NULL || basic == NULL)) rc = E2B_ENOMEM;
  if (rc == 0) {
    if (*it->token != '\0') e2b__endpoint_header(&endpoint, "Authorization", basic);
    e2b__websocket_options_t options = e2b__endpoint_websocket(&endpoint, target);
    options.protocols = "tty";
    options.ping_interval_ms = it->liveness_ms / 2;
    options.liveness_ms = it->liveness_ms;
    rc = e2b__websocket_open(dialer, &options, &events, it, &it->socket);
  }
  e2b__free(target);
  e2b__free(basic);
  e2b__endpoint_free(&endpoint);
  return rc;
}

static char *encode(const char *credential) {
  if (credential == NULL) return e2b__strdup("");
  const size_t len = e2b__base64_encoded_size(strlen(credential));
  char *token = e2b__malloc(len + 1);
  if (token == NULL) return NULL;
  e2b__base64_encode(credential, strlen(credential), token);
  token[len] = '\0';
  return token;
}

static int make(e2b_terminal_t *terminal, const e2b__terminal_spec_t *spec,
                e2b__transport_t **transport) {
  if (spec->attach_id != NULL) return E2B_EUNIMPLEMENTED; /* nobody can come back to one */
  ttyd *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) return E2B_ENOMEM;
  it->base.ops = &e2b__transport_ttyd;
  it->base.terminal = terminal;
  it->port = spec->options.port != 0 ? spec->options.port : PORT;
  it->liveness_ms = e2b__endpoint_liveness(spec->options.liveness_ms);
  e2b__line_init(&it->line);
  it->base_url = e2b__strdup(spec->options.base_url);
  it->token = encode(spec->options.credential);
  if (it->token == NULL || (it->base_url == NULL && spec->options.base_url != NULL)) {
    free_ttyd(it);
    return E2B_ENOMEM;
  }
  *transport = &it->base;
  return 0;
}

static int write_input(e2b__transport_t *transport, const char *data, size_t len) {
  ttyd *it = ttyd_of(transport);
  const int rc = e2b__line_add(&it->line, data, len);
  if (rc == 0 && pump(it) != 0) e2b__terminal_stalled(transport->terminal);
  return rc;
}

static void go_on(e2b__transport_t *transport) {
  ttyd *it = ttyd_of(transport);
  int rc = pump(it);
  if (rc == 0 && transport->terminal->resized) {
    send_size(transport);
    if (transport->terminal->resized) rc = E2B_ENOMEM;
  }
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  e2b__terminal_failed(transport->terminal, &error, true);
}

static size_t waiting(const e2b__transport_t *transport) {
  const ttyd *it = (const ttyd *)transport;
  return e2b__line_len(&it->line);
}

typedef struct hang_up {
  e2b__task_t task;
  e2b_terminal_t *terminal;
} hang_up;

static void on_hung_up(e2b__task_t *task) {
  hang_up *it = E2B__CONTAINER(task, hang_up, task);
  e2b_terminal_t *terminal = it->terminal;
  e2b__free(it);
  if (terminal->state == E2B__TERMINAL_OPEN) {
    const e2b_terminal_exit_t unknown = {0, -1, 0};
    e2b__terminal_exited(terminal, &unknown);
  }
  e2b__terminal_drop(terminal);
}

/* Its server ends the program when the connection ends. */
static e2b_future_t *send_signal(e2b__transport_t *transport, int signal_number, const char *name) {
  e2b_terminal_t *terminal = transport->terminal;
  if (signal_number != SIGKILL) return e2b__terminal_type_signal(transport, signal_number, name);
  e2b__queue_t *queue = &e2b__terminal_client(terminal)->queue;
  e2b_future_t *future = e2b__future_new(queue, E2B__KIND_BOOL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  hang_up *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  it->terminal = terminal;
  terminal->refs++;
  e2b__task_init(&it->task, on_hung_up);
  e2b__queue_push(queue, &it->task);
  e2b__future_succeed_number(future, 1);
  return future;
}

static void pause_output(e2b__transport_t *transport) {
  ttyd *it = ttyd_of(transport);
  if (it->socket != NULL) e2b__websocket_pause(it->socket);
}

static void resume_output(e2b__transport_t *transport) {
  ttyd *it = ttyd_of(transport);
  if (it->socket != NULL) e2b__websocket_resume(it->socket);
}

static void close_ttyd(e2b__transport_t *transport, int code) {
  (void)code;
  free_ttyd(ttyd_of(transport));
}

const e2b__transport_ops_t e2b__transport_ttyd = {
    E2B_TRANSPORT_TTYD, "ttyd",      make,         open_ttyd,     write_input, waiting,
    send_size,          send_signal, pause_output, resume_output, go_on,       close_ttyd};
