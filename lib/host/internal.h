/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_INTERNAL_H
#define E2B_LIB_HOST_INTERNAL_H

#include <stdbool.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "e2b/host.h"
#include "host/alarm.h"

/* The version of the sandbox daemon whose behaviour this host has: clients decide by it what they
 * may ask for. */
#define E2B__HOST_ENVD_VERSION "0.6.13"

enum {
  E2B__HOST_ENVD_PORT = 49983,
  E2B__HOST_INTERPRETER_PORT = 49999,
  E2B__HOST_JSON_CEILING = 16 << 20,   /* a control-plane body */
  E2B__HOST_RPC_CEILING = 64 << 20,    /* one message to the daemon */
  E2B__HOST_STREAM_CEILING = 64 << 20, /* output that waits for one client */
  E2B__HOST_STREAM_HIGH = 256 << 10,   /* from here on its process is not read */
  E2B__HOST_STREAM_LOW = 64 << 10
};

typedef enum e2b__host_isolation {
  E2B__ISOLATION_MAPPED, /* a user namespace of many ids (the host runs as root) */
  E2B__ISOLATION_SELF,   /* one of a single id (an ordinary user) */
  E2B__ISOLATION_ROOT,   /* namespaces but no user namespace (root, where those are switched off) */
  E2B__ISOLATION_NONE
} e2b__host_isolation_t;

/* Of each sandbox. */
typedef struct e2b__host_limits {
  size_t processes;
  size_t memory_mb;
  size_t disk_mb;
} e2b__host_limits_t;

struct e2b__host_server;
struct e2b__host_tls;
struct e2b__host_gateway;

struct e2b_host {
  uv_loop_t *loop;
  e2b__log_t log;
  e2b__host_alarms_t alarms;
  struct e2b__host_server *server;
  struct e2b__host_server *inner;    /* for those inside of sandboxes; NULL before there are any */
  struct e2b__host_tls *tls;         /* NULL: plain HTTP */
  struct e2b__host_gateway *gateway; /* NULL: sandboxes have no way out */
  e2b__host_isolation_t isolation;
  int spawner_fd; /* the spawner's program in a sealed memory file */
  char *url;
  char *listen;
  char *api_key;
  char *state_dir;
  bool own_state_dir;
  int state_lock; /* held as long as the state directory is in use */
  char *etc_dir;  /* of which each sandbox's /etc is made */
  char *python_dir;
  size_t max_sandboxes;
  e2b__host_limits_t limits;
  e2b__list_t sandboxes; /* newest first */
  size_t sandbox_count;
  size_t sandboxes_freed; /* since memory was last given back to the machine */
  e2b__list_t snapshots;  /* see snapshot.h */
  e2b__list_t lingering;  /* see linger.h */
  uint64_t last_serial;
  size_t open_handles; /* uv handles of ours that are not closed yet */
  bool closing;
  e2b_host_closed_cb closed;
  void *closed_user_data;
};

/* Every uv handle of the host is counted, so that closing knows its end. */
void e2b__host_handle_opened(e2b_host_t *host);
void e2b__host_handle_closed(e2b_host_t *host);

#define E2B__HOST_LOG(host, level, ...) E2B__LOG(&(host)->log, E2B_LOG_##level, __VA_ARGS__)

/* `count` random characters of [a-z0-9] and a NUL, or hexadecimal digits. 0 or -1. */
int e2b__host_random_id(char *out, size_t count);
int e2b__host_random_hex(char *out, size_t count);
/* Equal, in a time that does not tell where the difference is. */
bool e2b__host_secret_equal(const char *a, const char *b);

#endif
