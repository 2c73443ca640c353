/* SPDX-License-Identifier: MIT */
#include "support/h2_server.h"

#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/certificates.h"
#include "support/faults.h"
#include "support/tls_server.h"

typedef struct connection {
  struct connection *next;
  h2_server_t *server;
  unsigned number;
  uv_tcp_t tcp;
  tls_end_t *tls;
  nghttp2_session *session;
  h2_settings_t settings;
  bool inside; /* nghttp2 is on the stack */
  bool begun;  /* SETTINGS are out */
  bool closing;
} connection_t;

/* What is to be sent of an answer's body. */
typedef struct reply {
  h2_request_t request; /* the first member */
  connection_t *on;
  bytes_t body;
  size_t sent;
  bool begun, ended;
} reply_t;

typedef struct rule {
  char *what;
  h2_act act;
  void *ctx;
  bool early;
} rule_t;

struct h2_server {
  uv_loop_t *loop;
  uv_tcp_t listener;
  char url[64];
  char *authority;
  tls_server_t *tls;
  h2_settings_t settings;
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *option;
  connection_t *connections; /* the gone ones too, without their session */
  unsigned accepted, open, pongs;
  reply_t **requests;
  unsigned count;
  rule_t rules[16];
  unsigned rules_count;
  bool closing, listening;
};

typedef struct write_request {
  uv_write_t req;
  char data[];
} write_request_t;

static void *zeroed(size_t size) {
  void *ptr = calloc(1, size);
  if (ptr == NULL) abort();
  return ptr;
}

static void must(bool fine, const char *what) {
  if (fine) return;
  fprintf(stderr, "the HTTP/2 server: %s\n", what);
  abort();
}

/* --- out -------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status) {
  (void)status;
  free(E2B__CONTAINER(req, write_request_t, req));
}

static void put(void *ctx, const void *data, size_t len) {
  connection_t *c = ctx;
  if (c->closing) return;
  write_request_t *request = zeroed(sizeof *request + len);
  memcpy(request->data, data, len);
  uv_buf_t buf = uv_buf_init(request->data, (unsigned)len);
  if (uv_write(&request->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) free(request);
}

static void free_if_over(h2_server_t *server);

static void on_connection_closed(uv_handle_t *handle) {
  connection_t *c = handle->data;
  h2_server_t *server = c->server;
  nghttp2_session_del(c->session);
  tls_end_free(c->tls);
  c->session = NULL;
  c->tls = NULL;
  server->open--;
  free_if_over(server);
}

static void hang_up(connection_t *c, bool reset) {
  if (c->closing) return;
  c->closing = true;
  for (unsigned i = 0; i < c->server->count; i++) {
    if (c->server->requests[i]->on == c) c->server->requests[i]->request.over = true;
  }
  if (reset) {
    uv_tcp_close_reset(&c->tcp, on_connection_closed);
  } else {
    uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
  }
}

/* All that nghttp2 has to say now. */
static void flush(connection_t *c) {
  if (c->inside || c->closing || !c->begun) return;
  const uint8_t *data;
  ssize_t len;
  c->inside = true;
  while ((len = nghttp2_session_mem_send(c->session, &data)) > 0) {
    tls_end_send(c->tls, data, (size_t)len);
  }
  c->inside = false;
  if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) {
    hang_up(c, false);
  }
}

/* --- in --------------------------------------------------------------------------------------- */

static bool fits(const h2_request_t *request, const char *what) {
  if (what == NULL) return true;
  const size_t method = strlen(request->method);
  return strncmp(what, request->method, method) == 0 && what[method] == ' ' &&
         strlen(what + method + 1) == strcspn(request->target, "?") &&
         strncmp(what + method + 1, request->target, strcspn(request->target, "?")) == 0;
}

static void play(h2_server_t *server, h2_request_t *request, bool early) {
  for (unsigned i = 0; i < server->rules_count; i++) {
    const rule_t *rule = &server->rules[i];
    if (!fits(request, rule->what)) continue;
    if (rule->early == early) rule->act(request, rule->ctx);
    return;
  }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  connection_t *c = ctx;
  h2_server_t *server = c->server;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  reply_t *reply = zeroed(sizeof *reply);
  server->requests = realloc(server->requests, (server->count + 1) * sizeof(*server->requests));
  must(server->requests != NULL, "no memory");
  server->requests[server->count++] = reply;
  reply->on = c;
  reply->request.connection = c->number;
  reply->request.stream = frame->hd.stream_id;
  reply->request.reply = reply;
  return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, reply);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *ctx) {
  (void)flags;
  (void)ctx;
  reply_t *reply = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (reply == NULL) return 0;
  h2_request_t *request = &reply->request;
  if (name_len == 7 && memcmp(name, ":method", 7) == 0) {
    snprintf(request->method, sizeof request->method, "%.*s", (int)len, (const char *)value);
  } else if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
    snprintf(request->target, sizeof request->target, "%.*s", (int)len, (const char *)value);
  }
  return 0;
}

