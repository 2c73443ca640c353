/* SPDX-License-Identifier: MIT */
#include "host/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "host/isolation.h"
#include "host/paths.h"
#include "proto/json.h"

enum {
  START_MS = 60000,
  INTERRUPT_AGAIN_MS = 2000,
  LINE_WHOLE = 64 << 10, /* a line up to here is given on when it is complete */
  RAW_CEILING = 4 << 20,
  CELL_CEILING = 256 << 20
};

struct e2b__host_kernel {
  e2b__host_subscriber_t subscriber;
  e2b__host_sandbox_t *sandbox;
  e2b__host_process_t *process; /* NULL before it runs and after its end */
  e2b__host_kernel_language_t language;
  e2b__host_kernel_state_t state;
  const e2b__host_kernel_events_t *events; /* NULL: it was ended, and is not its owner's any more */
  void *owner;
  e2b__host_alarm_t alarm; /* the end of starting; the next interrupt */
  bool interrupt;          /* wanted */
  bool leaving;            /* exits after this cell */
  e2b__host_start_t fence; /* in a list as long as a SIGINT is on its way */
  bool long_line;          /* the rest of one is on its way */
  e2b__buffer_t line;
  e2b__buffer_t raw;   /* from standard error, not given on yet */
  char complaint[512]; /* what it said while starting */
};

/* A piece of input on its way. */
typedef struct piece {
  e2b__host_write_t write;
  e2b__buffer_t data;
} piece_t;

static e2b_host_t *host_of(const e2b__host_kernel_t *kernel) {
  return kernel->sandbox->host;
}

static void kernel_free(e2b__host_kernel_t *kernel) {
  e2b__host_alarm_cancel(&host_of(kernel)->alarms, &kernel->alarm);
  e2b__list_remove(&kernel->fence.node);
  e2b__buffer_free(&kernel->line);
  e2b__buffer_free(&kernel->raw);
  e2b__free(kernel);
}

e2b__host_kernel_state_t e2b__host_kernel_state(const e2b__host_kernel_t *kernel) {
  return kernel->state;
}

/* Signals go to the group: what a cell started is part of it. */
static void signal_group(e2b__host_kernel_t *kernel, int number) {
  if (kernel->process != NULL && kernel->process->state == E2B__PROCESS_RUNNING)
    e2b__host_link_signal(kernel->sandbox->link, -kernel->process->pid, number);
}

/* Its memory stays until the process is over: this may be called from inside its events. */
void e2b__host_kernel_end(e2b__host_kernel_t *kernel) {
  if (kernel == NULL || kernel->events == NULL) return;
  kernel->events = NULL;
  kernel->owner = NULL;
  e2b__host_alarm_cancel(&host_of(kernel)->alarms, &kernel->alarm);
  signal_group(kernel, SIGKILL);
  e2b__host_kernel_pause(kernel, false);
}

static void tell_unavailable(e2b__host_kernel_t *kernel, const char *why) {
  const e2b__host_kernel_events_t *events = kernel->events;
  void *owner = kernel->owner;
  E2B__HOST_LOG(host_of(kernel), WARN, "sandbox %s: a kernel did not start: %s",
                kernel->sandbox->id, why);
  e2b__host_kernel_end(kernel);
  events->ready(owner, why);
}

/* ---- what it reads ---- */

static void on_written(e2b__host_write_t *write, int status) {
  piece_t *piece = E2B__CONTAINER(write, piece_t, write);
  (void)status; /* a kernel that takes no input is at its end, which is seen elsewhere */
  e2b__buffer_free(&piece->data);
  e2b__free(piece);
}

/* Takes `data`. */
static int send_input(e2b__host_kernel_t *kernel, e2b__buffer_t *data) {
  piece_t *piece = e2b__calloc(1, sizeof *piece);
  int rc = piece == NULL ? E2B_ENOMEM : 0;
  if (rc == 0) {
    piece->data = *data;
    e2b__buffer_init(data, 0);
    if (kernel->process == NULL || kernel->process->input == NULL ||
        e2b__host_channel_write(kernel->process->input, &piece->write, piece->data.data,
                                piece->data.len, on_written) != 0)
      rc = E2B_ESYSTEM;
  }
  if (rc != 0 && piece != NULL) {
    e2b__buffer_free(&piece->data);
    e2b__free(piece);
  }
  e2b__buffer_free(data);
  return rc;
}

static void send_text(e2b__host_kernel_t *kernel, const char *text) {
  e2b__buffer_t data = E2B__BUFFER_INIT(CELL_CEILING);
  if (e2b__buffer_append_str(&data, text) == 0) send_input(kernel, &data);
  e2b__buffer_free(&data);
}

