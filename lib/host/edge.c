/* SPDX-License-Identifier: MIT */
#include "host/edge.h"

#include "host/server.h"

static size_t waiting(const e2b__host_edge_t *edge) {
  return edge->up.len - edge->up_sent;
}

/* ---- the wire to the program ---- */

static void close_wire(e2b__host_edge_t *edge, bool reset) {
  e2b__host_wire_close(edge->wire, reset);
  edge->wire = NULL;
  edge->up_closed = true;
  e2b__buffer_free(&edge->up);
  edge->up_sent = 0;
  e2b__host_request_resume(edge->request);
}

void e2b__host_edge_settle(e2b__host_edge_t *edge) {
  bool room = edge->has_head ? e2b__host_stream_waiting(&edge->stream) < E2B__HOST_STREAM_HIGH : 1;
  if (edge->wire == NULL || edge->tunnel != NULL) return;
  if (edge->answered && (edge->up_closed || (edge->up_whole && waiting(edge) == 0))) {
    close_wire(edge, false);
    return;
  }
  /* A program that answers while it reads cannot be answered to yet: were its answer not taken, it
   * might stop reading, and the two would wait for each other. */
  if (!edge->up_whole) room = true;
  e2b__host_wire_want(edge->wire, (room ? UV_READABLE : 0) |
                                      (waiting(edge) > 0 && !edge->up_closed ? UV_WRITABLE : 0));
}

static void push(e2b__host_edge_t *edge) {
  while (edge->wire != NULL && !edge->up_closed && waiting(edge) > 0) {
    ssize_t sent = e2b__host_wire_write(edge->wire, edge->up.data + edge->up_sent, waiting(edge));
    if (sent == 0) break;
    if (sent < 0) {
      /* It may have answered all the same: that is for the reading side. */
      edge->up_closed = true;
      edge->up_sent = edge->up.len;
    } else {
      edge->up_sent += (size_t)sent;
    }
  }
  if (edge->up_sent == edge->up.len || edge->up_sent >= E2B__HOST_STREAM_HIGH) {
    e2b__buffer_consume(&edge->up, edge->up_sent);
    edge->up_sent = 0;
  }
  if (waiting(edge) < E2B__HOST_STREAM_LOW) e2b__host_request_resume(edge->request);
}

static void on_wire(void *owner, int events) {
  e2b__host_edge_t *edge = owner;
  if (events & UV_WRITABLE) push(edge);
  if (edge->wire != NULL && (events & UV_READABLE)) e2b__host_edge_readable(edge);
  e2b__host_edge_settle(edge);
}

static void on_dialled(void *owner, e2b__host_wire_t *wire) {
  e2b__host_edge_t *edge = owner;
  if (wire == NULL) {
    e2b__host_edge_refuse(edge, E2B__REFUSAL_PORT_CLOSED);
    return;
  }
  edge->wire = wire;
  wire->owner = edge;
  wire->ready = on_wire;
  push(edge);
  e2b__host_edge_settle(edge);
}

/* ---- answers ---- */

void e2b__host_edge_deliver(e2b__host_edge_t *edge) {
  struct MHD_Response *response = edge->response;
  if (!edge->up_whole || response == NULL) return;
  edge->response = NULL;
  edge->request->foreign = true;
  e2b__host_answer(edge->request, edge->status, response);
}

void e2b__host_edge_refuse(e2b__host_edge_t *edge, e2b__host_refusal_t refusal) {
  close_wire(edge, false);
  edge->refusal = refusal;
  if (edge->up_whole) e2b__host_refuse(edge->request, refusal);
}

/* ---- the request ---- */

static void take_body(e2b__host_request_t *request, const char *data, size_t len) {
  e2b__host_edge_t *edge = request->state;
  if (edge->up_closed) return;
  int rc = edge->up_chunked ? e2b__buffer_printf(&edge->up, "%zx\r\n", len) : 0;
  if (rc == 0) rc = e2b__buffer_append(&edge->up, data, len);
  if (rc == 0 && edge->up_chunked) rc = e2b__buffer_append(&edge->up, "\r\n", 2);
  if (rc != 0) {
    e2b__host_request_reset(request);
    return;
  }
  push(edge);
  if (!edge->up_closed && waiting(edge) >= E2B__HOST_STREAM_LOW) e2b__host_request_pause(request);
  e2b__host_edge_settle(edge);
}

