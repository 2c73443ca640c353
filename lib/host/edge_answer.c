/* SPDX-License-Identifier: MIT */
#include "host/edge.h"

/* What a program answers: its head makes the response, its body is passed on. */

enum { ROOM = 65536 };

/* One piece at a time is read and handed on at once: all exchanges share the room. */
static char room[ROOM];

static void drained(e2b__host_stream_t *stream) {
  e2b__host_edge_settle(E2B__CONTAINER(stream, e2b__host_edge_t, stream));
}

/* The program broke off inside its answer: what came of it is passed on, and that it is not all. */
static void broken(e2b__host_edge_t *edge) {
  edge->answered = edge->up_closed = true;
  e2b__host_stream_break(&edge->stream);
}

static void complete(e2b__host_edge_t *edge) {
  edge->answered = true;
  e2b__host_stream_end(&edge->stream);
}

static int append(e2b__host_edge_t *edge, const char *data, size_t len) {
  int rc = e2b__buffer_append(&edge->stream.out, data, len);
  if (rc == 0) return 0;
  E2B__HOST_LOG(edge->host, WARN,
                "sandbox %s: port %u: an answer that cannot be delivered before the end of its "
                "request has grown too large",
                edge->request->sandbox_id, edge->request->port);
  return rc;
}

/* Chunks after the end, or bytes after the announced length, are nobody's. */
static void take_body(e2b__host_edge_t *edge, const char *data, size_t len) {
  const char *piece;
  size_t piece_len;
  int rc = 0;

  if (edge->answered) return;
  switch (edge->body) {
  case E2B__EDGE_NO_BODY: return;
  case E2B__EDGE_LENGTH:
    if (len > edge->left) len = (size_t)edge->left;
    rc = append(edge, data, len);
    edge->left -= len;
    if (rc == 0 && edge->left == 0) rc = 2;
    break;
  case E2B__EDGE_CHUNKS:
    while ((rc = e2b__http_chunks_next(&edge->chunks, &data, &len, &piece, &piece_len)) == 1)
      if (append(edge, piece, piece_len) != 0) {
        rc = E2B_ETOOBIG;
        break;
      }
    break;
  case E2B__EDGE_TO_THE_END: rc = append(edge, data, len); break;
  }
  if (rc < 0)
    broken(edge);
  else if (rc == 2)
    complete(edge);
  else
    e2b__host_stream_flush(&edge->stream);
}

static uint64_t announced(e2b__host_edge_t *edge, const e2b__http_head_t *head) {
  bool to_head = strcmp(edge->request->method, "HEAD") == 0;
  bool none = to_head || head->status == 204 || head->status == 304;
  if (none)
    edge->body = E2B__EDGE_NO_BODY;
  else if (head->chunked)
    edge->body = E2B__EDGE_CHUNKS;
  else
    edge->body = head->has_length ? E2B__EDGE_LENGTH : E2B__EDGE_TO_THE_END;
  edge->left = head->length;
  if (head->has_length && head->status != 204) return head->length;
  return head->status == 204 ? 0 : MHD_SIZE_UNKNOWN;
}

/* The head is whole; `data` follows it. */
static void take_head(e2b__host_edge_t *edge, const e2b__http_head_t *head, const char *data,
                      size_t len) {
  edge->has_head = true;
  edge->status = head->status;
  if (head->status == 101) {
    edge->response = e2b__host_tunnel_response(edge, data, len);
  } else {
    edge->response =
        e2b__host_stream_response(edge->request, &edge->stream, announced(edge, head), drained);
  }
  if (edge->response == NULL || e2b__host_edge_copy_fields(edge->response, head) != 0) {
    e2b__host_request_reset(edge->request);
    return;
  }
  if (edge->tunnel == NULL) {
    take_body(edge, data, len);
    if (edge->body == E2B__EDGE_NO_BODY || (edge->body == E2B__EDGE_LENGTH && edge->left == 0))
      complete(edge);
  } else {
    const char *protocol = e2b__http_head_field(head, "Upgrade");
    MHD_add_response_header(edge->response, "Upgrade", protocol != NULL ? protocol : "websocket");
  }
  e2b__buffer_free(&edge->in);
  e2b__host_edge_deliver(edge);
}

static void take(e2b__host_edge_t *edge, const char *data, size_t len) {
  if (edge->has_head) {
    take_body(edge, data, len);
    return;
  }
  int rc = e2b__buffer_append(&edge->in, data, len);
  while (rc == 0) {
    e2b__http_head_t head;
    size_t end = e2b__http_head_end(edge->in.data, edge->in.len, edge->in_seen);
    edge->in_seen = edge->in.len;
    if (end == 0 && edge->in.len <= E2B__HTTP_HEAD_CEILING) return;
    if (end == 0 || end > E2B__HTTP_HEAD_CEILING) break;
    if (e2b__http_head_parse(&head, edge->in.data, end) != 0) break;
    if (head.status == 101 && !edge->upgrade) break;
    if (head.status >= 200 || head.status == 101) {
      take_head(edge, &head, edge->in.data + end, edge->in.len - end);
      return;
    }
    /* Something before the answer, such as 100 Continue. */
    e2b__buffer_consume(&edge->in, end);
    edge->in_seen = 0;
  }
  E2B__HOST_LOG(edge->host, INFO, "sandbox %s: what listens on port %u does not speak HTTP",
                edge->request->sandbox_id, edge->request->port);
  e2b__host_edge_refuse(edge, E2B__REFUSAL_PORT_CLOSED);
}

void e2b__host_edge_readable(e2b__host_edge_t *edge) {
  bool end = false;
  ssize_t got = e2b__host_wire_read(edge->wire, room, sizeof room, &end);
  if (got > 0) {
    take(edge, room, (size_t)got);
    return;
  }
  if (got == 0 && !end) return;
  if (!edge->has_head) {
    e2b__host_edge_refuse(edge, E2B__REFUSAL_PORT_CLOSED);
    return;
  }
  if (edge->answered) {
    /* Its end was to be expected. */
  } else if (end && edge->body == E2B__EDGE_TO_THE_END) {
    complete(edge);
  } else {
    broken(edge);
  }
  edge->up_closed = true;
}
