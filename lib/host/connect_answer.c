/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "host/connect.h"
#include "host/gzip.h"
#include "proto/base64.h"
#include "proto/json.h"

/* The Connect protocol, server side: what goes back. */

static const struct {
  const char *name;
  unsigned status;
} codes[] = {
    [E2B__CODE_CANCELED] = {"canceled", 499},
    [E2B__CODE_UNKNOWN] = {"unknown", 500},
    [E2B__CODE_INVALID_ARGUMENT] = {"invalid_argument", 400},
    [E2B__CODE_DEADLINE_EXCEEDED] = {"deadline_exceeded", 504},
    [E2B__CODE_NOT_FOUND] = {"not_found", 404},
    [E2B__CODE_ALREADY_EXISTS] = {"already_exists", 409},
    [E2B__CODE_PERMISSION_DENIED] = {"permission_denied", 403},
    [E2B__CODE_RESOURCE_EXHAUSTED] = {"resource_exhausted", 429},
    [E2B__CODE_FAILED_PRECONDITION] = {"failed_precondition", 400},
    [E2B__CODE_UNIMPLEMENTED] = {"unimplemented", 501},
    [E2B__CODE_INTERNAL] = {"internal", 500},
    [E2B__CODE_UNAVAILABLE] = {"unavailable", 503},
    [E2B__CODE_UNAUTHENTICATED] = {"unauthenticated", 401},
};

/* ---- errors and envelopes ---- */

static int write_error(e2b__buffer_t *out, e2b__host_code_t code, const char *message,
                       bool nested) {
  e2b__json_writer_t w;
  e2b__json_begin(&w, out);
  e2b__json_open(&w, NULL, '{');
  if (nested) e2b__json_open(&w, "error", '{');
  e2b__json_put_string(&w, "code", codes[code].name, strlen(codes[code].name));
  e2b__json_put_string(&w, "message", message, strlen(message));
  if (nested) e2b__json_close(&w, '}');
  e2b__json_close(&w, '}');
  return w.rc;
}

/* Appends one envelope. */
static int append_envelope(e2b__buffer_t *out, unsigned flags, const char *data, size_t len) {
  unsigned char prefix[E2B__ENVELOPE_PREFIX];
  e2b__envelope_prefix(prefix, flags, len);
  int rc = e2b__buffer_reserve(out, sizeof prefix + len);
  if (rc == 0) rc = e2b__buffer_append(out, prefix, sizeof prefix);
  if (rc == 0) rc = e2b__buffer_append(out, data, len);
  return rc;
}

/* The same as gzip, if the client wants that. */
static int append_payload(const e2b__host_call_t *call, e2b__buffer_t *out, unsigned flags,
                          const char *data, size_t len) {
  if (!call->compress) return append_envelope(out, flags, data, len);
  size_t at = out->len;
  int rc = append_envelope(out, 0, "", 0);
  if (rc == 0) rc = e2b__gzip_whole(out, data, len);
  if (rc != 0) {
    e2b__buffer_truncate(out, at);
    return rc;
  }
  unsigned char prefix[E2B__ENVELOPE_PREFIX];
  e2b__envelope_prefix(prefix, flags | E2B__ENVELOPE_COMPRESSED, out->len - at - sizeof prefix);
  memcpy(out->data + at, prefix, sizeof prefix);
  return 0;
}

static const char *stream_type(const e2b__host_call_t *call) {
  return call->encoding == E2B__JSON ? "application/connect+json" : "application/connect+proto";
}

/* ---- streams ---- */

void e2b__host_call_open(e2b__host_call_t *call, void (*drained)(e2b__host_stream_t *stream)) {
  if (call->stream_open) return;
  call->stream_open = true;
  e2b__host_stream_start(call->request, &call->stream, stream_type(call), drained);
  struct MHD_Response *response = call->request->response;
  if (response == NULL) return;
  MHD_add_response_header(response, "Connect-Accept-Encoding", "gzip");
  if (call->compress) MHD_add_response_header(response, "Connect-Content-Encoding", "gzip");
}

static int send_compressed(e2b__host_call_t *call, const e2b__message_t *type,
                           const void *message) {
  e2b__buffer_t plain = E2B__BUFFER_INIT(E2B__HOST_STREAM_CEILING);
  int rc = e2b__message_encode(type, message, call->encoding, &plain);
  if (rc == 0) rc = append_payload(call, &call->stream.out, 0, plain.data, plain.len);
  e2b__buffer_free(&plain);
  if (rc == 0) e2b__host_stream_flush(&call->stream);
  return rc;
}

int e2b__host_call_send(e2b__host_call_t *call, const e2b__message_t *type, const void *message) {
  e2b__host_call_open(call, NULL);
  if (call->compress) return send_compressed(call, type, message);
  e2b__buffer_t *out = &call->stream.out;
  size_t at = out->len;
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  int rc = e2b__buffer_append(out, prefix, sizeof prefix);
  if (rc == 0) rc = e2b__message_encode(type, message, call->encoding, out);
  if (rc != 0) {
    e2b__buffer_truncate(out, at);
    return rc;
  }
  e2b__envelope_prefix(prefix, 0, out->len - at - sizeof prefix);
  memcpy(out->data + at, prefix, sizeof prefix);
  e2b__host_stream_flush(&call->stream);
  return 0;
}

void e2b__host_call_end(e2b__host_call_t *call) {
  if (call->answered) return;
  call->answered = true;
  e2b__host_call_open(call, NULL);
  if (append_payload(call, &call->stream.out, E2B__ENVELOPE_END_STREAM, "{}", 2) != 0)
    e2b__host_request_reset(call->request);
  e2b__host_stream_end(&call->stream);
}

/* ---- one answer ---- */

