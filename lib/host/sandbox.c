/* SPDX-License-Identifier: MIT */
#include "host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/door.h"
#include "host/gateway.h"
#include "host/interpreter.h"
#include "host/isolation.h"
#include "host/link.h"
#include "host/metrics.h"
#include "host/pause.h"
#include "host/process.h"
#include "host/request.h"
#include "host/snapshot.h"
#include "host/tree.h"
#include "host/watch_service.h"
#include "host/watcher.h"

/* Hundreds may start at once on a machine that has other things to do; clients wait a minute. */
enum { START_LIMIT_MS = 45000, END_LIMIT_MS = 2000, MANY = 64, SOME = 8 };

static const e2b__host_template_t templates[] = {{"base", false}, {"code-interpreter-v1", true}};

const e2b__host_template_t *e2b__host_template_find(const char *name) {
  size_t len = strcspn(name, ":");
  if (name[len] == ':' && strcmp(name + len, ":default") != 0) return NULL;
  for (size_t i = 0; i < E2B__COUNT(templates); i++)
    if (strlen(templates[i].name) == len && memcmp(templates[i].name, name, len) == 0)
      return &templates[i];
  return NULL;
}

/* ---- the end ---- */

/* What many sandboxes leave behind is free memory between what is still used, which the C library
 * keeps. It is asked to give it back now and then, and when the last sandbox has gone: rarely
 * enough to cost nothing. */
static void give_memory_back(e2b_host_t *host) {
  if (++host->sandboxes_freed < (host->sandbox_count > 0 ? MANY : SOME)) return;
  host->sandboxes_freed = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

static void sandbox_free(e2b__host_sandbox_t *sandbox) {
  e2b_host_t *host = sandbox->host;
  e2b__host_alarm_cancel(&host->alarms, &sandbox->lifetime);
  e2b__host_alarm_cancel(&host->alarms, &sandbox->hurry);
  e2b__list_remove(&sandbox->node);
  host->sandbox_count--;
  if (sandbox->root_fd >= 0) close(sandbox->root_fd);
  if (sandbox->net_fd >= 0) close(sandbox->net_fd);
  cJSON_Delete(sandbox->metadata);
  cJSON_Delete(sandbox->env);
  cJSON_Delete(sandbox->network);
  e2b__host_metrics_free(sandbox);
  e2b__free(sandbox->create_key);
  e2b__free(sandbox->snapshot_id);
  e2b__free(sandbox->fill_from);
  e2b__free(sandbox->dir);
  e2b__free(sandbox->home);
  e2b__free(sandbox);
  give_memory_back(host);
}

static void remove_files(uv_work_t *work) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(work, e2b__host_sandbox_t, removal);
  e2b__host_tree_remove(AT_FDCWD, sandbox->dir);
}

static void on_removed(uv_work_t *work, int status) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(work, e2b__host_sandbox_t, removal);
  e2b_host_t *host = sandbox->host;
  if (status == 0 && faccessat(AT_FDCWD, sandbox->dir, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    E2B__HOST_LOG(host, WARN, "sandbox %s: %s could not be removed", sandbox->id, sandbox->dir);
  E2B__HOST_LOG(host, DEBUG, "sandbox %s: nothing is left", sandbox->id);
  sandbox_free(sandbox);
  e2b__host_handle_closed(host);
}

/* Nothing of it runs any more. */
void e2b__host_sandbox_ended(e2b__host_sandbox_t *sandbox) {
  e2b_host_t *host = sandbox->host;
  sandbox->link = NULL;
  e2b__host_alarm_cancel(&host->alarms, &sandbox->hurry);
  if (sandbox->root_fd >= 0) close(sandbox->root_fd);
  if (sandbox->net_fd >= 0) close(sandbox->net_fd);
  sandbox->root_fd = sandbox->net_fd = -1;
  /* Files are removed by a worker: a large tree must not hold up the loop. */
  if (sandbox->dir != NULL &&
      uv_queue_work(host->loop, &sandbox->removal, remove_files, on_removed) == 0) {
    e2b__host_handle_opened(host);
    return;
  }
  sandbox_free(sandbox);
}

static void on_end_overdue(e2b__host_alarm_t *alarm) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(alarm, e2b__host_sandbox_t, hurry);
  if (sandbox->link != NULL) e2b__host_link_terminate(sandbox->link);
}

