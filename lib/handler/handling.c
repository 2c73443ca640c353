/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "handler/handler.h"
#include "handler/stream.h"

/* The life of one request, and its answer. */

enum { MOST_ANSWER_BYTES = 512 << 20, MOST_HEADERS = 12 };

/* The answer as it is handed out: the arena of the future would copy the body. */
typedef struct answer {
  e2b_http_response_t response;
  e2b_pair_t headers[MOST_HEADERS];
  char *body;
  char *origin;
  char retry_after[24];
} answer;

static void answer_free(void *value) {
  answer *a = value;
  /* Nobody took the stream over: it ends with the answer. */
  e2b__http_stream_lend(a->response.stream, NULL);
  e2b_http_stream_close(a->response.stream);
  e2b__free(a->body);
  e2b__free(a->origin);
  e2b__free(a);
}

static void handling_free(e2b__handling_t *h) {
  if (h->running) h->caller->runs--;
  if (h->making) h->caller->sandboxes--;
  e2b__http_stream_lend(h->stream, NULL);
  e2b_http_stream_close(h->stream);
  e2b_sandbox_release(h->sandbox);
  e2b__caller_drop(h->caller);
  cJSON_Delete(h->body);
  e2b__buffer_free(&h->text);
  e2b__free(h->work);
  e2b__free(h->origin);
  e2b__free(h->id);
  e2b__handler_drop(h->handler);
  e2b__free(h);
}

/* A sandbox that is just being made is waited for: it ends, since nobody will ever name it. */
static void abandon(void *work) {
  e2b__handling_t *h = work;
  h->outer = NULL;
  if (h->entered) return; /* whoever is inside sees to it */
  if (h->inner == NULL) {
    handling_free(h);
  } else if (!h->making) {
    e2b_future_cancel(h->inner);
  }
}

static void on_inner(e2b_future_t *done, void *user_data) {
  e2b__handling_t *h = user_data;
  h->inner = NULL;
  if (h->outer != NULL) {
    h->next(h, done);
    return;
  }
  if (h->orphaned != NULL) h->orphaned(h, done);
  if (h->making) h->sandbox = e2b_future_sandbox(done);
  if ((h->making || h->made) && h->sandbox != NULL) {
    e2b__lease_forget(h->handler, e2b_sandbox_id(h->sandbox));
    e2b_future_release(e2b_sandbox_kill(h->sandbox));
  }
  handling_free(h);
}

e2b__handling_t *e2b__handling_new(e2b_handler_t *handler, e2b_future_t *outer) {
  e2b__handling_t *h = e2b__calloc(1, sizeof *h);
  if (h == NULL) return NULL;
  h->handler = handler;
  e2b__handler_hold(handler);
  h->outer = outer;
  e2b__buffer_init(&h->text, MOST_ANSWER_BYTES);
  e2b__future_bind(outer, abandon, h);
  return h;
}

void e2b__handling_enter(e2b__handling_t *h) {
  h->entered = true;
}

bool e2b__handling_leave(e2b__handling_t *h) {
  h->entered = false;
  if (h->outer != NULL) return true;
  handling_free(h);
  return false;
}

void e2b__handling_await_or(e2b__handling_t *h, e2b_future_t *future, e2b__handling_cb next,
                            e2b__handling_cb orphaned) {
  h->next = next;
  h->orphaned = orphaned;
  h->inner = future;
  const int rc = e2b_future_then(future, on_inner, h);
  if (rc == 0) return;
  h->inner = NULL;
  if (orphaned != NULL) orphaned(h, NULL);
  e2b__handling_fail(h, 500, "%s", e2b_code_text(rc));
}

