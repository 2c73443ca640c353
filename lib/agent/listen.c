/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"

/* The way in: all addresses, the well-known port if it is free. */

enum { ACCEPTS_A_ROUND = 64 };

/* The oldest connection that has not said who it is. False when there is none. */
static bool drop_oldest_handshake(e2b__agent_t *agent) {
  if (e2b__list_empty(&agent->handshakes)) return false;
  e2b__connection_drop(E2B__CONTAINER(agent->handshakes.next, e2b__connection_t, phase_node));
  return true;
}

/* No descriptor is left, and everybody who holds one may: the caller is let in and shown out, or it
 * would be reported for ever. */
static void turn_away(e2b__agent_t *agent) {
  if (agent->spare < 0) return;
  close(agent->spare);
  int fd = accept4(agent->listener.fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  agent->spare = fcntl(agent->epoll, F_DUPFD_CLOEXEC, 0);
}

static void take(e2b__agent_t *agent, int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (agent->handshake_count >= E2B__AGENT_HANDSHAKES_MOST) drop_oldest_handshake(agent);
  if (e2b__connection_new(agent, fd) == NULL) close(fd);
}

/* Without a free descriptor accept4() fails also when nobody waits. */
static bool is_asked(int fd) {
  struct pollfd wait = {fd, POLLIN, 0};
  return poll(&wait, 1, 0) > 0;
}

static void on_ready(e2b__source_t *source, uint32_t events) {
  e2b__agent_t *agent = E2B__CONTAINER(source, e2b__agent_t, listener);
  (void)events;
  for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
    int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      take(agent, fd);
    } else if (errno == EMFILE || errno == ENFILE) {
      if (!is_asked(source->fd)) return;
      if (!drop_oldest_handshake(agent)) {
        turn_away(agent);
        return;
      }
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

static int open_port(int family, unsigned port) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int on = 1, off = 0;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int rc;
  if (family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    rc = bind(fd, (struct sockaddr *)&six, sizeof six);
  } else {
    rc = bind(fd, (struct sockaddr *)&four, sizeof four);
  }
  if (rc == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

static unsigned port_of(int fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
  } address;
  socklen_t len = sizeof address;
  memset(&address, 0, sizeof address);
  if (getsockname(fd, &address.any, &len) != 0) return 0;
  return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

int e2b__agent_listen(e2b__agent_t *agent) {
  static const struct {
    int family;
    unsigned port;
  } ways[] = {{AF_INET6, E2B__AGENT_PORT}, {AF_INET, E2B__AGENT_PORT}, {AF_INET6, 0}, {AF_INET, 0}};
  int fd = -1;
  for (size_t i = 0; i < E2B__COUNT(ways) && fd < 0; i++)
    fd = open_port(ways[i].family, ways[i].port);
  if (fd < 0) return -1;
  agent->listener.fd = fd;
  agent->listener.ready = on_ready;
  agent->port = port_of(fd);
  return e2b__source_watch(agent, &agent->listener, EPOLLIN);
}
