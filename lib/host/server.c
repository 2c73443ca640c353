/* SPDX-License-Identifier: MIT */
#include "host/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/linger.h"
#include "host/tls.h"
#include "listen/listener.h"

enum {
  CONNECTION_LIMIT = 20000,
  CONNECTION_MEMORY = 128 << 10, /* also bounds headers and the chunks of an answer */
  CONNECTION_IDLE_S = 640,
  LONG_BODY = 256 << 10,
  IDLE_RUNS = 16,
  IDLE_PAUSE_MS = 10
};

typedef struct e2b__host_server {
  e2b_host_t *host;
  struct MHD_Daemon *daemon;
  uv_poll_t poll;
  uv_timer_t timer;
  bool tls;
  bool stopping;
  e2b__host_peer_t *admitted; /* whose connection is being taken */
  int open;                   /* handles */
  bool resumed;               /* since the last run: there is something to do */
  size_t awake;               /* requests that are not suspended */
  unsigned idle_runs;
} e2b__host_server_t;

/* Looks for the end of a client whose request is suspended: libmicrohttpd does not. */
typedef struct e2b__host_watch {
  uv_poll_t poll;
  e2b__host_request_t *request;
  e2b_host_t *host;
} e2b__host_watch_t;

static void on_timer(uv_timer_t *timer);

static void on_watch_closed(uv_handle_t *handle) {
  e2b__host_watch_t *watch = handle->data;
  e2b_host_t *host = watch->host;
  e2b__free(watch);
  e2b__host_handle_closed(host);
}

static void watch_stop(e2b__host_request_t *request) {
  if (request->watch == NULL) return;
  request->watch->request = NULL;
  uv_close((uv_handle_t *)&request->watch->poll, on_watch_closed);
  request->watch = NULL;
}

static void on_client_gone(uv_poll_t *poll, int status, int events) {
  e2b__host_watch_t *watch = poll->data;
  e2b__host_request_t *request = watch->request;
  if (request == NULL || (status == 0 && !(events & UV_DISCONNECT))) return;
  /* While the body is read, an end without an error may be no more than the end of the body. */
  if (status == 0 && request->phase == E2B__REQUEST_READING) {
    uv_poll_stop(poll);
    return;
  }
  request->cut = true;
  watch_stop(request);
  e2b__host_unsuspend(request);
}

static int request_socket(const e2b__host_request_t *request) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info != NULL ? info->connect_fd : -1;
}

/* Once a request waits it is likely to wait again: its watch stays until its end. Without memory
 * for one, the client's end is seen at the next write. */
static void watch_start(e2b__host_request_t *request) {
  if (request->watch != NULL) {
    uv_poll_start(&request->watch->poll, UV_DISCONNECT, on_client_gone);
    return;
  }
  int fd = request_socket(request);
  e2b__host_watch_t *watch = e2b__calloc(1, sizeof *watch);
  if (watch == NULL) return;
  if (fd < 0 || uv_poll_init(request->host->loop, &watch->poll, fd) != 0) {
    e2b__free(watch);
    return;
  }
  e2b__host_handle_opened(request->host);
  watch->poll.data = watch;
  watch->request = request;
  watch->host = request->host;
  request->watch = watch;
  uv_poll_start(&watch->poll, UV_DISCONNECT, on_client_gone);
}

void e2b__host_suspend(e2b__host_request_t *request) {
  if (request->suspended) return;
  request->suspended = true;
  request->server->awake--;
  MHD_suspend_connection(request->connection);
  watch_start(request);
}

void e2b__host_unsuspend(e2b__host_request_t *request) {
  if (!request->suspended) return;
  request->suspended = false;
  MHD_resume_connection(request->connection);
  request->server->awake++;
  e2b__host_server_wake(request->server);
}

void e2b__host_server_wake(e2b__host_server_t *server) {
  if (server->stopping) return;
  server->resumed = true;
  uv_timer_start(&server->timer, on_timer, 0, 0);
}

void e2b__host_request_reset(e2b__host_request_t *request) {
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  struct linger none = {1, 0};
  int fd = request_socket(request);

  request->cut = true;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    /* Dissolving the association sends the reset now; closing would first say a polite end. */
    connect(fd, &unspecified, sizeof unspecified);
  }
  watch_stop(request);
  if (request->handler != NULL && request->handler->reset != NULL) request->handler->reset(request);
  e2b__host_unsuspend(request);
}

