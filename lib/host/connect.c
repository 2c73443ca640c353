/* SPDX-License-Identifier: MIT */
#include "host/connect.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "host/gzip.h"
#include "host/http_text.h"
#include "proto/base64.h"
#include "proto/json.h"

enum { DEFAULT_KEEPALIVE_MS = 90000 };

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

/* ---- answers ---- */

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

/* Of a unary call; `data` NULL: there is none to be had. Failures are never compressed. */
static void answer_unary(e2b__host_call_t *call, unsigned status, const char *type,
                         const e2b__buffer_t *body) {
  e2b__buffer_t gzip = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  struct MHD_Response *response = NULL;
  bool compress = call->compress && status == 200;
  if (body != NULL && compress && e2b__gzip_whole(&gzip, body->data, body->len) == 0)
    response = e2b__host_response(type, gzip.data, gzip.len);
  else if (body != NULL && !compress)
    response = e2b__host_response(type, body->data, body->len);
  e2b__buffer_free(&gzip);
  if (response != NULL) {
    MHD_add_response_header(response, "Accept-Encoding", "gzip");
    if (compress) MHD_add_response_header(response, "Content-Encoding", "gzip");
  }
  e2b__host_answer(call->request, status, response);
}

void e2b__host_call_reply(e2b__host_call_t *call, const e2b__message_t *type, const void *message) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  if (call->answered) return;
  if (call->method->kind == E2B__CALL_CLIENT_STREAM) {
    e2b__host_call_send(call, type, message);
    e2b__host_call_end(call);
    return;
  }
  int rc = e2b__message_encode(type, message, call->encoding, &out);
  if (rc == E2B_EINVAL) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "marshal message: a string field of %s contains invalid UTF-8", type->name);
  } else {
    const char *given = e2b__host_header(call->request, "Content-Type");
    call->answered = true;
    answer_unary(call, 200, given, rc == 0 ? &out : NULL);
  }
  e2b__buffer_free(&out);
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
    answer_unary(call, codes[code].status, "application/json", rc == 0 ? &out : NULL);
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

/* ---- what a request says about itself ---- */

static bool is_type(const char *given, const char *type) {
  size_t len = strlen(type);
  if (strncasecmp(given, type, len) != 0) return false;
  given += len;
  return *given == '\0' || strcasecmp(given, "; charset=utf-8") == 0 ||
         strcasecmp(given, ";charset=utf-8") == 0;
}

/* False when the answer is 405 or 415; it is given then. */
static bool check_type(e2b__host_call_t *call) {
  e2b__host_request_t *request = call->request;
  const char *type = e2b__host_header(request, "Content-Type");
  bool unary = call->method->kind == E2B__CALL_UNARY;
  if (strcmp(request->method, "POST") != 0) {
    struct MHD_Response *response = e2b__host_response(NULL, "", 0);
    if (response != NULL) MHD_add_response_header(response, "Allow", "POST");
    e2b__host_answer(request, 405, response);
    return false;
  }
  if (type == NULL) type = "";
  call->encoding = E2B__JSON;
  if (is_type(type, unary ? "application/json" : "application/connect+json")) return true;
  call->encoding = E2B__PROTO;
  if (strcasecmp(type, unary ? "application/proto" : "application/connect+proto") == 0) return true;
  struct MHD_Response *response = e2b__host_response(NULL, "", 0);
  if (response != NULL)
    MHD_add_response_header(response, "Accept-Post",
                            unary ? "application/json, application/json; charset=utf-8, "
                                    "application/proto"
                                  : "application/connect+json, application/connect+json; "
                                    "charset=utf-8, application/connect+proto");
  e2b__host_answer(request, 415, response);
  return false;
}

/* A decimal number with a sign and nothing else. */
static bool parse_integer(const char *text, int64_t *value) {
  bool negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  *value = 0;
  if (*text == '\0' || strlen(text) > 15) return false;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    *value = *value * 10 + (*text - '0');
  }
  if (negative) *value = -*value;
  return true;
}

static bool check_timeout(e2b__host_call_t *call) {
  const char *text = e2b__host_header(call->request, "Connect-Timeout-Ms");
  call->timeout_ms = -1;
  if (text == NULL || *text == '\0') return true;
  if (strlen(text) > 10) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "parse timeout: \"%s\" has >10 digits",
                        text);
    return false;
  }
  if (!parse_integer(text, &call->timeout_ms)) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "parse timeout: strconv.ParseInt: parsing \"%s\": invalid syntax", text);
    return false;
  }
  /* A time that has passed already: nothing may start that nobody would ever end. */
  if (call->timeout_ms <= 0) {
    e2b__host_call_fail(call, E2B__CODE_DEADLINE_EXCEEDED, "context deadline exceeded");
    return false;
  }
  return true;
}

