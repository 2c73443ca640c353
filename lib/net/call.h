/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_CALL_H
#define E2B_LIB_NET_CALL_H

#include "base/buffer.h"
#include "net/delay.h"
#include "net/http.h"

/* A whole request with a whole answer: the body collected under a ceiling, the request repeated
 * when that is allowed and of use. */

typedef struct e2b__call_request {
  e2b__http_request_t http; /* its strings stay valid until the call is gone */
  bool safe;                /* repeating it does no harm */
  unsigned max_retries;
  int final_status;    /* not a reason to repeat; 0 for none */
  uint64_t timeout_ms; /* of the call as a whole; E2B_NO_TIMEOUT */
  size_t max_response_bytes;
} e2b__call_request_t;

typedef struct e2b__call_result {
  int code; /* 0: an answer came, whatever its status */
  e2b_clock_t clock;
  int status;
  bool maybe_received; /* by any attempt */
  const char *why;
  const char *body; /* lent for the callback, never NULL, NUL-terminated */
  size_t body_len;
  uint64_t retry_after_ms;
  unsigned attempts;
  e2b__exchange_t *exchange; /* for e2b__exchange_header(); NULL unless an answer came */
  e2b__buffer_t *buffer;     /* what holds `body`: may be detached */
} e2b__call_result_t;

typedef void (*e2b__call_cb)(void *ctx, const e2b__call_result_t *result);

/* Lies in what its owner has about it, zeroed. */
typedef struct e2b__call {
  /* What the answer needs lies together: of a thousand that wait all is cold. */
  e2b__http_t *http; /* NULL: not under way */
  e2b__buffer_t body;
  e2b__call_cb done;
  void *ctx;
  e2b__exchange_t *exchange; /* while one is under way */
  unsigned attempts;
  bool maybe_received;
  e2b__delay_t *delay; /* between two */
  e2b__call_request_t request;
} e2b__call_t;

/* 0 or E2B_ENOMEM. `done` comes once, from the loop; the call is over then, and may be freed. */
int e2b__call_start(e2b__call_t *call, e2b__http_t *http, const e2b__call_request_t *request,
                    e2b__call_cb done, void *ctx);
/* No effect on one that is not under way. */
void e2b__call_cancel(e2b__call_t *call);
/* It has `ms` more; then `done` comes with E2B_ETIMEDOUT. Not for one that may be repeated. */
void e2b__call_hurry(e2b__call_t *call, uint64_t ms);

#endif
