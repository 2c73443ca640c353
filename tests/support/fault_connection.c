/* SPDX-License-Identifier: MIT */
#include "support/fault_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Not a good HTTP server, but an honest one: what it cannot read it does not answer. */

static void play(connection *c);
static void read_on(connection *c);
static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

/* --- playing ---------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle) {
  connection *c = handle->data;
  if (--c->open_handles > 0) return;
  fault_server_t *server = c->server;
  connection **at = &server->connections;
  while (*at != c) {
    at = &(*at)->next;
  }
  *at = c->next;
  server->open--;
  fault__rule_drop(c->rule);
  free(c->in);
  free(c->made);
  free(c);
  fault__free_if_over(server);
}

void fault__hang_up(connection *c, bool reset) {
  if (c->closing) return;
  c->closing = true;
  uv_close((uv_handle_t *)&c->timer, on_handle_closed);
  if (!reset || uv_tcp_close_reset(&c->tcp, on_handle_closed) != 0) {
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
  }
}

void fault__next_step(connection *c) {
  c->at = c->at->next;
  c->sent = 0;
  play(c);
}

static void go_on(connection *c) {
  const step *s = c->at;
  if (s->kind == GENERATE || c->sent < s->len) {
    play(c);
  } else {
    fault__next_step(c);
  }
}

static void on_turn(uv_timer_t *timer) {
  go_on(timer->data);
}

static void on_written(uv_write_t *write, int status) {
  connection *c = write->data;
  if (c->closing) return;
  if (status != 0) {
    fault__hang_up(c, false);
  } else if (c->server->pace > 0) {
    uv_timer_start(&c->timer, on_turn, 0, 0);
  } else {
    go_on(c);
  }
}

static void write_bytes(connection *c, const char *data, size_t len) {
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
  c->write.data = c;
  c->server->bytes_written += len;
  if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
    fault__hang_up(c, false);
}

static void play_pieces(connection *c, size_t most) {
  const size_t left = c->at->len - c->sent;
  const size_t len = left < most ? left : most;
  c->sent += len;
  write_bytes(c, c->at->data + c->sent - len, len);
}

/* Room for a chunk's size in front, and its line end behind. */
static void play_generate(connection *c) {
  enum { FRONT = 16, BEHIND = 2 };
  if (c->made == NULL) c->made = fault__grab(NULL, FRONT + MAKE_SIZE + BEHIND);
  const size_t len = c->at->make(c->at->ctx, c->made + FRONT, MAKE_SIZE);
  if (len == 0) {
    fault__next_step(c);
    return;
  }
  if (!c->at->chunked) {
    write_bytes(c, c->made + FRONT, len);
    return;
  }
  char size[FRONT + 1];
  const int front = snprintf(size, sizeof size, "%zx\r\n", len);
  memcpy(c->made + FRONT - front, size, (size_t)front);
  memcpy(c->made + FRONT + len, "\r\n", BEHIND);
  write_bytes(c, c->made + FRONT - front, (size_t)front + len + BEHIND);
}

static void on_shut_down(uv_shutdown_t *req, int status) {
  connection *c = req->data;
  if (status == 0 && !c->closing) fault__next_step(c);
}

static void on_waited(uv_timer_t *timer) {
  fault__next_step(timer->data);
}

static void finish_rule(connection *c) {
  fault__rule_drop(c->rule);
  c->rule = NULL;
  read_on(c);
}

/* Makes the present step begin. Each step leads to the next by itself, from the loop or at once. */
static void play(connection *c) {
  if (c->closing) return;
  const step *s = c->at;
  if (s == NULL) {
    finish_rule(c);
    return;
  }
  switch (s->kind) {
  case SEND: play_pieces(c, c->server->pace > 0 ? c->server->pace : s->len); break;
  case SEND_BYTEWISE: play_pieces(c, 1); break;
  case GENERATE: play_generate(c); break;
  case WAIT: uv_timer_start(&c->timer, on_waited, s->ms, 0); break;
  case HOLD: c->held = true; break;
  case CALL:
    s->fn(s->ctx);
    fault__next_step(c);
    break;
  case READ_ON:
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    c->reads_on = c->request != NULL;
    if (!c->reads_on) fault__next_step(c);
    break;
  case HALF_CLOSE:
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down) != 0)
      fault__hang_up(c, false);
    break;
  case CLOSE: fault__hang_up(c, false); break;
  case RESET: fault__hang_up(c, true); break;
  case HANG: break;
  }
}

