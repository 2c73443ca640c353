/* SPDX-License-Identifier: MIT */
#include "host/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ATTEMPTS = 5, PAUSE_MS = 100, CONNECT_MS = 30000 };

static void attempt(e2b__host_dial_t *dial);
static void try_socket(e2b__host_dial_t *dial, int fd);

static e2b__host_alarms_t *alarms(const e2b__host_dial_t *dial) {
  return &dial->sandbox->host->alarms;
}

static void drop_sockets(e2b__host_dial_t *dial) {
  if (dial->spare >= 0) close(dial->spare);
  dial->spare = -1;
  e2b__host_wire_close(dial->wire, false);
  dial->wire = NULL;
}

static void finish(e2b__host_dial_t *dial, e2b__host_wire_t *wire) {
  e2b__host_alarm_cancel(alarms(dial), &dial->clock);
  if (wire != NULL) dial->wire = NULL;
  drop_sockets(dial);
  dial->busy = false;
  dial->done(dial->owner, wire);
}

static void on_again(e2b__host_alarm_t *alarm) {
  attempt(E2B__CONTAINER(alarm, e2b__host_dial_t, clock));
}

static void on_overdue(e2b__host_alarm_t *alarm) {
  finish(E2B__CONTAINER(alarm, e2b__host_dial_t, clock), NULL);
}

/* This socket leads nowhere: the other family, the next attempt, or the end. */
static void refused(e2b__host_dial_t *dial) {
  int spare = dial->spare;
  e2b__host_wire_close(dial->wire, false);
  dial->wire = NULL;
  dial->spare = -1;
  if (spare >= 0) {
    try_socket(dial, spare);
  } else if (dial->attempt >= ATTEMPTS) {
    /* Never from inside the call that started it. */
    e2b__host_alarm_set(alarms(dial), &dial->clock, 0, on_overdue);
  } else {
    e2b__host_alarm_set(alarms(dial), &dial->clock, (uint64_t)dial->attempt * PAUSE_MS, on_again);
  }
}

static void on_ready(void *owner, int events) {
  e2b__host_dial_t *dial = owner;
  e2b__host_wire_t *wire = dial->wire;
  int error = 0, on = 1;
  socklen_t len = sizeof error;
  (void)events;
  e2b__host_wire_want(wire, 0);
  if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
    refused(dial);
    return;
  }
  setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  finish(dial, wire);
}

/* Takes `fd`. */
static void try_socket(e2b__host_dial_t *dial, int fd) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)dial->port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)dial->port)};
  int family = 0;
  socklen_t len = sizeof family;

  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  in6.sin6_addr = in6addr_loopback;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
  int rc = family == AF_INET6 ? connect(fd, (struct sockaddr *)&in6, sizeof in6)
                              : connect(fd, (struct sockaddr *)&in, sizeof in);
  if (rc != 0 && errno != EINPROGRESS) {
    close(fd);
    refused(dial);
    return;
  }
  dial->wire = e2b__host_wire_open(dial->sandbox->host, fd, dial, on_ready);
  if (dial->wire == NULL)
    refused(dial);
  else
    e2b__host_wire_want(dial->wire, UV_WRITABLE);
}

static void on_sockets(e2b__host_start_t *start, const e2b__host_started_t *started) {
  e2b__host_dial_t *dial = E2B__CONTAINER(start, e2b__host_dial_t, start);
  if (started == NULL || started->fd_count == 0) {
    refused(dial);
    return;
  }
  dial->spare = started->fd_count > 1 ? started->fds[1] : -1;
  try_socket(dial, started->fds[0]);
}

static void attempt(e2b__host_dial_t *dial) {
  dial->attempt++;
  e2b__host_alarm_set(alarms(dial), &dial->clock, CONNECT_MS, on_overdue);
  dial->start.done = on_sockets;
  if (dial->sandbox->link == NULL || e2b__host_link_sockets(dial->sandbox->link, &dial->start) != 0)
    refused(dial);
}

void e2b__host_dial_start(e2b__host_dial_t *dial, e2b__host_sandbox_t *sandbox, unsigned port,
                          void *owner, void (*done)(void *owner, e2b__host_wire_t *wire)) {
  dial->sandbox = sandbox;
  dial->port = port;
  dial->attempt = 0;
  dial->spare = -1;
  dial->wire = NULL;
  dial->busy = true;
  dial->owner = owner;
  dial->done = done;
  e2b__list_init(&dial->start.node);
  attempt(dial);
}

void e2b__host_dial_cancel(e2b__host_dial_t *dial) {
  if (!dial->busy) return;
  dial->busy = false;
  e2b__list_remove(&dial->start.node);
  e2b__host_alarm_cancel(alarms(dial), &dial->clock);
  drop_sockets(dial);
}
