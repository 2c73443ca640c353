/* SPDX-License-Identifier: MIT */
#include "host/watch_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/utf8.h"
#include "host/clocks.h"
#include "host/paths.h"
#include "host/watcher.h"

/* A queue is kept in binary; as JSON, however its names are escaped, it still fits into an answer.
 */
enum { WATCHERS_CEILING = 64, QUEUE_CEILING = 8 << 20 };

static const e2b__empty_t nothing;

static const char overflow[] = "fsnotify: queue or buffer overflow";

#define BAD_TEXT "marshal message: proto: field filesystem.%s contains invalid UTF-8"

static const char *bad_field(const e2b__filesystem_event_t *event) {
  return e2b__utf8_valid(event->name.ptr, event->name.len) ? "EntryInfo.symlink_target"
                                                           : "FilesystemEvent.name";
}

/* ---- what both kinds begin with ---- */

/* Not the file system of the sandbox itself, whatever that is: all who change it are on this
 * machine. */
static bool is_remote(const e2b__host_sandbox_t *sandbox, const char *path) {
  struct stat root, st;
  struct statfs fs;
  int fd = e2b__host_open(sandbox, path, O_PATH, 0);
  if (fd < 0) return false;
  bool known = fstatfs(fd, &fs) == 0 && fstat(fd, &st) == 0;
  bool own = known && fstat(sandbox->root_fd, &root) == 0 && root.st_dev == st.st_dev;
  close(fd);
  if (!known || own) return false;
  switch ((uint32_t)fs.f_type) {
  case 0x6969:                  /* NFS */
  case 0xff534d42:              /* CIFS */
  case 0x517b:                  /* SMB */
  case 0xfe534d42:              /* SMB 2 */
  case 0x65735546: return true; /* FUSE */
  default: return false;
  }
}

static size_t count(const e2b__list_t *list) {
  size_t n = 0;
  for (const e2b__list_t *node = list->next; node != list; node = node->next)
    n++;
  return n;
}

/* The directory that is asked for, or an answer that says why not. */
static char *check_path(e2b__host_call_t *call, const e2b__watch_request_t *input) {
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  struct stat st;
  const char *why = NULL;
  if (count(&sandbox->watchers) >= WATCHERS_CEILING ||
      count(&sandbox->polled_watchers) >= WATCHERS_CEILING) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED,
                        "error creating watcher: this sandbox has too many");
    return NULL;
  }
  char *path =
      e2b__host_path_expand(sandbox, &call->request->arena, input->path, call->as_root, &why);
  if (path == NULL) {
    e2b__host_call_fail(call,
                        why != NULL ? E2B__CODE_INVALID_ARGUMENT : E2B__CODE_RESOURCE_EXHAUSTED,
                        "%s", why != NULL ? why : "out of memory");
    return NULL;
  }
  bool has_nul = input->path.len > 0 && memchr(input->path.ptr, 0, input->path.len) != NULL;
  int rc = has_nul ? -EINVAL : e2b__host_stat(sandbox, path, true, &st);
  if (rc == -ENOENT)
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "path %s not found: stat %s: %s", path, path,
                        e2b__host_error_text(ENOENT));
  else if (rc != 0)
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error statting path %s: stat %s: %s", path, path,
                        e2b__host_error_text(-rc));
  else if (!S_ISDIR(st.st_mode))
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "path %s not a directory: %%!w(<nil>)",
                        path);
  else if (!input->allow_network_mounts && is_remote(sandbox, path))
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "cannot watch path on network filesystem: %s", path);
  else
    return path;
  return NULL;
}

/* `ready` follows, at once or later; or false, and the answer is given. *slot is the watcher. */
static bool open_watcher(e2b__host_call_t *call, const e2b__watch_request_t *input,
                         const char *path, const e2b__host_watcher_ops_t *ops, void *data,
                         e2b__host_watcher_t **slot) {
  char *clean = e2b__host_path_clean(&call->request->arena, path);
  int rc = clean == NULL
               ? -ENOMEM
               : e2b__host_watcher_new(call->request->sandbox, input, clean, ops, data, slot);
  if (rc != 0) {
    /* Most likely it is the machine's limit, which only its owner can raise. */
    E2B__HOST_LOG(call->request->host, WARN,
                  "no watcher: %s (inotify descriptors: fs.inotify.max_user_instances)",
                  strerror(-rc));
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error creating watcher: %s",
                        e2b__host_error_text(-rc));
    return false;
  }
  rc = e2b__host_watcher_start(*slot);
  if (rc == 0) return true;
  *slot = NULL;
  e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error adding path %s to watcher: %s", path,
                      e2b__host_error_text(-rc));
  return false;
}

