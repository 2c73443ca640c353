/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/sockets.h"

/* What RFC 6455 wants of a client, in the cases that the Autobahn test-suite is known for (its
 * numbers are in front). Each is played as it is, and again one byte at a time. */

enum { RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10 };

/* What the peer sends; ends with first_byte END. */
enum { END = 0x100, RAW = 0x200 /* no header of ours */ };
typedef struct sent {
  unsigned first_byte;
  const char *data;
  size_t len;
} sent;

#define SENT(byte, text) \
  { (byte), (text), sizeof(text) - 1 }
#define STOP \
  { END, "", 0 }

enum { MOST_SENT = 16 };
typedef struct rule {
  const char *name;
  sent frames[MOST_SENT];
  const char *messages; /* each followed by '|' */
  const char *pongs;    /* likewise */
  unsigned closes;      /* code of our close frame; 0: none; 1005: one without */
  int code;             /* of the end; 1: it stays open */
  unsigned close_code;  /* the peer's */
  const char *reason;
} rule;

static const char long_ping[125] = {[0 ... 124] = (char)0xfe};
static const char longer_ping[126] = {[0 ... 125] = (char)0xfe};

/* Ends of sentences: it goes on; the peer closes well; we fail it. */
#define STAYS          0, 1, 0, ""
#define FAILS(closing) (closing), E2B_EPROTOCOL, 0, ""

