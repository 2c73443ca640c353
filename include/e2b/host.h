/* SPDX-License-Identifier: MIT */
#ifndef E2B_HOST_H
#define E2B_HOST_H

#include "e2b/base.h"
#include "e2b/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* uv_loop_t is `struct uv_loop_s`; named so here, these headers compile as strict C99. */
struct uv_loop_s;

/* The local sandbox host: E2B's protocol on loopback, served from a libuv loop, with real processes
 * in namespaces of their own. In the library libe2b_host; the program e2b-host is the same with a
 * command line. Runs on the loop's thread and starts none. SIGPIPE is set to be ignored, unless the
 * application has a handler of its own. */

typedef struct e2b_host e2b_host_t;

typedef struct e2b_host_options {
  size_t size;
  const char *listen;    /* "ADDRESS:PORT"; default "127.0.0.1:3000"; port 0 is any free one */
  const char *api_key;   /* what clients must send; default: a random key, see e2b_host_api_key */
  const char *state_dir; /* sandboxes' roots; default: a directory of its own under $TMPDIR or /tmp,
                            removed at close */
  const char *python_dir; /* a Python environment for `code-interpreter-v1`; default: none, then
                             that template runs the machine's python3 */
  int no_isolation;       /* nonzero: no namespaces. Only where the machine is itself a sandbox */
  size_t max_sandboxes;   /* default 1000 */
  e2b_log_cb log;
  void *log_user_data;
  e2b_log_level_t log_level;
  int tls;            /* nonzero: https, for clients that know a domain, a key and an authority */
  const char *domain; /* with tls: default "e2b.localhost"; no port */
  const char *ca_dir; /* with tls: where the authority is kept, to be the same at the next start;
                         default $XDG_STATE_HOME/e2b-host or ~/.local/state/e2b-host. Made if need
                         be; must be writable by the caller alone */
  /* Of each sandbox, with isolation: */
  size_t processes; /* threads count; starting one more fails; default 1024 */
  size_t memory_mb; /* past it the largest process is killed; default 4096 */
  size_t disk_mb;   /* of all its files; past it none can be written to; default 10240 */
} e2b_host_options;

typedef void (*e2b_host_closed_cb)(void *user_data);

/* Starts listening. 0 and *host, or E2B_EINVAL, E2B_ENOMEM, E2B_ESYSTEM; then `why` (if not NULL,
 * `why_size` bytes) says what to do, e.g. which flag runs it where namespaces cannot be had. */
E2B_API int e2b_host_start(struct uv_loop_s *loop, const e2b_host_options *options,
                           e2b_host_t **host, char *why, size_t why_size);
/* "http://127.0.0.1:3000" (with tls "https://..."): both E2B_API_URL and E2B_SANDBOX_URL. Valid
 * until the host is closed. */
E2B_API const char *e2b_host_url(const e2b_host_t *host);
E2B_API const char *e2b_host_api_key(const e2b_host_t *host);
/* With tls "e2b.localhost:3000", which is E2B_DOMAIN: the control plane is https://api.<domain>, a
 * sandbox's port https://<port>-<id>.<domain>. NULL without tls. Valid until the host is closed. */
E2B_API const char *e2b_host_domain(const e2b_host_t *host);
/* With tls the PEM file of the authority that clients must trust: ca_file of e2b_client_options,
 * NODE_EXTRA_CA_CERTS, SSL_CERT_FILE. NULL without tls. Valid until the host is closed. */
E2B_API const char *e2b_host_ca_file(const e2b_host_t *host);
/* Kills every sandbox, removes what is theirs, closes every handle, then calls `closed` (may be
 * NULL) from the loop; the host is gone then. A second call does nothing. */
E2B_API void e2b_host_close(e2b_host_t *host, e2b_host_closed_cb closed, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
