/* SPDX-License-Identifier: MIT */
#ifndef E2B_CLIENT_H
#define E2B_CLIENT_H

#include "e2b/future.h"

#ifdef __cplusplus
extern "C" {
#endif

/* uv_loop_t is `struct uv_loop_s`; named so here, these headers compile as strict C99. */
struct uv_loop_s;

/* A client: one configuration and one set of connections on one libuv loop. Thousands of sandboxes
 * share it. Everything of a client happens on its loop's thread; e2b_client_post() alone may be
 * called from another. A client keeps the loop alive only while operations are pending. */
typedef struct e2b_client e2b_client_t;

typedef enum e2b_runtime {
  E2B_RUNTIME_AUTO = 0, /* detected from the code */
  E2B_RUNTIME_PYTHON = 1,
  E2B_RUNTIME_NODE = 2
} e2b_runtime_t;

typedef enum e2b_http_version {
  E2B_HTTP_AUTO = 0, /* HTTP/2 where TLS offers it, else HTTP/1.1 */
  E2B_HTTP_1_1 = 1,
  E2B_HTTP_2 = 2 /* over TLS; the same as AUTO on plain http */
} e2b_http_version_t;

typedef enum e2b_rpc_encoding {
  E2B_RPC_PROTO = 0, /* binary: less work for both ends */
  E2B_RPC_JSON = 1   /* for servers without it, and for reading traces */
} e2b_rpc_encoding_t;

/* Which spelling of create and connect is used (protocol section 8.11). */
typedef enum e2b_api_version { E2B_API_V1 = 0, E2B_API_V2 = 1 } e2b_api_version_t;

/* Zero means default, everywhere. Strings are copied. Precedence: what a call says, this, the
 * environment, the default. */
typedef struct e2b_client_options {
  size_t size;
  const char *api_key;     /* E2B_API_KEY */
  const char *domain;      /* E2B_DOMAIN; default e2b.app */
  const char *api_url;     /* E2B_API_URL; default https://api.<domain> */
  const char *sandbox_url; /* E2B_SANDBOX_URL; default: by sandbox and domain */
  e2b_toggle_t debug;      /* E2B_DEBUG; no control plane, one daemon on localhost:49983 */
  /* E2B_VALIDATE_API_KEY; default on, but off when an API URL is given */
  e2b_toggle_t validate_api_key;
  e2b_runtime_t runtime; /* of e2b_run_code(); default: detected */

  uint64_t sandbox_timeout_ms;     /* life of a created sandbox; default 300,000 */
  uint64_t request_timeout_ms;     /* one call as a whole, retries included; default 60,000 */
  uint64_t connect_timeout_ms;     /* name, TCP and TLS of one attempt; default 15,000 */
  uint64_t first_event_timeout_ms; /* until a stream's first event; default 60,000 */
  uint64_t silence_timeout_ms;     /* nothing on an open stream; default 120,000 (pings come
                                      every 50 s) */

  unsigned max_retries; /* of safe requests; default 3; UINT_MAX for none */
  /* HTTP/1.1: how many short requests are under way at once; the others wait in line. Default 64.
   * Over HTTP/2 it is 100 to a server, and nobody waits longer than 100 ms for that. */
  unsigned max_in_flight;
  size_t max_response_bytes; /* of a collected answer, files read whole included; default 64 MiB */
  size_t max_output_bytes;   /* collected of each of stdout and stderr; default 16 MiB */

  /* http://, https://, socks5:// or socks5h:// URL; default none. For every host: the environment
   * (HTTP_PROXY, NO_PROXY) has no say. */
  const char *proxy;
  const char *ca_file; /* SSL_CERT_FILE; PEM file of authorities instead of the system's */
  const void *ca_blob; /* the same from memory */
  size_t ca_blob_len;
  const char *client_cert_file; /* PEM */
  const char *client_key_file;  /* PEM */
  const char *client_key_password;
  e2b_toggle_t verify_tls; /* default on; E2B_OFF accepts any certificate, for tests only */
  e2b_http_version_t http_version;
  e2b_rpc_encoding_t rpc_encoding;
  e2b_api_version_t api_version;
  const e2b_pair_t *api_headers; /* sent with every control-plane request */
  size_t api_headers_count;
  const char *user_agent; /* default "libe2b/<version>" */

  e2b_log_cb log;
  void *log_user_data;
  e2b_log_level_t log_level;
} e2b_client_options;

/* A client on `loop`; `options` may be NULL. NULL when out of memory or when the loop gives no
 * handle. A wrong option (no key, a malformed URL) is not an error here: every operation that needs
 * it fails with it. Needs a loop that outlives the client. The first client of a process sets
 * SIGPIPE to be ignored, unless the application has said what it wants: a lost TLS connection would
 * end the program. */
E2B_API e2b_client_t *e2b_client_new(struct uv_loop_s *loop, const e2b_client_options *options);

typedef void (*e2b_client_closed_cb)(void *user_data);

/* Decides every pending future with E2B_ECLOSED, so that no output and no data comes after this
 * call, delivers them, closes every handle on the loop, then calls `on_closed` (may be NULL),
 * always from the loop. The client must not be used after `on_closed`; sandbox and command handles
 * and futures that the caller still holds stay valid for release. Nothing remote is stopped:
 * sandboxes live on. But the kills of programs whose e2b_run_*() was cancelled, or reached
 * a limit, before this call are finished first, for which on_closed waits 3 seconds at most. A
 * second call does nothing. A callback that answers E2B_ECLOSED by starting the next operation,
 * which fails the same way at once, keeps `on_closed` waiting. */
E2B_API void e2b_client_close(e2b_client_t *client, e2b_client_closed_cb on_closed,
                              void *user_data);

/* Runs `fn` on the loop's thread, soon. The one function that any thread may call, as long as the
 * client is not closed. 0, E2B_ENOMEM, or E2B_ECLOSED; a function accepted but not run when the
 * client closes is run before `on_closed`. */
E2B_API int e2b_client_post(e2b_client_t *client, void (*fn)(void *user_data), void *user_data);

typedef struct e2b_client_stats {
  size_t size;
  uint64_t requests_started; /* sent, repeats included */
  uint64_t requests_failed;  /* ended without a whole HTTP answer */
  uint64_t retries;
  uint64_t connections_opened;
  uint64_t bytes_received; /* of bodies */
  uint64_t bytes_sent;
  size_t in_flight;    /* requests and streams on the wire now */
  size_t streams_open; /* of these, streams */
  size_t waiting;      /* requests in line */
  uint64_t futures_decided;
  size_t futures_pending;
} e2b_client_stats;

/* Fills the fields that `stats->size` has room for. */
E2B_API void e2b_client_get_stats(const e2b_client_t *client, e2b_client_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
