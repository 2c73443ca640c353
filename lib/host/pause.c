/* SPDX-License-Identifier: MIT */
#include "host/pause.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/interpreter.h"
#include "host/link.h"
#include "host/metrics.h"
#include "host/waiter.h"
#include "host/wake.h"
#include "host/watch_service.h"
#include "host/watcher.h"

/* Signals do their work at once. With less than this, the later ones of some calls sent at the same
 * time would come after the change and be refused. */
enum { HOLD_MS = 100 };

int e2b__host_boot_id_write(const e2b__host_sandbox_t *sandbox) {
  char hex[33], text[40], path[4096];
  if (e2b__host_random_hex(hex, 32) != 0) return -1;
  int len = snprintf(text, sizeof text, "%.8s-%.4s-4%.3s-a%.3s-%.12s\n", hex, hex + 8, hex + 13,
                     hex + 17, hex + 20);
  snprintf(path, sizeof path, "%s/boot_id", sandbox->dir);
  /* In place: the sandbox has this very file mounted. */
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  int rc = write(fd, text, (size_t)len) == len && fchmod(fd, 0444) == 0 ? 0 : -1;
  close(fd);
  return rc;
}

static void signal_all(e2b__host_sandbox_t *sandbox, int signal_number) {
  if (sandbox->link != NULL)
    e2b__host_link_signal(sandbox->link, E2B__SPAWNER_EVERYBODY, signal_number);
}

static void end_processes(e2b__host_sandbox_t *sandbox) {
  signal_all(sandbox, SIGKILL);
  e2b__host_interpreter_free(sandbox);
  e2b__host_polled_watchers_free(sandbox);
  e2b__host_watchers_free(sandbox);
}

/* ---- pausing ---- */

static void on_paused(e2b__host_alarm_t *alarm) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(alarm, e2b__host_sandbox_t, transition);
  sandbox->state = E2B__SANDBOX_PAUSED;
  E2B__HOST_LOG(sandbox->host, INFO, "sandbox %s: paused%s", sandbox->id,
                sandbox->cold ? " without its memory" : "");
  e2b__host_waiters_answer(sandbox, E2B__WAIT_PAUSE, true);
  if (e2b__host_has_waiters(sandbox, E2B__WAIT_RESUME) || !e2b__list_empty(&sandbox->held))
    e2b__host_resume_begin(sandbox, sandbox->resume_s, sandbox->reboot);
}

void e2b__host_pause_begin(e2b__host_sandbox_t *sandbox, bool keep_memory) {
  e2b_host_t *host = sandbox->host;
  sandbox->state = E2B__SANDBOX_PAUSING;
  sandbox->cold = !keep_memory;
  sandbox->reboot = false;
  sandbox->resume_s = 0;
  sandbox->end_ms = e2b__wall_ms();
  e2b__host_alarm_cancel(&host->alarms, &sandbox->lifetime);
  e2b__host_metrics_stop(sandbox);
  signal_all(sandbox, SIGSTOP);
  e2b__host_sandbox_reset_requests(sandbox);
  if (!keep_memory) end_processes(sandbox);
  e2b__host_alarm_set(&host->alarms, &sandbox->transition, HOLD_MS, on_paused);
}

/* ---- resuming ---- */

/* The list shows the newest start first. */
static void move_to_front(e2b__host_sandbox_t *sandbox) {
  sandbox->started_ms = e2b__wall_ms();
  sandbox->serial = ++sandbox->host->last_serial;
  e2b__list_remove(&sandbox->node);
  e2b__list_append(sandbox->host->sandboxes.next, &sandbox->node);
}

static void on_resumed(e2b__host_alarm_t *alarm) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(alarm, e2b__host_sandbox_t, transition);
  sandbox->state = E2B__SANDBOX_RUNNING;
  sandbox->cold = false;
  e2b__host_metrics_start(sandbox);
  move_to_front(sandbox);
  e2b__host_sandbox_set_end(sandbox, sandbox->resume_s * 1000);
  E2B__HOST_LOG(sandbox->host, INFO, "sandbox %s: resumed", sandbox->id);
  e2b__host_waiters_answer(sandbox, E2B__WAIT_RESUME, true);
  e2b__host_wake_release(sandbox);
}

void e2b__host_resume_join(e2b__host_sandbox_t *sandbox, int64_t seconds, bool reboot) {
  if (seconds > sandbox->resume_s) sandbox->resume_s = seconds;
  if (reboot) sandbox->reboot = true;
}

void e2b__host_resume_begin(e2b__host_sandbox_t *sandbox, int64_t seconds, bool reboot) {
  sandbox->state = E2B__SANDBOX_RESUMING;
  sandbox->resume_s = seconds;
  if (reboot && !sandbox->cold) end_processes(sandbox);
  if ((reboot || sandbox->cold) && e2b__host_boot_id_write(sandbox) != 0)
    E2B__HOST_LOG(sandbox->host, WARN, "sandbox %s: keeps its old boot_id", sandbox->id);
  /* A copy that is being made lets them go on itself. */
  if (sandbox->copies == 0) signal_all(sandbox, SIGCONT);
  e2b__host_alarm_set(&sandbox->host->alarms, &sandbox->transition, HOLD_MS, on_resumed);
}

void e2b__host_pause_cancel(e2b__host_sandbox_t *sandbox) {
  e2b__host_alarm_cancel(&sandbox->host->alarms, &sandbox->transition);
  e2b__host_waiters_answer(sandbox, E2B__WAIT_PAUSE, false);
  e2b__host_waiters_answer(sandbox, E2B__WAIT_RESUME, false);
  e2b__host_wake_release(sandbox);
}
