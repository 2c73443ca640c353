/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_HTTP_H
#define E2B_LIB_NET_HTTP_H

#include <curl/curl.h>

#include "base/log.h"
#include "base/queue.h"
#include "e2b/error.h"
#include "net/alive.h"

/* HTTP on the loop: curl, with a line in front of it. An exchange is one request and its answer,
 * however long the answer lasts. All functions may be called from anywhere on the loop's thread,
 * also from inside an exchange's events. */

typedef struct e2b__http e2b__http_t;
typedef struct e2b__exchange e2b__exchange_t;

typedef struct e2b__http_options {
  uint64_t connect_timeout_ms;
  unsigned max_in_flight; /* short exchanges over HTTP/1.1 */
  const char *user_agent;
  const char *proxy; /* NULL: none, the environment's neither */
  const char *ca_file;
  const void *ca_blob;
  size_t ca_blob_len;
  const char *client_cert_file;
  const char *client_key_file;
  const char *client_key_password;
  bool insecure;
  bool http1_only;
} e2b__http_options_t;

typedef struct e2b__http_stats {
  uint64_t started;
  uint64_t failed;
  uint64_t retries;
  uint64_t connections;
  uint64_t received;
  uint64_t sent;
  size_t in_flight;
  size_t streams;
  size_t waiting;
} e2b__http_stats_t;

/* All strings of `options` must stay valid as long as the http. NULL when out of memory. */
e2b__http_t *e2b__http_new(uv_loop_t *loop, e2b__queue_t *queue, e2b__alive_t *alive,
                           const e2b__log_t *log, const e2b__http_options_t *options);
/* Cancels every exchange without a word, closes every handle, then calls `closed` from the loop.
 * Not from inside an exchange's event. */
void e2b__http_close(e2b__http_t *http, void (*closed)(void *ctx), void *ctx);
void e2b__http_get_stats(const e2b__http_t *http, e2b__http_stats_t *stats);

typedef struct e2b__http_result {
  int code; /* 0: a whole answer came, whatever its status */
  e2b_clock_t clock;
  int status;          /* of the answer, as far as it came; 0 for none */
  bool maybe_received; /* the server may have the request */
  const char *why;     /* for people; "" when code is 0 */
} e2b__http_result_t;

/* What an exchange tells its owner. Pieces of the body come straight out of curl's buffer. on_done
 * comes at most once and is the last; the exchange is gone then. */
typedef struct e2b__http_events {
  /* Nonzero ends the exchange: on_done follows with that code. */
  int (*on_data)(void *ctx, const char *data, size_t len);
  void (*on_done)(void *ctx, const e2b__http_result_t *result);
} e2b__http_events_t;

/* Where a body comes from that is not in memory as a whole. Puts up to `size` bytes at `to`. 0 with
 * *end false: nothing now, e2b__exchange_continue_body() will tell. */
typedef size_t (*e2b__http_source)(void *ctx, char *to, size_t size, bool *end);

typedef struct e2b__http_request {
  const char *method;
  const char *url;
  const struct curl_slist *headers; /* lent until the exchange is gone */
  const char *body;                 /* lent likewise; NULL for none */
  size_t body_len;
  e2b__http_source source; /* instead of body, of unknown length */
  bool stream;             /* lasts long: does not count against max_in_flight */
  /* May be sent again by curl itself when a kept-alive connection turns out dead. False for what
   * must not happen twice. */
  bool repeatable;
  uint64_t deadline_ms; /* a time of uv_now(); 0: none */
  e2b_clock_t deadline_clock;
  /* From the start to the first byte of the body or the end; the time in line apart, which may be
   * as long again. 0: none. */
  uint64_t first_event_ms;
  uint64_t silence_ms; /* between bytes, after the first; 0: none */
  long buffer_bytes;   /* of the receive buffer; 0: what suits one of its kind */
} e2b__http_request_t;

/* Starts; `request` itself is copied. NULL when out of memory. */
e2b__exchange_t *e2b__exchange_start(e2b__http_t *http, const e2b__http_request_t *request,
                                     const e2b__http_events_t *events, void *ctx);
/* Ends it; no event comes any more. */
void e2b__exchange_cancel(e2b__exchange_t *exchange);
/* It has `ms` more to end by itself; then on_done comes with E2B_ETIMEDOUT. */
void e2b__exchange_hurry(e2b__exchange_t *exchange, uint64_t ms);
/* Stops reading the socket, and goes on. */
void e2b__exchange_pause(e2b__exchange_t *exchange);
void e2b__exchange_resume(e2b__exchange_t *exchange);
void e2b__exchange_continue_body(e2b__exchange_t *exchange);

/* Inside on_data and on_done. */
int e2b__exchange_status(e2b__exchange_t *exchange);
/* Its answer is not whole, though curl said so: has curl look whether the others on its connection
 * have been lost with it. */
void e2b__exchange_cut_short(e2b__exchange_t *exchange);
/* What Retry-After asks for; 0 when it does not. */
uint64_t e2b__exchange_retry_after_ms(e2b__exchange_t *exchange);
/* The value of the last header of that name; NULL when there is none. Lent for the event. */
const char *e2b__exchange_header(e2b__exchange_t *exchange, const char *name);

#endif
