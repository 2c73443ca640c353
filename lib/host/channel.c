/* SPDX-License-Identifier: MIT */
#include "host/channel.h"

#include <unistd.h>

enum { CHUNK = 32768 };

/* One piece at a time is read and handed on at once: all channels share the room. */
static char room[CHUNK];

static void on_closed(uv_handle_t *handle) {
  e2b__host_channel_t *channel = handle->data;
  e2b_host_t *host = channel->host;
  e2b__free(channel);
  e2b__host_handle_closed(host);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  e2b__host_channel_t *channel = stream->data;
  if (got == 0 || channel->owner == NULL) return;
  if (got > 0) {
    channel->data(channel, buf->base, (size_t)got);
    return;
  }
  /* A terminal whose last user has gone ends with EIO: an end like any other. */
  channel->reading = false;
  uv_read_stop(stream);
  channel->data(channel, NULL, 0);
}

e2b__host_channel_t *e2b__host_channel_open(e2b_host_t *host, int fd, void *owner,
                                            void (*data)(e2b__host_channel_t *channel,
                                                         const char *data, size_t len)) {
  e2b__host_channel_t *channel = e2b__calloc(1, sizeof *channel);
  if (channel == NULL || uv_pipe_init(host->loop, &channel->pipe, 0) != 0) {
    e2b__free(channel);
    close(fd);
    return NULL;
  }
  e2b__host_handle_opened(host);
  channel->host = host;
  channel->owner = owner;
  channel->fd = fd;
  channel->data = data;
  channel->pipe.data = channel;
  if (uv_pipe_open(&channel->pipe, fd) != 0) {
    close(fd);
    uv_close((uv_handle_t *)&channel->pipe, on_closed);
    return NULL;
  }
  return channel;
}

void e2b__host_channel_read(e2b__host_channel_t *channel, bool on) {
  if (channel->reading == on) return;
  channel->reading = on;
  if (on)
    uv_read_start((uv_stream_t *)&channel->pipe, on_alloc, on_read);
  else
    uv_read_stop((uv_stream_t *)&channel->pipe);
}

static void on_written(uv_write_t *request, int status) {
  e2b__host_write_t *write = E2B__CONTAINER(request, e2b__host_write_t, request);
  write->channel->queued -= write->len;
  write->done(write, status);
}

int e2b__host_channel_write(e2b__host_channel_t *channel, e2b__host_write_t *write,
                            const char *data, size_t len,
                            void (*done)(e2b__host_write_t *write, int status)) {
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
  write->channel = channel;
  write->done = done;
  write->len = len;
  channel->queued += len;
  int rc = uv_write(&write->request, (uv_stream_t *)&channel->pipe, &buf, 1, on_written);
  if (rc != 0) channel->queued -= len;
  return rc;
}

void e2b__host_channel_close(e2b__host_channel_t *channel) {
  if (channel == NULL || channel->owner == NULL) return;
  channel->owner = NULL;
  uv_close((uv_handle_t *)&channel->pipe, on_closed);
}