static void finish(e2b__host_request_t *request) {
  e2b__host_edge_t *edge = request->state;
  edge->up_whole = true;
  if (edge->up_chunked && !edge->up_closed && e2b__buffer_append(&edge->up, "0\r\n\r\n", 5) != 0) {
    e2b__host_request_reset(request);
    return;
  }
  if (edge->refusal != E2B__REFUSAL_NONE)
    e2b__host_refuse(request, edge->refusal);
  else
    e2b__host_edge_deliver(edge);
  push(edge);
  e2b__host_edge_settle(edge);
}

static void let_go(e2b__host_request_t *request, bool reset) {
  e2b__host_edge_t *edge = request->state;
  if (edge->counted_in != NULL) edge->counted_in->proxied--;
  edge->counted_in = NULL;
  e2b__host_dial_cancel(&edge->dial);
  close_wire(edge, reset);
  if (edge->tunnel != NULL) e2b__host_tunnel_close(edge->tunnel);
}

static void on_reset(e2b__host_request_t *request) {
  let_go(request, true);
}

static void gone(e2b__host_request_t *request) {
  e2b__host_edge_t *edge = request->state;
  /* Whoever left before its answer was complete is told to the program by a reset. */
  let_go(request, !edge->answered);
  if (edge->response != NULL) MHD_destroy_response(edge->response);
  e2b__host_stream_free(&edge->stream);
  e2b__buffer_free(&edge->in);
  if (edge->tunnel != NULL) e2b__host_tunnel_free(edge->tunnel);
}

static const e2b__host_handler_t handler = {
    .body = take_body, .finish = finish, .gone = gone, .reset = on_reset};

static void bad_request(e2b__host_request_t *request) {
  e2b__host_answer_plain(request, 400, "400 Bad Request");
}

static void discard(e2b__host_request_t *request, const char *data, size_t len) {
  (void)request;
  (void)data;
  (void)len;
}

static const e2b__host_handler_t bad_handler = {
    .begin = bad_request, .body = discard, .finish = bad_request};

void e2b__host_edge_route(e2b__host_request_t *request) {
  e2b__host_sandbox_t *sandbox = request->sandbox;
  if (sandbox->proxied >= E2B__HOST_PROXIED_MAX) {
    e2b__host_refuse_route(request, E2B__REFUSAL_TOO_MANY);
    return;
  }
  request->handler = &bad_handler;
  e2b__host_edge_t *edge = e2b__arena_calloc(&request->arena, 1, sizeof *edge);
  if (edge == NULL) return;
  edge->request = request;
  edge->host = request->host;
  edge->dial.spare = -1;
  e2b__buffer_init(&edge->up, 2 << 20);
  e2b__buffer_init(&edge->in, E2B__HTTP_HEAD_CEILING + (64 << 10));
  if (e2b__host_edge_put_head(edge) != 0) {
    e2b__buffer_free(&edge->up);
    return;
  }
  request->state = edge;
  request->handler = &handler;
  edge->counted_in = sandbox;
  sandbox->proxied++;
  e2b__host_dial_start(&edge->dial, sandbox, request->port, edge, on_dialled);
}

bool e2b__host_edge_admits(e2b__host_request_t *request) {
  const char *wanted = request->sandbox->traffic_token;
  const char *token = e2b__host_header(request, "e2b-traffic-access-token");
  if (wanted[0] == '\0') return true;
  if (token == NULL || token[0] == '\0')
    e2b__host_refuse_route(request, E2B__REFUSAL_TOKEN_MISSING);
  else if (!e2b__host_secret_equal(token, wanted))
    e2b__host_refuse_route(request, E2B__REFUSAL_TOKEN_INVALID);
  else
    return true;
  return false;
}
