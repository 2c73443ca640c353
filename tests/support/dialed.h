/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_DIALED_H
#define E2B_TESTS_SUPPORT_DIALED_H

#include <uv.h>

#include "support/scene.h"

/* A connection to a server, on the scene's loop: a client that knows bytes only. */
typedef struct dialed {
  uv_tcp_t tcp;
  uv_connect_t connect;
  bool connected;
  bool ended; /* by the server */
  int status; /* how: UV_EOF, UV_ECONNRESET */
  bool closed;
  char text[1 << 20]; /* what it said; NUL-terminated */
  size_t len;
  bool only_the_end; /* of what it says is kept */
  size_t count_of_q; /* in what it said since */
} dialed_t;

/* "http://127.0.0.1:PORT" */
dialed_t *dialed_to(const char *url);
/* All of it must fit into the socket's buffer. */
void dialed_say(dialed_t *d, const char *text);
/* So many bytes, whenever the server takes them, until it ends the connection. */
void dialed_pour(dialed_t *d, size_t bytes);
void dialed_half_close(dialed_t *d);
void dialed_read(dialed_t *d, bool on);
void dialed_until_it_says(const dialed_t *d, const char *text);
void dialed_until_it_ends(dialed_t *d);
/* Frees it. */
void dialed_hang_up(dialed_t *d);

#endif
