/* SPDX-License-Identifier: MIT */
#include "host/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/filesystem_service.h"
#include "host/paths.h"

enum { COUNT_CEILING = 1000000, DEPTH_CEILING = 256 };

typedef struct listing {
  uv_work_t work;
  e2b_host_t *host;
  e2b__host_call_t *call; /* NULL: nobody waits for it any more */
  atomic_bool unwanted;
  e2b__host_sandbox_t files; /* what e2b__host_files_lend() has of the sandbox */
  e2b__arena_t arena;
  char *path;
  unsigned depth;
  e2b__entry_info_t *entries;
  size_t count, room;
  size_t
      bytes; /* of names, paths and metadata: past what an answer can hold they are not gathered */
  e2b__host_reply_t reply;
  int rc; /* 0: there is a reply */
  bool no_directory;
} listing_t;

/* ---- the walk, on a worker's thread ---- */

static int add_entry(listing_t *listing, const char *path, bool *is_directory) {
  if (listing->count == listing->room) {
    size_t room = listing->room == 0 ? 64 : listing->room * 2;
    if (room > COUNT_CEILING) return -EFBIG;
    e2b__entry_info_t *grown = e2b__realloc(listing->entries, room * sizeof *grown);
    if (grown == NULL) return -ENOMEM;
    listing->entries = grown;
    listing->room = room;
  }
  e2b__entry_info_t *entry = &listing->entries[listing->count];
  int rc = e2b__host_entry(&listing->files, &listing->arena, path, entry);
  /* Gone between reading its name and looking at it. */
  if (rc == -ENOENT) return 0;
  if (rc != 0) return rc;
  for (size_t i = 0; i < entry->metadata_count; i++)
    listing->bytes += entry->metadata[i].name.len + entry->metadata[i].value.len;
  if (listing->bytes > E2B__HOST_RPC_CEILING) return -EFBIG;
  *is_directory = entry->type == E2B__FILE_TYPE_DIRECTORY && entry->symlink_target.ptr == NULL;
  listing->count++;
  return 0;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *take_room(listing_t *listing, size_t size, int *rc) {
  listing->bytes += size;
  if (listing->bytes > E2B__HOST_RPC_CEILING) {
    *rc = -EFBIG;
    return NULL;
  }
  char *room = e2b__arena_alloc(&listing->arena, size);
  if (room == NULL) *rc = -ENOMEM;
  return room;
}

/* The names in a directory, sorted; *names is from the allocator, its strings from the arena. */
static int read_names(listing_t *listing, const char *path, char ***names, size_t *count) {
  struct dirent *item;
  size_t room = 0;
  int rc = 0;
  *names = NULL;
  *count = 0;
  int fd = e2b__host_open(&listing->files, path, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return fd;
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return -ENOMEM;
  }
  while (rc == 0 && !atomic_load(&listing->unwanted) && (item = readdir(dir)) != NULL) {
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    if (*count == room) {
      room = room == 0 ? 64 : room * 2;
      char **grown = room > COUNT_CEILING ? NULL : e2b__realloc(*names, room * sizeof *grown);
      if (grown == NULL) {
        rc = room > COUNT_CEILING ? -EFBIG : -ENOMEM;
        break;
      }
      *names = grown;
    }
    size_t size = strlen(item->d_name) + 1;
    char *name = take_room(listing, size, &rc);
    if (name != NULL) (*names)[(*count)++] = memcpy(name, item->d_name, size);
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
    char *child = atomic_load(&listing->unwanted) ? NULL : take_room(listing, size, &rc);
    if (child == NULL) break;
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

static void do_list(uv_work_t *work) {
  listing_t *listing = E2B__CONTAINER(work, listing_t, work);
  struct stat st;
  int rc = e2b__host_stat(&listing->files, listing->path, true, &st);
  listing->no_directory = rc == 0 && !S_ISDIR(st.st_mode);
  if (rc == 0 && !listing->no_directory) rc = list_level(listing, listing->path, listing->depth);
  if (rc == 0 && !listing->no_directory && !atomic_load(&listing->unwanted)) {
    e2b__list_dir_response_t response = {listing->entries, listing->count};
    e2b__host_reply_write(&listing->reply, &e2b__list_dir_response, &response);
  }
  listing->rc = rc;
}

/* ---- the answer ---- */

static void answer(listing_t *listing) {
  e2b__host_call_t *call = listing->call;
  const char *path = listing->path;
  if (listing->no_directory)
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "path is not a directory: %s", path);
  else if (listing->rc == 0)
    e2b__host_call_answer(call, &e2b__list_dir_response, &listing->reply);
  else if (listing->rc == -ENOENT)
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "path not found: lstat %s: %s", path,
                        e2b__host_error_text(ENOENT));
  else if (listing->rc == -ELOOP)
    e2b__host_call_fail(call, E2B__CODE_FAILED_PRECONDITION,
                        "cyclic symlink or chain >255 links at \"%s\"", path);
  else if (listing->rc == -EFBIG)
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "too many entries in %s for one answer",
                        path);
  else
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error resolving symlink: %s",
                        e2b__host_error_text(-listing->rc));
}

static void listing_free(listing_t *listing) {
  e2b__host_files_return(&listing->files);
  e2b__host_reply_free(&listing->reply);
  e2b__free(listing->entries);
  e2b__arena_free(&listing->arena);
  e2b__free(listing);
}

static void on_gone(e2b__host_call_t *call) {
  listing_t *listing = call->state;
  if (listing == NULL) return;
  listing->call = NULL;
  atomic_store(&listing->unwanted, true);
}

static void on_listed(uv_work_t *work, int status) {
  listing_t *listing = E2B__CONTAINER(work, listing_t, work);
  e2b_host_t *host = listing->host;
  if (status != 0) listing->rc = -ECANCELED;
  if (listing->call != NULL) {
    listing->call->state = NULL;
    answer(listing);
  }
  listing_free(listing);
  e2b__host_handle_closed(host);
}

void e2b__host_list_dir_call(e2b__host_call_t *call, const void *message) {
  const e2b__list_dir_request_t *input = message;
  unsigned depth = input->depth == 0 ? 1 : input->depth;
  char *path = e2b__host_call_path(call, input->path);
  listing_t *listing = path != NULL ? e2b__calloc(1, sizeof *listing) : NULL;
  if (path == NULL) return;
  if (listing == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  e2b__host_reply_init(&listing->reply, call);
  listing->host = call->request->host;
  listing->call = call;
  listing->depth = depth < DEPTH_CEILING ? depth : DEPTH_CEILING;
  listing->path = e2b__arena_strndup(&listing->arena, path, strlen(path));
  if (e2b__host_files_lend(call->request->sandbox, &listing->files) != 0 || listing->path == NULL ||
      uv_queue_work(listing->host->loop, &listing->work, do_list, on_listed) != 0) {
    listing_free(listing);
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  e2b__host_handle_opened(listing->host);
  call->state = listing;
  call->gone = on_gone;
}
