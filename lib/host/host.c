/* SPDX-License-Identifier: MIT */
#include "e2b/host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "host/gateway.h"
#include "host/isolation.h"
#include "host/sandbox.h"
#include "host/server.h"
#include "host/snapshot.h"
#include "host/state.h"
#include "host/tls.h"

enum {
  DEFAULT_MAX_SANDBOXES = 1000,
  DEFAULT_PROCESSES = 1024,
  DEFAULT_MEMORY_MB = 4096,
  DEFAULT_DISK_MB = 10240
};

/* ---- chance and secrets ---- */

static int fill(char *out, size_t count, const char *alphabet, unsigned size) {
  unsigned char byte;
  /* Bytes past the last multiple would favour the first letters. */
  unsigned limit = 256 - 256 % size;
  for (size_t i = 0; i < count;) {
    if (getrandom(&byte, 1, 0) != 1) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (byte < limit) out[i++] = alphabet[byte % size];
  }
  out[count] = '\0';
  return 0;
}

int e2b__host_random_id(char *out, size_t count) {
  return fill(out, count, "abcdefghijklmnopqrstuvwxyz0123456789", 36);
}

int e2b__host_random_hex(char *out, size_t count) {
  return fill(out, count, "0123456789abcdef", 16);
}

bool e2b__host_secret_equal(const char *a, const char *b) {
  size_t a_len = strlen(a), b_len = strlen(b);
  unsigned difference = a_len != b_len;
  for (size_t i = 0; i < b_len; i++)
    difference |= (unsigned char)(a_len > 0 ? a[i % a_len] : 0) ^ (unsigned char)b[i];
  return difference == 0;
}

/* ---- the end ---- */

static void host_free(e2b_host_t *host) {
  if (host->spawner_fd >= 0) close(host->spawner_fd);
  if (host->state_dir != NULL) e2b__host_state_close(host);
  e2b__host_tls_free(host->tls);
  e2b__free(host->url);
  e2b__free(host->listen);
  e2b__host_snapshots_free(host);
  e2b__free(host->api_key);
  e2b__free(host->state_dir);
  e2b__free(host->etc_dir);
  e2b__free(host->python_dir);
  e2b__free(host);
}

void e2b__host_handle_opened(e2b_host_t *host) {
  host->open_handles++;
}

static void on_alarms_closed(uv_handle_t *handle) {
  e2b__host_alarms_t *alarms = handle->data;
  e2b__host_handle_closed(E2B__CONTAINER(alarms, e2b_host_t, alarms));
}

/* The last sandbox has gone: the server follows, then the clock, then the host. */
void e2b__host_handle_closed(e2b_host_t *host) {
  host->open_handles--;
  if (!host->closing) return;
  if (host->sandbox_count == 0 && host->server != NULL) {
    e2b__host_server_stop(host);
    return;
  }
  if (host->open_handles == 1 && host->sandbox_count == 0 &&
      !uv_is_closing((uv_handle_t *)&host->alarms.timer)) {
    e2b__host_alarms_close(&host->alarms, on_alarms_closed);
    return;
  }
  if (host->open_handles > 0) return;
  e2b_host_closed_cb closed = host->closed;
  void *user_data = host->closed_user_data;
  host_free(host);
  if (closed != NULL) closed(user_data);
}

void e2b_host_close(e2b_host_t *host, e2b_host_closed_cb closed, void *user_data) {
  if (host == NULL || host->closing) return;
  host->closed = closed;
  host->closed_user_data = user_data;
  e2b__host_server_quiesce(host);
  e2b__list_t *node = host->sandboxes.next;
  host->closing = true;
  host->open_handles++;
  e2b__host_gateway_stop(host);
  while (node != &host->sandboxes) {
    e2b__list_t *next = node->next;
    e2b__host_sandbox_kill(E2B__CONTAINER(node, e2b__host_sandbox_t, node), "the host is closed");
    node = next;
  }
  e2b__host_handle_closed(host);
}

/* ---- the beginning ---- */

