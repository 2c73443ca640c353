/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_CLIENT_CLIENT_H
#define E2B_LIB_CLIENT_CLIENT_H

#include "base/future.h"
#include "e2b/client.h"
#include "net/call.h"
#include "net/dialer.h"
#include "net/http.h"

/* What a client was told, from options, environment and defaults, in this order. All strings are in
 * the arena. */
typedef struct e2b__config {
  e2b__arena_t arena;
  int error; /* of the configuration: every operation that needs it fails with this */
  const char *error_text;
  const char *api_key;
  const char *domain;
  const char *api_url;     /* no trailing slash */
  const char *sandbox_url; /* NULL: by sandbox and domain */
  bool debug;
  bool debug_url; /* sandbox_url is the one of debugging: every port is on this machine */
  e2b_runtime_t runtime;
  uint64_t sandbox_timeout_ms;
  uint64_t request_timeout_ms;
  uint64_t first_event_timeout_ms;
  uint64_t silence_timeout_ms;
  unsigned max_retries;
  size_t max_response_bytes;
  size_t max_output_bytes;
  bool json_rpc;
  bool api_v2;
  const char *user_agent;
  const e2b_pair_t *api_headers;
  size_t api_headers_count;
  e2b__http_options_t http;
} e2b__config_t;

/* 0 or E2B_ENOMEM; anything wrong with the options is in config->error. */
int e2b__config_init(e2b__config_t *config, const e2b_client_options *options);
void e2b__config_free(e2b__config_t *config);
/* Whether the domain's edge serves every sandbox under sandbox.<domain> (protocol 1.3). */
bool e2b__domain_is_stable(const char *domain);

/* Something that lives on without a future, a command's stream for instance, and has to let go of
 * the network when the client closes. */
typedef struct e2b__guest {
  e2b__list_t node;
  void (*on_client_close)(struct e2b__guest *guest);
} e2b__guest_t;

typedef enum e2b__client_state {
  E2B__CLIENT_OPEN,
  E2B__CLIENT_CLOSING, /* futures are decided and delivered */
  E2B__CLIENT_ENDING,  /* handles are being closed */
  E2B__CLIENT_CLOSED
} e2b__client_state_t;

struct e2b_client {
  e2b__queue_t queue; /* first: its references are the client's */
  uv_loop_t *loop;
  e2b__client_state_t state;
  e2b__log_t log;
  e2b__config_t config;
  e2b__alive_t alive;
  e2b__http_t *http;
  e2b__dialer_t *dialer;                     /* of WebSockets; NULL until the first */
  struct curl_slist *api_headers;            /* of every control-plane request */
  const struct curl_slist *bodiless_headers; /* the same but those about a body */
  e2b__list_t guests;

  uv_idle_t idle;   /* runs while the queue has something */
  uv_async_t async; /* posts from other threads; also what keeps the loop running */
  uv_timer_t await_timer;
  uv_timer_t owed_timer; /* how long the closing waits for what is owed */
  unsigned handles;
  uv_mutex_t post_mutex;
  e2b__list_t posts;
  bool posts_closed;

  e2b__task_t close_task;
  e2b_client_closed_cb on_closed;
  void *on_closed_data;
};

/* client/loop.c: the queue on libuv */
extern const e2b__queue_ops_t e2b__client_queue_ops;
int e2b__client_loop_init(e2b_client_t *client);
/* Runs what was posted. */
void e2b__client_run_posts(e2b_client_t *client, bool last);
/* Closes the loop's handles; `client` is told by e2b__client_handle_closed. */
void e2b__client_loop_close(e2b_client_t *client);
void e2b__client_ended(e2b_client_t *client);

/* The closing waits for this future, which is not decided yet, for a while: see
 * e2b_client_close(). Takes the caller's reference. */
void e2b__client_owe(e2b_client_t *client, e2b_future_t *future);

/* What WebSockets are opened with. NULL when out of memory, and once the network is closed. */
e2b__dialer_t *e2b__client_dialer(e2b_client_t *client);

static inline void e2b__guest_add(e2b_client_t *client, e2b__guest_t *guest) {
  e2b__list_append(&client->guests, &guest->node);
}

#endif
