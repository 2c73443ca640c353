/* SPDX-License-Identifier: MIT */
#include "sandbox/command.h"

#include "base/clock.h"
#include "base/utf8.h"

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
  e2b__arena_free(&command->event);
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
static void leave_if_unwanted(e2b_command_t *command) {
  if (command->state == E2B__COMMAND_DOOMED) return;
  if (command->handles == 0 && command->waiting == 0 && command->starting == NULL) {
    e2b_command_disconnect(command);
  }
}

void e2b_command_release(e2b_command_t *command) {
  if (command == NULL) return;
  command->handles--;
  leave_if_unwanted(command);
  e2b__command_drop(command);
}

static void release_command_value(void *command) {
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
  return command->pid;
}

/* --- outcome ---------------------------------------------------------------------------------- */

static e2b_bytes_t bytes_of(const e2b__buffer_t *buffer) {
  e2b_bytes_t bytes = {buffer->data != NULL ? buffer->data : "", buffer->len};
  return bytes;
}

static void refresh_execution(e2b_command_t *command) {
  command->execution.stdout_data = bytes_of(&command->outputs[0].collected);
  command->execution.stderr_data = bytes_of(&command->outputs[1].collected);
}

static void tell(e2b_command_t *command, e2b_future_t *future) {
  e2b__command_hold(command);
  if (command->has_error) {
    command->error.partial = command->pid != 0 ? &command->execution : NULL;
    e2b__future_keep(future, &command->execution, release_execution_value);
    e2b__future_fail(future, &command->error);
  } else {
    e2b__future_succeed(future, &command->execution, release_execution_value);
  }
}

void e2b__command_conclude(e2b_command_t *command, const e2b_error_t *error) {
  if (error != NULL) {
    command->error = e2b__error_copy(&command->arena, error);
    command->has_error = true;
  }
  command->state = error != NULL ? E2B__COMMAND_FAILED : E2B__COMMAND_DONE;
  refresh_execution(command);
  e2b__command_hold(command);
  e2b__list_remove(&command->guest.node);
  /* Of a program that is lost nobody knows whether it has an input; of one that ended it is gone.
   */
  const bool lost = error != NULL && error->code != E2B_ETIMEDOUT;
  e2b__input_stop(command, lost ? error->code : E2B_ENOSTDIN);
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
  if (command->state != E2B__COMMAND_RUNNING || command->input_lost) return;
  command->input_lost = true;
  command->input_error = e2b__error_copy(&command->arena, error);
  if (command->kill_if_abandoned) {
    e2b_future_t *kill = e2b_command_kill_by_pid(command->sandbox, command->pid);
    const bool under_way = kill != NULL && !e2b_future_is_done(kill);
    e2b_future_release(kill);
    if (under_way) return; /* its end, or that of the connection, is the outcome */
  }
  e2b__stream_cancel(command->stream);
  command->stream = NULL;
  command->execution.duration_us = (e2b__monotonic_ns() - command->started_ns) / 1000;
  e2b__command_conclude(command, &command->input_error);
  e2b__command_drop(command); /* the stream's */
}

static void on_client_close(e2b__guest_t *guest) {
  e2b_command_t *command = E2B__CONTAINER(guest, e2b_command_t, guest);
  e2b__list_init(&guest->node);
  e2b__stream_t *stream = command->stream;
  command->stream = NULL;
  if (stream == NULL) return;
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
    e2b_future_release(e2b_command_kill_by_pid(command->sandbox, command->pid));
  }
}

static void abandon_wait(void *work) {
  waiter *entry = work;
  e2b_command_t *command = entry->command;
  e2b__list_remove(&entry->node);
  command->waiting--;
  if (entry->owner) end_program(command);
  e2b__free(entry);
  leave_if_unwanted(command);
  e2b__command_drop(command);
}

static void abandon_start(void *work) {
  e2b_command_t *command = work;
  command->starting = NULL;
  leave_if_unwanted(command);
  e2b__command_drop(command);
}

static int add_waiter(e2b_command_t *command, e2b_future_t *future, bool owner) {
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
    if (add_waiter(command, future, false) != 0) {
      e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    }
  }
  return future;
}

/* --- output ----------------------------------------------------------------------------------- */

/* A user's function: afterwards anything may have happened to the command. */
static void call_out(e2b_command_t *command, const e2b__output_t *output, const char *data,
                     size_t len) {
  if (len == 0 || command->state == E2B__COMMAND_LEFT) return;
  e2b__call_out_begin();
  output->callback(command, data, len, command->user_data);
  e2b__call_out_end();
}

