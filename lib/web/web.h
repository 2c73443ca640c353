/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_WEB_WEB_H
#define E2B_LIB_WEB_WEB_H

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "e2b/future.h"
#include "e2b/web.h"

struct e2b_web {
  uv_loop_t *loop;
  e2b_handler_t *handler;
  e2b_web_options options;
  char *path;
  char *url;
  struct MHD_Daemon *daemon;
  uv_poll_t poll;   /* libmicrohttpd's epoll descriptor */
  uv_timer_t timer; /* its clock */
  uv_timer_t sweep; /* looks for requests that take too long to come */
  unsigned handles; /* open, exchanges' own included */
  bool resumed;     /* since the last run there is something to do */
  bool running;     /* inside libmicrohttpd, which must not be stopped under its feet */
  bool closing;
  e2b__list_t connections;
  e2b__list_t lingering;
  unsigned lingering_count;
  e2b__list_t exchanges;
  size_t exchanges_count;
  size_t bodies_bytes; /* of all of them */
  e2b_web_closed_cb closed;
  void *user_data;
};

/*  phase      leaves by
 *  READING    the body is complete -> WAITING; too long, too slow -> gone
 *  WAITING    the handler's answer -> ANSWERED; the client leaves -> gone, the future is cancelled
 *  ANSWERED   libmicrohttpd takes it -> SENDING
 *  SENDING    all was sent -> gone
 *  UPGRADED   either side ends it -> gone                                                       */
typedef enum e2b__web_exchange_phase {
  E2B__WEB_READING,
  E2B__WEB_WAITING,
  E2B__WEB_ANSWERED,
  E2B__WEB_SENDING,
  E2B__WEB_UPGRADED
} e2b__web_exchange_phase_t;

/* One request and its answer. */
typedef struct e2b__web_exchange {
  e2b__list_t node;
  e2b_web_t *web;
  struct MHD_Connection *connection; /* NULL once libmicrohttpd is done with it */
  e2b__web_exchange_phase_t phase;
  unsigned refs; /* libmicrohttpd's, the future's, the stream's, the socket's */
  uint64_t started_ms;
  const char *method;
  char *path;
  char *query;
  e2b__buffer_t body;
  unsigned refused; /* the status, when the body is not kept; 0 */
  bool suspended;
  bool cut;   /* the connection is to end */
  bool early; /* answered before the body had come */
  e2b_future_t *future;
  struct MHD_Response *response;
  unsigned status;
  struct e2b__web_exchange_watch *watch;
  e2b_http_stream_t *stream;
  bool stream_ended;
  bool stream_held;
  e2b__buffer_t out; /* of the stream, not sent yet */
  size_t sent;
  struct e2b__web_socket *socket; /* of a WebSocket */
} e2b__web_exchange_t;

/* web.c */
void e2b__web_exchange_forget_body(e2b__web_exchange_t *x);
void e2b__web_wake(e2b_web_t *web);
void e2b__web_handle_closed(e2b_web_t *web);
void e2b__web_exchange_suspend(e2b__web_exchange_t *x);
void e2b__web_exchange_resume(e2b__web_exchange_t *x);
void e2b__web_exchange_drop(e2b__web_exchange_t *x);
/* Ends the connection at once. */
void e2b__web_exchange_cut(e2b__web_exchange_t *x);

/* Nobody looks for the client's end any more. */
void e2b__web_exchange_unwatch(e2b__web_exchange_t *x);

/* connection.c */
int e2b__web_socket_of(struct MHD_Connection *connection);
void e2b__web_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode what);
void e2b__web_connection_busy(e2b_web_t *web, struct MHD_Connection *connection, bool busy);
/* Ends the sending side of a connection that its owner is about to close, and forgets for a while
 * what the client still sends: closed at once, a reset would overtake what it was told. Nothing
 * comes of failing: then there is a reset. */
void e2b__web_linger(e2b_web_t *web, int fd);
/* Once a second: what takes too long ends. With `all`: what lingers. */
void e2b__web_connections_sweep(e2b_web_t *web, bool all);

/* answer.c: what the handler said becomes libmicrohttpd's. */
void e2b__web_exchange_ask(e2b__web_exchange_t *x);
/* The client of the library is closed, memory is out, or there is too much to do: 503. */
void e2b__web_exchange_refuse(e2b__web_exchange_t *x);
/* A static answer. */
void e2b__web_exchange_answer(e2b__web_exchange_t *x, unsigned status, const char *type,
                              const void *data, size_t len);

/* socket.c: the bytes of a WebSocket. NULL when out of memory. */
struct MHD_Response *e2b__web_socket_response(e2b__web_exchange_t *x);
void e2b__web_socket_flush(e2b__web_exchange_t *x);
void e2b__web_socket_close(e2b__web_exchange_t *x);

#endif
