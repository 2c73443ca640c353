/* SPDX-License-Identifier: MIT */
#include "web/web.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen/listener.h"

enum {
  DEFAULT_BODY_BYTES = 8 << 20,
  DEFAULT_CONNECTIONS = 10000,
  DEFAULT_REQUEST_MS = 60000,
  DEFAULT_BODIES_BYTES = 256 << 20,
  MOST_OUT = 8 << 20, /* what a paused stream may still bring at once is less */
  CONNECTION_MEMORY = 32 << 10,
  SWEEP_MS = 1000
};

/* Looks for the end of a client whose request is suspended: libmicrohttpd does not. */
typedef struct e2b__web_exchange_watch {
  uv_poll_t poll;
  e2b__web_exchange_t *exchange;
  e2b_web_t *web;
} watch_t;

static void on_timer(uv_timer_t *timer);

void e2b__web_wake(e2b_web_t *web) {
  if (web->closing) return;
  web->resumed = true;
  uv_timer_start(&web->timer, on_timer, 0, 0);
}

/* --- one exchange -------------------------------------------------------------------------------
 */

static void on_watch_closed(uv_handle_t *handle) {
  watch_t *watch = handle->data;
  e2b_web_t *web = watch->web;
  e2b__free(watch);
  e2b__web_handle_closed(web);
}

void e2b__web_exchange_unwatch(e2b__web_exchange_t *x) {
  if (x->watch == NULL) return;
  x->watch->exchange = NULL;
  uv_close((uv_handle_t *)&x->watch->poll, on_watch_closed);
  x->watch = NULL;
}

static void on_client_left(uv_poll_t *poll, int status, int events) {
  watch_t *watch = poll->data;
  if (watch->exchange == NULL || (status == 0 && !(events & UV_DISCONNECT))) return;
  e2b__web_exchange_cut(watch->exchange);
}

/* Without memory for it, the client's end is seen at the next write. */
static void start_watching(e2b__web_exchange_t *x) {
  const int fd = e2b__web_socket_of(x->connection);
  watch_t *watch = x->watch == NULL && fd >= 0 ? e2b__calloc(1, sizeof *watch) : NULL;
  if (watch == NULL) return;
  if (uv_poll_init(x->web->loop, &watch->poll, fd) != 0) {
    e2b__free(watch);
    return;
  }
  x->web->handles++;
  watch->poll.data = watch;
  watch->exchange = x;
  watch->web = x->web;
  x->watch = watch;
  uv_poll_start(&watch->poll, UV_DISCONNECT, on_client_left);
}

void e2b__web_exchange_suspend(e2b__web_exchange_t *x) {
  if (x->suspended || x->connection == NULL) return;
  x->suspended = true;
  MHD_suspend_connection(x->connection);
  start_watching(x);
}

void e2b__web_exchange_resume(e2b__web_exchange_t *x) {
  if (!x->suspended || x->connection == NULL) return;
  x->suspended = false;
  MHD_resume_connection(x->connection);
  e2b__web_wake(x->web);
}

void e2b__web_exchange_cut(e2b__web_exchange_t *x) {
  if (x->cut) return;
  x->cut = true;
  if (x->future != NULL) e2b_future_cancel(x->future);
  if (x->stream != NULL) e2b_http_stream_close(x->stream);
  if (x->connection == NULL) return;
  const int fd = e2b__web_socket_of(x->connection);
  if (fd >= 0) shutdown(fd, SHUT_RDWR);
  e2b__web_exchange_unwatch(x);
  e2b__web_exchange_resume(x);
  e2b__web_wake(x->web);
}

void e2b__web_exchange_forget_body(e2b__web_exchange_t *x) {
  x->web->bodies_bytes -= x->body.len;
  e2b__buffer_free(&x->body);
}

void e2b__web_exchange_drop(e2b__web_exchange_t *x) {
  if (--x->refs > 0) return;
  e2b_web_t *web = x->web;
  e2b__list_remove(&x->node);
  web->exchanges_count--;
  e2b__web_exchange_forget_body(x);
  e2b__buffer_free(&x->out);
  e2b__free(x->path);
  e2b__free(x->query);
  if (x->response != NULL) MHD_destroy_response(x->response);
  e2b__free(x);
  e2b__web_handle_closed(web);
}

