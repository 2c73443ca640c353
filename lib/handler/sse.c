/* SPDX-License-Identifier: MIT */
#include "handler/sse.h"

enum { LARGEST_EVENT = 4 << 20 };

void e2b__sse_begin(e2b__sse_event_t *event, uint64_t id) {
  e2b__buffer_init(&event->text, LARGEST_EVENT);
  int rc = 0;
  if (id != 0) rc = e2b__buffer_printf(&event->text, "id: %llu\n", (unsigned long long)id);
  if (rc == 0) rc = e2b__buffer_append_str(&event->text, "data: ");
  e2b__json_begin(&event->json, &event->text);
  if (rc != 0) event->json.rc = rc;
}

int e2b__sse_send(e2b__sse_event_t *event, e2b_http_stream_t *stream) {
  int rc = event->json.rc;
  if (rc == 0) rc = e2b__buffer_append_str(&event->text, "\n\n");
  if (rc == 0) rc = e2b__http_stream_write(stream, event->text.data, event->text.len);
  e2b__buffer_free(&event->text);
  return rc;
}

void e2b__sse_beat(e2b_http_stream_t *stream) {
  (void)e2b__http_stream_write(stream, ": \n\n",
                               4); /* without memory for it, the next one will do */
}

void e2b__sse_answer(e2b__handling_t *h) {
  /* The last: proxies that buffer would keep the events to themselves. */
  static const e2b_pair_t headers[] = {{"Content-Type", "text/event-stream"},
                                       {"X-Accel-Buffering", "no"}};
  e2b__handling_answer_stream(h, 200, headers, E2B__COUNT(headers));
}
