/* SPDX-License-Identifier: MIT */
#include "sandbox/stream.h"

#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "proto/envelope.h"

/*  phase     meaning                                   leaves by
 *  OPEN      messages come                             the end envelope, an answer that is an error
 *  REFUSED   the answer is no stream: gathering it     the end of the answer
 *  ENDED     the end envelope has come                 the end of the answer
 *  PROBING   the connection broke: asking why          the probe's answer
 *  CANCELLED nobody listens any more                   the stack unwinding                      */
typedef enum stream_phase { OPEN, REFUSED, ENDED, PROBING, CANCELLED } stream_phase;

enum {
  MESSAGE_CEILING = 64 << 20, /* of one envelope; the daemon's are at most 64 KB */
  REFUSAL_CEILING = 64 << 10,
  AFTER_END_MS = 1000,
  DEADLINE_GRACE_MS = 2000 /* the daemon's own clock is to ring first */
};

struct e2b__stream {
  e2b_sandbox_t *sandbox;
  const e2b__stream_events_t *events;
  void *ctx;
  stream_phase phase;
  bool busy; /* inside an event: freed when it has returned */
  bool paused;
  bool over; /* the exchange ended while paused: its result waits */
  bool checked_head;
  bool said_all; /* the owner has what it wants: how it ends is of no interest */
  int result_code;
  e2b__exchange_t *exchange;
  e2b__probe_t *probe;
  e2b__envelope_decoder_t decoder;
  e2b__buffer_t held; /* what came while paused, or of a refusal */
  e2b__arena_t arena;
  struct curl_slist headers[2];
  e2b__task_t resume;
  const e2b_error_t *error; /* in the arena; NULL: none */
  char url[];               /* and behind its NUL the request's body */
};

static void stream_free(e2b__stream_t *stream) {
  e2b__queue_cancel(&stream->resume);
  e2b__envelope_decoder_free(&stream->decoder);
  e2b__buffer_free(&stream->held);
  e2b__arena_free(&stream->arena);
  e2b_sandbox_release(stream->sandbox);
  e2b__free(stream);
}

void e2b__stream_cancel(e2b__stream_t *stream) {
  stream->phase = CANCELLED;
  if (stream->exchange != NULL) e2b__exchange_cancel(stream->exchange);
  if (stream->probe != NULL) e2b__probe_cancel(stream->probe);
  stream->exchange = NULL;
  stream->probe = NULL;
  if (!stream->busy) stream_free(stream);
}

/* The last event. */
static void finish(e2b__stream_t *stream) {
  const e2b__stream_events_t *events = stream->events;
  stream->phase = CANCELLED;
  stream->busy = true;
  events->on_end(stream->ctx, stream->error);
  stream_free(stream);
}

static void set_error(e2b__stream_t *stream, const e2b_error_t *error) {
  if (stream->error == NULL) stream->error = e2b__error_keep(&stream->arena, error);
}

/* --- what comes in ------------------------------------------------------------------------------
 */

static int on_end_envelope(e2b__stream_t *stream, const e2b__envelope_t *envelope) {
  stream->phase = ENDED;
  e2b__connect_error_t end;
  int rc = e2b__connect_end_decode(envelope->payload, envelope->len, &stream->arena, &end);
  if (rc != 0) return rc;
  if (end.form != E2B__ERROR_NONE) {
    e2b_error_t error = e2b__refusal_error(&stream->arena, 200, &end);
    set_error(stream, &error);
  }
  /* It may be over already: what was held while paused is read afterwards. */
  if (stream->exchange != NULL) e2b__exchange_hurry(stream->exchange, AFTER_END_MS);
  return 0;
}

