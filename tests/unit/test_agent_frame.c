/* SPDX-License-Identifier: MIT */
#include "agent/ws_frame.h"
#include "unit.h"

/* The agent's side of WebSocket frames. */

/* What a decoder made of some bytes, as text: "T(..)" a message, "D(..)" data, "P(..)" a ping,
 * "C1000" a close, "F1002" a fault. Pieces of data that follow each other are one. */
static void decode(const void *bytes, size_t len, size_t step, e2b__buffer_t *out) {
  e2b__ws_decoder_t decoder;
  bool in_data = false, over = false;
  e2b__ws_decoder_init(&decoder);
  for (size_t at = 0; at < len && !over; at += step) {
    size_t piece = len - at < step ? len - at : step;
    unsigned char *copy = malloc(piece), *data = copy;
    memcpy(copy, (const char *)bytes + at, piece);
    while (!over) {
      e2b__ws_event_t event = e2b__ws_decode(&decoder, &data, &piece);
      if (event.type == E2B__WS_MORE) break;
      if (in_data && event.type != E2B__WS_DATA) {
        e2b__buffer_append(out, ")", 1);
        in_data = false;
      }
      switch (event.type) {
      case E2B__WS_TEXT:
      case E2B__WS_PING:
        e2b__buffer_printf(out, "%c(%.*s)", event.type == E2B__WS_TEXT ? 'T' : 'P', (int)event.len,
                           event.data);
        break;
      case E2B__WS_DATA:
        e2b__buffer_printf(out, "%s%.*s", in_data ? "" : "D(", (int)event.len, event.data);
        in_data = true;
        break;
      default:
        e2b__buffer_printf(out, "%c%u", event.type == E2B__WS_CLOSE ? 'C' : 'F', event.code);
        over = true;
      }
    }
    if (!over) assert_int_equal(piece, 0);
    free(copy);
  }
  if (in_data) e2b__buffer_append(out, ")", 1);
  e2b__ws_decoder_free(&decoder);
}

static void check(const char *bytes, size_t len, const char *expected) {
  for (size_t step = 1; step <= len; step++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    decode(bytes, len, step, &out);
    assert_string_equal(out.data != NULL ? out.data : "", expected);
    e2b__buffer_free(&out);
  }
}
#define CHECK(bytes, expected) check(bytes, sizeof(bytes) - 1, expected)

#define MASK "\x01\x02\x03\x04"

