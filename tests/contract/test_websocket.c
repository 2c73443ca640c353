/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/sockets.h"

/* The life of a WebSocket, with a peer that does what it is told. */

#define REFUSAL(status, headers, body) "HTTP/1.1 " status "\r\n" headers "\r\n" body

static void opens_and_carries_both_ways(void **state) {
  sockets_t *s = *state;
  sockets_connect_until_open(s);
  assert_non_null(strstr(peer_request(s->peer), "GET /ws?a=b HTTP/1.1\r\nHost: 127.0.0.1:"));
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_TEXT, "hello", 5), 0);
  assert_int_equal(e2b__websocket_pending_bytes(s->websocket), 0);
  sockets_until_frames(s, 1);
  peer_got_t frame;
  assert_true(peer_got(s->peer, 0, &frame));
  assert_int_equal(frame.first_byte, FIN | TEXT);
  assert_true(frame.masked);
  assert_string_equal(frame.data, "hello");
  peer_text(s->peer, FIN | TEXT, "world");
  sockets_until_messages(s, 1);
  assert_string_equal(s->message, "world");
  assert_int_equal(s->kind, E2B__WEBSOCKET_TEXT);
  e2b__websocket_close(s->websocket, 1000, "bye");
  e2b__websocket_close(s->websocket, 1001, "again");
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_TEXT, "x", 1), E2B_ECLOSED);
  sockets_until_frames(s, 2);
  assert_true(peer_got(s->peer, 1, &frame));
  assert_int_equal(frame.first_byte, FIN | CLOSE);
  assert_memory_equal(frame.data,
                      "\x03\xe8"
                      "bye",
                      5);
  peer_text(s->peer, FIN | TEXT, "it crossed the close");
  peer_frame(s->peer, FIN | CLOSE, "\x03\xe8", 2);
  sockets_until_closed(s);
  assert_int_equal(s->code, 0);
  assert_int_equal(s->close_code, 1000);
  assert_int_equal(s->messages, 1);
}

static void headers_and_a_protocol_are_asked_for(void **state) {
  static const e2b_pair_t headers[] = {{"E2b-Sandbox-Id", "abc"}, {"User-Agent", "me"}};
  sockets_t *s = *state;
  s->options.headers = headers;
  s->options.headers_count = 2;
  s->options.protocols = "first, tty";
  peer_add_headers(s->peer, "Sec-WebSocket-Protocol: tty\r\n");
  sockets_connect_until_open(s);
  assert_string_equal(s->protocol, "tty");
  assert_non_null(strstr(peer_request(s->peer), "\r\nE2b-Sandbox-Id: abc\r\n"));
  assert_non_null(strstr(peer_request(s->peer), "\r\nUser-Agent: me\r\n"));
  assert_null(strstr(peer_request(s->peer), "libe2b"));
  assert_non_null(strstr(peer_request(s->peer), "\r\nSec-WebSocket-Protocol: first, tty\r\n"));
  assert_null(strstr(peer_request(s->peer), "Extensions"));
}

static void what_cannot_be_asked_is_refused_at_once(void **state) {
  static const e2b_pair_t bad[] = {{"Na me", "x"},          {"Name", "a\r\nb"},
                                   {"Upgrade", "x"},        {"sec-websocket-key", "x"},
                                   {"Content-Length", "5"}, {"", "x"}};
  sockets_t *s = *state;
  e2b__dialer_t *dialer = e2b__client_dialer(s->h.client);
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    s->options.headers = &bad[i];
    s->options.headers_count = 1;
    assert_int_equal(e2b__websocket_open(dialer, &s->options, &s->events, s, &s->websocket),
                     E2B_EINVAL);
    assert_null(s->websocket);
  }
  s->options.headers_count = 0;
  static const char *const targets[] = {"", "ws", "/a b", "/\r\nX: y"};
  for (size_t i = 0; i < E2B__COUNT(targets); i++) {
    s->options.target = targets[i];
    assert_int_equal(e2b__websocket_open(dialer, &s->options, &s->events, s, &s->websocket),
                     E2B_EINVAL);
  }
  s->options.target = "/";
  static const char *const lists[] = {"a, a", "a b(", "x\r\ny"};
  for (size_t i = 0; i < E2B__COUNT(lists); i++) {
    s->options.protocols = lists[i];
    assert_int_equal(e2b__websocket_open(dialer, &s->options, &s->events, s, &s->websocket),
                     E2B_EINVAL);
  }
}

