/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_SERVER_H
#define E2B_TESTS_SUPPORT_SERVER_H

/* The server that end-to-end tests talk to: the one that the environment names (E2B_API_URL,
 * E2B_API_KEY, E2B_SANDBOX_URL, E2B_DEBUG), else the local sandbox host in this very process, on
 * the same loop. E2B_TEST_NO_ISOLATION=1 allows the host to run without namespaces where there are
 * none; without it that is a failure, with its reason. E2B_TEST_PYTHON names the host's Python
 * environment; E2B_TEST_SHARED=1 says that the sandboxes of the named server share one file system
 * and one process table; E2B_TEST_RPC=json and E2B_TEST_API=2 choose the other encoding and
 * spelling. E2B_TEST_FRONT=1 puts an edge with TLS and HTTP/2 before the host in this process;
 * where it cannot be had the program ends as skipped (SERVER_SKIPPED), and says why. */

#include <stdbool.h>

#include "e2b/client.h"
#include "e2b/host.h"
#include "support/front.h"
#include "support/test.h"

typedef enum server_feature {
  SERVER_CONTROL = 1 << 0,  /* sandboxes are made, listed and ended */
  SERVER_LOCAL = 1 << 1,    /* on this machine, for free: a thousand calls are no bill */
  SERVER_ISOLATED = 1 << 2, /* each sandbox has files, processes and variables of its own */
  SERVER_ANY_USER = 1 << 3, /* users of the sandbox are users of the system */
  SERVER_OWNERS = 1 << 4    /* files keep the owner they were made for */
} server_feature;

/* The exit status of a program that could run none of its tests. */
enum { SERVER_SKIPPED = 77 };

typedef struct server {
  struct uv_loop_s *loop;
  e2b_host_t *host; /* NULL: elsewhere */
  front_t *front;   /* before the host; NULL: none */
  const char *name; /* for messages */
  unsigned features;
} server;

/* 0, or -1 after telling why. */
int server_start(server *it, struct uv_loop_s *loop);
/* Turns the loop until the host is gone. */
void server_stop(server *it);
/* Client options that lead to it. */
void server_options(const server *it, e2b_client_options *options);

/* Ends the running test as skipped, and says so. */
void server_skip(const server *it, const char *reason);

static inline void skip_unless(const server *it, unsigned features, const char *reason) {
  if ((it->features & features) != features) server_skip(it, reason);
}

#endif