static const rule control[] = {
    {"2.1 ping without payload", {SENT(FIN | PING, ""), STOP}, "", "|", STAYS},
    {"2.2 ping with text", {SENT(FIN | PING, "Hello, world!"), STOP}, "", "Hello, world!|", STAYS},
    {"2.3 ping with bytes",
     {SENT(FIN | PING, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), STOP},
     "",
     NULL,
     STAYS},
    {"2.4 the longest ping", {{FIN | PING, long_ping, 125}, STOP}, "", NULL, STAYS},
    {"2.5 a ping too long", {{FIN | PING, longer_ping, 126}, STOP}, "", "", FAILS(1002)},
    {"2.7 a pong nobody asked for",
     {SENT(FIN | PONG, ""), SENT(FIN | TEXT, "on"), STOP},
     "on|",
     "",
     STAYS},
    {"2.9 a pong, then a ping",
     {SENT(FIN | PONG, "unsolicited"), SENT(FIN | PING, "ping"), STOP},
     "",
     "ping|",
     STAYS},
    {"2.10 pings in a row",
     {SENT(FIN | PING, "1"), SENT(FIN | PING, "2"), SENT(FIN | PING, "3"), SENT(FIN | PING, "4"),
      SENT(FIN | PING, "5"), SENT(FIN | PING, "6"), SENT(FIN | PING, "7"), SENT(FIN | PING, "8"),
      SENT(FIN | PING, "9"), SENT(FIN | PING, "10"), STOP},
     "",
     "1|2|3|4|5|6|7|8|9|10|",
     STAYS},
    {"3.1 a reserved bit", {SENT(FIN | RSV3 | TEXT, "Hello"), STOP}, "", "", FAILS(1002)},
    {"3.2 after a good message",
     {SENT(FIN | TEXT, "Hello"), SENT(FIN | RSV2 | TEXT, "Hello"), SENT(FIN | PING, "x"), STOP},
     "Hello|",
     "",
     FAILS(1002)},
    {"3.3 two of them",
     {SENT(FIN | TEXT, "Hello"), SENT(FIN | RSV2 | RSV3 | TEXT, "x"), STOP},
     "Hello|",
     "",
     FAILS(1002)},
    {"3.4 the one of compression", {SENT(FIN | RSV1 | TEXT, "Hello"), STOP}, "", "", FAILS(1002)},
    {"3.5 in binary", {SENT(FIN | RSV1 | RSV3 | BINARY, "x"), STOP}, "", "", FAILS(1002)},
    {"3.6 in a ping", {SENT(FIN | RSV1 | RSV2 | PING, "x"), STOP}, "", "", FAILS(1002)},
    {"3.7 in a close",
     {SENT(FIN | RSV1 | RSV2 | RSV3 | CLOSE, "\x03\xe8"), STOP},
     "",
     "",
     FAILS(1002)},
    {"4.1.1 kind 3", {SENT(FIN | 3, ""), STOP}, "", "", FAILS(1002)},
    {"4.1.2 kind 4", {SENT(FIN | 4, "reserved"), STOP}, "", "", FAILS(1002)},
    {"4.1.3 kind 5", {SENT(FIN | TEXT, "x"), SENT(FIN | 5, ""), STOP}, "x|", "", FAILS(1002)},
    {"4.1.4 kind 6", {SENT(FIN | 6, "y"), STOP}, "", "", FAILS(1002)},
    {"4.1.5 kind 7", {SENT(FIN | 7, "y"), STOP}, "", "", FAILS(1002)},
    {"4.2.1 kind 11", {SENT(FIN | 11, ""), STOP}, "", "", FAILS(1002)},
    {"4.2.2 kind 12", {SENT(FIN | 12, "y"), STOP}, "", "", FAILS(1002)},
    {"4.2.3 kind 13", {SENT(FIN | 13, "y"), STOP}, "", "", FAILS(1002)},
    {"4.2.4 kind 14", {SENT(FIN | 14, "y"), STOP}, "", "", FAILS(1002)},
    {"4.2.5 kind 15", {SENT(FIN | 15, "y"), STOP}, "", "", FAILS(1002)},
    {"a masked frame", {SENT(RAW, "\x81\x82....Hi"), STOP}, "", "", FAILS(1002)},
    {"a length not in its shortest form",
     {SENT(RAW, "\x81\x7e\x00\x02hi"), STOP},
     "",
     "",
     FAILS(1002)},
    {"a length not in its shortest form, eight bytes",
     {SENT(RAW, "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi"), STOP},
     "",
     "",
     FAILS(1002)},
    {"a length past 63 bits",
     {SENT(RAW, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x02hi"), STOP},
     "",
     "",
     FAILS(1002)},
};

static const rule fragments[] = {
    {"5.1 a ping in fragments", {SENT(PING, "a"), SENT(FIN, "b"), STOP}, "", "", FAILS(1002)},
    {"5.2 a pong in fragments", {SENT(PONG, "a"), SENT(FIN, "b"), STOP}, "", "", FAILS(1002)},
    {"5.3 a message in two", {SENT(TEXT, "frag"), SENT(FIN, "ment"), STOP}, "fragment|", "", STAYS},
    {"5.6 with a ping between",
     {SENT(TEXT, "frag"), SENT(FIN | PING, "ping"), SENT(FIN, "ment"), STOP},
     "fragment|",
     "ping|",
     STAYS},
    {"5.9 a continuation of nothing",
     {SENT(FIN, "x"), SENT(FIN | TEXT, "y"), STOP},
     "",
     "",
     FAILS(1002)},
    {"5.12 the same, more to come",
     {SENT(0, "x"), SENT(FIN | TEXT, "y"), STOP},
     "",
     "",
     FAILS(1002)},
    {"5.15 after a whole message",
     {SENT(TEXT, "a"), SENT(FIN, "b"), SENT(0, "c"), SENT(FIN | TEXT, "d"), STOP},
     "ab|",
     "",
     FAILS(1002)},
    {"5.18 a message inside another",
     {SENT(TEXT, "a"), SENT(FIN | TEXT, "b"), STOP},
     "",
     "",
     FAILS(1002)},
    {"5.19 five fragments, pings between",
     {SENT(TEXT, "f1"), SENT(0, "f2"), SENT(FIN | PING, "p1"), SENT(0, "f3"), SENT(0, "f4"),
      SENT(FIN | PING, "p2"), SENT(FIN, "f5"), STOP},
     "f1f2f3f4f5|",
     "p1|p2|",
     STAYS},
    {"6.1.1 an empty message", {SENT(FIN | TEXT, ""), STOP}, "|", "", STAYS},
    {"6.1.2 three empty fragments",
     {SENT(TEXT, ""), SENT(0, ""), SENT(FIN, ""), STOP},
     "|",
     "",
     STAYS},
    {"6.1.3 something between two empty ones",
     {SENT(TEXT, ""), SENT(0, "middle"), SENT(FIN, ""), STOP},
     "middle|",
     "",
     STAYS},
    {"a binary message in three",
     {SENT(BINARY, "\xff"), SENT(0, ""), SENT(FIN, "\xfe"), STOP},
     "\xff\xfe|",
     "",
     STAYS},
};

static const rule text[] = {
    {"6.2.1 text of several alphabets",
     {SENT(FIN | TEXT, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"),
      STOP},
     "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!|",
     "",
     STAYS},
    {"6.2.3 cut inside characters",
     {SENT(TEXT, "\xce"), SENT(0, "\xba\xe1"), SENT(0, "\xbd"), SENT(FIN, "\xb9\xf0\x90\x8d\x88"),
      STOP},
     "\xce\xba\xe1\xbd\xb9\xf0\x90\x8d\x88|",
     "",
     STAYS},
    {"6.3.1 a surrogate",
     {SENT(FIN | TEXT, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80"
                       "edited"),
      STOP},
     "",
     "",
     FAILS(1007)},
    {"6.4.1 refused before the message ends",
     {SENT(TEXT, "\xce\xba\xe1\xbd\xb9\xcf\x83"), SENT(0, "\xf4\x90\x80\x80"), STOP},
     "",
     "",
     FAILS(1007)},
    {"6.4.3 and before its frame ends",
     {SENT(RAW, "\x81\x20\xce\xba\xf4\x90\x80\x80"), STOP},
     "",
     "",
     FAILS(1007)},
    {"6.6.1 cut off at the end", {SENT(FIN | TEXT, "\xce"), STOP}, "", "", FAILS(1007)},
    {"6.6.7 the same in fragments",
     {SENT(TEXT, "\xce\xba\xe1"), SENT(FIN, "\xbd"), STOP},
     "",
     "",
     FAILS(1007)},
    {"6.8 a lead byte of five",
     {SENT(FIN | TEXT, "\xf8\x88\x80\x80\x80"), STOP},
     "",
     "",
     FAILS(1007)},
    {"6.10 an overlong form", {SENT(FIN | TEXT, "\xc0\xaf"), STOP}, "", "", FAILS(1007)},
    {"6.14 a continuation byte alone", {SENT(FIN | TEXT, "\x80"), STOP}, "", "", FAILS(1007)},
    {"6.20 the last character there is",
     {SENT(FIN | TEXT, "\xf4\x8f\xbf\xbf"), STOP},
     "\xf4\x8f\xbf\xbf|",
     "",
     STAYS},
    {"6.22 a non-character", {SENT(FIN | TEXT, "\xef\xbf\xbe"), STOP}, "\xef\xbf\xbe|", "", STAYS},
    {"bytes are not text", {SENT(FIN | BINARY, "\xff\xc0\x80"), STOP}, "\xff\xc0\x80|", "", STAYS},
};

#define CLOSED(closing, theirs, why) (closing), 0, (theirs), (why)
static const char reason_123[125] = {0x03, (char)0xe8, [2 ... 124] = '*'};
static const char reason_124[126] = {0x03, (char)0xe8, [2 ... 125] = '*'};

static const rule closing[] = {
    {"7.1.1 a message, then a close",
     {SENT(FIN | TEXT, "Hello"), SENT(FIN | CLOSE, "\x03\xe8"), STOP},
     "Hello|",
     "",
     CLOSED(1000, 1000, "")},
    {"7.1.2 two closes",
     {SENT(FIN | CLOSE, "\x03\xe8"), SENT(FIN | CLOSE, "\x03\xe8"), STOP},
     "",
     "",
     CLOSED(1000, 1000, "")},
    {"7.1.3 a ping after a close",
     {SENT(FIN | CLOSE, "\x03\xe8"), SENT(FIN | PING, "x"), STOP},
     "",
     "",
     CLOSED(1000, 1000, "")},
    {"7.1.4 text after a close",
     {SENT(FIN | CLOSE, "\x03\xe8"), SENT(FIN | TEXT, "x"), STOP},
     "",
     "",
     CLOSED(1000, 1000, "")},
    {"7.1.5 a close inside a message",
     {SENT(TEXT, "a"), SENT(FIN | CLOSE, "\x03\xe8"), SENT(FIN, "b"), STOP},
     "",
     "",
     CLOSED(1000, 1000, "")},
    {"7.3.1 an empty close", {SENT(FIN | CLOSE, ""), STOP}, "", "", CLOSED(1005, 1005, "")},
    {"7.3.2 half a code", {SENT(FIN | CLOSE, "a"), STOP}, "", "", 1002, E2B_EPROTOCOL, 1005, ""},
    {"7.3.4 a reason",
     {SENT(FIN | CLOSE, "\x03\xe8Hello World!"), STOP},
     "",
     "",
     CLOSED(1000, 1000, "Hello World!")},
    {"7.3.5 the longest reason",
     {{FIN | CLOSE, reason_123, 125}, STOP},
     "",
     "",
     CLOSED(1000, 1000, NULL)},
    {"7.3.6 a reason too long", {{FIN | CLOSE, reason_124, 126}, STOP}, "", "", FAILS(1002)},
    {"7.5.1 a reason that is no text",
     {SENT(FIN | CLOSE, "\x03\xe8\xce\xba\xed\xa0\x80"), STOP},
     "",
     "",
     1007,
     E2B_EPROTOCOL,
     1000,
     ""},
};

/* --- playing ---------------------------------------------------------------------------------- */

typedef struct scene {
  sockets_t s;
  char messages[512];
} scene;

static void note_message(sockets_t *s) {
  scene *sc = E2B__CONTAINER(s, scene, s);
  const size_t len = strlen(sc->messages);
  snprintf(sc->messages + len, sizeof sc->messages - len, "%s|", s->message);
}

static void check_frames(scene *sc, const rule *r) {
  peer_got_t frame;
  char pongs[512] = "";
  unsigned closes = 0;
  for (unsigned i = 0; peer_got(sc->s.peer, i, &frame); i++) {
    assert_true(frame.masked);
    assert_int_equal(closes, 0); /* nothing follows a close */
    if (frame.first_byte == (FIN | PONG)) {
      const size_t len = strlen(pongs);
      snprintf(pongs + len, sizeof pongs - len, "%s|", frame.data);
      if (r->pongs == NULL) {
        assert_int_equal(frame.len, r->frames[0].len);
        assert_memory_equal(frame.data, r->frames[0].data, frame.len);
      }
    } else {
      assert_int_equal(frame.first_byte, FIN | CLOSE);
      const unsigned char *p = (const unsigned char *)frame.data;
      closes = frame.len == 0 ? 1005 : (unsigned)p[0] << 8 | p[1];
      assert_true(frame.len == 0 || frame.len == 2);
    }
  }
  if (r->pongs != NULL) assert_string_equal(pongs, r->pongs);
  assert_int_equal(closes, r->closes);
}

static void play(const rule *r, bool bytewise) {
  scene sc;
  memset(&sc, 0, sizeof sc);
  print_message("           %s%s\n", r->name, bytewise ? ", bytewise" : "");
  sockets_open(&sc.s);
  sc.s.at_message = note_message;
  if (bytewise) peer_bytewise(sc.s.peer);
  sockets_connect(&sc.s);
  sockets_until_open(&sc.s);
  for (const sent *f = r->frames; f->first_byte != END; f++) {
    if (f->first_byte == RAW) {
      peer_send(sc.s.peer, f->data, f->len);
    } else {
      peer_frame(sc.s.peer, f->first_byte, f->data, f->len);
    }
  }
  if (r->code == 1) {
    /* It has seen all of it when it answers this. */
    peer_text(sc.s.peer, FIN | PING, "the end");
    peer_got_t last = {0};
    while (sc.s.closed == 0 && (peer_frames(sc.s.peer) == 0 ||
                                !peer_got(sc.s.peer, peer_frames(sc.s.peer) - 1, &last) ||
                                strcmp(last.data, "the end") != 0)) {
      harness_turn_once(&sc.s.h);
    }
    assert_int_equal(sc.s.closed, 0);
    rule longer = *r;
    char pongs[512];
    if (r->pongs != NULL) snprintf(pongs, sizeof pongs, "%sthe end|", r->pongs);
    if (r->pongs != NULL) longer.pongs = pongs;
    if (r->pongs != NULL) check_frames(&sc, &longer);
  } else {
    sockets_until_closed(&sc.s);
    sockets_until_peer_ended(&sc.s);
    check_frames(&sc, r);
    assert_int_equal(sc.s.code, r->code);
    assert_int_equal(sc.s.close_code, r->close_code);
    if (r->reason != NULL) assert_string_equal(sc.s.reason, r->reason);
    if (r->reason == NULL) assert_int_equal(strlen(sc.s.reason), 123);
    assert_int_equal(sc.s.code == 0, *sc.s.why == '\0');
  }
  assert_string_equal(sc.messages, r->messages);
  sockets_close(&sc.s);
}

static void play_all(const rule *rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    play(&rules[i], false);
    play(&rules[i], true);
  }
}

static void control_frames(void **state) {
  (void)state;
  play_all(control, E2B__COUNT(control));
}

static void fragmentation(void **state) {
  (void)state;
  play_all(fragments, E2B__COUNT(fragments));
}

static void text_is_utf8(void **state) {
  (void)state;
  play_all(text, E2B__COUNT(text));
}

static void closes(void **state) {
  (void)state;
  play_all(closing, E2B__COUNT(closing));
}

/* 7.7 and 7.9 */
static void close_codes(void **state) {
  (void)state;
  static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                  1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                 1016, 1100, 2000, 2999, 5000, 65535};
  for (size_t i = 0; i < E2B__COUNT(good) + E2B__COUNT(bad); i++) {
    const bool fine = i < E2B__COUNT(good);
    const unsigned code = fine ? good[i] : bad[i - E2B__COUNT(good)];
    const char payload[2] = {(char)(code >> 8), (char)code};
    char name[32];
    snprintf(name, sizeof name, "close code %u", code);
    rule r = {name, {{FIN | CLOSE, payload, 2}, STOP}, "", "", 0, 0, code, ""};
    r.closes = fine ? code : 1002;
    r.code = fine ? 0 : E2B_EPROTOCOL;
    play(&r, false);
  }
}

/* --- sizes ------------------------------------------------------------------------------------ */

static char *pattern(size_t len) {
  char *data = malloc(len + 1);
  assert_non_null(data);
  for (size_t i = 0; i < len; i++) {
    data[i] = (char)('a' + i * 7 % 26);
  }
  data[len] = '\0';
  return data;
}

static void echo_one(sockets_t *s, unsigned kind, size_t len, size_t fragment) {
  char *data = pattern(len);
  const unsigned before = s->messages;
  const unsigned frames = peer_frames(s->peer);
  for (size_t at = 0; at == 0 || at < len; at += fragment) {
    const size_t left = len - at;
    const bool last = left <= fragment;
    peer_frame(s->peer, (last ? FIN : 0) | (at == 0 ? kind : CONTINUATION), data + at,
               last ? left : fragment);
    if (last) break;
  }
  sockets_until_messages(s, before + 1);
  assert_int_equal(s->kind, kind);
  assert_int_equal(s->message_len, len);
  assert_memory_equal(s->message, data, len);
  while (e2b__websocket_send(s->websocket, s->kind, s->message, s->message_len) == E2B_EAGAIN) {
    harness_turn_once(&s->h);
  }
  peer_got_t frame;
  while (!peer_got(s->peer, frames, &frame)) {
    harness_turn_once(&s->h);
  }
  assert_int_equal(frame.first_byte, FIN | kind);
  assert_int_equal(frame.len, len);
  assert_memory_equal(frame.data, data, len);
  free(data);
}

/* 1 */
static void messages_of_all_sizes(void **state) {
  static const size_t sizes[] = {0,    1,    125,   126,   127,   128,   4095,
                                 4096, 4097, 65535, 65536, 65537, 200000};
  sockets_t *s = *state;
  s->options.quick_ack = true;
  sockets_connect_until_open(s);
  for (size_t i = 0; i < E2B__COUNT(sizes); i++) {
    echo_one(s, TEXT, sizes[i], SIZE_MAX);
    echo_one(s, BINARY, sizes[i], SIZE_MAX);
  }
}

/* 9 */
static void messages_of_16_mib(void **state) {
  (void)state;
  static const size_t fragments_of[] = {SIZE_MAX, 64, 4096, 1 << 20};
  for (size_t i = 0; i < E2B__COUNT(fragments_of); i++) {
    const size_t len = fragments_of[i] == 64 ? 256 << 10 : 16 << 20;
    sockets_t s;
    sockets_open(&s);
    sockets_connect_until_open(&s);
    echo_one(&s, i % 2 == 0 ? TEXT : BINARY, len, fragments_of[i]);
    sockets_close(&s);
  }
}

static void pieces_of_16_mib(void **state) {
  sockets_t *s = *state;
  s->options.max_message_bytes = 1000; /* of what is collected */
  sockets_stream(s);
  sockets_connect_until_open(s);
  char *data = pattern(16 << 20);
  peer_frame(s->peer, BINARY, data, 16 << 20);
  peer_frame(s->peer, FIN | PING, "in the middle", 13);
  peer_frame(s->peer, FIN, data, 1);
  peer_frame(s->peer, FIN | BINARY, "", 0);
  peer_frame(s->peer, FIN | TEXT, "text", 4);
  sockets_until_messages(s, 1);
  assert_int_equal(s->streamed, (16 << 20) + 1);
  assert_int_equal(s->firsts, 2);
  assert_int_equal(s->lasts, 2);
  assert_string_equal(s->message, "text");
  free(data);
}

static void a_message_too_long_is_refused_by_its_header(void **state) {
  (void)state;
  for (int fragmented = 0; fragmented < 2; fragmented++) {
    sockets_t s;
    sockets_open(&s);
    s.options.max_message_bytes = 1000;
    sockets_connect_until_open(&s);
    char *data = pattern(1000);
    peer_frame(s.peer, FIN | BINARY, data, 1000);
    sockets_until_messages(&s, 1);
    if (fragmented) {
      peer_frame(s.peer, TEXT, data, 900);
      peer_frame(s.peer, FIN, data, 101);
    } else {
      peer_send(s.peer, "\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00x", 11);
    }
    sockets_until_closed(&s);
    assert_int_equal(s.code, E2B_ETOOBIG);
    assert_int_equal(s.messages, 1);
    sockets_until_peer_ended(&s);
    peer_got_t frame;
    assert_true(peer_got(s.peer, 0, &frame));
    assert_memory_equal(frame.data, "\x03\xf1", 2);
    free(data);
    sockets_close(&s);
  }
}

/* 10 */
static void parts_of_a_message_are_fragments(void **state) {
  static const unsigned expected[] = {TEXT, CONTINUATION, FIN | CONTINUATION, FIN | BINARY,
                                      FIN | BINARY};
  sockets_t *s = *state;
  sockets_connect_until_open(s);
  assert_int_equal(e2b__websocket_send_part(s->websocket, E2B__WEBSOCKET_TEXT, "\xce", 1, false),
                   0);
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_TEXT, "x", 1), E2B_EINVAL);
  assert_int_equal(e2b__websocket_send_part(s->websocket, E2B__WEBSOCKET_TEXT, "\xba", 1, false),
                   0);
  assert_int_equal(e2b__websocket_send_part(s->websocket, E2B__WEBSOCKET_TEXT, "", 0, true), 0);
  assert_int_equal(e2b__websocket_send_part(s->websocket, E2B__WEBSOCKET_BINARY, "b", 1, true), 0);
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_BINARY, "c", 1), 0);
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_TEXT, "\xce", 1), E2B_EINVAL);
  sockets_until_frames(s, E2B__COUNT(expected));
  for (unsigned i = 0; i < E2B__COUNT(expected); i++) {
    peer_got_t frame;
    assert_true(peer_got(s->peer, i, &frame));
    assert_int_equal(frame.first_byte, expected[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(control_frames),
      cmocka_unit_test(fragmentation),
      cmocka_unit_test(text_is_utf8),
      cmocka_unit_test(closes),
      cmocka_unit_test(close_codes),
      SOCKETS_TEST(messages_of_all_sizes),
      cmocka_unit_test(messages_of_16_mib),
      SOCKETS_TEST(pieces_of_16_mib),
      cmocka_unit_test(a_message_too_long_is_refused_by_its_header),
      SOCKETS_TEST(parts_of_a_message_are_fragments),
  };
  return cmocka_run_group_tests_name("websocket_rules", tests, NULL, NULL);
}
