/* SPDX-License-Identifier: MIT */
#include "e2b/code.h"
#include "handler/sse.h"

/* runCode and runCommand: answered whole, or, with "stream": true, as events while it runs. */

static void put_result(e2b__json_writer_t *json, const e2b_execution_t *run) {
  e2b__json_open(json, "result", '{');
  e2b__json_put_string(json, "stdout", run->stdout_data.ptr, run->stdout_data.len);
  e2b__json_put_string(json, "stderr", run->stderr_data.ptr, run->stderr_data.len);
  e2b__json_put_int(json, "exitCode", run->exit_code);
  e2b__json_put_int(json, "executionTime", (int64_t)(run->duration_us / 1000));
  e2b__json_close(json, '}');
}

/* --- what is started ----------------------------------------------------------------------------
 */

typedef e2b_future_t *(*start_cb)(e2b__handling_t *h, const e2b_run_options *run);

static e2b_future_t *start_code(e2b__handling_t *h, const e2b_run_options *run) {
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = h->asked != E2B_RUNTIME_AUTO ? h->asked : h->runtime;
  options.run = run;
  return e2b_run_code(h->sandbox, e2b__action_text(h, "code"), &options);
}

/* With "args", exactly these; without, the command is a line of shell. */
static e2b_future_t *start_command(e2b__handling_t *h, const e2b_run_options *run) {
  const char *command = e2b__action_text(h, "command");
  const cJSON *args = cJSON_GetObjectItemCaseSensitive(h->body, "args");
  if (!cJSON_IsArray(args)) return e2b_run_shell(h->sandbox, command, run);
  const char **argv = e2b__calloc((size_t)cJSON_GetArraySize(args) + 1, sizeof *argv);
  if (argv == NULL) return NULL;
  size_t count = 0;
  for (const cJSON *arg = args->child; arg != NULL; arg = arg->next) {
    argv[count++] = arg->valuestring;
  }
  e2b_future_t *future = e2b_run_command(h->sandbox, command, argv, run);
  e2b__free(argv);
  return future;
}

static void init_options(const e2b__handling_t *h, e2b_run_options *run) {
  E2B_INIT(run);
  run->timeout_ms = h->handler->options.run_timeout_ms;
  run->max_output_bytes = h->handler->options.max_output_bytes;
  run->cwd = e2b__action_text(h, "cwd");
}

/* --- answered whole -----------------------------------------------------------------------------
 */

static void on_run(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_execution_t *run = e2b_future_execution(done);
  if (run == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  e2b__handling_begin(h);
  put_result(&h->json, run);
  e2b__handling_done(h);
}

/* --- answered as it runs ------------------------------------------------------------------------
 */

/* One run whose output is a stream. It goes when both have ended: the future, and the stream's
 * interest. */
typedef struct live_run {
  e2b_handler_t *handler;
  e2b__caller_t *caller;
  e2b_http_stream_t *stream; /* NULL when the browser has gone */
  e2b_future_t *future;
  e2b_command_t *command; /* once it has said something */
  bool paused;
} live_run;

static void live_run_free(live_run *run) {
  run->caller->runs--;
  e2b__caller_drop(run->caller);
  e2b_command_release(run->command);
  e2b__handler_drop(run->handler);
  e2b__free(run);
}

static void live_pause(void *ctx) {
  live_run *run = ctx;
  run->paused = true;
  if (run->command != NULL) e2b_command_pause(run->command);
}

static void live_resume(void *ctx) {
  live_run *run = ctx;
  run->paused = false;
  if (run->command != NULL) e2b_command_resume(run->command);
}

static void live_gone(void *ctx) {
  live_run *run = ctx;
  run->stream = NULL;
  e2b_future_cancel(run->future); /* kills it; on_live_end follows */
}

static void live_beat(void *ctx) {
  e2b__sse_beat(((const live_run *)ctx)->stream);
}

static const e2b__http_stream_source_t live_source = {live_pause, live_resume, NULL, live_gone,
                                                      live_beat};

static void send_or_stop(live_run *run, e2b__sse_event_t *event) {
  if (e2b__sse_send(event, run->stream) == 0) return;
  e2b_http_stream_close(run->stream);
  run->stream->source = NULL;
  live_gone(run);
}

static void on_output(live_run *run, e2b_command_t *command, const char *type, const char *data,
                      size_t len) {
  if (run->command == NULL) {
    run->command = e2b_command_acquire(command);
    if (run->paused) e2b_command_pause(command);
  }
  if (run->stream == NULL) return;
  e2b__sse_event_t event;
  e2b__sse_begin(&event, 0);
  e2b__json_open(&event.json, NULL, '{');
  e2b__json_put_string(&event.json, "type", type, strlen(type));
  e2b__json_put_string(&event.json, "data", data, len);
  e2b__json_close(&event.json, '}');
  send_or_stop(run, &event);
}

static void on_live_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  on_output(user_data, command, "stdout", data, len);
}

