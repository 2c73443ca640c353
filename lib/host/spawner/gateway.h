/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_GATEWAY_H
#define E2B_LIB_HOST_SPAWNER_GATEWAY_H

#include <netinet/in.h>
#include <stdbool.h>

#include "host/spawner/netlink.h"

/* The way out of the sandboxes. One network namespace lies between all of them and the machine: the
 * gateway. Each sandbox that may go out has a cable to it; slirp4netns, with its sockets in the
 * machine's network, carries what leaves it. What a sandbox may reach is decided here, by routes
 * that no program of a sandbox can change: neither an address of the machine, nor its loopback, nor
 * another sandbox. */

/* Serves the host over E2B__SPAWNER_SOCKET_FD until that is closed or slirp4netns ends. `base` is
 * about the user namespace of all sandboxes: as e2b__spawner_launch's, the kernel's id for 0
 * inside, or 0 for the caller's; E2B__GATEWAY_JOINS: an earlier gateway made it, it is at
 * E2B__SPAWNER_OUTER_FD. `program` is slirp4netns. */
int e2b__gateway_serve(const char *base, const char *program);

/* ---- routes ---- */

typedef struct e2b__gateway {
  e2b__netlink_t inside;  /* the gateway's own network */
  e2b__netlink_t machine; /* the machine's: asked for its addresses */
  e2b__netlink_t changes; /* and told of changes */
  int network;            /* the gateway's namespace */
  unsigned last_slot;
  struct in_addr *refused; /* the machine's addresses that have a route */
  size_t refused_count;
} e2b__gateway_t;

/* Everything but the sandboxes; the device of slirp4netns is there. 0 or -errno. */
int e2b__gateway_set_up(e2b__gateway_t *gateway);
/* Refuses the machine's addresses as they are now. 0 or -errno. */
int e2b__gateway_refuse_machine(e2b__gateway_t *gateway);
/* Lays the cable to a sandbox's network; its number goes to *slot. 0 or -errno. */
int e2b__gateway_attach(e2b__gateway_t *gateway, int network, unsigned *slot);
void e2b__gateway_detach(e2b__gateway_t *gateway, unsigned slot);

#endif
