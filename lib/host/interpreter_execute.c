/* SPDX-License-Identifier: MIT */
#include "host/interpreter.h"
#include "proto/json.h"

/* POST /execute: the stream of a cell's lines. */

enum { KEEPALIVE_MS = 5000, BODY_CEILING = E2B__HOST_RPC_CEILING };

static const char end_line[] = "{\"type\": \"end_of_execution\"}\n";

static e2b__host_alarms_t *alarms_of(const e2b__host_execution_t *execution) {
  return &execution->request->host->alarms;
}

/* ---- the answer ---- */

static void on_drained(e2b__host_stream_t *stream) {
  e2b__host_execution_t *execution = E2B__CONTAINER(stream, e2b__host_execution_t, stream);
  e2b__host_context_t *context = execution->context;
  if (context != NULL && context->current == execution && context->kernel != NULL)
    e2b__host_kernel_pause(context->kernel, false);
}

void e2b__host_execution_open(e2b__host_execution_t *execution) {
  if (execution->open) return;
  execution->open = true;
  /* Lines without a Content-Type: so the service answers. */
  struct MHD_Response *response = e2b__host_stream_response(execution->request, &execution->stream,
                                                            MHD_SIZE_UNKNOWN, on_drained);
  e2b__host_answer(execution->request, 200, response);
}

static void put(e2b__host_execution_t *execution, const char *data, size_t len) {
  if (e2b__buffer_append(&execution->stream.out, data, len) != 0)
    e2b__host_request_reset(execution->request);
  else
    e2b__host_stream_flush(&execution->stream);
}

static void put_error(e2b__host_execution_t *execution, const char *line) {
  put(execution, line, strlen(line));
}

static void on_keepalive(e2b__host_alarm_t *alarm) {
  e2b__host_execution_t *execution = E2B__CONTAINER(alarm, e2b__host_execution_t, keepalive);
  static const char line[] = "{\"type\": \"keepalive\"}\n";
  /* A client that does not read needs none. */
  if (!execution->mid_line && e2b__host_stream_waiting(&execution->stream) < E2B__HOST_STREAM_HIGH)
    put(execution, line, sizeof line - 1);
  if (execution->context != NULL)
    e2b__host_alarm_set(alarms_of(execution), alarm, KEEPALIVE_MS, on_keepalive);
}

void e2b__host_execution_begin(e2b__host_execution_t *execution) {
  e2b__host_alarm_set(alarms_of(execution), &execution->keepalive, KEEPALIVE_MS, on_keepalive);
}

void e2b__host_execution_output(e2b__host_execution_t *execution, const char *data, size_t len,
                                bool whole) {
  execution->mid_line = !whole;
  e2b__host_alarm_set(alarms_of(execution), &execution->keepalive, KEEPALIVE_MS, on_keepalive);
  put(execution, data, len);
  if (execution->context != NULL &&
      e2b__host_stream_waiting(&execution->stream) >= E2B__HOST_STREAM_HIGH)
    e2b__host_kernel_pause(execution->context->kernel, true);
}

static void finish(e2b__host_execution_t *execution) {
  execution->context = NULL;
  e2b__host_alarm_cancel(alarms_of(execution), &execution->keepalive);
}

void e2b__host_execution_end(e2b__host_execution_t *execution) {
  finish(execution);
  e2b__host_stream_end(&execution->stream);
}

