/* SPDX-License-Identifier: MIT */
#include "terminal/jupyter.h"

#include <signal.h>
#include <stdio.h>

/* The connection to a terminal of a Jupyter server. It may be lost and made again: the terminal
 * lives on, and the server keeps some of its output. */

static e2b__jupyter_t *jupyter_of(e2b__transport_t *transport) {
  return (e2b__jupyter_t *)transport;
}

static void free_jupyter(e2b__jupyter_t *jupyter) {
  if (jupyter->making != NULL) {
    e2b_future_cancel(jupyter->making);
    e2b_future_release(jupyter->making);
  }
  e2b__endpoint_stop_clock(&jupyter->clock);
  if (jupyter->socket != NULL) e2b__websocket_destroy(jupyter->socket);
  e2b__line_free(&jupyter->line);
  e2b__buffer_free(&jupyter->text);
  e2b__free(jupyter->base_url);
  e2b__free(jupyter->credential);
  e2b__free(jupyter);
}

void e2b__jupyter_fail(e2b__jupyter_t *jupyter, const e2b_error_t *error, bool final) {
  if (jupyter->socket != NULL) e2b__websocket_destroy(jupyter->socket);
  jupyter->socket = NULL;
  jupyter->state = E2B__JUPYTER_APART;
  e2b__endpoint_stop_clock(&jupyter->clock);
  e2b__terminal_failed(jupyter->base.terminal, error, final);
}

static void on_clock(void *ctx) {
  e2b__jupyter_t *jupyter = ctx;
  jupyter->clock = NULL;
  const e2b_error_t error = e2b__endpoint_silent();
  e2b__jupyter_fail(jupyter, &error, false);
}

void e2b__jupyter_start_clock(e2b__jupyter_t *jupyter) {
  jupyter->clock = e2b__endpoint_clock(jupyter->base.terminal->sandbox, on_clock, jupyter);
}

void e2b__jupyter_gone(e2b__jupyter_t *jupyter, const e2b__websocket_end_t *end) {
  e2b__arena_t arena = {0};
  jupyter->socket = NULL;
  e2b_error_t error = e2b__endpoint_error(&arena, end);
  if (error.code == E2B_ENOTFOUND && jupyter->base.terminal->state == E2B__TERMINAL_LOST) {
    error = e2b__error_text(&arena, E2B_ENORESULT, "%s: the terminal is there no more",
                            e2b_code_text(E2B_ENORESULT));
  }
  e2b__jupyter_explain(&arena, jupyter->credential != NULL, &error);
  e2b__jupyter_fail(jupyter, &error, e2b__endpoint_is_final(error.code));
  e2b__arena_free(&arena);
}

static int connect_socket(e2b__jupyter_t *jupyter) {
  e2b_sandbox_t *sandbox = jupyter->base.terminal->sandbox;
  e2b__dialer_t *dialer = e2b__client_dialer(sandbox->client);
  if (dialer == NULL) return E2B_ENOMEM;
  e2b__endpoint_t endpoint;
  int rc = e2b__endpoint_init(&endpoint, sandbox, jupyter->server.port, jupyter->server.base_url);
  if (rc == 0) rc = e2b__jupyter_authorize(&endpoint, jupyter->server.credential);
  char *target =
      rc == 0 ? e2b__format("%s/terminals/websocket/%s", endpoint.path, jupyter->name) : NULL;
  if (rc == 0 && target == NULL) rc = E2B_ENOMEM;
  if (rc == 0) {
    e2b__websocket_options_t options = e2b__endpoint_websocket(&endpoint, target);
    options.ping_interval_ms = jupyter->liveness_ms / 2;
    options.liveness_ms = jupyter->liveness_ms;
    options.quick_ack = !endpoint.secure;
    rc = e2b__websocket_open(dialer, &options, &e2b__jupyter_events, jupyter, &jupyter->socket);
  }
  e2b__free(target);
  e2b__endpoint_free(&endpoint);
  if (rc == 0) jupyter->state = E2B__JUPYTER_CONNECTING;
  return rc;
}

void e2b__jupyter_made(e2b__jupyter_t *jupyter, const e2b_error_t *error) {
  if (error != NULL) {
    e2b__jupyter_fail(jupyter, error, true);
    return;
  }
  jupyter->made = jupyter->fresh = true;
  const int rc = connect_socket(jupyter);
  if (rc == 0) return;
  const e2b_error_t own = e2b__error(rc);
  e2b__jupyter_fail(jupyter, &own, rc != E2B_ENOMEM);
}

