/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

#include "base/clock.h"

enum { IDLE_EXCHANGES = 256, LONGEST_RETRY_AFTER_S = 366 * 86400, OVERDUE_MS = 20 };

/* --- clocks --- */

/* In line a short one waits for the sake of the ceiling; a long one only for a connection, and if
 * none comes about they take turns to open it. So its own clock of silence, which else begins with
 * the request, counts from when it was asked for. */
static uint64_t line_due(const e2b__exchange_t *exchange, e2b_clock_t *clock) {
  const e2b__http_request_t *request = &exchange->request;
  *clock = E2B_CLOCK_NONE;
  if (!request->stream) return e2b__origin_patience(exchange);
  const uint64_t ms = request->first_event_ms != 0 ? request->first_event_ms : request->silence_ms;
  if (ms == 0) return UINT64_MAX;
  *clock = request->first_event_ms != 0 ? E2B_CLOCK_FIRST_EVENT : E2B_CLOCK_SILENCE;
  return e2b__time_after(exchange->entered_ms, ms);
}

/* When the next clock of this exchange runs out, and which. UINT64_MAX: none does. */
static uint64_t next_due(const e2b__exchange_t *exchange, e2b_clock_t *clock) {
  const e2b__http_request_t *request = &exchange->request;
  uint64_t due = UINT64_MAX;
  *clock = E2B_CLOCK_NONE;
  if (request->deadline_ms != 0) {
    due = request->deadline_ms;
    *clock = request->deadline_clock;
  }
  if (exchange->state == E2B__EXCHANGE_RESOLVING) {
    const uint64_t latest = exchange->activity_ms + exchange->http->options.connect_timeout_ms;
    if (latest >= due) return due;
    *clock = E2B_CLOCK_CONNECT;
    return latest;
  }
  if (exchange->state == E2B__EXCHANGE_WAITING) {
    e2b_clock_t other;
    const uint64_t latest = line_due(exchange, &other);
    if (latest >= due) return due;
    *clock = other;
    return latest;
  }
  if (exchange->state != E2B__EXCHANGE_RUNNING) return due;
  if (exchange->connecting) {
    const uint64_t latest =
        e2b__time_after(exchange->activity_ms, exchange->http->options.connect_timeout_ms);
    if (latest < due) {
      due = latest;
      *clock = E2B_CLOCK_CONNECT;
    }
  }
  uint64_t other = UINT64_MAX;
  e2b_clock_t other_clock = E2B_CLOCK_NONE;
  if (!exchange->got_body && request->first_event_ms != 0) {
    other = e2b__time_after(exchange->started_ms, request->first_event_ms);
    other_clock = E2B_CLOCK_FIRST_EVENT;
  } else if (request->silence_ms != 0 && !exchange->paused && !exchange->starved &&
             (exchange->got_body || request->source != NULL)) {
    other = e2b__time_after(exchange->activity_ms, request->silence_ms);
    other_clock = E2B_CLOCK_SILENCE;
  }
  if (other < due) {
    due = other;
    *clock = other_clock;
  }
  return due;
}

/* A clock that is pushed forward by traffic is not set anew each time: when it rings, it looks
 * whether the time has really come. */
void e2b__exchange_arm(e2b__exchange_t *exchange) {
  e2b_clock_t clock;
  const uint64_t due = next_due(exchange, &clock);
  if (due == UINT64_MAX) {
    e2b__clock_unset(&exchange->clock);
  } else if (exchange->clock.due_ms > due || !e2b__clock_is_set(&exchange->clock)) {
    e2b__http_set_clock(exchange->http, &exchange->clock, due);
  }
}

void e2b__exchange_clock_rang(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  const uint64_t now = uv_now(http->loop);
  e2b_clock_t clock;
  if (next_due(exchange, &clock) > now) {
    e2b__exchange_arm(exchange);
    return;
  }
  if (clock == E2B_CLOCK_NONE) { /* the patience of one in line */
    exchange->impatient = true;
    e2b__exchange_arm(exchange);
    e2b__queue_push(http->queue, &http->settle);
    return;
  }
  /* Somebody may have kept the loop from reading for so long: one look at the sockets first. */
  if (!exchange->overdue && (clock == E2B_CLOCK_CONNECT || clock == E2B_CLOCK_SILENCE ||
                             clock == E2B_CLOCK_FIRST_EVENT)) {
    exchange->overdue = true;
    e2b__http_set_clock(http, &exchange->clock, now + OVERDUE_MS);
    return;
  }
  e2b__exchange_fail(exchange, E2B_ETIMEDOUT, clock, NULL);
  e2b__http_after_curl(http);
}

