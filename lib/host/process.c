/* SPDX-License-Identifier: MIT */
#include "host/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/environment.h"

enum { RETENTION_MS = 30000, LAST_WORDS = 1 << 20 };

/* ---- the end ---- */

static void close_channels(e2b__host_process_t *process) {
  e2b__host_channel_close(process->input);
  e2b__host_channel_close(process->output[0]);
  e2b__host_channel_close(process->output[1]);
  process->input = process->output[0] = process->output[1] = NULL;
}

static void tell_over(e2b__host_process_t *process, bool ended) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&process->subscribers)) != NULL) {
    e2b__host_subscriber_t *subscriber = E2B__CONTAINER(node, e2b__host_subscriber_t, node);
    subscriber->process = NULL;
    subscriber->over(subscriber, ended);
  }
}

static void tell_reaped(e2b__host_process_t *process) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&process->reap_waits)) != NULL) {
    e2b__host_reap_wait_t *wait = E2B__CONTAINER(node, e2b__host_reap_wait_t, node);
    wait->reaped(wait);
  }
}

static void process_free(e2b__host_process_t *process) {
  e2b_host_t *host = process->sandbox->host;
  e2b__list_remove(&process->node);
  e2b__list_remove(&process->start.node);
  e2b__host_alarm_cancel(&host->alarms, &process->deadline);
  e2b__host_alarm_cancel(&host->alarms, &process->retention);
  tell_reaped(process);
  tell_over(process, false);
  close_channels(process);
  e2b__arena_free(&process->arena);
  e2b__free(process);
}

static void on_retention(e2b__host_alarm_t *alarm) {
  process_free(E2B__CONTAINER(alarm, e2b__host_process_t, retention));
}

static const char *signal_text(int number) {
  switch (number) {
  case SIGHUP: return "hangup";
  case SIGINT: return "interrupt";
  case SIGQUIT: return "quit";
  case SIGILL: return "illegal instruction";
  case SIGTRAP: return "trace/breakpoint trap";
  case SIGABRT: return "aborted";
  case SIGBUS: return "bus error";
  case SIGFPE: return "floating point exception";
  case SIGKILL: return "killed";
  case SIGUSR1: return "user defined signal 1";
  case SIGSEGV: return "segmentation fault";
  case SIGUSR2: return "user defined signal 2";
  case SIGPIPE: return "broken pipe";
  case SIGALRM: return "alarm clock";
  case SIGTERM: return "terminated";
  default: return NULL;
  }
}

int e2b__host_process_end_event(const e2b__host_process_t *process, e2b__arena_t *arena,
                                e2b__process_end_event_t *end) {
  char text[64];
  memset(end, 0, sizeof *end);
  if (WIFEXITED(process->status)) {
    end->exited = true;
    end->exit_code = WEXITSTATUS(process->status);
    snprintf(text, sizeof text, "exit status %d", (int)end->exit_code);
  } else {
    const char *name = signal_text(WTERMSIG(process->status));
    end->exit_code = -1;
    if (name != NULL)
      snprintf(text, sizeof text, "signal: %s", name);
    else
      snprintf(text, sizeof text, "signal: signal %d", WTERMSIG(process->status));
    if (WCOREDUMP(process->status)) strcat(text, " (core dumped)");
  }
  end->status.len = strlen(text);
  end->status.ptr = e2b__arena_strndup(arena, text, end->status.len);
  if (end->status.ptr == NULL) return E2B_ENOMEM;
  if (process->status != 0) end->error = end->status;
  return 0;
}

static void dispatch(e2b__host_process_t *process, const e2b__process_event_t *event) {
  for (e2b__list_t *node = process->subscribers.next; node != &process->subscribers;
       node = node->next) {
    e2b__host_subscriber_t *subscriber = E2B__CONTAINER(node, e2b__host_subscriber_t, node);
    subscriber->event(subscriber, event);
  }
}

static void finish(e2b__host_process_t *process) {
  e2b__process_end_event_t end;
  e2b__process_event_t event = {.end = &end};

  close_channels(process);
  process->state = E2B__PROCESS_ENDED;
  bool ended = e2b__host_process_end_event(process, &process->arena, &end) == 0;
  if (ended) dispatch(process, &event);
  tell_over(process, ended);
  e2b__host_alarm_set(&process->sandbox->host->alarms, &process->retention, RETENTION_MS,
                      on_retention);
}

