/* SPDX-License-Identifier: MIT */
/* The server's end of a WebSocket: what it answers to what browsers, and others, send (RFC 6455).
 */

#include "handler/socket.h"
#include "support/harness.h"

enum { LARGEST = 1 << 20 };

typedef struct socket_test {
  harness_t h;
  e2b_handler_t *handler;
  e2b__handling_t fake; /* what a stream is made of */
  e2b_http_stream_t *stream;
  e2b__server_socket_t *socket;
  char sent[4096]; /* to the browser */
  size_t sent_len;
  bool ended;
  unsigned messages, closed;
  bool text;
  size_t len;
  char first;
  bool free_inside;
} socket_test;

static void nothing(void *ctx) {
  (void)ctx;
}

static void on_message(void *ctx, bool text, const char *data, size_t len) {
  socket_test *t = ctx;
  t->messages++;
  t->text = text;
  t->len = len;
  t->first = '\0';
  if (len > 0) t->first = data[0];
  if (!t->free_inside) return;
  e2b__server_socket_free(t->socket);
  t->socket = NULL;
}

static void on_closed(void *ctx) {
  ((socket_test *)ctx)->closed++;
}

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  socket_test *t = user_data;
  (void)stream;
  if (t->sent_len + len > sizeof t->sent) abort();
  memcpy(t->sent + t->sent_len, data, len);
  t->sent_len += len;
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  (void)stream;
  ((socket_test *)user_data)->ended = true;
}

static void begin(socket_test *t) {
  static const e2b__http_stream_source_t source = {nothing, nothing, NULL, nothing, nothing};
  static const e2b__server_socket_events_t events = {on_message, on_closed};
  e2b_handler_options options;
  memset(t, 0, sizeof *t);
  harness_start(&t->h);
  harness_client(&t->h, NULL);
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  assert_int_equal(e2b_handler_new(t->h.client, &options, &t->handler), 0);
  t->fake.handler = t->handler;
  t->fake.caller = e2b__caller_get(t->handler, "");
  assert_int_equal(e2b__http_stream_new(&t->fake, &source, t), 0);
  t->stream = t->fake.stream;
  assert_int_equal(e2b_http_stream_start(t->stream, on_data, on_end, t), 0);
  t->socket = e2b__server_socket_new(t->stream, &events, t);
  assert_non_null(t->socket);
}

static void end(socket_test *t) {
  e2b__server_socket_free(t->socket);
  e2b_http_stream_close(t->stream);
  harness_until_true(&t->h, &t->ended);
  e2b__caller_drop(t->fake.caller);
  e2b_handler_release(t->handler);
  harness_stop(&t->h);
}

/* A frame as a browser sends it. `first` is its first byte. */
static void frame(socket_test *t, unsigned char first, const char *data, size_t len) {
  static unsigned char bytes[14 + LARGEST + 1];
  size_t at = 0;
  bytes[at++] = first;
  if (len < 126) {
    bytes[at++] = (unsigned char)(0x80 | len);
  } else {
    bytes[at++] = 0x80 | 127;
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes[at++] = (unsigned char)((uint64_t)len >> shift);
    }
  }
  memcpy(bytes + at, "\x01\x02\x03\x04", 4);
  at += 4;
  for (size_t i = 0; i < len; i++) {
    bytes[at + i] = (unsigned char)((unsigned char)data[i] ^ (i % 4 + 1));
  }
  if (t->socket != NULL) e2b__server_socket_receive(t->socket, bytes, at + len);
  harness_turn(&t->h, 3);
}

static void assert_sent(const socket_test *t, const char *bytes, size_t len) {
  assert_int_equal(t->sent_len, len);
  assert_memory_equal(t->sent, bytes, len);
}

static void a_ping_is_answered_with_its_words(void **state) {
  socket_test t;
  (void)state;
  begin(&t);
  frame(&t, 0x89, "there?", 6);
  assert_sent(&t, "\x8a\x06there?", 8);
  assert_int_equal(t.messages + t.closed, 0);
  end(&t);
}

static void fragments_are_one_message_whatever_comes_between(void **state) {
  socket_test t;
  (void)state;
  begin(&t);
  frame(&t, 0x02, "ab", 2);
  frame(&t, 0x89, "", 0);
  frame(&t, 0x00, "", 0);
  frame(&t, 0x80, "c", 1);
  assert_sent(&t, "\x8a\x00", 2);
  assert_int_equal(t.messages, 1);
  assert_false(t.text);
  assert_int_equal(t.len, 3);
  end(&t);
}

