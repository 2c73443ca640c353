/* SPDX-License-Identifier: MIT */
#include "host/door.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/server.h"

/* What listens inside cannot use up the host's descriptors. */
enum { PEERS = 64 };

static void on_knock(void *owner, int events) {
  e2b__host_door_t *door = owner;
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  (void)events;
  int fd = accept4(door->wire->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  e2b__host_peer_t *peer = e2b__calloc(1, sizeof *peer);
  if (peer == NULL) {
    close(fd);
    return;
  }
  peer->door = door;
  peer->fd = fd;
  e2b__list_append(&door->peers, &peer->node);
  if (++door->count >= PEERS) e2b__host_wire_want(door->wire, 0);
  e2b__host_server_admit(door->sandbox->host, fd, (struct sockaddr *)&address, len, peer);
}

bool e2b__host_peer_hold(e2b__host_peer_t *peer, size_t len) {
  e2b__host_door_t *door = peer->door;
  if (door == NULL) return true; /* it is being cut off */
  if (len > E2B__HOST_PEERS_HOLD - door->held) return false;
  door->held += len;
  peer->held += len;
  return true;
}

void e2b__host_peer_give_back(e2b__host_peer_t *peer) {
  if (peer->door != NULL) peer->door->held -= peer->held;
  peer->held = 0;
}

void e2b__host_door_left(e2b__host_peer_t *peer) {
  e2b__host_door_t *door = peer->door;
  e2b__host_peer_give_back(peer);
  e2b__list_remove(&peer->node);
  if (door != NULL && door->count-- == PEERS && door->wire != NULL)
    e2b__host_wire_want(door->wire, UV_READABLE);
  e2b__free(peer);
}

static void on_socket(e2b__host_start_t *start, const e2b__host_started_t *started) {
  e2b__host_door_t *door = E2B__CONTAINER(start, e2b__host_door_t, start);
  if (started == NULL) return;
  if (started->fd_count == 1)
    door->wire = e2b__host_wire_open(door->sandbox->host, started->fds[0], door, on_knock);
  if (door->wire != NULL)
    e2b__host_wire_want(door->wire, UV_READABLE);
  else
    E2B__HOST_LOG(door->sandbox->host, WARN, "sandbox %s: port %d does not exist inside of it: %s",
                  door->sandbox->id, (int)E2B__HOST_INTERPRETER_PORT, strerror(started->error));
}

void e2b__host_door_open(e2b__host_sandbox_t *sandbox) {
  e2b__host_door_t *door;
  if (sandbox->host->isolation == E2B__ISOLATION_NONE || !sandbox->template->python) return;
  door = e2b__calloc(1, sizeof *door);
  if (door == NULL) return;
  sandbox->door = door;
  door->sandbox = sandbox;
  door->start.done = on_socket;
  e2b__list_init(&door->start.node);
  e2b__list_init(&door->peers);
  e2b__host_link_listen(sandbox->link, E2B__HOST_INTERPRETER_PORT, &door->start);
}

void e2b__host_door_close(e2b__host_sandbox_t *sandbox) {
  e2b__host_door_t *door = sandbox->door;
  e2b__list_t *node;
  if (door == NULL) return;
  sandbox->door = NULL;
  e2b__list_remove(&door->start.node);
  e2b__host_wire_close(door->wire, false);
  while ((node = e2b__list_take(&door->peers)) != NULL) {
    e2b__host_peer_t *peer = E2B__CONTAINER(node, e2b__host_peer_t, node);
    peer->door = NULL;
    /* An open socket would keep the sandbox's network. */
    shutdown(peer->fd, SHUT_RDWR);
  }
  e2b__free(door);
}
