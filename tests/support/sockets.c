/* SPDX-License-Identifier: MIT */
#include "support/sockets.h"

#include <stdio.h>

#include <stdio.h>

static void on_open(void *ctx, const char *protocol) {
  sockets_t *s = ctx;
  assert_false(s->inside);
  s->opened++;
  snprintf(s->protocol, sizeof s->protocol, "%s", protocol != NULL ? protocol : "");
  if (s->at_open != NULL) s->at_open(s);
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  sockets_t *s = ctx;
  assert_false(s->inside);
  s->messages++;
  s->kind = kind;
  free(s->message);
  s->message = calloc(1, len + 1);
  assert_non_null(s->message);
  memcpy(s->message, data, len);
  s->message_len = len;
  if (s->at_message != NULL) s->at_message(s);
}

static void on_data(void *ctx, const char *data, size_t len, bool first, bool last) {
  sockets_t *s = ctx;
  assert_false(s->inside);
  (void)data;
  s->pieces++;
  s->streamed += len;
  s->firsts += first;
  s->lasts += last;
  if (s->at_message != NULL) s->at_message(s);
}

static void on_drain(void *ctx) {
  sockets_t *s = ctx;
  assert_false(s->inside);
  s->drains++;
  if (s->at_drain != NULL) s->at_drain(s);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  sockets_t *s = ctx;
  assert_false(s->inside);
  s->websocket = NULL;
  s->closed++;
  s->code = end->code;
  s->clock = end->clock;
  snprintf(s->why, sizeof s->why, "%s", end->why);
  s->close_code = end->close_code;
  assert_int_equal(strlen(end->reason), end->reason_len);
  snprintf(s->reason, sizeof s->reason, "%s", end->reason);
  s->status = end->status;
  assert_int_equal(end->status != 0, end->head != NULL);
  assert_int_equal(end->opened, s->opened);
  const char *wait = end->head != NULL ? e2b__http_head_field(end->head, "Retry-After") : NULL;
  snprintf(s->retry_after, sizeof s->retry_after, "%s", wait != NULL ? wait : "");
  free(s->body);
  s->body = calloc(1, end->body_len + 1);
  assert_non_null(s->body);
  memcpy(s->body, end->body, end->body_len);
  s->body_len = end->body_len;
}

void sockets_open(sockets_t *s) {
  memset(s, 0, sizeof *s);
  harness_start(&s->h);
  harness_options(&s->h, NULL, &s->client);
  harness_client(&s->h, &s->client);
  s->peer = peer_start(&s->h.loop);
  harness_at_stop(&s->h, peer_stop, s->peer);
  s->options.host = "127.0.0.1";
  s->options.port = peer_port(s->peer);
  s->options.target = "/ws?a=b";
  s->events = (e2b__websocket_events_t){on_open, on_message, NULL, on_drain, on_closed};
}

void sockets_client(sockets_t *s) {
  harness_close_client(&s->h);
  harness_client(&s->h, &s->client);
}

void sockets_stream(sockets_t *s) {
  s->events.on_data = on_data;
}

void sockets_connect(sockets_t *s) {
  e2b__dialer_t *dialer = e2b__client_dialer(s->h.client);
  assert_non_null(dialer);
  s->opened = s->closed = 0;
  s->inside = true;
  assert_int_equal(e2b__websocket_open(dialer, &s->options, &s->events, s, &s->websocket), 0);
  s->inside = false;
}

void sockets_close(sockets_t *s) {
  if (s->websocket != NULL) e2b__websocket_destroy(s->websocket);
  s->websocket = NULL;
  harness_stop(&s->h);
  free(s->message);
  free(s->body);
}

int sockets_setup(void **state) {
  sockets_t *s = malloc(sizeof *s);
  assert_non_null(s);
  sockets_open(s);
  *state = s;
  return 0;
}

int sockets_teardown(void **state) {
  sockets_close(*state);
  free(*state);
  return 0;
}

void sockets_connect_until_open(sockets_t *s) {
  sockets_connect(s);
  sockets_until_open(s);
}

void sockets_connect_until_closed(sockets_t *s) {
  sockets_connect(s);
  sockets_until_closed(s);
}

void sockets_until_open(sockets_t *s) {
  while (s->opened == 0) {
    if (s->closed > 0) fail_msg("it was closed: %d %s", s->code, s->why);
    harness_turn_once(&s->h);
  }
}

void sockets_until_closed(sockets_t *s) {
  harness_until_count(&s->h, &s->closed, 1);
}

void sockets_until_messages(sockets_t *s, unsigned count) {
  while (s->messages < count) {
    if (s->closed > 0) fail_msg("it was closed: %d %s", s->code, s->why);
    harness_turn_once(&s->h);
  }
}

void sockets_until_frames(sockets_t *s, unsigned count) {
  while (peer_frames(s->peer) < count) {
    harness_turn_once(&s->h);
  }
}

void sockets_until_peer_ended(sockets_t *s) {
  while (!peer_ended(s->peer)) {
    harness_turn_once(&s->h);
  }
}

static void pause_it(sockets_t *s) {
  e2b__websocket_pause(s->websocket);
}

void sockets_bring_one_at_a_time(sockets_t *s, unsigned messages) {
  s->at_message = pause_it;
  for (unsigned i = 0; i < messages; i++) {
    char text[4096];
    snprintf(text, sizeof text, "%04u%0*u", i, (int)(i * 13 % 4000), 0);
    peer_text(s->peer, FIN | TEXT, text);
  }
  for (unsigned i = 0; i < messages; i++) {
    sockets_until_messages(s, i + 1);
    char number[5] = "";
    memcpy(number, s->message, 4);
    assert_int_equal(atoi(number), i);
    harness_turn(&s->h, 3);
    assert_int_equal(s->messages, i + 1);
    s->inside = true;
    e2b__websocket_resume(s->websocket);
    s->inside = false;
  }
}
