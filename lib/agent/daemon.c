/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/ensure.h"

enum { DIR_FD = 3, LOCK_FD, READY_FD, FIRST_OTHER, OUT_OF_THE_WAY = 16, SECRET_BYTES = 32 };

/* The standard streams lead nowhere. Where there is no /dev/null, a pipe nobody writes to will do:
 * the numbers must not be given to something else. */
static int empty_streams(void) {
  int ends[2] = {-1, -1};
  int in = open("/dev/null", O_RDWR | O_CLOEXEC), out = in;
  if (in < 0) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    in = ends[0];
    out = ends[1];
  }
  return dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ? -1 : 0;
}

/* Moves three descriptors to fixed places and closes all others: whatever the command that started
 * us had open is not ours to keep. */
static int keep_only(int dir, int lock, int ready) {
  int high[3] = {fcntl(dir, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY),
                 fcntl(lock, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY),
                 fcntl(ready, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)};
  for (int i = 0; i < 3; i++)
    if (high[i] < 0 || dup3(high[i], DIR_FD + i, O_CLOEXEC) < 0) return -1;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, FIRST_OTHER, ~0U, 0) == 0) return 0;
#endif
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > 65536) files.rlim_cur = 65536;
  for (int fd = FIRST_OTHER; fd < (int)files.rlim_cur; fd++)
    close(fd);
  return 0;
}

static int make_secret(char out[E2B__SECRET_DIGITS + 1]) {
  static const char digits[] = "0123456789abcdef";
  unsigned char bytes[SECRET_BYTES];
  size_t have = 0;
  while (have < sizeof bytes) {
    ssize_t got = getrandom(bytes + have, sizeof bytes - have, 0);
    if (got < 0 && errno != EINTR) return -1;
    if (got > 0) have += (size_t)got;
  }
  for (size_t i = 0; i < sizeof bytes; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
  out[E2B__SECRET_DIGITS] = '\0';
  return 0;
}

/* Whole or not at all, and nobody else's to read. */
static int publish(int dir, const char *address, size_t len) {
  static const char fresh[] = E2B__AGENT_ADDRESS ".new";
  unlinkat(dir, fresh, 0);
  int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  bool good = write(fd, address, len) == (ssize_t)len;
  if (close(fd) != 0) good = false;
  return good ? renameat(dir, fresh, dir, E2B__AGENT_ADDRESS) : -1;
}

static int start(e2b__agent_t *agent, const e2b__options_t *options, const char **what) {
  char address[256];
  *what = "start";
  if (e2b__agent_init(agent, options) != 0) return -1;
  *what = "listen";
  if (e2b__agent_listen(agent) != 0) return -1;
  *what = "getrandom";
  if (make_secret(agent->secret) != 0) return -1;
  int len = snprintf(address, sizeof address, "{\"protocol\":1,\"port\":%u,\"secret\":\"%s\"}\n",
                     agent->port, agent->secret);
  *what = E2B__AGENT_ADDRESS;
  if (publish(DIR_FD, address, (size_t)len) != 0) return -1;
  agent->address = DIR_FD;
  *what = "pipe";
  return write(READY_FD, address, (size_t)len) == len ? 0 : -1;
}

int e2b__daemon(const e2b__options_t *options, const char *home, int dir, int lock, int ready) {
  static e2b__agent_t agent;
  const char *what = "start";
  setsid();
  (void)!chdir("/");
  if (empty_streams() != 0 || keep_only(dir, lock, ready) != 0) return 1;
  int rc = start(&agent, options, &what);
  agent.home = home;
  if (rc != 0) {
    char words[256];
    int len = snprintf(words, sizeof words, "e2b-agent: %s: %s\n", what, strerror(errno));
    (void)!write(READY_FD, words, (size_t)len);
  }
  close(READY_FD);
  if (rc == 0) e2b__agent_run(&agent);
  e2b__agent_free(&agent);
  return rc == 0 ? 0 : 1;
}
