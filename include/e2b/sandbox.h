/* SPDX-License-Identifier: MIT */
#ifndef E2B_SANDBOX_H
#define E2B_SANDBOX_H

#include "e2b/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sandboxes: made, found, described, ended. A handle is a local thing: releasing it ends nothing
 * remotely, and a handle to a dead sandbox is valid. An operation on a NULL handle returns NULL,
 * which every future function takes. */
typedef struct e2b_sandbox e2b_sandbox_t;

typedef struct e2b_create_options {
  size_t size;
  const char *template_id; /* id or name, also of a snapshot; default "code-interpreter-v1" */
  uint64_t timeout_ms;     /* life from now; default the client's; whole seconds, rounded up */
  const e2b_pair_t *metadata;
  size_t metadata_count;
  const e2b_pair_t *envs; /* of every process in the sandbox */
  size_t envs_count;
  e2b_toggle_t secure;           /* default on: the sandbox wants a token, which the handle keeps */
  e2b_toggle_t internet_access;  /* default on */
  e2b_toggle_t pause_on_timeout; /* default off: the sandbox is killed at its end */
  e2b_toggle_t auto_resume;      /* default off; needs pause_on_timeout */
  /* A name for this create, 1 to 255 of [a-z0-9-]. The server makes one sandbox for it however
   * often it is asked for, so the call is retried like a safe one. Takes the second version of the
   * API, whose sandboxes are always secured. */
  const char *idempotency_key;
  uint64_t request_timeout_ms;
} e2b_create_options;

/* Makes a sandbox: POST /sandboxes (protocol 3.3) or /v2/sandboxes (8.11). Yields
 * e2b_future_sandbox(). Not repeated once the server may have received it, unless it has an
 * idempotency key. Cancelling does not unmake a sandbox that the server is already making: it then
 * lives until its timeout. Errors: E2B_ENOKEY, E2B_EKEYFORMAT, E2B_EINVAL (strings that are not
 * UTF-8 among others) before any traffic, E2B_EAUTH, E2B_EQUOTA, E2B_ERATE, E2B_ENOTFOUND (the
 * template), E2B_EREQUEST, and those of any request. */
E2B_API e2b_future_t *e2b_sandbox_create(e2b_client_t *client, const e2b_create_options *options);

typedef struct e2b_connect_options {
  size_t size;
  uint64_t timeout_ms; /* the life from now is made at least this; default the client's */
  uint64_t request_timeout_ms;
} e2b_connect_options;

/* A handle to an existing sandbox, which is resumed if it was paused: POST
 * /sandboxes/{id}/connect (protocol 3.5). Yields e2b_future_sandbox(). E2B_ESANDBOXNOTFOUND when
 * there is none; no other failure is ever turned into that. Cancelling may leave it resumed. */
E2B_API e2b_future_t *e2b_sandbox_connect(e2b_client_t *client, const char *sandbox_id,
                                          const e2b_connect_options *options);

/* The handle that create or connect yielded, with a reference of its own. */
E2B_API e2b_sandbox_t *e2b_future_sandbox(const e2b_future_t *future);

E2B_API e2b_sandbox_t *e2b_sandbox_acquire(e2b_sandbox_t *sandbox);
E2B_API void e2b_sandbox_release(e2b_sandbox_t *sandbox); /* NULL is allowed */

/* Facts of a handle, which must not be NULL; valid as long as it. */
E2B_API const char *e2b_sandbox_id(const e2b_sandbox_t *sandbox);
E2B_API const char *e2b_sandbox_template(const e2b_sandbox_t *sandbox);
E2B_API const char *e2b_sandbox_domain(const e2b_sandbox_t *sandbox);
E2B_API const char *e2b_sandbox_envd_version(const e2b_sandbox_t *sandbox);
/* What a program's port wants in the header `e2b-traffic-access-token` when the sandbox is closed
 * to the public (protocol 1.6); "" when it wants nothing. */
E2B_API const char *e2b_sandbox_traffic_token(const e2b_sandbox_t *sandbox);
/* "<port>-<id>.<domain>", without scheme: the host name under which a port of the sandbox is
 * reached (protocol 1.3). Writes at most `size` bytes with the NUL; returns the length it has. */
E2B_API size_t e2b_sandbox_host(const e2b_sandbox_t *sandbox, uint16_t port, char *host,
                                size_t size);

typedef enum e2b_sandbox_state {
  E2B_SANDBOX_UNKNOWN = 0,
  E2B_SANDBOX_RUNNING = 1,
  E2B_SANDBOX_PAUSED = 2
} e2b_sandbox_state_t;

