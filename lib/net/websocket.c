/* SPDX-License-Identifier: MIT */
#include "net/websocket.h"

#include <stdlib.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "net/websocket_internal.h"

enum {
  DEFAULT_CLOSE_MS = 5000,
  DEFAULT_MESSAGE = 64 << 20,
  DEFAULT_PENDING = 1 << 20,
  LONGEST_FRAME = 512 << 20, /* it may have to be queued as a whole */
  REASON_MAX = E2B__CONTROL_MAX - 2
};

static e2b__websocket_t *of_socket(e2b__socket_t *socket) {
  return E2B__CONTAINER(socket, e2b__websocket_t, socket);
}

static void websocket_free(e2b__websocket_t *websocket) {
  e2b__upgrade_free(websocket);
  e2b__codec_free(&websocket->codec, websocket->socket.dialer);
  e2b__buffer_free(&websocket->message);
  e2b__free_aligned(websocket);
}

/* Seconds, or a date. */
static uint64_t retry_after_ms(const char *value) {
  enum { LONGEST_S = 24 * 3600 };
  if (value == NULL) return 0;
  char *end;
  long long seconds = strtoll(value, &end, 10);
  if (end == value || *end != '\0') {
    const time_t date = curl_getdate(value, NULL);
    seconds = date >= 0 ? (long long)date - e2b__wall_ms() / 1000 : 0;
  }
  if (seconds > LONGEST_S) seconds = LONGEST_S;
  return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

void e2b__websocket_end_with(e2b__websocket_t *websocket, int code, e2b_clock_t clock,
                             const char *why, bool orderly) {
  if (websocket->state == E2B__WEBSOCKET_ENDED) return;
  const e2b__upgrade_t *upgrade = websocket->upgrade;
  const bool refused = upgrade != NULL && upgrade->head.status != 0;
  e2b__websocket_end_t end = {.code = code,
                              .clock = clock,
                              .why = why,
                              .opened = websocket->opened,
                              .finished = websocket->socket.read_error == UV_EOF,
                              .close_code = websocket->close_code,
                              .reason = "",
                              .body = ""};
  if (websocket->reason_at > 0) {
    end.reason = websocket->control + websocket->reason_at;
    end.reason_len = websocket->control_len - (size_t)websocket->reason_at;
  }
  if (refused) {
    end.status = upgrade->head.status;
    end.head = &upgrade->head;
    end.retry_after_ms = retry_after_ms(e2b__http_head_field(&upgrade->head, "Retry-After"));
    if (upgrade->body.len > 0) end.body = upgrade->body.data;
    end.body_len = upgrade->body.len;
  }
  websocket->state = E2B__WEBSOCKET_ENDED;
  if (orderly) {
    e2b__socket_finish(&websocket->socket);
  } else {
    e2b__socket_destroy(&websocket->socket);
  }
  websocket->events->on_closed(websocket->ctx, &end);
}

/* --- clocks ----------------------------------------------------------------------------------- */

static uint64_t now_of(const e2b__websocket_t *websocket) {
  return uv_now(websocket->socket.dialer->loop);
}

/* Rings when the first of both clocks may be due. What arrives meanwhile does not touch the timer:
 * it is set again when it has rung. */
static void arm_clocks(e2b__websocket_t *websocket) {
  const uint64_t now = now_of(websocket);
  uint64_t due = UINT64_MAX;
  if (websocket->ping_interval_ms != 0) {
    const uint64_t last = websocket->received_ms > websocket->pinged_ms ? websocket->received_ms
                                                                        : websocket->pinged_ms;
    due = e2b__time_after(last, websocket->ping_interval_ms);
  }
  if (websocket->liveness_ms != 0) {
    const uint64_t lost = e2b__time_after(websocket->received_ms, websocket->liveness_ms);
    if (lost < due) due = lost;
  }
  if (due != UINT64_MAX) e2b__socket_arm(&websocket->socket, due > now ? due - now : 1);
}

static void check_life(e2b__websocket_t *websocket) {
  const uint64_t now = now_of(websocket);
  const uint64_t silence = now - websocket->received_ms;
  if (websocket->paused) {
    websocket->overdue = false;
  } else if (websocket->liveness_ms != 0 && silence >= websocket->liveness_ms) {
    if (websocket->overdue) {
      e2b__websocket_end_with(websocket, E2B_ETIMEDOUT, E2B_CLOCK_SILENCE,
                              "nothing came from the peer", false);
      return;
    }
    websocket->overdue = true;
    e2b__socket_arm(&websocket->socket, 1);
    return;
  }
  const uint64_t interval = websocket->ping_interval_ms;
  if (interval != 0 && silence >= interval && now - websocket->pinged_ms >= interval) {
    websocket->pinged_ms = now;
    e2b__codec_write(&websocket->socket, WSLAY_PING, true, NULL, 0);
  }
  if (websocket->paused) websocket->received_ms = now; /* begins anew when it goes on */
  arm_clocks(websocket);
}

static void on_timer(e2b__socket_t *socket) {
  e2b__websocket_t *websocket = of_socket(socket);
  switch (websocket->state) {
  case E2B__WEBSOCKET_OPEN: check_life(websocket); break;
  case E2B__WEBSOCKET_UPGRADING:
  case E2B__WEBSOCKET_REFUSED:
  case E2B__WEBSOCKET_CLOSING:
    if (!websocket->overdue) {
      websocket->overdue = true;
      e2b__socket_arm(socket, 1);
    } else if (websocket->state == E2B__WEBSOCKET_CLOSING) {
      e2b__websocket_end_with(websocket, E2B_ETIMEDOUT, E2B_CLOCK_REQUEST,
                              "the peer did not answer the close frame", false);
    } else if (websocket->state == E2B__WEBSOCKET_REFUSED) {
      e2b__upgrade_refused(websocket);
    } else {
      e2b__websocket_end_with(websocket, E2B_ETIMEDOUT, E2B_CLOCK_CONNECT,
                              "waiting for the answer to the upgrade", false);
    }
    break;
  case E2B__WEBSOCKET_DIALING:
  case E2B__WEBSOCKET_ENDED: break;
  }
}

/* --- the socket's events ---------------------------------------------------------------------- */

static void on_open(e2b__socket_t *socket) {
  e2b__upgrade_start(of_socket(socket));
}

void e2b__websocket_opened(e2b__websocket_t *websocket, const char *protocol) {
  websocket->state = E2B__WEBSOCKET_OPEN;
  websocket->opened = true;
  websocket->overdue = false;
  websocket->received_ms = websocket->pinged_ms = now_of(websocket);
  uv_timer_stop(&websocket->socket.timer);
  arm_clocks(websocket);
  if (websocket->paused) e2b__socket_pause(&websocket->socket);
  websocket->events->on_open(websocket->ctx, protocol);
  if (websocket->state != E2B__WEBSOCKET_ENDED) e2b__upgrade_free(websocket);
}

static void on_readable(e2b__socket_t *socket) {
  e2b__websocket_t *websocket = of_socket(socket);
  websocket->received_ms = now_of(websocket);
  if (websocket->state < E2B__WEBSOCKET_OPEN) e2b__upgrade_readable(websocket);
  if (websocket->state == E2B__WEBSOCKET_OPEN || websocket->state == E2B__WEBSOCKET_CLOSING) {
    websocket->overdue = websocket->state == E2B__WEBSOCKET_CLOSING && websocket->overdue;
    e2b__websocket_receive(websocket);
  }
}

static void on_written(e2b__socket_t *socket) {
  e2b__websocket_t *websocket = of_socket(socket);
  if (!websocket->refused || websocket->state != E2B__WEBSOCKET_OPEN) return;
  if (e2b__socket_pending(socket) > websocket->max_pending_bytes / 2) return;
  websocket->refused = false;
  if (websocket->events->on_drain != NULL) websocket->events->on_drain(websocket->ctx);
}

static void on_failed(e2b__socket_t *socket, int code, e2b_clock_t clock, const char *why) {
  e2b__websocket_end_with(of_socket(socket), code, clock, why, false);
}

static void on_gone(e2b__socket_t *socket) {
  websocket_free(of_socket(socket));
}

static const e2b__socket_events_t socket_events = {on_open,  on_readable, on_written,
                                                   on_timer, on_failed,   on_gone};

/* --- what the owner may do -------------------------------------------------------------------- */

int e2b__websocket_open(e2b__dialer_t *dialer, const e2b__websocket_options_t *options,
                        const e2b__websocket_events_t *events, void *ctx,
                        e2b__websocket_t **websocket) {
  *websocket = NULL;
  e2b__websocket_t *made = e2b__calloc_aligned(sizeof *made);
  if (made == NULL) return E2B_ENOMEM;
  const uint64_t timeout_ms = options->connect_timeout_ms != 0
                                  ? options->connect_timeout_ms
                                  : dialer->options->connect_timeout_ms;
  made->socket.dialer = dialer;
  made->events = events;
  made->ctx = ctx;
  made->socket.reader = ctx;
  made->ping_interval_ms = options->ping_interval_ms;
  made->liveness_ms = options->liveness_ms;
  made->close_timeout_ms =
      options->close_timeout_ms != 0 ? options->close_timeout_ms : DEFAULT_CLOSE_MS;
  made->max_pending_bytes =
      options->max_pending_bytes != 0 ? options->max_pending_bytes : DEFAULT_PENDING;
  e2b__buffer_init(&made->message,
                   options->max_message_bytes != 0 ? options->max_message_bytes : DEFAULT_MESSAGE);
  int rc = e2b__upgrade_new(made, options, timeout_ms);
  if (rc == 0) {
    const e2b__socket_target_t target = {.host = options->host,
                                         .port = options->port,
                                         .secure = options->secure,
                                         .quick_ack = options->quick_ack,
                                         .timeout_ms = timeout_ms};
    rc = e2b__socket_dial(&made->socket, dialer, &target, &socket_events);
  }
  if (rc != 0) {
    websocket_free(made);
    return rc;
  }
  *websocket = made;
  return 0;
}

/* 0, or why nothing can be sent now. */
static int may_send(e2b__websocket_t *websocket, size_t len) {
  if (websocket->state != E2B__WEBSOCKET_OPEN || websocket->socket.broken) return E2B_ECLOSED;
  if (len > LONGEST_FRAME) return E2B_ETOOBIG;
  const size_t pending = e2b__socket_pending(&websocket->socket);
  if (pending == 0) return 0;
  const size_t most = websocket->max_pending_bytes;
  if (len <= most && pending <= most - len) return 0;
  websocket->refused = true;
  return E2B_EAGAIN;
}

int e2b__websocket_send(e2b__websocket_t *websocket, e2b__websocket_kind_t kind, const void *data,
                        size_t len) {
  int rc = may_send(websocket, len);
  if (rc != 0) return rc;
  if (websocket->sending != 0) return E2B_EINVAL;
  if (kind == E2B__WEBSOCKET_TEXT && !e2b__utf8_valid(data, len)) return E2B_EINVAL;
  return e2b__codec_write(&websocket->socket, (uint8_t)kind, true, data, len);
}

int e2b__websocket_send_part(e2b__websocket_t *websocket, e2b__websocket_kind_t kind,
                             const void *data, size_t len, bool last) {
  int rc = may_send(websocket, len);
  if (rc != 0) return rc;
  const uint8_t opcode = websocket->sending != 0 ? WSLAY_CONTINUATION_FRAME : (uint8_t)kind;
  rc = e2b__codec_write(&websocket->socket, opcode, last, data, len);
  if (rc == 0) websocket->sending = last ? 0 : (uint8_t)kind;
  return rc;
}

size_t e2b__websocket_pending_bytes(const e2b__websocket_t *websocket) {
  return e2b__socket_pending(&websocket->socket);
}

void e2b__websocket_pause(e2b__websocket_t *websocket) {
  if (websocket->state > E2B__WEBSOCKET_OPEN) return;
  websocket->paused = true;
  if (websocket->state == E2B__WEBSOCKET_OPEN) e2b__socket_pause(&websocket->socket);
}

void e2b__websocket_resume(e2b__websocket_t *websocket) {
  if (!websocket->paused || websocket->state == E2B__WEBSOCKET_ENDED) return;
  websocket->paused = false;
  if (websocket->state < E2B__WEBSOCKET_OPEN) return;
  websocket->received_ms = now_of(websocket);
  e2b__socket_resume(&websocket->socket);
}

void e2b__websocket_close(e2b__websocket_t *websocket, unsigned code, const char *reason) {
  if (websocket->state >= E2B__WEBSOCKET_CLOSING) return;
  if (websocket->state < E2B__WEBSOCKET_OPEN) {
    e2b__socket_fault(&websocket->socket, E2B_ECANCELED, E2B_CLOCK_NONE, "closed by the caller");
    return;
  }
  char payload[E2B__CONTROL_MAX];
  size_t len = 0;
  if (code != 0) {
    payload[len++] = (char)(code >> 8);
    payload[len++] = (char)code;
    size_t reason_len = reason != NULL ? strlen(reason) : 0;
    if (reason_len > REASON_MAX) {
      reason_len = REASON_MAX - e2b__utf8_tail(reason, REASON_MAX);
    }
    if (reason_len > 0) memcpy(payload + len, reason, reason_len);
    len += reason_len;
  }
  websocket->state = E2B__WEBSOCKET_CLOSING;
  websocket->overdue = false;
  websocket->paused = false;
  const int rc = e2b__codec_write(&websocket->socket, WSLAY_CONNECTION_CLOSE, true, payload, len);
  if (rc != 0 && rc != E2B_ECLOSED) {
    e2b__socket_fault(&websocket->socket, rc, E2B_CLOCK_NONE, "%s", e2b_code_text(rc));
  }
  e2b__socket_arm(&websocket->socket, websocket->close_timeout_ms);
  e2b__socket_resume(&websocket->socket);
}

void e2b__websocket_destroy(e2b__websocket_t *websocket) {
  websocket->state = E2B__WEBSOCKET_ENDED;
  e2b__socket_destroy(&websocket->socket);
}
