/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* A signal to all of the sandbox but the spawner. */

enum { MAX_PROCESSES = 4096, MAX_ROUNDS = 50, STOP_ROUNDS = 500, STOP_PAUSE_NS = 1000000 };

/* The third and fourth field of a `stat`; false: it has gone. */
static bool read_stat(const char *path, char *state, int *parent) {
  char line[512];
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  char *name_end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
  fclose(file);
  return name_end != NULL && sscanf(name_end + 1, " %c %d", state, parent) == 2;
}

static pid_t parent_of(const char *pid) {
  char path[300], state;
  int parent = 0;
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  return read_stat(path, &state, &parent) ? parent : 0;
}

static size_t read_processes(pid_t (*pairs)[2]) {
  struct dirent *entry;
  size_t count = 0;
  DIR *proc = opendir("/proc");
  while (proc != NULL && count < MAX_PROCESSES && (entry = readdir(proc)) != NULL) {
    int pid = atoi(entry->d_name);
    if (pid <= 1) continue;
    pairs[count][0] = pid;
    pairs[count++][1] = parent_of(entry->d_name);
  }
  if (proc != NULL) closedir(proc);
  return count;
}

static bool is_descendant(pid_t (*pairs)[2], size_t count, pid_t pid, pid_t of) {
  for (int depth = 0; depth < 1000 && pid > 1; depth++) {
    size_t i = 0;
    while (i < count && pairs[i][0] != pid)
      i++;
    if (i == count) return false;
    pid = pairs[i][1];
    if (pid == of) return true;
  }
  return false;
}

/* Without a pid namespace everybody is who descends from the spawner, the subreaper. Another round
 * finds those that were started during the one before. */
static void signal_descendants(int signal_number) {
  static pid_t pairs[MAX_PROCESSES][2], done[MAX_PROCESSES];
  size_t done_count = 0, before;
  int round = 0;
  do {
    size_t count = read_processes(pairs);
    before = done_count;
    for (size_t i = 0; i < count; i++) {
      bool known = false;
      for (size_t k = 0; k < done_count && !known; k++)
        known = done[k] == pairs[i][0];
      if (known || !is_descendant(pairs, count, pairs[i][0], getpid())) continue;
      kill(pairs[i][0], signal_number);
      if (done_count < MAX_PROCESSES) done[done_count++] = pairs[i][0];
    }
  } while (done_count > before && ++round < MAX_ROUNDS);
}

/* ---- until it has had its effect ---- */

/* A thread that runs, on another processor say, stops when the kernel next comes by. */
static bool has_stopped(pid_t pid) {
  char path[600], state;
  int parent;
  bool stopped = true;
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *tasks = opendir(path);
  while (tasks != NULL && stopped && (entry = readdir(tasks)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, entry->d_name);
    stopped = !read_stat(path, &state, &parent) || strchr("TtZXx", state) != NULL;
  }
  if (tasks != NULL) closedir(tasks);
  return stopped;
}

static bool have_stopped(e2b__spawner_identity_t identity) {
  static pid_t pairs[MAX_PROCESSES][2];
  size_t count = read_processes(pairs);
  for (size_t i = 0; i < count; i++) {
    if (identity == E2B__IDENTITY_CALLER && !is_descendant(pairs, count, pairs[i][0], getpid()))
      continue;
    if (!has_stopped(pairs[i][0])) return false;
  }
  return true;
}

/* Not for ever: one that waits for its child to run a program cannot stop before that does. */
void e2b__spawner_await_stop(e2b__spawner_identity_t identity) {
  const struct timespec pause = {0, STOP_PAUSE_NS};
  for (int round = 0; round < STOP_ROUNDS && !have_stopped(identity); round++)
    nanosleep(&pause, NULL);
}

void e2b__spawner_signal_everybody(int signal_number, e2b__spawner_identity_t identity) {
  if (identity == E2B__IDENTITY_CALLER)
    signal_descendants(signal_number);
  else if (getpid() == 1)
    /* The kernel leaves out the caller, and nobody can be born meanwhile. */
    kill(-1, signal_number);
}
