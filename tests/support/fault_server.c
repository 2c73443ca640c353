/* SPDX-License-Identifier: MIT */
#include "support/fault_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Not a good HTTP server, but an honest one: what it cannot read it does not answer. */

typedef enum step_kind {
  SEND,
  SEND_BYTEWISE,
  GENERATE,
  WAIT,
  HOLD,
  CALL,
  READ_ON,
  HALF_CLOSE,
  CLOSE,
  RESET,
  HANG
} step_kind;

typedef struct step {
  struct step *next;
  step_kind kind;
  uint64_t ms;
  fault_make make;
  void (*fn)(void *ctx);
  void *ctx;
  bool chunked;
  size_t len;
  char data[];
} step;

struct fault_rule {
  fault_rule_t *next;
  fault_server_t *server;
  unsigned refs; /* the list's, and one of each connection that plays it */
  char *what;
  bool on_accept;
  bool early;
  bool stop_reading;
  uint64_t after_body_bytes;
  unsigned connection;
  unsigned number;
  bool limited;
  unsigned left;
  step *first;
  step **last;
};

enum { READ_SIZE = 64 << 10, MAKE_SIZE = 64 << 10 };

typedef struct connection {
  struct connection *next;
  fault_server_t *server;
  uv_tcp_t tcp;
  uv_timer_t timer;
  unsigned open_handles;
  uv_write_t write;
  uv_shutdown_t shutdown;
  unsigned number;
  unsigned requests;
  char *in; /* unread bytes */
  size_t in_len;
  fault_request_t *request;  /* being read */
  fault_request_t *answered; /* being played for, perhaps before it was read whole */
  uint64_t body_left;        /* of the request, or of its chunk */
  enum { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER } where;
  fault_rule_t *rule; /* being played */
  step *at;
  size_t sent; /* of the step */
  char *made;  /* buffer of a generating step */
  bool held;
  bool reads_on; /* the step waits for the rest of the request */
  bool closing;
  char input[READ_SIZE];
} connection;

struct fault_server {
  uv_loop_t *loop;
  uv_tcp_t tcp;
  char url[64];
  uint16_t port;
  fault_rule_t *rules;
  fault_request_t **requests;
  size_t requests_count;
  connection *connections;
  unsigned accepted;
  unsigned open;
  unsigned half_closes;
  unsigned unexpected;
  uint64_t bytes_written;
  size_t pace;
  bool closing;
  bool listener_closed;
};

static void play(connection *c);
static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);
static void read_on(connection *c);

static void *grab(void *old, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL) abort();
  return memory;
}

static void *grab_zero(size_t size) {
  return memset(grab(NULL, size), 0, size);
}

/* --- rules ------------------------------------------------------------------------------------ */

static void rule_drop(fault_rule_t *rule) {
  if (rule == NULL || --rule->refs > 0) return;
  while (rule->first != NULL) {
    step *next = rule->first->next;
    free(rule->first);
    rule->first = next;
  }
  free(rule->what);
  free(rule);
}

fault_rule_t *fault_on(fault_server_t *server, const char *what) {
  fault_rule_t *rule = grab_zero(sizeof *rule);
  rule->server = server;
  rule->refs = 1;
  if (what != NULL) rule->what = strcpy(grab(NULL, strlen(what) + 1), what);
  rule->last = &rule->first;
  fault_rule_t **end = &server->rules;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = rule;
  return rule;
}

fault_rule_t *fault_on_accept(fault_server_t *server, unsigned number) {
  fault_rule_t *rule = fault_on(server, NULL);
  rule->on_accept = true;
  rule->connection = number;
  return rule;
}

void fault_limit(fault_rule_t *rule, unsigned times) {
  rule->limited = true;
  rule->left = times;
}

void fault_only(fault_rule_t *rule, unsigned number, unsigned request) {
  rule->connection = number;
  rule->number = request;
}

void fault_early(fault_rule_t *rule, uint64_t body_bytes) {
  rule->early = true;
  rule->after_body_bytes = body_bytes;
}

void fault_stop_reading(fault_rule_t *rule) {
  rule->stop_reading = true;
}

static bool matches(const fault_request_t *request, const char *what) {
  if (what == NULL) return true;
  const char *path = strchr(what, '/');
  if (path == NULL) return false;
  const size_t method = (size_t)(path - what);
  if (method > 0 &&
      (strncmp(request->method, what, method - 1) != 0 || request->method[method - 1] != '\0')) {
    return false;
  }
  return strcmp(request->path, path) == 0;
}

