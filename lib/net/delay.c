/* SPDX-License-Identifier: MIT */
#include "net/delay.h"

#include "net/internal.h"

struct e2b__delay {
  uv_timer_t timer;
  e2b__http_t *http;
  void (*callback)(void *ctx);
  void *ctx;
};

static void on_closed(uv_handle_t *handle) {
  e2b__delay_t *delay = handle->data;
  e2b__http_t *http = delay->http;
  e2b__free(delay);
  e2b__http_handle_closed(http);
}

void e2b__delay_cancel(e2b__delay_t *delay) {
  e2b__alive_drop(delay->http->alive);
  uv_close((uv_handle_t *)&delay->timer, on_closed);
}

static void on_timer(uv_timer_t *timer) {
  e2b__delay_t *delay = timer->data;
  void (*callback)(void *ctx) = delay->callback;
  void *ctx = delay->ctx;
  e2b__delay_cancel(delay);
  callback(ctx);
}

e2b__delay_t *e2b__delay_start(e2b__http_t *http, uint64_t ms, void (*callback)(void *ctx),
                               void *ctx) {
  e2b__delay_t *delay = e2b__calloc(1, sizeof *delay);
  if (delay == NULL) return NULL;
  delay->http = http;
  delay->callback = callback;
  delay->ctx = ctx;
  uv_timer_init(http->loop, &delay->timer);
  uv_unref((uv_handle_t *)&delay->timer);
  delay->timer.data = delay;
  http->open_handles++;
  e2b__alive_hold(http->alive);
  uv_timer_start(&delay->timer, on_timer, ms, 0);
  return delay;
}
