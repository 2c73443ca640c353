/* SPDX-License-Identifier: MIT */
#include "sandbox/command.h"

/* Standard input of a program: pieces in line, one call on the way. A call is never repeated: the
 * bytes might arrive twice. */

enum {
  LINE_CEILING = 4 << 20,
  DRAINED_BELOW = 1 << 20,
  LAST_ANSWER_MS = 1000,
  BATCH_BYTES = 256 << 10 /* pieces in line that travel together */
};

typedef struct input {
  e2b__list_t node;
  e2b_future_t *future; /* NULL: nobody waits */
  e2b_command_t *command;
  bool end;
  bool promised; /* with the start of the program */
  size_t len;
  char data[];
} input;

typedef struct e2b__input_call {
  e2b_command_t *command;
  e2b__call_t call;
  e2b__list_t batch;
  bool is_end;
  e2b__buffer_t body;
  char *url;
  e2b__arena_t arena;
} input_call;

/* The piece is out of every list already. */
static void input_free(input *item) {
  item->command->input_bytes -= item->len;
  e2b__command_drop(item->command);
  e2b__free(item);
}

static void on_drain(e2b__task_t *task) {
  e2b_command_t *command = E2B__CONTAINER(task, e2b_command_t, drain_task);
  if (command->on_drain != NULL && command->state == E2B__COMMAND_RUNNING) {
    e2b__call_out_begin();
    command->on_drain(command, command->user_data);
    e2b__call_out_end();
  }
  e2b__command_drop(command);
}

void e2b__input_init(e2b_command_t *command) {
  e2b__list_init(&command->inputs);
  e2b__task_init(&command->drain_task, on_drain);
}

static void offer_drain(e2b_command_t *command) {
  if (!command->input_refused || command->input_bytes >= DRAINED_BELOW) return;
  command->input_refused = false;
  if (!e2b__list_empty(&command->drain_task.node)) return;
  e2b__command_hold(command);
  e2b__queue_push(&command->sandbox->client->queue, &command->drain_task);
}

/* Given up by its future: it leaves the line; what is on the way goes on. */
static void abandon_input(void *work) {
  input *item = work;
  e2b_command_t *command = item->command;
  item->future = NULL;
  if (command->input_call != NULL) {
    const e2b__list_t *batch = &command->input_call->batch;
    for (const e2b__list_t *node = batch->next; node != batch; node = node->next) {
      if (node == &item->node) return;
    }
  }
  e2b__list_remove(&item->node);
  e2b__command_hold(command);
  if (item->end) command->input_ended = false; /* it was not asked for */
  input_free(item);
  offer_drain(command);
  e2b__command_drop(command);
}

static bool has_exited(const e2b_command_t *command) {
  return command->state == E2B__COMMAND_EXITED || command->state == E2B__COMMAND_DONE;
}

static void settle(e2b__list_t *list, const e2b_error_t *error) {
  e2b__list_t *node;
  while ((node = e2b__list_take(list)) != NULL) {
    input *item = E2B__CONTAINER(node, input, node);
    e2b_future_t *future = item->future;
    /* The news of the exit may overtake the answer to the close that caused it. */
    const bool closed = item->end && has_exited(item->command);
    if (item->end && error != NULL && item->command->state == E2B__COMMAND_RUNNING) {
      item->command->input_ended = false; /* it is open still, or nobody knows */
    }
    input_free(item);
    if (future == NULL) continue;
    if (error != NULL && !closed) {
      e2b__future_fail(future, error);
    } else {
      e2b__future_succeed_number(future, 1);
    }
  }
}

/* Did the program miss something that it was started with? One that has ended or closed its input
 * did not want it. */
static bool is_loss(const e2b__list_t *list, const e2b_error_t *error) {
  if (error->code == 0 || error->code == E2B_ENOSTDIN || error->code == E2B_ENOTFOUND) return false;
  for (const e2b__list_t *node = list->next; node != list; node = node->next) {
    if (E2B__CONTAINER(node, input, node)->promised) return true;
  }
  return false;
}

static void call_free(input_call *call) {
  e2b__buffer_free(&call->body);
  e2b__free(call->url);
  e2b__arena_free(&call->arena);
  e2b__free(call);
}