/* --- what libmicrohttpd calls -------------------------------------------------------------------
 */

/* The target as it was sent: the handler gets the query unescaped by nobody. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection) {
  e2b_web_t *web = cls;
  e2b__web_exchange_t *x = e2b__calloc(1, sizeof *x);
  if (x == NULL) return NULL;
  const size_t path_len = strcspn(target, "?");
  x->path = e2b__strndup(target, path_len);
  x->query = target[path_len] == '?' ? e2b__strdup(target + path_len + 1) : e2b__strdup("");
  if (x->path == NULL || x->query == NULL) {
    e2b__free(x->path);
    e2b__free(x->query);
    e2b__free(x);
    return NULL;
  }
  x->web = web;
  x->connection = connection;
  x->refs = 1;
  x->started_ms = uv_now(web->loop);
  e2b__buffer_init(&x->body, web->options.max_body_bytes);
  e2b__buffer_init(&x->out, MOST_OUT);
  e2b__list_init(&x->node);
  e2b__list_append(&web->exchanges, &x->node);
  web->exchanges_count++;
  web->handles++; /* the server waits for its exchanges as for its handles */
  e2b__web_connection_busy(web, connection, true);
  return x;
}

static const e2b_web_file_t *find_file(const e2b_web_t *web, const char *path) {
  for (size_t i = 0; i < web->options.files_count; i++) {
    if (strcmp(web->options.files[i].path, path) == 0) return &web->options.files[i];
  }
  return NULL;
}

static void serve(e2b__web_exchange_t *x) {
  static const char missing[] = "Not found\n";
  x->phase = E2B__WEB_WAITING;
  const e2b_web_file_t *file = find_file(x->web, x->path);
  if (strcmp(x->path, x->web->path) == 0) {
    e2b__web_exchange_ask(x);
  } else if (file != NULL && (strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0)) {
    e2b__web_exchange_answer(x, 200, file->content_type, file->data, file->len);
  } else {
    e2b__web_exchange_answer(x, 404, "text/plain", missing, sizeof missing - 1);
  }
}

/* A body that is announced too large is not waited for. */
static bool is_announced_too_large(const e2b__web_exchange_t *x) {
  const char *text = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");
  return text != NULL && strtoull(text, NULL, 10) > x->web->options.max_body_bytes;
}

/* What nobody will read is not kept; it has to come nevertheless, since libmicrohttpd takes no
 * answer before. */
static void keep_body(e2b__web_exchange_t *x, const char *data, size_t len) {
  e2b_web_t *web = x->web;
  if (x->refused != 0 || strcmp(x->path, web->path) != 0) return;
  int rc = len > web->options.max_bodies_bytes - web->bodies_bytes ? E2B_EAGAIN : 0;
  if (rc == 0) rc = e2b__buffer_append(&x->body, data, len);
  if (rc == 0) {
    web->bodies_bytes += len;
    return;
  }
  x->refused = rc == E2B_ETOOBIG ? 413 : 503;
  e2b__web_exchange_forget_body(x);
}

static enum MHD_Result send_answer(e2b__web_exchange_t *x) {
  struct MHD_Response *response = x->response;
  x->response = NULL;
  x->phase = E2B__WEB_SENDING;
  const enum MHD_Result rc = MHD_queue_response(x->connection, x->status, response);
  MHD_destroy_response(response);
  return rc;
}

