/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_SOCKET_H
#define E2B_LIB_HANDLER_SOCKET_H

#include "handler/stream.h"

/* The server's end of a WebSocket over the bytes of a stream; wslay knows the frames. */
typedef struct e2b__server_socket e2b__server_socket_t;

typedef struct e2b__server_socket_events {
  /* A whole message. Lent for the call; the socket may be closed inside. */
  void (*on_message)(void *ctx, bool text, const char *data, size_t len);
  /* The browser closed it, or broke the rules; what has to be said about it has been sent. */
  void (*on_closed)(void *ctx);
} e2b__server_socket_events_t;

/* NULL when out of memory. Writes to `stream`, which must outlive it. */
e2b__server_socket_t *e2b__server_socket_new(e2b_http_stream_t *stream,
                                             const e2b__server_socket_events_t *events, void *ctx);
void e2b__server_socket_free(e2b__server_socket_t *it);
/* Bytes from the browser. */
void e2b__server_socket_receive(e2b__server_socket_t *it, const void *data, size_t len);
/* 0 or an error; both copy. */
int e2b__server_socket_send(e2b__server_socket_t *it, bool text, const void *data, size_t len);
/* An empty ping. */
int e2b__server_socket_ping(e2b__server_socket_t *it);
int e2b__server_socket_close(e2b__server_socket_t *it, unsigned code);

#endif