void e2b__exchange_resolving(e2b__exchange_t *exchange) {
  exchange->state = E2B__EXCHANGE_RESOLVING;
  e2b__exchange_touch(exchange);
  e2b__exchange_arm(exchange);
}

void e2b__exchange_run(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  int rc = e2b__origin_announcement(exchange, &exchange->resolve.data);
  if (rc == 0) {
    exchange->easy = e2b__easy_take(http);
    rc = exchange->easy != NULL ? e2b__exchange_configure(exchange) : E2B_ENOMEM;
  }
  if (rc == 0) {
    exchange->state = E2B__EXCHANGE_RUNNING;
    exchange->connecting = true;
    exchange->started_ms = exchange->activity_ms = uv_now(http->loop);
    http->stats.started++;
    rc = e2b__multi_add(exchange);
  }
  if (rc != 0) {
    e2b__exchange_fail(exchange, rc, E2B_CLOCK_NONE, NULL);
  } else {
    e2b__exchange_arm(exchange);
  }
}

/* --- life --- */

static void on_nudge(e2b__task_t *task) {
  e2b__exchange_t *exchange = E2B__CONTAINER(task, e2b__exchange_t, nudge);
  e2b__http_t *http = exchange->http;
  if (exchange->state != E2B__EXCHANGE_RUNNING) return;
  e2b__exchange_touch(exchange);
  http->why[0] = '\0';
  http->in_curl++;
  CURLcode rc = curl_easy_pause(exchange->easy, (exchange->paused ? CURLPAUSE_RECV : 0) |
                                                    (exchange->starved ? CURLPAUSE_SEND : 0));
  http->in_curl--;
  if (exchange->state == E2B__EXCHANGE_RUNNING) {
    e2b__multi_hold(exchange);
    /* What curl had kept was brought from inside that call, and its refusal is told here only. */
    if (rc != CURLE_OK) {
      e2b__exchange_curl_done(exchange, rc, http->why);
    } else {
      e2b__exchange_arm(exchange);
    }
  }
  e2b__http_after_curl(http);
}

void e2b__exchange_free_idle(e2b__exchange_t *exchange) {
  e2b__free(exchange->why);
  e2b__free(exchange);
}

static e2b__exchange_t *take_idle(e2b__http_t *http) {
  e2b__list_t *node = e2b__list_take(&http->idle);
  if (node != NULL) {
    http->idle_count--;
    return E2B__CONTAINER(node, e2b__exchange_t, node);
  }
  e2b__exchange_t *exchange = e2b__calloc(1, sizeof *exchange);
  if (exchange == NULL) return NULL;
  exchange->http = http;
  e2b__list_init(&exchange->node);
  e2b__list_init(&exchange->line);
  e2b__task_init(&exchange->nudge, on_nudge);
  e2b__clock_init(&exchange->clock);
  return exchange;
}

/* Back to the idle ones, or gone when there are many. */
static void put_idle(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  exchange->state = E2B__EXCHANGE_IDLE;
  exchange->events = NULL;
  exchange->ctx = NULL;
  if (exchange->easy != NULL) e2b__easy_give(http, exchange->easy);
  exchange->easy = NULL;
  e2b__free(exchange->resolve.data);
  exchange->resolve.data = NULL;
  if (http->idle_count >= IDLE_EXCHANGES) {
    e2b__exchange_free_idle(exchange);
    return;
  }
  http->idle_count++;
  e2b__list_append(http->idle.next, &exchange->node); /* in front: the next one finds it in cache */
}

/* Out of every list, timer and queue, in one place. */
static void detach(e2b__exchange_t *exchange) {
  e2b__clock_unset(&exchange->clock);
  e2b__multi_remove(exchange);
  e2b__queue_cancel(&exchange->nudge);
  e2b__origin_leave(exchange);
  e2b__list_remove(&exchange->node);
}

