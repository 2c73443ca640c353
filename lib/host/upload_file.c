/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/isolation.h"
#include "host/paths.h"
#include "host/upload.h"

void e2b__host_upload_init(e2b__host_upload_t *upload, e2b__host_request_t *request) {
  upload->request = request;
  upload->fd = -1;
  upload->last = &upload->first;
}

void e2b__host_upload_fail(e2b__host_upload_t *upload, unsigned status, const char *fmt, ...) {
  va_list args;
  if (upload->status != 0) return;
  upload->status = status;
  upload->error = "out of memory";
  va_start(args, fmt);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  char *text = e2b__arena_alloc(&upload->request->arena, (size_t)len + 1);
  if (text == NULL) return;
  va_start(args, fmt);
  vsnprintf(text, (size_t)len + 1, fmt, args);
  va_end(args);
  upload->error = text;
}

/* ---- opening ---- */

static bool already_stored(e2b__host_upload_t *upload, const char *path) {
  e2b__buffer_t others = E2B__BUFFER_INIT(1 << 20);
  size_t count = 0;
  bool found = false;
  for (const e2b__host_stored_t *stored = upload->first; stored != NULL; stored = stored->next) {
    if (strcmp(stored->path, path) == 0)
      found = true;
    else if (count++ == 0)
      e2b__buffer_append_str(&others, stored->path);
    else
      e2b__buffer_printf(&others, ", %s", stored->path);
  }
  if (found)
    e2b__host_upload_fail(upload, 400,
                          "you cannot upload multiple files to the same path '%s' in one upload "
                          "request, only the first specified file was uploaded%s%s",
                          path, count > 1 ? ", also the following files were uploaded: " : "",
                          count > 1 && others.data != NULL ? others.data : "");
  e2b__buffer_free(&others);
  return found;
}

static bool make_parents(e2b__host_upload_t *upload, const char *path) {
  e2b__arena_t *arena = &upload->request->arena;
  char *parent = e2b__host_path_clean(arena, path);
  const char *blame = path;
  int rc = -ENOMEM;
  if (parent != NULL) {
    char *slash = strrchr(parent, '/');
    /* A path that ends with a slash is all directory. */
    if (path[strlen(path) - 1] != '/') slash[slash == parent] = '\0';
    rc = e2b__host_make_path(upload->request->sandbox, arena, parent, upload->as_root, &blame);
  }
  if (rc == -ENOTDIR)
    e2b__host_upload_fail(upload, 500, "error ensuring directories: path is a file: %s", blame);
  else if (rc != 0)
    e2b__host_upload_fail(upload, 500,
                          "error ensuring directories: failed to create directory: mkdir %s: %s",
                          blame, e2b__host_error_text(-rc));
  return rc == 0;
}

/* Of devices only those that are nobody's: null, zero, full. */
static bool is_harmless(const struct stat *st) {
  return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 &&
         (minor(st->st_rdev) == 3 || minor(st->st_rdev) == 5 || minor(st->st_rdev) == 7);
}

/* A file that is there becomes the user's and is emptied in place; a new one gets its mode whatever
 * the host's umask. Those who watch see each step, so only what is needed is done. */
