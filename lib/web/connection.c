/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/web.h"

/* Connections beside their requests: those that ask for nothing, ask too slowly, or are answered
 * while they still send. */

enum { LINGER_MS = 5000, MOST_LINGERING = 256, ROOM = 16 << 10, PIECES = 16 };

typedef struct e2b__web_connection {
  e2b__list_t node; /* in web->connections */
  int fd;
  bool busy;         /* a request is being read or answered */
  uint64_t since_ms; /* when it began to be idle */
} e2b__web_connection_t;

int e2b__web_socket_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info != NULL ? info->connect_fd : -1;
}

void e2b__web_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode what) {
  e2b_web_t *web = cls;
  e2b__web_connection_t *it = *context;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    it = e2b__calloc(1, sizeof *it);
    *context = it;
    const int fd = e2b__web_socket_of(connection);
    if (it == NULL) {
      if (fd >= 0) shutdown(fd, SHUT_RDWR); /* there is no memory to serve it either */
      return;
    }
    it->fd = fd;
    it->since_ms = uv_now(web->loop);
    e2b__list_init(&it->node);
    e2b__list_append(&web->connections, &it->node);
  } else if (it != NULL) {
    *context = NULL;
    e2b__list_remove(&it->node);
    e2b__free(it);
  }
}

void e2b__web_connection_busy(e2b_web_t *web, struct MHD_Connection *connection, bool busy) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  e2b__web_connection_t *it = info != NULL ? info->socket_context : NULL;
  if (it == NULL) return;
  it->busy = busy;
  it->since_ms = uv_now(web->loop);
}

/* What nobody has asked for in time. A first line that comes byte by byte looks the same. */
static void end_idle(e2b_web_t *web, uint64_t now) {
  for (e2b__list_t *node = web->connections.next; node != &web->connections; node = node->next) {
    const e2b__web_connection_t *it = E2B__CONTAINER(node, e2b__web_connection_t, node);
    if (it->busy || now - it->since_ms <= web->options.request_timeout_ms) continue;
    shutdown(it->fd, SHUT_RDWR);
    e2b__web_wake(web);
  }
}

/* libmicrohttpd takes no answer while a request is being read, and has sent nothing by then. */
static void say_late(const e2b__web_exchange_t *x) {
  static const char body[] = "{\"success\":false,\"sandboxId\":\"\",\"provider\":\"e2b\","
                             "\"error\":\"The request did not come in time\"}";
  char text[320];
  const int fd = e2b__web_socket_of(x->connection);
  const int len = snprintf(text, sizeof text,
                           "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           sizeof body - 1, body);
  if (fd >= 0) (void)!send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_late(e2b_web_t *web, uint64_t now) {
  e2b__list_t *node = web->exchanges.next;
  while (node != &web->exchanges) {
    e2b__web_exchange_t *x = E2B__CONTAINER(node, e2b__web_exchange_t, node);
    node = node->next;
    if (x->phase != E2B__WEB_READING || x->cut || x->connection == NULL ||
        now - x->started_ms <= web->options.request_timeout_ms) {
      continue;
    }
    say_late(x);
    e2b__web_exchange_cut(x);
  }
}

/* --- lingering ----------------------------------------------------------------------------------
 */

typedef struct lingerer {
  e2b__list_t node; /* in web->lingering */
  e2b_web_t *web;
  uv_poll_t poll;
  int fd;
  uint64_t until_ms;
} lingerer_t;

static void on_closed(uv_handle_t *handle) {
  lingerer_t *it = handle->data;
  e2b_web_t *web = it->web;
  close(it->fd);
  e2b__free(it);
  e2b__web_handle_closed(web);
}

static void end(lingerer_t *it) {
  it->web->lingering_count--;
  e2b__list_remove(&it->node);
  uv_close((uv_handle_t *)&it->poll, on_closed);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  lingerer_t *it = poll->data;
  char nowhere[ROOM];
  ssize_t got = status < 0 ? 0 : 1;
  (void)events;
  for (int i = 0; i < PIECES && got > 0; i++) {
    got = recv(it->fd, nowhere, sizeof nowhere, MSG_DONTWAIT);
  }
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) end(it);
}

void e2b__web_linger(e2b_web_t *web, int fd) {
  /* They are no connections of libmicrohttpd's, which limits those. */
  if (web->lingering_count >= MOST_LINGERING) {
    end(E2B__CONTAINER(web->lingering.next, lingerer_t, node));
  }
  lingerer_t *it = web->closing || fd < 0 ? NULL : e2b__calloc(1, sizeof *it);
  if (it == NULL) return;
  it->web = web;
  it->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* whoever has the other closes it */
  if (it->fd < 0 || uv_poll_init(web->loop, &it->poll, it->fd) != 0) {
    if (it->fd >= 0) close(it->fd);
    e2b__free(it);
    return;
  }
  web->handles++;
  it->poll.data = it;
  it->until_ms = uv_now(web->loop) + LINGER_MS;
  e2b__list_init(&it->node);
  e2b__list_append(&web->lingering, &it->node);
  web->lingering_count++;
  shutdown(it->fd, SHUT_WR);
  uv_poll_start(&it->poll, UV_READABLE, on_readable);
}

void e2b__web_connections_sweep(e2b_web_t *web, bool all) {
  const uint64_t now = uv_now(web->loop);
  e2b__list_t *node = web->lingering.next;
  while (node != &web->lingering) {
    lingerer_t *it = E2B__CONTAINER(node, lingerer_t, node);
    node = node->next;
    if (all || now >= it->until_ms) end(it);
  }
  if (all) return;
  end_late(web, now);
  end_idle(web, now);
}