static step *add_step(fault_rule_t *rule, step_kind kind, const void *data, size_t len) {
  step *s = grab_zero(sizeof *s + len + 1);
  s->kind = kind;
  s->len = len;
  if (len > 0) memcpy(s->data, data, len);
  *rule->last = s;
  rule->last = &s->next;
  return s;
}

void fault_send(fault_rule_t *rule, const void *data, size_t len) {
  if (len > 0) add_step(rule, SEND, data, len);
}

void fault_text(fault_rule_t *rule, const char *text) {
  fault_send(rule, text, strlen(text));
}

void fault_send_bytewise(fault_rule_t *rule, const void *data, size_t len) {
  if (len > 0) add_step(rule, SEND_BYTEWISE, data, len);
}

static void add_head(fault_rule_t *rule, int status, const char *type, const char *length,
                     const char *headers) {
  char head[2048];
  const int len =
      snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%s%s%s%s%s\r\n", status, "Scripted",
               type != NULL ? "Content-Type: " : "", type != NULL ? type : "",
               type != NULL ? "\r\n" : "", length, headers != NULL ? headers : "");
  assert(len > 0 && (size_t)len < sizeof head);
  fault_send(rule, head, (size_t)len);
}

void fault_answer_bytes(fault_rule_t *rule, int status, const char *type, const void *body,
                        size_t len, const char *headers) {
  char length[64];
  snprintf(length, sizeof length, "Content-Length: %zu\r\n", len);
  add_head(rule, status, type, status != 204 ? length : "", headers);
  fault_send(rule, body, len);
}

void fault_answer(fault_rule_t *rule, int status, const char *type, const char *body,
                  const char *headers) {
  fault_answer_bytes(rule, status, type, body, strlen(body), headers);
}

void fault_head_chunked(fault_rule_t *rule, int status, const char *type, const char *headers) {
  add_head(rule, status, type, "Transfer-Encoding: chunked\r\n", headers);
}

void fault_chunk(fault_rule_t *rule, const void *data, size_t len) {
  char size[32];
  snprintf(size, sizeof size, "%zx\r\n", len);
  fault_text(rule, size);
  fault_send(rule, data, len);
  fault_text(rule, "\r\n");
}

void fault_last_chunk(fault_rule_t *rule) {
  fault_text(rule, "0\r\n\r\n");
}

void fault_generate(fault_rule_t *rule, fault_make make, void *ctx, bool chunked) {
  step *s = add_step(rule, GENERATE, NULL, 0);
  s->make = make;
  s->ctx = ctx;
  s->chunked = chunked;
}

void fault_wait(fault_rule_t *rule, uint64_t ms) {
  add_step(rule, WAIT, NULL, 0)->ms = ms;
}

void fault_hold(fault_rule_t *rule) {
  add_step(rule, HOLD, NULL, 0);
}

void fault_call(fault_rule_t *rule, void (*fn)(void *ctx), void *ctx) {
  step *s = add_step(rule, CALL, NULL, 0);
  s->fn = fn;
  s->ctx = ctx;
}

void fault_read_on(fault_rule_t *rule) {
  add_step(rule, READ_ON, NULL, 0);
}

void fault_half_close(fault_rule_t *rule) {
  add_step(rule, HALF_CLOSE, NULL, 0);
}

void fault_close(fault_rule_t *rule) {
  add_step(rule, CLOSE, NULL, 0);
}

void fault_reset(fault_rule_t *rule) {
  add_step(rule, RESET, NULL, 0);
}

void fault_hang(fault_rule_t *rule) {
  add_step(rule, HANG, NULL, 0);
}

/* --- requests --------------------------------------------------------------------------------- */

typedef struct value {
  struct value *next;
  char text[];
} value;

static void request_free(fault_request_t *request) {
  while (request->values != NULL) {
    value *next = ((value *)request->values)->next;
    free(request->values);
    request->values = next;
  }
  free((char *)(uintptr_t)request->method);
  free((char *)(uintptr_t)request->target);
  free((char *)(uintptr_t)request->path);
  free(request->head);
  free(request->body);
  free(request);
}

static const char *keep_value(fault_request_t *request, const char *text, size_t len) {
  value *v = grab(NULL, sizeof *v + len + 1);
  memcpy(v->text, text, len);
  v->text[len] = '\0';
  v->next = request->values;
  request->values = v;
  return v->text;
}