static void the_first_message_may_come_with_the_upgrade(void **state) {
  sockets_t *s = *state;
  peer_send_at_once(s->peer, "\x81\x05hello\x82\x01x", 10);
  sockets_connect(s);
  sockets_until_messages(s, 2);
  assert_int_equal(s->opened, 1);
}

static void a_refusal_comes_with_its_answer(void **state) {
  (void)state;
  static const struct {
    const char *answer, *body;
    unsigned status;
  } cases[] = {
      {REFUSAL("401 Unauthorized", "Content-Length: 6\r\n", "secretandmore"), "secret", 401},
      {REFUSAL("404 Not Found", "Content-Length: 0\r\n", ""), "", 404},
      {REFUSAL("502 Bad Gateway", "Transfer-Encoding: chunked\r\n",
               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
       "abcde", 502},
      {REFUSAL("429 Too Many Requests", "Retry-After: 7\r\nContent-Length: 4\r\n", "wait"), "wait",
       429},
      {REFUSAL("200 OK", "Content-Length: 2\r\n", "hi"), "hi", 200},
      {REFUSAL("204 No Content", "", ""), "", 204},
      {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
       "", 302},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    for (int bytewise = 0; bytewise < 2; bytewise++) {
      sockets_t s;
      sockets_open(&s);
      peer_answer_instead(s.peer, cases[i].answer);
      if (bytewise) peer_bytewise(s.peer);
      sockets_connect_until_closed(&s);
      assert_int_equal(s.code, E2B_EREQUEST);
      assert_int_equal(s.status, cases[i].status);
      assert_int_equal(s.opened, 0);
      assert_string_equal(s.body, cases[i].body);
      assert_string_equal(s.retry_after, cases[i].status == 429 ? "7" : "");
      sockets_close(&s);
    }
  }
}

static void of_a_refusal_only_so_much_is_kept(void **state) {
  sockets_t *s = *state;
  char *body = calloc(1, 100 << 10);
  assert_non_null(body);
  memset(body, 'x', (100 << 10) - 1);
  peer_answer_instead(s->peer, "HTTP/1.1 500 Oh\r\n\r\n");
  peer_send_at_once(s->peer, body, (100 << 10) - 1);
  sockets_connect_until_closed(s);
  assert_int_equal(s->status, 500);
  assert_int_equal(s->body_len, E2B__WEBSOCKET_REFUSAL_MAX);
  free(body);
}

static void a_refusal_that_does_not_end_is_told_when_time_is_up(void **state) {
  sockets_t *s = *state;
  s->options.connect_timeout_ms = 100;
  peer_answer_instead(s->peer, "HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nfive.");
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_EREQUEST);
  assert_int_equal(s->status, 403);
  assert_string_equal(s->body, "five.");
}

static void an_answer_that_is_no_upgrade_is_an_error(void **state) {
  (void)state;
#define UPGRADES "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
  static const struct {
    const char *answer, *why;
    int code;
  } cases[] = {
      {UPGRADES GOOD "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", "Accept",
       E2B_EPROTOCOL},
      {UPGRADES GOOD "\r\n", "Accept", E2B_EPROTOCOL},
      {UPGRADES "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", "upgrade",
       E2B_EPROTOCOL},
      {UPGRADES "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
       "upgrade", E2B_EPROTOCOL},
      {UPGRADES "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: %s\r\n\r\n",
       "Connection", E2B_EPROTOCOL},
      {UPGRADES GOOD "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: tty\r\n\r\n",
       "sub-protocol", E2B_EPROTOCOL},
      {UPGRADES GOOD "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: x\r\n\r\n", "extension",
       E2B_EPROTOCOL},
      {"HTTP/1.0 101 Switching Protocols\r\n" GOOD "Sec-WebSocket-Accept: %s\r\n\r\n", "HTTP/1.1",
       E2B_EPROTOCOL},
      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP", E2B_EPROTOCOL},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    sockets_t s;
    sockets_open(&s);
    peer_answer_instead(s.peer, cases[i].answer);
    sockets_connect_until_closed(&s);
    assert_int_equal(s.code, cases[i].code);
    assert_non_null(strstr(s.why, cases[i].why));
    assert_int_equal(s.status, 0);
    sockets_close(&s);
  }
}

