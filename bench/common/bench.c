/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int args_count;
static char **args;
static double cpu_at_start;
static uint64_t wall_at_start;
static char notes[1024];

/* Latencies in classes of less than 1 % width: 128 to each power of two. */
enum { CLASSES_A_POWER = 128, CLASSES = 40 * CLASSES_A_POWER };
static uint32_t classes[CLASSES];
static uint64_t latencies;

void bench_die(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

void bench_init(int argc, char **argv) {
  args_count = argc;
  args = argv;
}

uint64_t bench_number(const char *name, uint64_t fallback) {
  const size_t len = strlen(name);
  for (int i = 1; i < args_count; i++) {
    if (strncmp(args[i], name, len) == 0 && args[i][len] == '=') {
      return strtoull(args[i] + len + 1, NULL, 10);
    }
  }
  return fallback;
}

const char *bench_env(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "%s is not set\n", name);
    exit(1);
  }
  return value;
}

static double cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

uint64_t bench_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_us(void) {
  return bench_now_ns() / 1000;
}

void bench_start(void) {
  memset(classes, 0, sizeof classes);
  latencies = 0;
  cpu_at_start = cpu_us();
  wall_at_start = bench_now_us();
}

void bench_latency_ns(uint64_t ns) {
  unsigned power = 0;
  while (ns >> power >= 2 * CLASSES_A_POWER) {
    power++;
  }
  const uint64_t at = (uint64_t)power * CLASSES_A_POWER + (ns >> power);
  classes[at < CLASSES ? at : CLASSES - 1]++;
  latencies++;
}

void bench_latency(uint64_t us) {
  bench_latency_ns(us * 1000);
}

static double percentile_us(double part) {
  uint64_t left = (uint64_t)((double)latencies * part);
  for (unsigned at = 0; at < CLASSES; at++) {
    if (classes[at] > left) {
      const unsigned power = at < 2 * CLASSES_A_POWER ? 0 : at / CLASSES_A_POWER - 1;
      return (double)((uint64_t)(at - power * CLASSES_A_POWER) << power) / 1000;
    }
    left -= classes[at];
  }
  return 0;
}

void bench_note(const char *name, double value) {
  const size_t len = strlen(notes);
  snprintf(notes + len, sizeof notes - len, ",\"%s\":%.3f", name, value);
}

uint64_t bench_resident_bytes(void) {
  unsigned long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%*s %llu", &pages) != 1) pages = 0;
  if (file != NULL) fclose(file);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Not ru_maxrss, which begins with the size of the process that started this one. */
static uint64_t peak_kb(void) {
  char line[256];
  unsigned long long peak = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmHWM: %llu", &peak) == 1) break;
  }
  if (file != NULL) fclose(file);
  return peak;
}

int bench_finish(uint64_t operations, uint64_t bytes, uint64_t failed) {
  const double cpu = cpu_us() - cpu_at_start;
  const uint64_t wall = bench_now_us() - wall_at_start;
  printf("{\"operations\":%llu,\"bytes\":%llu,\"failed\":%llu,\"cpu_us\":%.0f,\"wall_us\":%llu,"
         "\"peak_kb\":%llu,\"p50_us\":%.2f,\"p99_us\":%.2f%s}\n",
         (unsigned long long)operations, (unsigned long long)bytes, (unsigned long long)failed, cpu,
         (unsigned long long)wall, (unsigned long long)peak_kb(), percentile_us(0.5),
         percentile_us(0.99), notes);
  return failed != 0 || operations == 0;
}