const char *fault_header(fault_request_t *request, const char *name) {
  const size_t len = strlen(name);
  for (const char *line = strstr(request->head, "\r\n"); line != NULL;
       line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
    const char *from = line + len + 1;
    from += strspn(from, " \t");
    return keep_value(request, from, strcspn(from, "\r"));
  }
  return NULL;
}

unsigned fault_count(const fault_server_t *server, const char *what) {
  unsigned count = 0;
  for (size_t i = 0; i < server->requests_count; i++) {
    count += matches(server->requests[i], what);
  }
  return count;
}

fault_request_t *fault_request(const fault_server_t *server, const char *what, unsigned nth) {
  for (size_t i = 0; i < server->requests_count; i++) {
    if (matches(server->requests[i], what) && nth-- == 0) return server->requests[i];
  }
  return NULL;
}

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
  rule_drop(c->rule);
  free(c->in);
  free(c->made);
  free(c);
  if (server->closing && server->listener_closed && server->connections == NULL) {
    fault_clear(server);
    free(server->requests);
    free(server);
  }
}

static void hang_up(connection *c, bool reset) {
  if (c->closing) return;
  c->closing = true;
  uv_close((uv_handle_t *)&c->timer, on_handle_closed);
  if (!reset || uv_tcp_close_reset(&c->tcp, on_handle_closed) != 0) {
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
  }
}

static void next_step(connection *c) {
  c->at = c->at->next;
  c->sent = 0;
  play(c);
}

static void go_on(connection *c) {
  const step *s = c->at;
  if (s->kind == GENERATE || c->sent < s->len) {
    play(c);
  } else {
    next_step(c);
  }
}

static void on_turn(uv_timer_t *timer) {
  go_on(timer->data);
}

static void on_written(uv_write_t *write, int status) {
  connection *c = write->data;
  if (c->closing) return;
  if (status != 0) {
    hang_up(c, false);
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
  if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) hang_up(c, false);
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
  if (c->made == NULL) c->made = grab(NULL, FRONT + MAKE_SIZE + BEHIND);
  const size_t len = c->at->make(c->at->ctx, c->made + FRONT, MAKE_SIZE);
  if (len == 0) {
    next_step(c);
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
  if (status == 0 && !c->closing) next_step(c);
}

static void on_waited(uv_timer_t *timer) {
  next_step(timer->data);
}

static void finish_rule(connection *c) {
  rule_drop(c->rule);
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
    next_step(c);
    break;
  case READ_ON:
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    c->reads_on = c->request != NULL;
    if (!c->reads_on) next_step(c);
    break;
  case HALF_CLOSE:
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down) != 0) hang_up(c, false);
    break;
  case CLOSE: hang_up(c, false); break;
  case RESET: hang_up(c, true); break;
  case HANG: break;
  }
}

