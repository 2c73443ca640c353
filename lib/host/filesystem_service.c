/* SPDX-License-Identifier: MIT */
#include "host/filesystem_service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/isolation.h"
#include "host/paths.h"
#include "host/removal.h"
#include "host/watch_service.h"

/* filesystem.Filesystem: everything about files but their content. */

static char *expand(e2b__host_call_t *call, e2b__str_t path) {
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
  char *path = expand(call, input->path);
  if (path != NULL) reply_entry(call, path);
}

/* ---- ListDir ---- */

enum { LIST_CEILING = 1000000, LIST_DEPTH = 256 };

typedef struct listing {
  e2b__host_call_t *call;
  e2b__entry_info_t *entries;
  size_t count, room;
} listing_t;

static int add_entry(listing_t *listing, const char *path, bool *is_directory) {
  if (listing->count == listing->room) {
    size_t room = listing->room == 0 ? 64 : listing->room * 2;
    if (room > LIST_CEILING) return -EFBIG;
    e2b__entry_info_t *grown = e2b__realloc(listing->entries, room * sizeof *grown);
    if (grown == NULL) return -ENOMEM;
    listing->entries = grown;
    listing->room = room;
  }
  e2b__entry_info_t *entry = &listing->entries[listing->count];
  int rc = e2b__host_entry(listing->call->request->sandbox, &listing->call->scratch, path, entry);
  /* Gone between reading its name and looking at it. */
  if (rc == -ENOENT) return 0;
  if (rc != 0) return rc;
  *is_directory = entry->type == E2B__FILE_TYPE_DIRECTORY && entry->symlink_target.ptr == NULL;
  listing->count++;
  return 0;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted; *names is from the allocator, its strings from the arena. */
static int read_names(listing_t *listing, const char *path, char ***names, size_t *count) {
  e2b__arena_t *arena = &listing->call->scratch;
  struct dirent *item;
  size_t room = 0;
  int rc = 0;
  *names = NULL;
  *count = 0;
  int fd = e2b__host_open(listing->call->request->sandbox, path, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return fd;
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return -ENOMEM;
  }
  while (rc == 0 && (item = readdir(dir)) != NULL) {
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    if (*count == room) {
      room = room == 0 ? 64 : room * 2;
      char **grown = room > LIST_CEILING ? NULL : e2b__realloc(*names, room * sizeof *grown);
      if (grown == NULL) {
        rc = room > LIST_CEILING ? -EFBIG : -ENOMEM;
        break;
      }
      *names = grown;
    }
    (*names)[*count] = e2b__arena_strndup(arena, item->d_name, strlen(item->d_name));
    if ((*names)[*count] == NULL)
      rc = -ENOMEM;
    else
      (*count)++;
  }
  closedir(dir);
  if (rc == 0 && *count > 0) qsort(*names, *count, sizeof **names, by_name);
  return rc;
}

/* Depth is bounded by the caller; a level costs no more than this frame. */
static int list_level(listing_t *listing, const char *path, unsigned depth) {
  char **names;
  size_t count, len = strlen(path);
  int rc = read_names(listing, path, &names, &count);
  while (len > 0 && path[len - 1] == '/')
    len--;
  for (size_t i = 0; rc == 0 && i < count; i++) {
    bool is_directory = false;
    size_t size = len + strlen(names[i]) + 2;
    char *child = e2b__arena_alloc(&listing->call->scratch, size);
    if (child == NULL) {
      rc = -ENOMEM;
      break;
    }
    snprintf(child, size, "%.*s/%s", (int)len, path, names[i]);
    rc = add_entry(listing, child, &is_directory);
    if (rc == 0 && is_directory && depth > 1) {
      rc = list_level(listing, child, depth - 1);
      if (rc == -ENOENT || rc == -EACCES) rc = 0;
    }
  }
  e2b__free(names);
  return rc;
}

static void list_call(e2b__host_call_t *call, const void *message) {
  const e2b__list_dir_request_t *input = message;
  listing_t listing = {call, NULL, 0, 0};
  struct stat st;
  char *path = expand(call, input->path);
  if (path == NULL) return;
  int rc = e2b__host_stat(call->request->sandbox, path, true, &st);
  if (rc == 0 && !S_ISDIR(st.st_mode)) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "path is not a directory: %s", path);
    return;
  }
  unsigned depth = input->depth == 0 ? 1 : input->depth;
  if (rc == 0) rc = list_level(&listing, path, depth < LIST_DEPTH ? depth : LIST_DEPTH);
  if (rc == 0) {
    e2b__list_dir_response_t response = {listing.entries, listing.count};
    e2b__host_call_reply(call, &e2b__list_dir_response, &response);
  } else if (rc == -ENOENT) {
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "path not found: lstat %s: %s", path,
                        e2b__host_error_text(ENOENT));
  } else if (rc == -ELOOP) {
    e2b__host_call_fail(call, E2B__CODE_FAILED_PRECONDITION,
                        "cyclic symlink or chain >255 links at \"%s\"", path);
  } else {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error resolving symlink: %s",
                        e2b__host_error_text(-rc));
  }
  e2b__free(listing.entries);
}

/* ---- changes ---- */

static void make_dir_call(e2b__host_call_t *call, const void *message) {
  const e2b__path_request_t *input = message;
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  struct stat st;
  char *path = expand(call, input->path);
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
  char *source = expand(call, input->source);
  char *destination = source != NULL ? expand(call, input->destination) : NULL;
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
  char *path = expand(call, input->path);
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
    {"/filesystem.Filesystem/ListDir", E2B__CALL_UNARY, &e2b__list_dir_request, list_call, NULL},
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
