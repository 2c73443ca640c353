/* SPDX-License-Identifier: MIT */
#include "host/process_service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "host/clocks.h"
#include "host/paths.h"
#include "host/process.h"

/* process.Process: the streams Start and Connect, and the short calls. Input is in
 * process_input.c. */

static const e2b__empty_t nothing;

/* Finds the process or answers why not. */
e2b__host_process_t *e2b__host_select(e2b__host_call_t *call,
                                      const e2b__process_selector_t *selector, bool ended_too) {
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  if (selector == NULL || (!selector->has_pid && selector->tag.ptr == NULL)) {
    e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED,
                        "invalid input type *process.ProcessSelector");
    return NULL;
  }
  e2b__host_process_t *process = e2b__host_process_find(sandbox, selector, ended_too);
  if (process != NULL) return process;
  if (selector->has_pid)
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "process with pid %u not found",
                        (unsigned)selector->pid);
  else
    e2b__host_call_fail(call, E2B__CODE_NOT_FOUND, "process with tag %.*s not found",
                        (int)selector->tag.len, selector->tag.ptr);
  return NULL;
}

/* ---- somebody watches a process ---- */

typedef struct watcher {
  e2b__host_subscriber_t subscriber;
  e2b__host_clocks_t clocks;
  e2b__host_call_t *call;
  e2b__host_process_t *starting; /* until it has started */
} watcher_t;

static void watcher_stop(watcher_t *watcher) {
  e2b__host_clocks_stop(&watcher->clocks);
  e2b__host_process_unsubscribe(&watcher->subscriber);
}

static void send_event(watcher_t *watcher, const e2b__process_event_t *event) {
  e2b__process_event_response_t response = {(e2b__process_event_t *)(uintptr_t)event};
  if (watcher->call->answered) return;
  e2b__host_clocks_sent(&watcher->clocks);
  if (e2b__host_call_send(watcher->call, &e2b__process_event_response, &response) != 0)
    e2b__host_call_fail(watcher->call, E2B__CODE_RESOURCE_EXHAUSTED,
                        "too much output waits for this client");
}

static void on_event(e2b__host_subscriber_t *subscriber, const e2b__process_event_t *event) {
  watcher_t *watcher = E2B__CONTAINER(subscriber, watcher_t, subscriber);
  send_event(watcher, event);
  if (!subscriber->full &&
      e2b__host_stream_waiting(&watcher->call->stream) >= E2B__HOST_STREAM_HIGH) {
    subscriber->full = true;
    e2b__host_process_pace(subscriber->process);
  }
}

static void on_drained(e2b__host_stream_t *stream) {
  e2b__host_call_t *call = E2B__CONTAINER(stream, e2b__host_call_t, stream);
  watcher_t *watcher = call->state;
  if (watcher == NULL || !watcher->subscriber.full) return;
  watcher->subscriber.full = false;
  if (watcher->subscriber.process != NULL) e2b__host_process_pace(watcher->subscriber.process);
}

static void on_over(e2b__host_subscriber_t *subscriber, bool ended) {
  watcher_t *watcher = E2B__CONTAINER(subscriber, watcher_t, subscriber);
  watcher_stop(watcher);
  if (ended) e2b__host_call_end(watcher->call);
}

static void on_quiet(e2b__host_clocks_t *clocks) {
  static e2b__empty_t empty;
  e2b__process_event_t event = {.keepalive = &empty};
  send_event(E2B__CONTAINER(clocks, watcher_t, clocks), &event);
}

static void on_overdue(e2b__host_clocks_t *clocks) {
  watcher_stop(E2B__CONTAINER(clocks, watcher_t, clocks));
}

static void on_gone(e2b__host_call_t *call) {
  watcher_t *watcher = call->state;
  watcher_stop(watcher);
  /* The process does not belong to the call that started it. */
  if (watcher->starting != NULL) watcher->starting->started_data = NULL;
}

static watcher_t *watcher_new(e2b__host_call_t *call) {
  watcher_t *watcher = e2b__arena_calloc(&call->request->arena, 1, sizeof *watcher);
  if (watcher == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return NULL;
  }
  watcher->call = call;
  watcher->subscriber.event = on_event;
  watcher->subscriber.over = on_over;
  e2b__list_init(&watcher->subscriber.node);
  call->state = watcher;
  call->gone = on_gone;
  e2b__host_clocks_init(&watcher->clocks, call, on_quiet, on_overdue);
  return watcher;
}

static void watch(watcher_t *watcher, e2b__host_process_t *process) {
  e2b__process_start_event_t start = {(uint32_t)process->pid};
  e2b__process_event_t event = {.start = &start};
  e2b__host_call_open(watcher->call, on_drained);
  send_event(watcher, &event);
  e2b__host_clocks_keep_alive(&watcher->clocks);
  e2b__host_process_subscribe(process, &watcher->subscriber);
}