/* ---- interrupting ---- */

static void tell_ended(e2b__host_kernel_t *kernel) {
  kernel->state = kernel->leaving ? E2B__KERNEL_LEAVING : E2B__KERNEL_IDLE;
  if (kernel->events != NULL) kernel->events->ended(kernel->owner);
}

static void on_fence(e2b__host_start_t *start, const e2b__host_started_t *started) {
  e2b__host_kernel_t *kernel = E2B__CONTAINER(start, e2b__host_kernel_t, fence);
  if (started != NULL && kernel->state == E2B__KERNEL_ENDING) tell_ended(kernel);
}

static void send_sigint(e2b__host_kernel_t *kernel) {
  e2b__host_process_t *process = kernel->process;
  if (process == NULL || process->state != E2B__PROCESS_RUNNING) return;
  if (e2b__list_empty(&kernel->fence.node))
    e2b__host_link_signal_then(kernel->sandbox->link, -process->pid, SIGINT, &kernel->fence);
}

static void on_interrupt(e2b__host_alarm_t *alarm) {
  e2b__host_kernel_t *kernel = E2B__CONTAINER(alarm, e2b__host_kernel_t, alarm);
  if (kernel->language == E2B__KERNEL_JAVASCRIPT || kernel->language == E2B__KERNEL_TYPESCRIPT)
    send_text(kernel, "{\"interrupt\": true}\n");
  else
    send_sigint(kernel);
  /* Code may catch the interrupt and go on. */
  e2b__host_alarm_set(&host_of(kernel)->alarms, alarm, INTERRUPT_AGAIN_MS, on_interrupt);
}

void e2b__host_kernel_interrupt(e2b__host_kernel_t *kernel) {
  kernel->interrupt = true;
  if (kernel->state == E2B__KERNEL_RUNNING || kernel->state == E2B__KERNEL_LEAVING)
    on_interrupt(&kernel->alarm);
}

void e2b__host_kernel_pause(e2b__host_kernel_t *kernel, bool paused) {
  if (kernel->subscriber.full == paused) return;
  kernel->subscriber.full = paused;
  if (kernel->process != NULL) e2b__host_process_pace(kernel->process);
}

/* ---- what it writes ---- */

static bool running(const e2b__host_kernel_t *kernel) {
  return kernel->state == E2B__KERNEL_RUNNING || kernel->state == E2B__KERNEL_LEAVING;
}

static void give(e2b__host_kernel_t *kernel, const char *data, size_t len, bool whole) {
  if (kernel->events != NULL && running(kernel))
    kernel->events->output(kernel->owner, data, len, whole);
}

/* What programs print, as a line of stdout: when there is a cell that it belongs to, and no other
 * line is half on its way. `all`: the beginning of a character too. */
static void flush_raw(e2b__host_kernel_t *kernel, bool all) {
  e2b__buffer_t *raw = &kernel->raw, line = E2B__BUFFER_INIT(8 * RAW_CEILING);
  char timestamp[32];
  if (!running(kernel) || kernel->long_line || raw->len == 0) return;
  size_t take = raw->len - (all ? 0 : e2b__utf8_tail(raw->data, raw->len));
  if (take == 0) return;
  e2b__rfc3339_from_ms(e2b__wall_ms(), timestamp);
  timestamp[strcspn(timestamp, "Z")] = '\0';
  int rc = e2b__buffer_append_str(&line, "{\"type\": \"stdout\", \"text\": ");
  if (rc == 0) rc = e2b__json_quote(&line, raw->data, take);
  if (rc == 0) rc = e2b__buffer_printf(&line, ", \"timestamp\": \"%s+00:00\"}\n", timestamp);
  if (rc == 0) give(kernel, line.data, line.len, true);
  e2b__buffer_free(&line);
  if (take == raw->len)
    e2b__buffer_free(raw);
  else
    e2b__buffer_consume(raw, take);
}

static void take_raw(e2b__host_kernel_t *kernel, const char *data, size_t len) {
  if (kernel->state == E2B__KERNEL_IDLE || kernel->state == E2B__KERNEL_ENDING)
    return; /* it is no cell's */
  if (e2b__buffer_append(&kernel->raw, data, len) != 0)
    E2B__HOST_LOG(host_of(kernel), WARN, "sandbox %s: output of a cell's programs is lost",
                  kernel->sandbox->id);
  flush_raw(kernel, false);
}

/* The kernel's two pipes have no order of their own: of what was written before a line that has
 * come, this is what is unread. */
