/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* What runs in the sandbox is root at most in a user namespace within the spawner's. From there
 * bubblewrap's mounts are locked, so that no read-only one can be made writable or taken away to
 * see what it covers; the spawner cannot be traced, looked into or signalled; and the kernel counts
 * every process inside, whatever its user, against the one limit under which the namespace was
 * made. */

static const struct {
  const char *name;
  int type;
} kinds[] = {{"user", CLONE_NEWUSER},
             {"mnt", CLONE_NEWNS},
             {"net", CLONE_NEWNET},
             {"ipc", CLONE_NEWIPC},
             {"uts", CLONE_NEWUTS}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static int inner[KINDS] = {-1, -1, -1, -1, -1};

static int raise_loopback(void) {
  struct ifreq request;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  int rc = ioctl(fd, SIOCSIFFLAGS, &request);
  close(fd);
  return rc;
}

/* Makes the namespaces, waits until they are mapped, and sets them up. */
__attribute__((noreturn)) static void make(int ready, int go) {
  static const char name[] = "e2b";
  int all = 0, error = 0;
  char byte;
  for (size_t i = 0; i < KINDS; i++)
    all |= kinds[i].type;
  if (unshare(all) != 0) error = errno;
  if (write(ready, &error, sizeof error) != (ssize_t)sizeof error || error != 0) _exit(1);
  if (read(go, &byte, 1) != 1) _exit(1);
  if (raise_loopback() != 0 || sethostname(name, sizeof name - 1) != 0) error = errno;
  (void)!write(ready, &error, sizeof error);
  pause();
  _exit(0);
}

static int heard(int fd) {
  int error = 0;
  ssize_t got;
  while ((got = read(fd, &error, sizeof error)) < 0 && errno == EINTR)
    continue;
  if (got == (ssize_t)sizeof error && error == 0) return 0;
  errno = error != 0 ? error : EPIPE;
  return -1;
}

static int take(pid_t pid, int *root) {
  char path[64];
  for (size_t i = 0; i < KINDS; i++) {
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kinds[i].name);
    inner[i] = open(path, O_RDONLY | O_CLOEXEC);
    if (inner[i] < 0) return -1;
  }
  snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
  *root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return *root < 0 ? -1 : 0;
}

int e2b__inner_make(e2b__spawner_identity_t identity, int *root) {
  const char *map = identity == E2B__IDENTITY_MAPPED ? "0 0 65536" : "0 0 1";
  int ready[2], go[2], status;

  if (pipe2(ready, O_CLOEXEC) != 0) return -1;
  if (pipe2(go, O_CLOEXEC) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    close(ready[0]);
    close(go[1]);
    make(ready[1], go[0]);
  }
  close(ready[1]);
  close(go[0]);
  int rc = pid > 0 ? heard(ready[0]) : -1;
  if (rc == 0) rc = e2b__spawner_write_proc(pid, "uid_map", map);
  if (rc == 0) rc = e2b__spawner_write_proc(pid, "gid_map", map);
  if (rc == 0 && write(go[1], "x", 1) != 1) rc = -1;
  if (rc == 0) rc = heard(ready[0]);
  if (rc == 0) rc = take(pid, root);
  int saved = errno;
  if (pid > 0) {
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
      continue;
  }
  close(ready[0]);
  close(go[1]);
  /* What connects to the sandbox's ports and hears its `sudo` is the spawner. */
  for (size_t i = 0; rc == 0 && i < KINDS; i++)
    if (kinds[i].type == CLONE_NEWNET) rc = setns(inner[i], CLONE_NEWNET);
  if (rc != 0 && saved != 0) errno = saved;
  return rc;
}

int e2b__inner_enter(void) {
  for (size_t i = 0; i < KINDS && inner[0] >= 0; i++)
    if (setns(inner[i], kinds[i].type) != 0) return -1;
  return 0;
}
