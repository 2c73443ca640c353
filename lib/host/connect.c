/* SPDX-License-Identifier: MIT */
#include "host/connect.h"

#include <stdio.h>
#include <strings.h>

#include "host/gzip.h"
#include "host/http_text.h"

/* The Connect protocol, server side: what arrives. */

enum { DEFAULT_KEEPALIVE_MS = 90000 };

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

/* A message that is compressed. What is decoded may point into it, so it stays with the call. */
static void inflate_and_call(e2b__host_call_t *call, const char *data, size_t len) {
  e2b__buffer_t plain = E2B__BUFFER_INIT(E2B__HOST_RPC_CEILING);
  e2b__gzip_reader_t reader;
  int rc = e2b__gunzip_whole(&plain, data, len, &reader);
  size_t size = plain.len;
  char *kept =
      rc == 0 ? e2b__arena_strndup(&call->scratch, size > 0 ? plain.data : "", size) : NULL;
  e2b__buffer_free(&plain);
  if (kept != NULL)
    decode_and_call(call, kept, size);
  else if (rc == E2B_EPROTOCOL)
    e2b__host_call_fail(call, E2B__CODE_INVALID_ARGUMENT, "%s: %s",
                        reader.begun || reader.members > 0 ? "decompress" : "get decompressor",
                        reader.why);
  else
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "message is larger than %d bytes",
                        (int)E2B__HOST_RPC_CEILING);
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
  } else {
    check_headers(call);
  }
  return call;
}

static void on_begin(e2b__host_request_t *request) {
  if (begin(request) == NULL) e2b__host_answer(request, 500, NULL);
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
    .begin = on_begin, .finish = on_finish, .gone = on_gone, .ceiling = E2B__HOST_RPC_CEILING};

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
    .begin = on_begin, .body = on_piece, .finish = on_pieces_end, .gone = on_gone};

const e2b__host_handler_t *e2b__host_connect_handler(const e2b__host_method_t *method) {
  return method->kind == E2B__CALL_CLIENT_STREAM ? &pieces_handler : &single_handler;
}