typedef struct e2b_sandbox_info {
  const char *id;
  const char *provider; /* "e2b" */
  const char *status;   /* as the server says it: "running" or "paused" */
  e2b_sandbox_state_t state;
  const char *template_id;
  const char *alias;     /* "" when none */
  int64_t started_at_ms; /* since 1970; 0 when the server does not say */
  int64_t end_at_ms;
  int64_t cpu_count; /* 0 when the server does not say; so the next three */
  int64_t memory_mb;
  int64_t disk_mb;
  const char *envd_version;
  const char *domain;           /* "" when the server leaves it to the client */
  e2b_toggle_t internet_access; /* E2B_DEFAULT when the server does not say */
  e2b_toggle_t auto_resume;
  e2b_toggle_t pause_on_timeout;
  const e2b_pair_t *metadata;
  size_t metadata_count;
} e2b_sandbox_info_t;

/* What the server knows of a sandbox: GET /sandboxes/{id}. Yields e2b_future_sandbox_info(). Safe
 * to repeat. E2B_ESANDBOXNOTFOUND. */
E2B_API e2b_future_t *e2b_sandbox_get_info(e2b_sandbox_t *sandbox);
E2B_API e2b_future_t *e2b_sandbox_get_info_by_id(e2b_client_t *client, const char *sandbox_id);
E2B_API const e2b_sandbox_info_t *e2b_future_sandbox_info(const e2b_future_t *future);

enum { E2B_LIST_RUNNING = 1, E2B_LIST_PAUSED = 2 };

typedef struct e2b_list_options {
  size_t size;
  const e2b_pair_t *metadata; /* all must match */
  size_t metadata_count;
  unsigned states;           /* E2B_LIST_*; default all */
  unsigned limit;            /* of one page, 1 to 100; default the server's */
  const char *next_token;    /* of the page before; default the first page */
  const char *template_id;   /* id or name; default any */
  int64_t started_after_ms;  /* since 1970; default any */
  e2b_toggle_t oldest_first; /* default off */
} e2b_list_options;

typedef struct e2b_sandbox_list {
  const e2b_sandbox_info_t *items;
  size_t count;
  const char *next_token; /* NULL on the last page */
  int64_t total_running;  /* -1 when the server does not say */
} e2b_sandbox_list_t;

/* One page of the caller's sandboxes: GET /v2/sandboxes (protocol 3.4). Yields
 * e2b_future_sandbox_list(). Safe to repeat. */
E2B_API e2b_future_t *e2b_sandbox_list(e2b_client_t *client, const e2b_list_options *options);
E2B_API const e2b_sandbox_list_t *e2b_future_sandbox_list(const e2b_future_t *future);

/* Ends a sandbox: DELETE /sandboxes/{id}, one request, repeated if it fails on the way. Yields
 * e2b_future_bool(): 1 it was ended, 0 there was none. Cancelling may come too late. */
E2B_API e2b_future_t *e2b_sandbox_kill(e2b_sandbox_t *sandbox);
E2B_API e2b_future_t *e2b_sandbox_kill_by_id(e2b_client_t *client, const char *sandbox_id);

/* Its life ends `timeout_ms` from now, sooner or later than before: POST /sandboxes/{id}/timeout.
 * Whole seconds, rounded up; 0 is now. Yields nothing but success. E2B_ESANDBOXNOTFOUND. */
E2B_API e2b_future_t *e2b_sandbox_set_timeout(e2b_sandbox_t *sandbox, uint64_t timeout_ms);
E2B_API e2b_future_t *e2b_sandbox_set_timeout_by_id(e2b_client_t *client, const char *sandbox_id,
                                                    uint64_t timeout_ms);

/* Stops a sandbox with its memory, files and programs until e2b_sandbox_connect(), or, with
 * `auto_resume`, the next request to it: POST /sandboxes/{id}/pause (protocol 3.5). Meanwhile no
 * timeout ends it. Yields e2b_future_bool(), when it has stopped: 1 it was paused, 0 it was
 * already. Repeated if it fails on the way. Cancelling may come too late. E2B_ESANDBOXNOTFOUND;
 * E2B_ECONFLICT while it is being resumed.
 * Streams are cut off: disconnect commands and close terminals before, the programs stay. Handles
 * that are left end with E2B_ESANDBOXGONE, or, with `auto_resume`, wake it again at once: terminals
 * by reconnecting, commands, which end with E2B_ECONNLOST, by asking what has become of it. */
E2B_API e2b_future_t *e2b_sandbox_pause(e2b_sandbox_t *sandbox);
E2B_API e2b_future_t *e2b_sandbox_pause_by_id(e2b_client_t *client, const char *sandbox_id);

/* Asks the sandbox itself: GET /health (protocol 8.3). Yields e2b_future_bool(); a sandbox that
 * cannot be asked for another reason than its absence is an error. */
E2B_API e2b_future_t *e2b_sandbox_is_running(e2b_sandbox_t *sandbox);

#ifdef __cplusplus
}
#endif

#endif