static fault_rule_t *find_rule(connection *c, const fault_request_t *request) {
  for (fault_rule_t *rule = c->server->rules; rule != NULL; rule = rule->next) {
    if (rule->on_accept != (request == NULL)) continue;
    if (rule->connection != 0 && rule->connection != c->number) continue;
    if (rule->number != 0 && rule->number != c->requests) continue;
    if (rule->limited && rule->left == 0) continue;
    if (request == NULL || matches(request, rule->what)) return rule;
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
  fault_rule_t *rule = fault_on(c->server, NULL);
  fault_limit(rule, 1);
  fault_answer(rule, 404, "text/plain", "no rule for this request", NULL);
  begin_rule(c, rule);
}

/* Is it time to answer the request that is being read? */
static void answer_if_due(connection *c, fault_request_t *request) {
  if (c->reads_on && request->complete) {
    c->reads_on = false;
    next_step(c);
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
  char *text = memcpy(grab(NULL, len + 1), from, len);
  text[len] = '\0';
  return text;
}

static bool take_head(connection *c) {
  const char *end = c->in_len > 0 ? memmem(c->in, c->in_len, "\r\n\r\n", 4) : NULL;
  if (end == NULL) return false;
  const size_t len = (size_t)(end - c->in) + 4;
  fault_server_t *server = c->server;
  fault_request_t *request = grab_zero(sizeof *request);
  request->connection = c->number;
  request->number = ++c->requests;
  request->head = memcpy(grab(NULL, len + 1), c->in, len);
  request->head[len] = '\0';
  consume(c, len);
  request->method = copy_until(request->head, " \r");
  const char *target = request->head + strlen(request->method);
  request->target = copy_until(target + strspn(target, " "), " \r");
  request->path = copy_until(request->target, "?");
  request->body = grab_zero(1);
  server->requests = grab(server->requests, (server->requests_count + 1) * sizeof(void *));
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
    request->body = grab(request->body, request->body_len + kept + 1);
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
    hang_up(c, false);
    return;
  }
  c->in = grab(c->in, c->in_len + (size_t)got);
  memcpy(c->in + c->in_len, buf->base, (size_t)got);
  c->in_len += (size_t)got;
  read_on(c);
}

static void on_connection(uv_stream_t *listener, int status) {
  fault_server_t *server = listener->data;
  if (status != 0 || server->closing) return;
  connection *c = grab_zero(sizeof *c);
  c->server = server;
  uv_tcp_init(server->loop, &c->tcp);
  uv_timer_init(server->loop, &c->timer);
  c->tcp.data = c->timer.data = c;
  c->open_handles = 2;
  c->number = ++server->accepted;
  server->open++;
  c->next = server->connections;
  server->connections = c;
  uv_accept(listener, (uv_stream_t *)&c->tcp);
  uv_tcp_nodelay(&c->tcp, 1);
  /* A test does not wait for a server that has nothing to do. */
  uv_unref((uv_handle_t *)&c->tcp);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
  fault_rule_t *rule = find_rule(c, NULL);
  if (rule != NULL) begin_rule(c, rule);
}

/* --- the server ------------------------------------------------------------------------------- */

fault_server_t *fault_server_start(uv_loop_t *loop) {
  fault_server_t *server = grab_zero(sizeof *server);
  server->loop = loop;
  struct sockaddr_in address;
  int len = sizeof address;
  int rc = uv_ip4_addr("127.0.0.1", 0, &address);
  if (rc == 0) rc = uv_tcp_init(loop, &server->tcp);
  if (rc == 0) rc = uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&server->tcp, 512, on_connection);
  if (rc == 0) rc = uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &len);
  if (rc != 0) {
    fprintf(stderr, "the fault server cannot start: %s\n", uv_strerror(rc));
    abort();
  }
  server->tcp.data = server;
  server->port = ntohs(address.sin_port);
  snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
  uv_unref((uv_handle_t *)&server->tcp);
  return server;
}

static void on_listener_closed(uv_handle_t *handle) {
  fault_server_t *server = handle->data;
  server->listener_closed = true;
  if (server->connections != NULL) return;
  fault_clear(server);
  free(server->requests);
  free(server);
}

void fault_server_close(void *ctx) {
  fault_server_t *server = ctx;
  if (server->closing) return;
  server->closing = true;
  for (connection *c = server->connections; c != NULL; c = c->next) {
    hang_up(c, false);
  }
  uv_close((uv_handle_t *)&server->tcp, on_listener_closed);
}

void fault_pace(fault_server_t *server, size_t bytes) {
  server->pace = bytes;
}

void fault_clear(fault_server_t *server) {
  while (server->rules != NULL) {
    fault_rule_t *next = server->rules->next;
    rule_drop(server->rules);
    server->rules = next;
  }
  for (connection *c = server->connections; c != NULL; c = c->next) {
    c->answered = NULL;
    /* Half a request is no longer anybody's. */
    if (c->request != NULL) hang_up(c, false);
    c->request = NULL;
  }
  for (size_t i = 0; i < server->requests_count; i++) {
    request_free(server->requests[i]);
  }
  server->requests_count = 0;
}

const char *fault_url(const fault_server_t *server) {
  return server->url;
}

uint16_t fault_port(const fault_server_t *server) {
  return server->port;
}

unsigned fault_connections(const fault_server_t *server) {
  return server->accepted;
}

unsigned fault_connections_open(const fault_server_t *server) {
  return server->open;
}

unsigned fault_half_closes(const fault_server_t *server) {
  return server->half_closes;
}

uint64_t fault_bytes_written(const fault_server_t *server) {
  uint64_t waiting = 0;
  for (const connection *c = server->connections; c != NULL; c = c->next) {
    waiting += uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
  }
  return server->bytes_written - waiting;
}

unsigned fault_unexpected(const fault_server_t *server) {
  return server->unexpected;
}

void fault_release(fault_server_t *server) {
  for (connection *c = server->connections; c != NULL; c = c->next) {
    if (!c->held) continue;
    c->held = false;
    next_step(c);
  }
}

unsigned fault_held(const fault_server_t *server) {
  unsigned count = 0;
  for (const connection *c = server->connections; c != NULL; c = c->next) {
    count += c->held && !c->closing;
  }
  return count;
}
