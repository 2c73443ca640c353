/* SPDX-License-Identifier: MIT */
#include "host/filesystem_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/listing.h"
#include "host/paths.h"
#include "host/removal.h"
#include "host/watch_service.h"

/* filesystem.Filesystem: everything about files but their content. */

char *e2b__host_call_path(e2b__host_call_t *call, e2b__str_t path) {
  const char *why = NULL;
  char *text =
      e2b__host_path_expand(call->request->sandbox, &call->scratch, path, call->as_root, &why);
  if (text == NULL)
    e2b__host_call_fail(call,
                        why != NULL ? E2B__CODE_INVALID_ARGUMENT : E2B__CODE_RESOURCE_EXHAUSTED,
                        "%s", why != NULL ? why : "out of memory");
  else if (strlen(text) < path.len && memchr(path.ptr, 0, path.len) != NULL) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "error getting file info: lstat %s: invalid argument", text);
    return NULL;
  }
  return text;
}

static void reply_entry(e2b__host_call_t *call, const char *path) {
  e2b__entry_info_t entry;
  e2b__entry_response_t response = {&entry};
  int rc = e2b__host_entry(call->request->sandbox, &call->scratch, path, &entry);
  if (rc == 0)
    e2b__host_call_reply(call, &e2b__entry_response, &response);
  else if (rc == -ENOENT)
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "file not found: lstat %s: %s", path,
                        e2b__host_error_text(ENOENT));
  else
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error getting file info: lstat %s: %s", path,
                        e2b__host_error_text(-rc));
}

static void stat_call(e2b__host_call_t *call, const void *message) {
  const e2b__path_request_t *input = message;
  char *path = e2b__host_call_path(call, input->path);
  if (path != NULL) reply_entry(call, path);
}

/* ---- changes ---- */

static void make_dir_call(e2b__host_call_t *call, const void *message) {
  const e2b__path_request_t *input = message;
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  struct stat st;
  char *path = e2b__host_call_path(call, input->path);
  char *clean = path != NULL ? e2b__host_path_clean(&call->scratch, path) : NULL;
  if (clean == NULL) return;
  int rc = e2b__host_stat(sandbox, path, true, &st);
  if (rc == 0 && S_ISDIR(st.st_mode)) {
    e2b__host_call_fail(call, E2B__CODE_ALREADY_EXISTS, "directory already exists: %s", path);
  } else if (rc == 0) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "path already exists but it is not a directory: %s", path);
  } else if (rc != -ENOENT) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error getting file info: stat %s: %s", path,
                        e2b__host_error_text(-rc));
  } else {
    rc = e2b__host_make_path(sandbox, &call->scratch, clean, call->as_root, NULL);
    if (rc == 0)
      reply_entry(call, path);
    else
      e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error creating directory: mkdir %s: %s", path,
                          e2b__host_error_text(-rc));
  }
}

static int move(e2b__host_call_t *call, const char *source, const char *destination) {
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  e2b__arena_t *arena = &call->scratch;
  struct stat st;
  char *parent = e2b__arena_strndup(arena, destination, strlen(destination));
  if (parent == NULL) return -ENOMEM;
  char *slash = strrchr(parent, '/');
  slash[slash == parent] = '\0';
  int rc = e2b__host_make_path(sandbox, arena, parent, call->as_root, NULL);
  if (rc != 0) return rc;
  int from = e2b__host_open_parent(sandbox, arena, source);
  if (from < 0) return from;
  int to = e2b__host_open_parent(sandbox, arena, destination);
  if (to < 0) {
    close(from);
    return to;
  }
  const char *old_name = e2b__host_path_name(source), *new_name = e2b__host_path_name(destination);
  /* The kernel would let an empty directory be replaced. */
  if (strcmp(source, destination) != 0 && fstatat(to, new_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISDIR(st.st_mode) && fstatat(from, old_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    rc = -EEXIST;
  else
    rc = renameat(from, old_name, to, new_name) == 0 ? 0 : -errno;
  close(from);
  close(to);
  return rc;
}

static void move_call(e2b__host_call_t *call, const void *message) {
  const e2b__move_request_t *input = message;
  char *source = e2b__host_call_path(call, input->source);
  char *destination = source != NULL ? e2b__host_call_path(call, input->destination) : NULL;
  char *from = source != NULL ? e2b__host_path_clean(&call->scratch, source) : NULL;
  char *to = destination != NULL ? e2b__host_path_clean(&call->scratch, destination) : NULL;
  if (from == NULL || to == NULL) return;
  int rc = move(call, from, to);
  if (rc == 0)
    reply_entry(call, destination);
  else if (rc == -ENOENT)
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "source file not found: rename %s %s: %s",
                        source, destination, e2b__host_error_text(ENOENT));
  else
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error renaming: rename %s %s: %s", source,
                        destination, e2b__host_error_text(-rc));
}

static void remove_call(e2b__host_call_t *call, const void *message) {
  const e2b__path_request_t *input = message;
  char *path = e2b__host_call_path(call, input->path);
  char *clean = path != NULL ? e2b__host_path_clean(&call->scratch, path) : NULL;
  if (clean == NULL) return;
  /* The parent is a mere path; working below it needs no more. */
  int parent = strcmp(clean, "/") != 0
                   ? e2b__host_open_parent(call->request->sandbox, &call->scratch, clean)
                   : -EBUSY;
  if (parent < 0)
    e2b__host_removal_answer(call, path, parent);
  else
    e2b__host_removal_start(call, parent, e2b__host_path_name(clean), path);
}

const e2b__host_method_t e2b__host_filesystem_methods[] = {
    {"/filesystem.Filesystem/Stat", E2B__CALL_UNARY, &e2b__path_request, stat_call, NULL},
    {"/filesystem.Filesystem/ListDir", E2B__CALL_UNARY, &e2b__list_dir_request,
     e2b__host_list_dir_call, NULL},
    {"/filesystem.Filesystem/MakeDir", E2B__CALL_UNARY, &e2b__path_request, make_dir_call, NULL},
    {"/filesystem.Filesystem/Move", E2B__CALL_UNARY, &e2b__move_request, move_call, NULL},
    {"/filesystem.Filesystem/Remove", E2B__CALL_UNARY, &e2b__path_request, remove_call, NULL},
    {"/filesystem.Filesystem/WatchDir", E2B__CALL_SERVER_STREAM, &e2b__watch_request,
     e2b__host_watch_dir_call, NULL},
    {"/filesystem.Filesystem/CreateWatcher", E2B__CALL_UNARY, &e2b__watch_request,
     e2b__host_create_watcher_call, NULL},
    {"/filesystem.Filesystem/GetWatcherEvents", E2B__CALL_UNARY, &e2b__watcher_id,
     e2b__host_watcher_events_call, NULL},
    {"/filesystem.Filesystem/RemoveWatcher", E2B__CALL_UNARY, &e2b__watcher_id,
     e2b__host_remove_watcher_call, NULL},
    {NULL, E2B__CALL_UNARY, NULL, NULL, NULL},
};
