/* SPDX-License-Identifier: MIT */
#include "proto/envelope.h"

#include "support/starving.h"
#include "unit.h"

enum { CEILING = 1 << 20 };

static void put(e2b__buffer_t *out, unsigned flags, const char *payload, size_t len) {
  unsigned char prefix[E2B__ENVELOPE_PREFIX];
  e2b__envelope_prefix(prefix, flags, len);
  assert_int_equal(e2b__buffer_append(out, prefix, sizeof prefix), 0);
  assert_int_equal(e2b__buffer_append(out, payload, len), 0);
}

/* Feeds `stream` in pieces of `step` bytes, each in memory of its own, and writes what comes out as
 * envelopes again. */
static void pass_through(const e2b__buffer_t *stream, size_t step, e2b__buffer_t *out) {
  e2b__envelope_decoder_t d;
  e2b__envelope_decoder_init(&d, CEILING);
  for (size_t at = 0; at < stream->len; at += step) {
    size_t len = stream->len - at < step ? stream->len - at : step;
    char *piece = malloc(len);
    memcpy(piece, stream->data + at, len);
    const char *data = piece;
    e2b__envelope_t e;
    int rc;
    while ((rc = e2b__envelope_next(&d, &data, &len, &e)) == 1) {
      put(out, e.flags, e.payload, e.len);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(len, 0);
    free(piece);
  }
  assert_false(e2b__envelope_partial(&d));
  e2b__envelope_decoder_free(&d);
}

static void any_cut_of_the_stream_gives_the_same_envelopes(void **state) {
  (void)state;
  e2b__buffer_t stream = E2B__BUFFER_INIT(CEILING);
  char big[3000];
  memset(big, 'x', sizeof big);
  put(&stream, 0, "hello", 5);
  put(&stream, 0, "", 0);
  put(&stream, 0, big, sizeof big);
  put(&stream, E2B__ENVELOPE_COMPRESSED, "zz", 2);
  put(&stream, 0, "", 0);
  put(&stream, E2B__ENVELOPE_COMPRESSED | E2B__ENVELOPE_END_STREAM, "{}", 2);
  for (size_t step = 1; step <= stream.len; step++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(CEILING);
    pass_through(&stream, step, &out);
    assert_int_equal(out.len, stream.len);
    assert_memory_equal(out.data, stream.data, out.len);
    e2b__buffer_free(&out);
  }
  e2b__buffer_free(&stream);
}

static void the_prefix_is_flags_and_a_big_endian_length(void **state) {
  (void)state;
  unsigned char prefix[E2B__ENVELOPE_PREFIX];
  e2b__envelope_prefix(prefix, 2, 0x01020304);
  assert_memory_equal(prefix, "\2\1\2\3\4", 5);
}

static void a_payload_whole_in_one_piece_is_lent_without_a_copy(void **state) {
  (void)state;
  const char stream[] = "\0\0\0\0\3abc";
  e2b__envelope_decoder_t d;
  e2b__envelope_t e;
  starving_library_arm(0);
  e2b__envelope_decoder_init(&d, CEILING);
  const char *data = stream;
  size_t len = sizeof stream - 1;
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 1);
  assert_ptr_equal(e.payload, stream + 5);
  assert_int_equal(starving_count(), 0);
  /* Also when the prefix came before. */
  data = stream;
  len = 4;
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 0);
  assert_true(e2b__envelope_partial(&d));
  data = stream + 4;
  len = sizeof stream - 1 - 4;
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 1);
  assert_ptr_equal(e.payload, stream + 5);
  assert_int_equal(e.len, 3);
  assert_false(e2b__envelope_partial(&d));
  e2b__envelope_decoder_free(&d);
  assert_int_equal(starving_live(), 0);
  starving_library_remove();
}

static void a_stream_that_ends_inside_an_envelope_is_partial(void **state) {
  (void)state;
  const char stream[] = "\0\0\0\0\3abc";
  for (size_t cut = 0; cut < sizeof stream; cut++) {
    e2b__envelope_decoder_t d;
    e2b__envelope_t e;
    const char *data = stream;
    size_t len = cut;
    e2b__envelope_decoder_init(&d, CEILING);
    while (e2b__envelope_next(&d, &data, &len, &e) == 1) {
    }
    assert_int_equal(e2b__envelope_partial(&d) != 0, cut != 0 && cut != sizeof stream - 1);
    e2b__envelope_decoder_free(&d);
  }
}