static fault_rule_t *find_rule(connection *c, const fault_request_t *request) {
  for (fault_rule_t *rule = c->server->rules; rule != NULL; rule = rule->next) {
    if (rule->on_accept != (request == NULL)) continue;
    if (rule->connection != 0 && rule->connection != c->number) continue;
    if (rule->number != 0 && rule->number != c->requests) continue;
    if (rule->limited && rule->left == 0) continue;
    if (request == NULL || fault__matches(request, rule->what)) return rule;
  }
  return NULL;
}

static void begin_rule(connection *c, fault_rule_t *rule) {
  if (rule->limited) rule->left--;
  rule->refs++;
  c->rule = rule;
  c->at = rule->first;
  c->sent = 0;
  if (rule->stop_reading) uv_read_stop((uv_stream_t *)&c->tcp);
  play(c);
}

static void refuse_unexpected(connection *c) {
  c->server->unexpected++;
  fault_rule_t *rule = fault_once(c->server, NULL);
  fault_answer(rule, 404, "text/plain", "no rule for this request", NULL);
  begin_rule(c, rule);
}

/* Is it time to answer the request that is being read? */
static void answer_if_due(connection *c, fault_request_t *request) {
  if (c->reads_on && request->complete) {
    c->reads_on = false;
    fault__next_step(c);
    return;
  }
  if (c->rule != NULL || c->answered == request) return;
  fault_rule_t *rule = find_rule(c, request);
  const bool due = request->complete ||
                   (rule != NULL && rule->early && request->body_bytes >= rule->after_body_bytes);
  if (!due) return;
  c->answered = request;
  if (rule != NULL) {
    begin_rule(c, rule);
  } else {
    refuse_unexpected(c);
  }
}

/* --- reading ---------------------------------------------------------------------------------- */

static void consume(connection *c, size_t len) {
  c->in_len -= len;
  memmove(c->in, c->in + len, c->in_len);
}

static char *copy_until(const char *from, const char *stop) {
  const size_t len = strcspn(from, stop);
  char *text = memcpy(fault__grab(NULL, len + 1), from, len);
  text[len] = '\0';
  return text;
}

static bool take_head(connection *c) {
  const char *end = c->in_len > 0 ? memmem(c->in, c->in_len, "\r\n\r\n", 4) : NULL;
  if (end == NULL) return false;
  const size_t len = (size_t)(end - c->in) + 4;
  fault_server_t *server = c->server;
  fault_request_t *request = fault__grab_zero(sizeof *request);
  request->connection = c->number;
  request->number = ++c->requests;
  request->head = memcpy(fault__grab(NULL, len + 1), c->in, len);
  request->head[len] = '\0';
  consume(c, len);
  request->method = copy_until(request->head, " \r");
  const char *target = request->head + strlen(request->method);
  request->target = copy_until(target + strspn(target, " "), " \r");
  request->path = copy_until(request->target, "?");
  request->body = fault__grab_zero(1);
  server->requests = fault__grab(server->requests, (server->requests_count + 1) * sizeof(void *));
  server->requests[server->requests_count++] = request;
  const char *encoding = fault_header(request, "Transfer-Encoding");
  const char *length = fault_header(request, "Content-Length");
  request->chunked = encoding != NULL && strcasecmp(encoding, "chunked") == 0;
  c->request = request;
  c->body_left = length != NULL ? strtoull(length, NULL, 10) : 0;
  c->where = request->chunked ? IN_CHUNK_SIZE : IN_BODY;
  return true;
}