static void a_head_without_end_is_not_read_for_ever(void **state) {
  sockets_t *s = *state;
  char *head = calloc(1, 32 << 10);
  assert_non_null(head);
  memset(head, 'x', (32 << 10) - 1);
  memcpy(head, "HTTP/1.1 101 ", 13);
  peer_answer_instead(s->peer, head);
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_ETOOBIG);
  free(head);
}

/* --- connections that do not come about, or break --------------------------------------------- */

static void nobody_listens(void **state) {
  sockets_t *s = *state;
  s->options.port = 1;
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_ECONNECT);
  assert_non_null(strstr(s->why, "refused"));
}

/* `localhost` is two addresses, of which one does not listen. */
static void all_addresses_are_tried(void **state) {
  sockets_t *s = *state;
  s->options.host = "49983-abc.e2b.localhost";
  sockets_connect_until_open(s);
  assert_non_null(strstr(peer_request(s->peer), "\r\nHost: 49983-abc.e2b.localhost:"));
  e2b__websocket_destroy(s->websocket);
  s->options.port = 1;
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_ECONNECT);
}

static void a_name_that_is_none(void **state) {
  sockets_t *s = *state;
  s->options.host = "no-such-name.invalid";
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_EDNS);
  sockets_connect(s); /* and one that is given up while it is looked up */
}

static void a_peer_that_says_nothing_is_not_waited_for(void **state) {
  sockets_t *s = *state;
  s->options.connect_timeout_ms = 60;
  peer_answer_instead(s->peer, "");
  sockets_connect_until_closed(s);
  assert_int_equal(s->code, E2B_ETIMEDOUT);
  assert_int_equal(s->clock, E2B_CLOCK_CONNECT);
}

static void the_end_comes_at_any_point(void **state) {
  (void)state;
  static const char all[] = "\x81\x05hello\x01\x03wor";
  for (int how = 0; how < 3; how++) { /* closed, half closed, reset */
    for (size_t cut = 0; cut < sizeof all; cut++) {
      sockets_t s;
      sockets_open(&s);
      sockets_connect_until_open(&s);
      peer_send(s.peer, all, cut);
      if (how == 2) {
        if (cut >= 7) sockets_until_messages(&s, 1);
        peer_reset(s.peer);
      } else if (how == 1) {
        peer_half_close(s.peer);
      } else {
        peer_close(s.peer);
      }
      sockets_until_closed(&s);
      assert_int_equal(s.code, E2B_ECONNLOST);
      assert_int_not_equal(strlen(s.why), 0);
      assert_int_equal(s.messages, cut >= 7);
      sockets_close(&s);
    }
  }
}

static void it_may_end_in_the_upgrade(void **state) {
  (void)state;
  static const char head[] = "HTTP/1.1 101 Switching Pro";
  for (size_t len = 0; len < sizeof head; len += 8) {
    sockets_t s;
    char cut[sizeof head] = "";
    sockets_open(&s);
    memcpy(cut, head, len);
    peer_answer_instead(s.peer, cut);
    sockets_connect(&s);
    harness_until_count(&s.h, peer_upgrades(s.peer), 1);
    peer_close(s.peer);
    sockets_until_closed(&s);
    assert_int_equal(s.code, E2B_ECONNLOST);
    sockets_close(&s);
  }
}

/* --- giving up -------------------------------------------------------------------------------- */

/* Destroyed, closed, or left to the client's close, after every turn of the loop. */
static void given_up_at_every_step(void **state) {
  (void)state;
  for (int how = 0; how < 3; how++) {
    bool through = false;
    for (unsigned turns = 0; !through; turns++) {
      sockets_t s;
      sockets_open(&s);
      sockets_connect(&s);
      harness_turn(&s.h, turns);
      through = s.opened > 0;
      const bool open = through;
      s.inside = true;
      if (how == 0) {
        e2b__websocket_destroy(s.websocket);
        s.websocket = NULL;
      } else if (how == 1) {
        e2b__websocket_close(s.websocket, 1001, NULL);
      } else {
        s.websocket = NULL;
      }
      s.inside = false;
      if (how == 1) {
        if (open) peer_close(s.peer);
        sockets_until_closed(&s);
        assert_int_equal(s.code, open ? E2B_ECONNLOST : E2B_ECANCELED);
      }
      sockets_close(&s);
      if (how != 1) assert_int_equal(s.closed, 0);
    }
  }
}

