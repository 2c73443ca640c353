/* SPDX-License-Identifier: MIT */
#include "handler/socket.h"

#include <wslay/wslay.h>

/* What a page sends to a terminal: keystrokes, pasted text, small commands. */
enum { LONGEST_MESSAGE = 1 << 20 };

struct e2b__server_socket {
  wslay_event_context_ptr wslay;
  e2b_http_stream_t *stream;
  const e2b__server_socket_events_t *events;
  void *ctx;
  const char *in; /* while bytes are being received */
  size_t in_len;
  int rc;    /* of writing to the stream */
  bool busy; /* inside wslay: it must not be freed under its feet */
  bool freed;
};

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *room, size_t size, int flags,
                       void *user_data) {
  e2b__server_socket_t *it = user_data;
  (void)flags;
  if (it->in_len == 0 || it->freed) {
    wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  const size_t len = it->in_len < size ? it->in_len : size;
  memcpy(room, it->in, len);
  it->in += len;
  it->in_len -= len;
  return (ssize_t)len;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *data, size_t len, int flags,
                       void *user_data) {
  e2b__server_socket_t *it = user_data;
  (void)flags;
  it->rc = e2b__http_stream_write(it->stream, data, len);
  if (it->rc == 0) return (ssize_t)len;
  wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user_data) {
  e2b__server_socket_t *it = user_data;
  (void)wslay;
  if (it->freed || wslay_is_ctrl_frame(arg->opcode)) return;
  it->events->on_message(it->ctx, arg->opcode == WSLAY_TEXT_FRAME, (const char *)arg->msg,
                         arg->msg_length);
}

e2b__server_socket_t *e2b__server_socket_new(e2b_http_stream_t *stream,
                                             const e2b__server_socket_events_t *events, void *ctx) {
  static const struct wslay_event_callbacks callbacks = {on_recv, on_send, NULL,      NULL,
                                                         NULL,    NULL,    on_message};
  e2b__server_socket_t *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) return NULL;
  if (wslay_event_context_server_init(&it->wslay, &callbacks, it) != 0) {
    e2b__free(it);
    return NULL;
  }
  wslay_event_config_set_max_recv_msg_length(it->wslay, LONGEST_MESSAGE);
  it->stream = stream;
  it->events = events;
  it->ctx = ctx;
  return it;
}

void e2b__server_socket_free(e2b__server_socket_t *it) {
  if (it == NULL) return;
  it->freed = true;
  if (it->busy) return;
  wslay_event_context_free(it->wslay);
  e2b__free(it);
}

static int flush(e2b__server_socket_t *it) {
  if (it->busy) return 0; /* whoever is inside does it */
  it->busy = true;
  it->rc = 0;
  const int rc = wslay_event_send(it->wslay);
  it->busy = false;
  if (it->rc != 0) return it->rc;
  return rc == 0 ? 0 : E2B_ENOMEM;
}

void e2b__server_socket_receive(e2b__server_socket_t *it, const void *data, size_t len) {
  it->in = data;
  it->in_len = len;
  it->busy = true;
  const int rc = wslay_event_recv(it->wslay);
  it->busy = false;
  if (it->freed) {
    e2b__server_socket_free(it);
    return;
  }
  /* Also after an error: wslay has put a close frame in line, mostly with a code. */
  const int sent = flush(it);
  if (rc != 0 || sent != 0 || wslay_event_get_close_received(it->wslay) ||
      wslay_event_get_close_sent(it->wslay)) {
    it->events->on_closed(it->ctx);
  }
}

static int send_message(e2b__server_socket_t *it, uint8_t opcode, const void *data, size_t len) {
  const struct wslay_event_msg message = {opcode, data, len};
  const int rc = wslay_event_queue_msg(it->wslay, &message);
  if (rc == WSLAY_ERR_NOMEM) return E2B_ENOMEM;
  return rc == 0 ? flush(it) : E2B_ECLOSED;
}

int e2b__server_socket_send(e2b__server_socket_t *it, bool text, const void *data, size_t len) {
  return send_message(it, text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, data, len);
}

int e2b__server_socket_ping(e2b__server_socket_t *it) {
  return send_message(it, WSLAY_PING, NULL, 0);
}

int e2b__server_socket_close(e2b__server_socket_t *it, unsigned code) {
  const int rc = wslay_event_queue_close(it->wslay, (uint16_t)code, NULL, 0);
  if (rc == WSLAY_ERR_NOMEM) return E2B_ENOMEM;
  return rc == 0 ? flush(it) : E2B_ECLOSED;
}
