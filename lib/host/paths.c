/* SPDX-License-Identifier: MIT */
#include "host/paths.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/isolation.h"
#include "host/tree.h"
#include "host/vet.h"

const char *e2b__host_home(const e2b__host_sandbox_t *sandbox, bool as_root) {
  return as_root && sandbox->host->isolation != E2B__ISOLATION_NONE ? "/root" : sandbox->home;
}

char *e2b__host_path_expand(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena,
                            e2b__str_t path, bool as_root, const char **why) {
  const char *home = e2b__host_home(sandbox, as_root);
  size_t home_len = strlen(home);
  *why = NULL;
  if (path.len == 0 || (path.len == 1 && path.ptr[0] == '~'))
    return e2b__arena_strndup(arena, home, home_len);
  if (path.ptr[0] == '~' && path.ptr[1] != '/') {
    char text[128];
    snprintf(text, sizeof text,
             "failed to expand path '' for user '%s': cannot expand user-specific home dir",
             as_root ? "root" : "user");
    *why = e2b__arena_strndup(arena, text, strlen(text));
    return NULL;
  }
  if (path.ptr[0] == '/') return e2b__arena_strndup(arena, path.ptr, path.len);
  if (path.ptr[0] == '~') {
    path.ptr++;
    path.len--;
  }
  char *joined = e2b__arena_alloc(arena, home_len + path.len + 2);
  if (joined == NULL) return NULL;
  memcpy(joined, home, home_len);
  joined[home_len] = '/';
  memcpy(joined + home_len + 1, path.ptr, path.len);
  joined[home_len + 1 + path.len] = '\0';
  return e2b__host_path_clean(arena, joined);
}

char *e2b__host_path_clean(e2b__arena_t *arena, const char *path) {
  char *out = e2b__arena_alloc(arena, strlen(path) + 2);
  size_t len = 0;
  if (out == NULL) return NULL;
  while (*path != '\0') {
    size_t part = strcspn(path, "/");
    if (part == 2 && path[0] == '.' && path[1] == '.') {
      while (len > 0 && out[--len] != '/')
        continue;
    } else if (part > 0 && !(part == 1 && path[0] == '.')) {
      out[len++] = '/';
      memcpy(out + len, path, part);
      len += part;
    }
    path += part;
    if (*path == '/') path++;
  }
  if (len == 0) out[len++] = '/';
  out[len] = '\0';
  return out;
}

