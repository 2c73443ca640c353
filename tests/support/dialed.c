/* SPDX-License-Identifier: MIT */
#include "support/dialed.h"

#include <stdlib.h>

enum { KEPT = 4096 };

static void on_connect(uv_connect_t *request, int status) {
  assert_int_equal(status, 0);
  ((dialed_t *)request->data)->connected = true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  dialed_t *d = handle->data;
  (void)size;
  *buf = uv_buf_init(d->text + d->len, (unsigned)(sizeof d->text - 1 - d->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  dialed_t *d = stream->data;
  if (n < 0) {
    d->ended = true;
    d->status = (int)n;
    return;
  }
  for (ssize_t i = 0; d->only_the_end && i < n; i++) {
    d->count_of_q += buf->base[i] == 'Q';
  }
  d->len += (size_t)n;
  if (d->only_the_end && d->len > KEPT) {
    memmove(d->text, d->text + d->len - KEPT, KEPT);
    d->len = KEPT;
  }
  d->text[d->len] = '\0';
}

dialed_t *dialed_to(const char *url) {
  struct sockaddr_in address;
  dialed_t *d = calloc(1, sizeof *d);
  assert_non_null(d);
  uv_ip4_addr("127.0.0.1", atoi(strrchr(url, ':') + 1), &address);
  uv_tcp_init(scene.loop, &d->tcp);
  d->tcp.data = d->connect.data = d;
  uv_tcp_connect(&d->connect, &d->tcp, (const struct sockaddr *)&address, on_connect);
  assert_true(scene_turn(LONG_ENOUGH_MS, &d->connected));
  dialed_read(d, true);
  return d;
}

void dialed_read(dialed_t *d, bool on) {
  if (on) {
    uv_read_start((uv_stream_t *)&d->tcp, on_alloc, on_read);
  } else {
    uv_read_stop((uv_stream_t *)&d->tcp);
  }
}

void dialed_say(dialed_t *d, const char *text) {
  const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
  assert_int_equal(uv_try_write((uv_stream_t *)&d->tcp, &buf, 1), (int)buf.len);
}

void dialed_pour(dialed_t *d, size_t bytes) {
  static char piece[1 << 16];
  memset(piece, 'x', sizeof piece);
  for (unsigned tries = 0; bytes > 0 && !d->ended;) {
    const uv_buf_t buf =
        uv_buf_init(piece, (unsigned)(bytes < sizeof piece ? bytes : sizeof piece));
    const int n = uv_try_write((uv_stream_t *)&d->tcp, &buf, 1);
    if (n > 0) {
      bytes -= (size_t)n;
      tries = 0;
    } else if (n != UV_EAGAIN) {
      break; /* the server has ended it */
    }
    if (n <= 0 || bytes % (1 << 20) < sizeof piece) uv_run(scene.loop, UV_RUN_NOWAIT);
    if (n <= 0 && ++tries > 100) scene_pace(tries);
  }
}

static void on_shutdown(uv_shutdown_t *request, int status) {
  (void)status;
  *(bool *)request->data = true;
}

void dialed_half_close(dialed_t *d) {
  uv_shutdown_t request;
  bool done = false;
  request.data = &done;
  assert_int_equal(uv_shutdown(&request, (uv_stream_t *)&d->tcp, on_shutdown), 0);
  assert_true(scene_turn(LONG_ENOUGH_MS, &done));
}

void dialed_until_it_says(const dialed_t *d, const char *text) {
  for (unsigned tries = 0; strstr(d->text, text) == NULL; tries++) {
    scene_pace(tries);
  }
}

void dialed_until_it_ends(dialed_t *d) {
  assert_true(scene_turn(LONG_ENOUGH_MS, &d->ended));
}

static void on_closed(uv_handle_t *handle) {
  ((dialed_t *)handle->data)->closed = true;
}

void dialed_hang_up(dialed_t *d) {
  uv_close((uv_handle_t *)&d->tcp, on_closed);
  assert_true(scene_turn(LONG_ENOUGH_MS, &d->closed));
  free(d);
}
