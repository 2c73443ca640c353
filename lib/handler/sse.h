/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_SSE_H
#define E2B_LIB_HANDLER_SSE_H

#include "handler/stream.h"

/* Server-sent events on a stream: each is one line of JSON. */
typedef struct e2b__sse_event {
  e2b__buffer_t text;
  e2b__json_writer_t json;
} e2b__sse_event_t;

/* Begins an event; `id` 0 leaves the last event's id as it is. What is put into event->json is its
 * data. */
void e2b__sse_begin(e2b__sse_event_t *event, uint64_t id);
/* Sends it and gives its memory back. 0 or an error. */
int e2b__sse_send(e2b__sse_event_t *event, e2b_http_stream_t *stream);

/* A comment, which means nothing to a browser. */
void e2b__sse_beat(e2b_http_stream_t *stream);

/* Answers with h->stream as server-sent events. */
void e2b__sse_answer(e2b__handling_t *h);

#endif
