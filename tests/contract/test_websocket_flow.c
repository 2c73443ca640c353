/* SPDX-License-Identifier: MIT */
#include "support/sockets.h"

/* WebSockets that do not get what they want: peers that do not read, or do not say anything. */

/* --- back-pressure ---------------------------------------------------------------------------- */

static void a_paused_one_reads_nothing(void **state) {
  enum { CHUNK = 64 << 10, CHUNKS = 200 };
  sockets_t *s = *state;
  sockets_stream(s);
  sockets_connect_until_open(s);
  e2b__websocket_pause(s->websocket);
  char *chunk = calloc(1, CHUNK);
  assert_non_null(chunk);
  for (unsigned i = 0; i < CHUNKS; i++) {
    peer_frame(s->peer, FIN | BINARY, chunk, CHUNK);
  }
  harness_turn(&s->h, 200);
  assert_int_equal(s->streamed, 0);
  assert_true(peer_unsent(s->peer) > 0);
  e2b__websocket_resume(s->websocket);
  while (s->streamed < (uint64_t)CHUNK * CHUNKS) {
    harness_turn_once(&s->h);
  }
  assert_int_equal(s->lasts, CHUNKS);
  free(chunk);
}

/* Each message pauses; what came with it in one read waits, and comes in order. */
static void a_pause_in_a_message_holds_back_the_next(void **state) {
  sockets_t *s = *state;
  sockets_connect_until_open(s);
  sockets_bring_one_at_a_time(s, 300);
}

static void paused_before_it_is_open(void **state) {
  sockets_t *s = *state;
  peer_send_at_once(s->peer, "\x81\x05hello", 7);
  sockets_connect(s);
  e2b__websocket_pause(s->websocket);
  sockets_until_open(s);
  harness_turn(&s->h, 20);
  assert_int_equal(s->messages, 0);
  e2b__websocket_resume(s->websocket);
  sockets_until_messages(s, 1);
}

static void closing_ends_a_pause(void **state) {
  sockets_t *s = *state;
  sockets_connect_until_open(s);
  e2b__websocket_pause(s->websocket);
  peer_text(s->peer, FIN | TEXT, "nobody wants it");
  peer_frame(s->peer, FIN | CLOSE, "\x03\xe8", 2);
  harness_turn(&s->h, 20);
  assert_int_equal(s->closed, 0);
  e2b__websocket_close(s->websocket, 1000, NULL);
  sockets_until_closed(s);
  assert_int_equal(s->code, 0);
  assert_int_equal(s->messages, 0);
}

static void a_peer_that_does_not_read_holds_up_sending(void **state) {
  enum { CHUNK = 100000 };
  sockets_t *s = *state;
  s->options.max_pending_bytes = 300000;
  sockets_connect_until_open(s);
  peer_pause(s->peer);
  char *chunk = calloc(1, CHUNK);
  assert_non_null(chunk);
  unsigned sent = 0;
  int rc;
  while ((rc = e2b__websocket_send(s->websocket, E2B__WEBSOCKET_BINARY, chunk, CHUNK)) == 0) {
    sent++;
    harness_turn(&s->h, 1);
    assert_true(e2b__websocket_pending_bytes(s->websocket) <= 300000 + 14);
  }
  assert_int_equal(rc, E2B_EAGAIN);
  assert_true(e2b__websocket_pending_bytes(s->websocket) > 0);
  assert_int_equal(s->drains, 0);
  peer_read(s->peer);
  harness_until_count(&s->h, &s->drains, 1);
  assert_true(e2b__websocket_pending_bytes(s->websocket) <= 150000);
  sockets_until_frames(s, sent);
  assert_int_equal(s->drains, 1);
  /* When nothing is in line, any size goes. */
  char *big = calloc(1, 2 << 20);
  assert_non_null(big);
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_BINARY, big, 2 << 20), 0);
  sockets_until_frames(s, sent + 1);
  free(big);
  free(chunk);
}

