/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_HANDLE_H
#define E2B_LIB_SANDBOX_HANDLE_H

#include "api/sandbox_record.h"
#include "client/operation.h"
#include "e2b/sandbox.h"

enum { E2B__DAEMON_PORT = 49983 };

/* A running sandbox as the client sees it: where its daemon is reached and with which headers, all
 * made once. */
struct e2b_sandbox {
  unsigned refs;
  e2b_client_t *client; /* by a reference on its queue; its network may be closed */
  e2b__arena_t arena;
  e2b__sandbox_record_t record;
  const char *daemon_url; /* base, no trailing slash */
  /* Chains that end in `shared`: routing, token. */
  struct curl_slist *shared;
  struct curl_slist unary[3];  /* + content type, Connect version */
  struct curl_slist stream[4]; /* + keep-alive interval */
  /* The terminal room's, which is above: who sees to its agents. */
  struct e2b__supervisor *supervisors;
  void (*release_supervisors)(struct e2b__supervisor *first);
};

/* NULL when out of memory. `record` is copied. */
e2b_sandbox_t *e2b__sandbox_new(e2b_client_t *client, const e2b__sandbox_record_t *record);

#endif
