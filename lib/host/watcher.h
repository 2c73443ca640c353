/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WATCHER_H
#define E2B_LIB_HOST_WATCHER_H

#include "host/sandbox.h"
#include "proto/filesystem.h"

/* Watching a directory of a sandbox, with all below it if asked for, by inotify. The kernel tells
 * of one directory at a time; which is which is this module's to know. */

typedef struct e2b__host_watcher {
  e2b__list_t node; /* of the sandbox */
  e2b__host_sandbox_t *sandbox;
  e2b_host_t *host;
  uv_poll_t poll;
  int fd;
  char *path; /* as the client said it, expanded */
  bool recursive;
  char **dirs; /* by watch descriptor: relative to `path`, "" for itself; NULL: none */
  size_t dir_room;
  uint32_t moved; /* the cookie of the directory that moved away last */
  bool closed;
  /* `type` is an e2b__event_type_t. May close the watcher. */
  void (*event)(struct e2b__host_watcher *watcher, const char *name, int type);
  /* It ended by itself: `error` says why, or is NULL when the sandbox has gone. It closes itself
   * right after. */
  void (*over)(struct e2b__host_watcher *watcher, const char *error);
  void *data;
} e2b__host_watcher_t;

/* Armed when it returns. 0 and *watcher, or -errno. */
int e2b__host_watcher_open(e2b__host_sandbox_t *sandbox, const char *path, bool recursive,
                           e2b__host_watcher_t **watcher);
/* Takes now what the kernel has. */
void e2b__host_watcher_drain(e2b__host_watcher_t *watcher);
/* No callback follows; the memory goes later. */
void e2b__host_watcher_close(e2b__host_watcher_t *watcher);
void e2b__host_watchers_free(e2b__host_sandbox_t *sandbox);

#endif
