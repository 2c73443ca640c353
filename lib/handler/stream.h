/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_STREAM_H
#define E2B_LIB_HANDLER_STREAM_H

#include "handler/handler.h"

/* What an answer goes on with after its head: one object for server-sent events and WebSockets. Its
 * source (a run, a terminal) writes bytes; its owner (the web server) takes them when it can.
 *
 *  state     bytes written        leaves by
 *  WAITING   are kept             start() -> OPEN; the future goes -> ENDED
 *  OPEN      go to the owner      finish() -> FINISHED; close() -> ENDED
 *  FINISHED  are dropped          what was kept has been taken -> ENDED
 *  ENDED     are dropped          on_end was called: freed                                   */
typedef enum e2b__http_stream_state {
  E2B__HTTP_STREAM_WAITING,
  E2B__HTTP_STREAM_OPEN,
  E2B__HTTP_STREAM_FINISHED,
  E2B__HTTP_STREAM_ENDED
} e2b__http_stream_state_t;

/* The source's side. None is called after `gone`. */
typedef struct e2b__http_stream_source {
  void (*pause)(void *ctx);
  void (*resume)(void *ctx);
  void (*receive)(void *ctx, const void *data,
                  size_t len); /* NULL: what the browser sends is lost */
  void (*gone)(void *ctx);     /* the stream has ended: lets go */
  void (*beat)(void *ctx);     /* it was silent for long: says that it is there */
} e2b__http_stream_source_t;

struct e2b_http_stream {
  e2b__list_t node;  /* in handler->streams */
  uint64_t spoke_ms; /* last, or was to; of the loop's clock */
  e2b_handler_t *handler;
  e2b__caller_t *caller;
  e2b_http_stream_t **lent_to; /* who names it, the request or its answer, until it is started */
  e2b__http_stream_state_t state;
  const e2b__http_stream_source_t *source; /* NULL once it let go, or was told */
  void *ctx;
  e2b__buffer_t kept; /* while the owner is not ready */
  bool paused;        /* by the owner */
  bool held;          /* the source was told to pause */
  e2b_http_stream_data_cb on_data;
  e2b_http_stream_end_cb on_end;
  void *user_data;
  e2b__task_t task; /* delivers what was kept, and the end */
};

/* False: the caller has as many as it may, and that is answered. */
bool e2b__http_stream_may(e2b__handling_t *h);
/* Makes h->stream. 0 or E2B_ENOMEM. `ctx` is the source's, which hears `gone` unless it finishes
 * first. */
int e2b__http_stream_new(e2b__handling_t *h, const e2b__http_stream_source_t *source, void *ctx);
/* From now on *owner names it, and becomes NULL when it ends; NULL: nobody does. */
void e2b__http_stream_lend(e2b_http_stream_t *stream, e2b_http_stream_t **owner);
/* Sends; keeps what the owner does not take now. 0, E2B_ENOMEM, or E2B_ETOOBIG when the source went
 * on although it was told to pause: then it should finish. */
int e2b__http_stream_write(e2b_http_stream_t *stream, const void *data, size_t len);
/* The source is done; it hears nothing more. */
void e2b__http_stream_finish(e2b_http_stream_t *stream);
void e2b__http_stream_close_all(e2b_handler_t *handler);
/* Those that were silent for long say something, if their owners take what they say. */
void e2b__http_streams_beat(e2b_handler_t *handler);

#endif
