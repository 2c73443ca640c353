/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* What the files of the sandbox take of the machine's disk: those in the tree, and those that have
 * no name any more but are open. (One that is only mapped, or on its way in a socket, is not seen.)
 */

enum {
  SMALLEST = 4096, /* bytes; of inodes, too, a file system has hardly one for each of these */
  MAX_OPEN = 1000000,
  MAX_NAMELESS = 4096
};

static uint64_t sum; /* bytes */

/* Its device does not tell: /usr may be on the same. */
static bool is_mount(const char *name) {
  struct statx st;
  if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) != 0) return false;
  return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* A file of many names counts once, and not less for being cut into many parts. */
static void add_file(const struct stat *st) {
  uint64_t names = S_ISDIR(st->st_mode) || st->st_nlink == 0 ? 1 : st->st_nlink;
  uint64_t bytes = (uint64_t)st->st_blocks * 512;
  if (bytes < SMALLEST) bytes = SMALLEST;
  sum += (bytes + names - 1) / names;
}

/* Not nftw(), which a path longer than the kernel takes makes abort. */
static bool add_named(void) {
  char root[] = "/";
  char *const paths[] = {root, NULL};
  FTSENT *entry;
  FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
  if (tree == NULL) return false;
  while ((errno = 0, entry = fts_read(tree)) != NULL) {
    bool looked = entry->fts_info == FTS_D || entry->fts_info == FTS_F ||
                  entry->fts_info == FTS_SL || entry->fts_info == FTS_DEFAULT;
    if (entry->fts_info == FTS_D && entry->fts_level > 0 && is_mount(entry->fts_accpath))
      fts_set(tree, entry, FTS_SKIP);
    else if (looked)
      add_file(entry->fts_statp);
  }
  bool whole = errno == 0;
  fts_close(tree);
  return whole;
}

/* ---- without a name ---- */

static ino_t seen[MAX_NAMELESS];
static size_t seen_count;

static bool is_new(ino_t number) {
  for (size_t i = 0; i < seen_count; i++)
    if (seen[i] == number) return false;
  if (seen_count < MAX_NAMELESS) seen[seen_count++] = number;
  return true;
}

static void add_open(const char *pid, dev_t device, size_t *count) {
  char path[64];
  struct dirent *entry;
  struct stat st;
  snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
  DIR *dir = opendir(path);
  while (dir != NULL && *count < MAX_OPEN && (entry = readdir(dir)) != NULL) {
    ++*count;
    if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
        st.st_nlink == 0 && st.st_dev == device && is_new(st.st_ino))
      add_file(&st);
  }
  if (dir != NULL) closedir(dir);
}

bool e2b__disk_sum(uint64_t *kb) {
  struct dirent *entry;
  struct stat root;
  size_t count = 0;
  if (stat("/", &root) != 0) return false;
  if (!add_named()) return false;
  DIR *proc = opendir("/proc");
  while (proc != NULL && (entry = readdir(proc)) != NULL)
    if (atoi(entry->d_name) > 1) add_open(entry->d_name, root.st_dev, &count);
  if (proc != NULL) closedir(proc);
  *kb = sum / 1024;
  return count < MAX_OPEN;
}