static void read_last_raw(e2b__host_kernel_t *kernel) {
  char piece[8192];
  ssize_t got;
  for (size_t total = 0; total < RAW_CEILING && kernel->process != NULL &&
                         kernel->process->output[1] != NULL && kernel->events != NULL &&
                         (got = read(kernel->process->output[1]->fd, piece, sizeof piece)) > 0;
       total += (size_t)got)
    if (kernel->state != E2B__KERNEL_STARTING) take_raw(kernel, piece, (size_t)got);
  flush_raw(kernel, true);
}

static bool starts(const char *line, size_t len, const char *type) {
  char prefix[64];
  size_t want = (size_t)snprintf(prefix, sizeof prefix, "{\"type\": \"%s\"", type);
  return len > want && memcmp(line, prefix, want) == 0;
}

static void take_unavailable(e2b__host_kernel_t *kernel, const char *line, size_t len) {
  cJSON *message = e2b__json_parse(line, len);
  char why[512];
  snprintf(why, sizeof why, "%s", e2b__json_string(message, "message", "it cannot start"));
  cJSON_Delete(message);
  tell_unavailable(kernel, why);
}

static void take_begin(e2b__host_kernel_t *kernel, const char *line, size_t len) {
  if (kernel->state == E2B__KERNEL_SENT) kernel->state = E2B__KERNEL_RUNNING;
  if (kernel->interrupt) on_interrupt(&kernel->alarm);
  give(kernel, line, len, true);
  flush_raw(kernel, false);
}

static void take_end(e2b__host_kernel_t *kernel, const char *line, size_t len) {
  read_last_raw(kernel);
  if (kernel->events == NULL) return;
  give(kernel, line, len, true);
  kernel->interrupt = false;
  e2b__host_alarm_cancel(&host_of(kernel)->alarms, &kernel->alarm);
  kernel->leaving = kernel->state == E2B__KERNEL_LEAVING;
  /* An interrupt that comes late must not meet the next cell. */
  if (e2b__list_empty(&kernel->fence.node))
    tell_ended(kernel);
  else
    kernel->state = E2B__KERNEL_ENDING;
}

/* One line, its end included. */
static void take_line(e2b__host_kernel_t *kernel, const char *line, size_t len) {
  if (kernel->events == NULL) return;
  switch (kernel->state) {
  case E2B__KERNEL_STARTING:
    if (starts(line, len, "unavailable")) {
      take_unavailable(kernel, line, len);
    } else if (starts(line, len, "ready")) {
      e2b__host_alarm_cancel(&host_of(kernel)->alarms, &kernel->alarm);
      read_last_raw(kernel); /* what it said about its start is no cell's */
      kernel->state = E2B__KERNEL_IDLE;
      kernel->events->ready(kernel->owner, NULL);
    }
    return;
  case E2B__KERNEL_IDLE:
  case E2B__KERNEL_ENDING: return;
  case E2B__KERNEL_SENT:
    if (starts(line, len, "number_of_executions")) take_begin(kernel, line, len);
    return;
  case E2B__KERNEL_RUNNING:
  case E2B__KERNEL_LEAVING:
    if (starts(line, len, "exiting"))
      kernel->state = E2B__KERNEL_LEAVING;
    else if (starts(line, len, "end_of_execution"))
      take_end(kernel, line, len);
    else {
      /* It speaks of what was printed before. */
      if (starts(line, len, "error")) read_last_raw(kernel);
      give(kernel, line, len, true);
    }
    return;
  }
}

/* Whole lines are given on one by one; what is too long for that goes on as it comes. */
static void take_lines(e2b__host_kernel_t *kernel, const char *data, size_t len) {
  while (len > 0 && kernel->events != NULL) {
    const char *newline = memchr(data, '\n', len);
    size_t take = newline != NULL ? (size_t)(newline - data) + 1 : len;
    if (kernel->long_line) {
      give(kernel, data, take, newline != NULL);
      kernel->long_line = newline == NULL;
      flush_raw(kernel, false);
    } else if (newline != NULL && kernel->line.len == 0) {
      take_line(kernel, data, take);
    } else if (e2b__buffer_append(&kernel->line, data, take) != 0) {
      /* Out of memory: without this piece nothing of its answer can be trusted. */
      signal_group(kernel, SIGKILL);
      return;
    } else if (newline != NULL) {
      e2b__buffer_t line = kernel->line;
      e2b__buffer_init(&kernel->line, line.ceiling);
      take_line(kernel, line.data, line.len);
      e2b__buffer_free(&line);
    } else if (kernel->line.len >= LINE_WHOLE) {
      give(kernel, kernel->line.data, kernel->line.len, false);
      e2b__buffer_free(&kernel->line);
      kernel->long_line = true;
    }
    data += take;
    len -= take;
  }
}