static void pings_of_a_peer_that_does_not_read_are_bounded(void **state) {
  sockets_t *s = *state;
  s->options.max_pending_bytes = 100000;
  sockets_connect_until_open(s);
  peer_pause(s->peer);
  char ping[125] = {0};
  for (unsigned i = 0; i < 100000; i++) {
    peer_frame(s->peer, FIN | PING, ping, sizeof ping);
    if (i % 100 == 0) harness_turn(&s->h, 1);
    assert_true(e2b__websocket_pending_bytes(s->websocket) < 200000);
  }
}

/* --- silence ---------------------------------------------------------------------------------- */

static void a_silent_peer_is_pinged_then_lost(void **state) {
  sockets_t *s = *state;
  s->options.ping_interval_ms = 20;
  s->options.liveness_ms = 110;
  sockets_connect_until_open(s);
  sockets_until_closed(s);
  assert_int_equal(s->code, E2B_ETIMEDOUT);
  assert_int_equal(s->clock, E2B_CLOCK_SILENCE);
  peer_got_t frame;
  assert_true(peer_got(s->peer, 0, &frame));
  assert_int_equal(frame.first_byte, FIN | PING);
}

static void answer_pings(sockets_t *s, unsigned count) {
  for (unsigned answered = 0; answered < count;) {
    sockets_until_frames(s, answered + 1);
    peer_got_t ping;
    assert_true(peer_got(s->peer, answered++, &ping));
    assert_int_equal(ping.first_byte, FIN | PING);
    peer_frame(s->peer, FIN | PONG, ping.data, ping.len);
  }
}

static void a_peer_that_answers_pings_lives(void **state) {
  sockets_t *s = *state;
  s->options.ping_interval_ms = 20;
  s->options.liveness_ms = 2000;
  sockets_connect_until_open(s);
  const uint64_t start = uv_hrtime();
  answer_pings(s, 10);
  assert_true(uv_hrtime() - start >= UINT64_C(180) * 1000000); /* they come no faster */
  assert_int_equal(s->closed, 0);
}

/* The loop was busy for longer than the deadline: what had come meanwhile counts. */
static void a_busy_loop_is_not_a_silent_peer(void **state) {
  sockets_t *s = *state;
  s->options.liveness_ms = 100;
  sockets_connect_until_open(s);
  peer_text(s->peer, FIN | TEXT, "still here");
  uv_sleep(150);
  uv_update_time(&s->h.loop);
  sockets_until_messages(s, 1);
  assert_int_equal(s->closed, 0);
}

static void a_paused_one_is_not_lost_by_silence(void **state) {
  sockets_t *s = *state;
  s->options.ping_interval_ms = 10;
  s->options.liveness_ms = 50;
  sockets_connect_until_open(s);
  e2b__websocket_pause(s->websocket);
  sockets_until_frames(s, 10); /* pings go on */
  assert_int_equal(s->closed, 0);
  e2b__websocket_resume(s->websocket);
  sockets_until_closed(s);
  assert_int_equal(s->code, E2B_ETIMEDOUT);
}

/* Nor does its clock ring all the time. */
static void clocks_of_ages_do_not_ring(void **state) {
  sockets_t *s = *state;
  s->options.ping_interval_ms = s->options.liveness_ms = E2B_NO_TIMEOUT - 1;
  sockets_connect_until_open(s);
  harness_turn(&s->h, 5);
  assert_true(uv_backend_timeout(&s->h.loop) > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SOCKETS_TEST(a_paused_one_reads_nothing),
      SOCKETS_TEST(a_pause_in_a_message_holds_back_the_next),
      SOCKETS_TEST(paused_before_it_is_open),
      SOCKETS_TEST(closing_ends_a_pause),
      SOCKETS_TEST(a_peer_that_does_not_read_holds_up_sending),
      SOCKETS_TEST(pings_of_a_peer_that_does_not_read_are_bounded),
      SOCKETS_TEST(a_silent_peer_is_pinged_then_lost),
      SOCKETS_TEST(a_peer_that_answers_pings_lives),
      SOCKETS_TEST(a_busy_loop_is_not_a_silent_peer),
      SOCKETS_TEST(a_paused_one_is_not_lost_by_silence),
      SOCKETS_TEST(clocks_of_ages_do_not_ring),
  };
  return cmocka_run_group_tests_name("websocket_flow", tests, NULL, NULL);
}
