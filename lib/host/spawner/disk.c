/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* The ceiling on the files of the sandbox together. A file system of its own with a size would have
 * to be in memory for an ordinary user, quotas have to be switched on by the machine's
 * administrator, and a loop device takes longer to make than a sandbox: so a child adds up what
 * there is, the more often the less room is left. When there is none, no process may write to a
 * file until something is deleted. A process can take that back for itself; so whoever goes on far
 * past the limit takes all processes of the sandbox along. */

enum {
  KB_PER_MS = 512, /* what is taken for the most that can be written meanwhile */
  SOONEST_MS = 200,
  LATEST_MS = 10000,
  IDLE_MS = 30000, /* when nothing runs; the host writes files too */
  OVERDRAFT_KB = 64 << 10,
  FAILURES = 3
};

static struct {
  int fd; /* what the child says; -1: there is none */
  pid_t pid;
  long long begun_ms, due_ms;
  bool full;
  int failures; /* of children, one after the other, that ended without a word */
} look = {-1, 0, 0, 0, false, 0};

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin(void) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return;
  pid_t pid = fork();
  if (pid == 0) {
    uint64_t sum_kb = 0;
    close(E2B__SPAWNER_SOCKET_FD);
    (void)!nice(10);
    if (!e2b__disk_sum(&sum_kb)) _exit(1);
    _exit(write(fds[1], &sum_kb, sizeof sum_kb) == (ssize_t)sizeof sum_kb ? 0 : 1);
  }
  close(fds[1]);
  if (pid < 0) {
    close(fds[0]);
    return;
  }
  look.fd = fds[0];
  look.pid = pid;
  look.begun_ms = now_ms();
}

static void let_write(pid_t pid, bool may) {
  struct rlimit limit;
  if (prlimit(pid, RLIMIT_FSIZE, NULL, &limit) != 0) return;
  limit.rlim_cur = may ? limit.rlim_max : 0;
  prlimit(pid, RLIMIT_FSIZE, &limit, NULL);
}

/* Those to come have it from the spawner, which writes no files. */
static void let_all_write(bool may) {
  struct dirent *entry;
  let_write(0, may);
  DIR *proc = opendir("/proc");
  while (proc != NULL && (entry = readdir(proc)) != NULL)
    if (atoi(entry->d_name) > 1) let_write(atoi(entry->d_name), may);
  if (proc != NULL) closedir(proc);
}

int e2b__disk_fd(void) {
  return look.fd;
}

bool e2b__disk_reaped(pid_t pid) {
  if (pid != look.pid) return false;
  look.pid = 0;
  return true;
}

int e2b__disk_wait(bool idle) {
  long long now = now_ms();
  long long due = idle && !look.full ? look.begun_ms + IDLE_MS : look.due_ms;
  if (look.fd >= 0) return -1;
  if (now < due) return (int)(due - now);
  begin();
  /* A child that cannot be made is tried for again. */
  look.due_ms = now + SOONEST_MS;
  return look.fd >= 0 ? -1 : SOONEST_MS;
}

e2b__disk_word_t e2b__disk_hear(unsigned long limit_mb) {
  uint64_t used_kb, limit_kb = (uint64_t)limit_mb << 10;
  ssize_t got = read(look.fd, &used_kb, sizeof used_kb);
  close(look.fd);
  look.fd = -1;
  long long now = now_ms(), took = now - look.begun_ms, wait = SOONEST_MS;
  if (got != (ssize_t)sizeof used_kb) {
    /* Files that cannot be added up, for the depth of the tree say, are too many. */
    if (++look.failures < FAILURES) return E2B__DISK_SAME;
    used_kb = limit_kb + 1;
  } else {
    look.failures = 0;
  }
  bool full = used_kb > limit_kb, was = look.full;
  uint64_t room_ms = full ? SOONEST_MS : (limit_kb - used_kb) / KB_PER_MS;
  if (room_ms > SOONEST_MS) wait = room_ms < LATEST_MS ? (long long)room_ms : LATEST_MS;
  /* Not all of its time for looking. */
  if (wait < took * 4) wait = took * 4;
  look.due_ms = now + wait;
  look.full = full;
  /* Each time: some may have been born while this was done. */
  if (full || was) let_all_write(!full);
  if (used_kb > limit_kb + limit_kb / 8 + OVERDRAFT_KB) return E2B__DISK_OVERDRAWN;
  if (full == was) return E2B__DISK_SAME;
  return full ? E2B__DISK_FULL : E2B__DISK_FREE;
}