static int open_target(e2b__host_upload_t *upload, const char *path) {
  const e2b__host_sandbox_t *sandbox = upload->request->sandbox;
  uid_t owner = e2b__host_machine_uid(sandbox->host, upload->as_root ? 0 : E2B__SANDBOX_UID);
  int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY, rc = 0;
  bool created = false;
  struct stat st;

  int fd = e2b__host_open(sandbox, path, flags, 0);
  if (fd == -ENOENT) {
    fd = e2b__host_open(sandbox, path, flags | O_CREAT, 0644);
    created = true;
  }
  if (fd < 0) return fd;
  if (fstat(fd, &st) != 0) rc = -errno;
  if (rc == 0) upload->device = is_harmless(&st);
  if (rc == 0 && !upload->device) {
    /* What it is comes first: one of the machine's devices may have come in between. */
    if (!S_ISREG(st.st_mode))
      rc = -EINVAL;
    else if ((created && (st.st_mode & 07777) != 0644 && fchmod(fd, 0644) != 0) ||
             (owner != geteuid() && fchown(fd, owner, owner) != 0) ||
             (!created && ftruncate(fd, 0) != 0))
      rc = -errno;
  }
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

void e2b__host_upload_open(e2b__host_upload_t *upload, const char *name) {
  const e2b__host_sandbox_t *sandbox = upload->request->sandbox;
  const char *why = NULL;
  struct stat st;

  if (upload->status != 0) return;
  if (sandbox == NULL) {
    e2b__host_upload_fail(upload, 500, "error opening file: the sandbox has ended");
    return;
  }
  char *path = e2b__host_path_expand(sandbox, &upload->request->arena, e2b__str(name),
                                     upload->as_root, &why);
  if (path == NULL) {
    e2b__host_upload_fail(upload, why != NULL ? 400 : 500, "error resolving path: %s",
                          why != NULL ? why : "out of memory");
    return;
  }
  if (already_stored(upload, path) || !make_parents(upload, path)) return;
  if (e2b__host_stat(sandbox, path, true, &st) == 0 && S_ISDIR(st.st_mode)) {
    e2b__host_upload_fail(upload, 400, "path is a directory: %s", path);
    return;
  }
  upload->target = path;
  upload->fd = open_target(upload, path);
  if (upload->fd >= 0) return;
  int error = -upload->fd;
  upload->fd = -1;
  if (error == ENOSPC || error == EDQUOT)
    e2b__host_upload_fail(upload, 507, "not enough inodes available: open %s: %s", path,
                          e2b__host_error_text(error));
  else
    e2b__host_upload_fail(upload, 500, "error opening file: open %s: %s", path,
                          e2b__host_error_text(error));
}

/* ---- writing ---- */

/* The size that is named is the request's, whatever it holds besides. */
static void no_space(e2b__host_upload_t *upload) {
  const char *length = e2b__host_header(upload->request, "Content-Length");
  unsigned long long size = length != NULL ? strtoull(length, NULL, 10) : 0;
  if (size > 0)
    e2b__host_upload_fail(upload, 507,
                          "attempted to write %llu bytes: not enough disk space available", size);
  else
    e2b__host_upload_fail(upload, 507, "not enough disk space available");
}

void e2b__host_upload_write(e2b__host_upload_t *upload, const char *data, size_t len) {
  const e2b__host_sandbox_t *sandbox = upload->request->sandbox;
  if (upload->fd >= 0 && sandbox != NULL && sandbox->disk_full) no_space(upload);
  while (len > 0 && upload->status == 0 && upload->fd >= 0) {
    ssize_t written = write(upload->fd, data, len);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      no_space(upload);
    } else if (written < 0) {
      e2b__host_upload_fail(upload, 500, "error writing file: write %s: %s", upload->target,
                            e2b__host_error_text(errno));
    } else {
      data += written;
      len -= (size_t)written;
    }
  }
}

static void remember(e2b__host_upload_t *upload) {
  e2b__arena_t *arena = &upload->request->arena;
  e2b__host_stored_t *stored = e2b__arena_calloc(arena, 1, sizeof *stored);
  if (stored == NULL) {
    e2b__host_upload_fail(upload, 500, "out of memory");
    return;
  }
  stored->path = upload->target;
  if (!upload->device)
    e2b__host_metadata_read(upload->fd, arena, &stored->metadata, &stored->metadata_count);
  *upload->last = stored;
  upload->last = &stored->next;
}

void e2b__host_upload_close(e2b__host_upload_t *upload) {
  if (upload->fd < 0) return;
  if (upload->status == 0) e2b__host_upload_write_metadata(upload);
  if (upload->status == 0) remember(upload);
  e2b__host_upload_abandon(upload);
}

void e2b__host_upload_abandon(e2b__host_upload_t *upload) {
  if (upload->fd >= 0) close(upload->fd);
  upload->fd = -1;
}