static void on_live_stderr(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  on_output(user_data, command, "stderr", data, len);
}

/* The last event: {"type":"result",...} or {"type":"error",...}. */
static void put_outcome(e2b__json_writer_t *json, const e2b_execution_t *result,
                        const e2b_error_t *error) {
  const char *type = result != NULL ? "result" : "error";
  e2b__json_open(json, NULL, '{');
  e2b__json_put_string(json, "type", type, strlen(type));
  e2b__json_put_bool(json, "success", result != NULL);
  if (result != NULL) {
    put_result(json, result);
  } else {
    e2b__json_put_string(json, "error", error->message, strlen(error->message));
    e2b__json_put_int(json, "status", e2b__handling_status(error));
  }
  e2b__json_close(json, '}');
}

static void on_live_end(e2b_future_t *done, void *user_data) {
  live_run *run = user_data;
  if (run->stream != NULL) {
    e2b__sse_event_t event;
    e2b__sse_begin(&event, 0);
    put_outcome(&event.json, e2b_future_execution(done), e2b_future_error(done));
    (void)e2b__sse_send(&event, run->stream);
    e2b__http_stream_finish(run->stream);
  }
  live_run_free(run);
}

static void put_started(e2b__handling_t *h, e2b_http_stream_t *stream) {
  e2b__sse_event_t event;
  e2b__sse_begin(&event, 0);
  e2b__json_open(&event.json, NULL, '{');
  e2b__json_put_string(&event.json, "type", "started", 7);
  e2b__json_put_string(&event.json, "sandboxId", h->id, strlen(h->id));
  e2b__json_close(&event.json, '}');
  (void)e2b__sse_send(&event, stream);
}

static live_run *live_run_new(e2b__handling_t *h) {
  live_run *run = e2b__calloc(1, sizeof *run);
  if (run == NULL) return NULL;
  run->handler = h->handler;
  e2b__handler_hold(h->handler);
  run->caller = h->caller;
  h->caller->refs++;
  h->caller->runs++; /* the handling's own count ends with its answer */
  return run;
}

static void run_live(e2b__handling_t *h, start_cb start) {
  if (!e2b__http_stream_may(h)) return;
  e2b_run_options options;
  init_options(h, &options);
  options.on_stdout = on_live_stdout;
  options.on_stderr = on_live_stderr;
  options.text = 1;
  live_run *run = live_run_new(h);
  options.user_data = run;
  if (run != NULL) (void)e2b__http_stream_new(h, &live_source, run);
  e2b_future_t *future = h->stream != NULL ? start(h, &options) : NULL;
  if (future == NULL) {
    if (h->stream != NULL) h->stream->source = NULL;
    if (run != NULL) live_run_free(run);
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  run->stream = h->stream;
  run->future = future;
  put_started(h, h->stream);
  e2b__sse_answer(h);
  /* Without its continuation, which only a closed client refuses, the run would never be freed. */
  if (e2b_future_then(future, on_live_end, run) != 0) {
    e2b__http_stream_finish(run->stream);
    live_run_free(run);
  }
}

static void start_run(e2b__handling_t *h, start_cb start) {
  if (e2b__json_bool(h->body, "stream", false)) {
    run_live(h, start);
    return;
  }
  e2b_run_options options;
  init_options(h, &options);
  e2b__handling_await(h, start(h, &options), on_run);
}

void e2b__action_run_code(e2b__handling_t *h) {
  start_run(h, start_code);
}

void e2b__action_run_command(e2b__handling_t *h) {
  start_run(h, start_command);
}
