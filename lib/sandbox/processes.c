/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "sandbox/command.h"

/* Unary calls of the process service: list and signals. */

static int read_process(e2b__arena_t *arena, const e2b__process_info_t *from,
                        e2b_process_info_t *to) {
  static const e2b__process_config_t nothing;
  const e2b__process_config_t *config = from->config != NULL ? from->config : &nothing;
  to->pid = from->pid;
  to->tag = e2b__text_of(arena, from->tag);
  to->program = e2b__text_of(arena, config->cmd);
  to->cwd = e2b__text_of(arena, config->cwd);
  const char **args = e2b__arena_calloc(arena, config->args_count + 1, sizeof *args);
  if (args == NULL || to->tag == NULL || to->program == NULL || to->cwd == NULL) {
    return E2B_ENOMEM;
  }
  for (size_t i = 0; i < config->args_count; i++) {
    args[i] = e2b__text_of(arena, config->args[i]);
    if (args[i] == NULL) return E2B_ENOMEM;
  }
  to->args = args;
  to->args_count = config->args_count;
  to->envs_count = config->envs_count;
  return e2b__pairs_of(arena, config->envs, config->envs_count, &to->envs);
}

static void on_list(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__daemon_ok(op, result)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b__process_list_response_t response;
  if (e2b__daemon_decode(op, result, &e2b__process_list_response, &response) != 0) return;
  e2b_process_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_process_info_t *items = e2b__arena_calloc(arena, response.processes_count + 1, sizeof *items);
  int rc = list != NULL && items != NULL ? 0 : E2B_ENOMEM;
  for (size_t i = 0; rc == 0 && i < response.processes_count; i++) {
    rc = read_process(arena, &response.processes[i], &items[i]);
  }
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "", "");
    return;
  }
  list->items = items;
  list->count = response.processes_count;
  e2b__future_succeed(op->future, list, NULL);
}

e2b_future_t *e2b_command_list(e2b_sandbox_t *sandbox) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(sandbox, E2B__KIND_PROCESS_LIST, "e2b_command_list", &future);
  if (op == NULL) return future;
  const e2b__empty_t request = {0};
  e2b__daemon_rpc(op, 0, "/process.Process/List", &e2b__empty, &request, true, 0, on_list);
  return future;
}

const e2b_process_list_t *e2b_future_process_list(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_PROCESS_LIST);
}

static void on_killed(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  if (e2b__daemon_outcome(op, result, &error) == E2B_ENOTFOUND && *error.connect_code != '\0') {
    e2b__future_succeed_number(op->future, 0);
  } else if (e2b__daemon_ok(op, result)) {
    e2b__future_succeed_number(op->future, 1);
  }
}

e2b_future_t *e2b__process_kill(e2b_sandbox_t *sandbox, uint32_t pid, const char *name) {
  e2b_future_t *future;
  e2b__operation_t *op = e2b__daemon_operation(sandbox, E2B__KIND_BOOL, name, &future);
  if (op == NULL) return future;
  e2b__process_selector_t selector = {true, pid, {NULL, 0}};
  const e2b__send_signal_request_t request = {&selector, E2B__SIGNAL_SIGKILL};
  e2b__daemon_rpc(op, 0, "/process.Process/SendSignal", &e2b__send_signal_request, &request, true,
                  0, on_killed);
  return future;
}

e2b_future_t *e2b_command_kill_by_pid(e2b_sandbox_t *sandbox, uint32_t pid) {
  return e2b__process_kill(sandbox, pid, "e2b_command_kill");
}

void e2b__process_kill_owed(e2b_sandbox_t *sandbox, uint32_t pid) {
  e2b_future_t *kill = e2b_command_kill_by_pid(sandbox, pid);
  if (kill != NULL && !e2b_future_is_done(kill)) {
    e2b__client_owe(sandbox->client, kill);
  } else {
    e2b_future_release(kill);
  }
}

/* The number of a program that has ended may be another's by now, and 0 is a whole group. */
static bool nobody_to_signal(const e2b_command_t *command) {
  return command->pid == 0 || command->state == E2B__COMMAND_EXITED ||
         command->state == E2B__COMMAND_DONE;
}

