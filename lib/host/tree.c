/* SPDX-License-Identifier: MIT */
#include "host/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(int parent, const char *name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return -errno;
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  return errno == EEXIST ? -ENOTEMPTY : -errno;
}

int e2b__host_directory_chmod(int parent, const char *name, mode_t mode) {
  char link[32];
  int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  /* fchmod() refuses mere paths. */
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int rc = chmod(link, mode) == 0 ? 0 : -errno;
  close(fd);
  return rc;
}

static DIR *open_directory(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) {
    /* An owner may have locked himself out. */
    if (e2b__host_directory_chmod(parent, name, 0700) != 0) return NULL;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }
  if (fd < 0) return NULL;
  struct stat st;
  if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700) fchmod(fd, st.st_mode | 0700);
  DIR *dir = fdopendir(fd);
  if (dir == NULL) close(fd);
  return dir;
}

static bool is_dots(const char *name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int move_up(int from, const char *name, int top) {
  static uint64_t counter;
  char unique[48];
  int rc;
  do {
    uint64_t number = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    snprintf(unique, sizeof unique, ".e2b-removing-%llu", (unsigned long long)number);
    rc = renameat2(from, name, top, unique, 1 /* RENAME_NOREPLACE */);
  } while (rc != 0 && errno == EEXIST);
  if (rc != 0 && errno == EACCES && e2b__host_directory_chmod(from, name, 0700) == 0)
    rc = renameat2(from, name, top, unique, 1);
  return rc == 0 ? 0 : -errno;
}

/* Empties a directory below `top`; what is a full directory itself moves to the top, where the
 * next round finds it. So two open directories are enough for any depth. */
static int flatten(int top, const char *name) {
  DIR *dir = open_directory(top, name);
  struct dirent *entry;
  int first = 0;
  if (dir == NULL) return -errno;
  while ((entry = readdir(dir)) != NULL) {
    if (is_dots(entry->d_name)) continue;
    int rc = remove_one(dirfd(dir), entry->d_name);
    if (rc == -ENOTEMPTY) rc = move_up(dirfd(dir), entry->d_name, top);
    if (rc != 0 && first == 0) first = rc;
  }
  closedir(dir);
  if (first != 0) return first;
  return unlinkat(top, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int e2b__host_tree_remove(int parent_fd, const char *name) {
  int rc = remove_one(parent_fd, name), failure;
  bool progress;
  if (rc != -ENOTEMPTY && rc != -EACCES) return rc;
  DIR *top = open_directory(parent_fd, name);
  if (top == NULL) return -errno;
  do {
    struct dirent *entry;
    progress = false;
    failure = 0;
    rewinddir(top);
    while ((entry = readdir(top)) != NULL) {
      if (is_dots(entry->d_name)) continue;
      rc = remove_one(dirfd(top), entry->d_name);
      if (rc == -ENOTEMPTY) rc = flatten(dirfd(top), entry->d_name);
      if (rc == 0)
        progress = true;
      else if (failure == 0)
        failure = rc;
    }
  } while (progress);
  closedir(top);
  if (failure != 0) return failure;
  return remove_one(parent_fd, name);
}