static void refuse_large(e2b__web_exchange_t *x) {
  static const char text[] = "{\"success\":false,\"sandboxId\":\"\",\"provider\":\"e2b\","
                             "\"error\":\"Request body is too large\"}";
  e2b__web_exchange_answer(x, 413, "application/json", text, sizeof text - 1);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **state) {
  e2b__web_exchange_t *x = *state;
  (void)cls;
  (void)connection;
  (void)url;
  (void)version;
  if (x == NULL || x->cut || x->web->closing) return MHD_NO;
  if (x->method == NULL) {
    x->method = method;
    if (!is_announced_too_large(x)) return MHD_YES;
    refuse_large(x);
    x->early = true;
    return x->response != NULL ? send_answer(x) : MHD_NO;
  }
  if (*size > 0) {
    keep_body(x, data, *size);
    *size = 0;
    return MHD_YES;
  }
  if (x->phase == E2B__WEB_READING) {
    switch (x->refused) {
    case 0: serve(x); break;
    case 413: refuse_large(x); break;
    default: e2b__web_exchange_refuse(x);
    }
  }
  if (x->cut) return MHD_NO;
  if (x->phase == E2B__WEB_ANSWERED) return x->response != NULL ? send_answer(x) : MHD_NO;
  e2b__web_exchange_suspend(x);
  return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
  e2b__web_exchange_t *x = *state;
  (void)why;
  e2b__web_connection_busy(cls, connection, false);
  if (x == NULL) return;
  *state = NULL;
  e2b__web_exchange_unwatch(x);
  if (x->early && !x->cut) e2b__web_linger(x->web, e2b__web_socket_of(connection));
  x->connection = NULL;
  if (x->future != NULL) e2b_future_cancel(x->future);
  if (x->socket == NULL && x->stream != NULL) e2b_http_stream_close(x->stream);
  e2b__web_exchange_drop(x);
}

/* --- libmicrohttpd on the loop ------------------------------------------------------------------
 */

static void stop(e2b_web_t *web);

static void run(e2b_web_t *web) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  web->resumed = false;
  web->running = true;
  MHD_run(web->daemon);
  web->running = false;
  if (web->closing) {
    stop(web);
    return;
  }
  const bool waits = MHD_get_timeout(web->daemon, &wait) == MHD_YES;
  if (waits || web->resumed) {
    uv_timer_start(&web->timer, on_timer, web->resumed ? 0 : wait, 0);
  } else {
    uv_timer_stop(&web->timer);
  }
}

static void on_timer(uv_timer_t *timer) {
  e2b_web_t *web = timer->data;
  if (!web->closing) run(web);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  e2b_web_t *web = poll->data;
  (void)status;
  (void)events;
  if (!web->closing) run(web);
}

static void on_sweep(uv_timer_t *timer) {
  e2b_web_t *web = timer->data;
  if (!web->closing) e2b__web_connections_sweep(web, false);
}

/* --- start and end ------------------------------------------------------------------------------
 */

void e2b__web_handle_closed(e2b_web_t *web) {
  if (--web->handles > 0) return;
  const e2b_web_closed_cb closed = web->closed;
  void *user_data = web->user_data;
  e2b__free(web->path);
  e2b__free(web->url);
  e2b__free(web);
  if (closed != NULL) closed(user_data);
}

static void on_handle_closed(uv_handle_t *handle) {
  e2b__web_handle_closed(handle->data);
}

/* Connections inherit it. A viewer that vanished without a word would otherwise be kept for ever,
 * if nothing is written to it, or for a quarter of an hour, until the kernel gives up what was. */
static void keep_alive(int fd, uint64_t request_timeout_ms) {
  const int on = 1, idle_s = 60, every_s = 15, probes = 4;
  const uint64_t probed_ms = (idle_s + probes * every_s) * 1000;
  uint64_t patience_ms = request_timeout_ms > probed_ms ? request_timeout_ms : probed_ms;
  if (patience_ms > INT_MAX) patience_ms = INT_MAX;
  const unsigned unread_ms = (unsigned)patience_ms;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unread_ms, sizeof unread_ms);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static struct MHD_Daemon *start_daemon(e2b_web_t *web, int fd) {
  return MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE, 0, NULL, NULL, on_access, web,
      MHD_OPTION_URI_LOG_CALLBACK, on_target, web, MHD_OPTION_LISTEN_SOCKET, fd,
      MHD_OPTION_CONNECTION_LIMIT, web->options.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
      (unsigned)((web->options.request_timeout_ms + 999) / 1000), MHD_OPTION_NOTIFY_COMPLETED,
      on_completed, web, MHD_OPTION_NOTIFY_CONNECTION, e2b__web_on_connection, web,
#if MHD_VERSION >= 0x00097701
      MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, /* as RFC 9112 has it, no laxer */
#endif
      MHD_OPTION_END);
}