void e2b__input_stop(e2b_command_t *command, int code) {
  e2b_error_t error = e2b__error(code);
  e2b__command_hold(command);
  command->input_ended = true;
  input_call *call = command->input_call;
  command->input_call = NULL;
  if (call != NULL) {
    e2b__call_cancel(&call->call);
    error.maybe_applied = 1;
    settle(&call->batch, &error);
    call_free(call);
  }
  error.maybe_applied = 0;
  settle(&command->inputs, &error);
  e2b__command_drop(command);
}

static bool anybody_waits(const e2b__list_t *list) {
  for (const e2b__list_t *node = list->next; node != list; node = node->next) {
    if (E2B__CONTAINER(node, input, node)->future != NULL) return true;
  }
  return false;
}

void e2b__input_finish(e2b_command_t *command) {
  input_call *call = command->input_call;
  if (call == NULL || !anybody_waits(&call->batch)) {
    e2b__input_stop(command, E2B_ENOSTDIN);
    return;
  }
  const e2b_error_t error = e2b__error(E2B_ENOSTDIN);
  command->input_ended = true;
  e2b__guest_add(command->sandbox->client, &command->guest);
  e2b__call_hurry(&call->call, LAST_ANSWER_MS);
  settle(&command->inputs, &error); /* the pieces on the way keep the command */
}

/* After the end, whatever came of it means that nobody reads any more. */
static int refusal_code(const e2b_command_t *command, const e2b_error_t *error) {
  if (command->state == E2B__COMMAND_DONE) return E2B_ENOSTDIN;
  if (strstr(error->detail, "stdin not enabled or closed") != NULL ||
      strstr(error->detail, "broken pipe") != NULL ||
      strstr(error->detail, "file already closed") != NULL) {
    return E2B_ENOSTDIN;
  }
  return error->code;
}

static void on_sent(void *ctx, const e2b__call_result_t *result) {
  input_call *call = ctx;
  e2b_command_t *command = call->command;
  command->input_call = NULL;
  e2b__command_hold(command);
  e2b_error_t error = e2b__error(0);
  if (result->code != 0) {
    error = e2b__transport_error(&call->arena, call->url, result);
  } else if (result->status < 200 || result->status >= 300) {
    e2b__connect_error_t answer;
    error = e2b__connect_error_decode(result->body, result->body_len, &call->arena, &answer) == 0
                ? e2b__refusal_error(&call->arena, result->status, &answer)
                : e2b__error(E2B_ENOMEM);
  }
  if (error.code != 0) error.code = refusal_code(command, &error);
  if (command->state == E2B__COMMAND_DONE) e2b__list_remove(&command->guest.node);
  const bool lost = is_loss(&call->batch, &error);
  settle(&call->batch, error.code != 0 ? &error : NULL);
  if (lost) e2b__command_lose_input(command, &error);
  call_free(call);
  offer_drain(command);
  e2b__input_pump(command);
  e2b__command_drop(command);
}

/* The next pieces that may travel together: bytes with bytes, an end alone. */
static int take_batch(e2b_command_t *command, input_call *call, e2b__buffer_t *data) {
  while (!e2b__list_empty(&command->inputs)) {
    input *item = E2B__CONTAINER(command->inputs.next, input, node);
    const bool first = e2b__list_empty(&call->batch);
    if (!first && (item->end || call->is_end || data->len + item->len > BATCH_BYTES)) break;
    int rc = e2b__buffer_append(data, item->data, item->len);
    if (rc != 0) return rc;
    e2b__list_remove(&item->node);
    e2b__list_append(&call->batch, &item->node);
    call->is_end = item->end;
  }
  return 0;
}

static int make_request(e2b_command_t *command, input_call *call, const e2b__buffer_t *data,
                        e2b__call_request_t *request) {
  const e2b_sandbox_t *sandbox = command->sandbox;
  const e2b__encoding_t encoding = e2b__daemon_encoding(sandbox->client);
  e2b__process_selector_t selector = {true, command->pid, {NULL, 0}};
  int rc;
  if (call->is_end) {
    const e2b__process_selector_request_t message = {&selector};
    rc = e2b__message_encode(&e2b__process_selector_request, &message, encoding, &call->body);
  } else {
    e2b__process_input_t bytes = {{data->data, data->len}, {NULL, 0}};
    const e2b__send_input_request_t message = {&selector, &bytes};
    rc = e2b__message_encode(&e2b__send_input_request, &message, encoding, &call->body);
  }
  call->url = e2b__format("%s/process.Process/%s", sandbox->daemon_url,
                          call->is_end ? "CloseStdin" : "SendInput");
  if (rc == 0 && call->url == NULL) rc = E2B_ENOMEM;
  memset(request, 0, sizeof *request);
  request->http.method = "POST";
  request->http.url = call->url;
  request->http.headers = sandbox->unary;
  request->http.body = call->body.data != NULL ? call->body.data : "";
  request->http.body_len = call->body.len;
  /* It blocks as long as the program does not read: no clock, and not in the line of short ones. */
  request->http.stream = true;
  request->timeout_ms = E2B_NO_TIMEOUT;
  request->max_response_bytes = 64 << 10;
  return rc;
}

