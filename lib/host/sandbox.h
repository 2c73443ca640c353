/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SANDBOX_H
#define E2B_LIB_HOST_SANDBOX_H

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "host/internal.h"

/* One sandbox: its record, its directory, its first process, and its end. */

typedef enum e2b__host_sandbox_state {
  E2B__SANDBOX_STARTING, /* its first process has not said hello yet */
  E2B__SANDBOX_RUNNING,
  E2B__SANDBOX_PAUSING, /* see pause.h */
  E2B__SANDBOX_PAUSED,
  E2B__SANDBOX_RESUMING,
  E2B__SANDBOX_ENDING /* nobody can see it any more; processes end, files are removed */
} e2b__host_sandbox_state_t;

/* See gateway.h. */
typedef enum e2b__host_way_out {
  E2B__WAY_OUT_NONE,
  E2B__WAY_OUT_WANTED, /* the gateway could not be asked yet */
  E2B__WAY_OUT_ASKED,
  E2B__WAY_OUT_THERE,
  E2B__WAY_OUT_UNWANTED /* as WANTED */
} e2b__host_way_out_t;

typedef struct e2b__host_template {
  const char *name;
  bool python; /* has the Python environment */
} e2b__host_template_t;

/* The template of that name, with or without the tag `default`; NULL. */
const e2b__host_template_t *e2b__host_template_find(const char *name);

struct e2b__host_link;
struct e2b__host_metrics;

typedef struct e2b__host_sandbox {
  e2b__list_t node; /* of host->sandboxes; newest first */
  e2b_host_t *host;
  char id[24];
  const e2b__host_template_t *template;
  char access_token[68];  /* "" when the sandbox is open */
  char traffic_token[68]; /* "" when its ports are public */
  cJSON *metadata;        /* objects, or NULL */
  cJSON *env;
  cJSON *network;
  bool allow_internet;
  bool has_allow_internet;
  bool auto_pause;
  bool pause_memory; /* what an automatic pause keeps */
  bool auto_resume;
  bool cold;          /* paused without its memory */
  bool reboot;        /* asked for while it was pausing */
  int64_t life_s;     /* as asked for when it was created */
  int64_t resume_s;   /* of life after the resume that is under way */
  int64_t started_ms; /* since 1970 */
  uint64_t serial;    /* grows with each sandbox of the host */
  int64_t end_ms;
  e2b__host_sandbox_state_t state;
  e2b__host_alarm_t lifetime;
  e2b__host_alarm_t transition; /* the end of pausing and resuming */
  e2b__host_alarm_t hurry;      /* bounds starting and ending */
  char *dir;                    /* all that is the sandbox's on this machine */
  char *home;                   /* of `user`, as the sandbox sees it */
  int root_fd;                  /* its root directory, through its own mounts; -1 before hello */
  int net_fd;                   /* its network; likewise */
  bool disk_full;               /* nothing may be written to its files */
  e2b__host_way_out_t way_out;
  uint32_t cable; /* the gateway's number for it */
  struct e2b__host_link *link;
  char complaint[512];                /* what starting it said on standard error */
  char *snapshot_id;                  /* it was made from, without the tag; NULL */
  char *fill_from;                    /* the copy its files come from; NULL */
  struct e2b__host_build *fill_build; /* whose copy that is, while it is copied; NULL: nobody's */
  int fill_rc;
  bool filling;                      /* a worker is at it */
  unsigned copies;                   /* of it that are being made; it is stopped for so long */
  struct e2b__host_metrics *metrics; /* NULL before it runs */
  e2b__list_t requests;              /* that are for it */
  size_t proxied;                    /* of them that go to its programs */
  e2b__list_t waiters;               /* for a change of it; see waiter.h */
  e2b__list_t held;                  /* requests to it that wait until it runs; see wake.h */
  char *create_key;                  /* of the call that made it; NULL */
  e2b__list_t processes;
  struct e2b__host_interpreter *interpreter; /* NULL until it is used */
  struct e2b__host_door *door;               /* to it, from inside; NULL: none */
  e2b__list_t watchers;                      /* e2b__host_watcher_t */
  e2b__list_t polled_watchers;               /* of watch_service.c */
  void (*ready)(struct e2b__host_sandbox *sandbox, bool ok, void *data); /* once, then NULL */
  void *ready_data;
  uv_work_t removal;
  uv_work_t fill;
} e2b__host_sandbox_t;

typedef struct e2b__host_sandbox_spec {
  const e2b__host_template_t *template;
  int64_t timeout_s;
  bool secure;
  bool private_traffic;
  cJSON *metadata; /* taken over when creating succeeds */
  cJSON *env;
  cJSON *network;
  bool allow_internet;
  bool has_allow_internet;
  bool auto_pause;
  bool pause_memory;
  bool auto_resume;
  const char *create_key;  /* copied; NULL: none */
  const char *snapshot_id; /* copied, as is the directory; NULL: made of the template alone */
  const char *snapshot_dir;
  struct e2b__host_build *snapshot_build; /* whose directory that is; NULL: it stays by itself */
} e2b__host_sandbox_spec_t;

/* Starts one. `ready` is called from the loop, later, exactly once (also when the sandbox is killed
 * meanwhile). NULL when not even trying worked. */
e2b__host_sandbox_t *
e2b__host_sandbox_create(e2b_host_t *host, const e2b__host_sandbox_spec_t *spec,
                         void (*ready)(e2b__host_sandbox_t *sandbox, bool ok, void *data),
                         void *data);
/* The running sandbox of that id ("id" or "id-client"); NULL. */
e2b__host_sandbox_t *e2b__host_sandbox_find(e2b_host_t *host, const char *id);
/* The same, running, paused or between. */
e2b__host_sandbox_t *e2b__host_sandbox_find_any(e2b_host_t *host, const char *id);
/* Never shortens its life. */
void e2b__host_sandbox_extend(e2b__host_sandbox_t *sandbox, int64_t seconds);
/* Ends all that its clients do in it, with resets. */
void e2b__host_sandbox_reset_requests(e2b__host_sandbox_t *sandbox);
/* Moves its end to now + ms. */
void e2b__host_sandbox_set_end(e2b__host_sandbox_t *sandbox, int64_t ms);
/* Ends it: it is not found any more, its connections are reset, its processes die, its files go. */
void e2b__host_sandbox_kill(e2b__host_sandbox_t *sandbox, const char *why);

/* For link.c. Takes the descriptors. */
void e2b__host_sandbox_hello(e2b__host_sandbox_t *sandbox, int root_fd, int net_fd);
/* For gateway.c: it has a way out, or will not have one. */
void e2b__host_sandbox_connected(e2b__host_sandbox_t *sandbox);
void e2b__host_sandbox_lost(e2b__host_sandbox_t *sandbox);
void e2b__host_sandbox_ended(e2b__host_sandbox_t *sandbox);

#endif