void e2b__handling_await(e2b__handling_t *h, e2b_future_t *future, e2b__handling_cb next) {
  e2b__handling_await_or(h, future, next, NULL);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void add_header(answer *a, const char *name, const char *value) {
  if (a->response.headers_count == MOST_HEADERS) return;
  a->headers[a->response.headers_count].name = name;
  a->headers[a->response.headers_count++].value = value;
}

static answer *answer_new(e2b__handling_t *h, int status) {
  answer *a = e2b__calloc(1, sizeof *a);
  if (a == NULL) return NULL;
  a->response.status = status;
  a->response.headers = a->headers;
  a->response.body.ptr = "";
  add_header(a, "Cache-Control", "no-store");
  add_header(a, "Vary", "Origin");
  add_header(a, "X-Content-Type-Options", "nosniff");
  if (h->origin != NULL) {
    a->origin = h->origin;
    h->origin = NULL;
    add_header(a, "Access-Control-Allow-Origin", a->origin);
    add_header(a, "Access-Control-Expose-Headers", "Retry-After");
  }
  return a;
}

static void send_answer(e2b__handling_t *h, answer *a) {
  e2b_future_t *outer = h->outer;
  h->outer = NULL;
  handling_free(h);
  if (a != NULL) {
    e2b__future_succeed(outer, &a->response, answer_free);
  } else {
    e2b__future_fail_text(outer, E2B_ENOMEM, "out of memory");
  }
}

/* The envelope that h->text holds. */
static void send_json(e2b__handling_t *h, int status, uint64_t retry_after_ms) {
  /* When nobody says how long, soon is a fair guess. */
  if (retry_after_ms == 0 && (status == 429 || status == 503)) retry_after_ms = 1000;
  e2b__json_close(&h->json, '}');
  answer *a = h->json.rc == 0 ? answer_new(h, status) : NULL;
  if (a != NULL) {
    add_header(a, "Content-Type", "application/json");
    if (status == 401) add_header(a, "WWW-Authenticate", "Bearer");
    if (status == 405) add_header(a, "Allow", "GET, POST, OPTIONS");
    if (retry_after_ms > 0) {
      snprintf(a->retry_after, sizeof a->retry_after, "%llu",
               (unsigned long long)((retry_after_ms + 999) / 1000));
      add_header(a, "Retry-After", a->retry_after);
    }
    a->response.body.len = h->text.len;
    a->body = e2b__buffer_detach(&h->text);
    a->response.body.ptr = a->body;
  }
  send_answer(h, a);
}

static void begin(e2b__handling_t *h, bool success) {
  e2b__buffer_clear(&h->text);
  e2b__json_begin(&h->json, &h->text);
  e2b__json_open(&h->json, NULL, '{');
  e2b__json_put_bool(&h->json, "success", success);
  const char *id = h->id != NULL ? h->id : "";
  e2b__json_put_string(&h->json, "sandboxId", id, strlen(id));
  e2b__json_put_string(&h->json, "provider", "e2b", 3);
}

void e2b__handling_begin(e2b__handling_t *h) {
  begin(h, true);
}

void e2b__handling_put_text(e2b__handling_t *h, const char *name, const char *text) {
  e2b__json_put_string(&h->json, name, text, strlen(text));
}

void e2b__handling_done(e2b__handling_t *h) {
  send_json(h, 200, 0);
}

void e2b__handling_answer_plain(e2b__handling_t *h) {
  e2b__handling_begin(h);
  e2b__handling_done(h);
}

static void fail(e2b__handling_t *h, int status, uint64_t retry_after_ms, const char *message) {
  begin(h, false);
  e2b__json_put_string(&h->json, "error", message, strlen(message));
  send_json(h, status, retry_after_ms);
}

void e2b__handling_fail(e2b__handling_t *h, int status, const char *fmt, ...) {
  char message[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  fail(h, status, 0, message);
}

int e2b__handling_status(const e2b_error_t *error) {
  switch (error->code) {
  case E2B_ESANDBOXNOTFOUND:
  case E2B_ESANDBOXGONE:
  case E2B_ENOTFOUND: return 404;
  case E2B_EQUOTA:
  case E2B_ERATE: return 429;
  case E2B_ELIMIT:
  case E2B_EUNAVAILABLE: return 503;
  case E2B_EINVAL:
  case E2B_EREQUEST:
  case E2B_ESYNTAX: return 400;
  default: return 500;
  }
}

void e2b__handling_fail_unknown(e2b__handling_t *h, const char *sandbox_id) {
  e2b__handling_fail(h, 404, "Sandbox with ID %s not found", sandbox_id);
}

void e2b__handling_fail_with(e2b__handling_t *h, const e2b_error_t *error) {
  if (h->id != NULL && (error->code == E2B_ESANDBOXNOTFOUND || error->code == E2B_ESANDBOXGONE)) {
    e2b__lease_forget(h->handler, h->id);
    e2b__handling_fail_unknown(h, h->id);
    return;
  }
  fail(h, e2b__handling_status(error), error->retry_after_ms, error->message);
}

void e2b__handling_answer_empty(e2b__handling_t *h, int status, bool preflight) {
  answer *a = answer_new(h, status);
  if (a != NULL && preflight) {
    add_header(a, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    add_header(a, "Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID");
    add_header(a, "Access-Control-Max-Age", "600");
  }
  send_answer(h, a);
}

void e2b__handling_answer_stream(e2b__handling_t *h, int status, const e2b_pair_t *headers,
                                 size_t count) {
  if (h->stream == NULL) {
    e2b__handling_fail(h, 503, "The handler is closed");
    return;
  }
  e2b__arena_t *arena = e2b__future_arena(h->outer);
  answer *a = answer_new(h, status);
  for (size_t i = 0; a != NULL && i < count; i++) {
    const char *value = e2b__arena_strndup(arena, headers[i].value, strlen(headers[i].value));
    if (value == NULL) {
      answer_free(a);
      a = NULL;
    } else {
      add_header(a, headers[i].name, value);
    }
  }
  if (a != NULL) {
    a->response.stream = h->stream;
    e2b__http_stream_lend(h->stream, &a->response.stream);
    h->stream = NULL;
  }
  send_answer(h, a);
}
