/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WATCHER_H
#define E2B_LIB_HOST_WATCHER_H

#include <sys/inotify.h>

#include "host/watch_tree.h"
#include "proto/filesystem.h"

/* Watching a directory of a sandbox, with all below it if asked for, by inotify. */

struct e2b__host_watcher;

typedef struct e2b__host_watcher_ops {
  /* It is armed: what happens from now on will be told. Once. */
  void (*ready)(struct e2b__host_watcher *watcher);
  /* The event's memory is lent. May close the watcher. */
  void (*event)(struct e2b__host_watcher *watcher, const e2b__filesystem_event_t *event);
  /* It ended by itself: `error` says why, or is NULL when the sandbox has gone. Nothing follows,
   * and the watcher closes itself. */
  void (*over)(struct e2b__host_watcher *watcher, const char *error);
} e2b__host_watcher_ops_t;

enum { E2B__HOST_WATCHER_ROOM = 16384 };

typedef struct e2b__host_watcher {
  e2b__list_t node; /* of the sandbox */
  e2b__host_sandbox_t *sandbox;
  e2b_host_t *host;
  const e2b__host_watcher_ops_t *ops;
  void *data;
  bool include_entry;
  bool ready;
  bool held;
  bool polling;
  bool closed;
  uv_poll_t poll;
  e2b__host_alarm_t turn; /* goes on where a slice of work ended */
  e2b__host_watch_tree_t tree;
  e2b__arena_t scratch; /* of the event that is told */
  uint64_t taken;       /* bytes from the kernel */
  size_t at, len;       /* of room */
  union {
    struct inotify_event align;
    char bytes[E2B__HOST_WATCHER_ROOM];
  } room;
} e2b__host_watcher_t;

/* 0 and *watcher, or -errno. */
int e2b__host_watcher_new(e2b__host_sandbox_t *sandbox, const e2b__watch_request_t *request,
                          const char *clean_path, const e2b__host_watcher_ops_t *ops, void *data,
                          e2b__host_watcher_t **watcher);
/* 0: `ready` is called, now or later. -errno: the watcher is closed. */
int e2b__host_watcher_start(e2b__host_watcher_t *watcher);
/* Tells now what the kernel has by now. */
void e2b__host_watcher_drain(e2b__host_watcher_t *watcher);
/* Stops telling, so that the kernel's queue fills; goes on. */
void e2b__host_watcher_hold(e2b__host_watcher_t *watcher, bool hold);
/* No callback follows; the memory goes later. */
void e2b__host_watcher_close(e2b__host_watcher_t *watcher);
/* With the sandbox. */
void e2b__host_watchers_free(e2b__host_sandbox_t *sandbox);

#endif
