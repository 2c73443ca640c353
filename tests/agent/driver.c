/* SPDX-License-Identifier: MIT */
#include "agent/driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "terminal/agent_image.h"

uint64_t clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void await(bool (*condition)(void *data), void *data) {
  uint64_t end = clock_ms() + PATIENCE_MS;
  while (!condition(data)) {
    assert_true(clock_ms() < end);
    poll(NULL, 0, 2);
  }
}

/* ---- the program ---- */

static char own_program[64];

static void remove_own_program(void) {
  unlink(own_program);
}

const char *agent_program(void) {
  const char *named = getenv("E2B_TEST_AGENT");
  if (named != NULL && *named != '\0') return named;
  if (own_program[0] != '\0') return own_program;
  strcpy(own_program, "/tmp/e2b-agent-XXXXXX");
  int fd = mkstemp(own_program);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, e2b__agent_image, e2b__agent_image_size), e2b__agent_image_size);
  assert_int_equal(fchmod(fd, 0700), 0);
  close(fd);
  atexit(remove_own_program);
  return own_program;
}

int agent_run(const char *home, char *output, size_t size, const char *const *args) {
  int ends[2], status;
  size_t len = 0;
  ssize_t got;
  const char *program = agent_program();
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    const char *argv[16] = {program};
    for (size_t i = 0; i < 14 && args[i] != NULL; i++)
      argv[i + 1] = args[i];
    dup2(ends[1], 1);
    setenv("HOME", home, 1);
    unsetenv("TERM");
    unsetenv("LANG");
    setenv("COLUMNS", "7", 1);
    execv(program, (char **)argv);
    _exit(126);
  }
  close(ends[1]);
  /* Ends only when the daemon has let go of the stream. */
  while ((got = read(ends[0], output + len, size - 1 - len)) > 0)
    len += (size_t)got;
  output[len] = '\0';
  close(ends[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void agent_take_address(agent_t *agent, const char *line) {
  cJSON *json = cJSON_Parse(line);
  assert_non_null(json);
  assert_int_equal(cJSON_GetObjectItem(json, "protocol")->valueint, 1);
  agent->port = (unsigned)cJSON_GetObjectItem(json, "port")->valueint;
  const char *secret = cJSON_GetObjectItem(json, "secret")->valuestring;
  assert_int_equal(strlen(secret), 64);
  strcpy(agent->secret, secret);
  cJSON_Delete(json);
}

/* Of /proc/PID/stat: whether the program is the agent, the state, the parent. */
static bool read_stat(const char *pid, bool *is_agent, char *state, pid_t *parent) {
  char path[300], text[512], *at;
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return false;
  text[got] = '\0';
  *is_agent = strstr(text, "(e2b-agent") != NULL;
  at = strrchr(text, ')');
  int number;
  if (at == NULL || sscanf(at + 1, " %c %d", state, &number) != 2) return false;
  *parent = number;
  return true;
}

static size_t count_children(pid_t of, bool agents, pid_t *last) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  size_t count = 0;
  assert_non_null(proc);
  while ((entry = readdir(proc)) != NULL) {
    char state;
    pid_t parent;
    bool is_agent;
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (!read_stat(entry->d_name, &is_agent, &state, &parent) || parent != of) continue;
    if (agents && (!is_agent || state == 'Z')) continue;
    *last = (pid_t)atoi(entry->d_name);
    count++;
  }
  closedir(proc);
  return count;
}

size_t agent_children(const agent_t *agent) {
  pid_t last;
  return count_children(agent->pid, false, &last);
}

/* Orphans become the test's: so the agent is its child once `ensure` has ended. */
void agent_find_pid(agent_t *agent) {
  assert_int_equal(count_children(getpid(), true, &agent->pid), 1);
}

size_t agent_descriptors(const agent_t *agent) {
  char path[64];
  size_t count = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)agent->pid);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while (readdir(dir) != NULL)
    count++;
  closedir(dir);
  return count - 2;
}

void agent_start(agent_t *agent, ...) {
  const char *args[12] = {"ensure"};
  char line[512];
  va_list list;
  memset(agent, 0, sizeof *agent);
  strcpy(agent->home, "/tmp/e2b-home-XXXXXX");
  assert_non_null(mkdtemp(agent->home));
  va_start(list, agent);
  for (size_t i = 1; i < 11 && (args[i] = va_arg(list, const char *)) != NULL; i++)
    continue;
  va_end(list);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  assert_int_equal(agent_run(agent->home, line, sizeof line, args), 0);
  agent_take_address(agent, line);
  agent_find_pid(agent);
}

typedef struct waiting {
  pid_t pid;
  int status;
} waiting_t;

static bool has_ended(void *data) {
  waiting_t *waiting = data;
  return waitpid(waiting->pid, &waiting->status, WNOHANG) == waiting->pid;
}

int agent_wait(agent_t *agent) {
  waiting_t waiting = {agent->pid, 0};
  await(has_ended, &waiting);
  agent->pid = 0;
  /* What its terminals left is the test's too now. */
  while (waitpid(-1, NULL, WNOHANG) > 0)
    continue;
  return waiting.status;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status;
  (void)type;
  (void)walk;
  return remove(path);
}

void agent_remove_home(agent_t *agent) {
  nftw(agent->home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void agent_stop(agent_t *agent) {
  if (agent->pid != 0) {
    assert_int_equal(kill(agent->pid, SIGTERM), 0);
    int status = agent_wait(agent);
    /* A sanitizer that found something would have its say here. */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  agent_remove_home(agent);
}

int agent_enter(void **state) {
  agent_t *agent = test_calloc(1, sizeof *agent);
  agent_start(agent, NULL);
  *state = agent;
  return 0;
}

int agent_leave(void **state) {
  agent_stop(*state);
  test_free(*state);
  return 0;
}