/* A terminal has ended when nobody has it open, but it stays until the program has: closing it
 * would hang up on one that has closed its descriptors and is about to exit with a code of its own.
 */
static void maybe_finish(e2b__host_process_t *process) {
  if (process->state == E2B__PROCESS_DRAINING &&
      (process->output[0] == NULL || process->tty_ended) && process->output[1] == NULL)
    finish(process);
}

/* ---- output ---- */

static void send_output(e2b__host_process_t *process, bool is_stderr, const char *data,
                        size_t len) {
  e2b__str_t bytes = {data, len};
  e2b__process_data_event_t output = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
  e2b__process_event_t event = {.data = &output};
  if (process->pty)
    output.pty_data = bytes;
  else if (is_stderr)
    output.stderr_data = bytes;
  else
    output.stdout_data = bytes;
  dispatch(process, &event);
}

/* libuv takes a hang-up behind a short read for the end, but reads of a terminal are always short:
 * there may be more. It is no more than a terminal holds, unless somebody opens it again and writes
 * as fast as this reads. */
static void drain_terminal(e2b__host_process_t *process) {
  static char piece[32768];
  size_t total = 0;
  ssize_t got;
  while (total < LAST_WORDS && (got = read(process->output[0]->fd, piece, sizeof piece)) > 0) {
    send_output(process, false, piece, (size_t)got);
    total += (size_t)got;
  }
}

static void on_output(e2b__host_channel_t *channel, const char *data, size_t len) {
  e2b__host_process_t *process = channel->owner;
  bool is_stderr = channel == process->output[1];
  if (len > 0) {
    send_output(process, is_stderr, data, len);
    return;
  }
  if (process->pty) {
    process->tty_ended = true;
    drain_terminal(process);
  } else {
    process->output[is_stderr] = NULL;
    e2b__host_channel_close(channel);
  }
  maybe_finish(process);
}

static void on_input_end(e2b__host_channel_t *channel, const char *data, size_t len) {
  (void)channel;
  (void)data;
  (void)len;
}

void e2b__host_process_pace(e2b__host_process_t *process) {
  bool pause = false;
  for (e2b__list_t *node = process->subscribers.next; node != &process->subscribers;
       node = node->next)
    if (E2B__CONTAINER(node, e2b__host_subscriber_t, node)->full) pause = true;
  process->reading_paused = pause;
  for (int i = 0; i < 2; i++)
    if (process->output[i] != NULL && !process->tty_ended)
      e2b__host_channel_read(process->output[i], !pause);
}

/* A process that was killed may have left children that hold its pipes open: what is in them is
 * its last words, and nobody waits for more. */
static void read_last_words(e2b__host_process_t *process) {
  static char piece[32768];
  for (int i = 0; i < 2; i++) {
    size_t total = 0;
    ssize_t got = 0;
    while (process->output[i] != NULL && total < LAST_WORDS &&
           (got = read(process->output[i]->fd, piece, sizeof piece)) > 0) {
      send_output(process, i == 1, piece, (size_t)got);
      total += (size_t)got;
    }
  }
  finish(process);
}

void e2b__host_process_exited(e2b__host_sandbox_t *sandbox, int pid, int status) {
  for (e2b__list_t *node = sandbox->processes.next; node != &sandbox->processes;
       node = node->next) {
    e2b__host_process_t *process = E2B__CONTAINER(node, e2b__host_process_t, node);
    if (process->state != E2B__PROCESS_RUNNING || process->pid != pid) continue;
    process->status = status;
    process->state = E2B__PROCESS_DRAINING;
    e2b__host_alarm_cancel(&sandbox->host->alarms, &process->deadline);
    if (process->no_drain)
      read_last_words(process);
    else
      maybe_finish(process);
    tell_reaped(process);
    return;
  }
}

/* ---- the beginning ---- */

static void on_deadline(e2b__host_alarm_t *alarm) {
  e2b__host_process_signal(E2B__CONTAINER(alarm, e2b__host_process_t, deadline), SIGKILL);
}