void e2b__exchange_finish(e2b__exchange_t *exchange, const e2b__http_result_t *result) {
  e2b__http_t *http = exchange->http;
  const e2b__http_events_t *events = exchange->events;
  void *ctx = exchange->ctx;
  /* Without the query, which may name what is nobody's business. */
  E2B__LOG(http->log, E2B_LOG_DEBUG, "%s %.*s: %s, status %d, %llu ms", exchange->request.method,
           (int)strcspn(exchange->request.url, "?"), exchange->request.url,
           e2b_code_name(result->code), result->status,
           (unsigned long long)(uv_now(http->loop) - exchange->entered_ms));
  detach(exchange);
  exchange->state = E2B__EXCHANGE_IDLE; /* the answer's headers stay readable during on_done */
  if (result->code != 0) http->stats.failed++;
  events->on_done(ctx, result);
  put_idle(exchange);
  e2b__alive_drop(http->alive);
  e2b__queue_push(http->queue, &http->settle);
}

void e2b__exchange_discard(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  detach(exchange);
  put_idle(exchange);
  e2b__alive_drop(http->alive);
  e2b__queue_push(http->queue, &http->settle); /* somebody may wait for its place */
}

void e2b__exchange_fail(e2b__exchange_t *exchange, int code, e2b_clock_t clock, const char *why) {
  e2b__http_result_t result = {code, clock, 0, exchange->connected, why != NULL ? why : ""};
  if (exchange->state == E2B__EXCHANGE_RUNNING) result.status = e2b__exchange_status(exchange);
  e2b__exchange_finish(exchange, &result);
}

static int code_of(CURLcode rc) {
  switch (rc) {
  case CURLE_OK: return 0;
  case CURLE_OUT_OF_MEMORY:
  case CURLE_ABORTED_BY_CALLBACK: /* a socket that could not be watched */ return E2B_ENOMEM;
  case CURLE_OPERATION_TIMEDOUT: return E2B_ETIMEDOUT; /* it knows of connecting only */
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_BAD_FUNCTION_ARGUMENT: return E2B_EINVAL;
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY: return E2B_EDNS;
  case CURLE_COULDNT_CONNECT:
  case CURLE_PROXY: return E2B_ECONNECT;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CLIENTCERT:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_ENGINE_INITFAILED: return E2B_ETLS;
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING: return E2B_EPROTOCOL;
  default: return E2B_ECONNLOST;
  }
}

/* curl calls whatever ends a handshake a failure of TLS; that the peer hung up in it is none. Only
 * the words tell: the number of the system's error may be that of the handle's last request. */
static bool hung_up(const char *why) {
  return strncmp(why, "Recv failure", 12) == 0 || strncmp(why, "Send failure", 12) == 0 ||
         strstr(why, "SSL_ERROR_SYSCALL") != NULL;
}

void e2b__exchange_curl_done(e2b__exchange_t *exchange, CURLcode rc, const char *shared) {
  if (exchange->state == E2B__EXCHANGE_CANCELLED) return; /* it is in http->ended */
  const char *why = exchange->why != NULL ? exchange->why : shared;
  e2b__origin_learn_version(exchange);
  e2b__http_result_t result = {code_of(rc), E2B_CLOCK_NONE, e2b__exchange_status(exchange),
                               exchange->connected, ""};
  if (exchange->refusal != 0) {
    result.code = exchange->refusal;
  } else if (rc != CURLE_OK) {
    if (result.code == E2B_ETIMEDOUT) result.clock = E2B_CLOCK_CONNECT;
    if (rc == CURLE_SSL_CONNECT_ERROR && hung_up(why)) result.code = E2B_ECONNECT;
    /* curl has tried a dead connection first, and then another. */
    if (result.code == E2B_ECONNECT && exchange->connected) result.code = E2B_ECONNLOST;
    /* A URL that curl got taken apart it finds fault with when it has no memory to copy it. */
    const char *target;
    if (rc == CURLE_URL_MALFORMAT && e2b__origin_url(exchange, &target) != NULL) {
      result.code = E2B_ENOMEM;
    }
    /* Nor is it the caller's mistake when an answer is no HTTP/1. */
    if (result.code == E2B_EINVAL && exchange->connected) result.code = E2B_EPROTOCOL;
    result.why = *why != '\0' ? why : curl_easy_strerror(rc);
  } else if (!exchange->got_head) {
    result.code = E2B_ECONNLOST;
    result.why = "the answer stopped inside its head";
  }
  if (result.code == E2B_ECONNLOST) e2b__exchange_cut_short(exchange);
  e2b__exchange_finish(exchange, &result);
}

