/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "support/harness.h"
#include "support/peer.h"
#include "support/told.h"
#include "terminal/endpoint.h"

/* A ttyd of the test's own words, as protocol 7.4 records those of the real one. */

typedef struct stage {
  harness_t h;
  peer_t *peer;
  e2b_sandbox_t *sandbox;
  told_t told;
  e2b_terminal_options options;
  char url[64];
  e2b_terminal_t *terminal;
  e2b_future_t *future;
} stage;

static void open_stage_with(stage *s, uint64_t first_event_timeout_ms) {
  memset(s, 0, sizeof *s);
  harness_start(&s->h);
  e2b_client_options client;
  harness_options(&s->h, NULL, &client);
  client.debug = E2B_ON;
  client.sandbox_url = NULL;
  client.first_event_timeout_ms = first_event_timeout_ms;
  harness_client(&s->h, &client);
  s->peer = peer_start(&s->h.loop);
  harness_at_stop(&s->h, peer_stop, s->peer);
  peer_add_headers(s->peer, "Sec-WebSocket-Protocol: tty\r\n");
  e2b_future_t *future = e2b_sandbox_create(s->h.client, NULL);
  assert_int_equal(harness_await(&s->h, future), 0);
  s->sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/base", peer_port(s->peer));
  E2B_INIT(&s->options);
  s->options.transport = E2B_TRANSPORT_TTYD;
  s->options.base_url = s->url;
  told_by(&s->told, &s->options);
}

static void open_stage(stage *s) {
  open_stage_with(s, 0);
}

static void until_frames(stage *s, unsigned count) {
  while (peer_frames(s->peer) < count) {
    harness_turn_once(&s->h);
  }
}

static void begin(stage *s) {
  s->future = e2b_terminal_create(s->sandbox, &s->options);
  until_frames(s, 1);
}

static void speak(stage *s) {
  begin(s);
  assert_false(e2b_future_is_done(s->future));
  peer_frame(s->peer, FIN | BINARY, "1bash (host)", 12);
  peer_frame(s->peer, FIN | BINARY, "2{ }", 4);
  assert_int_equal(harness_await(&s->h, s->future), 0);
  s->terminal = e2b_future_terminal(s->future);
  assert_non_null(s->terminal);
}

static void close_stage(stage *s) {
  e2b_terminal_release(s->terminal);
  e2b_future_release(s->future);
  e2b_sandbox_release(s->sandbox);
  harness_stop(&s->h);
  told_free(&s->told);
}

static void got(stage *s, unsigned nth, const char *text) {
  peer_got_t frame;
  until_frames(s, nth + 1);
  assert_true(peer_got(s->peer, nth, &frame));
  assert_int_equal(frame.first_byte, FIN | BINARY);
  assert_string_equal(frame.data, text);
}

static void a_conversation(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  s.options.cols = 100;
  s.options.rows = 40;
  s.options.credential = "me:secret";
  speak(&s);
  const char *request = peer_request(s.peer);
  assert_non_null(strstr(request, "GET /base/ws HTTP/1.1\r\n"));
  assert_non_null(strstr(request, "Sec-WebSocket-Protocol: tty\r\n"));
  assert_non_null(strstr(request, "Authorization: Basic bWU6c2VjcmV0\r\n"));
  assert_null(strstr(request, "permessage-deflate"));
  got(&s, 0, "{\"AuthToken\":\"bWU6c2VjcmV0\",\"columns\":100,\"rows\":40}");
  peer_frame(s.peer, FIN | BINARY, "0hello ", 7);
  peer_frame(s.peer, BINARY, "0wo", 3);
  peer_frame(s.peer, FIN | CONTINUATION, "rld", 3);
  peer_frame(s.peer, FIN | BINARY, "9unknown", 8);
  while (s.told.seen_len < 11) {
    harness_turn_once(&s.h);
  }
  assert_memory_equal(s.told.seen, "hello world", 11);
  assert_int_equal(e2b_terminal_write(s.terminal, "", 0), 0); /* no message is empty */
  assert_int_equal(e2b_terminal_write(s.terminal, "ls\n", 3), 0);
  got(&s, 1, "0ls\n");
  assert_int_equal(e2b_terminal_resize(s.terminal, 120, 50), 0);
  got(&s, 2, "1{\"columns\":120,\"rows\":50}");
  e2b_future_t *signal_future = e2b_terminal_signal(s.terminal, SIGINT);
  assert_int_equal(harness_await(&s.h, signal_future), 0);
  e2b_future_release(signal_future);
  got(&s, 3, "0\x03");
  signal_future = e2b_terminal_signal(s.terminal, SIGUSR1);
  assert_int_equal(harness_await(&s.h, signal_future), E2B_EUNIMPLEMENTED);
  e2b_future_release(signal_future);
  assert_string_equal(e2b_terminal_id(s.terminal), "");
  peer_frame(s.peer, FIN | CLOSE, "\x03\xe8", 2);
  harness_until_count(&s.h, &s.told.closed, 1);
  assert_int_equal(s.told.seen_len, 11);
  assert_int_equal(s.told.exits, 1);
  assert_false(s.told.exit.known);
  assert_int_equal(s.told.closed_code, 0);
  close_stage(&s);
}

