/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spawn.h"

/* The sixth field of /proc/PID/stat; the second, the program's name in parentheses, may hold
 * anything. */
static pid_t session_of(int proc, const char *pid) {
  char path[32], text[512];
  size_t len = strlen(pid);
  if (len + sizeof "/stat" > sizeof path) return -1;
  memcpy(path, pid, len + 1);
  memcpy(path + len, "/stat", sizeof "/stat");
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return -1;
  text[got] = '\0';
  char *at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 6; field++)
    at = strchr(at + 1, ' ');
  return at != NULL ? (pid_t)atol(at + 1) : -1;
}

int e2b__signal_sessions(int sig, int (*wanted)(pid_t session, void *user_data), void *user_data) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  int seen = 0;
  if (proc == NULL) return 0;
  while ((entry = readdir(proc)) != NULL) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    pid_t session = session_of(dirfd(proc), entry->d_name);
    if (session <= 0) continue;
    seen = 1;
    if (wanted(session, user_data)) kill((pid_t)atol(entry->d_name), sig);
  }
  closedir(proc);
  return seen;
}