/* In text mode a character that is cut at the end waits for its rest. */
static void hand_over(e2b_command_t *command, e2b__output_t *output, const char *data, size_t len) {
  if (!command->text) {
    call_out(command, output, data, len);
    return;
  }
  while (output->tail_len > 0 && len > 0) {
    char joined[4];
    size_t have = output->tail_len;
    memcpy(joined, output->tail, have);
    joined[have++] = *data;
    if (e2b__utf8_tail(joined, have) == have) {
      output->tail[output->tail_len++] = *data++;
      len--;
      continue;
    }
    /* Complete with this byte, or not a character at all: then what waited goes alone. */
    const bool complete = e2b__utf8_valid(joined, have);
    output->tail_len = 0;
    call_out(command, output, joined, complete ? have : have - 1);
    if (complete) {
      data++;
      len--;
    }
  }
  if (len == 0) return; /* all of it went to what waits */
  const size_t cut = e2b__utf8_tail(data, len);
  if (cut > 0) memcpy(output->tail, data + len - cut, cut);
  output->tail_len = cut;
  call_out(command, output, data, len - cut);
}

static int on_output(e2b_command_t *command, e2b__output_t *output, e2b__str_t data) {
  output->bytes += data.len;
  if (output->collect) {
    int rc = e2b__buffer_append(&output->collected, data.ptr, data.len);
    if (rc != 0) return rc;
  }
  if (output->callback != NULL) hand_over(command, output, data.ptr, data.len);
  return 0;
}

static void flush_tails(e2b_command_t *command) {
  for (size_t i = 0; i < E2B__COUNT(command->outputs); i++) {
    e2b__output_t *output = &command->outputs[i];
    const size_t len = output->tail_len;
    output->tail_len = 0;
    if (output->callback != NULL) call_out(command, output, output->tail, len);
  }
}

/* --- events ----------------------------------------------------------------------------------- */

