/* SPDX-License-Identifier: MIT */
#include "host/vet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/paths.h"

/* Files that are the kernel's and not the sandbox's: what they allow depends on who opens them, and
 * this process may be the machine's root. */
static bool is_kernels(const struct statfs *fs) {
  static const unsigned long magics[] = {
      SYSFS_MAGIC,      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,
      SECURITYFS_MAGIC, BPF_FS_MAGIC,       BINFMTFS_MAGIC,      EFIVARFS_MAGIC, PSTOREFS_MAGIC,
      SELINUX_MAGIC,    DEVPTS_SUPER_MAGIC, 0x19800202 /* POSIX message queues */};
  for (size_t i = 0; i < E2B__COUNT(magics); i++)
    if ((unsigned long)fs->f_type == magics[i]) return true;
  return false;
}

/* In /proc a sandbox's processes may be read, and what everybody may read of the machine unless it
 * says where things lie in the kernel's memory. Nothing is written. */
static bool may_open_proc(int fd, int flags) {
  static const char *const hidden[] = {"iomem", "ioports", "kallsyms", "modules", "timer_list"};
  char link[32], path[4096];
  struct stat st;
  if (flags & O_PATH) return true;
  if ((flags & O_ACCMODE) != O_RDONLY || fstat(fd, &st) != 0) return false;
  if (S_ISDIR(st.st_mode)) return true;
  /* An ordinary user's host may read no more than the sandbox may. */
  if (st.st_uid != 0 || geteuid() != 0) return true;
  if (!(st.st_mode & S_IROTH)) return false;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, path, sizeof path - 1);
  if (len <= 0) return false;
  path[len] = '\0';
  for (size_t i = 0; i < E2B__COUNT(hidden); i++)
    if (strcmp(e2b__host_path_name(path), hidden[i]) == 0) return false;
  return true;
}

int e2b__host_vet(int fd, int flags) {
  struct statfs fs;
  if (fstatfs(fd, &fs) == 0 && !is_kernels(&fs) &&
      ((long)fs.f_type != PROC_SUPER_MAGIC || may_open_proc(fd, flags)))
    return fd;
  close(fd);
  return -EACCES;
}
