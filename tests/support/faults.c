/* SPDX-License-Identifier: MIT */
#include "support/faults.h"

#include <limits.h>
#include <stdio.h>

#include "proto/base64.h"

e2b_rpc_encoding_t faults_proto = E2B_RPC_PROTO;
e2b_rpc_encoding_t faults_json = E2B_RPC_JSON;

void faults_open(faults_t *f, const e2b_rpc_encoding_t *encoding) {
  memset(f, 0, sizeof *f);
  /* libuv keeps a few for all loops together, from the first on. */
  static uv_loop_t first;
  static bool warm;
  if (!warm) {
    assert_int_equal(uv_loop_init(&first), 0);
    assert_int_equal(uv_loop_close(&first), 0);
    warm = true;
  }
  f->descriptors = harness_descriptors();
  harness_start(&f->h);
  f->server = fault_server_start(&f->h.loop);
  harness_at_stop(&f->h, fault_server_close, f->server);
  harness_options(&f->h, fault_url(f->server), &f->options);
  f->options.max_retries = UINT_MAX;
  if (encoding != NULL) f->options.rpc_encoding = *encoding;
}

void faults_client(faults_t *f) {
  harness_client(&f->h, &f->options);
}

void faults_made(fault_rule_t *rule) {
  fault_answer(rule, 201, "application/json",
               "{\"sandboxID\":\"" FAULTS_SANDBOX_ID
               "\",\"templateID\":\"base\",\"envdVersion\":\"0.6.13\",\"envdAccessToken\":"
               "\"" FAULTS_TOKEN "\",\"domain\":null,\"clientID\":\"x\"}",
               NULL);
}

void faults_sandbox(faults_t *f) {
  if (f->h.client == NULL) faults_client(f);
  faults_made(
      fault_on(f->server, f->options.api_version == E2B_API_V2 ? "POST /v2/sandboxes" : CREATE));
  e2b_future_t *future = e2b_sandbox_create(f->h.client, NULL);
  assert_int_equal(harness_await(&f->h, future), 0);
  f->sandbox = e2b_future_sandbox(future);
  assert_non_null(f->sandbox);
  e2b_future_release(future);
  fault_clear(f->server);
}

void faults_ready(faults_t *f, const e2b_rpc_encoding_t *encoding) {
  faults_open(f, encoding);
  faults_sandbox(f);
}

void faults_close(faults_t *f) {
  e2b_sandbox_release(f->sandbox);
  harness_close_client(&f->h);
  assert_null(strstr(f->h.log, HARNESS_KEY));
  assert_null(strstr(f->h.log, FAULTS_TOKEN));
  harness_stop(&f->h);
  assert_int_equal(harness_descriptors(), f->descriptors);
}

static void copy(char *to, size_t size, const char *from) {
  assert_non_null(from);
  snprintf(to, size, "%s", from);
}

faults_error_t faults_fails(faults_t *f, e2b_future_t *future) {
  faults_error_t result;
  memset(&result, 0, sizeof result);
  assert_int_not_equal(harness_await(&f->h, future), 0);
  const e2b_error_t *error = e2b_future_error(future);
  assert_non_null(error);
  result.code = error->code;
  result.http_status = error->http_status;
  result.clock = error->clock;
  result.sandbox = error->sandbox;
  result.maybe_applied = error->maybe_applied;
  result.attempts = error->attempts;
  result.retry_after_ms = error->retry_after_ms;
  result.has_partial = error->partial != NULL;
  copy(result.message, sizeof result.message, error->message);
  copy(result.detail, sizeof result.detail, error->detail);
  copy(result.connect_code, sizeof result.connect_code, error->connect_code);
  copy(result.server_code, sizeof result.server_code, error->server_code);
  if (error->partial != NULL) {
    copy(result.partial_out, sizeof result.partial_out, error->partial->stdout_data.ptr);
  }
  assert_true(*result.message != '\0');
  assert_true(*error->operation != '\0');
  assert_null(strstr(error->message, HARNESS_KEY));
  assert_null(strstr(error->message, FAULTS_TOKEN));
  e2b_future_release(future);
  return result;
}