static int on_piece(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                    size_t len, void *ctx) {
  (void)flags;
  (void)data;
  (void)ctx;
  reply_t *reply = nghttp2_session_get_stream_user_data(session, stream);
  if (reply != NULL) reply->request.body_bytes += len;
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  connection_t *c = ctx;
  if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) c->server->pongs++;
  reply_t *reply = frame->hd.stream_id == 0
                       ? NULL
                       : nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (reply == NULL) return 0;
  h2_request_t *request = &reply->request;
  if (frame->hd.type == NGHTTP2_RST_STREAM) {
    request->reset = true;
    request->error = frame->rst_stream.error_code;
    return 0;
  }
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS) play(c->server, request, true);
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
    request->complete = true;
    play(c->server, request, false);
  }
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *ctx) {
  (void)error;
  (void)ctx;
  reply_t *reply = nghttp2_session_get_stream_user_data(session, stream);
  if (reply != NULL) reply->request.over = true;
  return 0;
}

static void begin(connection_t *c) {
  nghttp2_settings_entry entries[2] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->settings.window},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->settings.most_streams}};
  const size_t count = c->settings.most_streams != 0 ? 2 : 1;
  must(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, count) == 0, "settings");
  c->begun = true;
  flush(c);
}

static void take(void *ctx, const char *data, size_t len) {
  connection_t *c = ctx;
  if (c->closing || c->settings.silent) return;
  if (!c->begun) begin(c);
  c->inside = true;
  const ssize_t got = nghttp2_session_mem_recv(c->session, (const uint8_t *)data, len);
  c->inside = false;
  if (got < 0) {
    hang_up(c, false);
  } else {
    flush(c);
  }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char input[64 << 10];
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(input, sizeof input);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  connection_t *c = stream->data;
  if (got < 0) {
    hang_up(c, false);
    return;
  }
  tls_end_feed(c->tls, buf->base, (size_t)got);
  if (!c->closing && !c->begun && !c->settings.silent && tls_end_is_up(c->tls)) begin(c);
}

static void on_connection(uv_stream_t *listener, int status) {
  h2_server_t *server = listener->data;
  must(status == 0, "a connection that failed");
  connection_t *c = zeroed(sizeof *c);
  c->server = server;
  c->next = server->connections;
  server->connections = c;
  c->number = ++server->accepted;
  c->settings = server->settings;
  server->open++;
  uv_tcp_init(server->loop, &c->tcp);
  c->tcp.data = c;
  must(uv_accept(listener, (uv_stream_t *)&c->tcp) == 0, "accepting");
  uv_tcp_nodelay(&c->tcp, 1);
  c->tls = tls_end_new(server->tls, put, take, c);
  must(nghttp2_session_server_new2(&c->session, server->callbacks, c, server->option) == 0,
       "a session");
  if (c->settings.ends_in_handshake) {
    hang_up(c, true);
  } else {
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
  }
}

/* --- the server ------------------------------------------------------------------------------- */

static void make_certificate(h2_server_t *server) {
  static const char *protocols[] = {"h2", NULL};
  char *authority_key = key_make(), *key = key_make();
  const certificate authority = {"Authority", NULL, NULL, NULL, NULL};
  const certificate own = {"127.0.0.1", NULL, NULL, "Authority", authority_key};
  server->authority = certificate_make(authority_key, &authority);
  char *pem = certificate_make(key, &own);
  server->tls = tls_server_new(pem, key, protocols);
  free(pem);
  free(key);
  free(authority_key);
}

