/* SPDX-License-Identifier: MIT */
#include "handler/stream.h"

#include "base/clock.h"

enum {
  HOLD_AT = 64 << 10, /* kept bytes from which on the source is held back */
  MOST_KEPT = 4 << 20
};

static void claim(e2b_http_stream_t *stream) {
  if (stream->lent_to != NULL) *stream->lent_to = NULL;
  stream->lent_to = NULL;
}

static void forget(e2b_http_stream_t *stream) {
  claim(stream);
  e2b__queue_cancel(&stream->task);
  e2b__list_remove(&stream->node);
  stream->caller->streams--;
  e2b__caller_drop(stream->caller);
  e2b__buffer_free(&stream->kept);
  e2b_handler_t *handler = stream->handler;
  e2b__free(stream);
  e2b__handler_drop(handler);
}

static void let_source_go(e2b_http_stream_t *stream) {
  const e2b__http_stream_source_t *source = stream->source;
  stream->source = NULL;
  if (source != NULL) source->gone(stream->ctx);
}

static void wake(e2b_http_stream_t *stream) {
  e2b__queue_push(&stream->handler->client->queue, &stream->task);
}

static void give(e2b_http_stream_t *stream, const char *data, size_t len) {
  e2b__call_out_begin();
  stream->on_data(stream, data, len, stream->user_data);
  e2b__call_out_end();
}

static void deliver_kept(e2b_http_stream_t *stream) {
  e2b__buffer_t taken = stream->kept;
  e2b__buffer_init(&stream->kept, MOST_KEPT);
  if (taken.len > 0) give(stream, taken.data, taken.len);
  e2b__buffer_free(&taken);
  if (stream->held && !stream->paused && stream->state == E2B__HTTP_STREAM_OPEN &&
      stream->kept.len == 0) {
    stream->held = false;
    if (stream->source != NULL) stream->source->resume(stream->ctx);
  }
}

static void on_task(e2b__task_t *task) {
  e2b_http_stream_t *stream = E2B__CONTAINER(task, e2b_http_stream_t, task);
  if ((stream->state == E2B__HTTP_STREAM_OPEN || stream->state == E2B__HTTP_STREAM_FINISHED) &&
      !stream->paused) {
    deliver_kept(stream);
    if (stream->state == E2B__HTTP_STREAM_FINISHED && stream->kept.len == 0 && !stream->paused) {
      stream->state = E2B__HTTP_STREAM_ENDED;
    }
  }
  if (stream->state != E2B__HTTP_STREAM_ENDED) return;
  let_source_go(stream);
  if (stream->on_end != NULL) {
    e2b__call_out_begin();
    stream->on_end(stream, stream->user_data);
    e2b__call_out_end();
  }
  forget(stream);
}

/* --- heartbeats ---------------------------------------------------------------------------------
 */

static void spoke(e2b_http_stream_t *stream) {
  stream->spoke_ms = uv_now(stream->handler->client->loop);
  e2b__list_remove(&stream->node);
  e2b__list_append(&stream->handler->streams, &stream->node);
}

void e2b__http_streams_beat(e2b_handler_t *handler) {
  const uint64_t now = uv_now(handler->client->loop);
  while (!e2b__list_empty(&handler->streams)) {
    e2b_http_stream_t *stream = E2B__CONTAINER(handler->streams.next, e2b_http_stream_t, node);
    const uint64_t due = e2b__time_after(stream->spoke_ms, handler->options.heartbeat_ms);
    if (due > now) {
      e2b__handler_clock_set(handler, due);
      return;
    }
    spoke(stream);
    /* What waits for a slow owner tells as much; more of it would only pile up. */
    if (stream->state == E2B__HTTP_STREAM_OPEN && !stream->paused && stream->kept.len == 0 &&
        stream->source != NULL) {
      stream->source->beat(stream->ctx);
    }
  }
}

/* --- the source's side --------------------------------------------------------------------------
 */

bool e2b__http_stream_may(e2b__handling_t *h) {
  const unsigned limit = h->handler->options.max_streams;
  if (h->handler->released) {
    e2b__handling_fail(h, 503, "The handler is closed");
    return false;
  }
  if (h->caller->streams < limit) return true;
  e2b__handling_fail(h, 429, "Too many streams at once (limit %u)", limit);
  return false;
}

