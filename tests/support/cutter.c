/* SPDX-License-Identifier: MIT */
#include "support/cutter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "e2b/base.h"
#include "support/test.h"

enum { PIECE = 64 << 10, FULL = 512 << 10 };

typedef struct line line;

typedef struct end {
  uv_tcp_t tcp;
  line *line;
  struct end *other;
  bool open;
  bool paused;
} end;

struct line {
  e2b__list_t node;
  cutter_t *cutter;
  end client;
  end server;
  unsigned handles;
  bool known;    /* its first bytes have been seen */
  bool terminal; /* it carries a terminal */
  bool silent;
  bool doomed; /* one of the counts below breaks it */
  cut_kind kind;
  uint64_t left_down;
  uint64_t left_up;
};

struct cutter {
  uv_loop_t *loop;
  uv_tcp_t listener;
  struct sockaddr_in target;
  char url[64];
  const char *path; /* what a terminal's connection begins with */
  e2b__list_t lines;
  unsigned lines_open;
  bool refuse;
  bool gone;
  cut_kind kind;
  unsigned times;
  uint64_t most_down; /* 0: no limit */
  uint64_t most_up;
  bool step_by_step;
  unsigned steps;
  unsigned cuts;
  uint32_t seed;
};

typedef struct piece {
  uv_write_t request;
  end *to;
  char data[];
} piece;

static char room[PIECE];

static uint32_t number(cutter_t *cutter) {
  cutter->seed = cutter->seed * 1664525 + 1013904223;
  return cutter->seed >> 1;
}

static void on_end_closed(uv_handle_t *handle) {
  end *it = handle->data;
  line *of = it->line;
  if (--of->handles > 0) return;
  of->cutter->lines_open--;
  e2b__list_remove(&of->node);
  free(of);
}

static void close_end(end *it, bool reset) {
  if (!it->open) return;
  it->open = false;
  if (reset && uv_tcp_close_reset(&it->tcp, on_end_closed) == 0) return;
  uv_close((uv_handle_t *)&it->tcp, on_end_closed);
}