/* The first line has been read: the only time that the target is to be had as it was sent. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection) {
  e2b__host_server_t *server = cls;
  e2b__host_request_t *request = e2b__calloc(1, sizeof *request);
  if (request == NULL) return NULL;
  request->host = server->host;
  request->server = server;
  request->connection = connection;
  request->keep_fd = -1;
  request->began_ms = e2b__host_now();
  e2b__list_init(&request->sandbox_node);
  request->target = e2b__strdup(target);
  if (request->target == NULL) {
    e2b__free(request);
    return NULL;
  }
  server->awake++;
  return request;
}

/* An answer that does not wait for the body costs the client its connection. */
static bool is_long(const e2b__host_request_t *request) {
  const char *length = e2b__host_header(request, "Content-Length");
  if (e2b__host_header(request, "Transfer-Encoding") != NULL) return true;
  if (length == NULL) return false;
  return strtoull(length, NULL, 10) > LONG_BODY || e2b__host_header(request, "Expect") != NULL;
}

static void refuse_size(e2b__host_request_t *request) {
  if (e2b__host_server_peer(request) != NULL)
    e2b__host_answer_error(request, 413, "Requests from this sandbox are larger than %d bytes",
                           (int)E2B__HOST_PEERS_HOLD);
  else
    e2b__host_answer_error(request, 413, "Request body is larger than %zu bytes",
                           request->handler->ceiling);
}

static enum MHD_Result queue_answer(e2b__host_request_t *request) {
  request->phase = E2B__REQUEST_SENDING;
  enum MHD_Result rc = MHD_queue_response(request->connection, request->status, request->response);
  MHD_destroy_response(request->response);
  request->response = NULL;
  return rc;
}

/* A body is on its way: what can be said before it has come is said now. */
static enum MHD_Result answer_early(e2b__host_request_t *request) {
  const char *length = e2b__host_header(request, "Content-Length");
  size_t ceiling = request->handler->ceiling;
  if (request->handler->begin != NULL) request->handler->begin(request);
  if (ceiling > 0 && length != NULL && strtoull(length, NULL, 10) > ceiling) refuse_size(request);
  if (request->cut) return MHD_NO;
  if (request->phase != E2B__REQUEST_ANSWERED) return MHD_YES;
  if (request->response == NULL) return MHD_NO;
  request->early = true;
  return queue_answer(request);
}

/* Called again for a request that was held. */
static enum MHD_Result take_headers(e2b__host_request_t *request, const char *path,
                                    const char *method) {
  request->method = method;
  if (request->path == NULL) request->path = e2b__strdup(path);
  if (request->path == NULL) return MHD_NO;
  e2b__host_route(request);
  if (request->held) {
    e2b__host_suspend(request);
    return MHD_YES;
  }
  request->phase = E2B__REQUEST_READING;
  e2b__buffer_init(&request->body, request->handler->ceiling);
  return is_long(request) ? answer_early(request) : MHD_YES;
}

static void take_body(e2b__host_request_t *request, const char *data, size_t len) {
  e2b__host_peer_t *peer = e2b__host_server_peer(request);
  if (request->cut || request->over_ceiling) return;
  if (request->handler->body != NULL) {
    request->handler->body(request, data, len);
  } else if ((peer != NULL && !e2b__host_peer_hold(peer, len)) ||
             e2b__buffer_append(&request->body, data, len) != 0) {
    request->over_ceiling = true;
    e2b__buffer_free(&request->body);
  }
}

