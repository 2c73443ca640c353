/* SPDX-License-Identifier: MIT */
#include "agent/ensure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* One agent for a home directory. Whoever asks holds the directory's lock while it looks and, if
 * need be, starts one: so there is one asker at a time, and an agent that holds its own lock has
 * either told its address or is about to, because who started it was killed. */

enum { PATIENCE_S = 20, POLL_MS = 5, ADDRESS_MOST = 512 };

#define DIRECTORY ".e2b"

static void say(int fd, const char *text) {
  size_t len = strlen(text);
  while (len > 0) {
    ssize_t written = write(fd, text, len);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text += written;
    len -= (size_t)written;
  }
}

static int fail(const char *what) {
  int error = errno;
  say(2, "e2b-agent: ");
  say(2, what);
  say(2, ": ");
  say(2, error == EINTR ? "timed out" : strerror(error));
  say(2, "\n");
  return 1;
}

static const char *home_directory(void) {
  const char *home = getenv("HOME");
  return home != NULL && home[0] == '/' ? home : "/";
}

/* ---- the clock of the whole command ---- */

static void on_alarm(int sig) {
  (void)sig;
}

/* From then on every blocking call fails with EINTR, again and again. */
static void start_clock(void) {
  struct sigaction action = {.sa_handler = on_alarm};
  struct itimerval when = {{0, 100000}, {PATIENCE_S, 0}};
  sigset_t alarm_set;
  sigaction(SIGALRM, &action, NULL);
  sigemptyset(&alarm_set);
  sigaddset(&alarm_set, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);
  setitimer(ITIMER_REAL, &when, NULL);
}

/* ---- what is on disk ---- */

/* The directory, locked; -1 and errno. */
static int open_directory(bool make) {
  struct stat status;
  int dir = -1;
  int home = open(home_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home < 0) return -1;
  if (!make || mkdirat(home, DIRECTORY, 0700) == 0 || errno == EEXIST)
    dir = openat(home, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int saved = errno;
  close(home);
  errno = saved;
  if (dir < 0) return -1;
  if (fstat(dir, &status) == 0 && status.st_uid != geteuid()) {
    errno = EPERM; /* its owner would choose whom we talk to */
  } else if (flock(dir, LOCK_EX) == 0) {
    return dir;
  }
  saved = errno;
  close(dir);
  errno = saved;
  return -1;
}

/* The agent's lock: *held when an agent has it. -1 and errno. */
static int try_lock(int dir, bool *held) {
  int lock = openat(dir, "agent.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock < 0) return -1;
  *held = flock(lock, LOCK_EX | LOCK_NB) != 0;
  return lock;
}

/* Copies all there is to `out`, as a string. How long it is. */
static size_t read_all(int fd, char *out, size_t size) {
  size_t len = 0;
  while (len < size - 1) {
    ssize_t got = read(fd, out + len, size - 1 - len);
    if (got <= 0) break;
    len += (size_t)got;
  }
  out[len] = '\0';
  return len;
}

static bool read_address(int dir, char out[ADDRESS_MOST]) {
  int fd = openat(dir, E2B__AGENT_ADDRESS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  size_t len = read_all(fd, out, ADDRESS_MOST);
  close(fd);
  return len > 0 && out[len - 1] == '\n';
}

/* Prints the address of the agent that holds the lock. 0; 1: it let go; -1 and errno. */
static int print_running(int dir) {
  char address[ADDRESS_MOST];
  for (;;) {
    bool held = true;
    if (read_address(dir, address)) {
      say(1, address);
      return 0;
    }
    int lock = try_lock(dir, &held);
    if (lock < 0) return -1;
    close(lock);
    if (!held) return 1;
    struct timespec pause = {0, POLL_MS * 1000000L};
    if (nanosleep(&pause, NULL) != 0) return -1;
  }
}

/* ---- the commands ---- */

static int start(const e2b__options_t *options, int dir, int lock) {
  char words[ADDRESS_MOST];
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return fail("pipe");
  /* What is there is of an agent that was killed. */
  unlinkat(dir, E2B__AGENT_ADDRESS, 0);
  pid_t pid = fork();
  if (pid < 0) return fail("fork");
  if (pid == 0) {
    close(ready[0]);
    /* The directory's lock is the parent's: the child opens it anew. */
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(dir);
    exit(e2b__daemon(options, home_directory(), own, lock, ready[1]));
  }
  close(ready[1]);
  size_t len = read_all(ready[0], words, sizeof words);
  close(ready[0]);
  if (len > 0 && words[0] == '{') {
    say(1, words);
    return 0;
  }
  if (len == 0) return fail("the agent did not start");
  say(2, words);
  return 1;
}

int e2b__ensure(const e2b__options_t *options) {
  start_clock();
  int dir = open_directory(true);
  if (dir < 0) return fail("$HOME/" DIRECTORY);
  int code = -1;
  while (code < 0) {
    bool held;
    int lock = try_lock(dir, &held);
    if (lock < 0) {
      code = fail("agent.lock");
    } else if (held) {
      int rc = print_running(dir);
      code = rc == 0 ? 0 : rc < 0 ? fail("agent.json") : -1;
    } else {
      code = start(options, dir, lock);
    }
    if (lock >= 0) close(lock);
  }
  return code;
}

int e2b__find(void) {
  start_clock();
  int dir = open_directory(false);
  if (dir < 0 && errno == ENOENT) {
    say(1, "{}\n");
    return 0;
  }
  if (dir < 0) return fail("$HOME/" DIRECTORY);
  bool held;
  int lock = try_lock(dir, &held);
  if (lock < 0) return fail("agent.lock");
  int rc = held ? print_running(dir) : 1;
  if (rc < 0) return fail("agent.json");
  if (rc > 0) say(1, "{}\n");
  return 0;
}
