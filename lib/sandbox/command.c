/* SPDX-License-Identifier: MIT */
#include "sandbox/command.h"

#include "base/clock.h"

typedef struct waiter {
  e2b__list_t node;
  e2b_command_t *command;
  e2b_future_t *future;
  bool owner; /* of e2b_run_*(): the program goes when it is cancelled */
} waiter;

/* --- references ------------------------------------------------------------------------------- */

void e2b__command_hold(e2b_command_t *command) {
  command->refs++;
}

void e2b__command_drop(e2b_command_t *command) {
  if (--command->refs > 0) return;
  if (command->release_review != NULL) command->release_review(command->review_ctx);
  for (size_t i = 0; i < E2B__COUNT(command->outputs); i++) {
    e2b__buffer_free(&command->outputs[i].collected);
  }
  e2b__arena_free(&command->arena);
  e2b_sandbox_release(command->sandbox);
  e2b__free(command);
}

e2b_command_t *e2b_command_acquire(e2b_command_t *command) {
  if (command != NULL) {
    command->handles++;
    e2b__command_hold(command);
  }
  return command;
}

/* The stream lives as long as somebody has an interest in it, or is to bring a pid to kill. */
void e2b__command_leave_if_unwanted(e2b_command_t *command) {
  if (command->state == E2B__COMMAND_DOOMED) return;
  if (command->handles == 0 && command->waiting == 0 && command->starting == NULL) {
    e2b_command_disconnect(command);
  }
}

void e2b_command_release(e2b_command_t *command) {
  if (command == NULL) return;
  command->handles--;
  e2b__command_leave_if_unwanted(command);
  e2b__command_drop(command);
}

void e2b__command_release_value(void *command) {
  e2b_command_release(command);
}

e2b_command_t *e2b_future_command(const e2b_future_t *future) {
  const e2b_command_t *command = e2b__future_value(future, E2B__KIND_COMMAND);
  return e2b_command_acquire((e2b_command_t *)command);
}

/* A result points into its command. */
static void release_execution_value(void *execution) {
  e2b__command_drop(E2B__CONTAINER(execution, e2b_command_t, execution));
}

const e2b_execution_t *e2b_future_execution(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_EXECUTION);
}

uint32_t e2b_command_pid(const e2b_command_t *command) {
  return command != NULL ? command->pid : 0;
}

/* --- outcome ---------------------------------------------------------------------------------- */

static e2b_bytes_t bytes_of(const e2b__buffer_t *buffer) {
  e2b_bytes_t bytes = {buffer->data != NULL ? buffer->data : "", buffer->len};
  return bytes;
}

void e2b__command_refresh(e2b_command_t *command) {
  command->execution.stdout_data = bytes_of(&command->outputs[0].collected);
  command->execution.stderr_data = bytes_of(&command->outputs[1].collected);
}

static void tell(e2b_command_t *command, e2b_future_t *future) {
  e2b__command_hold(command);
  if (command->error != NULL) {
    e2b_error_t error = *command->error;
    error.partial = command->pid != 0 ? &command->execution : NULL;
    e2b__future_keep(future, &command->execution, release_execution_value);
    e2b__future_fail(future, &error);
  } else {
    e2b__future_succeed(future, &command->execution, release_execution_value);
  }
}

void e2b__command_conclude(e2b_command_t *command, const e2b_error_t *error) {
  if (error != NULL) command->error = e2b__error_keep(&command->arena, error);
  command->state = error != NULL ? E2B__COMMAND_FAILED : E2B__COMMAND_DONE;
  e2b__command_refresh(command);
  e2b__command_hold(command);
  e2b__list_remove(&command->guest.node);
  /* Of a program that is lost nobody knows whether it has an input; of one that ended it is gone.
   */
  const bool lost = error != NULL && error->code != E2B_ETIMEDOUT;
  if (error == NULL) {
    e2b__input_finish(command);
  } else {
    e2b__input_stop(command, lost ? error->code : E2B_ENOSTDIN);
  }
  if (command->starting != NULL) {
    e2b_future_t *future = command->starting;
    command->starting = NULL;
    e2b__future_fail(future, error);
    e2b__command_drop(command);
  }
  e2b__list_t *node;
  while ((node = e2b__list_take(&command->waiters)) != NULL) {
    waiter *entry = E2B__CONTAINER(node, waiter, node);
    command->waiting--;
    tell(command, entry->future);
    e2b__free(entry);
    e2b__command_drop(command);
  }
  e2b__command_drop(command);
}

/* --- leaving ---------------------------------------------------------------------------------- */

