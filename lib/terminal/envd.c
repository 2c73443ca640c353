/* SPDX-License-Identifier: MIT */
#include "terminal/envd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/process.h"
#include "sandbox/command.h"

/* The program and its output. A reconnect attaches to the same process; what it printed meanwhile
 * is lost, and nobody knows how much that was. */

/* --- the end ---------------------------------------------------------------------------------- */

/* The service says how a program ended in the words of its language. */
static int signal_of(e2b__str_t status) {
  static const struct {
    const char *words;
    int number;
  } signals[] = {{"signal: hangup", SIGHUP},
                 {"signal: interrupt", SIGINT},
                 {"signal: quit", SIGQUIT},
                 {"signal: illegal instruction", SIGILL},
                 {"signal: trace/breakpoint trap", SIGTRAP},
                 {"signal: aborted", SIGABRT},
                 {"signal: bus error", SIGBUS},
                 {"signal: floating point exception", SIGFPE},
                 {"signal: killed", SIGKILL},
                 {"signal: user defined signal 1", SIGUSR1},
                 {"signal: segmentation fault", SIGSEGV},
                 {"signal: user defined signal 2", SIGUSR2},
                 {"signal: broken pipe", SIGPIPE},
                 {"signal: alarm clock", SIGALRM},
                 {"signal: terminated", SIGTERM}};
  for (size_t i = 0; i < E2B__COUNT(signals); i++) {
    const size_t len = strlen(signals[i].words); /* " (core dumped)" may follow */
    if (status.len >= len && memcmp(status.ptr, signals[i].words, len) == 0) {
      return signals[i].number;
    }
  }
  static const char numbered[] = "signal: signal ";
  const size_t len = sizeof numbered - 1;
  if (status.len > len && status.len < len + 4 && memcmp(status.ptr, numbered, len) == 0) {
    char digits[4] = "";
    memcpy(digits, status.ptr + len, status.len - len);
    return atoi(digits);
  }
  return 0;
}

static void drop_connection(e2b__envd_t *envd) {
  if (envd->stream != NULL) e2b__stream_cancel(envd->stream);
  envd->stream = NULL;
  envd->connected = false;
  e2b__envd_input_drop(envd);
}

static bool is_final(const e2b__envd_t *envd, const e2b_error_t *error) {
  if (envd->pid == 0) return true; /* a start must not happen twice */
  const unsigned flags = e2b_code_flags(error->code);
  return error->code != E2B_ENOMEM && error->code != E2B_ESERVER && error->code != E2B_EPROTOCOL &&
         (flags & E2B_FLAG_TRANSIENT) == 0;
}

void e2b__envd_lost(e2b__envd_t *envd, const e2b_error_t *error) {
  const bool was_open = envd->base.terminal->state != E2B__TERMINAL_STARTING;
  drop_connection(envd);
  e2b_error_t told = *error;
  if (was_open && told.code == E2B_ENOTFOUND) {
    told = e2b__error(E2B_ENORESULT);
    told.message = "the process ended without a result: the terminal is there no more";
  }
  e2b__terminal_failed(envd->base.terminal, &told, is_final(envd, &told));
}

static void on_end(void *ctx, const e2b_error_t *error) {
  e2b__envd_t *envd = ctx;
  envd->stream = NULL;
  if (envd->ended) {
    const e2b_terminal_exit_t exit = envd->exit;
    e2b__terminal_exited(envd->base.terminal, &exit);
    return;
  }
  /* The service ends a program whose time is over without a word about its exit. */
  if (error != NULL && envd->timed && envd->pid != 0 && error->code == E2B_ETIMEDOUT &&
      error->clock != E2B_CLOCK_SILENCE) {
    const e2b_terminal_exit_t killed = {1, -1, SIGKILL};
    e2b__terminal_exited(envd->base.terminal, &killed);
    return;
  }
  const e2b_error_t no_word = e2b__error(E2B_ECONNLOST);
  e2b__envd_lost(envd, error != NULL ? error : &no_word);
}

/* --- what it tells ------------------------------------------------------------------------------
 */

static int on_start(e2b__envd_t *envd, uint32_t pid) {
  if (envd->connected || pid == 0) return 0;
  const bool again = envd->pid != 0 && envd->base.terminal->state == E2B__TERMINAL_LOST;
  char id[16];
  snprintf(id, sizeof id, "%u", pid);
  envd->pid = pid;
  envd->connected = true;
  const e2b__terminal_opened_t opened = {
      .id = id, .pid = pid, .lost = again ? E2B_BYTES_UNKNOWN : 0};
  if (!e2b__terminal_opened(envd->base.terminal, &opened)) return E2B_ECANCELED;
  return e2b__envd_input_pump(envd);
}