/* ---- WatchDir: a stream ---- */

typedef struct stream_watch {
  e2b__host_call_t *call;
  const char *path;
  e2b__host_watcher_t *watcher; /* NULL once it has ended */
  e2b__host_clocks_t clocks;
} stream_watch_t;

static void stop(stream_watch_t *watch) {
  e2b__host_clocks_stop(&watch->clocks);
  if (watch->watcher != NULL) e2b__host_watcher_close(watch->watcher);
  watch->watcher = NULL;
}

static int send_response(stream_watch_t *watch, const e2b__watch_response_t *response) {
  e2b__host_clocks_sent(&watch->clocks);
  return e2b__host_call_send(watch->call, &e2b__watch_response, response);
}

static void on_stream_event(e2b__host_watcher_t *watcher, const e2b__filesystem_event_t *event) {
  stream_watch_t *watch = watcher->data;
  e2b__host_call_t *call = watch->call;
  e2b__watch_response_t response = {.filesystem = (e2b__filesystem_event_t *)(uintptr_t)event};
  int rc = send_response(watch, &response);
  if (rc == 0) {
    /* A client that does not read: the kernel's queue takes over, and says so when it is full. */
    if (e2b__host_stream_waiting(&call->stream) >= E2B__HOST_STREAM_HIGH)
      e2b__host_watcher_hold(watcher, true);
    return;
  }
  stop(watch);
  if (rc == E2B_EINVAL)
    e2b__host_call_fail(call, E2B__CODE_UNKNOWN,
                        "error sending filesystem event: internal: " BAD_TEXT, bad_field(event));
  else
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "watcher error: %s", overflow);
}

static void on_stream_drained(e2b__host_stream_t *stream) {
  e2b__host_call_t *call = E2B__CONTAINER(stream, e2b__host_call_t, stream);
  stream_watch_t *watch = call->state;
  if (watch != NULL && watch->watcher != NULL) e2b__host_watcher_hold(watch->watcher, false);
}

static void on_stream_over(e2b__host_watcher_t *watcher, const char *error) {
  stream_watch_t *watch = watcher->data;
  watch->watcher = NULL; /* it closes itself */
  stop(watch);
  if (error == NULL) return;
  if (watcher->ready)
    e2b__host_call_fail(watch->call, E2B__CODE_INTERNAL, "watcher error: %s", error);
  else
    e2b__host_call_fail(watch->call, E2B__CODE_INTERNAL, "error adding path %s to watcher: %s",
                        watch->path, error);
}

/* Not sending one does no harm that the next event would not do. */
static void on_quiet(e2b__host_clocks_t *clocks) {
  static e2b__empty_t empty;
  e2b__watch_response_t response = {.keepalive = &empty};
  send_response(E2B__CONTAINER(clocks, stream_watch_t, clocks), &response);
}

static void on_overdue(e2b__host_clocks_t *clocks) {
  stop(E2B__CONTAINER(clocks, stream_watch_t, clocks));
}

static void on_stream_ready(e2b__host_watcher_t *watcher) {
  stream_watch_t *watch = watcher->data;
  static e2b__empty_t empty;
  e2b__watch_response_t response = {.start = &empty};
  e2b__host_call_open(watch->call, on_stream_drained);
  send_response(watch, &response);
  e2b__host_clocks_keep_alive(&watch->clocks);
}

static void on_stream_gone(e2b__host_call_t *call) {
  stop(call->state);
}

