/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_CLIENT_OPERATION_H
#define E2B_LIB_CLIENT_OPERATION_H

#include "client/client.h"

/* One call of the public API that is one request and one answer: the future, the request's parts,
 * and what is to be done with the answer. Made by a public function, over when the future is
 * decided, whichever way. It lies in the future's arena and holds a reference on it. */

typedef struct e2b__operation e2b__operation_t;

/* Reads the answer and decides op->future. The operation is freed after it. */
typedef void (*e2b__operation_cb)(e2b__operation_t *op, const e2b__call_result_t *result);

struct e2b__operation {
  e2b_client_t *client; /* kept by the future's reference on the queue */
  e2b_future_t *future;
  e2b__operation_cb done;
  void *owner; /* what the answer is about; given back by release_owner */
  void (*release_owner)(void *owner);
  e2b__call_t call;
  e2b__buffer_t url;
  e2b__buffer_t body;
  struct curl_slist *extra; /* headers of this request, in front of the shared ones; in the arena */
  const char *subject;      /* for messages; in the future's arena */
  const char *wrong;        /* which argument E2B_EINVAL is about; NULL when it was not said */
  intptr_t tag;             /* the public function's own note */
};

typedef struct e2b__operation_request {
  const char *method;
  const struct curl_slist *headers; /* shared ones, behind the extra ones */
  bool safe;
  bool no_body;
  bool long_lived; /* may hang for as long as a program likes: out of the line of short ones */
  int final_status;
  uint64_t timeout_ms; /* 0: the client's request_timeout_ms */
  size_t max_response_bytes;
} e2b__operation_request_t;

/* The future is in *future whatever happens. NULL when it is decided already (or is NULL): the
 * client is closed or misconfigured, or memory is out. */
e2b__operation_t *e2b__operation_new(e2b_client_t *client, e2b__kind_t kind, const char *name,
                                     e2b_future_t **future);
/* Adds a header of this request; the text goes to the future's arena. */
int e2b__operation_header(e2b__operation_t *op, const char *name, const char *value);
/* The same for a whole line that lives as long as the future. NULL: E2B_ENOMEM. */
int e2b__operation_header_line(e2b__operation_t *op, char *line);
/* Says which argument is wrong. E2B_EINVAL, for the caller to hand on to e2b__operation_send(). */
int e2b__operation_refuse(e2b__operation_t *op, const char *wrong);
/* Sends what op->url and op->body hold, unless `rc`, what came of making them, is an error: then
 * the future fails with it. */
void e2b__operation_send(e2b__operation_t *op, int rc, const e2b__operation_request_t *request,
                         e2b__operation_cb done);
/* Decides the future at once, without a request. */
void e2b__operation_settle_number(e2b__operation_t *op, uint64_t number);
void e2b__operation_settle(e2b__operation_t *op, int rc, void *value,
                           void (*release_value)(void *value));
/* Decides the future with `rc`: an answer came that says the request was done, and it makes no
 * sense, or there is no memory for it. `what` it was and `why` go into the message; "" for none. */
void e2b__operation_fail_answer(e2b__operation_t *op, const e2b__call_result_t *result, int rc,
                                const char *what, const char *why);
/* Decides the future with a failure of the request itself, when result->code is not 0. */
void e2b__operation_fail(e2b__operation_t *op, const e2b__call_result_t *result);
/* Host and port of a URL, for messages: a path or a query may hold what is nobody's business. NULL
 * and 0 when there is none. */
const char *e2b__host_in(const char *url, int *len);
/* The failure as an error, for those who add to it. Strings are in `arena`. */
e2b_error_t e2b__transport_error(e2b__arena_t *arena, const char *url,
                                 const e2b__call_result_t *result);

#endif