static void take_stderr(e2b__host_kernel_t *kernel, const char *data, size_t len) {
  if (kernel->state == E2B__KERNEL_STARTING) {
    size_t have = strlen(kernel->complaint), room = sizeof kernel->complaint - 1 - have;
    if (len > room) len = room;
    memcpy(kernel->complaint + have, data, len);
    kernel->complaint[have + len] = '\0';
    return;
  }
  take_raw(kernel, data, len);
}

static void on_event(e2b__host_subscriber_t *subscriber, const e2b__process_event_t *event) {
  e2b__host_kernel_t *kernel = E2B__CONTAINER(subscriber, e2b__host_kernel_t, subscriber);
  if (event->data == NULL || kernel->events == NULL) return;
  if (event->data->stdout_data.len > 0)
    take_lines(kernel, event->data->stdout_data.ptr, event->data->stdout_data.len);
  else if (event->data->stderr_data.len > 0)
    take_stderr(kernel, event->data->stderr_data.ptr, event->data->stderr_data.len);
}

static void on_over(e2b__host_subscriber_t *subscriber, bool ended) {
  e2b__host_kernel_t *kernel = E2B__CONTAINER(subscriber, e2b__host_kernel_t, subscriber);
  const e2b__host_kernel_events_t *events = kernel->events;
  void *owner = kernel->owner;
  (void)ended;
  kernel->process = NULL;
  if (events != NULL && kernel->state == E2B__KERNEL_STARTING) {
    const char *said = kernel->complaint;
    tell_unavailable(kernel, said[0] != '\0' ? said : "its process ended before it was ready");
  } else if (events != NULL) {
    kernel->events = NULL;
    events->died(owner);
  }
  kernel_free(kernel);
}

/* ---- the beginning ---- */

static void on_start_overdue(e2b__host_alarm_t *alarm) {
  e2b__host_kernel_t *kernel = E2B__CONTAINER(alarm, e2b__host_kernel_t, alarm);
  tell_unavailable(kernel, "it was not ready in a minute");
}

static void on_started(e2b__host_process_t *process, const e2b__host_started_t *started,
                       void *data) {
  e2b__host_kernel_t *kernel = data;
  e2b__host_kernel_program_t program = e2b__host_kernel_program(kernel->language);
  e2b__buffer_t text = E2B__BUFFER_INIT(CELL_CEILING);
  if (started == NULL || started->error != 0) {
    if (started != NULL)
      snprintf(kernel->complaint, sizeof kernel->complaint, "its process could not be started: %s",
               strerror(started->error));
    return; /* it is over right after */
  }
  kernel->process = process;
  if (kernel->events == NULL) {
    signal_group(kernel, SIGKILL);
    return;
  }
  if (e2b__buffer_append(&text, program.text, program.len) != 0 || send_input(kernel, &text) != 0) {
    e2b__buffer_free(&text);
    signal_group(kernel, SIGKILL);
  }
}

/* By its place, whatever PATH the sandbox was given. */
static char *python_path(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena) {
  const e2b_host_t *host = sandbox->host;
  const char *dir = host->isolation != E2B__ISOLATION_NONE ? E2B__SANDBOX_PYTHON : host->python_dir;
  char path[4200];
  snprintf(path, sizeof path, "%s/bin/python3", host->python_dir != NULL ? dir : "/usr");
  return e2b__arena_strndup(arena, path, strlen(path));
}

/* The programs read their own text from standard input, so that it stands in no list of processes
 * and needs no file. */
