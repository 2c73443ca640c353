/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <uv.h>

#include "handler/socket.h"
#include "handler/sse.h"
#include "handler/terminal.h"
#include "proto/websocket_handshake.h"

/*  what happens            server-sent events              WebSocket
 *  attached                {"type":"connected",...}        the same, as text
 *  output                  id: offset, [bytes]             a binary message
 *  output was lost         {"type":"gap","lost":n}         the same, as text
 *  the sandbox is away     {"type":"lost"}, "restored"     the same, as text
 *  the program ended       {"type":"exit","exitCode":n}    the same, then it is closed
 *  the browser types       -                               a binary message
 *  resizes, kills          -                               {"type":"resize","cols","rows"}, "kill"
 *
 * Offsets count the terminal's output from its beginning, so that a browser that comes back goes on
 * where it was. */

enum { LONGEST_NOTICE = 512, CLOSE_NORMAL = 1000, CLOSE_LOST = 1011 };

typedef struct viewer {
  unsigned refs;             /* the stream's, the terminal's, and the attaching request's */
  e2b_http_stream_t *stream; /* NULL when the browser has gone */
  e2b_terminal_t *terminal;  /* NULL until it is there, and when it was let go */
  e2b__server_socket_t *socket;
  char *sandbox_id;
  char *terminal_id;
  bool connected; /* that was said */
  bool yielded;   /* the terminal's last callback gives a reference back */
  bool closed;    /* it has come */
  bool held;      /* the browser is slow */
} viewer;

static void drop(viewer *v) {
  if (--v->refs > 0) return;
  e2b__server_socket_free(v->socket);
  e2b__free(v->sandbox_id);
  e2b__free(v->terminal_id);
  e2b__free(v);
}

static void let_terminal_go(viewer *v) {
  e2b_terminal_t *terminal = v->terminal;
  v->terminal = NULL;
  if (terminal == NULL) return;
  e2b_terminal_close(terminal);
  e2b_terminal_release(terminal);
}

/* --- the stream's side --------------------------------------------------------------------------
 */

static void on_pause(void *ctx) {
  viewer *v = ctx;
  v->held = true;
  if (v->terminal != NULL) e2b_terminal_pause(v->terminal);
}

static void on_resume(void *ctx) {
  viewer *v = ctx;
  v->held = false;
  if (v->terminal != NULL) e2b_terminal_resume(v->terminal);
}

static void on_receive(void *ctx, const void *data, size_t len) {
  viewer *v = ctx;
  v->refs++;
  if (v->socket != NULL) e2b__server_socket_receive(v->socket, data, len);
  drop(v);
}

/* The browser has gone; the terminal stays. */
static void on_gone(void *ctx) {
  viewer *v = ctx;
  v->stream = NULL;
  let_terminal_go(v);
  drop(v);
}

static void on_beat(void *ctx);

static const e2b__http_stream_source_t source = {on_pause, on_resume, on_receive, on_gone, on_beat};

/* Nothing more is to be said to this browser. */
static void finish(viewer *v, unsigned code) {
  if (v->stream == NULL) return;
  e2b_http_stream_t *stream = v->stream;
  v->stream = NULL;
  if (v->socket != NULL) (void)e2b__server_socket_close(v->socket, code);
  e2b__http_stream_finish(stream);
  let_terminal_go(v);
  drop(v);
}

/* The browser cannot be told: it has to come back. */
static void check(viewer *v, int rc) {
  if (rc != 0) finish(v, CLOSE_LOST);
}

static void on_beat(void *ctx) {
  viewer *v = ctx;
  if (v->stream == NULL) return;
  if (v->socket != NULL) {
    check(v, e2b__server_socket_ping(v->socket));
  } else {
    e2b__sse_beat(v->stream);
  }
}

/* A notice is a flat object of ours; `fmt` is its text. */
__attribute__((format(printf, 2, 3))) static void notice(viewer *v, const char *fmt, ...) {
  char text[LONGEST_NOTICE];
  va_list args;
  va_start(args, fmt);
  const int len = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (v->stream == NULL || len < 0 || (size_t)len >= sizeof text) return;
  if (v->socket != NULL) {
    check(v, e2b__server_socket_send(v->socket, true, text, (size_t)len));
    return;
  }
  e2b__sse_event_t event;
  e2b__sse_begin(&event, 0);
  e2b__json_put_raw(&event.json, NULL, text, (size_t)len);
  check(v, e2b__sse_send(&event, v->stream));
}

