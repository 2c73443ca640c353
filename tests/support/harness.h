/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_HARNESS_H
#define E2B_TESTS_SUPPORT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/client.h"
#include "e2b/e2b.h"

/* A loop with a client on it. Stopping proves that nothing is left: no handle on the loop, no task
 * in the queue, no future that is not decided. */

enum { HARNESS_GUARD_MS = 20000, HARNESS_KEY_LEN = 44 };

#define HARNESS_KEY "e2b_0123456789abcdef0123456789abcdef01234567"

typedef struct harness {
  uv_loop_t loop;
  e2b_client_t *client; /* NULL until harness_client(), and after the client was closed */
  uv_timer_t guard;     /* ends a test that hangs, loudly */
  bool client_closed;
  void (*closers[4])(void *ctx); /* called by harness_stop() once the client is gone */
  void *closers_ctx[4];
  unsigned closers_count;
  char *log; /* all lines so far, each with a newline; "" at first */
  size_t log_len;
} harness_t;

/* The loop alone. */
void harness_start(harness_t *h);
/* Options that need nothing from the environment: the key, both URLs, every line logged. `url` is
 * the server's; NULL for none. */
void harness_options(harness_t *h, const char *url, e2b_client_options *options);
/* A client; `options` NULL: those of harness_options() without a server. */
void harness_client(harness_t *h, const e2b_client_options *options);
/* Something else on the loop that has to be closed, in reverse order. */
void harness_at_stop(harness_t *h, void (*close)(void *ctx), void *ctx);
/* Closes the client and turns the loop until on_closed was called. */
void harness_close_client(harness_t *h);
/* Closes whatever there is, and asserts that it was all. */
void harness_stop(harness_t *h);

/* Turns the loop until the future is decided; its code. Keeps the reference. */
int harness_await(harness_t *h, e2b_future_t *future);
/* Turns the loop until `done` says so. */
void harness_until(harness_t *h, bool (*done)(void *ctx), void *ctx);
/* The same for a flag or a count that somebody sets from the loop. */
void harness_until_true(harness_t *h, const bool *flag);
void harness_until_count(harness_t *h, const unsigned *counter, unsigned at_least);
/* Turns the loop once, waiting for something to happen. */
void harness_turn_once(harness_t *h);
/* Turns the loop a few times without waiting, so that whatever is due happens. */
void harness_turn(harness_t *h, unsigned times);

/* Of this process. */
unsigned harness_threads(void);
unsigned harness_descriptors(void);

#endif
