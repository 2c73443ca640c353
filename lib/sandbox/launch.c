/* SPDX-License-Identifier: MIT */
#include <stdalign.h>

#include "base/clock.h"
#include "base/pairs.h"
#include "sandbox/command.h"

/* How a program is started, or one that runs is found again. */

static void abandon_start(void *work) {
  e2b_command_t *command = work;
  command->starting = NULL;
  e2b__command_leave_if_unwanted(command);
  e2b__command_drop(command);
}

static e2b_command_t *command_new(e2b_sandbox_t *sandbox, const e2b__command_spec_t *spec) {
  e2b_command_t *command = e2b__calloc(1, sizeof *command);
  if (command == NULL) return NULL;
  const e2b_run_options *options = &spec->options;
  command->refs = 1;
  command->sandbox = e2b_sandbox_acquire(sandbox);
  command->state = E2B__COMMAND_STARTING;
  command->guest.on_client_close = e2b__command_client_closes;
  e2b__list_init(&command->guest.node);
  e2b__list_init(&command->waiters);
  e2b__input_init(command);
  e2b__output_init(command, 0, options->on_stdout, options);
  e2b__output_init(command, 1, options->on_stderr, options);
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
  e2b__command_refresh(command);
  return command;
}

static int encode_pairs(e2b__arena_t *arena, const e2b_pair_t *from, size_t count,
                        e2b__str_pair_t **to) {
  if (!e2b__pairs_ok(from, count)) return E2B_EINVAL;
  *to = e2b__arena_calloc(arena, count + 1, sizeof **to);
  if (*to == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    (*to)[i].name = e2b__str(from[i].name);
    (*to)[i].value = e2b__str(from[i].value);
  }
  return 0;
}

static int start_stream(e2b_command_t *command, const e2b__command_spec_t *spec,
                        e2b__arena_t *arena) {
  const e2b_run_options *options = &spec->options;
  e2b__process_config_t config;
  memset(&config, 0, sizeof config);
  config.cmd = e2b__str(spec->program);
  while (spec->args != NULL && spec->args[config.args_count] != NULL) {
    config.args_count++;
  }
  config.args = e2b__arena_calloc(arena, config.args_count + 1, sizeof *config.args);
  if (config.args == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < config.args_count; i++) {
    config.args[i] = e2b__str(spec->args[i]);
  }
  int rc = encode_pairs(arena, options->envs, options->envs_count, &config.envs);
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
                           &request, &stream_options, &e2b__command_events, command,
                           &command->stream);
}

static int attach_stream(e2b_command_t *command, const e2b__command_spec_t *spec) {
  e2b__process_selector_t selector = {true, spec->connect_pid, {NULL, 0}};
  const e2b__process_selector_request_t request = {&selector};
  const e2b__stream_options_t stream_options = {NULL, 0, spec->options.first_event_timeout_ms};
  return e2b__stream_start(command->sandbox, "/process.Process/Connect",
                           &e2b__process_selector_request, &request, &stream_options,
                           &e2b__command_events, command, &command->stream);
}

static int queue_input(e2b_command_t *command, const e2b__command_spec_t *spec) {
  const e2b_run_options *options = &spec->options;
  const char *data = spec->script != NULL ? spec->script : options->stdin_data;
  const size_t len = spec->script != NULL ? spec->script_len : options->stdin_len;
  if (data == NULL) return len > 0 ? E2B_EINVAL : 0;
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
  alignas(max_align_t) unsigned char room[512];
  e2b__arena_t arena = {0};
  e2b__arena_lend(&arena, room, sizeof room);
  if (rc == 0) {
    rc =
        spec->connect_pid != 0 ? attach_stream(command, spec) : start_stream(command, spec, &arena);
  }
  e2b__arena_free(&arena);
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
  e2b__input_stop(command, E2B_ENOSTDIN); /* what the other did not read is not for this one */
  command->pid = 0;
  command->input_ended = false;
  command->state = E2B__COMMAND_STARTING;
  return launch(command, spec);
}

/* Which argument E2B_EINVAL was about. Asked afterwards: what is right is not looked at twice. */
static const char *wrong_in(const e2b__command_spec_t *spec) {
  const e2b_run_options *options = &spec->options;
  if (spec->program == NULL && spec->connect_pid == 0) return "there is no program";
  if (options->stdin_data == NULL && options->stdin_len > 0) return "stdin_data is not there";
  if (options->user != NULL && strchr(options->user, ':') != NULL) {
    return "the user's name has a colon";
  }
  if (!e2b__pairs_are_text(options->envs, options->envs_count)) {
    return "a variable without a name or a value, or not UTF-8";
  }
  if (!e2b__is_text(options->cwd)) return "the working directory is not UTF-8";
  return "the program, an argument or the tag is not UTF-8";
}

static void refuse(e2b_future_t *future, int rc, const e2b__command_spec_t *spec) {
  const bool said = rc == E2B_EINVAL;
  e2b__future_fail_text(future, rc, "%s%s%s", e2b_code_text(rc), said ? ": " : "",
                        said ? wrong_in(spec) : "");
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
      refuse(future, rc, spec);
    }
    return future;
  }
  command->review = spec->review;
  command->release_review = spec->release_review;
  command->review_ctx = spec->review_ctx;
  rc = launch(command, spec);
  if (rc == 0 && spec->run) {
    rc = e2b__command_add_waiter(command, future, true);
    if (rc != 0) e2b_command_disconnect(command);
  } else if (rc == 0) {
    command->starting = future;
    e2b__command_hold(command);
    e2b__future_bind(future, abandon_start, command);
  }
  if (rc != 0) {
    e2b__input_stop(command, E2B_ENOSTDIN);
    refuse(future, rc, spec);
  }
  e2b__command_drop(command);
  return future;
}