/* ---- Start ---- */

static bool has_nul(e2b__str_t s) {
  return s.len > 0 && memchr(s.ptr, 0, s.len) != NULL;
}

/* The command as one line, as errors show it: not more of it than anybody reads. */
static const char *command_line(e2b__arena_t *arena, const e2b__process_config_t *config) {
  e2b__buffer_t line = E2B__BUFFER_INIT(1 << 20);
  const char *text = "";
  e2b__buffer_append(&line, config->cmd.ptr, config->cmd.len);
  for (size_t i = 0; i < config->args_count && line.len < 1024; i++) {
    e2b__buffer_append_str(&line, " ");
    e2b__buffer_append(&line, config->args[i].ptr, config->args[i].len);
  }
  if (line.len > 0) text = e2b__arena_strndup(arena, line.data, line.len < 1024 ? line.len : 1024);
  e2b__buffer_free(&line);
  return text != NULL ? text : "";
}

/* The daemon starts everything by /bin/sh, whatever failed. */
#define NOT_STARTED "error starting process '%s': fork/exec /bin/sh: "

static void on_started(e2b__host_process_t *process, const e2b__host_started_t *started,
                       void *data) {
  watcher_t *watcher = data;
  if (watcher == NULL) return;
  e2b__host_call_t *call = watcher->call;
  watcher->starting = NULL;
  if (started == NULL) return;
  if (started->error != 0) {
    e2b__host_clocks_stop(&watcher->clocks);
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, NOT_STARTED "%s",
                        command_line(&call->request->arena, &process->config),
                        e2b__host_error_text(started->error));
    return;
  }
  if (call->answered) return;
  watch(watcher, process);
}

static bool check_strings(e2b__host_call_t *call, const e2b__process_config_t *config) {
  bool bad = has_nul(config->cmd) || has_nul(config->cwd);
  for (size_t i = 0; i < config->args_count; i++)
    bad = bad || has_nul(config->args[i]);
  if (bad) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, NOT_STARTED "invalid argument",
                        command_line(&call->request->arena, config));
    return false;
  }
  for (size_t i = 0; i < config->envs_count; i++) {
    if (!has_nul(config->envs[i].name) && !has_nul(config->envs[i].value)) continue;
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "error starting process '%s': exec: environment variable contains NUL",
                        command_line(&call->request->arena, config));
    return false;
  }
  return true;
}

static char *check_cwd(e2b__host_call_t *call, e2b__str_t cwd) {
  struct stat st;
  const char *why = NULL;
  char *path = e2b__host_path_expand(call->request->sandbox, &call->request->arena, cwd,
                                     call->as_root, &why);
  if (path == NULL) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "%s",
                        why != NULL ? why : "out of memory");
    return NULL;
  }
  int rc = e2b__host_stat(call->request->sandbox, path, true, &st);
  if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "cwd '%s' does not exist", path);
    return NULL;
  }
  return path;
}

static void start_call(e2b__host_call_t *call, const void *message) {
  static const e2b__process_config_t none;
  const e2b__process_start_request_t *input = message;
  const e2b__process_config_t *config = input->process != NULL ? input->process : &none;
  if (!check_strings(call, config)) return;
  char *cwd = check_cwd(call, config->cwd);
  watcher_t *watcher = cwd != NULL ? watcher_new(call) : NULL;
  if (watcher == NULL) return;
  watcher->starting = e2b__host_process_start(call->request->sandbox, input, cwd, call->as_root,
                                              on_started, watcher);
  if (watcher->starting == NULL) {
    watcher_stop(watcher);
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, NOT_STARTED "argument list too long",
                        command_line(&call->request->arena, config));
    return;
  }
  /* Whether or not this client is still there when it runs. */
  if (call->timeout_ms > 0) watcher->starting->life_ms = (uint64_t)call->timeout_ms;
}

/* ---- Connect ---- */

static void connect_call(e2b__host_call_t *call, const void *message) {
  const e2b__process_selector_request_t *input = message;
  e2b__host_process_t *process = e2b__host_select(call, input->process, true);
  watcher_t *watcher = process != NULL ? watcher_new(call) : NULL;
  if (watcher == NULL) return;
  if (process->state != E2B__PROCESS_ENDED) {
    watch(watcher, process);
    return;
  }
  e2b__process_start_event_t start = {(uint32_t)process->pid};
  e2b__process_end_event_t end;
  e2b__process_event_t event = {.start = &start};
  send_event(watcher, &event);
  event.start = NULL;
  event.end = &end;
  if (e2b__host_process_end_event(process, &call->request->arena, &end) == 0)
    send_event(watcher, &event);
  watcher_stop(watcher);
  e2b__host_call_end(call);
}

/* ---- the short calls ---- */

