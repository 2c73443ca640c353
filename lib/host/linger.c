/* SPDX-License-Identifier: MIT */
#include "host/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 2000, PIECES = 16 };

typedef struct lingerer {
  e2b__list_t node; /* of host->lingering */
  e2b_host_t *host;
  uv_poll_t poll;
  e2b__host_alarm_t overdue;
  int fd;
} lingerer_t;

static void on_closed(uv_handle_t *handle) {
  lingerer_t *lingerer = handle->data;
  e2b_host_t *host = lingerer->host;
  close(lingerer->fd);
  e2b__free(lingerer);
  e2b__host_handle_closed(host);
}

static void end(lingerer_t *lingerer) {
  e2b__list_remove(&lingerer->node);
  e2b__host_alarm_cancel(&lingerer->host->alarms, &lingerer->overdue);
  uv_close((uv_handle_t *)&lingerer->poll, on_closed);
}

static void on_overdue(e2b__host_alarm_t *alarm) {
  end(E2B__CONTAINER(alarm, lingerer_t, overdue));
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  lingerer_t *lingerer = poll->data;
  ssize_t got = status < 0 ? 0 : 1;
  static char nowhere[65536];
  (void)events;
  for (int i = 0; i < PIECES && got > 0; i++)
    got = recv(lingerer->fd, nowhere, sizeof nowhere, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) end(lingerer);
}

void e2b__host_linger(e2b_host_t *host, int fd) {
  lingerer_t *lingerer = host->closing || fd < 0 ? NULL : e2b__calloc(1, sizeof *lingerer);
  if (lingerer == NULL) return;
  lingerer->host = host;
  /* The server closes its own. */
  lingerer->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (lingerer->fd < 0 || uv_poll_init(host->loop, &lingerer->poll, lingerer->fd) != 0) {
    if (lingerer->fd >= 0) close(lingerer->fd);
    e2b__free(lingerer);
    return;
  }
  e2b__host_handle_opened(host);
  lingerer->poll.data = lingerer;
  shutdown(lingerer->fd, SHUT_WR);
  e2b__list_append(&host->lingering, &lingerer->node);
  e2b__host_alarm_set(&host->alarms, &lingerer->overdue, LINGER_MS, on_overdue);
  uv_poll_start(&lingerer->poll, UV_READABLE, on_readable);
}

void e2b__host_linger_end(e2b_host_t *host) {
  while (!e2b__list_empty(&host->lingering))
    end(E2B__CONTAINER(host->lingering.next, lingerer_t, node));
}
