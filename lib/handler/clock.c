/* SPDX-License-Identifier: MIT */
#include "handler/stream.h"
#include "handler/terminal.h"

/* One timer, set for the first that falls due. It is not moved when something else happens before:
 * then it comes too early, and is set anew. */

static void on_clock(uv_timer_t *timer) {
  e2b_handler_t *handler = timer->data;
  e2b__operators_expire(handler);
  e2b__http_streams_beat(handler);
}

static void on_clock_closed(uv_handle_t *handle) {
  e2b__handler_drop(handle->data);
}

void e2b__handler_clock_open(e2b_handler_t *handler) {
  uv_timer_init(handler->client->loop, &handler->clock);
  uv_unref((uv_handle_t *)&handler->clock);
  handler->clock.data = handler;
  handler->has_clock = true;
  e2b__handler_hold(handler);
}

void e2b__handler_clock_close(e2b_handler_t *handler) {
  if (!handler->has_clock) return;
  handler->has_clock = false;
  uv_close((uv_handle_t *)&handler->clock, on_clock_closed);
}

void e2b__handler_clock_set(e2b_handler_t *handler, uint64_t at_ms) {
  if (!handler->has_clock || at_ms == UINT64_MAX) return;
  if (uv_is_active((uv_handle_t *)&handler->clock) && handler->clock_at_ms <= at_ms) return;
  const uint64_t now = uv_now(handler->client->loop);
  handler->clock_at_ms = at_ms;
  uv_timer_start(&handler->clock, on_clock, at_ms > now ? at_ms - now : 0, 0);
}
