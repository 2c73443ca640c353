/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_WIRE_H
#define E2B_TESTS_SUPPORT_WIRE_H

/* The local host as a client sees it that has nothing but HTTP: requests as given, answers as they
 * come. Host and client share one loop and one thread. */

#include <curl/curl.h>
#include <uv.h>

#include "base/buffer.h"
#include "support/server.h"

typedef struct wire {
  uv_loop_t loop;
  server server;
  CURLM *multi;
  char sandbox[64];     /* the present test's; open: no token */
  const char *template; /* of sandboxes; NULL: base */
  const char *port;     /* that requests are for; NULL: the daemon's */
  bool anonymous;       /* requests do not say that they are root's */
} wire_t;

extern wire_t wire;

/* For cmocka_run_group_tests() and for each test. Without a host in the process tests are skipped.
 */
int wire_open(void **state);
int wire_close(void **state);
int wire_enter(void **state);
int wire_leave(void **state);

#define WIRE_TEST(function) cmocka_unit_test_setup_teardown(function, wire_enter, wire_leave)

typedef struct wire_exchange {
  CURL *easy;
  struct curl_slist *headers;
  e2b__buffer_t sent;
  e2b__buffer_t body; /* of the answer, as far as it has come */
  bool done;
  CURLcode code;
  long status;
} wire_exchange_t;

/* Sends a request to the sandbox's daemon, as root. `headers` ("Name: value") end with NULL, or are
 * NULL. The body is copied. */
wire_exchange_t *wire_begin(const char *method, const char *path, const char *type,
                            const void *body, size_t len, const char *const *headers);
/* The same, waited for. */
wire_exchange_t *wire_ask(const char *method, const char *path, const char *type, const void *body,
                          size_t len, const char *const *headers);
/* The connection is closed if the exchange is not over. */
void wire_end(wire_exchange_t *exchange);
/* Lets a little happen on both sides. */
void wire_turn(void);
void wire_turn_for(unsigned ms);
/* Runs a shell line in the sandbox, as root, to its end; it must succeed. */
void wire_shell(const char *line);
/* DELETE of the present sandbox. */
void wire_kill(void);

#endif
