/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/spawner/sudo.h"
#include "host/spawner/sudo_protocol.h"

typedef struct client {
  int fd;    /* -1: free */
  pid_t pid; /* 0: has not asked yet */
} client_t;

static int listener = -1;
static client_t clients[E2B__SUDO_MAX];

void e2b__sudo_address(struct sockaddr_un *address, socklen_t *len) {
  static const char name[] = "e2b-sudo";
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path + 1, name, sizeof name - 1);
  *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name);
}

void e2b__sudo_listen(void) {
  struct sockaddr_un address;
  socklen_t len;
  for (int i = 0; i < E2B__SUDO_MAX; i++)
    clients[i].fd = -1;
  e2b__sudo_address(&address, &len);
  listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return;
  if (bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 16) == 0) return;
  close(listener);
  listener = -1;
}

nfds_t e2b__sudo_poll(struct pollfd *fds, nfds_t count) {
  if (listener < 0) return count;
  fds[count++] = (struct pollfd){.fd = listener, .events = POLLIN};
  for (int i = 0; i < E2B__SUDO_MAX; i++)
    if (clients[i].fd >= 0) fds[count++] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
  return count;
}

static void drop(client_t *client) {
  close(client->fd);
  client->fd = -1;
  client->pid = 0;
}

static void answer(client_t *client, int status) {
  (void)!send(client->fd, &status, sizeof status, MSG_NOSIGNAL | MSG_DONTWAIT);
  drop(client);
}

bool e2b__sudo_reaped(pid_t pid, int status) {
  for (int i = 0; i < E2B__SUDO_MAX; i++) {
    if (clients[i].fd < 0 || clients[i].pid != pid) continue;
    answer(&clients[i], status);
    return true;
  }
  return false;
}

/* Splits the packet: the directory, the arguments, the environment. */
static bool split(char *at, char *end, char **out, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    char *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
    if (nul == NULL) return false;
    out[i] = at;
    at = nul + 1;
  }
  return true;
}

static void start(client_t *client, char *packet, size_t len, const int *fds,
                  e2b__spawner_identity_t identity) {
  e2b__sudo_request_t request;
  e2b__spawner_result_t result;
  memcpy(&request, packet, sizeof request);
  uint32_t total = 1 + request.argc + request.envc;
  if (request.argc == 0 || request.argc > E2B__SUDO_STRINGS || request.envc > E2B__SUDO_STRINGS) {
    answer(client, 1 << 8);
    return;
  }
  char **strings = calloc((size_t)total + 2, sizeof *strings);
  char **argv = calloc((size_t)request.argc + 1, sizeof *argv);
  if (strings == NULL || argv == NULL ||
      !split(packet + sizeof request, packet + len, strings, total)) {
    answer(client, 1 << 8);
  } else {
    memcpy(argv, strings + 1, request.argc * sizeof *argv);
    e2b__spawner_child_t child = {strings[0], argv, strings + 1 + request.argc, 0, 0, 0, fds};
    if (request.as_user) child.flags = E2B__SPAWNER_AS_USER;
    e2b__spawner_start(&child, identity, &result);
    if (result.error != 0)
      answer(client, 126 << 8);
    else
      client->pid = result.pid;
  }
  free(argv);
  free(strings);
}

static void receive(client_t *client, e2b__spawner_identity_t identity) {
  static char packet[E2B__SUDO_PACKET];
  int fds[3], signal_number;
  ssize_t got = e2b__spawner_receive(client->fd, packet, sizeof packet, fds, 3);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    /* sudo was killed: what it ran goes too. */
    if (client->pid > 0) kill(client->pid, SIGTERM);
    drop(client);
  } else if (client->pid > 0) {
    if (got == (ssize_t)sizeof signal_number) {
      memcpy(&signal_number, packet, sizeof signal_number);
      kill(client->pid, signal_number);
    }
  } else if (fds[2] >= 0 && got >= (ssize_t)sizeof(e2b__sudo_request_t)) {
    start(client, packet, (size_t)got, fds, identity);
  } else {
    drop(client);
  }
  for (int i = 0; i < 3; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static void take_client(void) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  for (int i = 0; fd >= 0 && i < E2B__SUDO_MAX; i++) {
    if (clients[i].fd >= 0) continue;
    clients[i].fd = fd;
    clients[i].pid = 0;
    return;
  }
  if (fd >= 0) close(fd);
}

void e2b__sudo_serve(const struct pollfd *fds, nfds_t from, nfds_t count,
                     e2b__spawner_identity_t identity) {
  for (nfds_t n = from; n < count; n++) {
    if (fds[n].revents == 0) continue;
    if (fds[n].fd == listener) {
      take_client();
      continue;
    }
    for (int i = 0; i < E2B__SUDO_MAX; i++)
      if (clients[i].fd == fds[n].fd) {
        receive(&clients[i], identity);
        break;
      }
  }
}
