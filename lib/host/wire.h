/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WIRE_H
#define E2B_LIB_HOST_WIRE_H

#include <sys/types.h>

#include "host/internal.h"

/* A connected or connecting socket on the loop, read and written by its owner when it is ready for
 * that: nothing is taken from it that its owner has no room for. */

typedef struct e2b__host_wire {
  uv_poll_t poll;
  e2b_host_t *host;
  int fd;
  int events; /* that are waited for */
  void *owner;
  void (*ready)(void *owner, int events); /* UV_READABLE, UV_WRITABLE; both after an error */
} e2b__host_wire_t;

/* Takes `fd`, also on failure. */
e2b__host_wire_t *e2b__host_wire_open(e2b_host_t *host, int fd, void *owner,
                                      void (*ready)(void *owner, int events));
/* Replaces what is waited for; 0: nothing. */
void e2b__host_wire_want(e2b__host_wire_t *wire, int events);
/* Bytes, 0 when it is not ready (or, reading, at the end: then *end), or a negative errno. */
ssize_t e2b__host_wire_read(e2b__host_wire_t *wire, void *data, size_t room, bool *end);
ssize_t e2b__host_wire_write(e2b__host_wire_t *wire, const void *data, size_t len);
/* Forgets its owner and closes; with `reset`, so that the other side sees a reset. */
void e2b__host_wire_close(e2b__host_wire_t *wire, bool reset);

#endif
