/* SPDX-License-Identifier: MIT */
#include "host/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "host/server.h"
#include "proto/json.h"

const char *e2b__host_header(const e2b__host_request_t *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *e2b__host_query(const e2b__host_request_t *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

void e2b__host_answer(e2b__host_request_t *request, unsigned status,
                      struct MHD_Response *response) {
  if (request->phase >= E2B__REQUEST_ANSWERED || request->cut) {
    if (response != NULL) MHD_destroy_response(response);
    return;
  }
  if (response != NULL && !request->foreign && e2b__host_header(request, "Origin") != NULL)
    MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
  request->phase = E2B__REQUEST_ANSWERED;
  request->status = status;
  request->response = response;
  e2b__host_unsuspend(request);
}

struct MHD_Response *e2b__host_response(const char *type, const char *data, size_t len) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
  if (response == NULL) return NULL;
  MHD_add_response_header(response, "Vary", "Origin");
  if (type != NULL) MHD_add_response_header(response, "Content-Type", type);
  return response;
}

void e2b__host_answer_bytes(e2b__host_request_t *request, unsigned status, const char *type,
                            const char *data, size_t len) {
  e2b__host_answer(request, status, e2b__host_response(type, data, len));
}

void e2b__host_answer_error(e2b__host_request_t *request, unsigned status, const char *fmt, ...) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  char message[8192];
  e2b__json_writer_t w;
  va_list args;

  va_start(args, fmt);
  int len = vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  if (len >= (int)sizeof message) len = (int)sizeof message - 1;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_int(&w, "code", (int64_t)status);
  e2b__json_put_string(&w, "message", message, len > 0 ? (size_t)len : 0);
  e2b__json_close(&w, '}');
  struct MHD_Response *response = NULL;
  if (w.rc == 0 && (request->sandbox == NULL || e2b__buffer_append_str(&out, "\n") == 0))
    response = e2b__host_response("application/json; charset=utf-8", out.data, out.len);
  if (response != NULL && request->sandbox != NULL)
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  e2b__buffer_free(&out);
  e2b__host_answer(request, status, response);
}

void e2b__host_answer_plain(e2b__host_request_t *request, unsigned status, const char *text) {
  struct MHD_Response *response =
      e2b__host_response("text/plain; charset=utf-8", text, strlen(text));
  if (response != NULL) MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  e2b__host_answer(request, status, response);
}

void e2b__host_request_pause(e2b__host_request_t *request) {
  request->paused = true;
}

void e2b__host_request_resume(e2b__host_request_t *request) {
  if (!request->paused) return;
  request->paused = false;
  if (request->phase == E2B__REQUEST_READING) e2b__host_unsuspend(request);
}

/* ---- an answer bit by bit ---- */

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max) {
  e2b__host_stream_t *stream = cls;
  e2b__host_request_t *request = stream->request;
  (void)pos;
  if (request == NULL || request->cut) return MHD_CONTENT_READER_END_WITH_ERROR;
  size_t waiting = e2b__host_stream_waiting(stream);
  if (waiting == 0) {
    if (stream->broken) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->ended) return MHD_CONTENT_READER_END_OF_STREAM;
    e2b__host_suspend(request);
    return 0;
  }
  size_t take = waiting < max ? waiting : max;
  memcpy(buf, stream->out.data + stream->sent, take);
  stream->sent += take;
  if (stream->sent == stream->out.len) {
    /* A burst leaves a large buffer behind; thousands of idle streams must not keep theirs. */
    if (stream->out.capacity > 16384)
      e2b__buffer_free(&stream->out);
    else
      e2b__buffer_clear(&stream->out);
    stream->sent = 0;
  } else if (stream->sent >= E2B__HOST_STREAM_HIGH) {
    e2b__buffer_consume(&stream->out, stream->sent);
    stream->sent = 0;
  }
  if (stream->above_low && e2b__host_stream_waiting(stream) < E2B__HOST_STREAM_LOW) {
    stream->above_low = false;
    if (stream->drained != NULL) stream->drained(stream);
  }
  return (ssize_t)take;
}

struct MHD_Response *e2b__host_stream_response(e2b__host_request_t *request,
                                               e2b__host_stream_t *stream, uint64_t size,
                                               void (*drained)(e2b__host_stream_t *stream)) {
  stream->request = request;
  stream->drained = drained;
  e2b__buffer_init(&stream->out, E2B__HOST_STREAM_CEILING);
  return MHD_create_response_from_callback(size, 65536, read_stream, stream, NULL);
}

void e2b__host_stream_start(e2b__host_request_t *request, e2b__host_stream_t *stream,
                            const char *type, void (*drained)(e2b__host_stream_t *stream)) {
  struct MHD_Response *response =
      e2b__host_stream_response(request, stream, MHD_SIZE_UNKNOWN, drained);
  if (response != NULL) {
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Vary", "Origin");
  }
  e2b__host_answer(request, 200, response);
}

void e2b__host_stream_flush(e2b__host_stream_t *stream) {
  if (stream->request == NULL) return;
  if (e2b__host_stream_waiting(stream) >= E2B__HOST_STREAM_LOW) stream->above_low = true;
  if (stream->request->phase == E2B__REQUEST_SENDING) e2b__host_unsuspend(stream->request);
}

void e2b__host_stream_end(e2b__host_stream_t *stream) {
  stream->ended = true;
  e2b__host_stream_flush(stream);
}

void e2b__host_stream_break(e2b__host_stream_t *stream) {
  stream->broken = true;
  e2b__host_stream_flush(stream);
}

void e2b__host_stream_free(e2b__host_stream_t *stream) {
  stream->request = NULL;
  e2b__buffer_free(&stream->out);
}
