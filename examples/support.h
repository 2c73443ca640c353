/* SPDX-License-Identifier: MIT */
#ifndef E2B_EXAMPLES_SUPPORT_H
#define E2B_EXAMPLES_SUPPORT_H

/* What the examples share and a real program has already: a decision which server to talk to, an
 * orderly end, and a way of reporting failures. */

#include <uv.h>

#include "e2b/e2b.h"
#include "e2b/host.h"

typedef struct demo {
  uv_loop_t *loop;
  e2b_client_t *client;
  e2b_host_t *host;   /* NULL: the environment names the server */
  int unisolated;     /* nonzero: this machine has no namespaces to give to sandboxes */
  uv_signal_t ctrl_c; /* stops the demo */
  int interrupted;
  int closing;
  int waiting_for; /* what is not closed yet */
  /* May be set by the example: what is to be closed besides. */
  void (*on_close)(void *user_data);
  void *user_data;
} demo_t;

/* A client on `loop`. With E2B_API_KEY in the environment it talks to E2B's cloud, or, with
 * E2B_API_URL, to the server named there. With neither it starts the local sandbox host on the same
 * loop and talks to that. 0, or -1 after saying why. */
int demo_start(demo_t *demo, uv_loop_t *loop);

/* Begins to close everything. Also from callbacks; a second call does nothing. */
void demo_close(demo_t *demo);

/* Closes everything, turns the loop until that is done, closes the loop. Returns what main()
 * returns: 0 when `ok`, nobody pressed Ctrl-C, and nothing was left open. */
int demo_finish(demo_t *demo, int ok);

/* Says why a future failed, on standard error: 1; 0 when it did not fail. */
int demo_failed(const e2b_future_t *future);

/* Waits for a future. It is the caller's still; or NULL, when it failed and that was said. */
e2b_future_t *demo_await(e2b_future_t *future);

/* Ends a sandbox and gives the handle back. NULL is allowed. */
void demo_destroy(const demo_t *demo, e2b_sandbox_t *sandbox);

/* A sandbox without isolation has the machine's root directory. So that the demo does not write
 * there, these two make paths relative to the sandbox's home then: they drop the slash that a path
 * begins with; of `path`, or everywhere in `text` where `folder` is named. */
const char *demo_path(const demo_t *demo, const char *path);
void demo_relocate(const demo_t *demo, char *text, const char *folder);

#endif