void e2b__host_watch_dir_call(e2b__host_call_t *call, const void *message) {
  static const e2b__host_watcher_ops_t ops = {on_stream_ready, on_stream_event, on_stream_over};
  const e2b__watch_request_t *input = message;
  char *path = check_path(call, input);
  if (path == NULL) return;
  stream_watch_t *watch = e2b__arena_calloc(&call->request->arena, 1, sizeof *watch);
  if (watch == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  watch->call = call;
  watch->path = path;
  call->state = watch;
  call->gone = on_stream_gone;
  e2b__host_clocks_init(&watch->clocks, call, on_quiet, on_overdue);
  if (!open_watcher(call, input, path, &ops, watch, &watch->watcher)) stop(watch);
}

/* ---- watchers that are asked ---- */

typedef struct polled {
  e2b__list_t node; /* of the sandbox, once it has told its id */
  char id[24];
  e2b__host_call_t *call;       /* until then */
  const char *path;             /* the call's */
  e2b__host_watcher_t *watcher; /* NULL once it has failed */
  e2b__buffer_t queue;          /* events, as one message in binary */
  const char *bad;              /* what of the queue cannot be sent; NULL: nothing */
  char error[160];
} polled_t;

static void polled_free(polled_t *polled) {
  if (polled->watcher != NULL) e2b__host_watcher_close(polled->watcher);
  if (polled->call != NULL) polled->call->gone = NULL;
  e2b__list_remove(&polled->node);
  e2b__buffer_free(&polled->queue);
  e2b__free(polled);
}

static void fail_polled(polled_t *polled, const char *error) {
  snprintf(polled->error, sizeof polled->error, "watcher error: %s", error);
  e2b__buffer_free(&polled->queue);
}

static void on_polled_event(e2b__host_watcher_t *watcher, const e2b__filesystem_event_t *event) {
  polled_t *polled = watcher->data;
  e2b__watcher_events_response_t batch = {(e2b__filesystem_event_t *)(uintptr_t)event, 1};
  /* Encoded messages with repeated fields, one behind the other, are one message. */
  int rc = e2b__message_encode(&e2b__watcher_events_response, &batch, E2B__PROTO, &polled->queue);
  if (rc == 0) return;
  if (rc == E2B_EINVAL) {
    polled->bad = bad_field(event);
    return;
  }
  fail_polled(polled, overflow);
  polled->watcher = NULL;
  e2b__host_watcher_close(watcher);
}

static void on_polled_over(e2b__host_watcher_t *watcher, const char *error) {
  polled_t *polled = watcher->data;
  polled->watcher = NULL; /* it closes itself */
  if (error != NULL && polled->call == NULL) {
    fail_polled(polled, error);
    return;
  }
  if (error != NULL)
    e2b__host_call_fail(polled->call, E2B__CODE_INTERNAL, "error adding path %s to watcher: %s",
                        polled->path, error);
  polled_free(polled);
}

static void on_polled_ready(e2b__host_watcher_t *watcher) {
  polled_t *polled = watcher->data;
  e2b__host_call_t *call = polled->call;
  e2b__watcher_id_t response = {e2b__str(polled->id)};
  polled->call = NULL;
  call->gone = NULL;
  e2b__list_append(&watcher->sandbox->polled_watchers, &polled->node);
  e2b__host_call_reply(call, &e2b__watcher_id, &response);
}

/* Nobody will ever know its id. */
static void on_create_gone(e2b__host_call_t *call) {
  polled_free(call->state);
}

void e2b__host_create_watcher_call(e2b__host_call_t *call, const void *message) {
  static const e2b__host_watcher_ops_t ops = {on_polled_ready, on_polled_event, on_polled_over};
  const e2b__watch_request_t *input = message;
  char *path = check_path(call, input);
  if (path == NULL) return;
  polled_t *polled = e2b__calloc(1, sizeof *polled);
  if (polled == NULL || e2b__host_random_id(polled->id + 1, 20) != 0) {
    e2b__free(polled);
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  polled->id[0] = 'w';
  polled->call = call;
  polled->path = path;
  e2b__list_init(&polled->node);
  e2b__buffer_init(&polled->queue, QUEUE_CEILING);
  call->state = polled;
  call->gone = on_create_gone;
  if (!open_watcher(call, input, path, &ops, polled, &polled->watcher)) polled_free(polled);
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
  if (polled->bad != NULL)
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, BAD_TEXT, polled->bad);
  else if (polled->queue.len > 0 &&
           e2b__message_decode(&e2b__watcher_events_response, polled->queue.data, polled->queue.len,
                               E2B__PROTO, &call->scratch, &response, NULL) != 0)
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
  else
    e2b__host_call_reply(call, &e2b__watcher_events_response, &response);
  polled->bad = NULL;
  e2b__buffer_free(&polled->queue);
}

void e2b__host_remove_watcher_call(e2b__host_call_t *call, const void *message) {
  const e2b__watcher_id_t *input = message;
  polled_t *polled = find_polled(call, input->watcher_id);
  if (polled == NULL) return;
  polled_free(polled);
  e2b__host_call_reply(call, &e2b__empty, &nothing);
}

/* With the sandbox, before the watchers themselves. */
void e2b__host_polled_watchers_free(e2b__host_sandbox_t *sandbox) {
  while (!e2b__list_empty(&sandbox->polled_watchers))
    polled_free(E2B__CONTAINER(sandbox->polled_watchers.next, polled_t, node));
}
