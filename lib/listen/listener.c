/* SPDX-License-Identifier: MIT */
#include "listen/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "e2b/error.h"

enum { BACKLOG = 1024 };

static int parse(const char *text, struct sockaddr_storage *address) {
  char host[64];
  const char *colon = strrchr(text, ':');
  char *end = NULL;
  if (colon == NULL || colon[1] < '0' || colon[1] > '9') return -1;
  const unsigned long port = strtoul(colon + 1, &end, 10);
  const size_t len = (size_t)(colon - text);
  if (*end != '\0' || port > 65535 || len >= sizeof host) return -1;
  memcpy(host, text, len);
  host[len] = '\0';
  memset(address, 0, sizeof *address);
  if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
    host[len - 1] = '\0';
    return uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)address);
  }
  if (strcmp(host, "localhost") == 0) strcpy(host, "127.0.0.1");
  return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)address);
}

int e2b__listener_open(const char *listen_on, unsigned port_for_example, char *why,
                       size_t why_size) {
  struct sockaddr_storage address;
  const int on = 1;
  if (parse(listen_on, &address) != 0) {
    snprintf(why, why_size,
             "cannot listen on '%s': give an IP address and a port, for example 127.0.0.1:%u",
             listen_on, port_for_example);
    return E2B_EINVAL;
  }
  const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const socklen_t len =
      address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, BACKLOG) == 0) {
    return fd;
  }
  snprintf(why, why_size, "cannot listen on %s: %s", listen_on, strerror(errno));
  if (fd >= 0) close(fd);
  return E2B_ESYSTEM;
}

/* An address that means every one of the machine's is reached by its loopback. */
char *e2b__listener_url(int fd, const char *scheme) {
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  char text[INET6_ADDRSTRLEN];
  if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) return NULL;
  if (address.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
    uv_ip6_name(in6, text, sizeof text);
    return e2b__format("%s://[%s]:%u", scheme, strcmp(text, "::") == 0 ? "::1" : text,
                       ntohs(in6->sin6_port));
  }
  const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
  uv_ip4_name(in, text, sizeof text);
  return e2b__format("%s://%s:%u", scheme, strcmp(text, "0.0.0.0") == 0 ? "127.0.0.1" : text,
                     ntohs(in->sin_port));
}

unsigned e2b__listener_port(int fd) {
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                             : ((struct sockaddr_in *)&address)->sin_port);
}

e2b__listener_mark_t e2b__listener_mark(int fd) {
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return (e2b__listener_mark_t){-1, 0, 0};
  return (e2b__listener_mark_t){fd, st.st_dev, st.st_ino};
}

void e2b__listener_close(const e2b__listener_mark_t *mark) {
  struct stat st;
  if (mark->fd >= 0 && fstat(mark->fd, &st) == 0 && st.st_dev == mark->device &&
      st.st_ino == mark->number)
    close(mark->fd);
}