static int on_message(void *ctx, const char *data, size_t len) {
  e2b__envd_t *envd = ctx;
  e2b__process_event_response_t response;
  e2b__arena_reset(&envd->event);
  const int rc =
      e2b__message_decode(&e2b__process_event_response, data, len,
                          e2b__daemon_encoding(e2b__terminal_client(envd->base.terminal)),
                          &envd->event, &response, NULL);
  if (rc != 0 || response.event == NULL) return rc;
  const e2b__process_event_t *event = response.event;
  if (event->start != NULL) return on_start(envd, event->start->pid);
  if (!envd->connected && (event->data != NULL || event->end != NULL)) return E2B_EPROTOCOL;
  if (event->data != NULL && !envd->ended) {
    const e2b__process_data_event_t *output = event->data;
    const e2b__str_t bytes = output->pty_data.ptr != NULL      ? output->pty_data
                             : output->stdout_data.ptr != NULL ? output->stdout_data
                                                               : output->stderr_data;
    e2b_terminal_t *terminal = envd->base.terminal;
    return e2b__terminal_data(terminal, bytes.ptr, bytes.len) ? 0 : E2B_ECANCELED;
  }
  if (event->end != NULL && !envd->ended) {
    const int number = signal_of(event->end->status);
    envd->ended = true;
    envd->exit.known = 1;
    envd->exit.exit_code = number != 0 ? -1 : event->end->exit_code;
    envd->exit.signal = number;
    e2b__stream_expect_end(envd->stream);
  }
  return 0;
}

static const e2b__stream_events_t stream_events = {on_message, on_end};

/* --- opening ----------------------------------------------------------------------------------
 */

static int encode_strings(e2b__envd_t *envd, const e2b__terminal_spec_t *spec,
                          e2b__process_config_t *config) {
  const e2b_terminal_options *options = &spec->options;
  config->cmd = e2b__str(spec->argv[0]);
  config->cwd = e2b__str(options->cwd);
  config->args_count = spec->argc - 1;
  config->envs_count = options->envs_count;
  config->args = e2b__arena_calloc(&envd->event, spec->argc, sizeof *config->args);
  config->envs = e2b__arena_calloc(&envd->event, options->envs_count + 1, sizeof *config->envs);
  if (config->args == NULL || config->envs == NULL) return E2B_ENOMEM;
  for (size_t i = 1; i < spec->argc; i++) {
    config->args[i - 1] = e2b__str(spec->argv[i]);
  }
  for (size_t i = 0; i < options->envs_count; i++) {
    config->envs[i].name = e2b__str(options->envs[i].name);
    config->envs[i].value = e2b__str(options->envs[i].value);
  }
  return 0;
}

static int start_program(e2b__envd_t *envd) {
  const e2b_terminal_t *terminal = envd->base.terminal;
  const e2b__terminal_spec_t *spec = terminal->spec;
  e2b__process_config_t config;
  memset(&config, 0, sizeof config);
  const int rc = encode_strings(envd, spec, &config);
  if (rc != 0) return rc;
  char tag[40];
  snprintf(tag, sizeof tag, E2B__ENVD_TAG "%ux%u", terminal->cols, terminal->rows);
  e2b__pty_size_t size = {terminal->cols, terminal->rows};
  e2b__pty_t pty = {&size};
  e2b__process_start_request_t request;
  memset(&request, 0, sizeof request);
  request.process = &config;
  request.pty = &pty;
  request.tag = e2b__str(tag);
  const e2b__stream_options_t options = {envd->user, spec->options.timeout_ms, 0};
  return e2b__stream_start(terminal->sandbox, "/process.Process/Start", &e2b__process_start_request,
                           &request, &options, &stream_events, envd, &envd->stream);
}

static int attach(e2b__envd_t *envd) {
  e2b__process_selector_t selector = {true, envd->pid, {NULL, 0}};
  const e2b__process_selector_request_t request = {&selector};
  const e2b__stream_options_t options = {NULL, 0, 0};
  return e2b__stream_start(envd->base.terminal->sandbox, "/process.Process/Connect",
                           &e2b__process_selector_request, &request, &options, &stream_events, envd,
                           &envd->stream);
}

static int open_envd(e2b__transport_t *transport) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  return envd->pid != 0 ? attach(envd) : start_program(envd);
}

static void free_envd(e2b__envd_t *envd) {
  e2b__envd_input_free(envd);
  e2b__arena_free(&envd->event);
  e2b__free(envd->user);
  e2b__free(envd);
}

static int make(e2b_terminal_t *terminal, const e2b__terminal_spec_t *spec,
                e2b__transport_t **transport) {
  uint32_t pid = 0;
  if (spec->attach_id != NULL) {
    const unsigned long long number = strtoull(spec->attach_id, NULL, 10);
    if (!e2b__terminal_id_is_pid(spec->attach_id) || number == 0 || number > UINT32_MAX) {
      return E2B_EINVAL;
    }
    pid = (uint32_t)number;
  }
  e2b__envd_t *envd = e2b__calloc(1, sizeof *envd);
  if (envd == NULL) return E2B_ENOMEM;
  e2b__envd_input_init(envd);
  envd->base.ops = &e2b__transport_envd;
  envd->base.terminal = terminal;
  envd->pid = pid;
  const uint64_t lifetime_ms = spec->options.timeout_ms;
  envd->timed = pid == 0 && lifetime_ms != 0 && lifetime_ms != E2B_NO_TIMEOUT;
  envd->user = e2b__strdup(spec->options.user);
  if (envd->user == NULL && spec->options.user != NULL) {
    free_envd(envd);
    return E2B_ENOMEM;
  }
  *transport = &envd->base;
  return 0;
}

