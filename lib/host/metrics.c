/* SPDX-License-Identifier: MIT */
#include "host/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/link.h"

/* The first sample comes while the work of starting still shows. */
enum { FIRST_MS = 500, INTERVAL_MS = 5000, KEPT = 360, MAX_PROCESSES = 8192 };

typedef struct sample {
  int64_t ms; /* since 1970 */
  double cpu_percent;
  int64_t memory;
  int64_t disk_used;
  int64_t disk_total;
} sample_t;

typedef struct e2b__host_metrics {
  e2b__host_alarm_t alarm;
  e2b__host_sandbox_t *sandbox;
  int64_t cpu_ms;     /* all that its processes had used at the sample before */
  uint64_t before_ms; /* when that was; e2b__host_now */
  bool busy;          /* a worker is looking */
  size_t count;       /* of samples, ever */
  sample_t samples[KEPT];
} e2b__host_metrics_t;

/* A worker's. The sandbox may end meanwhile, so it is known by its id. */
typedef struct look {
  uv_work_t work;
  e2b_host_t *host;
  char id[24];
  char dir[4096];
  int pid; /* of its first process */
  int64_t cpu_ms;
  int64_t memory;
  struct statvfs fs;
  size_t count;
  int pids[MAX_PROCESSES];
} look_t;

/* ---- in the worker ---- */

static ssize_t read_file(const char *path, char *buf, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t got = read(fd, buf, size - 1);
  close(fd);
  buf[got > 0 ? got : 0] = '\0';
  return got;
}

static void add_children(look_t *look, const char *path) {
  char buf[32768];
  char *at = buf, *end;
  if (read_file(path, buf, sizeof buf) <= 0) return;
  for (;; at = end) {
    long pid = strtol(at, &end, 10);
    if (end == at || look->count == MAX_PROCESSES) return;
    look->pids[look->count++] = (int)pid;
  }
}

/* Every thread has children of its own. */
static void add_children_of(look_t *look, int pid) {
  char path[600];
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, entry->d_name);
    add_children(look, path);
  }
  if (tasks != NULL) closedir(tasks);
}

/* What was reaped counts for who reaped it, so nothing is lost when a process ends. */
static void add_usage(look_t *look, int pid) {
  char path[64], line[1024];
  unsigned long long user = 0, system = 0;
  long long user_below = 0, system_below = 0, pages = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (read_file(path, line, sizeof line) <= 0) return;
  const char *name_end = strrchr(line, ')');
  if (name_end == NULL ||
      sscanf(name_end + 1,
             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d "
             "%*u %*u %lld",
             &user, &system, &user_below, &system_below, &pages) != 5)
    return;
  long ticks = sysconf(_SC_CLK_TCK);
  look->cpu_ms += ((int64_t)user + (int64_t)system + user_below + system_below) * 1000 /
                  (ticks > 0 ? ticks : 1);
  look->memory += pages * sysconf(_SC_PAGESIZE);
}

static void do_look(uv_work_t *work) {
  look_t *look = E2B__CONTAINER(work, look_t, work);
  look->pids[look->count++] = look->pid;
  for (size_t i = 0; i < look->count; i++) {
    add_children_of(look, look->pids[i]);
    add_usage(look, look->pids[i]);
  }
  if (statvfs(look->dir, &look->fs) != 0) memset(&look->fs, 0, sizeof look->fs);
}

/* ---- in the loop ---- */

static void put_disk(sample_t *sample, const struct statvfs *fs) {
  sample->disk_total = (int64_t)fs->f_blocks * (int64_t)fs->f_frsize;
  sample->disk_used = (int64_t)(fs->f_blocks - fs->f_bfree) * (int64_t)fs->f_frsize;
}

static void take(e2b__host_metrics_t *metrics, const look_t *look) {
  uint64_t now = e2b__host_now();
  int64_t used = look->cpu_ms - metrics->cpu_ms;
  double elapsed = (double)(now - metrics->before_ms);
  sample_t *sample = &metrics->samples[metrics->count++ % KEPT];
  sample->ms = e2b__wall_ms();
  sample->cpu_percent = used > 0 && elapsed > 0 ? (double)(used * 10000) / elapsed : 0;
  /* In hundredths. The kernel counts in ticks; less than one is not nothing. */
  sample->cpu_percent = sample->cpu_percent < 1 ? 0.01 : (double)(int64_t)sample->cpu_percent / 100;
  sample->memory = look->memory;
  put_disk(sample, &look->fs);
  metrics->cpu_ms = look->cpu_ms;
  metrics->before_ms = now;
}

static void on_looked(uv_work_t *work, int status) {
  look_t *look = E2B__CONTAINER(work, look_t, work);
  e2b_host_t *host = look->host;
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(host, look->id);
  if (sandbox != NULL && sandbox->metrics != NULL) {
    sandbox->metrics->busy = false;
    /* In between it may have been paused: then what was seen is of no time in particular. */
    if (status == 0 && sandbox->metrics->alarm.set) take(sandbox->metrics, look);
  }
  e2b__free(look);
  e2b__host_handle_closed(host);
}