/* libwebsockets 5 sends a code that nobody may send, libwebsockets 4 nothing at all. */
static void every_form_of_the_end(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  speak(&s);
  peer_frame(s.peer, FIN | BINARY, "0last", 5);
  peer_frame(s.peer, FIN | CLOSE, "\x03\xee", 2);
  harness_until_count(&s.h, &s.told.closed, 1);
  assert_int_equal(s.told.seen_len, 4);
  assert_int_equal(s.told.exits, 1);
  close_stage(&s);

  open_stage(&s);
  speak(&s);
  peer_frame(s.peer, FIN | BINARY, "0last", 5);
  peer_half_close(s.peer);
  harness_until_count(&s.h, &s.told.closed, 1);
  assert_int_equal(s.told.seen_len, 4);
  assert_int_equal(s.told.exits, 1);
  assert_int_equal(s.told.closed_code, 0);
  close_stage(&s);
}

/* A reset is no end of a program. */
static void a_lost_connection_ends_the_terminal(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  speak(&s);
  e2b_future_t *wait = e2b_terminal_wait(s.terminal);
  peer_reset(s.peer);
  assert_int_equal(harness_await(&s.h, wait), E2B_ECONNLOST);
  e2b_future_release(wait);
  harness_until_count(&s.h, &s.told.closed, 1);
  assert_int_equal(s.told.exits, 0);
  assert_int_equal(s.told.lost, 0);
  assert_int_equal(s.told.closed_code, E2B_ECONNLOST);
  close_stage(&s);
}

/* In debug mode a sandbox's ports are this machine's. */
static void a_port_of_this_machine(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  s.options.base_url = NULL;
  s.options.port = peer_port(s.peer);
  speak(&s);
  assert_non_null(strstr(peer_request(s.peer), "GET /ws HTTP/1.1\r\n"));
  assert_null(strstr(peer_request(s.peer), "E2b-Sandbox-Port"));
  close_stage(&s);
}

static void a_wrong_credential(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  begin(&s);
  peer_frame(s.peer, FIN | CLOSE, "\x03\xf0", 2);
  peer_frame(s.peer, FIN | BINARY, "1bash", 5);
  assert_int_equal(harness_await(&s.h, s.future), E2B_EAUTH);
  assert_int_equal(s.told.closed, 0);
  close_stage(&s);
}

static void a_refusal_without_a_word(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  begin(&s);
  peer_close(s.peer);
  assert_int_equal(harness_await(&s.h, s.future), E2B_ECONNLOST);
  close_stage(&s);
}

/* It takes the connection, and is there: it would answer a ping. */
static void a_server_that_never_speaks_is_not_waited_for(void **state) {
  (void)state;
  stage s;
  open_stage_with(&s, 100);
  begin(&s);
  assert_int_equal(harness_await(&s.h, s.future), E2B_ETIMEDOUT);
  assert_int_equal(e2b_future_error(s.future)->clock, E2B_CLOCK_FIRST_EVENT);
  assert_int_equal(s.told.closed, 0);
  close_stage(&s);
}

static void killing_hangs_up(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  speak(&s);
  e2b_future_t *kill_future = e2b_terminal_kill(s.terminal);
  assert_int_equal(harness_await(&s.h, kill_future), 0);
  assert_true(e2b_future_bool(kill_future));
  e2b_future_release(kill_future);
  harness_until_count(&s.h, &s.told.closed, 1);
  assert_int_equal(s.told.exits, 1);
  while (!peer_ended(s.peer)) {
    harness_turn_once(&s.h);
  }
  close_stage(&s);
}

static void nobody_comes_back_to_one(void **state) {
  (void)state;
  stage s;
  open_stage(&s);
  s.future = e2b_terminal_get_by_id(s.sandbox, "1", &s.options);
  assert_int_equal(harness_await(&s.h, s.future), E2B_EUNIMPLEMENTED);
  e2b_terminal_list_options list;
  E2B_INIT(&list);
  list.transport = E2B_TRANSPORT_TTYD;
  e2b_future_t *future = e2b_terminal_list(s.sandbox, &list);
  assert_int_equal(harness_await(&s.h, future), E2B_EUNIMPLEMENTED);
  e2b_future_release(future);
  close_stage(&s);
}

/* Whoever serves the terminal. */
static void silence_may_last_so_long_and_not_longer(void **state) {
  (void)state;
  assert_int_equal(e2b__endpoint_liveness(0), 60000);
  assert_int_equal(e2b__endpoint_liveness(1), 1);
  assert_int_equal(e2b__endpoint_liveness(100001), 100000);
  assert_int_equal(e2b__endpoint_liveness(E2B_NO_TIMEOUT), 100000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_conversation),
      cmocka_unit_test(every_form_of_the_end),
      cmocka_unit_test(a_lost_connection_ends_the_terminal),
      cmocka_unit_test(a_port_of_this_machine),
      cmocka_unit_test(a_wrong_credential),
      cmocka_unit_test(a_refusal_without_a_word),
      cmocka_unit_test(a_server_that_never_speaks_is_not_waited_for),
      cmocka_unit_test(killing_hangs_up),
      cmocka_unit_test(nobody_comes_back_to_one),
      cmocka_unit_test(silence_may_last_so_long_and_not_longer),
  };
  return cmocka_run_group_tests_name("terminal ttyd", tests, NULL, NULL);
}