h2_server_t *h2_server_start(uv_loop_t *loop) {
  enum { LONGEST_HEADERS = 4 << 20, DEFAULT_WINDOW = 65535 };
  h2_server_t *server = zeroed(sizeof *server);
  struct sockaddr_in address;
  int len = sizeof address;
  server->loop = loop;
  server->settings.window = DEFAULT_WINDOW;
  make_certificate(server);
  must(nghttp2_session_callbacks_new(&server->callbacks) == 0, "callbacks");
  nghttp2_session_callbacks *callbacks = server->callbacks;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_piece);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  must(nghttp2_option_new(&server->option) == 0, "options");
  nghttp2_option_set_max_send_header_block_length(server->option, LONGEST_HEADERS);
  uv_tcp_init(loop, &server->listener);
  server->listener.data = server;
  server->listening = true;
  uv_ip4_addr("127.0.0.1", 0, &address);
  must(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) == 0, "binding");
  must(uv_listen((uv_stream_t *)&server->listener, 512, on_connection) == 0, "listening");
  uv_unref((uv_handle_t *)&server->listener);
  uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
  snprintf(server->url, sizeof server->url, "https://127.0.0.1:%u", ntohs(address.sin_port));
  return server;
}

static void free_if_over(h2_server_t *server) {
  if (!server->closing || server->listening || server->open > 0) return;
  h2_clear(server);
  for (unsigned i = 0; i < server->count; i++) {
    bytes_free(&server->requests[i]->body);
    free(server->requests[i]);
  }
  while (server->connections != NULL) {
    connection_t *next = server->connections->next;
    free(server->connections);
    server->connections = next;
  }
  nghttp2_session_callbacks_del(server->callbacks);
  nghttp2_option_del(server->option);
  tls_server_free(server->tls);
  free(server->authority);
  free(server->requests);
  free(server);
}

static void on_listener_closed(uv_handle_t *handle) {
  h2_server_t *server = handle->data;
  server->listening = false;
  free_if_over(server);
}

void h2_server_close(void *ctx) {
  h2_server_t *server = ctx;
  server->closing = true;
  for (connection_t *c = server->connections; c != NULL; c = c->next) {
    hang_up(c, false);
  }
  uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

const char *h2_url(const h2_server_t *server) {
  return server->url;
}

const char *h2_authority(const h2_server_t *server) {
  return server->authority;
}

h2_settings_t *h2_settings(h2_server_t *server) {
  return &server->settings;
}

unsigned h2_connections(const h2_server_t *server) {
  return server->accepted;
}

unsigned h2_connections_open(const h2_server_t *server) {
  return server->open;
}

/* --- rules and requests ----------------------------------------------------------------------- */

static void add_rule(h2_server_t *server, const char *what, h2_act act, void *ctx, bool early) {
  must(server->rules_count < E2B__COUNT(server->rules), "too many rules");
  rule_t *rule = &server->rules[server->rules_count++];
  rule->what = what != NULL ? strdup(what) : NULL;
  rule->act = act;
  rule->ctx = ctx;
  rule->early = early;
}

void h2_on(h2_server_t *server, const char *what, h2_act act, void *ctx) {
  add_rule(server, what, act, ctx, false);
}

void h2_on_head(h2_server_t *server, const char *what, h2_act act, void *ctx) {
  add_rule(server, what, act, ctx, true);
}

void h2_clear(h2_server_t *server) {
  while (server->rules_count > 0) {
    free(server->rules[--server->rules_count].what);
  }
}

h2_request_t *h2_request(h2_server_t *server, const char *what, unsigned nth) {
  for (unsigned i = 0; i < server->count; i++) {
    h2_request_t *request = &server->requests[i]->request;
    if (fits(request, what) && nth-- == 0) return request;
  }
  return NULL;
}

unsigned h2_count(const h2_server_t *server, const char *what) {
  unsigned count = 0;
  for (unsigned i = 0; i < server->count; i++) {
    count += fits(&server->requests[i]->request, what);
  }
  return count;
}

const unsigned *h2_counter(const h2_server_t *server) {
  return &server->count;
}

/* --- answers ---------------------------------------------------------------------------------- */

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx) {
  (void)session;
  (void)stream;
  (void)ctx;
  reply_t *reply = source->ptr;
  size_t count = reply->body.len - reply->sent;
  if (count > size) count = size;
  if (count > 0) memcpy(to, reply->body.data + reply->sent, count);
  reply->sent += count;
  if (reply->ended && reply->sent == reply->body.len) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  } else if (count == 0) {
    return NGHTTP2_ERR_DEFERRED;
  }
  return (ssize_t)count;
}

static nghttp2_nv pair(const char *name, const char *value, size_t len) {
  nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), len,
                   NGHTTP2_NV_FLAG_NO_INDEX};
  return nv;
}