int faults_code(faults_t *f, e2b_future_t *future) {
  return faults_fails(f, future).code;
}

void faults_succeeds(faults_t *f, e2b_future_t *future) {
  const int rc = harness_await(&f->h, future);
  if (rc != 0) fail_msg("%s: %s", e2b_code_name(rc), e2b_future_error(future)->message);
  e2b_future_release(future);
}

/* --- streams ---------------------------------------------------------------------------------- */

void bytes_add(bytes_t *b, const void *data, size_t len) {
  size_t size = 64;
  while (size <= b->len) {
    size *= 2;
  }
  if (b->data == NULL || b->len + len >= size) {
    while (size <= b->len + len) {
      size *= 2;
    }
    b->data = realloc(b->data, size);
    assert_non_null(b->data);
  }
  if (len > 0) memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
}

void bytes_free(bytes_t *b) {
  free(b->data);
  b->data = NULL;
  b->len = 0;
}

void put_envelope(bytes_t *b, int flags, const void *payload, size_t len) {
  const unsigned char prefix[5] = {(unsigned char)flags, (unsigned char)(len >> 24),
                                   (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                   (unsigned char)len};
  bytes_add(b, prefix, sizeof prefix);
  bytes_add(b, payload, len);
}

static bool is_json(const faults_t *f) {
  return f->options.rpc_encoding == E2B_RPC_JSON;
}

static void put_json(bytes_t *b, const char *text) {
  put_envelope(b, 0, text, strlen(text));
}

/* The wire format, by hand: what the library's own encoder writes proves nothing. */
static size_t put_varint(unsigned char *to, size_t value) {
  size_t len = 0;
  while (value >= 0x80) {
    to[len++] = (unsigned char)(value | 0x80);
    value >>= 7;
  }
  to[len++] = (unsigned char)value;
  return len;
}

/* A field of bytes around what is there. */
static void wrap(bytes_t *b, unsigned field) {
  unsigned char head[16];
  head[0] = (unsigned char)(field << 3 | 2);
  const size_t len = 1 + put_varint(head + 1, b->len);
  bytes_t outer = {NULL, 0};
  bytes_add(&outer, head, len);
  bytes_add(&outer, b->data, b->len);
  bytes_free(b);
  *b = outer;
}

/* An event: response.event, with the member `field`. Takes the bytes. */
static void put_event(bytes_t *b, bytes_t *inner, unsigned field) {
  wrap(inner, field);
  wrap(inner, 1);
  put_envelope(b, 0, inner->data, inner->len);
  bytes_free(inner);
}

void put_start(const faults_t *f, bytes_t *b, unsigned pid) {
  if (is_json(f)) {
    char text[64];
    snprintf(text, sizeof text, "{\"event\":{\"start\":{\"pid\":%u}}}", pid);
    put_json(b, text);
    return;
  }
  bytes_t inner = {NULL, 0};
  unsigned char number[8] = {1 << 3};
  bytes_add(&inner, number, 1 + put_varint(number + 1, pid));
  put_event(b, &inner, 1);
}

static void put_data(const faults_t *f, bytes_t *b, const void *data, size_t len, unsigned field) {
  bytes_t inner = {NULL, 0};
  if (!is_json(f)) {
    bytes_add(&inner, data, len);
    wrap(&inner, field);
    put_event(b, &inner, 2);
    return;
  }
  const char *front =
      field == 1 ? "{\"event\":{\"data\":{\"stdout\":\"" : "{\"event\":{\"data\":{\"stderr\":\"";
  const size_t size = e2b__base64_encoded_size(len);
  char *encoded = malloc(size + 1);
  assert_non_null(encoded);
  e2b__base64_encode(data, len, encoded);
  bytes_add(&inner, front, strlen(front));
  bytes_add(&inner, encoded, size);
  bytes_add(&inner, "\"}}}", 4);
  put_envelope(b, 0, inner.data, inner.len);
  free(encoded);
  bytes_free(&inner);
}

void put_out(const faults_t *f, bytes_t *b, const void *data, size_t len) {
  put_data(f, b, data, len, 1);
}

void put_err(const faults_t *f, bytes_t *b, const void *data, size_t len) {
  put_data(f, b, data, len, 2);
}

void put_exit(const faults_t *f, bytes_t *b, unsigned code) {
  char text[128];
  if (is_json(f)) {
    if (code == 0) {
      put_json(b, "{\"event\":{\"end\":{\"exited\":true, \"status\":\"exit status 0\"}}}");
      return;
    }
    snprintf(text, sizeof text,
             "{\"event\":{\"end\":{\"exitCode\":%u, \"exited\":true, \"status\":\"exit status "
             "%u\", \"error\":\"exit status %u\"}}}",
             code, code, code);
    put_json(b, text);
    return;
  }
  bytes_t inner = {NULL, 0};
  const char number[2] = {1 << 3, (char)(code << 1)};
  if (code != 0) bytes_add(&inner, number, 2);
  bytes_add(&inner, "\x10\x01", 2);
  snprintf(text, sizeof text, "exit status %u", code);
  const char head[2] = {0x1a, (char)strlen(text)};
  bytes_add(&inner, head, 2);
  bytes_add(&inner, text, strlen(text));
  put_event(b, &inner, 3);
}

void put_keepalive(const faults_t *f, bytes_t *b) {
  if (is_json(f)) {
    put_json(b, "{\"event\":{\"keepalive\":{}}}");
    return;
  }
  bytes_t inner = {NULL, 0};
  bytes_add(&inner, "", 0);
  put_event(b, &inner, 4);
}

void put_unknown(const faults_t *f, bytes_t *b) {
  if (is_json(f)) {
    put_json(b, "{\"event\":{\"weather\":{\"sunny\":true, \"wind\":[1,2]}}, \"more\":null}");
    return;
  }
  bytes_t inner = {NULL, 0};
  bytes_add(&inner, "\x08\x01", 2);
  put_event(b, &inner, 9);
}

void put_end(bytes_t *b, const char *error_json) {
  put_envelope(b, 2, error_json != NULL ? error_json : "{}",
               error_json != NULL ? strlen(error_json) : 2);
}

void put_usual(const faults_t *f, bytes_t *b) {
  put_start(f, b, 7);
  put_out(f, b, "hello", 5);
  put_err(f, b, "oops", 4);
  put_exit(f, b, 3);
  put_end(b, NULL);
}

const char *faults_stream_type(const faults_t *f) {
  return is_json(f) ? "application/connect+json" : "application/connect+proto";
}

void put_answer(const faults_t *f, bytes_t *b, const bytes_t *body) {
  enum { CHUNK = 20 };
  char text[256];
  snprintf(text, sizeof text,
           "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
           faults_stream_type(f));
  bytes_add(b, text, strlen(text));
  for (size_t at = 0; at < body->len; at += CHUNK) {
    const size_t len = body->len - at < CHUNK ? body->len - at : CHUNK;
    snprintf(text, sizeof text, "%zx\r\n", len);
    bytes_add(b, text, strlen(text));
    bytes_add(b, body->data + at, len);
    bytes_add(b, "\r\n", 2);
  }
  bytes_add(b, "0\r\n\r\n", 5);
}

void faults_stream(const faults_t *f, fault_rule_t *rule, const bytes_t *body, bool ended) {
  fault_head_chunked(rule, 200, faults_stream_type(f), "Connect-Accept-Encoding: gzip\r\n");
  if (body->len > 0) fault_chunk(rule, body->data, body->len);
  if (ended) fault_last_chunk(rule);
}

void faults_alive(faults_t *f) {
  fault_text(fault_on(f->server, HEALTH),
             "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nContent-Type: \r\n\r\n");
}

void faults_gone(faults_t *f) {
  fault_answer(fault_on(f->server, HEALTH), 502, "application/json; charset=utf-8",
               FAULTS_GONE_BODY, NULL);
}