static void frames_come_out_unmasked_however_they_are_cut(void **state) {
  (void)state;
  CHECK("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "T(Hello)");
  CHECK("\x82\x83" MASK "`ab", "D(aca)");
  CHECK("\x81\x80" MASK, "T()");
  CHECK("\x82\x80" MASK, "");
  CHECK("\x89\x82" MASK "in", "P(hl)");
  CHECK("\x8a\x82" MASK "in"
        "\x81\x81" MASK "`",
        "T(a)");
  CHECK("\x82\xfe\x00\x7e\0\0\0\0"
        "012345678901234567890123456789012345678901234567890123456789012"
        "012345678901234567890123456789012345678901234567890123456789012",
        "D(012345678901234567890123456789012345678901234567890123456789012"
        "012345678901234567890123456789012345678901234567890123456789012)");
}

static void messages_in_pieces_are_put_together(void **state) {
  (void)state;
  CHECK("\x01\x82\0\0\0\0He"
        "\x00\x80\0\0\0\0"
        "\x89\x81\0\0\0\0?"
        "\x80\x83\0\0\0\0llo"
        "\x81\x81\0\0\0\0!",
        "P(?)T(Hello)T(!)");
  CHECK("\x02\x81\0\0\0\0a\x00\x81\0\0\0\0b\x80\x81\0\0\0\0c", "D(abc)");
  CHECK("\x01\x80\0\0\0\0\x80\x80\0\0\0\0", "T()");
  /* A character may be cut, a message's end may not cut one. */
  CHECK("\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\xa4", "T(\xc3\xa4)");
  CHECK("\x01\x81\0\0\0\0\xc3\x80\x80\0\0\0\0", "F1007");
}

static void closes_are_checked(void **state) {
  (void)state;
  CHECK("\x88\x80\0\0\0\0", "C1005");
  CHECK("\x88\x82\0\0\0\0\x03\xe8", "C1000");
  CHECK("\x88\x85\0\0\0\0\x0f\xa1"
        "bye",
        "C4001");
  CHECK("\x88\x81\0\0\0\0\x03", "F1002");
  CHECK("\x88\x82\0\0\0\0\x03\xe7", "F1002");
  CHECK("\x88\x82\0\0\0\0\x03\xed", "F1002");
  CHECK("\x88\x82\0\0\0\0\x0b\xb7", "F1002");
  CHECK("\x88\x82\0\0\0\0\x13\x88", "F1002");
  CHECK("\x88\x83\0\0\0\0\x03\xe8\xff", "F1007");
}

static void what_the_rfc_forbids_is_a_fault(void **state) {
  (void)state;
  CHECK("\x81\x01x", "F1002");        /* no mask */
  CHECK("\xc1\x80\0\0\0\0", "F1002"); /* reserved bits */
  CHECK("\xa1\x80\0\0\0\0", "F1002");
  CHECK("\x91\x80\0\0\0\0", "F1002");
  CHECK("\x83\x80\0\0\0\0", "F1002"); /* reserved opcodes */
  CHECK("\x8b\x80\0\0\0\0", "F1002");
  CHECK("\x80\x80\0\0\0\0", "F1002");                 /* continues nothing */
  CHECK("\x01\x80\0\0\0\0\x81\x80\0\0\0\0", "F1002"); /* begins inside another */
  CHECK("\x02\x80\0\0\0\0\x02\x80\0\0\0\0", "F1002");
  CHECK("\x09\x80\0\0\0\0", "F1002");         /* a control frame in pieces */
  CHECK("\x89\xfe\x00\x7e\0\0\0\0", "F1002"); /* a long control frame */
  CHECK("\x82\xfe\x00\x7d\0\0\0\0", "F1002"); /* not the shortest length */
  CHECK("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", "F1002");
  CHECK("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", "F1002"); /* a negative one */
  CHECK("\x81\x81\0\0\0\0\x80", "F1007");
}

static void a_frame_and_a_text_have_a_ceiling(void **state) {
  (void)state;
  CHECK("\x82\xff\0\0\0\0\0\x01\0\x01\0\0\0\0", "F1009");
  CHECK("\x81\xff\0\0\0\0\0\x01\0\x01\0\0\0\0", "F1009");
  CHECK("\x01\x81\0\0\0\0 \x80\xff\0\0\0\0\0\x01\0\0\0\0\0\0", "F1009");
  /* Just as long as allowed. */
  static char frame[14 + E2B__WS_LARGEST] = "\x82\xff\0\0\0\0\0\x01\0\0";
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  memset(frame + 14, 'x', E2B__WS_LARGEST);
  decode(frame, sizeof frame, 1000, &out);
  assert_int_equal(out.len, E2B__WS_LARGEST + 3);
  e2b__buffer_free(&out);
}

static void heads_have_the_shortest_length(void **state) {
  static const struct {
    uint64_t len;
    const char *head;
    size_t head_len;
  } cases[] = {{0, "\x82\x00", 2},
               {125, "\x82\x7d", 2},
               {126, "\x82\x7e\x00\x7e", 4},
               {65535, "\x82\x7e\xff\xff", 4},
               {65536, "\x82\x7f\0\0\0\0\0\1\0\0", 10}};
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    unsigned char head[E2B__WS_HEAD_LARGEST];
    assert_int_equal(e2b__ws_head(head, E2B__WS_OPCODE_BINARY, cases[i].len), cases[i].head_len);
    assert_memory_equal(head, cases[i].head, cases[i].head_len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_come_out_unmasked_however_they_are_cut),
      cmocka_unit_test(messages_in_pieces_are_put_together),
      cmocka_unit_test(closes_are_checked),
      cmocka_unit_test(what_the_rfc_forbids_is_a_fault),
      cmocka_unit_test(a_frame_and_a_text_have_a_ceiling),
      cmocka_unit_test(heads_have_the_shortest_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
