/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_SUDO_H
#define E2B_LIB_HOST_SPAWNER_SUDO_H

#include <poll.h>

#include "host/spawner/spawner.h"

/* `sudo` inside a sandbox. No program there can gain rights by itself (its mounts are nosuid), so
 * the one called sudo asks the spawner, which is root, over a socket that only the sandbox's own
 * network namespace has. Everybody may: the sandbox is one user's. */

enum { E2B__SUDO_MAX = 32 }; /* at once */

int e2b__sudo_main(int argc, char **argv);

/* The spawner's side. Without a socket there is simply no sudo. */
void e2b__sudo_listen(void);
/* Adds its descriptors after the first `count`; the new count. */
nfds_t e2b__sudo_poll(struct pollfd *fds, nfds_t count);
void e2b__sudo_serve(const struct pollfd *fds, nfds_t from, nfds_t count,
                     e2b__spawner_identity_t identity);
/* True when the process was sudo's; whoever waits is told. */
bool e2b__sudo_reaped(pid_t pid, int status);

#endif
