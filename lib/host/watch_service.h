/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WATCH_SERVICE_H
#define E2B_LIB_HOST_WATCH_SERVICE_H

#include "host/connect.h"

/* The methods of filesystem.Filesystem that watch. */
void e2b__host_watch_dir_call(e2b__host_call_t *call, const void *message);
void e2b__host_create_watcher_call(e2b__host_call_t *call, const void *message);
void e2b__host_watcher_events_call(e2b__host_call_t *call, const void *message);
void e2b__host_remove_watcher_call(e2b__host_call_t *call, const void *message);

/* For sandbox.c. */
void e2b__host_polled_watchers_free(e2b__host_sandbox_t *sandbox);

#endif