e2b__exchange_t *e2b__exchange_start(e2b__http_t *http, const e2b__http_request_t *request,
                                     const e2b__http_events_t *events, void *ctx) {
  e2b__exchange_t *exchange = take_idle(http);
  if (exchange == NULL) return NULL;
  uv_update_time(http->loop); /* the caller may have been busy for long */
  exchange->request = *request;
  exchange->events = events;
  exchange->ctx = ctx;
  exchange->body_sent = 0;
  exchange->started_ms = exchange->activity_ms = 0;
  exchange->entered_ms = uv_now(http->loop);
  exchange->refusal = 0;
  exchange->runs_again = 0;
  exchange->got_head = exchange->got_body = exchange->connected = exchange->connector =
      exchange->counted = exchange->dialled = exchange->fresh = false;
  exchange->paused = exchange->starved = exchange->overdue = exchange->refused =
      exchange->impatient = false;
  exchange->place = NULL;
  exchange->fd = CURL_SOCKET_BAD;
  exchange->port = 0;
  exchange->state = E2B__EXCHANGE_WAITING;
  if (exchange->why == NULL) exchange->why = e2b__malloc(CURL_ERROR_SIZE);
  if (exchange->why == NULL || e2b__origin_enter(exchange) != 0) {
    put_idle(exchange);
    return NULL;
  }
  e2b__list_append(&http->exchanges, &exchange->node);
  e2b__alive_hold(http->alive);
  e2b__exchange_arm(exchange);
  e2b__queue_push(http->queue, &http->settle); /* a failure must not come from inside this call */
  return exchange;
}

void e2b__exchange_cancel(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  if (http->in_curl == 0 || exchange->state != E2B__EXCHANGE_RUNNING) {
    e2b__exchange_discard(exchange);
    return;
  }
  exchange->state = E2B__EXCHANGE_CANCELLED;
  e2b__clock_unset(&exchange->clock);
  e2b__queue_cancel(&exchange->nudge);
  e2b__list_remove(&exchange->node);
  e2b__list_append(&http->ended, &exchange->node);
}

void e2b__exchange_hurry(e2b__exchange_t *exchange, uint64_t ms) {
  exchange->request.deadline_ms = uv_now(exchange->http->loop) + ms;
  exchange->request.deadline_clock = E2B_CLOCK_SILENCE;
  e2b__exchange_arm(exchange);
}

void e2b__exchange_pause(e2b__exchange_t *exchange) {
  if (exchange->paused) return;
  exchange->paused = true;
  e2b__queue_push(exchange->http->queue, &exchange->nudge);
}

void e2b__exchange_resume(e2b__exchange_t *exchange) {
  if (!exchange->paused) return;
  exchange->paused = false;
  e2b__queue_push(exchange->http->queue, &exchange->nudge);
}

void e2b__exchange_continue_body(e2b__exchange_t *exchange) {
  if (!exchange->starved) return;
  exchange->starved = false;
  e2b__queue_push(exchange->http->queue, &exchange->nudge);
}

int e2b__exchange_status(e2b__exchange_t *exchange) {
  long status = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

const char *e2b__exchange_header(e2b__exchange_t *exchange, const char *name) {
  struct curl_header *header;
  if (curl_easy_header(exchange->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
    return NULL;
  }
  return header->value;
}

uint64_t e2b__exchange_retry_after_ms(e2b__exchange_t *exchange) {
  curl_off_t seconds = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &seconds);
  if (seconds > LONGEST_RETRY_AFTER_S) seconds = LONGEST_RETRY_AFTER_S;
  return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}