static void destroy(sockets_t *s) {
  e2b__websocket_destroy(s->websocket);
  s->websocket = NULL;
}

static void close_it(sockets_t *s) {
  e2b__websocket_close(s->websocket, 1000, NULL);
}

static void any_event_may_end_it(void **state) {
  (void)state;
  static void (*const ways[])(sockets_t * s) = {destroy, close_it};
  for (size_t i = 0; i < E2B__COUNT(ways); i++) {
    for (int event = 0; event < 3; event++) {
      sockets_t s;
      sockets_open(&s);
      if (event == 2) sockets_stream(&s);
      if (event == 0) s.at_open = ways[i];
      if (event > 0) s.at_message = ways[i];
      peer_send_at_once(s.peer, "\x82\x05hello\x82\x01x\x88\x00", 12);
      sockets_connect(&s);
      if (ways[i] == close_it) {
        sockets_until_closed(&s);
        assert_int_equal(s.code, 0);
      } else {
        sockets_until_peer_ended(&s);
        assert_int_equal(s.closed, 0);
      }
      assert_int_equal(s.messages + s.pieces, event > 0);
      sockets_close(&s);
    }
  }
}

static void a_close_that_is_not_answered_has_a_clock(void **state) {
  sockets_t *s = *state;
  s->options.close_timeout_ms = 50;
  sockets_connect_until_open(s);
  e2b__websocket_close(s->websocket, 0, NULL);
  sockets_until_closed(s);
  assert_int_equal(s->code, E2B_ETIMEDOUT);
  assert_int_equal(s->clock, E2B_CLOCK_REQUEST);
  peer_got_t frame;
  assert_true(peer_got(s->peer, 0, &frame));
  assert_int_equal(frame.len, 0);
}

static void a_long_reason_is_cut_between_characters(void **state) {
  char reason[200];
  memset(reason, 'x', sizeof reason);
  memcpy(reason + 122, "\xc3\xa4", 2);
  reason[199] = '\0';
  sockets_t *s = *state;
  sockets_connect_until_open(s);
  e2b__websocket_close(s->websocket, 4000, reason);
  sockets_until_frames(s, 1);
  peer_got_t frame;
  assert_true(peer_got(s->peer, 0, &frame));
  assert_int_equal(frame.len, 2 + 122);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SOCKETS_TEST(opens_and_carries_both_ways),
      SOCKETS_TEST(headers_and_a_protocol_are_asked_for),
      SOCKETS_TEST(what_cannot_be_asked_is_refused_at_once),
      SOCKETS_TEST(the_first_message_may_come_with_the_upgrade),
      cmocka_unit_test(a_refusal_comes_with_its_answer),
      SOCKETS_TEST(of_a_refusal_only_so_much_is_kept),
      SOCKETS_TEST(a_refusal_that_does_not_end_is_told_when_time_is_up),
      cmocka_unit_test(an_answer_that_is_no_upgrade_is_an_error),
      SOCKETS_TEST(a_head_without_end_is_not_read_for_ever),
      SOCKETS_TEST(nobody_listens),
      SOCKETS_TEST(all_addresses_are_tried),
      SOCKETS_TEST(a_name_that_is_none),
      SOCKETS_TEST(a_peer_that_says_nothing_is_not_waited_for),
      cmocka_unit_test(the_end_comes_at_any_point),
      cmocka_unit_test(it_may_end_in_the_upgrade),
      cmocka_unit_test(given_up_at_every_step),
      cmocka_unit_test(any_event_may_end_it),
      SOCKETS_TEST(a_close_that_is_not_answered_has_a_clock),
      SOCKETS_TEST(a_long_reason_is_cut_between_characters),
  };
  return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
