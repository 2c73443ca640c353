/* SPDX-License-Identifier: MIT */
#include "host/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_closed(uv_handle_t *handle) {
  e2b__host_wire_t *wire = handle->data;
  e2b_host_t *host = wire->host;
  e2b__free(wire);
  e2b__host_handle_closed(host);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  e2b__host_wire_t *wire = poll->data;
  if (wire->owner == NULL) return;
  wire->ready(wire->owner, status != 0 ? UV_READABLE | UV_WRITABLE : events);
}

e2b__host_wire_t *e2b__host_wire_open(e2b_host_t *host, int fd, void *owner,
                                      void (*ready)(void *owner, int events)) {
  e2b__host_wire_t *wire = e2b__calloc(1, sizeof *wire);
  if (wire == NULL || uv_poll_init(host->loop, &wire->poll, fd) != 0) {
    e2b__free(wire);
    close(fd);
    return NULL;
  }
  e2b__host_handle_opened(host);
  wire->poll.data = wire;
  wire->host = host;
  wire->fd = fd;
  wire->owner = owner;
  wire->ready = ready;
  return wire;
}

void e2b__host_wire_want(e2b__host_wire_t *wire, int events) {
  if (wire->events == events) return;
  wire->events = events;
  if (events == 0)
    uv_poll_stop(&wire->poll);
  else
    uv_poll_start(&wire->poll, events, on_poll);
}

ssize_t e2b__host_wire_read(e2b__host_wire_t *wire, void *data, size_t room, bool *end) {
  ssize_t got;
  while ((got = recv(wire->fd, data, room, MSG_DONTWAIT)) < 0 && errno == EINTR)
    continue;
  *end = got == 0;
  if (got >= 0) return got;
  return errno == EAGAIN ? 0 : -errno;
}

ssize_t e2b__host_wire_write(e2b__host_wire_t *wire, const void *data, size_t len) {
  ssize_t sent;
  while ((sent = send(wire->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR)
    continue;
  if (sent >= 0) return sent;
  return errno == EAGAIN ? 0 : -errno;
}

void e2b__host_wire_close(e2b__host_wire_t *wire, bool reset) {
  struct linger none = {1, 0};
  if (wire == NULL || wire->owner == NULL) return;
  wire->owner = NULL;
  if (reset) setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  uv_close((uv_handle_t *)&wire->poll, on_closed);
  close(wire->fd);
}
