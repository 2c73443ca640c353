/* SPDX-License-Identifier: MIT */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"

/* What the child could not do; it is told through a pipe that a successful exec closes. */
typedef struct report {
  e2b__spawn_result_t result;
  int error;
} report_t;

/* ---- environment ---- */

static int same_name(const char *a, const char *b) {
  size_t len = strcspn(a, "=");
  return strncmp(a, b, len) == 0 && (b[len] == '=' || b[len] == '\0');
}

static int has_name(char **list, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (same_name(list[i], name)) return 1;
  return 0;
}

/* The caller's, then the agent's own, then what every terminal has. The strings are lent. */
static char **make_environment(char **envs) {
  static const char *const dropped[] = {"COLUMNS", "LINES"};
  static char term[] = "TERM=xterm-256color", lang[] = "LANG=C.UTF-8";
  char *const defaults[] = {term, lang};
  size_t given = 0, own = 0, count = 0;
  while (envs != NULL && envs[given] != NULL)
    given++;
  while (environ[own] != NULL)
    own++;
  char **all = e2b__calloc(given + own + E2B__COUNT(defaults) + 1, sizeof *all);
  if (all == NULL) return NULL;
  for (size_t i = 0; i < given; i++) {
    /* Of two of one name the last counts. */
    if (!has_name(envs + i + 1, given - i - 1, envs[i])) all[count++] = envs[i];
  }
  given = count;
  for (size_t i = 0; i < own; i++) {
    if (same_name(environ[i], dropped[0]) || same_name(environ[i], dropped[1])) continue;
    if (!has_name(all, given, environ[i])) all[count++] = environ[i];
  }
  for (size_t i = 0; i < E2B__COUNT(defaults); i++)
    if (!has_name(all, count, defaults[i])) all[count++] = defaults[i];
  return all;
}

/* ---- the child ---- */

__attribute__((noreturn)) static void fail(int pipe, e2b__spawn_result_t result) {
  report_t report = {result, errno};
  (void)!write(pipe, &report, sizeof report);
  _exit(127);
}

/* Handlers do not survive an exec, but what is ignored or blocked does. */
static void reset_signals(void) {
  sigset_t none;
  for (int sig = 1; sig < NSIG; sig++)
    signal(sig, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void enter_directory(const e2b__spawn_t *spawn, int pipe) {
  int at_home = chdir(spawn->home) == 0;
  if (spawn->cwd == NULL) {
    if (!at_home && chdir("/") != 0) fail(pipe, E2B__SPAWN_NO_CWD);
  } else if ((!at_home && spawn->cwd[0] != '/') || chdir(spawn->cwd) != 0) {
    fail(pipe, E2B__SPAWN_NO_CWD);
  }
}

static e2b__spawn_result_t exec_result(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR:
  case EACCES:
  case EPERM:
  case ENOEXEC:
  case EISDIR:
  case ELOOP:
  case ENAMETOOLONG:
  case ETXTBSY:
  case EINVAL:
  case ELIBBAD: return E2B__SPAWN_NO_PROGRAM;
  case EAGAIN:
  case ENOMEM: return E2B__SPAWN_LIMIT;
  default: return E2B__SPAWN_SYSTEM;
  }
}

__attribute__((noreturn)) static void run(const e2b__spawn_t *spawn, char **environment,
                                          int terminal, int pipe) {
  reset_signals();
  if (setsid() < 0 || ioctl(terminal, TIOCSCTTY, 0) != 0) fail(pipe, E2B__SPAWN_SYSTEM);
  for (int fd = 0; fd < 3; fd++)
    if (dup2(terminal, fd) < 0) fail(pipe, E2B__SPAWN_SYSTEM);
  setrlimit(RLIMIT_NOFILE, &spawn->files);
  enter_directory(spawn, pipe);
  environ = environment;
  if (spawn->argv[0][0] != '\0')
    execvp(spawn->argv[0], spawn->argv);
  else
    errno = ENOENT;
  fail(pipe, exec_result(errno));
}

/* ---- the parent ---- */

/* Both ends of a new terminal. */
static int open_terminal(const e2b__spawn_t *spawn, int ends[2]) {
  int unlock = 0;
  unsigned number;
  struct termios modes;
  struct winsize size = {spawn->rows, spawn->cols, 0, 0};
  char path[32] = "/dev/pts/", *to = path + 9;

  ends[1] = -1;
  ends[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (ends[0] < 0) return -1;
  if (ioctl(ends[0], TIOCSPTLCK, &unlock) != 0 || ioctl(ends[0], TIOCGPTN, &number) != 0) return -1;
  char digits[12];
  int count = 0;
  do
    digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0)
    *to++ = digits[--count];
  ends[1] = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ends[1] < 0) return -1;
  ioctl(ends[1], TIOCSWINSZ, &size);
  /* So that the kernel's line editing erases whole characters. */
  if (tcgetattr(ends[1], &modes) == 0) {
    modes.c_iflag |= IUTF8;
    tcsetattr(ends[1], TCSANOW, &modes);
  }
  return 0;
}

static void close_if(int fd) {
  if (fd >= 0) close(fd);
}

static e2b__spawn_result_t system_result(int error) {
  switch (error) {
  case EMFILE:
  case ENFILE:
  case ENOSPC:
  case EAGAIN:
  case ENOMEM: return E2B__SPAWN_LIMIT;
  default: return E2B__SPAWN_SYSTEM;
  }
}

static int start(const e2b__spawn_t *spawn, char **environment, int terminal, int pipe[2],
                 pid_t *pid) {
  sigset_t all, before;
  if (environment == NULL) {
    errno = ENOMEM;
    return -1;
  }
  /* No signal may meet the child with the agent's dispositions. */
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  *pid = fork();
  if (*pid == 0) run(spawn, environment, terminal, pipe[1]);
  int saved = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = saved;
  return *pid > 0 ? 0 : -1;
}

e2b__spawn_result_t e2b__spawn(const e2b__spawn_t *spawn, pid_t *pid, int *master, int *error) {
  int ends[2], pipe[2] = {-1, -1};
  report_t report = {E2B__SPAWN_GOOD, 0};
  ssize_t got = 0;

  char **environment = make_environment(spawn->envs);
  if (open_terminal(spawn, ends) != 0 || pipe2(pipe, O_CLOEXEC) != 0 ||
      start(spawn, environment, ends[1], pipe, pid) != 0)
    report = (report_t){system_result(errno), errno};
  e2b__free(environment);
  close_if(ends[1]);
  close_if(pipe[1]);
  if (report.result == E2B__SPAWN_GOOD) {
    while ((got = read(pipe[0], &report, sizeof report)) < 0 && errno == EINTR)
      continue;
    if (got != (ssize_t)sizeof report) report.result = E2B__SPAWN_GOOD;
  }
  close_if(pipe[0]);
  *error = report.error;
  *master = ends[0];
  if (report.result != E2B__SPAWN_GOOD) close_if(ends[0]);
  return report.result;
}
