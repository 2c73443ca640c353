/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FAULT_INTERNAL_H
#define E2B_TESTS_SUPPORT_FAULT_INTERNAL_H

#include "support/fault_server.h"

/* What the parts of the fault server share: fault_script.c (rules, steps, what was asked),
 * fault_connection.c (reads one connection and plays for it), fault_server.c (the listener). */

typedef enum step_kind {
  SEND,
  SEND_BYTEWISE,
  GENERATE,
  WAIT,
  HOLD,
  CALL,
  READ_ON,
  HALF_CLOSE,
  CLOSE,
  RESET,
  HANG
} step_kind;

typedef struct step {
  struct step *next;
  step_kind kind;
  uint64_t ms;
  fault_make make;
  void (*fn)(void *ctx);
  void *ctx;
  bool chunked;
  size_t len;
  char data[];
} step;

struct fault_rule {
  fault_rule_t *next;
  fault_server_t *server;
  unsigned refs; /* the list's, and one of each connection that plays it */
  char *what;
  bool on_accept;
  bool early;
  bool stop_reading;
  uint64_t after_body_bytes;
  unsigned connection;
  unsigned number;
  bool limited;
  unsigned left;
  step *first;
  step **last;
};

enum { READ_SIZE = 64 << 10, MAKE_SIZE = 64 << 10 };

typedef struct connection {
  struct connection *next;
  fault_server_t *server;
  uv_tcp_t tcp;
  uv_timer_t timer;
  unsigned open_handles;
  uv_write_t write;
  uv_shutdown_t shutdown;
  unsigned number;
  unsigned requests;
  char *in; /* unread bytes */
  size_t in_len;
  fault_request_t *request;  /* being read */
  fault_request_t *answered; /* being played for, perhaps before it was read whole */
  uint64_t body_left;        /* of the request, or of its chunk */
  enum { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER } where;
  fault_rule_t *rule; /* being played */
  step *at;
  size_t sent; /* of the step */
  char *made;  /* buffer of a generating step */
  bool held;
  bool reads_on; /* the step waits for the rest of the request */
  bool closing;
  char input[READ_SIZE];
} connection;

struct fault_server {
  uv_loop_t *loop;
  uv_tcp_t tcp;
  char url[64];
  uint16_t port;
  fault_rule_t *rules;
  fault_request_t **requests;
  size_t requests_count;
  connection *connections;
  unsigned accepted;
  unsigned open;
  unsigned half_closes;
  unsigned unexpected;
  uint64_t bytes_written;
  size_t pace;
  bool closing;
  bool listener_closed;
};

/* fault_script.c */
void *fault__grab(void *old, size_t size);
void *fault__grab_zero(size_t size);
bool fault__matches(const fault_request_t *request, const char *what);
void fault__rule_drop(fault_rule_t *rule);
void fault__request_free(fault_request_t *request);

/* fault_connection.c */
void fault__accept(fault_server_t *server);
void fault__next_step(connection *c);
void fault__hang_up(connection *c, bool reset);

/* fault_server.c */
/* Frees the server when it was closed and nothing of it is left. */
void fault__free_if_over(fault_server_t *server);

#endif
