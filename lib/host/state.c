/* SPDX-License-Identifier: MIT */
#include "host/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/tree.h"

#define OWN_PREFIX "e2b-host-"

enum { OWN_TRIES = 16 };

static const char *const own_parts[] = {"sandboxes", "snapshots", "etc", "bin"};

/* A descriptor when nobody else holds the lock. */
static int take_lock(int dir) {
  struct stat st;
  int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) return fd;
  close(fd);
  errno = EWOULDBLOCK;
  return -1;
}

static void remove_parts(int dir) {
  for (size_t i = 0; i < E2B__COUNT(own_parts); i++)
    e2b__host_tree_remove(dir, own_parts[i]);
}

/* Directories of hosts that were killed. */
static void remove_leftovers(const char *parent) {
  struct dirent *entry;
  struct stat st;
  DIR *dir = opendir(parent);
  while (dir != NULL && (entry = readdir(dir)) != NULL) {
    if (strncmp(entry->d_name, OWN_PREFIX, strlen(OWN_PREFIX)) != 0) continue;
    int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) continue;
    bool ours = fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
                faccessat(fd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int lock = ours ? take_lock(fd) : -1;
    if (lock >= 0) {
      e2b__host_tree_remove(dirfd(dir), entry->d_name);
      close(lock);
    }
    close(fd);
  }
  if (dir != NULL) closedir(dir);
}

/* Inside its user namespace a sandbox's bubblewrap is nobody to the machine: it must be able to
 * walk to the sandbox's directory. */
static bool everybody_may_enter(const char *path, char *blame, size_t size) {
  struct stat st;
  for (size_t len = 1; len <= strlen(path); len++) {
    if (len < strlen(path) && path[len] != '/') continue;
    snprintf(blame, size, "%.*s", (int)len, path);
    if (stat(blame, &st) == 0 && !(st.st_mode & 01)) return false;
  }
  return true;
}

static int make_own(e2b_host_t *host) {
  const char *parent = getenv("TMPDIR");
  if (parent == NULL || parent[0] != '/') parent = "/tmp";
  remove_leftovers(parent);
  host->state_dir = e2b__format("%s/" OWN_PREFIX "XXXXXX", parent);
  if (host->state_dir == NULL) return -1;
  if (mkdtemp(host->state_dir) == NULL) return -1;
  host->own_state_dir = true;
  return 0;
}

static int take_wanted(e2b_host_t *host, const char *wanted) {
  if (mkdir(wanted, 0711) != 0 && errno != EEXIST) return -1;
  char *real = realpath(wanted, NULL);
  host->state_dir = e2b__strdup(real);
  free(real);
  return host->state_dir != NULL ? 0 : -1;
}

/* The directory's descriptor, with the host's lock taken; -1 and errno else. */
static int open_locked(e2b_host_t *host, const char *wanted) {
  int rc = wanted != NULL ? take_wanted(host, wanted) : make_own(host);
  int dir = rc == 0 ? open(host->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (dir < 0) return -1;
  host->state_lock = take_lock(dir);
  if (host->state_lock >= 0) return dir;
  const int error = errno;
  close(dir);
  errno = error;
  return -1;
}

/* Another host that starts takes a directory whose lock is not held yet for a dead one's: then a
 * new one is made. */
static int open_own(e2b_host_t *host) {
  int dir = -1;
  for (unsigned tries = 0; tries < OWN_TRIES && dir < 0; tries++) {
    e2b__free(host->state_dir);
    host->state_dir = NULL;
    dir = open_locked(host, NULL);
    if (dir < 0 && errno != EWOULDBLOCK && errno != ENOENT) break;
  }
  return dir;
}

int e2b__host_state_open(e2b_host_t *host, const char *wanted, char *why, size_t why_size) {
  char blame[4096];
  int dir = wanted != NULL ? open_locked(host, wanted) : open_own(host);
  if (dir < 0 && errno == EWOULDBLOCK) {
    snprintf(why, why_size, "%s is in use by another host", host->state_dir);
    return E2B_ESYSTEM;
  }
  if (dir < 0) {
    snprintf(why, why_size, "cannot use %s for the sandboxes: %s",
             wanted != NULL ? wanted : "a temporary directory", strerror(errno));
    return E2B_ESYSTEM;
  }
  if (geteuid() == 0) fchmod(dir, 0711);
  remove_parts(dir);
  int rc = mkdirat(dir, "sandboxes", 0711);
  close(dir);
  if (rc == 0 && geteuid() == 0 && host->isolation != E2B__ISOLATION_NONE &&
      !everybody_may_enter(host->state_dir, blame, sizeof blame)) {
    snprintf(why, why_size,
             "sandboxes cannot reach %s: %s is closed to others (chmod o+x), or "
             "choose another state directory",
             host->state_dir, blame);
    return E2B_EINVAL;
  }
  if (rc == 0) return 0;
  snprintf(why, why_size, "cannot write to %s: %s", host->state_dir, strerror(errno));
  return E2B_ESYSTEM;
}

void e2b__host_state_close(e2b_host_t *host) {
  if (host->state_lock >= 0) {
    int dir = open(host->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
      remove_parts(dir);
      unlinkat(dir, "lock", 0);
      close(dir);
    }
    close(host->state_lock);
  }
  if (host->own_state_dir) e2b__host_tree_remove(AT_FDCWD, host->state_dir);
}
