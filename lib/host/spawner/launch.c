/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* The first argument says which user namespace the sandbox gets:
 *   m<BASE>  as root: the ids 0 to 65535 become BASE and up, so that nobody inside is the
 *            machine's root
 *   n        as an ordinary user: 0 inside is the caller, there are no other ids
 *   r        none: the sandbox's ids are the machine's
 * A j in front: within the user namespace at E2B__SPAWNER_OUTER_FD.
 * The rest is the command line of bubblewrap. Inside its own user namespace bubblewrap sees itself
 * as root, so it needs neither a setuid bit nor --unshare-user. */

int e2b__spawner_write_proc(pid_t pid, const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, text, strlen(text));
  int saved = errno;
  close(fd);
  errno = saved;
  return written == (ssize_t)strlen(text) ? 0 : -1;
}

/* Of the user namespace that the caller is in. One of a single id forbids setgroups(). */
static int become_root(void) {
  if (setgroups(0, NULL) != 0 && errno != EPERM) return -1;
  if (setresgid(0, 0, 0) != 0) return -1;
  return setresuid(0, 0, 0);
}

/* Only a process outside the new namespace that kept its capabilities may write a map of many
 * ids: a child made before the namespace does it. */
static int map_range(unsigned long base) {
  char map[64];
  int ready[2];
  pid_t self = getpid();
  int status = 0;

  snprintf(map, sizeof map, "0 %lu 65536", base);
  if (pipe2(ready, O_CLOEXEC) != 0) return -1;
  pid_t helper = fork();
  if (helper < 0) return -1;
  if (helper == 0) {
    char byte;
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) _exit(1);
    if (e2b__spawner_write_proc(self, "uid_map", map) != 0) _exit(errno & 0xff);
    if (e2b__spawner_write_proc(self, "gid_map", map) != 0) _exit(errno & 0xff);
    _exit(0);
  }
  close(ready[0]);
  int rc = unshare(CLONE_NEWUSER);
  int saved = errno;
  if (rc == 0 && write(ready[1], "x", 1) != 1) rc = -1;
  close(ready[1]);
  while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
    continue;
  errno = saved;
  if (rc != 0) return -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    errno = WIFEXITED(status) && WEXITSTATUS(status) != 1 ? WEXITSTATUS(status) : EPERM;
    return -1;
  }
  return become_root();
}

static int map_self(void) {
  char map[64];
  uid_t uid = geteuid();
  gid_t gid = getegid();

  if (unshare(CLONE_NEWUSER) != 0) return -1;
  if (e2b__spawner_write_proc(getpid(), "setgroups", "deny") != 0 && errno != ENOENT) return -1;
  snprintf(map, sizeof map, "0 %lu 1", (unsigned long)uid);
  if (e2b__spawner_write_proc(getpid(), "uid_map", map) != 0) return -1;
  snprintf(map, sizeof map, "0 %lu 1", (unsigned long)gid);
  return e2b__spawner_write_proc(getpid(), "gid_map", map);
}

int e2b__spawner_user_namespace(unsigned long base) {
  return base == E2B__SPAWNER_ONE_ID ? map_self() : map_range(base);
}

int e2b__spawner_join(int user_namespace) {
  if (setns(user_namespace, CLONE_NEWUSER) != 0 || become_root() != 0) return -1;
  /* The change of ids has made /proc/self the machine's root's, who writes no maps here. */
  return prctl(PR_SET_DUMPABLE, 1);
}

int e2b__spawner_launch(char **argv) {
  const char *mode = argv[0];
  int rc = 0;

  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return 1;
  if (mode[0] == 'j') {
    mode++;
    rc = e2b__spawner_join(E2B__SPAWNER_OUTER_FD);
  }
  close(E2B__SPAWNER_OUTER_FD);
  if (rc == 0 && mode[0] == 'm') rc = e2b__spawner_user_namespace(strtoul(mode + 1, NULL, 10));
  if (rc == 0 && mode[0] == 'n') rc = e2b__spawner_user_namespace(E2B__SPAWNER_ONE_ID);
  if (rc != 0) {
    fprintf(stderr, "cannot make a user namespace: %s\n", strerror(errno));
    return 1;
  }
  /* Changing ids has cleared it. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return 1;
  execvp(argv[1], argv + 1);
  fprintf(stderr, "cannot run %s: %s\n", argv[1], strerror(errno));
  return 127;
}
