/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* Starting one process: its descriptors, its identity, its limits, its program. */

enum { USER_ID = 1000 };

typedef struct report {
  int error;
  int stage;
} report_t;

typedef struct ends {
  int child[3]; /* what becomes 0, 1, 2 of the new process; a terminal three times */
  int tty;      /* the terminal's near end, or -1 */
  bool given;   /* somebody else's to close */
} ends_t;

static void ends_close(ends_t *ends) {
  if (ends->given) return;
  if (ends->tty >= 0) close(ends->tty);
  for (int i = 0; ends->tty < 0 && i < 3; i++)
    if (ends->child[i] >= 0) close(ends->child[i]);
  ends->tty = ends->child[0] = ends->child[1] = ends->child[2] = -1;
}

static int open_terminal(const e2b__spawner_child_t *child, ends_t *ends,
                         e2b__spawner_result_t *result) {
  int unlock = 0;
  unsigned number = 0;
  char path[32];
  struct winsize size = {child->rows, child->cols, 0, 0};

  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return -1;
  result->fds[result->fd_count++] = master;
  if (ioctl(master, TIOCSPTLCK, &unlock) != 0 || ioctl(master, TIOCGPTN, &number) != 0) return -1;
  snprintf(path, sizeof path, "/dev/pts/%u", number);
  ends->tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ends->tty < 0) return -1;
  ioctl(master, TIOCSWINSZ, &size);
  if (child->flags & E2B__SPAWNER_AS_USER) (void)!fchown(ends->tty, USER_ID, (gid_t)-1);
  for (int i = 0; i < 3; i++)
    ends->child[i] = ends->tty;
  return 0;
}

/* A pipe belongs to the user who may want to open it again as /dev/stdout. */
static int open_pipe(const e2b__spawner_child_t *child, int *read_end, int *write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return -1;
  if (child->flags & E2B__SPAWNER_AS_USER) (void)!fchown(fds[0], USER_ID, USER_ID);
  *read_end = fds[0];
  *write_end = fds[1];
  return 0;
}

static int open_pipes(const e2b__spawner_child_t *child, ends_t *ends,
                      e2b__spawner_result_t *result) {
  if (child->flags & E2B__SPAWNER_NO_STDIN) {
    ends->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (ends->child[0] < 0) return -1;
  } else {
    if (open_pipe(child, &ends->child[0], &result->fds[0]) != 0) return -1;
    result->fd_count = 1;
  }
  for (int i = 1; i < 3; i++) {
    if (open_pipe(child, &result->fds[result->fd_count], &ends->child[i]) != 0) return -1;
    result->fd_count++;
  }
  return 0;
}

static int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  return written < 0 ? -1 : 0;
}

static int become_user(const e2b__spawner_child_t *child, e2b__spawner_identity_t identity) {
  if (!(child->flags & E2B__SPAWNER_AS_USER)) return 0;
  switch (identity) {
  case E2B__IDENTITY_MAPPED:
  case E2B__IDENTITY_MACHINE:
    if (setgroups(0, NULL) != 0 || setresgid(USER_ID, USER_ID, USER_ID) != 0) return -1;
    return setresuid(USER_ID, USER_ID, USER_ID);
  case E2B__IDENTITY_NESTED:
    if (unshare(CLONE_NEWUSER) != 0) return -1;
    /* Else its own maps are not its own to write. */
    if (prctl(PR_SET_DUMPABLE, 1) != 0) return -1;
    if (write_text("/proc/self/setgroups", "deny") != 0) return -1;
    if (write_text("/proc/self/uid_map", "1000 0 1") != 0) return -1;
    return write_text("/proc/self/gid_map", "1000 0 1");
  case E2B__IDENTITY_CALLER: break;
  }
  return 0;
}

static void limit(int resource, rlim_t want) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) return;
  if (now.rlim_max == RLIM_INFINITY || now.rlim_max > want) now.rlim_max = want;
  now.rlim_cur = now.rlim_max < want ? now.rlim_max : want;
  setrlimit(resource, &now);
}

static void set_limits(e2b__spawner_identity_t identity) {
  write_text("/proc/self/oom_score_adj", "100");
  if (identity == E2B__IDENTITY_CALLER) return;
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 65536);
}