static void cut(line *it, cut_kind kind) {
  if (kind == CUT_ANY) kind = (cut_kind)(number(it->cutter) % 3);
  it->cutter->cuts++;
  it->doomed = false;
  if (kind == CUT_SILENT) {
    it->silent = true;
    return;
  }
  close_end(&it->client, kind == CUT_RESET);
  close_end(&it->server, kind == CUT_RESET);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  (void)handle;
  (void)size;
  *buf = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void on_written(uv_write_t *request, int status) {
  piece *it = request->data;
  end *to = it->to;
  (void)status;
  if (to->open && to->other->open && to->other->paused &&
      uv_stream_get_write_queue_size((uv_stream_t *)&to->tcp) < FULL / 2) {
    to->other->paused = false;
    uv_read_start((uv_stream_t *)&to->other->tcp, on_alloc, on_read);
  }
  free(it);
}

static void forward(end *from, const char *data, size_t len) {
  end *to = from->other;
  if (len == 0 || !to->open) return;
  piece *it = malloc(sizeof *it + len);
  assert_non_null(it);
  it->to = to;
  it->request.data = it;
  memcpy(it->data, data, len);
  uv_buf_t buf = uv_buf_init(it->data, (unsigned)len);
  if (uv_write(&it->request, (uv_stream_t *)&to->tcp, &buf, 1, on_written) != 0) {
    free(it);
    return;
  }
  if (uv_stream_get_write_queue_size((uv_stream_t *)&to->tcp) >= FULL) {
    from->paused = true;
    uv_read_stop((uv_stream_t *)&from->tcp);
  }
}

static void look(line *it, const char *data, size_t len) {
  cutter_t *cutter = it->cutter;
  it->known = true;
  const size_t path_len = strlen(cutter->path);
  it->terminal = len >= path_len && memcmp(data, cutter->path, path_len) == 0;
  it->left_down = it->left_up = UINT64_MAX;
  if (!it->terminal) return;
  if (cutter->refuse) {
    cut(it, CUT_CLOSE);
    return;
  }
  if (cutter->times == 0) return;
  cutter->times--;
  it->doomed = true;
  it->kind = cutter->kind;
  if (cutter->step_by_step) {
    it->left_down = cutter->steps++;
  } else {
    if (cutter->most_down > 0) it->left_down = 1 + number(cutter) % cutter->most_down;
    if (cutter->most_up > 0) it->left_up = 1 + number(cutter) % cutter->most_up;
  }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  end *from = stream->data;
  line *it = from->line;
  const bool up = from == &it->client;
  if (got == 0) return;
  if (got < 0) {
    if (it->silent) {
      close_end(from, false);
      if (up) close_end(from->other, false);
      return;
    }
    /* What was on its way is written before the end, or the end is a reset anyway. */
    close_end(from, false);
    uv_stream_t *other = (uv_stream_t *)&from->other->tcp;
    if (uv_stream_get_write_queue_size(other) == 0) close_end(from->other, got != UV_EOF);
    return;
  }
  size_t len = (size_t)got;
  if (up && !it->known) look(it, buf->base, len);
  if (it->silent || !from->open) return;
  uint64_t *left = up ? &it->left_up : &it->left_down;
  if (it->doomed && len >= *left) {
    forward(from, buf->base, (size_t)*left);
    cut(it, it->kind);
    return;
  }
  if (it->doomed) *left -= len;
  forward(from, buf->base, len);
}

static void on_connected(uv_connect_t *request, int status) {
  line *it = request->data;
  free(request);
  if (!it->server.open) return;
  if (status != 0 || !it->client.open) {
    close_end(&it->client, false);
    close_end(&it->server, false);
    return;
  }
  uv_read_start((uv_stream_t *)&it->client.tcp, on_alloc, on_read);
  uv_read_start((uv_stream_t *)&it->server.tcp, on_alloc, on_read);
}

static void on_connection(uv_stream_t *listener, int status) {
  cutter_t *cutter = listener->data;
  assert_int_equal(status, 0);
  line *it = calloc(1, sizeof *it);
  uv_connect_t *request = malloc(sizeof *request);
  assert_true(it != NULL && request != NULL);
  it->cutter = cutter;
  it->client.line = it->server.line = it;
  it->client.other = &it->server;
  it->server.other = &it->client;
  it->client.open = it->server.open = true;
  it->handles = 2;
  it->left_down = it->left_up = UINT64_MAX;
  e2b__list_init(&it->node);
  e2b__list_append(&cutter->lines, &it->node);
  cutter->lines_open++;
  uv_tcp_init(cutter->loop, &it->client.tcp);
  uv_tcp_init(cutter->loop, &it->server.tcp);
  it->client.tcp.data = &it->client;
  it->server.tcp.data = &it->server;
  request->data = it;
  assert_int_equal(uv_accept(listener, (uv_stream_t *)&it->client.tcp), 0);
  assert_int_equal(uv_tcp_connect(request, &it->server.tcp,
                                  (const struct sockaddr *)&cutter->target, on_connected),
                   0);
}

cutter_t *cutter_start(uv_loop_t *loop, const char *url) {
  cutter_t *cutter = calloc(1, sizeof *cutter);
  assert_non_null(cutter);
  const char *colon = strrchr(url, ':');
  assert_non_null(colon);
  cutter->loop = loop;
  cutter->path = "GET /v1";
  cutter->seed = 20261123;
  e2b__list_init(&cutter->lines);
  assert_int_equal(uv_ip4_addr("127.0.0.1", atoi(colon + 1), &cutter->target), 0);
  struct sockaddr_in any;
  uv_ip4_addr("127.0.0.1", 0, &any);
  uv_tcp_init(loop, &cutter->listener);
  cutter->listener.data = cutter;
  assert_int_equal(uv_tcp_bind(&cutter->listener, (const struct sockaddr *)&any, 0), 0);
  assert_int_equal(uv_listen((uv_stream_t *)&cutter->listener, 1024, on_connection), 0);
  struct sockaddr_in own;
  int size = sizeof own;
  uv_tcp_getsockname(&cutter->listener, (struct sockaddr *)&own, &size);
  snprintf(cutter->url, sizeof cutter->url, "http://127.0.0.1:%u", ntohs(own.sin_port));
  return cutter;
}

static void on_listener_closed(uv_handle_t *handle) {
  cutter_t *cutter = handle->data;
  cutter->gone = true;
}

void cutter_stop(cutter_t *cutter) {
  for (e2b__list_t *node = cutter->lines.next; node != &cutter->lines; node = node->next) {
    line *it = E2B__CONTAINER(node, line, node);
    close_end(&it->client, false);
    close_end(&it->server, false);
  }
  uv_close((uv_handle_t *)&cutter->listener, on_listener_closed);
  while (!cutter->gone || cutter->lines_open > 0) {
    uv_run(cutter->loop, UV_RUN_ONCE);
  }
  free(cutter);
}

const char *cutter_url(const cutter_t *cutter) {
  return cutter->url;
}

static void plan(cutter_t *cutter, cut_kind kind, unsigned times, uint64_t down, uint64_t up) {
  cutter->kind = kind;
  cutter->times = times;
  cutter->most_down = down;
  cutter->most_up = up;
  cutter->step_by_step = false;
}

void cutter_downwards(cutter_t *cutter, cut_kind kind, unsigned times, uint64_t most) {
  plan(cutter, kind, times, most, 0);
}

void cutter_upwards(cutter_t *cutter, cut_kind kind, unsigned times, uint64_t most) {
  plan(cutter, kind, times, 0, most);
}

void cutter_step_by_step(cutter_t *cutter, cut_kind kind, unsigned times, unsigned from) {
  plan(cutter, kind, times, 0, 0);
  cutter->step_by_step = true;
  cutter->steps = from;
}

void cutter_cut_now(cutter_t *cutter, cut_kind kind) {
  for (e2b__list_t *node = cutter->lines.next; node != &cutter->lines; node = node->next) {
    line *it = E2B__CONTAINER(node, line, node);
    if (it->terminal && !it->silent && it->client.open) cut(it, kind);
  }
}

void cutter_refuse(cutter_t *cutter, bool refuse) {
  cutter->refuse = refuse;
}

void cutter_path(cutter_t *cutter, const char *path) {
  cutter->path = path;
}

unsigned cutter_cuts(const cutter_t *cutter) {
  return cutter->cuts;
}