static int take_channels(e2b__host_process_t *process, e2b__host_started_t *started) {
  e2b_host_t *host = process->sandbox->host;
  int at = 0;
  bool failed = false;
  if (process->pty) {
    process->output[0] = e2b__host_channel_open(host, started->fds[0], process, on_output);
    process->input = process->output[0];
    return process->input != NULL ? 0 : E2B_ENOMEM;
  }
  if (started->fd_count == 3) {
    process->input = e2b__host_channel_open(host, started->fds[at++], process, on_input_end);
    if (process->input == NULL) failed = true;
  }
  for (int i = 0; i < 2; i++) {
    process->output[i] = e2b__host_channel_open(host, started->fds[at++], process, on_output);
    if (process->output[i] == NULL) failed = true;
  }
  return failed ? E2B_ENOMEM : 0;
}

static void on_started(e2b__host_start_t *start, const e2b__host_started_t *started) {
  e2b__host_process_t *process = E2B__CONTAINER(start, e2b__host_process_t, start);
  e2b__host_started_t copy;
  if (started == NULL || started->error != 0) {
    process->started(process, started, process->started_data);
    process_free(process);
    return;
  }
  copy = *started;
  process->pid = started->pid;
  process->state = E2B__PROCESS_RUNNING;
  if (take_channels(process, &copy) != 0) {
    e2b__host_link_signal(process->sandbox->link, process->pid, SIGKILL);
    copy.error = ENOMEM;
    process->started(process, &copy, process->started_data);
    process_free(process);
    return;
  }
  if (process->life_ms > 0)
    e2b__host_alarm_set(&process->sandbox->host->alarms, &process->deadline, process->life_ms,
                        on_deadline);
  process->started(process, &copy, process->started_data);
  e2b__host_process_pace(process);
}

static char *copy_str(e2b__arena_t *arena, e2b__str_t *to, e2b__str_t from) {
  char *text = e2b__arena_strndup(arena, from.ptr != NULL ? from.ptr : "", from.len);
  to->ptr = from.ptr != NULL ? text : NULL;
  to->len = from.len;
  return text;
}

static int copy_config(e2b__host_process_t *process, const e2b__process_start_request_t *request) {
  static const e2b__process_config_t none;
  const e2b__process_config_t *from = request->process != NULL ? request->process : &none;
  e2b__process_config_t *to = &process->config;
  e2b__arena_t *arena = &process->arena;

  to->args = e2b__arena_calloc(arena, from->args_count + 1, sizeof *to->args);
  to->envs = e2b__arena_calloc(arena, from->envs_count + 1, sizeof *to->envs);
  if (to->args == NULL || to->envs == NULL) return E2B_ENOMEM;
  to->args_count = from->args_count;
  to->envs_count = from->envs_count;
  if (copy_str(arena, &to->cmd, from->cmd) == NULL) return E2B_ENOMEM;
  if (copy_str(arena, &to->cwd, from->cwd) == NULL) return E2B_ENOMEM;
  if (copy_str(arena, &process->tag, request->tag) == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < to->args_count; i++)
    if (copy_str(arena, &to->args[i], from->args[i]) == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < to->envs_count; i++)
    if (copy_str(arena, &to->envs[i].name, from->envs[i].name) == NULL ||
        copy_str(arena, &to->envs[i].value, from->envs[i].value) == NULL)
      return E2B_ENOMEM;
  return 0;
}

static int send_start(e2b__host_process_t *process, const e2b__process_start_request_t *request,
                      const char *cwd, bool as_root) {
  e2b__arena_t arena = {0};
  e2b__host_program_t program = {.cwd = cwd};
  const e2b__process_config_t *config = &process->config;

  const char **argv = e2b__arena_calloc(&arena, config->args_count + 1, sizeof *argv);
  program.env =
      e2b__host_environment(process->sandbox, config, cwd, as_root, &arena, &program.envc);
  int rc = argv == NULL || program.env == NULL ? E2B_ENOMEM : 0;
  if (rc == 0) {
    argv[0] = config->cmd.ptr != NULL ? config->cmd.ptr : "";
    for (size_t i = 0; i < config->args_count; i++)
      argv[i + 1] = config->args[i].ptr != NULL ? config->args[i].ptr : "";
    program.argv = argv;
    program.argc = config->args_count + 1;
    if (!as_root) program.flags |= E2B__SPAWNER_AS_USER;
    if (request->pty != NULL) {
      program.flags |= E2B__SPAWNER_PTY;
      program.cols = request->pty->size != NULL ? request->pty->size->cols : 0;
      program.rows = request->pty->size != NULL ? request->pty->size->rows : 0;
    } else if (request->has_stdin && !request->stdin_open) {
      program.flags |= E2B__SPAWNER_NO_STDIN;
    }
    process->start.done = on_started;
    rc = e2b__host_link_start(process->sandbox->link, &program, &process->start);
  }
  e2b__arena_free(&arena);
  return rc;
}

