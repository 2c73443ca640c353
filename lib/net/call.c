/* SPDX-License-Identifier: MIT */
#include "net/call.h"

#include "base/clock.h"
#include "net/delay.h"
#include "net/internal.h"
#include "net/retry.h"

static int attempt(e2b__call_t *call);

void e2b__call_cancel(e2b__call_t *call) {
  if (call->http == NULL) return;
  if (call->exchange != NULL) e2b__exchange_cancel(call->exchange);
  if (call->delay != NULL) e2b__delay_cancel(call->delay);
  e2b__buffer_free(&call->body);
  memset(call, 0, sizeof *call);
}

void e2b__call_hurry(e2b__call_t *call, uint64_t ms) {
  if (call->exchange != NULL) e2b__exchange_hurry(call->exchange, ms);
}

/* An answer is mostly one piece, and done with at once: one buffer does for all, and is warm. */
static void borrow_body(e2b__call_t *call) {
  e2b__buffer_t *spare = &call->http->spare_body;
  call->body.data = spare->data;
  call->body.capacity = spare->capacity;
  e2b__buffer_clear(&call->body); /* of another answer */
  e2b__buffer_init(spare, 0);
}

static void give_body_back(e2b__http_t *http, e2b__buffer_t *body) {
  enum { LARGEST_SPARE = 4096 };
  if (http->spare_body.data == NULL && body->capacity <= LARGEST_SPARE) {
    http->spare_body = *body;
  } else {
    e2b__buffer_free(body);
  }
}

static int on_data(void *ctx, const char *data, size_t len) {
  e2b__call_t *call = ctx;
  if (call->body.data == NULL) borrow_body(call);
  return e2b__buffer_append(&call->body, data, len);
}

/* The body stays until `done` is through with it, the call may go in it. */
static void finish(e2b__call_t *call, e2b__call_result_t *result) {
  e2b__http_t *http = call->http;
  e2b__buffer_t body = call->body;
  const e2b__call_cb done = call->done;
  void *ctx = call->ctx;
  result->body = body.data != NULL ? body.data : "";
  result->body_len = body.len;
  result->buffer = &body;
  result->maybe_received = call->maybe_received;
  result->attempts = call->attempts;
  call->http = NULL; /* it is over */
  call->exchange = NULL;
  done(ctx, result);
  give_body_back(http, &body);
}

static void fail(e2b__call_t *call, int code) {
  e2b__call_result_t result = {0};
  result.code = code;
  result.why = "";
  finish(call, &result);
}

static void on_delay(void *ctx) {
  e2b__call_t *call = ctx;
  call->delay = NULL;
  int rc = attempt(call);
  if (rc != 0) fail(call, rc);
}

/* Nonzero when another try is on its way. */
static bool try_again(e2b__call_t *call, const e2b__http_result_t *result) {
  const e2b__call_request_t *request = &call->request;
  if (!request->safe || call->attempts > request->max_retries) return false;
  const bool answered = result->code == 0;
  const uint64_t asked = answered ? e2b__exchange_retry_after_ms(call->exchange) : 0;
  const e2b__retry_facts_t facts = {result->code,
                                    result->maybe_received,
                                    result->clock == E2B_CLOCK_CONNECT,
                                    result->status,
                                    request->final_status,
                                    answered ? e2b__exchange_header(call->exchange, "should-retry")
                                             : NULL,
                                    asked};
  if (!e2b__retry_wanted(&facts)) return false;
  uint32_t random = 0;
  uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
  const uint64_t ms = e2b__retry_delay_ms(call->attempts, asked, random);
  const uint64_t deadline = request->http.deadline_ms;
  if (deadline != 0 && uv_now(call->http->loop) + ms >= deadline) return false;
  call->delay = e2b__delay_start(call->http, ms, on_delay, call);
  if (call->delay == NULL) return false;
  E2B__LOG(call->http->log, E2B_LOG_INFO, "%s %.*s failed (%s, status %d): try %u in %llu ms",
           request->http.method, (int)strcspn(request->http.url, "?"), request->http.url,
           e2b_code_name(result->code), result->status, call->attempts + 1, (unsigned long long)ms);
  return true;
}

static void on_done(void *ctx, const e2b__http_result_t *http_result) {
  e2b__call_t *call = ctx;
  call->maybe_received |= http_result->maybe_received;
  if (try_again(call, http_result)) {
    call->exchange = NULL;
    return;
  }
  e2b__call_result_t result = {0};
  result.code = http_result->code;
  result.clock = http_result->clock;
  result.status = http_result->status;
  result.why = http_result->why;
  if (result.code == 0) {
    result.retry_after_ms = e2b__exchange_retry_after_ms(call->exchange);
    result.exchange = call->exchange;
  }
  finish(call, &result);
}

static const e2b__http_events_t events = {on_data, on_done};

static int attempt(e2b__call_t *call) {
  e2b__buffer_clear(&call->body);
  call->exchange = e2b__exchange_start(call->http, &call->request.http, &events, call);
  if (call->exchange == NULL) return E2B_ENOMEM;
  call->attempts++;
  if (call->attempts > 1) call->http->stats.retries++;
  return 0;
}

int e2b__call_start(e2b__call_t *call, e2b__http_t *http, const e2b__call_request_t *request,
                    e2b__call_cb done, void *ctx) {
  memset(call, 0, sizeof *call);
  call->http = http;
  call->request = *request;
  call->done = done;
  call->ctx = ctx;
  e2b__buffer_init(&call->body, request->max_response_bytes);
  if (request->timeout_ms != E2B_NO_TIMEOUT) {
    uv_update_time(http->loop);
    call->request.http.deadline_ms = e2b__time_after(uv_now(http->loop), request->timeout_ms);
    call->request.http.deadline_clock = E2B_CLOCK_REQUEST;
  }
  const int rc = attempt(call);
  if (rc != 0) call->http = NULL;
  return rc;
}
