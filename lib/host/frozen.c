/* SPDX-License-Identifier: MIT */
#include "host/frozen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "host/tree.h"

enum { STOP_LIMIT_MS = 10000 };

static void do_copy(uv_work_t *work) {
  e2b__host_frozen_t *frozen = E2B__CONTAINER(work, e2b__host_frozen_t, work);
  frozen->rc = e2b__host_tree_copy(frozen->from, frozen->to);
  if (frozen->rc != 0) e2b__host_tree_remove(AT_FDCWD, frozen->to);
}

static void finish(e2b__host_frozen_t *frozen) {
  e2b_host_t *host = frozen->host;
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(host, frozen->sandbox_id);
  if (sandbox != NULL && --sandbox->copies == 0 &&
      (sandbox->state == E2B__SANDBOX_RUNNING || sandbox->state == E2B__SANDBOX_RESUMING))
    e2b__host_link_signal(sandbox->link, E2B__SPAWNER_EVERYBODY, SIGCONT);
  frozen->done(frozen, sandbox);
}

static void on_copied(uv_work_t *work, int status) {
  e2b__host_frozen_t *frozen = E2B__CONTAINER(work, e2b__host_frozen_t, work);
  e2b_host_t *host = frozen->host;
  if (status != 0) frozen->rc = -ECANCELED;
  finish(frozen);
  e2b__host_handle_closed(host);
}

static void on_stopped(e2b__host_start_t *start, const e2b__host_started_t *started) {
  e2b__host_frozen_t *frozen = E2B__CONTAINER(start, e2b__host_frozen_t, stopped);
  e2b_host_t *host = frozen->host;
  e2b__host_alarm_cancel(&host->alarms, &frozen->overdue);
  if (started != NULL && uv_queue_work(host->loop, &frozen->work, do_copy, on_copied) == 0) {
    e2b__host_handle_opened(host);
    return;
  }
  frozen->rc = started != NULL ? -ENOMEM : -ESRCH;
  finish(frozen);
}

static void on_overdue(e2b__host_alarm_t *alarm) {
  e2b__host_frozen_t *frozen = E2B__CONTAINER(alarm, e2b__host_frozen_t, overdue);
  e2b__list_remove(&frozen->stopped.node);
  frozen->rc = -ETIMEDOUT;
  finish(frozen);
}

int e2b__host_frozen_begin(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *sandbox,
                           void (*done)(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *sandbox)) {
  e2b_host_t *host = sandbox->host;
  bool isolated = host->isolation != E2B__ISOLATION_NONE;
  char id[24];
  if (e2b__host_random_id(id, 20) != 0) return -1;
  char *parent = e2b__format("%s/snapshots", host->state_dir);
  if (parent != NULL) mkdir(parent, 0700);
  e2b__free(parent);
  frozen->host = host;
  frozen->done = done;
  frozen->from = e2b__format("%s/%s", sandbox->dir, isolated ? "root" : "home");
  frozen->to = e2b__format("%s/snapshots/%s", host->state_dir, id);
  if (frozen->from == NULL || frozen->to == NULL) return -1;
  memcpy(frozen->sandbox_id, sandbox->id, sizeof frozen->sandbox_id);
  e2b__list_init(&frozen->stopped.node);
  frozen->stopped.done = on_stopped;
  if (e2b__host_link_signal_then(sandbox->link, E2B__SPAWNER_EVERYBODY, SIGSTOP,
                                 &frozen->stopped) != 0)
    return -1;
  e2b__host_alarm_set(&host->alarms, &frozen->overdue, STOP_LIMIT_MS, on_overdue);
  sandbox->copies++;
  return 0;
}

void e2b__host_frozen_clear(e2b__host_frozen_t *frozen) {
  e2b__free(frozen->from);
  e2b__free(frozen->to);
  frozen->from = frozen->to = NULL;
}