static bool check_compression(e2b__host_call_t *call) {
  bool unary = call->method->kind == E2B__CALL_UNARY;
  const char *sent =
      e2b__host_header(call->request, unary ? "Content-Encoding" : "Connect-Content-Encoding");
  const char *accept =
      e2b__host_header(call->request, unary ? "Accept-Encoding" : "Connect-Accept-Encoding");
  if (sent != NULL && *sent != '\0' && strcmp(sent, "identity") != 0) {
    call->inflate = strcmp(sent, "gzip") == 0;
    if (!call->inflate) {
      e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED,
                          "unknown compression \"%s\": supported encodings are gzip", sent);
      return false;
    }
  }
  /* Who sends gzip gets it, asked for or not. */
  call->compress = call->inflate || e2b__host_list_has(accept, "gzip");
  return true;
}

static bool check_headers(e2b__host_call_t *call) {
  e2b__host_request_t *request = call->request;
  const char *version = e2b__host_header(request, "Connect-Protocol-Version");
  const char *ping = e2b__host_header(request, "Keepalive-Ping-Interval");
  int64_t seconds = 0;

  if (version != NULL && strcmp(version, "1") != 0) {
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "Connect-Protocol-Version must be \"1\": got \"%s\"", version);
    return false;
  }
  if (!check_compression(call)) return false;
  call->keepalive_ms = DEFAULT_KEEPALIVE_MS;
  if (ping != NULL && parse_integer(ping, &seconds)) {
    if (seconds <= 0) {
      e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                          "Keepalive-Ping-Interval must be greater than 0: got %s", ping);
      return false;
    }
    call->keepalive_ms = seconds * 1000;
  }
  return check_timeout(call);
}

/* ---- the request's messages ---- */

static void decode_and_call(e2b__host_call_t *call, const char *data, size_t len) {
  const char *why = NULL;
  e2b__arena_t *arena = &call->scratch;
  void *message = e2b__arena_calloc(arena, 1, call->method->input->size);
  int rc = E2B_ENOMEM;
  if (message != NULL && call->encoding == E2B__JSON && len == 0) {
    if (call->method->kind != E2B__CALL_UNARY)
      rc = 0;
    else
      rc = E2B_EPROTOCOL, why = "zero-length payload is not a valid JSON object";
  } else if (message != NULL) {
    rc = e2b__message_decode(call->method->input, data, len, call->encoding, arena, message, &why);
  }
  if (rc == 0)
    call->method->call(call, message);
  else if (rc == E2B_EPROTOCOL)
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "unmarshal message: %s",
                        why != NULL ? why : "malformed");
  else
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
}

/* A message that is compressed. */
static void inflate_and_call(e2b__host_call_t *call, const char *data, size_t len) {
  e2b__buffer_t plain = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  e2b__gzip_reader_t reader;
  int rc = e2b__gunzip_whole(&plain, data, len, &reader);
  if (rc == 0)
    decode_and_call(call, plain.data != NULL ? plain.data : "", plain.len);
  else if (rc == E2B_EPROTOCOL)
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "%s: %s",
                        reader.begun || reader.members > 0 ? "decompress" : "get decompressor",
                        reader.why);
  else
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "message is larger than %d bytes",
                        (int)E2B__HOST_RPC_CEILING);
  e2b__buffer_free(&plain);
}

static void take_envelope(e2b__host_call_t *call, const e2b__envelope_t *envelope) {
  bool compressed = (envelope->flags & E2B__ENVELOPE_COMPRESSED) != 0;
  if (compressed && !call->inflate)
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "protocol error: sent compressed message without compression support");
  else if (compressed && envelope->len > 0)
    inflate_and_call(call, envelope->payload, envelope->len);
  else
    decode_and_call(call, envelope->payload, envelope->len);
}