/* Takes envelopes until the input ends, or the owner pauses or cancels. */
static int take(e2b__stream_t *stream, const char **data, size_t *len) {
  int rc = 0;
  while (rc == 0 && stream->phase == OPEN && !stream->paused) {
    e2b__envelope_t envelope;
    rc = e2b__envelope_next(&stream->decoder, data, len, &envelope);
    if (rc <= 0) return rc;
    if (envelope.flags & E2B__ENVELOPE_COMPRESSED) return E2B_EPROTOCOL; /* we never offer it */
    if (envelope.flags & E2B__ENVELOPE_END_STREAM) return on_end_envelope(stream, &envelope);
    stream->busy = true;
    rc = stream->events->on_message(stream->ctx, envelope.payload, envelope.len);
    stream->busy = false;
  }
  return rc;
}

/* The answer's first bytes: is it a stream at all? */
static void check_head(e2b__stream_t *stream) {
  stream->checked_head = true;
  const char *type = e2b__exchange_header(stream->exchange, "content-type");
  static const char wanted[] = "application/connect+";
  if (e2b__exchange_status(stream->exchange) != 200 || type == NULL ||
      strncasecmp(type, wanted, sizeof wanted - 1) != 0) {
    stream->phase = REFUSED;
  }
}

static int on_data(void *ctx, const char *data, size_t len) {
  e2b__stream_t *stream = ctx;
  if (!stream->checked_head) check_head(stream);
  if (stream->phase == REFUSED) {
    size_t room = REFUSAL_CEILING - stream->held.len;
    return e2b__buffer_append(&stream->held, data, len < room ? len : room);
  }
  int rc = take(stream, &data, &len);
  if (stream->phase == CANCELLED) {
    stream_free(stream);
    return E2B_ECANCELED;
  }
  if (rc == 0 && stream->paused && len > 0) rc = e2b__buffer_append(&stream->held, data, len);
  return rc;
}

/* --- how it ends --------------------------------------------------------------------------------
 */

static void on_probed(void *ctx, e2b_presence_t presence) {
  e2b__stream_t *stream = ctx;
  stream->probe = NULL;
  e2b_error_t error = *stream->error;
  e2b__probe_apply(&stream->arena, stream->sandbox, presence, &error);
  stream->error = &error;
  finish(stream);
}

static void finish_refused(e2b__stream_t *stream, int status) {
  e2b__connect_error_t answer;
  e2b_error_t error;
  const char *body = stream->held.data != NULL ? stream->held.data : "";
  if (status >= 200 && status < 300) {
    error = e2b__error_text(&stream->arena, E2B_EPROTOCOL,
                            "the server's answer makes no sense: no stream came");
    error.maybe_applied = 1;
  } else if (e2b__connect_error_decode(body, stream->held.len, &stream->arena, &answer) == 0) {
    error = e2b__refusal_error(&stream->arena, status, &answer);
  } else {
    error = e2b__error(E2B_ENOMEM);
  }
  error.http_status = status;
  error.attempts = 1;
  set_error(stream, &error);
  finish(stream);
}

/* A transport that broke, or a stream that stopped without an end. */
static void finish_broken(e2b__stream_t *stream, const e2b__http_result_t *result) {
  e2b__call_result_t call = {0};
  call.code = result->code != 0 ? result->code : E2B_ECONNLOST;
  call.clock = result->clock;
  call.status = result->status;
  call.maybe_received = result->maybe_received;
  call.why = result->code != 0 ? result->why : "the stream stopped without an end";
  call.attempts = 1;
  e2b_error_t error = e2b__transport_error(&stream->arena, stream->url, &call);
  set_error(stream, &error);
  if (error.code == E2B_ECONNLOST && !stream->said_all) {
    stream->phase = PROBING;
    stream->probe = e2b__probe_start(stream->sandbox, on_probed, stream);
    if (stream->probe != NULL) return;
  }
  finish(stream);
}

