/* SPDX-License-Identifier: MIT */
#include "host/watch_service.h"

#include <errno.h>
#include <stdio.h>

#include "host/entry.h"
#include "host/paths.h"
#include "host/watcher.h"

enum { QUEUE_CEILING = 100000 };

static const e2b__empty_t nothing;

static const char full_queue[] = "watcher error: fsnotify: queue or buffer overflow";

/* Opens what the request asks for, or answers why not. */
static e2b__host_watcher_t *open_watcher(e2b__host_call_t *call,
                                         const e2b__watch_request_t *input) {
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  e2b__host_watcher_t *watcher = NULL;
  struct stat st;
  const char *why = NULL;
  char *path = e2b__host_path_expand(sandbox, &call->scratch, input->path, call->as_root, &why);
  if (path == NULL) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "%s",
                        why != NULL ? why : "out of memory");
    return NULL;
  }
  int rc = e2b__host_stat(sandbox, path, true, &st);
  if (rc == -ENOENT || rc == -ELOOP) {
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "path %s not found: stat %s: %s", path, path,
                        e2b__host_error_text(ENOENT));
  } else if (rc != 0) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error statting path %s: stat %s: %s", path, path,
                        e2b__host_error_text(-rc));
  } else if (!S_ISDIR(st.st_mode)) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "path %s not a directory", path);
  } else {
    rc = e2b__host_watcher_open(sandbox, path, input->recursive, &watcher);
    if (rc != 0)
      e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error watching path %s: %s", path,
                          e2b__host_error_text(-rc));
  }
  return watcher;
}

/* The entry of an event, if it is asked for and still there. */
static e2b__entry_info_t *entry_of(const e2b__host_watcher_t *watcher, e2b__arena_t *arena,
                                   const char *name, int type) {
  if (type == E2B__EVENT_TYPE_REMOVE || type == E2B__EVENT_TYPE_RENAME) return NULL;
  e2b__entry_info_t *entry = e2b__arena_calloc(arena, 1, sizeof *entry);
  size_t size = strlen(watcher->path) + strlen(name) + 2;
  char *path = e2b__arena_alloc(arena, size);
  if (entry == NULL || path == NULL) return NULL;
  snprintf(path, size, "%s/%s", watcher->path, name);
  return e2b__host_entry(watcher->sandbox, arena, path, entry) == 0 ? entry : NULL;
}

/* ---- WatchDir: a stream ---- */

typedef struct stream_watch {
  e2b__host_call_t *call;
  e2b__host_watcher_t *watcher; /* NULL once it has ended */
  bool include_entry;
  uint64_t last_event;
  e2b__host_alarm_t keepalive;
  e2b__host_alarm_t deadline;
} stream_watch_t;

static void stop(stream_watch_t *watch) {
  e2b__host_alarms_t *alarms = &watch->call->request->host->alarms;
  e2b__host_alarm_cancel(alarms, &watch->keepalive);
  e2b__host_alarm_cancel(alarms, &watch->deadline);
  if (watch->watcher != NULL) e2b__host_watcher_close(watch->watcher);
  watch->watcher = NULL;
}

static void send_response(stream_watch_t *watch, const e2b__watch_response_t *response) {
  if (watch->call->answered) return;
  watch->last_event = e2b__host_now();
  int rc = e2b__host_call_send(watch->call, &e2b__watch_response, response);
  if (rc == 0) return;
  stop(watch);
  if (rc == E2B_EINVAL)
    e2b__host_call_fail(watch->call, E2B__CODE_UNKNOWN,
                        "error sending filesystem event: a name contains invalid UTF-8");
  else
    e2b__host_call_fail(watch->call, E2B__CODE_INTERNAL, "%s", full_queue);
}

