/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_H2_SERVER_H
#define E2B_TESTS_SUPPORT_H2_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* A server of HTTP/2 over TLS, on the loop of the test, by nghttp2. It does what it is told, when a
 * request comes or later:
 *
 *     h2_server_t *server = h2_server_start(&h.loop);
 *     h2_on(server, "GET /health", h2_answers, &(h2_answer_t){204, NULL, ""});
 *     h2_on(server, "POST /sandboxes", refuse, NULL);      // void refuse(h2_request_t *, void *)
 *     ...
 *     h2_goaway(server, 1, h2_request(server, NULL, 3)->stream, 0);
 *
 * A request that no rule fits gets no answer. */

typedef struct h2_server h2_server_t;

typedef struct h2_request {
  unsigned connection; /* 1 is the first that was accepted */
  int32_t stream;
  char method[16];
  char target[512]; /* path and query */
  uint64_t body_bytes;
  bool complete;  /* all of its body is there */
  bool over;      /* its stream is closed */
  bool reset;     /* by the client */
  uint32_t error; /* with which code */
  void *reply;    /* the server's */
} h2_request_t;

/* What connections that are accepted from now on get. */
typedef struct h2_settings {
  bool silent;            /* not a byte after the handshake of TLS; nor is anything read as HTTP */
  uint32_t most_streams;  /* 0: nothing is said of it */
  uint32_t window;        /* of each stream's upload */
  bool ends_in_handshake; /* hangs up instead of it */
} h2_settings_t;

/* Listens on 127.0.0.1, any port. */
h2_server_t *h2_server_start(uv_loop_t *loop);
/* Takes void so that it fits harness_at_stop(). */
void h2_server_close(void *server);
const char *h2_url(const h2_server_t *server);       /* "https://127.0.0.1:port" */
const char *h2_authority(const h2_server_t *server); /* PEM */
h2_settings_t *h2_settings(h2_server_t *server);

unsigned h2_connections(const h2_server_t *server); /* accepted so far */
unsigned h2_connections_open(const h2_server_t *server);

/* --- rules ------------------------------------------------------------------------------------ */

typedef void (*h2_act)(h2_request_t *request, void *ctx);
/* At the end of the list; the first that fits counts. "POST /sandboxes", the query left out; NULL
 * for all. `act` comes when the request is complete. */
void h2_on(h2_server_t *server, const char *what, h2_act act, void *ctx);
/* The same, as soon as its head is there. */
void h2_on_head(h2_server_t *server, const char *what, h2_act act, void *ctx);
/* Forgets the rules. */
void h2_clear(h2_server_t *server);

/* --- what it got ------------------------------------------------------------------------------ */

unsigned h2_count(const h2_server_t *server, const char *what);
/* Of the same, for harness_until_count(): all requests that have come. */
const unsigned *h2_counter(const h2_server_t *server);
/* The nth of them, from 0, valid to the end; NULL when there are fewer. */
h2_request_t *h2_request(h2_server_t *server, const char *what, unsigned nth);

/* --- answers ---------------------------------------------------------------------------------- */

typedef struct h2_answer {
  int status;
  const char *type; /* NULL: none */
  const char *body;
} h2_answer_t;
/* An h2_act; ctx is an h2_answer_t. */
void h2_answers(h2_request_t *request, void *ctx);
void h2_answer(h2_request_t *request, int status, const char *type, const void *body, size_t len);

/* The head of an answer; the body follows, in pieces. `length`: what the head says of it, -1 for
 * nothing. */
void h2_head(h2_request_t *request, int status, const char *type, int64_t length);
/* With a header of so many bytes in all, in pieces of 4 KB. */
void h2_head_of_size(h2_request_t *request, int status, size_t bytes);
void h2_data(h2_request_t *request, const void *data, size_t len);
void h2_end(h2_request_t *request);
/* RST_STREAM. */
void h2_reset(h2_request_t *request, uint32_t error);
/* So many bytes more may be uploaded. */
void h2_open_window(h2_request_t *request, int32_t bytes);

/* --- connections, by number ---------------------------------------------------------------------
 */

void h2_goaway(h2_server_t *server, unsigned connection, int32_t last_stream, uint32_t error);
void h2_pings(h2_server_t *server, unsigned connection, unsigned count);
/* How many pings were answered, on all connections. */
const unsigned *h2_pongs(const h2_server_t *server);
/* Whole frames, or what is none. */
void h2_raw(h2_server_t *server, unsigned connection, const void *data, size_t len);
/* Its end: FIN, or RST. No word of TLS or HTTP before. */
void h2_cut(h2_server_t *server, unsigned connection, bool reset);

#endif
