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

/* The sum of the lines with these names, in KiB; -1 when the first of them is missing. A process
 * may have any name, and so many groups that what matters comes late: only the beginning of a line
 * counts, and all of the file. */
static long sum_lines(const char *path, const char *const names[3]) {
  char piece[256];
  bool begins = true, found = false;
  long sum = 0;
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(piece, sizeof piece, file) != NULL) {
    for (int i = 0; i < 3 && begins; i++) {
      size_t len = strlen(names[i]);
      if (strncmp(piece, names[i], len) != 0) continue;
      sum += strtol(piece + len, NULL, 10);
      found = found || i == 0;
    }
    begins = strchr(piece, '\n') != NULL;
  }
  if (file != NULL) fclose(file);
  return found ? sum : -1;
}

/* In KiB; 0: it has ended. Pages shared with others count in full: what is asked here is cheap. */
static unsigned long own_memory(const char *pid) {
  static const char *const names[] = {"RssAnon:", "RssShmem:", "VmSwap:"};
  char path[64];
  snprintf(path, sizeof path, "/proc/%.20s/status", pid);
  long sum = sum_lines(path, names);
  return sum > 0 ? (unsigned long)sum : 0;
}

/* The part of shared pages that is its own; what own_memory() says when nobody tells. */
static unsigned long fair_memory(const char *pid, unsigned long own) {
  static const char *const names[] = {"Pss_Anon:", "Pss_Shmem:", "SwapPss:"};
  char path[64];
  snprintf(path, sizeof path, "/proc/%.20s/smaps_rollup", pid);
  long sum = sum_lines(path, names);
  return sum >= 0 ? (unsigned long)sum : own;
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
