/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/web.h"

/* After "101 Switching Protocols" bytes go between the connection and the handler's stream. */

enum { ROOM = 16 << 10, GO_ON_BELOW = 64 << 10 };

typedef struct e2b__web_socket {
  uv_poll_t poll;
  e2b__web_exchange_t *exchange;
  int fd; /* a descriptor of its own: libmicrohttpd closes the other, later */
  int events;
  struct MHD_UpgradeResponseHandle *upgraded;
} e2b__web_socket_t;

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle) {
  e2b__web_socket_t *it = handle->data;
  e2b__web_exchange_t *x = it->exchange;
  close(it->fd);
  e2b__free(it);
  x->socket = NULL;
  e2b__web_exchange_drop(x);
}

void e2b__web_socket_close(e2b__web_exchange_t *x) {
  e2b__web_socket_t *it = x->socket;
  if (it == NULL || uv_is_closing((uv_handle_t *)&it->poll)) return;
  if (x->stream != NULL) e2b_http_stream_close(x->stream);
  if (!x->stream_ended) shutdown(it->fd, SHUT_RDWR);
  uv_close((uv_handle_t *)&it->poll, on_closed);
  MHD_upgrade_action(it->upgraded, MHD_UPGRADE_ACTION_CLOSE);
  e2b__web_wake(x->web);
}

static void want(e2b__web_socket_t *it, int events) {
  if (it->events == events) return;
  it->events = events;
  uv_poll_start(&it->poll, events, on_ready);
}

void e2b__web_socket_flush(e2b__web_exchange_t *x) {
  e2b__web_socket_t *it = x->socket;
  if (it == NULL || uv_is_closing((uv_handle_t *)&it->poll)) return;
  while (x->sent < x->out.len) {
    const ssize_t n =
        send(it->fd, x->out.data + x->sent, x->out.len - x->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) {
      e2b__web_socket_close(x);
      return;
    }
    x->sent += (size_t)n;
  }
  const bool all = x->sent == x->out.len;
  if (all) {
    x->sent = 0;
    e2b__buffer_free(&x->out);
    if (x->stream_ended) {
      e2b__web_linger(x->web, it->fd); /* the client answers the end that it was told of */
      e2b__web_socket_close(x);
      return;
    }
  }
  want(it, UV_READABLE | (all ? 0 : UV_WRITABLE));
  if (x->stream_held && x->out.len - x->sent < GO_ON_BELOW && x->stream != NULL) {
    x->stream_held = false;
    e2b_http_stream_resume(x->stream);
  }
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  char room[ROOM];
  e2b__web_socket_t *it = poll->data;
  e2b__web_exchange_t *x = it->exchange;
  if (status != 0) {
    e2b__web_socket_close(x);
    return;
  }
  if (events & UV_READABLE) {
    const ssize_t n = recv(it->fd, room, sizeof room, MSG_DONTWAIT);
    if (n > 0 && x->stream != NULL) {
      e2b_http_stream_receive(x->stream, room, (size_t)n);
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      e2b__web_socket_close(x);
      return;
    }
  }
  if (events & UV_WRITABLE) e2b__web_socket_flush(x);
}

static void on_upgraded(void *cls, struct MHD_Connection *connection, void *state,
                        const char *extra, size_t extra_len, MHD_socket client,
                        struct MHD_UpgradeResponseHandle *upgraded) {
  e2b__web_exchange_t *x = cls;
  const int on = 1;
  (void)connection;
  (void)state;
  x->phase = E2B__WEB_UPGRADED;
  /* Reading finds the end now, behind what was sent before it. */
  e2b__web_exchange_unwatch(x);
  e2b__web_socket_t *it = x->cut ? NULL : e2b__calloc(1, sizeof *it);
  const int fd = it != NULL ? fcntl(client, F_DUPFD_CLOEXEC, 3) : -1;
  if (fd < 0 || uv_poll_init(x->web->loop, &it->poll, fd) != 0) {
    if (fd >= 0) close(fd);
    e2b__free(it);
    if (x->stream != NULL) e2b_http_stream_close(x->stream);
    MHD_upgrade_action(upgraded, MHD_UPGRADE_ACTION_CLOSE);
    e2b__web_wake(x->web); /* libmicrohttpd closes it when it runs next */
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  it->fd = fd;
  it->exchange = x;
  it->upgraded = upgraded;
  it->poll.data = it;
  x->socket = it;
  x->refs++;
  if (extra_len > 0 && x->stream != NULL) e2b_http_stream_receive(x->stream, extra, extra_len);
  e2b__web_socket_flush(x);
  if (x->socket == it && it->events == 0 && !uv_is_closing((uv_handle_t *)&it->poll)) {
    want(it, UV_READABLE);
  }
}

struct MHD_Response *e2b__web_socket_response(e2b__web_exchange_t *x) {
  return MHD_create_response_for_upgrade(on_upgraded, x);
}