void e2b__host_execution_fail(e2b__host_execution_t *execution, e2b__host_execution_loss_t loss,
                              const char *why) {
  finish(execution);
  if (!execution->open) {
    e2b__host_interpreter_text(execution->request, 500, "Failed to create context: %s", why);
    return;
  }
  if (execution->mid_line) {
    /* Nothing that could be said now would be understood. */
    e2b__host_stream_break(&execution->stream);
    return;
  }
  if (loss == E2B__LOSS_DIED)
    put_error(execution, "{\"type\": \"error\", \"name\": \"ContextRestarting\", "
                         "\"value\": \"Context was restarted\", \"traceback\": \"\"}\n");
  if (loss == E2B__LOSS_TAKEN)
    put_error(execution,
              "{\"type\": \"error\", \"name\": \"WebSocketError\", \"value\": \"The connections "
              "was lost, rerun the code to get the results\", \"traceback\": \"\"}\n");
  if (loss != E2B__LOSS_DIED)
    put_error(execution, "{\"type\": \"error\", \"name\": \"UnexpectedEndOfExecution\", "
                         "\"value\": \"Connection to the execution was closed before the "
                         "execution was finished\", \"traceback\": \"\"}\n");
  put_error(execution, end_line);
  e2b__host_stream_end(&execution->stream);
}

/* ---- the request ---- */

static void on_gone(e2b__host_request_t *request) {
  e2b__host_execution_t *execution = request->state;
  if (execution == NULL) return;
  request->state = NULL;
  e2b__host_alarm_cancel(alarms_of(execution), &execution->keepalive);
  e2b__host_context_leave(execution);
  e2b__host_stream_free(&execution->stream);
  cJSON_Delete(execution->body);
}

static void on_reset(e2b__host_request_t *request) {
  e2b__host_execution_t *execution = request->state;
  if (execution == NULL) return;
  e2b__host_alarm_cancel(alarms_of(execution), &execution->keepalive);
  e2b__host_context_leave(execution);
}

/* A string that is there and not empty. */
static const char *given(const cJSON *body, const char *name) {
  const char *text = e2b__json_string(body, name, "");
  return *text != '\0' ? text : NULL;
}

static e2b__host_context_t *find_context(e2b__host_request_t *request, const cJSON *body) {
  e2b__host_interpreter_t *interpreter = e2b__host_interpreter_of(request->sandbox);
  const char *id = given(body, "context_id"), *name = given(body, "language");
  char language_name[64];
  e2b__host_context_t *context = NULL;
  if (id != NULL && name != NULL) {
    e2b__host_interpreter_text(request, 400, "Only one of context_id or language can be provided");
    return NULL;
  }
  const e2b__host_language_t *language =
      e2b__host_language_find(name != NULL ? name : "python", language_name);
  if (id == NULL && language == NULL) {
    e2b__host_interpreter_no_kernel(request, language_name);
    return NULL;
  }
  if (interpreter != NULL && id != NULL) {
    context = e2b__host_context_find(interpreter, id);
    if (context == NULL) e2b__host_interpreter_text(request, 404, "Context %s not found", id);
    return context;
  }
  if (interpreter != NULL) context = e2b__host_context_default(interpreter, language);
  if (context == NULL) e2b__host_interpreter_text(request, 500, "out of memory");
  return context;
}

static void on_finish(e2b__host_request_t *request) {
  if (request->sandbox == NULL) return;
  e2b__host_execution_t *execution = e2b__arena_calloc(&request->arena, 1, sizeof *execution);
  cJSON *body = execution != NULL ? e2b__host_interpreter_body(request, true) : NULL;
  if (execution == NULL) e2b__host_interpreter_text(request, 500, "out of memory");
  if (body == NULL) return;
  e2b__buffer_free(&request->body);
  e2b__host_context_t *context = find_context(request, body);
  if (context == NULL) {
    cJSON_Delete(body);
    return;
  }
  execution->request = request;
  execution->body = body;
  execution->code = e2b__json_string(body, "code", "");
  execution->env = cJSON_GetObjectItemCaseSensitive(body, "env_vars");
  e2b__list_init(&execution->node);
  e2b__buffer_init(&execution->stream.out, E2B__HOST_STREAM_CEILING);
  request->state = execution;
  e2b__host_context_execute(context, execution);
}

const e2b__host_handler_t e2b__host_execute_handler = {
    .finish = on_finish, .gone = on_gone, .reset = on_reset, .ceiling = BODY_CEILING};