static void fail_envelope(e2b__host_call_t *call, const char *data, size_t len, int rc) {
  unsigned flags = (unsigned char)data[0];
  if (rc == E2B_ETOOBIG)
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "message is larger than %d bytes",
                        (int)E2B__HOST_RPC_CEILING);
  else if (rc == E2B_EPROTOCOL)
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "protocol error: invalid envelope flags %u",
                        flags);
  else if (rc != 0)
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
  else if (len < E2B__ENVELOPE_PREFIX)
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "protocol error: incomplete envelope: unexpected EOF");
  else {
    const unsigned char *p = (const unsigned char *)data;
    unsigned long promised =
        (unsigned long)p[1] << 24 | (unsigned long)p[2] << 16 | (unsigned long)p[3] << 8 | p[4];
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT,
                        "protocol error: promised %lu bytes in enveloped message, got %zu bytes",
                        promised, len - E2B__ENVELOPE_PREFIX);
  }
}

/* The request of a server stream: exactly one envelope. */
static void take_single(e2b__host_call_t *call) {
  const char *data = call->request->body.data;
  size_t len = call->request->body.len;
  const char *body = data;
  size_t body_len = len;
  e2b__envelope_t envelope;
  int rc = len == 0 ? 0 : e2b__envelope_next(&call->decoder, &data, &len, &envelope);

  if (body_len == 0 || (rc == 1 && (envelope.flags & E2B__ENVELOPE_END_STREAM)))
    e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED, "unary request has zero messages");
  else if (rc != 1)
    fail_envelope(call, body, body_len, rc);
  else if (len > 0)
    e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED, "unary request has multiple messages");
  else
    take_envelope(call, &envelope);
}

static e2b__host_call_t *begin(e2b__host_request_t *request) {
  const char *name = NULL;
  if (request->state != NULL) return request->state;
  e2b__host_call_t *call = e2b__arena_calloc(&request->arena, 1, sizeof *call);
  request->state = call;
  if (call == NULL) return NULL;
  call->request = request;
  call->method = e2b__host_connect_method(request->path);
  e2b__envelope_decoder_init(&call->decoder, E2B__HOST_RPC_CEILING);
  if (e2b__host_acting_user(request, &call->as_root, &name) != 0) {
    e2b__host_refuse_user(request, name);
    call->answered = true;
  } else if (!check_type(call)) {
    call->answered = true;
  } else if (request->over_ceiling) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "message is larger than %d bytes",
                        (int)E2B__HOST_RPC_CEILING);
  } else {
    check_headers(call);
  }
  return call;
}

static void on_finish(e2b__host_request_t *request) {
  e2b__host_call_t *call = begin(request);
  if (call == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  if (call->answered) return;
  if (call->method->kind == E2B__CALL_UNARY && call->inflate && request->body.len > 0)
    inflate_and_call(call, request->body.data, request->body.len);
  else if (call->method->kind == E2B__CALL_UNARY)
    decode_and_call(call, request->body.data != NULL ? request->body.data : "", request->body.len);
  else
    take_single(call);
}

static void on_gone(e2b__host_request_t *request) {
  e2b__host_call_t *call = request->state;
  if (call == NULL) return;
  if (call->gone != NULL) call->gone(call);
  e2b__host_stream_free(&call->stream);
  e2b__envelope_decoder_free(&call->decoder);
  e2b__arena_free(&call->scratch);
}

static const e2b__host_handler_t single_handler = {
    .finish = on_finish, .gone = on_gone, .ceiling = E2B__HOST_RPC_CEILING};

/* ---- a client stream ---- */

/* Each message takes effect as it arrives; the answer, a failure too, waits for the end. */
static void on_piece(e2b__host_request_t *request, const char *data, size_t len) {
  e2b__envelope_t envelope;
  e2b__host_call_t *call = begin(request);
  const char *first = data;
  if (call == NULL || call->answered) return;
  for (;;) {
    int rc = e2b__envelope_next(&call->decoder, &data, &len, &envelope);
    if (rc == 0 || call->answered) return;
    if (rc < 0) {
      fail_envelope(call, first, 0, rc);
      return;
    }
    if (envelope.flags & E2B__ENVELOPE_END_STREAM) continue;
    take_envelope(call, &envelope);
    e2b__arena_reset(&call->scratch);
  }
}

static void on_pieces_end(e2b__host_request_t *request) {
  e2b__host_call_t *call = begin(request);
  if (call == NULL)
    e2b__host_answer(request, 500, NULL);
  else if (!call->answered)
    call->method->end(call);
}

static const e2b__host_handler_t pieces_handler = {
    .body = on_piece, .finish = on_pieces_end, .gone = on_gone};

const e2b__host_handler_t *e2b__host_connect_handler(const e2b__host_method_t *method) {
  return method->kind == E2B__CALL_CLIENT_STREAM ? &pieces_handler : &single_handler;
}