static void respond(reply_t *reply, const nghttp2_nv *headers, size_t count) {
  if (reply->request.over || reply->on->closing) return;
  nghttp2_data_provider body = {{.ptr = reply}, read_body};
  reply->begun = true;
  must(nghttp2_submit_response(reply->on->session, reply->request.stream, headers, count, &body) ==
           0,
       "an answer");
  flush(reply->on);
}

void h2_head(h2_request_t *request, int status, const char *type, int64_t length) {
  char code[16], size[32];
  nghttp2_nv headers[3];
  size_t count = 0;
  headers[count++] = pair(":status", code, (size_t)snprintf(code, sizeof code, "%d", status));
  if (type != NULL) headers[count++] = pair("content-type", type, strlen(type));
  if (length >= 0) {
    const int len = snprintf(size, sizeof size, "%lld", (long long)length);
    headers[count++] = pair("content-length", size, (size_t)len);
  }
  respond(request->reply, headers, count);
}

void h2_head_of_size(h2_request_t *request, int status, size_t bytes) {
  enum { PIECE = 4096, MOST = 256 };
  static char words[PIECE];
  char code[16];
  nghttp2_nv headers[1 + MOST];
  size_t count = 0;
  memset(words, 'w', sizeof words);
  headers[count++] = pair(":status", code, (size_t)snprintf(code, sizeof code, "%d", status));
  for (size_t left = bytes; left > 0 && count <= MOST;) {
    const size_t len = left < PIECE ? left : PIECE;
    headers[count++] = pair("x-words", words, len);
    left -= len;
  }
  respond(request->reply, headers, count);
}

static void go_on(reply_t *reply) {
  if (reply->request.over || reply->on->closing) return;
  nghttp2_session_resume_data(reply->on->session, reply->request.stream);
  flush(reply->on);
}

void h2_data(h2_request_t *request, const void *data, size_t len) {
  reply_t *reply = request->reply;
  bytes_add(&reply->body, data, len);
  go_on(reply);
}

void h2_end(h2_request_t *request) {
  reply_t *reply = request->reply;
  reply->ended = true;
  go_on(reply);
}

void h2_answer(h2_request_t *request, int status, const char *type, const void *body, size_t len) {
  reply_t *reply = request->reply;
  bytes_add(&reply->body, body, len);
  reply->ended = true;
  h2_head(request, status, type, status == 204 ? -1 : (int64_t)len);
}

void h2_answers(h2_request_t *request, void *ctx) {
  const h2_answer_t *answer = ctx;
  h2_answer(request, answer->status, answer->type, answer->body, strlen(answer->body));
}

void h2_reset(h2_request_t *request, uint32_t error) {
  reply_t *reply = request->reply;
  if (request->over) return;
  nghttp2_submit_rst_stream(reply->on->session, NGHTTP2_FLAG_NONE, request->stream, error);
  flush(reply->on);
}

void h2_open_window(h2_request_t *request, int32_t bytes) {
  reply_t *reply = request->reply;
  must(nghttp2_session_set_local_window_size(reply->on->session, NGHTTP2_FLAG_NONE, request->stream,
                                             bytes) == 0,
       "a window");
  flush(reply->on);
}

/* --- connections ------------------------------------------------------------------------------ */

static connection_t *by_number(h2_server_t *server, unsigned number) {
  connection_t *c = server->connections;
  while (c != NULL && c->number != number) {
    c = c->next;
  }
  must(c != NULL, "no such connection");
  return c;
}

void h2_goaway(h2_server_t *server, unsigned connection, int32_t last_stream, uint32_t error) {
  connection_t *c = by_number(server, connection);
  if (c->closing) return;
  nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last_stream, error, NULL, 0);
  flush(c);
}

void h2_pings(h2_server_t *server, unsigned connection, unsigned count) {
  connection_t *c = by_number(server, connection);
  static const uint8_t words[] = "is there";
  for (unsigned i = 0; i < count && !c->closing; i++) {
    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, words);
  }
  flush(c);
}

const unsigned *h2_pongs(const h2_server_t *server) {
  return &server->pongs;
}

void h2_raw(h2_server_t *server, unsigned connection, const void *data, size_t len) {
  connection_t *c = by_number(server, connection);
  if (c->closing) return;
  flush(c);
  tls_end_send(c->tls, data, len);
}

void h2_cut(h2_server_t *server, unsigned connection, bool reset) {
  hang_up(by_number(server, connection), reset);
}