static void tell_ready(e2b__host_sandbox_t *sandbox, bool ok) {
  void (*ready)(e2b__host_sandbox_t *, bool, void *) = sandbox->ready;
  sandbox->ready = NULL;
  if (ready != NULL) ready(sandbox, ok, sandbox->ready_data);
}

void e2b__host_sandbox_reset_requests(e2b__host_sandbox_t *sandbox) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&sandbox->requests)) != NULL) {
    e2b__host_request_t *request = E2B__CONTAINER(node, e2b__host_request_t, sandbox_node);
    request->sandbox = NULL;
    e2b__host_request_reset(request);
  }
}

void e2b__host_sandbox_kill(e2b__host_sandbox_t *sandbox, const char *why) {
  e2b_host_t *host = sandbox->host;
  if (sandbox->state == E2B__SANDBOX_ENDING) return;
  bool started = sandbox->state != E2B__SANDBOX_STARTING;
  sandbox->state = E2B__SANDBOX_ENDING;
  E2B__HOST_LOG(host, INFO, "sandbox %s: ended (%s)", sandbox->id, why);
  e2b__host_alarm_cancel(&host->alarms, &sandbox->lifetime);
  e2b__host_sandbox_reset_requests(sandbox);
  e2b__host_pause_cancel(sandbox);
  e2b__host_metrics_stop(sandbox);
  e2b__host_interpreter_free(sandbox);
  e2b__host_door_close(sandbox);
  e2b__host_processes_free(sandbox);
  e2b__host_polled_watchers_free(sandbox);
  e2b__host_watchers_free(sandbox);
  if (!started) tell_ready(sandbox, false);
  if (sandbox->filling) return; /* until the worker is done */
  if (sandbox->link == NULL) {
    e2b__host_sandbox_ended(sandbox);
    return;
  }
  e2b__host_alarm_set(&host->alarms, &sandbox->hurry, END_LIMIT_MS, on_end_overdue);
  e2b__host_link_hang_up(sandbox->link);
}

void e2b__host_sandbox_lost(e2b__host_sandbox_t *sandbox) {
  if (sandbox->state == E2B__SANDBOX_ENDING) return;
  if (sandbox->complaint[0] != '\0')
    E2B__HOST_LOG(sandbox->host, ERROR, "sandbox %s: %s", sandbox->id, sandbox->complaint);
  e2b__host_sandbox_kill(sandbox, "its first process ended");
}

/* ---- the beginning ---- */

static void on_start_overdue(e2b__host_alarm_t *alarm) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(alarm, e2b__host_sandbox_t, hurry);
  E2B__HOST_LOG(sandbox->host, ERROR, "sandbox %s: did not start in %d ms", sandbox->id,
                (int)START_LIMIT_MS);
  e2b__host_sandbox_kill(sandbox, "did not start");
}

static void on_lifetime(e2b__host_alarm_t *alarm) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(alarm, e2b__host_sandbox_t, lifetime);
  if (sandbox->auto_pause)
    e2b__host_pause_begin(sandbox, sandbox->pause_memory);
  else
    e2b__host_sandbox_kill(sandbox, "end of its life");
}

void e2b__host_sandbox_set_end(e2b__host_sandbox_t *sandbox, int64_t ms) {
  if (ms < 0) ms = 0;
  sandbox->end_ms = e2b__wall_ms() + ms;
  e2b__host_alarm_set(&sandbox->host->alarms, &sandbox->lifetime, (uint64_t)ms, on_lifetime);
}

void e2b__host_sandbox_extend(e2b__host_sandbox_t *sandbox, int64_t seconds) {
  if (e2b__wall_ms() + seconds * 1000 > sandbox->end_ms)
    e2b__host_sandbox_set_end(sandbox, seconds * 1000);
}