/* Of a unary call; `body` NULL: there is none to be had. */
static void answer_unary(e2b__host_call_t *call, unsigned status, const char *type,
                         const e2b__buffer_t *body, bool compressed) {
  struct MHD_Response *response =
      body != NULL ? e2b__host_response(type, body->data, body->len) : NULL;
  if (response != NULL) {
    MHD_add_response_header(response, "Accept-Encoding", "gzip");
    if (compressed) MHD_add_response_header(response, "Content-Encoding", "gzip");
  }
  e2b__host_answer(call->request, status, response);
}

void e2b__host_reply_init(e2b__host_reply_t *reply, const e2b__host_call_t *call) {
  reply->encoding = call->encoding;
  reply->compress = call->compress;
  reply->rc = 0;
  e2b__buffer_init(&reply->body, E2B__HOST_RPC_CEILING);
}

void e2b__host_reply_write(e2b__host_reply_t *reply, const e2b__message_t *type,
                           const void *message) {
  e2b__buffer_t gzip = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  reply->rc = e2b__message_encode(type, message, reply->encoding, &reply->body);
  if (reply->rc != 0 || !reply->compress) return;
  reply->rc = e2b__gzip_whole(&gzip, reply->body.data, reply->body.len);
  /* Whatever that fails with is no fault of the message's. */
  if (reply->rc == E2B_EINVAL) reply->rc = E2B_ENOMEM;
  e2b__buffer_free(&reply->body);
  reply->body = gzip;
}

void e2b__host_reply_free(e2b__host_reply_t *reply) {
  e2b__buffer_free(&reply->body);
}

void e2b__host_call_answer(e2b__host_call_t *call, const e2b__message_t *type,
                           const e2b__host_reply_t *reply) {
  if (call->answered) return;
  if (reply->rc == E2B_EINVAL) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "marshal message: a string field of %s contains invalid UTF-8", type->name);
    return;
  }
  if (reply->rc == E2B_ETOOBIG) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "the answer is larger than %d bytes",
                        (int)E2B__HOST_RPC_CEILING);
    return;
  }
  call->answered = true;
  answer_unary(call, 200, e2b__host_header(call->request, "Content-Type"),
               reply->rc == 0 ? &reply->body : NULL, reply->compress);
}

void e2b__host_call_reply(e2b__host_call_t *call, const e2b__message_t *type, const void *message) {
  e2b__host_reply_t reply;
  if (call->answered) return;
  if (call->method->kind == E2B__CALL_CLIENT_STREAM) {
    e2b__host_call_send(call, type, message);
    e2b__host_call_end(call);
    return;
  }
  e2b__host_reply_init(&reply, call);
  e2b__host_reply_write(&reply, type, message);
  e2b__host_call_answer(call, type, &reply);
  e2b__host_reply_free(&reply);
}

void e2b__host_call_fail(e2b__host_call_t *call, e2b__host_code_t code, const char *fmt, ...) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  e2b__buffer_t message = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  va_list args;
  if (call->answered) return;
  call->answered = true;
  va_start(args, fmt);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  int rc = e2b__buffer_reserve(&message, (size_t)len + 1);
  if (rc == 0) {
    va_start(args, fmt);
    vsnprintf(message.data, (size_t)len + 1, fmt, args);
    va_end(args);
    rc = write_error(&out, code, message.data, call->method->kind != E2B__CALL_UNARY);
  }
  if (call->method->kind == E2B__CALL_UNARY) {
    /* Failures are never compressed. */
    answer_unary(call, codes[code].status, "application/json", rc == 0 ? &out : NULL, false);
  } else {
    e2b__host_call_open(call, NULL);
    if (rc == 0)
      rc = append_payload(call, &call->stream.out, E2B__ENVELOPE_END_STREAM, out.data, out.len);
    if (rc != 0) e2b__host_request_reset(call->request);
    e2b__host_stream_end(&call->stream);
  }
  e2b__buffer_free(&message);
  e2b__buffer_free(&out);
}

/* ---- the acting user ---- */

int e2b__host_acting_user(e2b__host_request_t *request, bool *as_root, const char **name) {
  const char *header = e2b__host_header(request, "Authorization");
  size_t len = 0;
  *as_root = false;
  if (header == NULL || strncasecmp(header, "Basic ", 6) != 0) return 0;
  header += 6;
  char *text = e2b__arena_alloc(&request->arena, e2b__base64_decoded_bound(strlen(header)) + 1);
  *name = "";
  if (text == NULL || e2b__base64_decode(header, strlen(header), text, &len) != 0) return -1;
  text[len] = '\0';
  text[strcspn(text, ":")] = '\0';
  *name = text;
  *as_root = strcmp(text, "root") == 0;
  return *as_root || strcmp(text, "user") == 0 ? 0 : -1;
}

void e2b__host_refuse_user(e2b__host_request_t *request, const char *name) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20), framed = E2B__BUFFER_INIT(1 << 20);
  const char *type = e2b__host_header(request, "Content-Type");
  bool stream = type != NULL && strncmp(type, "application/connect+", 20) == 0;
  char message[256];
  snprintf(message, sizeof message, "invalid username: '%.200s'", name);
  int rc = write_error(&out, E2B__CODE_UNAUTHENTICATED, message, stream);
  if (rc == 0 && stream) rc = append_envelope(&framed, E2B__ENVELOPE_END_STREAM, out.data, out.len);
  struct MHD_Response *response = NULL;
  if (rc == 0 && stream)
    response = e2b__host_response(type, framed.data, framed.len);
  else if (rc == 0)
    response = e2b__host_response("application/json", out.data, out.len);
  e2b__host_answer(request, stream ? 200 : 401, response);
  e2b__buffer_free(&framed);
  e2b__buffer_free(&out);
}