__attribute__((noreturn)) static void fail(int report_fd, int stage) {
  report_t report = {errno, stage};
  (void)!write(report_fd, &report, sizeof report);
  _exit(127);
}

/* What a shell would say and do. */
__attribute__((noreturn)) static void refuse_program(const char *program, int error) {
  char line[512];
  int len = snprintf(line, sizeof line, "e2b: '%.300s': %s\n", program, strerror(error));
  (void)!write(2, line, (size_t)len);
  _exit(error == ENOENT ? 127 : 126);
}

/* All but one: past its share of the disk a program is told so by its write, as on any full disk,
 * and lives. */
static void reset_signals(void) {
  sigset_t none;
  for (int signal_number = 1; signal_number < 32; signal_number++)
    if (signal_number != SIGKILL && signal_number != SIGSTOP) signal(signal_number, SIG_DFL);
  signal(SIGXFSZ, SIG_IGN);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void run(const e2b__spawner_child_t *child, ends_t *ends,
                                          e2b__spawner_identity_t identity, int report_fd) {
  /* Between the sandbox's namespaces and its program this is one of the sandbox's processes with
   * the spawner's descriptors and memory: none of its others may look into it. */
  close(E2B__SPAWNER_SOCKET_FD);
  reset_signals();
  umask(022);
  setsid();
  if (ends->tty >= 0 && ioctl(ends->tty, TIOCSCTTY, 0) != 0)
    fail(report_fd, E2B__SPAWNER_STAGE_SETUP);
  for (int i = 0; i < 3; i++)
    if (dup2(ends->child[i], i) < 0) fail(report_fd, E2B__SPAWNER_STAGE_SETUP);
  set_limits(identity);
  prctl(PR_SET_DUMPABLE, 0);
  if (e2b__inner_enter() != 0) fail(report_fd, E2B__SPAWNER_STAGE_SETUP);
  if (become_user(child, identity) != 0) fail(report_fd, E2B__SPAWNER_STAGE_SETUP);
  if (chdir(child->cwd) != 0) fail(report_fd, E2B__SPAWNER_STAGE_CWD);
  environ = child->env;
  if (child->argv[0][0] == '\0')
    errno = ENOENT;
  else
    execvpe(child->argv[0], child->argv, child->env);
  switch (errno) {
  case ENOENT:
  case ENOTDIR: refuse_program(child->argv[0], ENOENT);
  case EACCES:
  case ENOEXEC:
  case EISDIR:
  case ELOOP:
  case ENAMETOOLONG:
  case ETXTBSY: refuse_program(child->argv[0], errno);
  default: fail(report_fd, E2B__SPAWNER_STAGE_EXEC);
  }
}

void e2b__spawner_start(const e2b__spawner_child_t *child, e2b__spawner_identity_t identity,
                        e2b__spawner_result_t *result) {
  ends_t ends = {{-1, -1, -1}, -1, false};
  int report_pipe[2] = {-1, -1};
  report_t report = {0, E2B__SPAWNER_STAGE_SETUP};

  memset(result, 0, sizeof *result);
  int rc = 0;
  if (child->given != NULL) {
    ends.given = true;
    memcpy(ends.child, child->given, sizeof ends.child);
  } else if (child->flags & E2B__SPAWNER_PTY) {
    rc = open_terminal(child, &ends, result);
  } else {
    rc = open_pipes(child, &ends, result);
  }
  if (rc == 0) rc = pipe2(report_pipe, O_CLOEXEC);
  if (rc == 0) {
    result->pid = fork();
    if (result->pid == 0) run(child, &ends, identity, report_pipe[1]);
    if (result->pid < 0) rc = -1;
  }
  if (rc != 0) report.error = errno;
  ends_close(&ends);
  if (report_pipe[1] >= 0) close(report_pipe[1]);
  /* The pipe ends without a word when the program has replaced the child, or the child has said
   * its say as a shell would. */
  if (rc == 0) {
    ssize_t got;
    while ((got = read(report_pipe[0], &report, sizeof report)) < 0 && errno == EINTR)
      continue;
    if (got != (ssize_t)sizeof report) report.error = 0;
  }
  if (report_pipe[0] >= 0) close(report_pipe[0]);
  result->error = report.error;
  result->stage = report.stage;
  if (result->error == 0) return;
  for (int i = 0; i < result->fd_count; i++)
    close(result->fds[i]);
  result->fd_count = 0;
}