e2b__host_process_t *
e2b__host_process_start(e2b__host_sandbox_t *sandbox, const e2b__process_start_request_t *request,
                        const char *cwd, bool as_root,
                        void (*started)(e2b__host_process_t *, const e2b__host_started_t *, void *),
                        void *data) {
  e2b__host_process_t *process = e2b__calloc(1, sizeof *process);
  if (process == NULL) return NULL;
  process->sandbox = sandbox;
  process->pty = request->pty != NULL;
  process->started = started;
  process->started_data = data;
  e2b__list_init(&process->start.node);
  e2b__list_init(&process->subscribers);
  e2b__list_init(&process->reap_waits);
  e2b__list_append(&sandbox->processes, &process->node);
  if (copy_config(process, request) != 0 || send_start(process, request, cwd, as_root) != 0) {
    process_free(process);
    return NULL;
  }
  return process;
}

/* ---- what clients do to it ---- */

static bool matches(const e2b__host_process_t *process, const e2b__process_selector_t *selector) {
  if (selector->has_pid) return (uint32_t)process->pid == selector->pid;
  return process->tag.ptr != NULL && process->tag.len == selector->tag.len &&
         memcmp(process->tag.ptr, selector->tag.ptr, process->tag.len) == 0;
}

e2b__host_process_t *e2b__host_process_find(e2b__host_sandbox_t *sandbox,
                                            const e2b__process_selector_t *selector,
                                            bool ended_too) {
  e2b__host_process_t *ended = NULL;
  /* The newest first: pids and tags may come again. */
  for (e2b__list_t *node = sandbox->processes.prev; node != &sandbox->processes;
       node = node->prev) {
    e2b__host_process_t *process = E2B__CONTAINER(node, e2b__host_process_t, node);
    if (process->state == E2B__PROCESS_STARTING || process->internal) continue;
    if (!matches(process, selector)) continue;
    if (process->state != E2B__PROCESS_ENDED) return process;
    if (ended == NULL) ended = process;
  }
  return ended_too ? ended : NULL;
}

void e2b__host_process_subscribe(e2b__host_process_t *process, e2b__host_subscriber_t *subscriber) {
  subscriber->process = process;
  e2b__list_append(&process->subscribers, &subscriber->node);
}

void e2b__host_process_unsubscribe(e2b__host_subscriber_t *subscriber) {
  e2b__host_process_t *process = subscriber->process;
  if (process == NULL) return;
  subscriber->process = NULL;
  e2b__list_remove(&subscriber->node);
  e2b__host_process_pace(process);
}

void e2b__host_process_signal(e2b__host_process_t *process, int number) {
  process->no_drain = true;
  if (process->state == E2B__PROCESS_RUNNING)
    e2b__host_link_signal(process->sandbox->link, process->pid, number);
  else if (process->state == E2B__PROCESS_DRAINING)
    read_last_words(process);
}

void e2b__host_process_wait_reaped(e2b__host_process_t *process, e2b__host_reap_wait_t *wait) {
  e2b__list_append(&process->reap_waits, &wait->node);
}

int e2b__host_process_resize(e2b__host_process_t *process, unsigned cols, unsigned rows) {
  struct winsize size = {(unsigned short)rows, (unsigned short)cols, 0, 0};
  if (process->output[0] == NULL) return 0;
  return ioctl(process->output[0]->fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

void e2b__host_processes_free(e2b__host_sandbox_t *sandbox) {
  while (!e2b__list_empty(&sandbox->processes)) {
    e2b__host_process_t *process =
        E2B__CONTAINER(sandbox->processes.next, e2b__host_process_t, node);
    /* One that is starting hears of the end here, not from the link later. */
    if (process->state == E2B__PROCESS_STARTING)
      process->started(process, NULL, process->started_data);
    process_free(process);
  }
}
