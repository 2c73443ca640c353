/* SPDX-License-Identifier: MIT */
#include <stdalign.h>

#include "base/clock.h"
#include "sandbox/command.h"

/* What the process service tells about a program, from its start to its end. */

static int on_start(e2b_command_t *command, const e2b__process_start_event_t *start) {
  if (command->pid != 0) return 0; /* it has started once */
  command->pid = start->pid;
  command->execution.pid = start->pid;
  if (command->state == E2B__COMMAND_DOOMED) {
    e2b__process_kill_owed(command->sandbox, command->pid);
    command->state = E2B__COMMAND_RUNNING; /* for those who hold its handle */
    e2b__command_leave_if_unwanted(command);
    return 0;
  }
  command->state = E2B__COMMAND_RUNNING;
  if (command->starting != NULL) {
    e2b_future_t *future = command->starting;
    command->starting = NULL;
    command->handles++; /* the future's, with the memory reference that `starting` had */
    e2b__future_succeed(future, command, e2b__command_release_value);
  }
  e2b__input_pump(command);
  return 0;
}

static int on_exit_event(e2b_command_t *command, const e2b__process_end_event_t *end) {
  const char *status = e2b__text_of(&command->arena, end->status);
  if (status == NULL) return E2B_ENOMEM;
  command->state = E2B__COMMAND_EXITED;
  command->execution.exit_code = end->exit_code;
  command->execution.exited = end->exited;
  command->execution.status = status;
  command->execution.duration_us = (e2b__monotonic_ns() - command->started_ns) / 1000;
  e2b__stream_expect_end(command->stream);
  return 0;
}

static int on_output(e2b_command_t *command, const e2b__process_data_event_t *data) {
  if (command->pid == 0) return E2B_EPROTOCOL;
  if (command->state != E2B__COMMAND_RUNNING) return 0;
  if (data->stdout_data.ptr != NULL) {
    return e2b__output_take(command, &command->outputs[0], data->stdout_data);
  }
  if (data->stderr_data.ptr != NULL) {
    return e2b__output_take(command, &command->outputs[1], data->stderr_data);
  }
  if (data->pty_data.ptr != NULL) {
    return e2b__output_take(command, &command->outputs[0], data->pty_data);
  }
  return 0;
}

static int on_event(e2b_command_t *command, const e2b__process_event_t *event) {
  if (event->start != NULL) return on_start(command, event->start);
  if (event->data != NULL) return on_output(command, event->data);
  if (event->end != NULL) {
    if (command->pid == 0) return E2B_EPROTOCOL;
    return command->state == E2B__COMMAND_RUNNING ? on_exit_event(command, event->end) : 0;
  }
  return 0; /* a keep-alive, or something newer than this library */
}

/* Any message, through the tables. */
static int on_any_message(e2b_command_t *command, const char *data, size_t len) {
  e2b__process_event_response_t response;
  alignas(max_align_t) unsigned char room[1024]; /* enough for all but large ones in JSON */
  e2b__arena_t arena = {0};
  e2b__arena_lend(&arena, room, sizeof room);
  int rc =
      e2b__message_decode(&e2b__process_event_response, data, len,
                          e2b__daemon_encoding(command->sandbox->client), &arena, &response, NULL);
  if (rc == 0 && response.event != NULL) rc = on_event(command, response.event);
  e2b__arena_free(&arena);
  return rc;
}

static int on_message(void *ctx, const char *data, size_t len) {
  e2b_command_t *command = ctx;
  e2b__process_data_event_t output;
  e2b__command_hold(command);
  int rc = e2b__daemon_encoding(command->sandbox->client) == E2B__PROTO &&
                   e2b__process_data_read(data, len, &output)
               ? on_output(command, &output)
               : on_any_message(command, data, len);
  e2b__command_drop(command);
  return rc;
}

/* We let go of it: because of what it printed, and nobody will read the rest; or because its time
 * was over and the daemon, whose business it is to end it then, had not said so. */
static bool is_to_be_ended(const e2b_command_t *command, const e2b_error_t *failure) {
  if (failure->clock == E2B_CLOCK_LIFETIME) return *failure->connect_code == '\0';
  return command->kill_if_abandoned &&
         (failure->code == E2B_ETOOBIG || failure->code == E2B_EPROTOCOL);
}

/* `end` is the result, even when the stream fails after it (protocol 5.0, hazard 2). */
static void on_end(void *ctx, const e2b_error_t *error) {
  e2b_command_t *command = ctx;
  command->stream = NULL;
  e2b__command_hold(command);
  e2b__output_flush(command);
  if (command->state == E2B__COMMAND_EXITED) {
    e2b__command_refresh(command);
    if (command->input_error != NULL && !command->execution.exited) {
      e2b__command_conclude(command, command->input_error); /* it was our own kill */
    } else if (command->review == NULL || !command->review(command, command->review_ctx)) {
      e2b__command_conclude(command, NULL);
    }
  } else if (command->state != E2B__COMMAND_LEFT) {
    e2b_error_t failure = error != NULL ? *error : e2b__error(E2B_ENORESULT);
    failure.attempts = 1; /* a start is never repeated */
    if (failure.code == E2B_ETIMEDOUT && command->has_lifetime &&
        failure.clock != E2B_CLOCK_SILENCE && failure.clock != E2B_CLOCK_FIRST_EVENT &&
        failure.clock != E2B_CLOCK_CONNECT) {
      failure.clock = E2B_CLOCK_LIFETIME;
      failure.message = "timed out: the program ran longer than it was given, and was killed";
    }
    command->execution.duration_us = (e2b__monotonic_ns() - command->started_ns) / 1000;
    if (failure.code == E2B_ETOOBIG && command->pid != 0) {
      failure.message = "a size limit was reached: more output than max_output_bytes";
    }
    if (command->pid != 0 && is_to_be_ended(command, &failure)) {
      e2b__process_kill_owed(command->sandbox, command->pid);
    }
    e2b__command_conclude(command, &failure);
  }
  e2b__command_drop(command);
  e2b__command_drop(command); /* the stream's */
}

const e2b__stream_events_t e2b__command_events = {on_message, on_end};