static void messages_have_a_ceiling(void **state) {
  static char large[LARGEST + 1];
  socket_test t;
  (void)state;
  memset(large, 'l', sizeof large);
  begin(&t);
  frame(&t, 0x82, large, LARGEST);
  assert_int_equal(t.messages, 1);
  assert_int_equal(t.len, LARGEST);
  assert_int_equal(t.first, 'l');
  frame(&t, 0x82, large, LARGEST + 1);
  assert_int_equal(t.messages, 1);
  assert_int_equal(t.closed, 1);
  assert_sent(&t, "\x88\x02\x03\xf1", 4); /* 1009 */
  end(&t);
  /* In pieces it is no smaller. */
  begin(&t);
  frame(&t, 0x02, large, LARGEST);
  frame(&t, 0x80, large, 1);
  assert_int_equal(t.messages, 0);
  assert_sent(&t, "\x88\x02\x03\xf1", 4);
  end(&t);
}

static void rules_that_are_broken_are_named(void **state) {
  static const struct {
    unsigned char first;
    const char *data;
    size_t len;
    const char *close;
  } table[] = {
      {0x81, "\xff", 1, "\x03\xef"},         /* text that is no UTF-8: 1007 */
      {0x81, "\xed\xa0\x80", 3, "\x03\xef"}, /* a surrogate */
      {0xc2, "x", 1, "\x03\xea"},            /* a reserved bit: 1002 */
      {0x83, "x", 1, "\x03\xea"},            /* a reserved opcode */
      {0x80, "x", 1, "\x03\xea"},            /* a continuation of nothing */
      {0x09, "x", 1, NULL},                  /* a ping in pieces: the same */
      {0x88, "x", 1, NULL},                  /* half a code: a close without one */
      {0x88, "\x03\xed", 2, "\x03\xea"},     /* a code that must not be sent */
  };
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    socket_test t;
    begin(&t);
    frame(&t, table[i].first, table[i].data, table[i].len);
    assert_int_equal(t.closed, 1);
    assert_int_equal(t.messages, 0);
    assert_true(t.sent_len >= 2);
    assert_int_equal((unsigned char)t.sent[0], 0x88);
    assert_int_equal((unsigned char)t.sent[1], t.sent_len - 2);
    if (table[i].close != NULL) assert_memory_equal(t.sent + 2, table[i].close, 2);
    end(&t);
  }
}

static void frames_that_are_not_masked_are_refused(void **state) {
  socket_test t;
  (void)state;
  begin(&t);
  e2b__server_socket_receive(t.socket, "\x82\x01x", 3);
  harness_turn(&t.h, 3);
  assert_int_equal(t.messages, 0);
  assert_int_equal(t.closed, 1);
  assert_sent(&t, "\x88\x02\x03\xea", 4);
  end(&t);
}

static void a_close_is_answered_and_nothing_after_it_is_heard(void **state) {
  socket_test t;
  (void)state;
  begin(&t);
  frame(&t, 0x88,
        "\x03\xe9"
        "bye",
        5);
  assert_int_equal(t.closed, 1);
  assert_true(t.sent_len >= 4);
  assert_memory_equal(t.sent + 2, "\x03\xe9", 2); /* 1001, as it was said */
  const size_t sent = t.sent_len;
  frame(&t, 0x82, "late", 4);
  frame(&t, 0x89, "late", 4);
  assert_int_equal(t.messages, 0);
  assert_int_equal(t.sent_len, sent);
  assert_int_equal(e2b__server_socket_send(t.socket, true, "x", 1), E2B_ECLOSED);
  end(&t);
}

static void a_socket_may_be_freed_by_its_message(void **state) {
  socket_test t;
  (void)state;
  begin(&t);
  t.free_inside = true;
  frame(&t, 0x82, "x", 1);
  assert_null(t.socket);
  assert_int_equal(t.messages, 1);
  end(&t);
}

static void a_browser_that_only_pings_and_never_reads_is_let_go(void **state) {
  static char payload[125];
  socket_test t;
  (void)state;
  begin(&t);
  e2b_http_stream_pause(t.stream);
  for (unsigned i = 0; t.closed == 0; i++) {
    frame(&t, 0x89, payload, sizeof payload);
    assert_true(i < 40000); /* 4 MiB of answers */
  }
  end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ping_is_answered_with_its_words),
      cmocka_unit_test(fragments_are_one_message_whatever_comes_between),
      cmocka_unit_test(messages_have_a_ceiling),
      cmocka_unit_test(rules_that_are_broken_are_named),
      cmocka_unit_test(frames_that_are_not_masked_are_refused),
      cmocka_unit_test(a_close_is_answered_and_nothing_after_it_is_heard),
      cmocka_unit_test(a_socket_may_be_freed_by_its_message),
      cmocka_unit_test(a_browser_that_only_pings_and_never_reads_is_let_go),
  };
  return cmocka_run_group_tests_name("handler socket", tests, NULL, NULL);
}