void e2b__http_stream_lend(e2b_http_stream_t *stream, e2b_http_stream_t **owner) {
  if (stream != NULL) stream->lent_to = owner;
}

int e2b__http_stream_new(e2b__handling_t *h, const e2b__http_stream_source_t *source, void *ctx) {
  e2b_http_stream_t *stream = e2b__calloc(1, sizeof *stream);
  if (stream == NULL) return E2B_ENOMEM;
  stream->handler = h->handler;
  e2b__handler_hold(stream->handler);
  stream->caller = h->caller;
  stream->caller->refs++;
  stream->caller->streams++;
  stream->source = source;
  stream->ctx = ctx;
  e2b__buffer_init(&stream->kept, MOST_KEPT);
  e2b__task_init(&stream->task, on_task);
  e2b__list_init(&stream->node);
  spoke(stream);
  e2b__handler_clock_set(h->handler,
                         e2b__time_after(stream->spoke_ms, h->handler->options.heartbeat_ms));
  h->stream = stream;
  e2b__http_stream_lend(stream, &h->stream);
  return 0;
}

static void hold_source(e2b_http_stream_t *stream) {
  if (stream->held || stream->source == NULL) return;
  stream->held = true;
  stream->source->pause(stream->ctx);
}

int e2b__http_stream_write(e2b_http_stream_t *stream, const void *data, size_t len) {
  if (stream->state == E2B__HTTP_STREAM_FINISHED || stream->state == E2B__HTTP_STREAM_ENDED) {
    return 0;
  }
  int rc = e2b__buffer_append(&stream->kept, data, len);
  if (rc != 0) return rc;
  spoke(stream);
  if (stream->state == E2B__HTTP_STREAM_OPEN && !stream->paused) wake(stream);
  if (stream->kept.len >= HOLD_AT) hold_source(stream);
  return 0;
}

void e2b__http_stream_finish(e2b_http_stream_t *stream) {
  stream->source = NULL;
  if (stream->state == E2B__HTTP_STREAM_WAITING) {
    stream->state = E2B__HTTP_STREAM_FINISHED; /* start() finds it so */
  } else if (stream->state == E2B__HTTP_STREAM_OPEN) {
    stream->state = E2B__HTTP_STREAM_FINISHED;
    wake(stream);
  }
}

/* --- the owner's side ---------------------------------------------------------------------------
 */

int e2b_http_stream_start(e2b_http_stream_t *stream, e2b_http_stream_data_cb on_data,
                          e2b_http_stream_end_cb on_end, void *user_data) {
  if (stream == NULL || on_data == NULL) return E2B_EINVAL;
  if (stream->on_data != NULL) return E2B_EALREADY;
  claim(stream);
  stream->on_data = on_data;
  stream->on_end = on_end;
  stream->user_data = user_data;
  if (stream->state == E2B__HTTP_STREAM_WAITING) stream->state = E2B__HTTP_STREAM_OPEN;
  wake(stream);
  return 0;
}

void e2b_http_stream_pause(e2b_http_stream_t *stream) {
  stream->paused = true;
  hold_source(stream);
}

void e2b_http_stream_resume(e2b_http_stream_t *stream) {
  if (!stream->paused) return;
  stream->paused = false;
  wake(stream);
}

void e2b_http_stream_receive(e2b_http_stream_t *stream, const void *data, size_t len) {
  if (stream->source != NULL && stream->source->receive != NULL) {
    stream->source->receive(stream->ctx, data, len);
  }
}

void e2b_http_stream_close(e2b_http_stream_t *stream) {
  if (stream == NULL || stream->state == E2B__HTTP_STREAM_ENDED) return;
  stream->state = E2B__HTTP_STREAM_ENDED;
  wake(stream);
}

void e2b__http_stream_close_all(e2b_handler_t *handler) {
  for (e2b__list_t *node = handler->streams.next; node != &handler->streams; node = node->next) {
    e2b_http_stream_close(E2B__CONTAINER(node, e2b_http_stream_t, node));
  }
}
