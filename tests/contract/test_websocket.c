/* SPDX-License-Identifier: MIT */
#include "support/sockets.h"

/* The WebSocket client against a peer that does what it is told. */

static void opens_and_carries_both_ways(void **state) {
  (void)state;
  sockets_t s;
  sockets_open(&s);
  sockets_connect(&s);
  sockets_until_open(&s);
  assert_non_null(strstr(peer_request(s.peer), "GET /ws?a=b HTTP/1.1\r\nHost: 127.0.0.1:"));
  assert_int_equal(e2b__websocket_send(s.websocket, E2B__WEBSOCKET_TEXT, "hello", 5), 0);
  assert_int_equal(e2b__websocket_pending_bytes(s.websocket), 0);
  sockets_until_frames(&s, 1);
  peer_got_t frame;
  assert_true(peer_got(s.peer, 0, &frame));
  assert_int_equal(frame.first_byte, FIN | TEXT);
  assert_true(frame.masked);
  assert_string_equal(frame.data, "hello");
  peer_text(s.peer, FIN | TEXT, "world");
  sockets_until_messages(&s, 1);
  assert_string_equal(s.message, "world");
  assert_int_equal(s.kind, E2B__WEBSOCKET_TEXT);
  e2b__websocket_close(s.websocket, 1000, "bye");
  sockets_until_frames(&s, 2);
  assert_true(peer_got(s.peer, 1, &frame));
  assert_int_equal(frame.first_byte, FIN | CLOSE);
  assert_memory_equal(frame.data,
                      "\x03\xe8"
                      "bye",
                      5);
  peer_frame(s.peer, FIN | CLOSE, "\x03\xe8", 2);
  sockets_until_closed(&s);
  assert_int_equal(s.code, 0);
  assert_int_equal(s.close_code, 1000);
  sockets_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens_and_carries_both_ways),
  };
  return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