void e2b__host_sandbox_hello(e2b__host_sandbox_t *sandbox, int root_fd, int net_fd) {
  if (sandbox->state != E2B__SANDBOX_STARTING || sandbox->root_fd >= 0) {
    close(root_fd);
    close(net_fd);
    return;
  }
  sandbox->root_fd = root_fd;
  sandbox->net_fd = net_fd;
  /* Its first program shall find the network as it will stay. */
  if (!e2b__host_gateway_apply(sandbox)) e2b__host_sandbox_connected(sandbox);
}

void e2b__host_sandbox_connected(e2b__host_sandbox_t *sandbox) {
  if (sandbox->state != E2B__SANDBOX_STARTING) return;
  e2b__host_alarm_cancel(&sandbox->host->alarms, &sandbox->hurry);
  sandbox->state = E2B__SANDBOX_RUNNING;
  e2b__host_metrics_start(sandbox);
  e2b__host_door_open(sandbox);
  e2b__host_sandbox_set_end(sandbox, sandbox->end_ms);
  E2B__HOST_LOG(sandbox->host, INFO, "sandbox %s: running (%s)", sandbox->id,
                sandbox->template->name);
  tell_ready(sandbox, true);
}

static int name_it(e2b__host_sandbox_t *sandbox, const e2b__host_sandbox_spec_t *spec) {
  sandbox->id[0] = 'i';
  if (e2b__host_random_id(sandbox->id + 1, 20) != 0) return -1;
  if (spec->secure && e2b__host_random_hex(sandbox->access_token, 64) != 0) return -1;
  if (spec->private_traffic && e2b__host_random_hex(sandbox->traffic_token, 64) != 0) return -1;
  return 0;
}

static e2b__host_sandbox_t *sandbox_new(e2b_host_t *host, const e2b__host_sandbox_spec_t *spec) {
  e2b__host_sandbox_t *sandbox = e2b__calloc(1, sizeof *sandbox);
  if (sandbox == NULL) return NULL;
  sandbox->host = host;
  sandbox->template = spec->template;
  sandbox->root_fd = sandbox->net_fd = -1;
  e2b__list_init(&sandbox->node);
  e2b__list_init(&sandbox->requests);
  e2b__list_init(&sandbox->waiters);
  e2b__list_init(&sandbox->held);
  e2b__list_init(&sandbox->processes);
  e2b__list_init(&sandbox->watchers);
  e2b__list_init(&sandbox->polled_watchers);
  if (spec->create_key != NULL) sandbox->create_key = e2b__strdup(spec->create_key);
  if ((spec->create_key != NULL && sandbox->create_key == NULL) || name_it(sandbox, spec) != 0) {
    e2b__free(sandbox->create_key);
    e2b__free(sandbox);
    return NULL;
  }
  sandbox->allow_internet = spec->allow_internet;
  sandbox->has_allow_internet = spec->has_allow_internet;
  sandbox->auto_pause = spec->auto_pause;
  sandbox->pause_memory = spec->pause_memory;
  sandbox->life_s = spec->timeout_s;
  sandbox->auto_resume = spec->auto_resume;
  sandbox->started_ms = e2b__wall_ms();
  sandbox->serial = ++host->last_serial;
  sandbox->end_ms = spec->timeout_s * 1000; /* of life; a time once it runs */
  /* Newest first. */
  e2b__list_append(host->sandboxes.next, &sandbox->node);
  host->sandbox_count++;
  return sandbox;
}

static int launch(e2b__host_sandbox_t *sandbox) {
  e2b_host_t *host = sandbox->host;
  e2b__arena_t arena = {0};
  char **argv = e2b__host_isolation_command(sandbox, &arena);
  int rc = argv != NULL ? e2b__host_link_open(sandbox, argv) : E2B_ENOMEM;
  e2b__arena_free(&arena);
  if (rc != 0 && sandbox->complaint[0] != '\0')
    E2B__HOST_LOG(host, ERROR, "sandbox %s: %s", sandbox->id, sandbox->complaint);
  if (rc == 0)
    e2b__host_alarm_set(&host->alarms, &sandbox->hurry, START_LIMIT_MS, on_start_overdue);
  return rc;
}

/* ---- from a snapshot ---- */

