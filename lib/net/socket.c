/* SPDX-License-Identifier: MIT */
#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

enum { LINGER_MS = 1000, QUEUE_CEILING = 1 << 30, HELD_CEILING = 1 << 24 };

/* --- telling the owner ------------------------------------------------------------------------ */

void e2b__socket_fault(e2b__socket_t *socket, int code, e2b_clock_t clock, const char *fmt, ...) {
  if (socket->state >= E2B__SOCKET_FAILED) return;
  char why[256];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  socket->state = E2B__SOCKET_FAILED;
  socket->failure = code;
  socket->clock = clock;
  socket->why = e2b__strdup(why);
  uv_timer_stop(&socket->timer);
  e2b__socket_pause(socket);
  e2b__queue_push(socket->dialer->queue, &socket->task);
}

/* What was not taken is kept: the dialer's buffer is the next socket's. */
static void keep_rest(e2b__socket_t *socket) {
  const size_t left = socket->state < E2B__SOCKET_FAILED ? socket->input_len : 0;
  if (left == 0) {
    if (socket->holding) e2b__buffer_free(&socket->held);
    socket->holding = false;
  } else if (socket->holding) {
    e2b__buffer_consume(&socket->held, socket->held.len - left);
  } else if (e2b__buffer_append(&socket->held, socket->input, left) == 0) {
    socket->holding = true;
  } else {
    e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
  }
  socket->input = NULL;
  socket->input_len = 0;
}

/* To whoever has to do with what has arrived. */
static void dispatch(e2b__socket_t *socket) {
  switch (socket->state) {
  case E2B__SOCKET_PROXYING:
  case E2B__SOCKET_SECURING: e2b__dial_readable(socket); break;
  case E2B__SOCKET_LINGERING:
    socket->input_len = 0;
    if (socket->read_error != 0) e2b__socket_destroy(socket);
    break;
  default: break;
  }
  if (socket->state == E2B__SOCKET_OPEN && !socket->paused) socket->events->on_readable(socket);
  keep_rest(socket);
}

static void on_task(e2b__task_t *task) {
  e2b__socket_t *socket = E2B__CONTAINER(task, e2b__socket_t, task);
  if (socket->state == E2B__SOCKET_FAILED) {
    const int code = socket->failure;
    socket->failure = 0; /* told once */
    if (code != 0) {
      socket->events->on_failed(socket, code, socket->clock,
                                socket->why != NULL ? socket->why : "");
    }
    return;
  }
  if (!socket->resumed) return;
  socket->resumed = false;
  socket->input = socket->held.data;
  socket->input_len = socket->held.len;
  dispatch(socket);
  e2b__socket_read_start(socket);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  e2b__socket_t *socket = handle->data;
  /* What on_read and its owner will look at comes while the kernel reads. */
  e2b__prefetch(&socket->state, E2B__CACHE_LINE);
  e2b__prefetch(socket->reader, 2 * E2B__CACHE_LINE);
  e2b__prefetch(socket + 1, E2B__CACHE_LINE);
  buf->base = socket->dialer->input;
  buf->len = E2B__DIALER_INPUT;
}

/* The kernel forgets the wish whenever it likes, so it is said after every read. */
static void quick_ack(e2b__socket_t *socket) {
#ifdef TCP_QUICKACK
  int fd, on = 1;
  if (uv_fileno((uv_handle_t *)&socket->tcp, &fd) == 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
  }
#else
  (void)socket;
#endif
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  e2b__socket_t *socket = stream->data;
  if (got == 0) return;
  if (got < 0) {
    uv_read_stop(stream);
    socket->reading = false;
    socket->read_error = (int)got;
  } else if (socket->holding) {
    if (e2b__buffer_append(&socket->held, buf->base, (size_t)got) != 0) {
      e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
      return;
    }
  } else {
    socket->input = buf->base;
    socket->input_len = (size_t)got;
  }
  if (got > 0 && socket->quick_ack) quick_ack(socket);
  if (socket->holding) {
    socket->input = socket->held.data;
    socket->input_len = socket->held.len;
  }
  dispatch(socket);
}

void e2b__socket_read_start(e2b__socket_t *socket) {
  if (socket->reading || socket->paused || socket->read_error != 0) return;
  if (socket->state == E2B__SOCKET_FAILED || socket->state == E2B__SOCKET_CLOSING) return;
  const int rc = uv_read_start((uv_stream_t *)&socket->tcp, on_alloc, on_read);
  socket->reading = rc == 0;
  if (rc != 0) { /* reset before the first byte */
    socket->read_error = rc;
    socket->resumed = true;
    e2b__queue_push(socket->dialer->queue, &socket->task);
  }
}

static ssize_t take(void *ctx, void *to, size_t size) {
  e2b__socket_t *socket = ctx;
  const size_t count = size < socket->input_len ? size : socket->input_len;
  if (count == 0) return socket->read_error != 0 ? -1 : 0;
  memcpy(to, socket->input, count);
  socket->input += count;
  socket->input_len -= count;
  return (ssize_t)count;
}