static int open_jupyter(e2b__transport_t *transport) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  if (jupyter->made) return connect_socket(jupyter);
  jupyter->state = E2B__JUPYTER_MAKING;
  return e2b__jupyter_make(jupyter, transport->terminal->spec);
}

static int make(e2b_terminal_t *terminal, const e2b__terminal_spec_t *spec,
                e2b__transport_t **transport) {
  if (spec->options.user != NULL) return E2B_EUNIMPLEMENTED; /* it is the server's */
  if (spec->attach_id != NULL && !e2b__jupyter_is_name(spec->attach_id)) return E2B_EINVAL;
  e2b__jupyter_t *jupyter = e2b__calloc(1, sizeof *jupyter);
  if (jupyter == NULL) return E2B_ENOMEM;
  jupyter->base.ops = &e2b__transport_jupyter;
  jupyter->base.terminal = terminal;
  jupyter->made = spec->attach_id != NULL;
  jupyter->liveness_ms = e2b__endpoint_liveness(spec->options.liveness_ms);
  e2b__line_init(&jupyter->line);
  e2b__buffer_init(&jupyter->text, 256 << 20);
  if (spec->attach_id != NULL) {
    snprintf(jupyter->name, sizeof jupyter->name, "%s", spec->attach_id);
  } else {
    uint64_t number = 0;
    uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
    snprintf(jupyter->name, sizeof jupyter->name, "e2b_%016llx", (unsigned long long)number);
  }
  jupyter->base_url = e2b__strdup(spec->options.base_url);
  jupyter->credential = e2b__strdup(spec->options.credential);
  jupyter->server.port = spec->options.port != 0 ? spec->options.port : E2B__JUPYTER_PORT;
  jupyter->server.base_url = jupyter->base_url;
  jupyter->server.credential = jupyter->credential;
  if ((jupyter->base_url == NULL && spec->options.base_url != NULL) ||
      (jupyter->credential == NULL && spec->options.credential != NULL)) {
    free_jupyter(jupyter);
    return E2B_ENOMEM;
  }
  *transport = &jupyter->base;
  return 0;
}

static int write_input(e2b__transport_t *transport, const char *data, size_t len) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  const int rc = e2b__line_add(&jupyter->line, data, len);
  if (rc == 0 && e2b__jupyter_pump(jupyter) != 0) e2b__terminal_stalled(transport->terminal);
  return rc;
}

static void go_on(e2b__transport_t *transport) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  int rc = e2b__jupyter_pump(jupyter);
  if (rc == 0 && transport->terminal->resized) {
    e2b__jupyter_send_size(jupyter);
    if (transport->terminal->resized) rc = E2B_ENOMEM;
  }
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  e2b__jupyter_fail(jupyter, &error, false);
}

static size_t waiting(const e2b__transport_t *transport) {
  const e2b__jupyter_t *jupyter = (const e2b__jupyter_t *)transport;
  return e2b__line_len(&jupyter->line);
}

static int resize(e2b__transport_t *transport) {
  return e2b__jupyter_send_size(jupyter_of(transport));
}

static e2b_future_t *send_signal(e2b__transport_t *transport, int signal_number, const char *name) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  e2b_sandbox_t *sandbox = transport->terminal->sandbox;
  if (signal_number == SIGKILL) {
    return e2b__jupyter_delete(sandbox, &jupyter->server, jupyter->name, name);
  }
  return e2b__terminal_type_signal(transport, signal_number, name);
}

static void pause_output(e2b__transport_t *transport) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  if (jupyter->socket != NULL) e2b__websocket_pause(jupyter->socket);
}

static void resume_output(e2b__transport_t *transport) {
  e2b__jupyter_t *jupyter = jupyter_of(transport);
  if (jupyter->socket != NULL) e2b__websocket_resume(jupyter->socket);
}

static void close_jupyter(e2b__transport_t *transport, int code) {
  (void)code;
  free_jupyter(jupyter_of(transport));
}

const e2b__transport_ops_t e2b__transport_jupyter = {
    E2B_TRANSPORT_JUPYTER, "jupyter",    make,          open_jupyter, write_input,  waiting, resize,
    send_signal,           pause_output, resume_output, go_on,        close_jupyter};