static void on_due(e2b__host_alarm_t *alarm) {
  e2b__host_metrics_t *metrics = E2B__CONTAINER(alarm, e2b__host_metrics_t, alarm);
  e2b__host_sandbox_t *sandbox = metrics->sandbox;
  e2b_host_t *host = sandbox->host;
  e2b__host_alarm_set(&host->alarms, alarm, INTERVAL_MS, on_due);
  int pid = sandbox->link != NULL ? e2b__host_link_pid(sandbox->link) : 0;
  look_t *look = pid > 0 && !metrics->busy ? e2b__calloc(1, sizeof *look) : NULL;
  if (look == NULL) return;
  look->host = host;
  look->pid = pid;
  memcpy(look->id, sandbox->id, sizeof look->id);
  snprintf(look->dir, sizeof look->dir, "%s", sandbox->dir);
  if (uv_queue_work(host->loop, &look->work, do_look, on_looked) != 0) {
    e2b__free(look);
    return;
  }
  metrics->busy = true;
  e2b__host_handle_opened(host);
}

void e2b__host_metrics_start(e2b__host_sandbox_t *sandbox) {
  if (sandbox->metrics == NULL) {
    sandbox->metrics = e2b__calloc(1, sizeof *sandbox->metrics);
    if (sandbox->metrics == NULL) return;
    sandbox->metrics->sandbox = sandbox;
  }
  sandbox->metrics->before_ms = e2b__host_now();
  e2b__host_alarm_set(&sandbox->host->alarms, &sandbox->metrics->alarm, FIRST_MS, on_due);
}

void e2b__host_metrics_stop(e2b__host_sandbox_t *sandbox) {
  if (sandbox->metrics != NULL)
    e2b__host_alarm_cancel(&sandbox->host->alarms, &sandbox->metrics->alarm);
}

void e2b__host_metrics_free(e2b__host_sandbox_t *sandbox) {
  e2b__host_metrics_stop(sandbox);
  e2b__free(sandbox->metrics);
  sandbox->metrics = NULL;
}

/* ---- shown ---- */

/* The same as the sandbox's memoryMB. */
static int64_t memory_total(const e2b_host_t *host) {
  int64_t total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  int64_t limit = (int64_t)host->limits.memory_mb << 20;
  return host->isolation != E2B__ISOLATION_NONE && total > limit ? limit : total;
}

static void put(e2b__json_writer_t *w, const char *name, const e2b_host_t *host,
                const sample_t *sample) {
  char time[32];
  e2b__rfc3339_from_ms(sample->ms, time);
  e2b__json_open(w, name, '{');
  e2b__json_put_string(w, "timestamp", time, strlen(time));
  e2b__json_put_int(w, "timestampUnix", sample->ms / 1000);
  e2b__json_put_int(w, "cpuCount", sysconf(_SC_NPROCESSORS_ONLN));
  e2b__json_put_double(w, "cpuUsedPct", sample->cpu_percent);
  e2b__json_put_int(w, "memUsed", sample->memory);
  e2b__json_put_int(w, "memTotal", memory_total(host));
  /* The machine's cache is nobody's in particular. */
  e2b__json_put_int(w, "memCache", 0);
  e2b__json_put_int(w, "diskUsed", sample->disk_used);
  e2b__json_put_int(w, "diskTotal", sample->disk_total);
  e2b__json_close(w, '}');
}

void e2b__host_metrics_put(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox, int64_t from,
                           int64_t to) {
  const e2b__host_metrics_t *metrics = sandbox->metrics;
  if (metrics == NULL) return;
  for (size_t i = metrics->count > KEPT ? metrics->count - KEPT : 0; i < metrics->count; i++) {
    const sample_t *sample = &metrics->samples[i % KEPT];
    if (sample->ms / 1000 >= from && sample->ms / 1000 <= to) put(w, NULL, sandbox->host, sample);
  }
}

void e2b__host_metrics_put_last(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox) {
  const e2b__host_metrics_t *metrics = sandbox->metrics;
  if (metrics == NULL || metrics->count == 0) return;
  put(w, sandbox->id, sandbox->host, &metrics->samples[(metrics->count - 1) % KEPT]);
}

void e2b__host_metrics_put_daemon(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox) {
  const e2b__host_metrics_t *metrics = sandbox->metrics;
  int64_t total = memory_total(sandbox->host);
  sample_t sample = {.cpu_percent = 0};
  struct statvfs fs;
  if (metrics != NULL && metrics->count > 0)
    sample = metrics->samples[(metrics->count - 1) % KEPT];
  else if (statvfs(sandbox->dir, &fs) == 0)
    put_disk(&sample, &fs);
  e2b__json_open(w, NULL, '{');
  e2b__json_put_int(w, "ts", e2b__wall_ms() / 1000);
  e2b__json_put_int(w, "cpu_count", sysconf(_SC_NPROCESSORS_ONLN));
  e2b__json_put_double(w, "cpu_used_pct", sample.cpu_percent);
  e2b__json_put_int(w, "mem_total_mib", total >> 20);
  e2b__json_put_int(w, "mem_used_mib", sample.memory >> 20);
  e2b__json_put_int(w, "mem_total", total);
  e2b__json_put_int(w, "mem_used", sample.memory);
  e2b__json_put_int(w, "mem_cache", 0); /* as above */
  e2b__json_put_int(w, "disk_used", sample.disk_used);
  e2b__json_put_int(w, "disk_total", sample.disk_total);
  e2b__json_close(w, '}');
}