const char *e2b__host_path_name(const char *clean) {
  const char *slash = strrchr(clean, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : clean;
}

static int open_in_root(int root, const char *path, struct open_how *how) {
  for (int tries = 0; tries < 32; tries++) {
    int fd = (int)syscall(SYS_openat2, root, path, how, sizeof *how);
    if (fd >= 0) return fd;
    /* The kernel saw a rename while it walked: again. */
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -errno;
}

/* File systems that were mounted inside, such as /dev/shm, know only users of the sandbox: nobody
 * else can own a new file there, root of the machine neither. Between these two, one of them does.
 */
static void become_inside(const e2b__host_sandbox_t *sandbox, uid_t inside) {
  uid_t id = e2b__host_machine_uid(sandbox->host, inside);
  setfsgid(id);
  setfsuid(id);
}

static void become_self(void) {
  int error = errno;
  setfsuid(geteuid());
  setfsgid(getegid());
  errno = error;
}

int e2b__host_open(const e2b__host_sandbox_t *sandbox, const char *path, int flags, mode_t mode) {
  struct open_how how;
  if (sandbox->disk_full && (flags & (O_WRONLY | O_RDWR | O_CREAT))) return -ENOSPC;
  if (sandbox->host->isolation == E2B__ISOLATION_NONE) {
    int fd = open(path, flags | O_CLOEXEC, mode);
    return fd >= 0 ? fd : -errno;
  }
  memset(&how, 0, sizeof how);
  how.flags = (uint64_t)(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  int fd = open_in_root(sandbox->root_fd, path, &how);
  if (fd == -EOVERFLOW && (flags & O_CREAT)) {
    become_inside(sandbox, 0);
    fd = open_in_root(sandbox->root_fd, path, &how);
    /* That root has none of its powers here: a directory may be the user's alone. */
    become_inside(sandbox, E2B__SANDBOX_UID);
    if (fd == -EACCES) fd = open_in_root(sandbox->root_fd, path, &how);
    become_self();
  }
  return fd >= 0 ? e2b__host_vet(fd, flags) : fd;
}

int e2b__host_stat(const e2b__host_sandbox_t *sandbox, const char *path, bool follow,
                   struct stat *st) {
  int fd = e2b__host_open(sandbox, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
  if (fd < 0) return fd;
  int rc = fstat(fd, st) == 0 ? 0 : -errno;
  close(fd);
  return rc;
}

int e2b__host_files_lend(const e2b__host_sandbox_t *sandbox, e2b__host_sandbox_t *files) {
  files->host = sandbox->host;
  files->root_fd = sandbox->root_fd >= 0 ? fcntl(sandbox->root_fd, F_DUPFD_CLOEXEC, 0) : -1;
  return files->root_fd >= 0 ? 0 : -errno;
}

void e2b__host_files_return(e2b__host_sandbox_t *files) {
  if (files->host != NULL && files->root_fd >= 0) close(files->root_fd);
}

int e2b__host_open_parent(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena,
                          const char *clean) {
  size_t len = (size_t)(strrchr(clean, '/') - clean);
  char *parent = e2b__arena_strndup(arena, clean, len > 0 ? len : 1);
  if (parent == NULL) return -ENOMEM;
  return e2b__host_open(sandbox, parent, O_PATH | O_DIRECTORY, 0);
}

static int make_directory(const e2b__host_sandbox_t *sandbox, int parent, const char *name) {
  int rc = mkdirat(parent, name, 0755);
  if (rc == 0 || errno != EOVERFLOW) return rc;
  become_inside(sandbox, 0);
  rc = mkdirat(parent, name, 0755);
  become_self();
  if (rc == 0 || errno != EACCES) return rc;
  become_inside(sandbox, E2B__SANDBOX_UID);
  rc = mkdirat(parent, name, 0755);
  become_self();
  return rc;
}

int e2b__host_make_path(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *clean,
                        bool as_root, const char **blame) {
  uid_t owner = e2b__host_machine_uid(sandbox->host, as_root ? 0 : E2B__SANDBOX_UID);
  char *part = e2b__arena_strndup(arena, clean, strlen(clean));
  int parent = -1, rc = 0;
  if (part == NULL) return -ENOMEM;
  if (blame != NULL) *blame = part;
  int fd = e2b__host_open(sandbox, clean, O_PATH | O_DIRECTORY, 0);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (fd != -ENOENT && fd != -ENOTDIR) return fd;
  parent = e2b__host_open(sandbox, "/", O_PATH | O_DIRECTORY, 0);
  if (parent < 0) return parent;
  for (char *slash = part; rc == 0 && slash != NULL && parent >= 0;) {
    const char *name = slash + 1;
    slash = strchr(name, '/');
    if (slash != NULL) *slash = '\0';
    fd = e2b__host_open(sandbox, part, O_PATH | O_DIRECTORY, 0);
    if (fd == -ENOENT) {
      /* Somebody else may be as quick; then his directory does. */
      if (make_directory(sandbox, parent, name) == 0) {
        if (owner != geteuid()) fchownat(parent, name, owner, owner, AT_SYMLINK_NOFOLLOW);
        e2b__host_directory_chmod(parent, name, 0755);
      } else if (errno != EEXIST) {
        rc = -errno;
      }
      if (rc == 0) fd = e2b__host_open(sandbox, part, O_PATH | O_DIRECTORY, 0);
    }
    close(parent);
    parent = fd;
    if (rc == 0 && fd < 0) rc = fd;
    if (slash != NULL && rc == 0) *slash = '/';
  }
  if (parent >= 0) close(parent);
  return rc;
}

char *e2b__host_path_of(e2b__arena_t *arena, int fd) {
  char link[32], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, target, sizeof target);
  return len > 0 ? e2b__arena_strndup(arena, target, (size_t)len) : NULL;
}

const char *e2b__host_error_text(int error) {
  static char text[128];
  snprintf(text, sizeof text, "%s", strerror(error));
  for (char *p = text; *p != '\0'; p++)
    *p = (char)tolower((unsigned char)*p);
  return text;
}
