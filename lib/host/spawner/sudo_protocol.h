/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_SUDO_PROTOCOL_H
#define E2B_LIB_HOST_SPAWNER_SUDO_PROTOCOL_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* One packet asks, with the three standard descriptors: this, then the directory, the arguments and
 * the environment, a NUL behind each. Packets of one int that follow are signals to hand on. The
 * answer is an int, the status as waitpid gives it. */
typedef struct e2b__sudo_request {
  uint32_t argc;
  uint32_t envc;
  uint32_t as_user;
} e2b__sudo_request_t;

enum { E2B__SUDO_PACKET = 160 << 10, E2B__SUDO_STRINGS = 8192 };

void e2b__sudo_address(struct sockaddr_un *address, socklen_t *len);

#endif