static void set_defaults(e2b_web_options *options) {
  if (options->listen == NULL) options->listen = "127.0.0.1:8080";
  if (options->path == NULL) options->path = "/api/compute";
  if (options->max_body_bytes == 0) options->max_body_bytes = DEFAULT_BODY_BYTES;
  if (options->max_connections == 0) options->max_connections = DEFAULT_CONNECTIONS;
  if (options->request_timeout_ms == 0) options->request_timeout_ms = DEFAULT_REQUEST_MS;
  if (options->max_bodies_bytes == 0) options->max_bodies_bytes = DEFAULT_BODIES_BYTES;
}

static int begin(e2b_web_t *web, int fd) {
  web->path = e2b__strdup(web->options.path);
  web->url = e2b__listener_url(fd, "http");
  if (web->path == NULL || web->url == NULL) return E2B_ENOMEM;
  const e2b__listener_mark_t mark = e2b__listener_mark(fd);
  web->daemon = start_daemon(web, fd);
  if (web->daemon == NULL) {
    e2b__listener_close(&mark);
    return E2B_ECLOSED;
  }
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info != NULL && uv_poll_init(web->loop, &web->poll, info->epoll_fd) == 0) return 0;
  MHD_stop_daemon(web->daemon);
  return E2B_ECLOSED; /* the descriptor too */
}

int e2b_web_start(uv_loop_t *loop, e2b_handler_t *handler, const e2b_web_options *given,
                  e2b_web_t **result, char *why, size_t why_size) {
  char nowhere[1];
  *result = NULL;
  if (why == NULL) {
    why = nowhere;
    why_size = sizeof nowhere;
  }
  if (loop == NULL || handler == NULL) {
    snprintf(why, why_size, "a web server needs a loop and a handler");
    return E2B_EINVAL;
  }
  e2b_web_t *web = e2b__calloc(1, sizeof *web);
  if (web == NULL) return E2B_ENOMEM;
  web->loop = loop;
  web->handler = handler;
  e2b__list_init(&web->connections);
  e2b__list_init(&web->lingering);
  e2b__list_init(&web->exchanges);
  e2b__options_copy(&web->options, sizeof web->options, given);
  set_defaults(&web->options);
  const int fd = e2b__listener_open(web->options.listen, 8080, why, why_size);
  if (fd >= 0) keep_alive(fd, web->options.request_timeout_ms);
  int rc = fd >= 0 ? begin(web, fd) : fd;
  if (rc != 0) {
    if (fd >= 0) {
      snprintf(why, why_size, "cannot start the web server");
      if (rc != E2B_ECLOSED) close(fd);
    }
    e2b__free(web->path);
    e2b__free(web->url);
    e2b__free(web);
    return rc == E2B_ECLOSED ? E2B_ESYSTEM : rc;
  }
  uv_timer_init(loop, &web->timer);
  uv_timer_init(loop, &web->sweep);
  web->poll.data = web->timer.data = web->sweep.data = web;
  web->handles = 3;
  uv_poll_start(&web->poll, UV_READABLE, on_poll);
  uv_timer_start(&web->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
  run(web);
  *result = web;
  return 0;
}

const char *e2b_web_url(const e2b_web_t *web) {
  return web->url;
}

static void stop(e2b_web_t *web) {
  e2b__list_t *node = web->exchanges.next;
  while (node != &web->exchanges) {
    e2b__web_exchange_t *x = E2B__CONTAINER(node, e2b__web_exchange_t, node);
    node = node->next;
    e2b__web_socket_close(x);
    e2b__web_exchange_cut(x);
  }
  e2b__web_connections_sweep(web, true);
  /* What was resumed just now must have gone on before the end. */
  MHD_run(web->daemon);
  uv_close((uv_handle_t *)&web->poll, on_handle_closed);
  MHD_stop_daemon(web->daemon);
  uv_close((uv_handle_t *)&web->timer, on_handle_closed);
  uv_close((uv_handle_t *)&web->sweep, on_handle_closed);
}

void e2b_web_close(e2b_web_t *web, e2b_web_closed_cb closed, void *user_data) {
  if (web == NULL || web->closing) return;
  web->closed = closed;
  web->user_data = user_data;
  web->closing = true;
  if (!web->running) stop(web); /* run() does it otherwise */
}
