/* SPDX-License-Identifier: MIT */
#include "client/operation.h"

#include <stdio.h>

/* The room is for the operation and a small answer. With the future it is 1 KB, the most that
 * malloc keeps at hand for a thread. */
enum { LONGEST_URL = 64 * 1024, ROOM = 848 };

static void operation_end(e2b__operation_t *op) {
  if (op->release_owner != NULL) op->release_owner(op->owner);
  e2b__buffer_free(&op->url);
  e2b__buffer_free(&op->body);
  e2b_future_release(op->future); /* and the operation with it, perhaps */
}

static void abandon(void *work) {
  e2b__operation_t *op = work;
  e2b__call_cancel(&op->call);
  operation_end(op);
}

e2b__operation_t *e2b__operation_new(e2b_client_t *client, e2b__kind_t kind, const char *name,
                                     e2b_future_t **future) {
  *future = NULL;
  if (client == NULL) return NULL;
  *future = e2b__future_new_with_room(&client->queue, kind, name, ROOM);
  if (*future == NULL || e2b_future_is_done(*future)) return NULL;
  const e2b__config_t *config = &client->config;
  if (config->error != 0) {
    e2b__future_fail_text(*future, config->error, "%s", config->error_text);
    return NULL;
  }
  e2b__operation_t *op = e2b__arena_calloc(e2b__future_arena(*future), 1, sizeof *op);
  if (op == NULL) {
    e2b__future_fail_text(*future, E2B_ENOMEM, "out of memory");
    return NULL;
  }
  op->client = client;
  op->future = e2b_future_acquire(*future);
  op->subject = "";
  e2b__buffer_init(&op->url, LONGEST_URL);
  e2b__buffer_init(&op->body, SIZE_MAX / 4);
  e2b__future_bind(*future, abandon, op);
  return op;
}

int e2b__operation_header_line(e2b__operation_t *op, char *line) {
  struct curl_slist *node = e2b__arena_alloc(e2b__future_arena(op->future), sizeof *node);
  if (line == NULL || node == NULL) return E2B_ENOMEM;
  node->data = line;
  node->next = op->extra;
  op->extra = node;
  return 0;
}

int e2b__operation_header(e2b__operation_t *op, const char *name, const char *value) {
  const size_t len = strlen(name) + strlen(value) + 3;
  char *line = e2b__arena_alloc(e2b__future_arena(op->future), len);
  if (line == NULL) return E2B_ENOMEM;
  snprintf(line, len, "%s: %s", name, value);
  return e2b__operation_header_line(op, line);
}

static void on_done(void *ctx, const e2b__call_result_t *result) {
  e2b__operation_t *op = ctx;
  op->done(op, result);
  operation_end(op);
}

static void fail_now(e2b__operation_t *op, int code) {
  const bool said = code == E2B_EINVAL && op->wrong != NULL;
  e2b__future_fail_text(op->future, code, "%s%s%s", e2b_code_text(code), said ? ": " : "",
                        said ? op->wrong : "");
  operation_end(op);
}

int e2b__operation_refuse(e2b__operation_t *op, const char *wrong) {
  op->wrong = wrong;
  return E2B_EINVAL;
}

void e2b__operation_settle_number(e2b__operation_t *op, uint64_t number) {
  e2b__future_succeed_number(op->future, number);
  operation_end(op);
}

void e2b__operation_settle(e2b__operation_t *op, int rc, void *value,
                           void (*release_value)(void *value)) {
  if (rc == 0) {
    e2b__future_succeed(op->future, value, release_value);
  } else {
    e2b__future_fail_text(op->future, rc, "%s", e2b_code_text(rc));
  }
  operation_end(op);
}

void e2b__operation_send(e2b__operation_t *op, int rc, const e2b__operation_request_t *request,
                         e2b__operation_cb done) {
  const e2b__config_t *config = &op->client->config;
  if (rc != 0) {
    fail_now(op, rc);
    return;
  }
  /* curl's type is not const, but it only reads. */
  struct curl_slist **tail = &op->extra;
  while (*tail != NULL) {
    tail = &(*tail)->next;
  }
  *tail = (struct curl_slist *)request->headers;
  e2b__call_request_t call;
  memset(&call, 0, sizeof call);
  call.http.method = request->method;
  call.http.url = op->url.data;
  call.http.headers = op->extra;
  if (!request->no_body) {
    call.http.body = op->body.data != NULL ? op->body.data : "";
    call.http.body_len = op->body.len;
  }
  call.http.repeatable = request->safe;
  call.http.stream = request->long_lived;
  call.safe = request->safe;
  call.max_retries = config->max_retries;
  call.final_status = request->final_status;
  call.timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : config->request_timeout_ms;
  call.max_response_bytes =
      request->max_response_bytes != 0 ? request->max_response_bytes : config->max_response_bytes;
  op->done = done;
  rc = e2b__call_start(&op->call, op->client->http, &call, on_done, op);
  if (rc != 0) fail_now(op, rc);
}

const char *e2b__host_in(const char *url, int *len) {
  const char *scheme = url != NULL ? strstr(url, "://") : NULL;
  const char *host = scheme != NULL ? scheme + 3 : NULL;
  *len = host != NULL ? (int)strcspn(host, "/?#") : 0;
  return host;
}

e2b_error_t e2b__transport_error(e2b__arena_t *arena, const char *url,
                                 const e2b__call_result_t *result) {
  int len;
  const char *host = e2b__host_in(url, &len);
  const char *text = e2b_code_text(result->code);
  e2b_error_t error;
  if (result->code == E2B_ETIMEDOUT) {
    static const char *const clocks[] = {"",
                                         "connecting",
                                         "waiting for the first event",
                                         "the whole request",
                                         "silence on the wire",
                                         "the time given to the process"};
    error = e2b__error_text(arena, result->code, "timed out (%s): %.*s", clocks[result->clock], len,
                            host != NULL ? host : "");
  } else if (result->code == E2B_ETOOBIG) {
    error = e2b__error_text(arena, result->code,
                            "%s: an answer of %.*s is longer than max_response_bytes, or than the "
                            "call's max_bytes",
                            text, len, host != NULL ? host : "");
  } else if (host != NULL && result->code != E2B_ENOMEM) {
    error = e2b__error_text(arena, result->code, "%s: %.*s%s%s", text, len, host,
                            *result->why != '\0' ? ": " : "", result->why);
  } else {
    error = e2b__error(result->code);
  }
  error.http_status = result->status;
  error.clock = result->clock;
  error.maybe_applied = result->maybe_received;
  error.attempts = result->attempts;
  return error;
}

void e2b__operation_fail(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error = e2b__transport_error(e2b__future_arena(op->future), op->url.data, result);
  e2b__future_fail(op->future, &error);
}

void e2b__operation_fail_answer(e2b__operation_t *op, const e2b__call_result_t *result, int rc,
                                const char *what, const char *why) {
  /* Where HTTP/2 ends against the rules, curl takes what came for the whole body, unless a length
   * was said. */
  if (rc == E2B_EPROTOCOL && result->exchange != NULL) e2b__exchange_cut_short(result->exchange);
  e2b_error_t error =
      e2b__error_text(e2b__future_arena(op->future), rc, "%s%s%s%s%s", what,
                      *what != '\0' ? ": " : "", e2b_code_text(rc), *why != '\0' ? ": " : "", why);
  error.http_status = result->status;
  error.attempts = result->attempts;
  error.maybe_applied = strcmp(op->call.request.http.method, "GET") != 0;
  e2b__future_fail(op->future, &error);
}
