/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* The ceiling on the memory of all programs of the sandbox together. No limit of one process says
 * that, and a control group is not to be had everywhere; so the spawner adds up what they have made
 * their own (what they map of files does not count), and kills the largest. It looks often when
 * there is little room left, and not at all when nothing runs. */

enum { CALM_MS = 500, CLOSE_MS = 50 };

static unsigned long field(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at != NULL ? strtoul(at + strlen(name), NULL, 10) : 0;
}

/* In KiB; 0: it has ended. Pages shared with others count in full: what is asked here is cheap. */
static unsigned long own_memory(const char *pid) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%.20s/status", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  size_t got = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[got] = '\0';
  return field(text, "RssAnon:") + field(text, "RssShmem:") + field(text, "VmSwap:");
}

/* The part of shared pages that is its own; what own_memory() says when nobody tells. */
static unsigned long fair_memory(const char *pid, unsigned long own) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%.20s/smaps_rollup", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return own;
  size_t got = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[got] = '\0';
  if (strstr(text, "Pss_Anon:") == NULL) return own;
  return field(text, "Pss_Anon:") + field(text, "Pss_Shmem:") + field(text, "SwapPss:");
}

typedef struct sum {
  unsigned long total, largest;
  int count, largest_pid;
} sum_t;

static void add_up(bool fair, sum_t *sum) {
  struct dirent *entry;
  memset(sum, 0, sizeof *sum);
  DIR *proc = opendir("/proc");
  while (proc != NULL && (entry = readdir(proc)) != NULL) {
    int pid = atoi(entry->d_name);
    if (pid <= 1) continue;
    unsigned long own = own_memory(entry->d_name);
    if (fair) own = fair_memory(entry->d_name, own);
    sum->count++;
    sum->total += own;
    if (own < sum->largest) continue;
    sum->largest = own;
    sum->largest_pid = pid;
  }
  if (proc != NULL) closedir(proc);
}

int e2b__memory_watch(unsigned long limit_mb, int *killed) {
  unsigned long limit = limit_mb << 10;
  sum_t sum;
  *killed = 0;
  add_up(false, &sum);
  if (sum.total > limit) add_up(true, &sum);
  if (sum.total > limit && sum.largest_pid > 1) {
    kill(sum.largest_pid, SIGKILL);
    *killed = sum.largest_pid;
  }
  if (sum.count == 0) return -1;
  return sum.total > limit / 2 ? CLOSE_MS : CALM_MS;
}
