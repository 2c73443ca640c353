/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/file_copy.h"
#include "host/tree.h"

/* Each level holds two descriptors. */
enum { MAX_DEPTH = 150 };

static int copy_content(int in, int out) {
  e2b__host_file_copy_t copy = {in, out, 0, 0};
  int rc;
  while ((rc = e2b__host_file_copy(&copy, 1 << 30)) > 0)
    continue;
  return rc;
}

static int copy_attributes(int in, int out) {
  char names[65536], value[65536];
  ssize_t len = flistxattr(in, names, sizeof names);
  for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
    if (strncmp(names + at, "user.", 5) != 0) continue;
    ssize_t size = fgetxattr(in, names + at, value, sizeof value);
    if (size >= 0 && fsetxattr(out, names + at, value, (size_t)size, 0) != 0) return -errno;
  }
  return 0;
}

/* Owner first: a change of it takes bits of the mode away. */
static int copy_status(const struct stat *st, int out) {
  const struct timespec times[2] = {st->st_atim, st->st_mtim};
  if ((st->st_uid != geteuid() || st->st_gid != getegid()) &&
      fchown(out, st->st_uid, st->st_gid) != 0)
    return -errno;
  if (fchmod(out, st->st_mode & 07777) != 0) return -errno;
  return futimens(out, times) == 0 ? 0 : -errno;
}

static int copy_file(int from, const char *name, int to, const char *as) {
  struct stat st;
  int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (in < 0) return errno == ENOENT ? 0 : -errno; /* as if it had gone before */
  int out = openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int rc = out >= 0 && fstat(in, &st) == 0 ? 0 : -errno;
  if (rc == 0 && S_ISREG(st.st_mode)) rc = copy_content(in, out);
  if (rc == 0) rc = copy_attributes(in, out);
  if (rc == 0) rc = copy_status(&st, out);
  close(in);
  if (out >= 0) close(out);
  return rc;
}

static int copy_link(int from, const char *name, int to, const char *as, const struct stat *st) {
  char target[4097];
  ssize_t len = readlinkat(from, name, target, sizeof target - 1);
  if (len < 0) return -errno;
  target[len] = '\0';
  if (symlinkat(target, to, as) != 0) return -errno;
  if (st->st_uid == geteuid() && st->st_gid == getegid()) return 0;
  return fchownat(to, as, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static int copy_any(int from, const char *name, int to, const char *as, int depth);

static int copy_directory(int from, const char *name, int to, const char *as, int depth) {
  struct dirent *entry;
  struct stat st;
  int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (in < 0) return -errno;
  int rc = fstat(in, &st) == 0 && mkdirat(to, as, 0700) == 0 ? 0 : -errno;
  int out = rc == 0 ? openat(to, as, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  if (rc == 0 && out < 0) rc = -errno;
  DIR *dir = rc == 0 ? fdopendir(in) : NULL;
  if (dir == NULL) {
    if (rc == 0) rc = -errno;
    close(in);
    if (out >= 0) close(out);
    return rc;
  }
  while (rc == 0 && (entry = readdir(dir)) != NULL) {
    bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (!dots) rc = copy_any(in, entry->d_name, out, entry->d_name, depth + 1);
  }
  if (rc == 0) rc = copy_attributes(in, out);
  if (rc == 0) rc = copy_status(&st, out);
  closedir(dir);
  close(out);
  return rc;
}

static int copy_any(int from, const char *name, int to, const char *as, int depth) {
  struct stat st;
  if (depth > MAX_DEPTH) return -ENAMETOOLONG;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? 0 : -errno;
  switch (st.st_mode & S_IFMT) {
  case S_IFREG: return copy_file(from, name, to, as);
  case S_IFLNK: return copy_link(from, name, to, as, &st);
  case S_IFDIR: return copy_directory(from, name, to, as, depth);
  /* The rest means nothing without the processes that made it. */
  default: return 0;
  }
}

int e2b__host_tree_copy(const char *from, const char *to) {
  struct stat st;
  if (stat(from, &st) != 0) return -errno;
  return copy_any(AT_FDCWD, from, AT_FDCWD, to, 0);
}