static void on_stream_event(e2b__host_watcher_t *watcher, const char *name, int type) {
  stream_watch_t *watch = watcher->data;
  e2b__filesystem_event_t event = {e2b__str(name), type, NULL};
  e2b__watch_response_t response = {.filesystem = &event};
  if (watch->include_entry) event.entry = entry_of(watcher, &watch->call->scratch, name, type);
  send_response(watch, &response);
  e2b__arena_reset(&watch->call->scratch);
}

static void on_stream_over(e2b__host_watcher_t *watcher, const char *error) {
  stream_watch_t *watch = watcher->data;
  watch->watcher = NULL; /* it closes itself */
  stop(watch);
  if (error != NULL) e2b__host_call_fail(watch->call, E2B__CODE_INTERNAL, "%s", error);
}

static void on_keepalive(e2b__host_alarm_t *alarm) {
  stream_watch_t *watch = E2B__CONTAINER(alarm, stream_watch_t, keepalive);
  static e2b__empty_t empty;
  e2b__watch_response_t response = {.keepalive = &empty};
  uint64_t interval = (uint64_t)watch->call->keepalive_ms;
  uint64_t quiet = e2b__host_now() - watch->last_event;
  if (quiet >= interval) {
    send_response(watch, &response);
    quiet = 0;
  }
  if (!watch->call->answered)
    e2b__host_alarm_set(&watch->call->request->host->alarms, alarm, interval - quiet, on_keepalive);
}

static void on_deadline(e2b__host_alarm_t *alarm) {
  stream_watch_t *watch = E2B__CONTAINER(alarm, stream_watch_t, deadline);
  stop(watch);
  e2b__host_call_fail(watch->call, E2B__CODE_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void on_stream_gone(e2b__host_call_t *call) {
  stop(call->state);
}

void e2b__host_watch_dir_call(e2b__host_call_t *call, const void *message) {
  const e2b__watch_request_t *input = message;
  static e2b__empty_t empty;
  e2b__watch_response_t response = {.start = &empty};
  e2b__host_alarms_t *alarms = &call->request->host->alarms;
  stream_watch_t *watch = e2b__arena_calloc(&call->request->arena, 1, sizeof *watch);
  if (watch == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  watch->call = call;
  watch->include_entry = input->include_entry;
  watch->watcher = open_watcher(call, input);
  if (watch->watcher == NULL) return;
  watch->watcher->event = on_stream_event;
  watch->watcher->over = on_stream_over;
  watch->watcher->data = watch;
  call->state = watch;
  call->gone = on_stream_gone;
  send_response(watch, &response);
  e2b__host_alarm_set(alarms, &watch->keepalive, (uint64_t)call->keepalive_ms, on_keepalive);
  if (call->timeout_ms > 0)
    e2b__host_alarm_set(alarms, &watch->deadline, (uint64_t)call->timeout_ms, on_deadline);
}

/* ---- watchers that are asked ---- */

typedef struct queued {
  e2b__list_t node;
  int type;
  char name[];
} queued_t;

typedef struct polled {
  e2b__list_t node; /* of the sandbox */
  char id[24];
  e2b__host_watcher_t *watcher; /* NULL once it has failed */
  bool include_entry;
  char error[128];
  e2b__list_t events;
  size_t count;
} polled_t;

static void clear_events(polled_t *polled) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&polled->events)) != NULL)
    e2b__free(E2B__CONTAINER(node, queued_t, node));
  polled->count = 0;
}

static void polled_free(polled_t *polled) {
  if (polled->watcher != NULL) e2b__host_watcher_close(polled->watcher);
  clear_events(polled);
  e2b__list_remove(&polled->node);
  e2b__free(polled);
}

static void fail_polled(polled_t *polled, const char *error) {
  snprintf(polled->error, sizeof polled->error, "%s", error);
  if (polled->watcher != NULL) e2b__host_watcher_close(polled->watcher);
  polled->watcher = NULL;
}