/* Called for the headers, for each piece of the body, at its end, and again whenever a suspended
 * request goes on. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **state) {
  e2b__host_request_t *request = *state;
  (void)cls;
  (void)connection;
  (void)version;
  if (request == NULL) return MHD_NO;
  if (request->cut) return MHD_NO;
  if (request->phase == E2B__REQUEST_NEW) return take_headers(request, url, method);
  if (*size > 0) {
    take_body(request, data, *size);
    *size = 0;
    if (request->paused) e2b__host_suspend(request);
    return MHD_YES;
  }
  if (request->phase == E2B__REQUEST_READING) {
    request->phase = E2B__REQUEST_WAITING;
    if (request->over_ceiling)
      refuse_size(request);
    else
      request->handler->finish(request);
  }
  if (request->cut) return MHD_NO;
  if (request->phase == E2B__REQUEST_WAITING) {
    e2b__host_suspend(request);
    return MHD_YES;
  }
  if (request->phase != E2B__REQUEST_ANSWERED || request->response == NULL) return MHD_NO;
  return queue_answer(request);
}

/* No query: it may hold a signature. */
static void log_request(const e2b__host_request_t *request, enum MHD_RequestTerminationCode why) {
  const char *id = request->sandbox_id;
  char path[128], where[96] = "", status[16] = "no answer";
  if (request->host->log.level < E2B_LOG_DEBUG || request->path == NULL) return;
  snprintf(path, sizeof path, "%s", request->path);
  for (char *p = path; *p != '\0'; p++)
    if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
  if (id != NULL) snprintf(where, sizeof where, "sandbox %s, port %u: ", id, request->port);
  if (request->phase == E2B__REQUEST_SENDING)
    snprintf(status, sizeof status, "%u", request->status);
  E2B__HOST_LOG(request->host, DEBUG, "%s%.16s %s: %s%s, %llu ms", where, request->method, path,
                status, why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", cut off",
                (unsigned long long)(e2b__host_now() - request->began_ms));
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
  e2b__host_request_t *request = *state;
  e2b__host_server_t *server = cls;
  (void)connection;
  if (request == NULL) return;
  *state = NULL;
  log_request(request, why);
  if (!request->suspended) server->awake--;
  watch_stop(request);
  if (request->early && !request->cut) e2b__host_linger(request->host, request_socket(request));
  if (request->handler != NULL && request->handler->gone != NULL) request->handler->gone(request);
  e2b__list_remove(&request->sandbox_node);
  if (request->response != NULL) MHD_destroy_response(request->response);
  if (request->keep_fd >= 0) close(request->keep_fd);
  e2b__host_peer_t *peer = e2b__host_server_peer(request);
  if (peer != NULL) e2b__host_peer_give_back(peer);
  e2b__buffer_free(&request->body);
  e2b__arena_free(&request->arena);
  e2b__free(request->target);
  e2b__free(request->path);
  e2b__free(request);
}

/* Connections from inside a sandbox belong to a peer. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  e2b__host_server_t *server = cls;
  (void)connection;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    *context = server->admitted;
    server->admitted = NULL;
  } else if (*context != NULL) {
    e2b__host_door_left(*context);
    *context = NULL;
  }
}

__attribute__((format(printf, 2, 0))) static void on_daemon_log(void *cls, const char *fmt,
                                                                va_list args) {
  e2b_host_t *host = cls;
  char line[300];
  vsnprintf(line, sizeof line, fmt, args);
  line[strcspn(line, "\r\n")] = '\0';
  E2B__HOST_LOG(host, DEBUG, "http: %s", line);
}

/* libmicrohttpd wants to be run again at once as long as a TLS handshake waits for its client. When
 * nothing else can be the reason, a pause costs nothing: what arrives shows on the descriptor. Else
 * a short one, so that the loop (libuv before 1.45 does not leave its timers for a timer of 0)
 * comes to what the client sends. */
static unsigned pause_ms(e2b__host_server_t *server) {
  if (!server->tls || ++server->idle_runs <= IDLE_RUNS) return 0;
  return server->awake == 0 ? IDLE_PAUSE_MS : 1;
}

static void run(e2b__host_server_t *server) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  server->resumed = false;
  MHD_run(server->daemon);
  bool waits = MHD_get_timeout(server->daemon, &wait) == MHD_YES;
  if (server->resumed)
    wait = 0;
  else if (waits && wait == 0)
    wait = pause_ms(server);
  if (waits || server->resumed)
    uv_timer_start(&server->timer, on_timer, wait, 0);
  else
    uv_timer_stop(&server->timer);
}

static void on_timer(uv_timer_t *timer) {
  run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  e2b__host_server_t *server = poll->data;
  (void)status;
  (void)events;
  server->idle_runs = 0;
  run(server);
}

static void on_handle_closed(uv_handle_t *handle) {
  e2b__host_server_t *server = handle->data;
  e2b_host_t *host = server->host;
  if (--server->open == 0) e2b__free(server);
  e2b__host_handle_closed(host);
}

