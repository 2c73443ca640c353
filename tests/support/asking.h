/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_ASKING_H
#define E2B_TESTS_SUPPORT_ASKING_H

#include "e2b/handler.h"
#include "support/stage.h"

/* A request handler in front of the stage, and everything that it can be asked there: for tests of
 * what holds for every request alike. */

typedef struct asking {
  stage_t s;
  e2b_handler_t *handler;
  unsigned answers; /* futures that called back */
  int status;       /* of the last; 0 when it failed */
  int code;         /* how it failed */
  int retry_after;  /* seconds; 0 when it does not say */
  unsigned started; /* streams */
  unsigned ended;
  size_t bytes;              /* that streams brought */
  e2b_http_stream_t *stream; /* the one that is open */
  /* Called first thing in every callback, if set. */
  void (*on_callback)(struct asking *a);
  /* Called inside e2b_handle_request(), if set. */
  void (*on_authorize)(struct asking *a);
} asking_t;

typedef struct question {
  const char *name;
  const char *body; /* NULL: a GET */
  int status;       /* when nothing comes between */
} question_t;

extern const question_t questions[];
extern const size_t questions_count;

/* The caller is "ann", to whom the stage's sandbox belongs. */
void asking_open(asking_t *a);
/* NULL or a future that calls back. */
e2b_future_t *asking_start(asking_t *a, const question_t *question);
/* Waits until every answer and every stream is over; streams are let run to their end. */
void asking_settle(asking_t *a, unsigned answers);
/* Releases the handler, closes the client, if nobody has; every stream must have ended. */
void asking_close(asking_t *a);

#endif