/* --- the terminal's side ------------------------------------------------------------------------
 */

static unsigned active_connections(const viewer *v) {
  unsigned count = 0;
  const e2b_handler_t *handler = v->stream->handler;
  for (e2b__list_t *node = handler->streams.next; node != &handler->streams; node = node->next) {
    const e2b_http_stream_t *stream = E2B__CONTAINER(node, e2b_http_stream_t, node);
    const viewer *other = stream->source == &source ? stream->ctx : NULL;
    if (other != NULL && strcmp(other->terminal_id, v->terminal_id) == 0 &&
        strcmp(other->sandbox_id, v->sandbox_id) == 0) {
      count++;
    }
  }
  return count;
}

/* Comes first, before any output. */
static void say_connected(viewer *v, e2b_terminal_t *terminal, uint64_t lost) {
  uint32_t random = 0;
  if (v->connected || v->stream == NULL) return;
  v->connected = true;
  (void)getrandom(&random, sizeof random, 0); /* it only has to differ */
  notice(v,
         "{\"type\":\"connected\",\"terminalId\":\"%s\",\"connectionId\":\"%llu-%08x\","
         "\"activeConnections\":%u,\"offset\":%llu,\"lost\":%llu,\"cols\":%u,\"rows\":%u}",
         v->terminal_id, (unsigned long long)uv_now(v->stream->handler->client->loop), random,
         active_connections(v), (unsigned long long)(e2b_terminal_offset(terminal) + lost),
         (unsigned long long)lost, e2b_terminal_cols(terminal), e2b_terminal_rows(terminal));
}

static void send_events(viewer *v, const char *data, size_t len, uint64_t offset) {
  e2b__sse_event_t event;
  e2b__sse_begin(&event, offset + len);
  e2b__json_open(&event.json, NULL, '[');
  for (size_t i = 0; i < len; i++) {
    e2b__json_put_int(&event.json, NULL, (unsigned char)data[i]);
  }
  e2b__json_close(&event.json, ']');
  check(v, e2b__sse_send(&event, v->stream));
}

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  viewer *v = user_data;
  say_connected(v, terminal, 0);
  if (v->stream == NULL) return;
  if (v->socket != NULL) {
    check(v, e2b__server_socket_send(v->socket, false, data, len));
  } else {
    send_events(v, data, len, e2b_terminal_offset(terminal));
  }
}

static void on_gap(e2b_terminal_t *terminal, uint64_t bytes, void *user_data) {
  viewer *v = user_data;
  if (!v->connected) {
    say_connected(v, terminal, bytes);
  } else {
    notice(v, "{\"type\":\"gap\",\"lost\":%llu}", (unsigned long long)bytes);
  }
}

static void on_lost(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  (void)terminal;
  (void)error;
  notice(user_data, "{\"type\":\"lost\"}");
}

static void on_restored(e2b_terminal_t *terminal, void *user_data) {
  (void)terminal;
  notice(user_data, "{\"type\":\"restored\"}");
}

static void on_exit(e2b_terminal_t *terminal, const e2b_terminal_exit_t *exit, void *user_data) {
  viewer *v = user_data;
  say_connected(v, terminal, 0);
  if (exit->known) {
    notice(v, "{\"type\":\"exit\",\"exitCode\":%d,\"signal\":%d}", exit->exit_code, exit->signal);
  } else {
    notice(v, "{\"type\":\"exit\",\"exitCode\":null}");
  }
}

static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  viewer *v = user_data;
  (void)terminal;
  v->closed = true;
  finish(v, error == NULL ? CLOSE_NORMAL : CLOSE_LOST);
  if (v->yielded) drop(v);
}

/* --- the browser's side of a WebSocket ----------------------------------------------------------
 */

static void on_control(viewer *v, const char *data, size_t len) {
  cJSON *json = e2b__json_parse(data, len);
  const char *type = e2b__json_string(json, "type", "");
  if (strcmp(type, "resize") == 0) {
    const int64_t cols = e2b__json_int(json, "cols", 0);
    const int64_t rows = e2b__json_int(json, "rows", 0);
    if (cols >= 1 && cols <= UINT16_MAX && rows >= 1 && rows <= UINT16_MAX) {
      (void)e2b_terminal_resize(v->terminal, (uint16_t)cols, (uint16_t)rows);
    }
  } else if (strcmp(type, "kill") == 0) {
    e2b_future_release(e2b_terminal_kill(v->terminal));
  }
  cJSON_Delete(json);
}