static void on_done(void *ctx, const e2b__http_result_t *result) {
  e2b__stream_t *stream = ctx;
  if (!stream->checked_head && result->code == 0) check_head(stream);
  if (stream->phase == OPEN && result->code == 0) e2b__exchange_cut_short(stream->exchange);
  stream->exchange = NULL;
  if (stream->phase == ENDED) {
    finish(stream);
  } else if (stream->phase == REFUSED && result->code == 0) {
    finish_refused(stream, result->status);
  } else if (stream->paused || (stream->phase == OPEN && stream->held.len > 0)) {
    /* Whatever is held may have the end in it. It is for on_resume(), which may be in line. */
    stream->over = true;
    if (stream->held.len == 0 || result->code != 0) stream->result_code = result->code;
  } else {
    finish_broken(stream, result);
  }
}

static const e2b__http_events_t http_events = {on_data, on_done};

/* --- pause and resume
 * ----------------------------------------------------------------------------- */

static void on_resume(e2b__task_t *task) {
  e2b__stream_t *stream = E2B__CONTAINER(task, e2b__stream_t, resume);
  if (stream->paused) return;
  e2b__buffer_t held = stream->held;
  e2b__buffer_init(&stream->held, held.ceiling);
  const char *data = held.data;
  size_t len = held.len;
  int rc = len > 0 ? take(stream, &data, &len) : 0;
  if (stream->phase == CANCELLED) {
    e2b__buffer_free(&held);
    stream_free(stream);
    return;
  }
  if (rc == 0 && stream->paused && len > 0) rc = e2b__buffer_append(&stream->held, data, len);
  e2b__buffer_free(&held);
  if (rc != 0) {
    if (stream->exchange != NULL) e2b__exchange_cancel(stream->exchange);
    stream->exchange = NULL;
    e2b_error_t error = e2b__error(rc);
    set_error(stream, &error);
    finish(stream);
  } else if (stream->over && !stream->paused) {
    const e2b__http_result_t result = {stream->result_code, E2B_CLOCK_NONE, 200, true, ""};
    if (stream->phase == ENDED) {
      finish(stream);
    } else {
      finish_broken(stream, &result);
    }
  } else if (!stream->paused && stream->exchange != NULL) {
    e2b__exchange_resume(stream->exchange);
  }
}

void e2b__stream_pause(e2b__stream_t *stream) {
  if (stream->paused || stream->phase != OPEN) return;
  stream->paused = true;
  if (stream->exchange != NULL) e2b__exchange_pause(stream->exchange);
}

void e2b__stream_resume(e2b__stream_t *stream) {
  if (!stream->paused) return;
  stream->paused = false;
  e2b__queue_push(&stream->sandbox->client->queue, &stream->resume);
}

void e2b__stream_expect_end(e2b__stream_t *stream) {
  stream->said_all = true;
  if (stream->exchange != NULL) e2b__exchange_hurry(stream->exchange, AFTER_END_MS);
}

/* --- start
 * ------------------------------------------------------------------------------------------ */

static int add_header(e2b__stream_t *stream, unsigned *count, char *line) {
  if (line == NULL) return E2B_ENOMEM;
  stream->headers[(*count)++].data = line;
  return 0;
}

static int make_headers(e2b__stream_t *stream, const e2b__stream_options_t *options,
                        const struct curl_slist **headers) {
  unsigned count = 0;
  int rc = 0;
  if (options->user != NULL) {
    char *line;
    rc = e2b__user_header(&stream->arena, options->user, &line);
    if (rc == 0) rc = add_header(stream, &count, line);
  }
  /* Ten digits at most, and never 0: on Start that would be no limit at all (protocol 5.3). */
  if (rc == 0 && options->timeout_ms > 0 && options->timeout_ms <= 9999999999u) {
    char line[64];
    snprintf(line, sizeof line, "Connect-Timeout-Ms: %llu",
             (unsigned long long)options->timeout_ms);
    rc = add_header(stream, &count, e2b__arena_strndup(&stream->arena, line, strlen(line)));
  }
  for (unsigned i = 0; i < count; i++) {
    stream->headers[i].next = i + 1 < count ? &stream->headers[i + 1] : stream->sandbox->stream;
  }
  *headers = count > 0 ? stream->headers : stream->sandbox->stream;
  return rc;
}