/* --- the rest of the interface ------------------------------------------------------------------
 */

static int write_input(e2b__transport_t *transport, const char *data, size_t len) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  int rc = e2b__line_add(&envd->line, data, len);
  if (rc != 0) return rc;
  rc = e2b__envd_input_pump(envd);
  if (rc != 0) e2b__line_take_back(&envd->line, len);
  return rc;
}

static void go_on(e2b__transport_t *transport) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  const int rc = e2b__envd_input_pump(envd);
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  e2b__envd_lost(envd, &error);
}

static size_t waiting(const e2b__transport_t *transport) {
  const e2b__envd_t *envd = (const e2b__envd_t *)transport;
  return e2b__line_len(&envd->line);
}

/* Unary calls on several connections may overtake each other: one at a time, and the last size
 * wins. */
static int resize(e2b__transport_t *transport);

static void on_resized(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b__envd_t *envd = (e2b__envd_t *)op->tag;
  e2b_future_t *future = envd->resizing;
  envd->resizing = NULL;
  e2b_error_t error;
  if (e2b__daemon_outcome(op, result, &error) != 0) {
    E2B__LOG(&op->client->log, E2B_LOG_WARN, "terminal %u: its size was not set: %s", envd->pid,
             error.message);
  }
  e2b__future_succeed_number(op->future, 1);
  e2b_future_release(future);
  if (envd->resize_again && envd->connected) resize(&envd->base);
}

static int resize(e2b__transport_t *transport) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  const e2b_terminal_t *terminal = transport->terminal;
  envd->resize_again = envd->resizing != NULL;
  if (envd->resize_again) return 0;
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(terminal->sandbox, E2B__KIND_NOTHING, "e2b_terminal_resize", &future);
  if (op == NULL) {
    e2b_future_release(future);
    return E2B_ENOMEM;
  }
  op->tag = (intptr_t)envd;
  e2b__process_selector_t selector = {true, envd->pid, {NULL, 0}};
  e2b__pty_size_t size = {terminal->cols, terminal->rows};
  e2b__pty_t pty = {&size};
  const e2b__process_update_request_t request = {&selector, &pty};
  envd->resizing = future;
  e2b__daemon_rpc(op, 0, "/process.Process/Update", &e2b__process_update_request, &request, true, 0,
                  on_resized);
  if (!e2b_future_is_done(future)) return 0;
  const int rc = e2b_future_error(future)->code;
  envd->resizing = NULL;
  e2b_future_release(future);
  return rc;
}

/* To the program in the foreground: its group is the sixth field behind the name in stat. */
static const char signal_script[] =
    "s=$(cat \"/proc/$1/stat\" 2>/dev/null) || { echo 'No such process' >&2; exit 1; }\n"
    "set -- \"$1\" ${s##*) }\n"
    "if [ \"$7\" -gt 0 ]; then kill -s \"$0\" -- \"-$7\"; else kill -s \"$0\" -- \"$1\"; fi";

static e2b_future_t *send_signal(e2b__transport_t *transport, int signal_number, const char *name) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  e2b_sandbox_t *sandbox = transport->terminal->sandbox;
  if (signal_number == SIGKILL) return e2b__process_kill(sandbox, envd->pid, name);
  e2b_future_t *future = e2b__future_new(&sandbox->client->queue, E2B__KIND_BOOL, name);
  if (future != NULL && !e2b_future_is_done(future)) {
    e2b__process_signal(future, sandbox, envd->pid, envd->user, signal_number, signal_script);
  }
  return future;
}

static void pause_output(e2b__transport_t *transport) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  if (envd->stream != NULL) e2b__stream_pause(envd->stream);
}

static void resume_output(e2b__transport_t *transport) {
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  if (envd->stream != NULL) e2b__stream_resume(envd->stream);
}

static void close_envd(e2b__transport_t *transport, int code) {
  (void)code; /* signals are calls of their own */
  e2b__envd_t *envd = (e2b__envd_t *)transport;
  drop_connection(envd);
  if (envd->resizing != NULL) {
    e2b_future_cancel(envd->resizing);
    e2b_future_release(envd->resizing);
  }
  free_envd(envd);
}

const e2b__transport_ops_t e2b__transport_envd = {
    E2B_TRANSPORT_ENVD, "envd",       make,          open_envd, write_input, waiting, resize,
    send_signal,        pause_output, resume_output, go_on,     close_envd};