ssize_t e2b__socket_read(e2b__socket_t *socket, void *to, size_t size) {
  if (socket->state != E2B__SOCKET_OPEN) return 0;
  return socket->tls != NULL ? e2b__tls_read(socket->tls, to, size) : take(socket, to, size);
}

bool e2b__socket_drained(const e2b__socket_t *socket) {
  return socket->tls == NULL && socket->input_len == 0 && socket->read_error == 0;
}

int e2b__socket_end(const e2b__socket_t *socket, const char **why) {
  if (socket->tls != NULL) {
    const int code = e2b__tls_failure(socket->tls, why);
    if (code != E2B_ECONNLOST) return code;
  }
  *why = "the peer closed the connection";
  if (socket->read_error == UV_EOF) return socket->tls != NULL ? E2B_ECONNLOST : 0;
  if (socket->read_error != 0) *why = uv_strerror(socket->read_error);
  return E2B_ECONNLOST;
}

void e2b__socket_pause(e2b__socket_t *socket) {
  socket->paused = true;
  socket->resumed = false;
  if (socket->reading) uv_read_stop((uv_stream_t *)&socket->tcp);
  socket->reading = false;
}

void e2b__socket_resume(e2b__socket_t *socket) {
  if (!socket->paused || socket->state == E2B__SOCKET_FAILED) return;
  socket->paused = false;
  if (socket->state != E2B__SOCKET_OPEN) return;
  socket->resumed = true;
  e2b__queue_push(socket->dialer->queue, &socket->task);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void hang_up_our_end(e2b__socket_t *socket) {
  int fd;
  if (socket->shut || e2b__socket_pending(socket) > 0) return;
  socket->shut = true;
  if (uv_fileno((uv_handle_t *)&socket->tcp, &fd) == 0) shutdown(fd, SHUT_WR);
}

/* Reading finds out what happened, and what the peer said before. */
static void break_off(e2b__socket_t *socket) {
  socket->broken = true;
  e2b__buffer_free(&socket->waiting);
}

static void start_write(e2b__socket_t *socket);

static void on_write(uv_write_t *write, int status) {
  e2b__socket_t *socket = E2B__CONTAINER(write, e2b__socket_t, write);
  e2b__buffer_free(&socket->writing);
  socket->queued = false;
  if (socket->state == E2B__SOCKET_CLOSING) return;
  if (status < 0) {
    break_off(socket);
  } else if (socket->waiting.len > 0) {
    start_write(socket);
  }
  if (socket->state == E2B__SOCKET_OPEN) socket->events->on_written(socket);
  if (socket->state == E2B__SOCKET_LINGERING) hang_up_our_end(socket);
}

static void start_write(e2b__socket_t *socket) {
  socket->writing = socket->waiting;
  socket->queued = true;
  e2b__buffer_init(&socket->waiting, QUEUE_CEILING);
  uv_buf_t buf = uv_buf_init(socket->writing.data, (unsigned)socket->writing.len);
  if (uv_write(&socket->write, (uv_stream_t *)&socket->tcp, &buf, 1, on_write) != 0) {
    e2b__buffer_free(&socket->writing);
    socket->queued = false;
    break_off(socket);
  }
}

/* Straight to the kernel when nothing is in line: one call, no copy. */
static int give(void *ctx, const void *data, size_t len) {
  e2b__socket_t *socket = ctx;
  if (socket->broken || socket->shut) return E2B_ECLOSED;
  if (!socket->queued) {
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    const int taken = uv_try_write((uv_stream_t *)&socket->tcp, &buf, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
      break_off(socket);
      return E2B_ECLOSED;
    }
    if (taken > 0) {
      data = (const char *)data + taken;
      len -= (size_t)taken;
    }
  }
  if (len == 0) return 0;
  if (e2b__buffer_append(&socket->waiting, data, len) != 0) {
    e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
    return E2B_ENOMEM;
  }
  if (!socket->queued) start_write(socket);
  return 0;
}

int e2b__socket_write(e2b__socket_t *socket, const void *data, size_t len) {
  if (socket->state > E2B__SOCKET_OPEN || socket->state < E2B__SOCKET_PROXYING) return E2B_ECLOSED;
  if (len == 0) return 0;
  return socket->tls != NULL ? e2b__tls_write(socket->tls, data, len) : give(socket, data, len);
}

int e2b__socket_reserve(e2b__socket_t *socket, size_t len) {
  if (e2b__socket_pending(socket) == 0) return 0;
  return e2b__buffer_reserve(&socket->waiting, len);
}

size_t e2b__socket_pending(const e2b__socket_t *socket) {
  if (socket->broken || !socket->queued) return 0;
  return socket->waiting.len + uv_stream_get_write_queue_size((const uv_stream_t *)&socket->tcp);
}

const e2b__tls_io_t e2b__socket_tls_io = {give, take};

/* --- the clock, and the end ------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer) {
  e2b__socket_t *socket = timer->data;
  switch (socket->state) {
  case E2B__SOCKET_OPEN: socket->events->on_timer(socket); break;
  case E2B__SOCKET_LINGERING: e2b__socket_destroy(socket); break;
  case E2B__SOCKET_FAILED:
  case E2B__SOCKET_CLOSING: break;
  default: e2b__dial_timer(socket);
  }
}

void e2b__socket_arm(e2b__socket_t *socket, uint64_t ms) {
  if (socket->state < E2B__SOCKET_FAILED || socket->state == E2B__SOCKET_LINGERING) {
    uv_timer_start(&socket->timer, on_timer, ms, 0);
  }
}

void e2b__socket_opened(e2b__socket_t *socket) {
  e2b__dial_free(socket);
  uv_timer_stop(&socket->timer);
  socket->state = E2B__SOCKET_OPEN;
  e2b__socket_read_start(socket);
  socket->events->on_open(socket);
}

static void let_loop_end(e2b__socket_t *socket) {
  if (!socket->holds) return;
  socket->holds = false;
  e2b__alive_drop(socket->dialer->alive);
}

void e2b__socket_finish(e2b__socket_t *socket) {
  if (socket->state != E2B__SOCKET_OPEN || socket->broken) {
    e2b__socket_destroy(socket);
    return;
  }
  if (socket->tls != NULL) e2b__tls_close_notify(socket->tls);
  if (socket->state == E2B__SOCKET_FAILED ||
      (socket->read_error != 0 && e2b__socket_pending(socket) == 0)) {
    e2b__socket_destroy(socket);
    return;
  }
  let_loop_end(socket);
  socket->state = E2B__SOCKET_LINGERING;
  socket->paused = false;
  e2b__buffer_free(&socket->held);
  socket->holding = false;
  e2b__socket_arm(socket, LINGER_MS);
  e2b__socket_read_start(socket);
  hang_up_our_end(socket);
}

static void handle_closed(e2b__socket_t *socket) {
  socket->handles--;
  if (socket->state == E2B__SOCKET_REDIALING) {
    e2b__dial_tcp_closed(socket);
    return;
  }
  if (socket->state != E2B__SOCKET_CLOSING || socket->handles > 0) return;
  e2b__dialer_t *dialer = socket->dialer;
  e2b__dial_free(socket);
  e2b__tls_free(socket->tls);
  e2b__buffer_free(&socket->held);
  e2b__buffer_free(&socket->waiting);
  e2b__buffer_free(&socket->writing);
  e2b__free(socket->why);
  e2b__list_remove(&socket->node);
  socket->events->on_gone(socket);
  e2b__dialer_socket_gone(dialer);
}

void e2b__socket_on_handle_closed(uv_handle_t *handle) {
  handle_closed(handle->data);
}

static void on_lookup_gone(void *ctx) {
  handle_closed(ctx);
}

void e2b__socket_destroy(e2b__socket_t *socket) {
  if (socket->state == E2B__SOCKET_CLOSING) return;
  let_loop_end(socket);
  socket->state = E2B__SOCKET_CLOSING;
  e2b__queue_cancel(&socket->task);
  socket->input_len = 0;
  e2b__dial_t *dial = socket->dial;
  if (dial != NULL && dial->lookup != NULL) {
    e2b__lookup_abandon(dial->lookup, on_lookup_gone);
    dial->lookup = NULL;
  }
  uv_handle_t *tcp = (uv_handle_t *)&socket->tcp;
  if (!uv_is_closing(tcp)) uv_close(tcp, e2b__socket_on_handle_closed);
  uv_close((uv_handle_t *)&socket->timer, e2b__socket_on_handle_closed);
}

void e2b__socket_init_tcp(e2b__socket_t *socket) {
  uv_tcp_init(socket->dialer->loop, &socket->tcp);
  uv_unref((uv_handle_t *)&socket->tcp);
  socket->tcp.data = socket;
  socket->handles++;
}

void e2b__socket_init(e2b__socket_t *socket, e2b__dialer_t *dialer,
                      const e2b__socket_events_t *events) {
  socket->dialer = dialer;
  socket->events = events;
  e2b__list_append(&dialer->sockets, &socket->node);
  e2b__task_init(&socket->task, on_task);
  e2b__buffer_init(&socket->held, HELD_CEILING);
  e2b__buffer_init(&socket->waiting, QUEUE_CEILING);
  e2b__buffer_init(&socket->writing, QUEUE_CEILING);
  uv_timer_init(dialer->loop, &socket->timer);
  uv_unref((uv_handle_t *)&socket->timer);
  socket->timer.data = socket;
  socket->handles = 1;
  e2b__socket_init_tcp(socket);
  socket->holds = true;
  e2b__alive_hold(dialer->alive);
}