static void do_fill(uv_work_t *work) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(work, e2b__host_sandbox_t, fill);
  bool isolated = sandbox->host->isolation != E2B__ISOLATION_NONE;
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", sandbox->dir, isolated ? "root" : "home");
  e2b__host_tree_remove(AT_FDCWD, path);
  sandbox->fill_rc = e2b__host_tree_copy(sandbox->fill_from, path);
}

static void on_filled(uv_work_t *work, int status) {
  e2b__host_sandbox_t *sandbox = E2B__CONTAINER(work, e2b__host_sandbox_t, fill);
  e2b_host_t *host = sandbox->host;
  sandbox->filling = false;
  if (sandbox->fill_build != NULL) e2b__host_build_release(host, sandbox->fill_build);
  sandbox->fill_build = NULL;
  if (status == 0 && sandbox->fill_rc != 0)
    E2B__HOST_LOG(host, ERROR, "sandbox %s: its snapshot could not be copied: %s", sandbox->id,
                  strerror(-sandbox->fill_rc));
  if (sandbox->state == E2B__SANDBOX_ENDING)
    e2b__host_sandbox_ended(sandbox);
  else if (status != 0 || sandbox->fill_rc != 0 || launch(sandbox) != 0)
    e2b__host_sandbox_kill(sandbox, "could not be started");
  e2b__host_handle_closed(host);
}

static int fill(e2b__host_sandbox_t *sandbox, const e2b__host_sandbox_spec_t *spec) {
  sandbox->snapshot_id = e2b__strdup(spec->snapshot_id);
  sandbox->fill_from = e2b__strdup(spec->snapshot_dir);
  if (sandbox->snapshot_id == NULL || sandbox->fill_from == NULL) return E2B_ENOMEM;
  if (uv_queue_work(sandbox->host->loop, &sandbox->fill, do_fill, on_filled) != 0)
    return E2B_ESYSTEM;
  e2b__host_handle_opened(sandbox->host);
  sandbox->filling = true;
  sandbox->fill_build = spec->snapshot_build;
  if (sandbox->fill_build != NULL) e2b__host_build_acquire(sandbox->fill_build);
  return 0;
}

e2b__host_sandbox_t *
e2b__host_sandbox_create(e2b_host_t *host, const e2b__host_sandbox_spec_t *spec,
                         void (*ready)(e2b__host_sandbox_t *sandbox, bool ok, void *data),
                         void *data) {
  e2b__host_sandbox_t *sandbox = sandbox_new(host, spec);
  if (sandbox == NULL) return NULL;
  int rc = e2b__host_isolation_make_root(sandbox);
  if (rc != 0)
    E2B__HOST_LOG(host, ERROR, "sandbox %s: cannot make its directory: %s", sandbox->id,
                  strerror(errno));
  if (rc == 0 && e2b__host_boot_id_write(sandbox) != 0) rc = E2B_ESYSTEM;
  if (rc == 0) rc = spec->snapshot_dir != NULL ? fill(sandbox, spec) : launch(sandbox);
  if (rc != 0) {
    e2b__host_sandbox_kill(sandbox, "could not be started");
    return NULL;
  }
  sandbox->metadata = spec->metadata;
  sandbox->env = spec->env;
  sandbox->network = spec->network;
  sandbox->ready = ready;
  sandbox->ready_data = data;
  return sandbox;
}

e2b__host_sandbox_t *e2b__host_sandbox_find_any(e2b_host_t *host, const char *id) {
  size_t len = strcspn(id, "-");
  for (e2b__list_t *node = host->sandboxes.next; node != &host->sandboxes; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (sandbox->state != E2B__SANDBOX_STARTING && sandbox->state != E2B__SANDBOX_ENDING &&
        strlen(sandbox->id) == len && memcmp(sandbox->id, id, len) == 0)
      return sandbox;
  }
  return NULL;
}

e2b__host_sandbox_t *e2b__host_sandbox_find(e2b_host_t *host, const char *id) {
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(host, id);
  return sandbox != NULL && sandbox->state == E2B__SANDBOX_RUNNING ? sandbox : NULL;
}