static void make_command(e2b__host_kernel_language_t language, e2b__process_config_t *config,
                         const char *python, e2b__str_t args[8], char length[32]) {
  static const char read_python[] = "import os,sys\n"
                                    "n,t=int(sys.argv[1]),b''\n"
                                    "while len(t)<n:t+=os.read(0,n-len(t)) or sys.exit(1)\n"
                                    "exec(compile(t,'<kernel>','exec'))";
  static const char read_javascript[] = "{const f=require('fs'),t=Buffer.alloc(+process.argv[1]);"
                                        "for(let n=0,g;n<t.length;n+=g)"
                                        "if(!(g=f.readSync(3,t,n,t.length-n,null)))process.exit(1);"
                                        "new Function('require',t.toString())(require)}";
  /* Lines of the protocol on descriptors of their own: 3 and 4. */
  static const char move[] = "exec \"$@\" 3<&0 4>&1 </dev/null >&2";
  size_t count = 0;
  snprintf(length, 32, "%zu", e2b__host_kernel_program(language).len);
  switch (language) {
  case E2B__KERNEL_PYTHON:
    config->cmd = e2b__str(python);
    args[count++] = E2B__STR("-c");
    args[count++] = E2B__STR(read_python);
    args[count++] = e2b__str(length);
    break;
  case E2B__KERNEL_JAVASCRIPT:
  case E2B__KERNEL_TYPESCRIPT:
    config->cmd = E2B__STR("/bin/sh");
    args[count++] = E2B__STR("-c");
    args[count++] = E2B__STR(move);
    args[count++] = E2B__STR("sh");
    args[count++] = E2B__STR("node");
    args[count++] = E2B__STR("--expose-internals");
    args[count++] = E2B__STR("-e");
    args[count++] = E2B__STR(read_javascript);
    args[count++] = e2b__str(length);
    break;
  case E2B__KERNEL_BASH:
    config->cmd = E2B__STR("/bin/bash");
    args[count++] = E2B__STR("--noprofile");
    args[count++] = E2B__STR("--norc");
    args[count++] = E2B__STR("--noediting");
    args[count++] = E2B__STR("-i");
    break;
  }
  config->args = args;
  config->args_count = count;
}

/* A directory that cannot be entered is none that was asked for. */
static const char *enterable(e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *cwd) {
  const char *home = e2b__host_home(sandbox, false), *why;
  const char *path = e2b__host_path_expand(sandbox, arena, e2b__str(cwd), false, &why);
  int fd = path != NULL ? e2b__host_open(sandbox, path, O_PATH | O_DIRECTORY, 0) : -1;
  if (fd < 0) return home;
  close(fd);
  return path;
}

e2b__host_kernel_t *e2b__host_kernel_start(e2b__host_sandbox_t *sandbox,
                                           e2b__host_kernel_language_t language, const char *cwd,
                                           const e2b__host_kernel_events_t *events, void *owner) {
  e2b__process_config_t config = {{NULL, 0}, NULL, 0, NULL, 0, {NULL, 0}};
  e2b__process_start_request_t request = {.process = &config};
  e2b__str_pair_t env[] = {{E2B__STR("PS1"), E2B__STR("")}, {E2B__STR("PS2"), E2B__STR("")}};
  e2b__str_t args[8];
  char length[32];
  e2b__arena_t arena = {0};
  e2b__host_kernel_t *kernel = e2b__calloc(1, sizeof *kernel);

  if (kernel == NULL) return NULL;
  kernel->sandbox = sandbox;
  kernel->language = language;
  kernel->events = events;
  kernel->owner = owner;
  kernel->subscriber.event = on_event;
  kernel->subscriber.over = on_over;
  kernel->fence.done = on_fence;
  e2b__list_init(&kernel->fence.node);
  e2b__list_init(&kernel->subscriber.node);
  e2b__buffer_init(&kernel->line, LINE_WHOLE + (64 << 10));
  e2b__buffer_init(&kernel->raw, RAW_CEILING);
  char *python = python_path(sandbox, &arena);
  make_command(language, &config, python, args, length);
  if (language == E2B__KERNEL_BASH) {
    config.envs = env;
    config.envs_count = E2B__COUNT(env);
  }
  e2b__host_process_t *process = NULL;
  if (python != NULL)
    process = e2b__host_process_start(sandbox, &request, enterable(sandbox, &arena, cwd), true,
                                      on_started, kernel);
  e2b__arena_free(&arena);
  if (process == NULL) {
    kernel_free(kernel);
    return NULL;
  }
  process->internal = true;
  /* Its own end is the end: children of its may hold the pipes open. */
  process->no_drain = true;
  e2b__host_process_subscribe(process, &kernel->subscriber);
  e2b__host_alarm_set(&host_of(kernel)->alarms, &kernel->alarm, START_MS, on_start_overdue);
  return kernel;
}

int e2b__host_kernel_run(e2b__host_kernel_t *kernel, const char *code, const cJSON *env) {
  e2b__buffer_t cell = E2B__BUFFER_INIT(CELL_CEILING);
  int rc = e2b__host_kernel_cell(kernel->language, code, env, &cell);
  if (rc == 0) rc = send_input(kernel, &cell);
  e2b__buffer_free(&cell);
  if (rc == 0) {
    kernel->state = E2B__KERNEL_SENT;
    kernel->interrupt = false;
    e2b__buffer_free(&kernel->raw);
  }
  return rc;
}