static void list_call(e2b__host_call_t *call, const void *message) {
  e2b__host_sandbox_t *sandbox = call->request->sandbox;
  e2b__process_list_response_t response = {NULL, 0};
  size_t room = 0;
  (void)message;
  for (e2b__list_t *n = sandbox->processes.next; n != &sandbox->processes; n = n->next)
    room++;
  response.processes =
      e2b__arena_calloc(&call->request->arena, room + 1, sizeof *response.processes);
  if (response.processes == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  for (e2b__list_t *n = sandbox->processes.next; n != &sandbox->processes; n = n->next) {
    e2b__host_process_t *process = E2B__CONTAINER(n, e2b__host_process_t, node);
    if (process->state != E2B__PROCESS_RUNNING && process->state != E2B__PROCESS_DRAINING) continue;
    if (process->internal) continue;
    e2b__process_info_t *info = &response.processes[response.processes_count++];
    info->config = &process->config;
    info->pid = (uint32_t)process->pid;
    info->tag = process->tag;
  }
  e2b__host_call_reply(call, &e2b__process_list_response, &response);
}

static void update_call(e2b__host_call_t *call, const void *message) {
  const e2b__process_update_request_t *input = message;
  e2b__host_process_t *process = e2b__host_select(call, input->process, false);
  if (process == NULL) return;
  if (input->pty != NULL) {
    e2b__pty_size_t none = {0, 0};
    const e2b__pty_size_t *size = input->pty->size != NULL ? input->pty->size : &none;
    if (!process->pty) {
      e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                          "error resizing tty: tty not assigned to process");
      return;
    }
    int rc = e2b__host_process_resize(process, size->cols, size->rows);
    if (rc != 0) {
      e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error resizing tty: %s",
                          e2b__host_error_text(-rc));
      return;
    }
  }
  e2b__host_call_reply(call, &e2b__empty, &nothing);
}

typedef struct kill_wait {
  e2b__host_reap_wait_t wait;
  e2b__host_call_t *call;
} kill_wait_t;

static void on_reaped(e2b__host_reap_wait_t *wait) {
  kill_wait_t *waiting = E2B__CONTAINER(wait, kill_wait_t, wait);
  e2b__host_call_reply(waiting->call, &e2b__empty, &nothing);
}

static void on_kill_gone(e2b__host_call_t *call) {
  kill_wait_t *waiting = call->state;
  e2b__list_remove(&waiting->wait.node);
}

static void signal_call(e2b__host_call_t *call, const void *message) {
  const e2b__send_signal_request_t *input = message;
  e2b__host_process_t *process = e2b__host_select(call, input->process, false);
  if (process == NULL) return;
  if (input->signal != E2B__SIGNAL_SIGKILL && input->signal != E2B__SIGNAL_SIGTERM) {
    char number[16];
    snprintf(number, sizeof number, "%d", (int)input->signal);
    e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED, "invalid signal: %s",
                        input->signal != 0 ? number : "SIGNAL_UNSPECIFIED");
    return;
  }
  bool running = process->state == E2B__PROCESS_RUNNING;
  e2b__host_process_signal(process, (int)input->signal);
  /* A killed process must be gone when the answer comes. */
  kill_wait_t *waiting = NULL;
  if (running && input->signal == E2B__SIGNAL_SIGKILL)
    waiting = e2b__arena_calloc(&call->request->arena, 1, sizeof *waiting);
  if (waiting == NULL) {
    e2b__host_call_reply(call, &e2b__empty, &nothing);
    return;
  }
  waiting->call = call;
  waiting->wait.reaped = on_reaped;
  call->state = waiting;
  call->gone = on_kill_gone;
  e2b__host_process_wait_reaped(process, &waiting->wait);
}

const e2b__host_method_t e2b__host_process_methods[] = {
    {"/process.Process/Start", E2B__CALL_SERVER_STREAM, &e2b__process_start_request, start_call,
     NULL},
    {"/process.Process/Connect", E2B__CALL_SERVER_STREAM, &e2b__process_selector_request,
     connect_call, NULL},
    {"/process.Process/List", E2B__CALL_UNARY, &e2b__empty, list_call, NULL},
    {"/process.Process/Update", E2B__CALL_UNARY, &e2b__process_update_request, update_call, NULL},
    {"/process.Process/SendSignal", E2B__CALL_UNARY, &e2b__send_signal_request, signal_call, NULL},
    {"/process.Process/SendInput", E2B__CALL_UNARY, &e2b__send_input_request,
     e2b__host_send_input_call, NULL},
    {"/process.Process/CloseStdin", E2B__CALL_UNARY, &e2b__process_selector_request,
     e2b__host_close_stdin_call, NULL},
    {"/process.Process/StreamInput", E2B__CALL_CLIENT_STREAM, &e2b__stream_input_request,
     e2b__host_stream_input_call, e2b__host_stream_input_end},
    {NULL, E2B__CALL_UNARY, NULL, NULL, NULL},
};
