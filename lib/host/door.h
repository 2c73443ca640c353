/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_DOOR_H
#define E2B_LIB_HOST_DOOR_H

#include "host/link.h"
#include "host/wire.h"

/* The interpreter's port inside the sandbox: programs there reach the host's interpreter as clients
 * outside do. The listening socket is made in the sandbox's network; who connects is served by a
 * server of the host's that listens nowhere itself and speaks plain HTTP. */

typedef struct e2b__host_door {
  e2b__host_sandbox_t *sandbox;
  e2b__host_start_t start;
  e2b__host_wire_t *wire; /* the listening socket; NULL before it is there */
  e2b__list_t peers;
  size_t count;
  size_t held; /* bytes of bodies */
} e2b__host_door_t;

/* Somebody inside who has connected. */
typedef struct e2b__host_peer {
  e2b__list_t node;
  e2b__host_door_t *door; /* NULL: the sandbox has gone */
  int fd;
  size_t held; /* of the request that it makes */
} e2b__host_peer_t;

/* What programs inside send is kept in the host's memory until it is answered, which is none of
 * theirs that has a limit: no more than so much of one sandbox. */
enum { E2B__HOST_PEERS_HOLD = 8 << 20 };

/* Asks for the socket. Where there is no network of the sandbox's own there is no door. */
void e2b__host_door_open(e2b__host_sandbox_t *sandbox);
/* Nobody connects any more, and who has done so is cut off. */
void e2b__host_door_close(e2b__host_sandbox_t *sandbox);

/* For server.c: so much more of a body has come; false: there is no room for it. When the request
 * is over all that it held is given back. */
bool e2b__host_peer_hold(e2b__host_peer_t *peer, size_t len);
void e2b__host_peer_give_back(e2b__host_peer_t *peer);
/* For server.c: the connection is closed. Frees the peer. */
void e2b__host_door_left(e2b__host_peer_t *peer);

#endif
