/* SPDX-License-Identifier: MIT */
#include "support/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#ifdef E2B_TEST_WITH_HOST

enum { MAX_ARGS = 16, MAX_PROCESSES = 65536 };

const char *program_path(void) {
  const char *named = getenv("E2B_TEST_HOST_PROGRAM");
  return named != NULL && *named != '\0' ? named : E2B_HOST_PROGRAM;
}

/* In the child: never comes back. */
static void become(const char *const *args, bool ready_made, int out, int errors) {
  const char *argv[MAX_ARGS + 4] = {"e2b-host"};
  size_t count = 1;
  if (!ready_made) {
    argv[count++] = "--listen";
    argv[count++] = "127.0.0.1:0";
  }
  for (size_t i = 0; args != NULL && args[i] != NULL && i < MAX_ARGS; i++)
    argv[count++] = args[i];
  if (!ready_made && getenv("E2B_TEST_NO_ISOLATION") != NULL) argv[count++] = "--no-isolation";
  argv[count] = NULL;
  dup2(out, 1);
  dup2(errors, 2);
  execv(program_path(), (char **)(uintptr_t)argv);
  _exit(98);
}

static pid_t fork_child(void) {
  pid_t parent = getpid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(97);
  return 0;
}

static bool read_line(FILE *file, char *line, size_t size) {
  if (fgets(line, (int)size, file) == NULL) return false;
  line[strcspn(line, "\n")] = '\0';
  return true;
}

bool program_start(program_t *program, const char *const *args) {
  static const char key[] = "E2B_API_KEY=";
  char line[sizeof program->key] = "";
  int out[2];
  memset(program, 0, sizeof *program);
  program->errors = memfd_create("errors", MFD_CLOEXEC);
  assert_true(program->errors >= 0);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  program->pid = fork_child();
  if (program->pid == 0) become(args, false, out[1], program->errors);
  close(out[1]);
  FILE *file = fdopen(out[0], "r");
  bool ready = read_line(file, program->url, sizeof program->url) &&
               read_line(file, line, sizeof line) && strncmp(line, key, strlen(key)) == 0;
  fclose(file);
  if (ready)
    strcpy(program->key, line + strlen(key));
  else
    waitpid(program->pid, NULL, 0);
  return ready;
}

int program_end(program_t *program, int signal_number) {
  int status = -1;
  if (signal_number != 0) assert_int_equal(kill(program->pid, signal_number), 0);
  while (waitpid(program->pid, &status, 0) < 0)
    assert_int_equal(errno, EINTR);
  return status;
}

unsigned program_orphans(void) {
  unsigned count = 0;
  for (;;) {
    if (waitpid(-1, NULL, __WALL) > 0)
      count++;
    else if (errno != EINTR)
      break;
  }
  assert_int_equal(errno, ECHILD);
  return count;
}

static void read_text(int fd, char *text) {
  ssize_t got = pread(fd, text, PROGRAM_TEXT - 1, 0);
  text[got > 0 ? got : 0] = '\0';
}

void program_errors(const program_t *program, char *text) {
  read_text(program->errors, text);
}

int program_run(const char *const *args, int (*prepare)(void *ctx), void *ctx, char *text) {
  int said = memfd_create("said", MFD_CLOEXEC), status = -1;
  assert_true(said >= 0);
  pid_t pid = fork_child();
  if (pid == 0) {
    /* Both outputs go on where the other is. */
    fcntl(said, F_SETFL, O_APPEND);
    if (prepare != NULL && prepare(ctx) != 0) _exit(99);
    become(args, true, said, said);
  }
  while (waitpid(pid, &status, 0) < 0)
    assert_int_equal(errno, EINTR);
  read_text(said, text);
  close(said);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- what the kernel says of it ---- */

/* -1 also for the gateway's two, which stay as long as the program. */
static pid_t parent_of(const char *pid) {
  char path[300], line[512];
  int parent = -1;
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  const char *end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
  fclose(file);
  if (end != NULL &&
      (strstr(line, "(e2b-gateway)") != NULL || strstr(line, "(slirp4netns)") != NULL))
    return -1;
  return end != NULL && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

unsigned program_descendants(const program_t *program) {
  static struct {
    pid_t pid, parent;
    bool below;
  } all[MAX_PROCESSES];
  size_t count = 0;
  unsigned below = 0;
  struct dirent *entry;
  DIR *proc = opendir("/proc");
  assert_non_null(proc);
  while ((entry = readdir(proc)) != NULL && count < MAX_PROCESSES) {
    pid_t pid = atoi(entry->d_name);
    if (pid <= 0) continue;
    all[count].pid = pid;
    all[count].parent = parent_of(entry->d_name);
    all[count++].below = false;
  }
  closedir(proc);
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < count; i++) {
      if (all[i].below) continue;
      bool found = all[i].parent == program->pid;
      for (size_t k = 0; !found && k < count; k++)
        found = all[k].below && all[k].pid == all[i].parent;
      if (!found) continue;
      all[i].below = more = true;
      below++;
    }
  }
  return below;
}

void program_descriptors(const program_t *program, unsigned *all, unsigned *sockets) {
  char path[64], target[64];
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)program->pid);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  *all = *sockets = 0;
  while ((entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
    *all += 1;
    *sockets += len > 7 && memcmp(target, "socket:", 7) == 0;
  }
  closedir(dir);
}

size_t program_resident_kb(const program_t *program) {
  char path[64];
  unsigned long pages = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)program->pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

void program_client_options(const program_t *program, e2b_client_options *options) {
  E2B_INIT(options);
  options->api_url = options->sandbox_url = program->url;
  options->api_key = program->key;
}

e2b_client_t *program_client(const program_t *program, uv_loop_t *loop) {
  e2b_client_options options;
  program_client_options(program, &options);
  return e2b_client_new(loop, &options);
}

static void on_client_closed(void *closed) {
  *(bool *)closed = true;
}

void program_client_close(e2b_client_t *client, uv_loop_t *loop) {
  bool closed = client == NULL;
  if (client != NULL) e2b_client_close(client, on_client_closed, &closed);
  while (uv_run(loop, UV_RUN_DEFAULT) != 0) {
  }
  assert_true(closed);
}

#endif
