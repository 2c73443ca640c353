/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/websocket_handshake.h"
#include "support/starving.h"

static const unsigned char nonce[] = "the sample nonce";
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void the_samples_of_the_rfc(void **state) {
  (void)state;
  char key[E2B__WEBSOCKET_KEY + 1], accept[E2B__WEBSOCKET_ACCEPT + 1];
  e2b__websocket_key(nonce, key);
  assert_string_equal(key, KEY);
  assert_int_equal(e2b__websocket_accept(key, accept), 0);
  assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static e2b__websocket_request_t request(void) {
  return (e2b__websocket_request_t){.host = "example.com", .port = 80, .target = "/", .key = KEY};
}

static void encodes(const e2b__websocket_request_t *r, const char *expected) {
  e2b__buffer_t out = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__websocket_request_encode(&out, r), 0);
  assert_string_equal(out.data, expected);
  e2b__buffer_free(&out);
}

#define FIXED                                                            \
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY \
  "\r\nSec-WebSocket-Version: 13\r\n"

static void requests(void **state) {
  (void)state;
  static const e2b_pair_t headers[] = {{"A", "b c"}, {"user-agent", "mine"}, {"Empty", ""}};
  e2b__websocket_request_t r = request();
  encodes(&r, "GET / HTTP/1.1\r\nHost: example.com\r\n" FIXED "\r\n");
  r.port = 443;
  encodes(&r, "GET / HTTP/1.1\r\nHost: example.com:443\r\n" FIXED "\r\n");
  r.secure = true;
  r.user_agent = "libe2b";
  encodes(&r, "GET / HTTP/1.1\r\nHost: example.com\r\n" FIXED "User-Agent: libe2b\r\n\r\n");
  r.port = 80;
  r.host = "::1";
  r.target = "/a%20b?c=d&e";
  r.protocols = "x, y";
  r.headers = headers;
  r.headers_count = 3;
  encodes(&r, "GET /a%20b?c=d&e HTTP/1.1\r\nHost: [::1]:80\r\n" FIXED
              "Sec-WebSocket-Protocol: x, y\r\nA: b c\r\nuser-agent: mine\r\nEmpty: \r\n\r\n");
}

static void what_would_break_the_head_is_refused(void **state) {
  (void)state;
  static const char *const targets[] = {"", "x", "/ x", "/\r\n", "/\x7f"};
  static const char *const hosts[] = {"", "a b", "a\r\nb", "a/b", "me@a", "[::1]"};
  static const char *const protocols[] = {"a,a", "a, b,a", "a;b", "a\n", "\"x\""};
  static const e2b_pair_t headers[] = {{"", "x"},
                                       {"a b", "x"},
                                       {"a:", "x"},
                                       {"a", "x\r\ny: z"},
                                       {"a", "\x01"},
                                       {"Host", "x"},
                                       {"CONNECTION", ""},
                                       {"upgrade", "h2"},
                                       {"Sec-WebSocket-Version", "8"},
                                       {"Transfer-Encoding", "chunked"},
                                       {NULL, "x"},
                                       {"x", NULL}};
  e2b__buffer_t out = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__buffer_append_str(&out, "before"), 0);
  for (size_t i = 0; i < E2B__COUNT(targets); i++) {
    e2b__websocket_request_t r = request();
    r.target = targets[i];
    assert_int_equal(e2b__websocket_request_encode(&out, &r), E2B_EINVAL);
  }
  for (size_t i = 0; i < E2B__COUNT(hosts); i++) {
    e2b__websocket_request_t r = request();
    r.host = hosts[i];
    assert_int_equal(e2b__websocket_request_encode(&out, &r), E2B_EINVAL);
  }
  for (size_t i = 0; i < E2B__COUNT(protocols); i++) {
    e2b__websocket_request_t r = request();
    r.protocols = protocols[i];
    assert_int_equal(e2b__websocket_request_encode(&out, &r), E2B_EINVAL);
  }
  for (size_t i = 0; i < E2B__COUNT(headers); i++) {
    e2b__websocket_request_t r = request();
    r.headers = &headers[i];
    r.headers_count = 1;
    assert_int_equal(e2b__websocket_request_encode(&out, &r), E2B_EINVAL);
  }
  assert_string_equal(out.data, "before");
  e2b__buffer_free(&out);
}

static void a_request_has_a_ceiling_and_needs_memory(void **state) {
  (void)state;
  e2b__websocket_request_t r = request();
  e2b__buffer_t out = E2B__BUFFER_INIT(100);
  assert_int_equal(e2b__websocket_request_encode(&out, &r), E2B_ETOOBIG);
  assert_int_equal(out.len, 0);
  e2b__buffer_free(&out);
  for (size_t nth = 1;; nth++) {
    e2b__buffer_init(&out, 4096);
    starving_library_arm(nth);
    const int rc = e2b__websocket_request_encode(&out, &r);
    const size_t count = starving_count();
    e2b__buffer_free(&out);
    assert_int_equal(starving_live(), 0);
    starving_library_remove();
    if (count < nth) break;
    assert_int_equal(rc, E2B_ENOMEM);
  }
}

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define GOOD                                                                    \
  "HTTP/1.1 101 x\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" \
  "sec-websocket-accept: " ACCEPT "\r\n"

static int check(const char *text, const char *offered, char *protocol) {
  char head[1024];
  static e2b__http_head_t parsed;
  const char *selected, *why;
  snprintf(head, sizeof head, "%s\r\n", text);
  assert_int_equal(e2b__http_head_parse(&parsed, head, strlen(head)), 0);
  const int rc = e2b__websocket_response_check(&parsed, ACCEPT, offered, &selected, &why);
  assert_int_equal(rc == 0, why == NULL);
  snprintf(protocol, 16, "%s", selected != NULL ? selected : "");
  return rc;
}

static void answers(void **state) {
  (void)state;
  static const struct {
    const char *text, *offered, *protocol;
    int rc;
  } cases[] = {
      {GOOD, NULL, "", 0},
      {GOOD, "a", "", 0},
      {GOOD "Sec-WebSocket-Protocol: b\r\n", "a, b", "b", 0},
      {GOOD "Sec-WebSocket-Protocol: c\r\n", "a, b", "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Protocol: B\r\n", "a, b", "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Protocol: a, b\r\n", "a, b", "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", "a", "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Protocol: a\r\n", NULL, "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Accept: " ACCEPT "\r\n", NULL, "", E2B_EPROTOCOL},
      {GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n", NULL, "", E2B_EPROTOCOL},
      {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", NULL, "", E2B_EPROTOCOL},
      {"HTTP/1.1 200 x\r\n", NULL, "", E2B_EPROTOCOL},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    char protocol[16];
    assert_int_equal(check(cases[i].text, cases[i].offered, protocol), cases[i].rc);
    assert_string_equal(protocol, cases[i].protocol);
  }
}

static void codes_of_close_frames(void **state) {
  (void)state;
  for (unsigned code = 0; code <= 70000; code++) {
    const bool ok =
        (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
        (code >= 3000 && code < 5000);
    assert_int_equal(e2b__websocket_close_code_ok(code), ok);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_samples_of_the_rfc),
      cmocka_unit_test(requests),
      cmocka_unit_test(what_would_break_the_head_is_refused),
      cmocka_unit_test(a_request_has_a_ceiling_and_needs_memory),
      cmocka_unit_test(answers),
      cmocka_unit_test(codes_of_close_frames),
  };
  return cmocka_run_group_tests_name("websocket_handshake", tests, NULL, NULL);
}