void e2b_command_disconnect(e2b_command_t *command) {
  if (command == NULL) return;
  if (command->stream == NULL && command->state != E2B__COMMAND_EXITED) return;
  e2b__stream_t *stream = command->stream;
  command->stream = NULL;
  command->state = E2B__COMMAND_LEFT;
  e2b__list_remove(&command->guest.node);
  e2b__command_hold(command);
  if (stream != NULL) {
    e2b__stream_cancel(stream);
    e2b__command_drop(command); /* the stream's */
  }
  e2b__input_stop(command, E2B_ECANCELED);
  e2b__list_t *node;
  while ((node = e2b__list_take(&command->waiters)) != NULL) {
    waiter *entry = E2B__CONTAINER(node, waiter, node);
    command->waiting--;
    e2b__future_fail_text(entry->future, E2B_ECANCELED, "the command was disconnected");
    e2b__free(entry);
    e2b__command_drop(command);
  }
  e2b__command_drop(command);
}

void e2b__command_lose_input(e2b_command_t *command, const e2b_error_t *error) {
  if (command->state != E2B__COMMAND_RUNNING || command->input_error != NULL) return;
  command->input_error = e2b__error_keep(&command->arena, error);
  if (command->kill_if_abandoned) {
    e2b_future_t *kill = e2b_command_kill_by_pid(command->sandbox, command->pid);
    const bool under_way = kill != NULL && !e2b_future_is_done(kill);
    e2b_future_release(kill);
    if (under_way) return; /* its end, or that of the connection, is the outcome */
  }
  e2b__stream_cancel(command->stream);
  command->stream = NULL;
  command->execution.duration_us = (e2b__monotonic_ns() - command->started_ns) / 1000;
  e2b__command_conclude(command, command->input_error);
  e2b__command_drop(command); /* the stream's */
}

void e2b__command_client_closes(e2b__guest_t *guest) {
  e2b_command_t *command = E2B__CONTAINER(guest, e2b_command_t, guest);
  e2b__list_init(&guest->node);
  e2b__stream_t *stream = command->stream;
  command->stream = NULL;
  if (stream == NULL) {
    if (command->input_call != NULL) e2b__input_stop(command, E2B_ECLOSED);
    return;
  }
  command->state = E2B__COMMAND_LEFT;
  e2b__input_stop(command, E2B_ECLOSED);
  e2b__stream_cancel(stream);
  e2b__command_drop(command); /* the stream's; futures are decided by the queue */
}

/* The caller of e2b_run_*() has given up: what he started goes with it. */
static void end_program(e2b_command_t *command) {
  if (command->stream == NULL) return;
  if (command->state == E2B__COMMAND_STARTING) {
    command->state = E2B__COMMAND_DOOMED; /* the start event brings the pid to kill */
  } else if (command->state == E2B__COMMAND_RUNNING) {
    e2b__process_kill_owed(command->sandbox, command->pid);
  }
}

static void abandon_wait(void *work) {
  waiter *entry = work;
  e2b_command_t *command = entry->command;
  e2b__list_remove(&entry->node);
  command->waiting--;
  if (entry->owner) end_program(command);
  e2b__free(entry);
  e2b__command_leave_if_unwanted(command);
  e2b__command_drop(command);
}

int e2b__command_add_waiter(e2b_command_t *command, e2b_future_t *future, bool owner) {
  waiter *entry = e2b__malloc(sizeof *entry);
  if (entry == NULL) return E2B_ENOMEM;
  entry->command = command;
  entry->future = future;
  entry->owner = owner;
  e2b__list_append(&command->waiters, &entry->node);
  command->waiting++;
  e2b__command_hold(command);
  e2b__future_bind(future, abandon_wait, entry);
  return 0;
}

e2b_future_t *e2b_command_wait(e2b_command_t *command) {
  if (command == NULL) return NULL;
  e2b_future_t *future =
      e2b__future_new(&command->sandbox->client->queue, E2B__KIND_EXECUTION, "e2b_command_wait");
  if (future == NULL || e2b_future_is_done(future)) return future;
  switch (command->state) {
  case E2B__COMMAND_DONE:
  case E2B__COMMAND_FAILED: tell(command, future); break;
  case E2B__COMMAND_LEFT:
    e2b__future_fail_text(future, E2B_ECANCELED, "the command was disconnected");
    break;
  default:
    if (e2b__command_add_waiter(command, future, false) != 0) {
      e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    }
  }
  return future;
}

void e2b_command_pause(e2b_command_t *command) {
  if (command != NULL && command->stream != NULL) e2b__stream_pause(command->stream);
}

void e2b_command_resume(e2b_command_t *command) {
  if (command != NULL && command->stream != NULL) e2b__stream_resume(command->stream);
}
