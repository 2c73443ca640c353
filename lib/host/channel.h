/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_CHANNEL_H
#define E2B_LIB_HOST_CHANNEL_H

#include "host/internal.h"

/* One end of a process's pipe, or its terminal, on the loop. It outlives its owner by as long as
 * libuv needs. */

typedef struct e2b__host_channel e2b__host_channel_t;

typedef struct e2b__host_write {
  uv_write_t request;
  e2b__host_channel_t *channel;
  /* 0, or a negative libuv error. Called once, also when the channel is closed before. */
  void (*done)(struct e2b__host_write *write, int status);
  size_t len;
} e2b__host_write_t;

struct e2b__host_channel {
  uv_pipe_t pipe;
  e2b_host_t *host;
  void *owner; /* NULL once closed by its owner */
  int fd;
  bool reading;
  size_t queued; /* bytes that wait to be written */
  /* `len` 0: the end; the channel has closed itself. */
  void (*data)(e2b__host_channel_t *channel, const char *data, size_t len);
};

/* Takes `fd`, also on failure. */
e2b__host_channel_t *e2b__host_channel_open(e2b_host_t *host, int fd, void *owner,
                                            void (*data)(e2b__host_channel_t *channel,
                                                         const char *data, size_t len));
void e2b__host_channel_read(e2b__host_channel_t *channel, bool on);
/* `data` must live until `done`. A negative libuv error: nothing was queued and `done` is not
 * called. */
int e2b__host_channel_write(e2b__host_channel_t *channel, e2b__host_write_t *write,
                            const char *data, size_t len,
                            void (*done)(e2b__host_write_t *write, int status));
/* No callback of `data` follows. Writes that wait end with UV_ECANCELED. */
void e2b__host_channel_close(e2b__host_channel_t *channel);

#endif