/* The error of a stream that comes in one piece, then byte by byte; it must be the same, and stay.
 */
static int error_of(const char *stream, size_t size, size_t ceiling) {
  int first = 0;
  for (size_t step = size; step > 0; step = step == 1 ? 0 : 1) {
    e2b__envelope_decoder_t d;
    e2b__envelope_t e;
    int rc = 0;
    e2b__envelope_decoder_init(&d, ceiling);
    for (size_t at = 0; at < size && rc >= 0; at += step) {
      const char *data = stream + at;
      size_t len = step;
      while ((rc = e2b__envelope_next(&d, &data, &len, &e)) == 1) {
      }
    }
    const char *more = "\0\0\0\0\0";
    size_t len = 5;
    if (rc < 0) assert_int_equal(e2b__envelope_next(&d, &more, &len, &e), rc);
    if (step == size) first = rc;
    assert_int_equal(rc, first);
    e2b__envelope_decoder_free(&d);
  }
  return first;
}

static void unknown_flags_are_an_error_that_stays(void **state) {
  (void)state;
  assert_int_equal(error_of("\4\0\0\0\2{}", 7, CEILING), E2B_EPROTOCOL);
  assert_int_equal(error_of("\200\0\0\0\0", 5, CEILING), E2B_EPROTOCOL);
  assert_int_equal(error_of("HTTP/1.1 400", 12, CEILING), E2B_EPROTOCOL);
}

static void an_announcement_past_the_ceiling_is_an_error_that_stays(void **state) {
  (void)state;
  assert_int_equal(error_of("\0\0\0\0\3abc", 8, 3), 0);
  assert_int_equal(error_of("\0\0\0\0\4abcd", 9, 3), E2B_ETOOBIG);
  assert_int_equal(error_of("\0\377\377\377\377", 5, CEILING), E2B_ETOOBIG);
}

static void an_announcement_alone_costs_little_memory(void **state) {
  (void)state;
  const char *data = "\0\77\377\377\377x";
  size_t len = 6;
  e2b__envelope_decoder_t d;
  e2b__envelope_t e;
  e2b__envelope_decoder_init(&d, SIZE_MAX);
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 0);
  assert_true(d.gathered.capacity < 1000);
  e2b__envelope_decoder_free(&d);
}

static void an_idle_stream_holds_no_memory(void **state) {
  (void)state;
  e2b__buffer_t stream = E2B__BUFFER_INIT(CEILING);
  e2b__envelope_decoder_t d;
  e2b__envelope_t e;
  char big[40000];
  memset(big, 'x', sizeof big);
  put(&stream, 0, big, sizeof big);
  starving_library_arm(0);
  e2b__envelope_decoder_init(&d, CEILING);
  const char *data = stream.data;
  size_t len = 10000;
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 0);
  len = stream.len - 10000;
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 1);
  assert_int_equal(e.len, sizeof big);
  assert_int_equal(starving_live(), 1);
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), 0);
  assert_int_equal(starving_live(), 0);
  e2b__envelope_decoder_free(&d);
  starving_library_remove();
  e2b__buffer_free(&stream);
}

static void running_out_of_memory_is_an_error_that_stays(void **state) {
  (void)state;
  e2b__envelope_decoder_t d;
  e2b__envelope_t e;
  const char *data = "\0\0\0";
  size_t len = 3;
  starving_library_arm(1);
  e2b__envelope_decoder_init(&d, CEILING);
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), E2B_ENOMEM);
  assert_int_equal(e2b__envelope_next(&d, &data, &len, &e), E2B_ENOMEM);
  e2b__envelope_decoder_free(&d);
  starving_library_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_cut_of_the_stream_gives_the_same_envelopes),
      cmocka_unit_test(the_prefix_is_flags_and_a_big_endian_length),
      cmocka_unit_test(a_payload_whole_in_one_piece_is_lent_without_a_copy),
      cmocka_unit_test(a_stream_that_ends_inside_an_envelope_is_partial),
      cmocka_unit_test(unknown_flags_are_an_error_that_stays),
      cmocka_unit_test(an_announcement_past_the_ceiling_is_an_error_that_stays),
      cmocka_unit_test(an_announcement_alone_costs_little_memory),
      cmocka_unit_test(an_idle_stream_holds_no_memory),
      cmocka_unit_test(running_out_of_memory_is_an_error_that_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