static int on_start(e2b_command_t *command, const e2b__process_start_event_t *start) {
  if (command->pid != 0) return 0; /* it has started once */
  command->pid = start->pid;
  command->execution.pid = start->pid;
  if (command->state == E2B__COMMAND_DOOMED) {
    e2b_future_release(e2b_command_kill_by_pid(command->sandbox, command->pid));
    command->state = E2B__COMMAND_RUNNING; /* for those who hold its handle */
    leave_if_unwanted(command);
    return 0;
  }
  command->state = E2B__COMMAND_RUNNING;
  if (command->starting != NULL) {
    e2b_future_t *future = command->starting;
    command->starting = NULL;
    command->handles++; /* the future's, with the memory reference that `starting` had */
    e2b__future_succeed(future, command, release_command_value);
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

static int on_event(e2b_command_t *command, const e2b__process_event_t *event) {
  if (event->start != NULL) return on_start(command, event->start);
  if (command->pid == 0 && (event->data != NULL || event->end != NULL)) return E2B_EPROTOCOL;
  if (event->data != NULL && command->state == E2B__COMMAND_RUNNING) {
    const e2b__process_data_event_t *data = event->data;
    if (data->stdout_data.ptr != NULL) {
      return on_output(command, &command->outputs[0], data->stdout_data);
    }
    if (data->stderr_data.ptr != NULL) {
      return on_output(command, &command->outputs[1], data->stderr_data);
    }
    if (data->pty_data.ptr != NULL) {
      return on_output(command, &command->outputs[0], data->pty_data);
    }
  }
  if (event->end != NULL && command->state == E2B__COMMAND_RUNNING) {
    return on_exit_event(command, event->end);
  }
  return 0; /* a keep-alive, or something newer than this library */
}

static int on_message(void *ctx, const char *data, size_t len) {
  e2b_command_t *command = ctx;
  e2b__process_event_response_t response;
  e2b__arena_reset(&command->event);
  int rc = e2b__message_decode(&e2b__process_event_response, data, len,
                               e2b__daemon_encoding(command->sandbox->client), &command->event,
                               &response, NULL);
  if (rc != 0) return rc;
  if (response.event == NULL) return 0;
  e2b__command_hold(command);
  rc = on_event(command, response.event);
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
  flush_tails(command);
  if (command->state == E2B__COMMAND_EXITED) {
    refresh_execution(command);
    if (command->input_lost && !command->execution.exited) {
      e2b__command_conclude(command, &command->input_error); /* it was our own kill */
    } else if (command->review == NULL || !command->review(command, command->review_ctx)) {
      e2b__command_conclude(command, NULL);
    }
  } else if (command->state != E2B__COMMAND_LEFT) {
    e2b_error_t failure = error != NULL ? *error : e2b__error(E2B_ENORESULT);
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
      e2b_future_release(e2b_command_kill_by_pid(command->sandbox, command->pid));
    }
    e2b__command_conclude(command, &failure);
  }
  e2b__command_drop(command);
  e2b__command_drop(command); /* the stream's */
}

static const e2b__stream_events_t events = {on_message, on_end};

void e2b_command_pause(e2b_command_t *command) {
  if (command->stream != NULL) e2b__stream_pause(command->stream);
}

void e2b_command_resume(e2b_command_t *command) {
  if (command->stream != NULL) e2b__stream_resume(command->stream);
}

/* --- start ------------------------------------------------------------------------------------ */

static void set_output(e2b_command_t *command, size_t which, e2b_output_cb callback,
                       const e2b_run_options *options) {
  e2b__output_t *output = &command->outputs[which];
  output->callback = callback;
  output->collect =
      options->collect == E2B_ON || (options->collect == E2B_DEFAULT && callback == NULL);
  e2b__buffer_init(&output->collected, options->max_output_bytes != 0
                                           ? options->max_output_bytes
                                           : command->sandbox->client->config.max_output_bytes);
}

static e2b_command_t *command_new(e2b_sandbox_t *sandbox, const e2b__command_spec_t *spec) {
  e2b_command_t *command = e2b__calloc(1, sizeof *command);
  if (command == NULL) return NULL;
  const e2b_run_options *options = &spec->options;
  command->refs = 1;
  command->sandbox = e2b_sandbox_acquire(sandbox);
  command->state = E2B__COMMAND_STARTING;
  command->guest.on_client_close = on_client_close;
  e2b__list_init(&command->guest.node);
  e2b__list_init(&command->waiters);
  e2b__input_init(command);
  set_output(command, 0, options->on_stdout, options);
  set_output(command, 1, options->on_stderr, options);
  command->text = options->text != 0;
  command->user_data = options->user_data;
  command->on_drain = options->on_drain;
  command->kill_if_abandoned = spec->run;
  command->has_lifetime = options->timeout_ms != 0 && options->timeout_ms != E2B_NO_TIMEOUT;
  command->started_ns = e2b__monotonic_ns();
  command->execution.sandbox_id = sandbox->record.id;
  command->execution.provider = "e2b";
  command->execution.status = "";
  command->execution.exit_code = -1;
  command->execution.runtime = spec->runtime;
  refresh_execution(command);
  return command;
}

static int encode_pairs(e2b__arena_t *arena, const e2b_pair_t *from, size_t count,
                        e2b__str_pair_t **to) {
  *to = e2b__arena_calloc(arena, count + 1, sizeof **to);
  if (*to == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    if (from[i].name == NULL || from[i].value == NULL) return E2B_EINVAL;
    (*to)[i].name = e2b__str(from[i].name);
    (*to)[i].value = e2b__str(from[i].value);
  }
  return 0;
}

static int start_stream(e2b_command_t *command, const e2b__command_spec_t *spec) {
  const e2b_run_options *options = &spec->options;
  e2b__process_config_t config;
  memset(&config, 0, sizeof config);
  config.cmd = e2b__str(spec->program);
  while (spec->args != NULL && spec->args[config.args_count] != NULL) {
    config.args_count++;
  }
  config.args = e2b__arena_calloc(&command->event, config.args_count + 1, sizeof *config.args);
  if (config.args == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < config.args_count; i++) {
    config.args[i] = e2b__str(spec->args[i]);
  }
  int rc = encode_pairs(&command->event, options->envs, options->envs_count, &config.envs);
  if (rc != 0) return rc;
  config.envs_count = options->envs_count;
  config.cwd = e2b__str(options->cwd);
  e2b__process_start_request_t request;
  memset(&request, 0, sizeof request);
  request.process = &config;
  request.tag = e2b__str(options->tag);
  request.has_stdin = true;
  request.stdin_open =
      options->keep_stdin_open || options->stdin_data != NULL || spec->script != NULL;
  const e2b__stream_options_t stream_options = {options->user, options->timeout_ms,
                                                options->first_event_timeout_ms};
  return e2b__stream_start(command->sandbox, "/process.Process/Start", &e2b__process_start_request,
                           &request, &stream_options, &events, command, &command->stream);
}

static int attach_stream(e2b_command_t *command, const e2b__command_spec_t *spec) {
  e2b__process_selector_t selector = {true, spec->connect_pid, {NULL, 0}};
  const e2b__process_selector_request_t request = {&selector};
  const e2b__stream_options_t stream_options = {NULL, 0, spec->options.first_event_timeout_ms};
  return e2b__stream_start(command->sandbox, "/process.Process/Connect",
                           &e2b__process_selector_request, &request, &stream_options, &events,
                           command, &command->stream);
}

static int queue_input(e2b_command_t *command, const e2b__command_spec_t *spec) {
  const e2b_run_options *options = &spec->options;
  const char *data = spec->script != NULL ? spec->script : options->stdin_data;
  const size_t len = spec->script != NULL ? spec->script_len : options->stdin_len;
  if (data == NULL) return 0;
  int rc = len > 0 ? e2b__input_push(command, data, len, false, NULL) : 0;
  if (rc == 0 && !options->keep_stdin_open) rc = e2b__input_push(command, NULL, 0, true, NULL);
  return rc;
}

static int launch(e2b_command_t *command, const e2b__command_spec_t *spec) {
  const char *user = spec->options.user;
  if (user != NULL) {
    command->user = e2b__arena_strndup(&command->arena, user, strlen(user));
    if (command->user == NULL) return E2B_ENOMEM;
  }
  int rc = queue_input(command, spec);
  if (rc == 0) {
    rc = spec->connect_pid != 0 ? attach_stream(command, spec) : start_stream(command, spec);
  }
  if (rc == 0) {
    e2b__command_hold(command); /* the stream's */
    e2b__guest_add(command->sandbox->client, &command->guest);
  }
  return rc;
}

int e2b__command_restart(e2b_command_t *command, const e2b__command_spec_t *spec) {
  for (size_t i = 0; i < E2B__COUNT(command->outputs); i++) {
    e2b__buffer_clear(&command->outputs[i].collected);
    command->outputs[i].bytes = 0;
  }
  e2b__list_remove(&command->guest.node);
  e2b__arena_reset(&command->event);
  e2b__input_stop(command, E2B_ENOSTDIN); /* what the other did not read is not for this one */
  command->pid = 0;
  command->input_ended = false;
  command->state = E2B__COMMAND_STARTING;
  return launch(command, spec);
}

e2b_future_t *e2b__command_launch(e2b_sandbox_t *sandbox, const e2b__command_spec_t *spec) {
  if (sandbox == NULL) return NULL;
  e2b_client_t *client = sandbox->client;
  e2b_future_t *future = e2b__future_new(
      &client->queue, spec->run ? E2B__KIND_EXECUTION : E2B__KIND_COMMAND, spec->name);
  e2b_command_t *command = NULL;
  int rc = future == NULL ? E2B_ENOMEM : e2b_future_is_done(future) ? E2B_ECLOSED : 0;
  if (rc == 0 && client->config.error != 0) {
    e2b__future_fail_text(future, client->config.error, "%s", client->config.error_text);
    rc = E2B_EALREADY;
  }
  if (rc == 0 && spec->program == NULL && spec->connect_pid == 0) rc = E2B_EINVAL;
  if (rc == 0) {
    command = command_new(sandbox, spec);
    if (command == NULL) rc = E2B_ENOMEM;
  }
  if (command == NULL) {
    if (spec->release_review != NULL) spec->release_review(spec->review_ctx);
    if (future != NULL && !e2b_future_is_done(future)) {
      e2b__future_fail_text(future, rc, "%s", e2b_code_text(rc));
    }
    return future;
  }
  command->review = spec->review;
  command->release_review = spec->release_review;
  command->review_ctx = spec->review_ctx;
  rc = launch(command, spec);
  if (rc == 0 && spec->run) {
    rc = add_waiter(command, future, true);
    if (rc != 0) e2b_command_disconnect(command);
  } else if (rc == 0) {
    command->starting = future;
    e2b__command_hold(command);
    e2b__future_bind(future, abandon_start, command);
  }
  if (rc != 0) {
    e2b__input_stop(command, E2B_ENOSTDIN);
    e2b__future_fail_text(future, rc, "%s", e2b_code_text(rc));
  }
  e2b__command_drop(command);
  return future;
}