static void take_body(connection *c) {
  fault_request_t *request = c->request;
  const size_t len = c->in_len < c->body_left ? c->in_len : (size_t)c->body_left;
  request->body_bytes += len;
  c->body_left -= len;
  const size_t room = FAULT_BODY_KEPT - request->body_len;
  const size_t kept = len < room ? len : room;
  if (kept > 0) {
    request->body = fault__grab(request->body, request->body_len + kept + 1);
    memcpy(request->body + request->body_len, c->in, kept);
    request->body_len += kept;
    request->body[request->body_len] = '\0';
  }
  consume(c, len);
}

/* A line of the chunked framing; false when it is not there yet. */
static bool take_line(connection *c, char line[32]) {
  const char *end = c->in_len > 0 ? memmem(c->in, c->in_len, "\r\n", 2) : NULL;
  if (end == NULL) return false;
  const size_t len = (size_t)(end - c->in);
  snprintf(line, 32, "%.*s", (int)(len < 31 ? len : 31), c->in);
  consume(c, len + 2);
  return true;
}

/* One move of the reader; false when it needs more bytes. */
static bool read_some(connection *c) {
  char line[32];
  switch (c->where) {
  case IN_HEAD: return take_head(c);
  case IN_CHUNK_SIZE:
    if (!take_line(c, line)) return false;
    c->body_left = strtoull(line, NULL, 16);
    c->where = c->body_left > 0 ? IN_CHUNK : IN_TRAILER;
    return true;
  case IN_CHUNK_END:
    if (!take_line(c, line)) return false;
    c->where = IN_CHUNK_SIZE;
    return true;
  case IN_TRAILER:
    if (!take_line(c, line)) return false;
    if (*line == '\0') c->request->complete = true;
    return true;
  case IN_BODY:
  case IN_CHUNK: {
    const size_t before = c->in_len;
    take_body(c);
    if (c->body_left > 0) return c->in_len != before;
    if (c->where == IN_BODY) {
      c->request->complete = true;
    } else {
      c->where = IN_CHUNK_END;
    }
    return true;
  }
  }
  return false;
}

static void read_on(connection *c) {
  while (!c->closing) {
    /* The next request has to wait until this one is answered. */
    if (c->where == IN_HEAD && c->rule != NULL) return;
    if (!read_some(c)) break;
    fault_request_t *request = c->request;
    if (request->complete) {
      c->where = IN_HEAD;
      c->request = NULL;
    }
    answer_if_due(c, request);
  }
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf) {
  (void)wanted;
  connection *c = handle->data;
  *buf = uv_buf_init(c->input, sizeof c->input);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  connection *c = stream->data;
  if (got == 0) return;
  if (got < 0) {
    if (got == UV_EOF && (c->rule != NULL || c->request != NULL)) c->server->half_closes++;
    fault__hang_up(c, false);
    return;
  }
  c->in = fault__grab(c->in, c->in_len + (size_t)got);
  memcpy(c->in + c->in_len, buf->base, (size_t)got);
  c->in_len += (size_t)got;
  read_on(c);
}

void fault__accept(fault_server_t *server) {
  connection *c = fault__grab_zero(sizeof *c);
  c->server = server;
  uv_tcp_init(server->loop, &c->tcp);
  uv_timer_init(server->loop, &c->timer);
  c->tcp.data = c->timer.data = c;
  c->open_handles = 2;
  c->number = ++server->accepted;
  server->open++;
  c->next = server->connections;
  server->connections = c;
  uv_accept((uv_stream_t *)&server->tcp, (uv_stream_t *)&c->tcp);
  uv_tcp_nodelay(&c->tcp, 1);
  /* A test does not wait for a server that has nothing to do. */
  uv_unref((uv_handle_t *)&c->tcp);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
  fault_rule_t *rule = find_rule(c, NULL);
  if (rule != NULL) begin_rule(c, rule);
}