static struct MHD_Daemon *make_daemon(e2b__host_server_t *server, int fd) {
  e2b_host_t *host = server->host;
  struct MHD_OptionItem options[2 + E2B__HOST_TLS_OPTIONS];
  size_t count = 0;
  unsigned flags = server->tls ? MHD_USE_TLS : MHD_NO_FLAG;
  if (fd >= 0)
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, fd, NULL};
  else
    flags |= MHD_USE_NO_LISTEN_SOCKET;
#if MHD_VERSION >= 0x00097701
  /* As RFC 9112 has it, no laxer: else a blank in a target is answered by a redirect. */
  options[count++] = (struct MHD_OptionItem){MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL};
#endif
  e2b__host_tls_daemon_options(server->tls ? host->tls : NULL, options + count);
  struct MHD_Daemon *daemon = MHD_start_daemon(
      flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0,
      NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, host,
      MHD_OPTION_URI_LOG_CALLBACK, on_target, server, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)CONNECTION_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
      on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_ARRAY,
      options, MHD_OPTION_END);
  if (server->tls) e2b__host_tls_started(host->tls);
  return daemon;
}

/* Takes `fd`, also on failure; -1: a server that listens nowhere. */
static e2b__host_server_t *server_new(e2b_host_t *host, int fd, bool tls) {
  e2b__host_server_t *server = e2b__calloc(1, sizeof *server);
  const union MHD_DaemonInfo *info = NULL;
  if (server == NULL) {
    if (fd >= 0) close(fd);
    return NULL;
  }
  server->host = host;
  server->tls = tls;
  const e2b__listener_mark_t mark = e2b__listener_mark(fd);
  server->daemon = make_daemon(server, fd);
  if (server->daemon != NULL)
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  else
    e2b__listener_close(&mark);
  if (info == NULL || uv_poll_init(host->loop, &server->poll, info->epoll_fd) != 0) {
    if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
    e2b__free(server);
    return NULL;
  }
  uv_timer_init(host->loop, &server->timer);
  server->poll.data = server->timer.data = server;
  uv_poll_start(&server->poll, UV_READABLE, on_poll);
  e2b__host_handle_opened(host);
  e2b__host_handle_opened(host);
  server->open = 2;
  run(server);
  return server;
}

static void server_stop(e2b__host_server_t *server) {
  if (server == NULL) return;
  server->stopping = true;
  /* What was resumed just now must have gone on before the end. */
  MHD_run(server->daemon);
  uv_close((uv_handle_t *)&server->poll, on_handle_closed);
  MHD_stop_daemon(server->daemon);
  uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}

int e2b__host_server_start(e2b_host_t *host, char *why, size_t why_size) {
  int fd = e2b__listener_open(host->listen, 3000, why, why_size);
  if (fd < 0) return fd;
  host->url = e2b__listener_url(fd, host->tls != NULL ? "https" : "http");
  if (host->url == NULL ||
      (host->tls != NULL && e2b__host_tls_set_port(host->tls, e2b__listener_port(fd)) != 0))
    close(fd);
  else
    host->server = server_new(host, fd, host->tls != NULL);
  if (host->server == NULL) {
    snprintf(why, why_size, "cannot start the HTTP server");
    return E2B_ESYSTEM;
  }
  return 0;
}

void e2b__host_server_admit(e2b_host_t *host, int fd, const struct sockaddr *address, socklen_t len,
                            e2b__host_peer_t *peer) {
  if (host->inner == NULL) host->inner = server_new(host, -1, false);
  if (host->inner == NULL) {
    close(fd);
    e2b__host_door_left(peer);
    return;
  }
  host->inner->admitted = peer;
  /* Closes the socket when it fails. */
  MHD_add_connection(host->inner->daemon, fd, address, len);
  if (host->inner->admitted != NULL) {
    host->inner->admitted = NULL;
    e2b__host_door_left(peer);
  }
  e2b__host_server_wake(host->inner);
}

e2b__host_peer_t *e2b__host_server_peer(const e2b__host_request_t *request) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info != NULL ? info->socket_context : NULL;
}

void e2b__host_server_quiesce(e2b_host_t *host) {
  if (host->server == NULL) return;
  int fd = MHD_quiesce_daemon(host->server->daemon);
  if (fd >= 0) close(fd);
}

void e2b__host_server_stop(e2b_host_t *host) {
  e2b__host_server_t *server = host->server, *inner = host->inner;
  host->server = host->inner = NULL;
  server_stop(server);
  server_stop(inner);
  e2b__host_linger_end(host);
}