/* A future for a signal. Decided already when there is nothing to send it to. */
static e2b_future_t *signal_future(e2b_command_t *command, int signal_number, const char *name) {
  e2b_future_t *future = e2b__future_new(&command->sandbox->client->queue, E2B__KIND_BOOL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (signal_number < 0 || signal_number > 64) {
    e2b__future_fail_text(future, E2B_EINVAL, "invalid argument: signal %d", signal_number);
  } else if (command->pid == 0) {
    e2b__future_fail_text(future, E2B_EAGAIN, "the program has not started yet");
  } else if (nobody_to_signal(command)) {
    e2b__future_succeed_number(future, 0);
  }
  return future;
}

e2b_future_t *e2b_command_kill(e2b_command_t *command) {
  if (command == NULL) return NULL;
  if (nobody_to_signal(command)) return signal_future(command, SIGKILL, "e2b_command_kill");
  return e2b_command_kill_by_pid(command->sandbox, command->pid);
}

/* --- other signals, by a `kill` in the sandbox ------------------------------------------------ */

typedef struct signalling {
  e2b_future_t *outer;
  e2b_future_t *inner;
} signalling;

static void abandon_signalling(void *work) {
  signalling *call = work;
  call->outer = NULL; /* the inner future's callback frees it */
  e2b_future_cancel(call->inner);
}

/* That there is no such process is an answer; that it may not be signalled is none. */
static void decide_signal(e2b_future_t *future, const e2b_execution_t *kill) {
  const char *words = kill->stderr_data.ptr;
  if (kill->exit_code == 0 || strstr(words, "No such process") != NULL) {
    e2b__future_succeed_number(future, kill->exit_code == 0);
    return;
  }
  const bool forbidden = strstr(words, "not permitted") != NULL;
  e2b_error_t error =
      e2b__error_text(e2b__future_arena(future), forbidden ? E2B_EFORBIDDEN : E2B_EREQUEST,
                      "the signal was not sent: %.300s", words);
  error.detail = words;
  error.sandbox = E2B_PRESENCE_ALIVE;
  e2b__future_fail(future, &error);
}

static void on_signalled(e2b_future_t *inner, void *user_data) {
  signalling *call = user_data;
  const e2b_execution_t *execution = e2b_future_execution(inner);
  if (call->outer != NULL) {
    if (execution == NULL) {
      e2b_error_t error = *e2b_future_error(inner);
      error.operation = ""; /* it is ours that failed */
      error.partial = NULL; /* goes with the inner future */
      e2b__future_fail(call->outer, &error);
    } else {
      decide_signal(call->outer, execution);
    }
  }
  e2b__free(call);
}

void e2b__process_signal(e2b_future_t *future, e2b_sandbox_t *sandbox, uint32_t to,
                         const char *user, int signal_number, const char *script) {
  signalling *call = e2b__calloc(1, sizeof *call);
  if (call == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return;
  }
  char number[16];
  char pid[16];
  snprintf(number, sizeof number, "%d", signal_number);
  snprintf(pid, sizeof pid, "%u", to);
  const char *const args[] = {"-c", script, number, pid, NULL};
  e2b_run_options options;
  E2B_INIT(&options);
  static const e2b_pair_t untranslated = {"LC_ALL", "C"}; /* its words are read */
  options.envs = &untranslated;
  options.envs_count = 1;
  options.user = user;
  call->outer = future;
  call->inner = e2b_run_command(sandbox, "/bin/sh", args, &options);
  e2b__future_bind(future, abandon_signalling, call);
  /* The signal is on its way: giving up the future does not call it back. */
  e2b_future_acquire(call->inner);
  e2b_future_t *inner = call->inner;
  int rc = e2b_future_then(inner, on_signalled, call);
  if (rc != 0) {
    e2b__free(call);
    e2b__future_fail_text(future, rc, "%s", e2b_code_text(rc));
  }
  e2b_future_release(inner);
}

e2b_future_t *e2b_command_signal(e2b_command_t *command, int signal_number) {
  if (command == NULL) return NULL;
  if (signal_number == SIGKILL) return e2b_command_kill(command);
  e2b_future_t *future = signal_future(command, signal_number, "e2b_command_signal");
  if (future == NULL || e2b_future_is_done(future)) return future;
  e2b__process_signal(future, command->sandbox, command->pid, command->user, signal_number,
                      "kill -s \"$0\" -- \"$1\"");
  return future;
}