static int take_options(e2b_host_t *host, const e2b_host_options *o, char *why, size_t why_size) {
  char key[48] = "e2b_";
  if (o->api_key == NULL && e2b__host_random_hex(key + 4, 40) != 0) return E2B_ESYSTEM;
  host->api_key = e2b__strdup(o->api_key != NULL ? o->api_key : key);
  host->listen = e2b__strdup(o->listen != NULL ? o->listen : "127.0.0.1:3000");
  host->max_sandboxes = o->max_sandboxes != 0 ? o->max_sandboxes : DEFAULT_MAX_SANDBOXES;
  host->limits.processes = o->processes != 0 ? o->processes : DEFAULT_PROCESSES;
  host->limits.memory_mb = o->memory_mb != 0 ? o->memory_mb : DEFAULT_MEMORY_MB;
  host->limits.disk_mb = o->disk_mb != 0 ? o->disk_mb : DEFAULT_DISK_MB;
  host->log.callback = o->log;
  host->log.user_data = o->log_user_data;
  host->log.level = o->log_level;
  host->isolation = o->no_isolation ? E2B__ISOLATION_NONE : E2B__ISOLATION_SELF;
  if (host->api_key == NULL || host->listen == NULL) return E2B_ENOMEM;
  if (host->api_key[0] == '\0') {
    snprintf(why, why_size, "the API key is empty");
    return E2B_EINVAL;
  }
  if (o->python_dir == NULL) return 0;
  char *real = realpath(o->python_dir, NULL);
  if (real == NULL) {
    snprintf(why, why_size,
             "cannot use the Python environment %s: %s (scripts/python-env.sh makes one)",
             o->python_dir, strerror(errno));
    return E2B_EINVAL;
  }
  host->python_dir = e2b__strdup(real);
  free(real);
  return host->python_dir != NULL ? 0 : E2B_ENOMEM;
}

/* Writing to a client or a process that has just gone must be an error, not the end. A handler of
 * the application's own is left alone. */
static void ignore_sigpipe(void) {
  struct sigaction action;
  if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
    signal(SIGPIPE, SIG_IGN);
}

static int start(e2b_host_t *host, const e2b_host_options *o, char *why, size_t why_size) {
  int rc = take_options(host, o, why, why_size);
  if (rc == 0) rc = e2b__host_isolation_load_spawner(host);
  if (rc == 0) rc = e2b__host_isolation_probe(host, why, why_size);
  if (rc == 0) rc = e2b__host_python_check(host, why, why_size);
  if (rc == 0) rc = e2b__host_state_open(host, o->state_dir, why, why_size);
  if (rc == 0 && host->isolation != E2B__ISOLATION_NONE)
    rc = e2b__host_etc_build(host, why, why_size);
  if (rc == 0 && host->isolation != E2B__ISOLATION_NONE) rc = e2b__host_isolation_make_bin(host);
  if (rc == 0) rc = e2b__host_tls_open(host, o, why, why_size);
  if (rc == 0) rc = e2b__host_server_start(host, why, why_size);
  return rc;
}

int e2b_host_start(uv_loop_t *loop, const e2b_host_options *options, e2b_host_t **out, char *why,
                   size_t why_size) {
  e2b_host_options o;
  char nowhere[1];
  if (why == NULL || why_size == 0) {
    why = nowhere;
    why_size = sizeof nowhere;
  }
  why[0] = '\0';
  if (loop == NULL || out == NULL) return E2B_EINVAL;
  *out = NULL;
  memset(&o, 0, sizeof o);
  if (options != NULL) e2b__options_copy(&o, sizeof o, options);
  e2b_host_t *host = e2b__calloc(1, sizeof *host);
  if (host == NULL) return E2B_ENOMEM;
  host->loop = loop;
  host->spawner_fd = host->state_lock = -1;
  e2b__list_init(&host->sandboxes);
  e2b__list_init(&host->snapshots);
  e2b__list_init(&host->lingering);
  ignore_sigpipe();
  int rc = start(host, &o, why, why_size);
  if (rc != 0) {
    if (why[0] == '\0')
      snprintf(why, why_size, "%s", rc == E2B_ENOMEM ? "out of memory" : strerror(errno));
    host_free(host);
    return rc;
  }
  /* Nothing before this needed the loop's clock; from here on nothing fails. */
  e2b__host_alarms_init(loop, &host->alarms);
  e2b__host_handle_opened(host);
  if (host->isolation != E2B__ISOLATION_NONE) e2b__host_gateway_start(host);
  E2B__HOST_LOG(host, INFO, "listening on %s", host->url);
  *out = host;
  return 0;
}

const char *e2b_host_url(const e2b_host_t *host) {
  return host->url;
}

const char *e2b_host_api_key(const e2b_host_t *host) {
  return host->api_key;
}