static int make_body(const e2b_client_t *client, const e2b__message_t *type, const void *message,
                     e2b__buffer_t *body) {
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  int rc = e2b__buffer_append(body, prefix, sizeof prefix);
  if (rc == 0) rc = e2b__message_encode(type, message, e2b__daemon_encoding(client), body);
  if (rc == 0) {
    e2b__envelope_prefix(prefix, 0, body->len - sizeof prefix);
    memcpy(body->data, prefix, sizeof prefix);
  }
  return rc;
}

static e2b__stream_t *stream_new(e2b_sandbox_t *sandbox, const char *method,
                                 const e2b__buffer_t *body) {
  const size_t url_size = strlen(sandbox->daemon_url) + strlen(method) + 1;
  e2b__stream_t *stream = e2b__calloc(1, sizeof *stream + url_size + body->len);
  if (stream == NULL) return NULL;
  stream->sandbox = e2b_sandbox_acquire(sandbox);
  stream->phase = OPEN;
  e2b__envelope_decoder_init(&stream->decoder, MESSAGE_CEILING);
  e2b__buffer_init(&stream->held, MESSAGE_CEILING);
  e2b__task_init(&stream->resume, on_resume);
  snprintf(stream->url, url_size, "%s%s", sandbox->daemon_url, method);
  memcpy(stream->url + url_size, body->data, body->len);
  return stream;
}

static void set_clocks(const e2b_client_t *client, const e2b__stream_options_t *options,
                       e2b__http_request_t *request) {
  request->first_event_ms = options->first_event_ms != 0 ? options->first_event_ms
                                                         : client->config.first_event_timeout_ms;
  request->silence_ms = client->config.silence_timeout_ms;
  if (request->first_event_ms == E2B_NO_TIMEOUT) request->first_event_ms = 0;
  if (request->silence_ms == E2B_NO_TIMEOUT) request->silence_ms = 0;
  if (options->timeout_ms > 0 && options->timeout_ms != E2B_NO_TIMEOUT) {
    uv_update_time(client->loop);
    const uint64_t now = uv_now(client->loop) + DEADLINE_GRACE_MS;
    request->deadline_ms = e2b__time_after(now, options->timeout_ms);
    request->deadline_clock = E2B_CLOCK_LIFETIME;
  }
}

static int start(e2b__stream_t *stream, size_t body_len, const e2b__stream_options_t *options) {
  const e2b_client_t *client = stream->sandbox->client;
  e2b__http_request_t request;
  memset(&request, 0, sizeof request);
  const int rc = make_headers(stream, options, &request.headers);
  if (rc != 0) return rc;
  request.method = "POST";
  request.url = stream->url;
  request.body = stream->url + strlen(stream->url) + 1;
  request.body_len = body_len;
  request.stream = true;
  set_clocks(client, options, &request);
  stream->exchange = e2b__exchange_start(client->http, &request, &http_events, stream);
  return stream->exchange != NULL ? 0 : E2B_ENOMEM;
}

int e2b__stream_start(e2b_sandbox_t *sandbox, const char *method, const e2b__message_t *type,
                      const void *message, const e2b__stream_options_t *options,
                      const e2b__stream_events_t *events, void *ctx, e2b__stream_t **out) {
  *out = NULL;
  if (sandbox->client->state != E2B__CLIENT_OPEN) return E2B_ECLOSED;
  e2b__buffer_t body = E2B__BUFFER_INIT(UINT32_MAX);
  e2b__stream_t *stream = NULL;
  int rc = make_body(sandbox->client, type, message, &body);
  if (rc == 0) {
    stream = stream_new(sandbox, method, &body);
    rc = E2B_ENOMEM;
  }
  if (stream != NULL) {
    stream->events = events;
    stream->ctx = ctx;
    rc = start(stream, body.len, options);
  }
  e2b__buffer_free(&body);
  if (rc == 0) {
    *out = stream;
  } else if (stream != NULL) {
    stream_free(stream);
  }
  return rc;
}
