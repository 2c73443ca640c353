/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_SERVERS_DAEMON_H
#define E2B_BENCH_SERVERS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct connection {
  uv_tcp_t tcp;
  char *head; /* of a request, with the body when that is short */
  size_t head_len;
  uint64_t body_left;
  bool chunked;
  bool in_body;
  char last[5];                                /* of a chunked body */
  void (*more)(struct connection *connection); /* when what was written is out */
  uint64_t left;                               /* of what is being sent */
  const struct block *block;
  struct connection *next_tick;
  struct connection **at_tick; /* what points here; NULL: no ticks */
  struct terminal *terminal;   /* it is a terminal's WebSocket */
  bool json;
} connection_t;

typedef struct request {
  char method[16];
  char path[1024];
  bool json;
  const char *body;
  size_t body_len;
} request_t;

/* daemon.c */
void connection_write(connection_t *connection, const char *data, size_t len);
void connection_close(connection_t *connection);

/* events.c: streams of process events, in both encodings */
void events_init(uv_loop_t *loop);
/* One line of output, then the end. */
void line(connection_t *connection, bool json, const char *output);
void flood_start(connection_t *connection, bool json, size_t chunk, uint64_t total);
void ticks_start(connection_t *connection, bool json);
void ticks_forget(connection_t *connection);

/* terminals.c: WebSockets of terminals */
#define TERMINAL_ADDRESS                                                         \
  "{\"protocol\":1,\"port\":49982,\"secret\":\"00000000000000000000000000000000" \
  "00000000000000000000000000000000\"}\n"
/* `key` is the rest of the request's head from there on. */
void terminal_accept(connection_t *connection, const char *key);
void terminal_take(connection_t *connection, char *data, size_t len);
void terminal_forget(connection_t *connection);

#endif