static void on_polled_event(e2b__host_watcher_t *watcher, const char *name, int type) {
  polled_t *polled = watcher->data;
  size_t len = strlen(name) + 1;
  queued_t *queued = polled->count < QUEUE_CEILING ? e2b__malloc(sizeof *queued + len) : NULL;
  if (queued == NULL) {
    fail_polled(polled, full_queue);
    return;
  }
  queued->type = type;
  memcpy(queued->name, name, len);
  e2b__list_append(&polled->events, &queued->node);
  polled->count++;
}

static void on_polled_over(e2b__host_watcher_t *watcher, const char *error) {
  polled_t *polled = watcher->data;
  polled->watcher = NULL; /* it closes itself */
  if (error != NULL)
    fail_polled(polled, error);
  else
    polled_free(polled);
}

static polled_t *find_polled(e2b__host_call_t *call, e2b__str_t id) {
  e2b__list_t *all = &call->request->sandbox->polled_watchers;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    polled_t *polled = E2B__CONTAINER(node, polled_t, node);
    if (e2b__str_equal(id, polled->id)) return polled;
  }
  e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "watcher with id %.*s not found",
                      (int)(id.len < 100 ? id.len : 100), id.ptr != NULL ? id.ptr : "");
  return NULL;
}

void e2b__host_create_watcher_call(e2b__host_call_t *call, const void *message) {
  const e2b__watch_request_t *input = message;
  polled_t *polled = e2b__calloc(1, sizeof *polled);
  if (polled == NULL || e2b__host_random_id(polled->id + 1, 20) != 0) {
    e2b__free(polled);
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  polled->id[0] = 'w';
  polled->include_entry = input->include_entry;
  polled->watcher = open_watcher(call, input);
  if (polled->watcher == NULL) {
    e2b__free(polled);
    return;
  }
  e2b__list_init(&polled->events);
  polled->watcher->event = on_polled_event;
  polled->watcher->over = on_polled_over;
  polled->watcher->data = polled;
  e2b__list_append(&call->request->sandbox->polled_watchers, &polled->node);
  e2b__watcher_id_t response = {e2b__str(polled->id)};
  e2b__host_call_reply(call, &e2b__watcher_id, &response);
}

void e2b__host_watcher_events_call(e2b__host_call_t *call, const void *message) {
  const e2b__watcher_id_t *input = message;
  e2b__watcher_events_response_t response = {NULL, 0};
  polled_t *polled = find_polled(call, input->watcher_id);
  if (polled == NULL) return;
  /* What the client did just before it asked is in the kernel's queue already. */
  if (polled->watcher != NULL) e2b__host_watcher_drain(polled->watcher);
  if (polled->error[0] != '\0') {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "%s", polled->error);
    return;
  }
  response.events = e2b__arena_calloc(&call->scratch, polled->count + 1, sizeof *response.events);
  if (response.events == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  for (e2b__list_t *node = polled->events.next; node != &polled->events; node = node->next) {
    queued_t *queued = E2B__CONTAINER(node, queued_t, node);
    e2b__filesystem_event_t *event = &response.events[response.events_count++];
    event->name = e2b__str(queued->name);
    event->type = queued->type;
    if (polled->include_entry && polled->watcher != NULL)
      event->entry = entry_of(polled->watcher, &call->scratch, queued->name, queued->type);
  }
  e2b__host_call_reply(call, &e2b__watcher_events_response, &response);
  clear_events(polled);
}

void e2b__host_remove_watcher_call(e2b__host_call_t *call, const void *message) {
  const e2b__watcher_id_t *input = message;
  polled_t *polled = find_polled(call, input->watcher_id);
  if (polled == NULL) return;
  polled_free(polled);
  e2b__host_call_reply(call, &e2b__empty, &nothing);
}

/* With the sandbox; those whose watcher has failed before. */
void e2b__host_polled_watchers_free(e2b__host_sandbox_t *sandbox) {
  while (!e2b__list_empty(&sandbox->polled_watchers))
    polled_free(E2B__CONTAINER(sandbox->polled_watchers.next, polled_t, node));
}