void e2b__input_pump(e2b_command_t *command) {
  if (command->input_call != NULL || command->state != E2B__COMMAND_RUNNING ||
      e2b__list_empty(&command->inputs)) {
    return;
  }
  e2b__call_request_t request;
  e2b__buffer_t data = E2B__BUFFER_INIT(SIZE_MAX / 4);
  input_call *call = e2b__calloc(1, sizeof *call);
  int rc = call != NULL ? 0 : E2B_ENOMEM;
  if (rc == 0) {
    call->command = command;
    e2b__list_init(&call->batch);
    e2b__buffer_init(&call->body, SIZE_MAX / 4);
    rc = take_batch(command, call, &data);
  }
  if (rc == 0) rc = make_request(command, call, &data, &request);
  e2b__buffer_free(&data);
  if (rc == 0) {
    rc = e2b__call_start(&call->call, command->sandbox->client->http, &request, on_sent, call);
  }
  if (rc == 0) {
    command->input_call = call;
    return;
  }
  const e2b_error_t error = e2b__error(rc);
  e2b__command_hold(command);
  bool lost = is_loss(&command->inputs, &error);
  if (call != NULL) {
    lost |= is_loss(&call->batch, &error);
    settle(&call->batch, &error);
    call_free(call);
  }
  settle(&command->inputs, &error);
  if (lost) e2b__command_lose_input(command, &error);
  e2b__command_drop(command);
}

int e2b__input_push(e2b_command_t *command, const void *data, size_t len, bool end,
                    e2b_future_t *future) {
  input *item = len < SIZE_MAX / 4 ? e2b__malloc(sizeof *item + len) : NULL;
  if (item == NULL) return E2B_ENOMEM;
  item->future = future;
  item->command = command;
  item->end = end;
  item->promised = future == NULL;
  item->len = len;
  if (len > 0) memcpy(item->data, data, len);
  e2b__command_hold(command);
  command->input_bytes += len;
  if (end) command->input_ended = true;
  e2b__list_append(&command->inputs, &item->node);
  if (future != NULL) e2b__future_bind(future, abandon_input, item);
  e2b__input_pump(command);
  return 0;
}

static e2b_future_t *push(e2b_command_t *command, const void *data, size_t len, bool end,
                          const char *name) {
  if (command == NULL) return NULL;
  e2b_future_t *future = e2b__future_new(&command->sandbox->client->queue, E2B__KIND_NOTHING, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (data == NULL && len > 0) {
    e2b__future_fail_text(future, E2B_EINVAL, "invalid argument: there are no bytes");
  } else if (command->input_ended || command->state > E2B__COMMAND_RUNNING) {
    if (end && (command->state <= E2B__COMMAND_RUNNING || has_exited(command))) {
      e2b__future_succeed_number(future, 1); /* closing what is closed is closing */
    } else {
      e2b__future_fail_text(future, E2B_ENOSTDIN, "standard input is not open");
    }
  } else if (!end && command->input_bytes > 0 &&
             (command->input_bytes > LINE_CEILING || len > LINE_CEILING - command->input_bytes)) {
    command->input_refused = true;
    e2b__future_fail_text(future, E2B_EAGAIN, "%zu bytes wait already", command->input_bytes);
  } else if (e2b__input_push(command, data, len, end, future) != 0) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
  }
  return future;
}

e2b_future_t *e2b_command_write(e2b_command_t *command, const void *data, size_t len) {
  return push(command, data, len, false, "e2b_command_write");
}

e2b_future_t *e2b_command_close_stdin(e2b_command_t *command) {
  return push(command, NULL, 0, true, "e2b_command_close_stdin");
}