static void on_message(void *ctx, bool text, const char *data, size_t len) {
  viewer *v = ctx;
  if (v->terminal == NULL || v->stream == NULL) return;
  if (text) {
    on_control(v, data, len);
  } else if (len > 0 && e2b_terminal_write(v->terminal, data, len) == E2B_EAGAIN) {
    notice(v, "{\"type\":\"error\",\"error\":\"The terminal does not read its input\"}");
  }
}

static void on_socket_closed(void *ctx) {
  viewer *v = ctx;
  finish(v, CLOSE_NORMAL);
}

static const e2b__server_socket_events_t socket_events = {on_message, on_socket_closed};

/* --- attaching ----------------------------------------------------------------------------------
 */

static void take_terminal(viewer *v, e2b_future_t *done) {
  v->terminal = e2b_future_terminal(done);
  if (v->terminal == NULL || v->closed) return;
  v->yielded = true;
  v->refs++;
}

static void answer(e2b__handling_t *h, const char *socket_key) {
  char accept[E2B__WEBSOCKET_ACCEPT + 1];
  if (*socket_key == '\0') {
    e2b__sse_answer(h);
    return;
  }
  if (e2b__websocket_accept(socket_key, accept) != 0) {
    e2b__handling_fail(h, 500, "%s", e2b_code_text(E2B_ESYSTEM));
    return;
  }
  const e2b_pair_t headers[] = {{"Upgrade", "websocket"},
                                {"Sec-WebSocket-Accept", accept},
                                {"Sec-WebSocket-Protocol", "e2b-terminal"}};
  e2b__handling_answer_stream(h, 101, headers, E2B__COUNT(headers));
}

typedef struct attaching {
  viewer *v;
  char socket_key[32]; /* "" for server-sent events */
} attaching;

static void on_orphaned(e2b__handling_t *h, e2b_future_t *done) {
  attaching *it = h->work;
  take_terminal(it->v, done);
  let_terminal_go(it->v);
  drop(it->v);
}

static void on_attached(e2b__handling_t *h, e2b_future_t *done) {
  attaching *it = h->work;
  viewer *v = it->v;
  take_terminal(v, done);
  if (v->terminal == NULL) {
    e2b__terminal_fail_with(h, v->terminal_id, e2b_future_error(done));
  } else {
    if (v->held) e2b_terminal_pause(v->terminal);
    say_connected(v, v->terminal, 0);
    answer(h, it->socket_key);
    /* What came before may have been the end, or the handler has closed the stream. */
    if (v->stream == NULL) let_terminal_go(v);
  }
  drop(v);
}

/* NULL when out of memory. With one reference, the stream's. */
static viewer *viewer_new(e2b__handling_t *h, const e2b__viewing_t *viewing) {
  viewer *v = e2b__calloc(1, sizeof *v);
  if (v == NULL) return NULL;
  v->refs = 1;
  v->terminal_id = e2b__strdup(viewing->terminal_id);
  v->sandbox_id = e2b__strdup(h->id);
  if (v->terminal_id == NULL || v->sandbox_id == NULL || e2b__http_stream_new(h, &source, v) != 0) {
    drop(v);
    return NULL;
  }
  v->stream = h->stream;
  if (viewing->socket_key == NULL) return v;
  v->socket = e2b__server_socket_new(v->stream, &socket_events, v);
  /* The stream, which ends with the request, gives the last reference back. */
  return v->socket != NULL ? v : NULL;
}

void e2b__terminal_view(e2b__handling_t *h, const e2b__viewing_t *viewing) {
  if (!e2b__http_stream_may(h)) return;
  viewer *v = viewer_new(h, viewing);
  attaching *it = v != NULL ? e2b__calloc(1, sizeof *it) : NULL;
  if (it == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  if (viewing->socket_key != NULL) {
    snprintf(it->socket_key, sizeof it->socket_key, "%s", viewing->socket_key);
  }
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.from_offset = viewing->offset;
  options.on_data = on_data;
  options.on_gap = on_gap;
  options.on_exit = on_exit;
  options.on_lost = on_lost;
  options.on_restored = on_restored;
  options.on_closed = on_closed;
  options.user_data = v;
  it->v = v;
  v->refs++;
  h->work = it; /* the request's own data has been read by now */
  e2b_future_t *future = e2b_terminal_get_by_id(h->sandbox, viewing->terminal_id, &options);
  e2b__handling_await_or(h, future, on_attached, on_orphaned);
}
