/* SPDX-License-Identifier: MIT */
#include "samples.h"
#include "support/starving.h"
#include "unit.h"

/* What holds for every message, in both encodings. */

static const e2b__encoding_t encodings[] = {E2B__PROTO, E2B__JSON};

static e2b__buffer_t encode(const sample *s, const void *value, e2b__encoding_t encoding) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  int rc = e2b__message_encode(s->type, value, encoding, &out);
  if (rc != 0) fail_msg("%s: %d", s->name, rc);
  return out;
}

static void assert_same(const sample *s, const e2b__buffer_t *a, const e2b__buffer_t *b) {
  if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0) return;
  fail_msg("%s differs:\n%.*s\n%.*s", s->name, (int)a->len, a->data, (int)b->len, b->data);
}

static void messages_are_written_as_the_daemon_reads_them(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    if (samples[i].json == NULL) continue;
    e2b__buffer_t out = encode(&samples[i], samples[i].value, E2B__JSON);
    assert_string_equal(out.data, samples[i].json);
    e2b__buffer_free(&out);
  }
}

/* A message goes through one encoding; what comes out must be written the same by both. */
static void round_trip(const sample *s, e2b__encoding_t through) {
  e2b__buffer_t first = encode(s, s->value, through);
  e2b__arena_t arena = {0};
  const char *why;
  void *back = sample_room(s);
  int rc = e2b__message_decode(s->type, first.data, first.len, through, &arena, back, &why);
  if (rc != 0) fail_msg("%s: %s", s->name, why);
  for (size_t e = 0; e < 2; e++) {
    e2b__buffer_t original = encode(s, s->value, encodings[e]);
    e2b__buffer_t again = encode(s, back, encodings[e]);
    assert_same(s, &original, &again);
    e2b__buffer_free(&original);
    e2b__buffer_free(&again);
  }
  free(back);
  e2b__arena_free(&arena);
  e2b__buffer_free(&first);
}

static void every_message_survives_both_encodings_and_they_agree(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    round_trip(&samples[i], E2B__PROTO);
    round_trip(&samples[i], E2B__JSON);
  }
}

static bool all_zero(const void *memory, size_t len) {
  const unsigned char *p = memory;
  for (size_t i = 0; i < len; i++) {
    if (p[i] != 0) return false;
  }
  return true;
}

/* Cut input lies in memory of its very size, so that the sanitizer sees a step past its end. */
static void decode_cut(const sample *s, const e2b__buffer_t *whole, size_t len,
                       e2b__encoding_t encoding) {
  char *cut = malloc(len > 0 ? len : 1);
  void *back = sample_room(s);
  e2b__arena_t arena = {0};
  const char *why = NULL;
  memcpy(cut, whole->data, len);
  int rc = e2b__message_decode(s->type, cut, len, encoding, &arena, back, &why);
  if (rc != 0) {
    assert_int_equal(rc, E2B_EPROTOCOL);
    assert_non_null(why);
    assert_true(all_zero(back, s->type->size));
  } else {
    assert_int_equal(encoding, E2B__PROTO); /* half a JSON text is never a message */
    e2b__buffer_t again = encode(s, back, encoding);
    assert_true(again.len <= len);
    e2b__buffer_free(&again);
  }
  e2b__arena_free(&arena);
  free(back);
  free(cut);
}

static void a_message_cut_anywhere_is_an_error_or_a_shorter_message(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    for (size_t e = 0; e < 2; e++) {
      e2b__buffer_t whole = encode(&samples[i], samples[i].value, encodings[e]);
      for (size_t len = 0; len < whole.len; len++) {
        decode_cut(&samples[i], &whole, len, encodings[e]);
      }
      e2b__buffer_free(&whole);
    }
  }
}

static void one_flipped_byte_never_harms(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    const sample *s = &samples[i];
    for (size_t e = 0; e < 2; e++) {
      e2b__buffer_t text = encode(s, s->value, encodings[e]);
      for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
          e2b__arena_t arena = {0};
          void *back = sample_room(s);
          text.data[at] = (char)(text.data[at] ^ 1 << bit);
          int rc =
              e2b__message_decode(s->type, text.data, text.len, encodings[e], &arena, back, NULL);
          assert_true(rc == 0 || rc == E2B_EPROTOCOL);
          text.data[at] = (char)(text.data[at] ^ 1 << bit);
          free(back);
          e2b__arena_free(&arena);
        }
      }
      e2b__buffer_free(&text);
    }
  }
}

static void running_out_of_memory_while_encoding_leaves_the_buffer(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    for (size_t e = 0; e < 2; e++) {
      int rc = E2B_ENOMEM;
      for (size_t n = 1; rc != 0; n++) {
        e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
        starving_library_arm(n);
        rc = e2b__message_encode(samples[i].type, samples[i].value, encodings[e], &out);
        assert_true(rc == 0 || rc == E2B_ENOMEM);
        if (rc != 0) assert_int_equal(out.len, 0);
        e2b__buffer_free(&out);
        assert_int_equal(starving_live(), 0);
      }
    }
  }
  starving_library_remove();
}

static void running_out_of_memory_while_decoding_leaves_nothing(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    const sample *s = &samples[i];
    for (size_t e = 0; e < 2; e++) {
      e2b__buffer_t text = encode(s, s->value, encodings[e]);
      void *back = sample_room(s);
      int rc = E2B_ENOMEM;
      for (size_t n = 1; rc != 0; n++) {
        e2b__arena_t arena = {0};
        starving_library_arm(n);
        rc = e2b__message_decode(s->type, text.data, text.len, encodings[e], &arena, back, NULL);
        assert_true(rc == 0 || rc == E2B_ENOMEM);
        e2b__arena_free(&arena);
        assert_int_equal(starving_live(), 0);
      }
      starving_library_remove();
      free(back);
      e2b__buffer_free(&text);
    }
  }
}

static void a_message_that_does_not_fit_leaves_the_buffer(void **state) {
  (void)state;
  for (size_t i = 0; i < samples_count; i++) {
    for (size_t e = 0; e < 2; e++) {
      e2b__buffer_t whole = encode(&samples[i], samples[i].value, encodings[e]);
      for (size_t room = 0; room < whole.len; room++) {
        e2b__buffer_t out = E2B__BUFFER_INIT(room + 4);
        assert_int_equal(e2b__buffer_append_str(&out, "kept"), 0);
        assert_int_equal(e2b__message_encode(samples[i].type, samples[i].value, encodings[e], &out),
                         E2B_ETOOBIG);
        assert_string_equal(out.data, "kept");
        e2b__buffer_free(&out);
      }
      e2b__buffer_free(&whole);
    }
  }
}

static void text_that_is_not_utf8_is_not_sent(void **state) {
  (void)state;
  e2b__path_request_t path = {E2B__STR("/tmp/\377")};
  e2b__str_pair_t pair = {E2B__STR("K"), E2B__STR("\355\240\200")};
  e2b__process_config_t config = {.cmd = E2B__STR("ls"), .envs = &pair, .envs_count = 1};
  e2b__process_start_request_t start = {.process = &config};
  for (size_t e = 0; e < 2; e++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1000);
    assert_int_equal(e2b__message_encode(&e2b__path_request, &path, encodings[e], &out),
                     E2B_EINVAL);
    assert_int_equal(e2b__message_encode(&e2b__process_start_request, &start, encodings[e], &out),
                     E2B_EINVAL);
    assert_int_equal(out.len, 0);
    e2b__buffer_free(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_are_written_as_the_daemon_reads_them),
      cmocka_unit_test(every_message_survives_both_encodings_and_they_agree),
      cmocka_unit_test(a_message_cut_anywhere_is_an_error_or_a_shorter_message),
      cmocka_unit_test(one_flipped_byte_never_harms),
      cmocka_unit_test(running_out_of_memory_while_encoding_leaves_the_buffer),
      cmocka_unit_test(running_out_of_memory_while_decoding_leaves_nothing),
      cmocka_unit_test(a_message_that_does_not_fit_leaves_the_buffer),
      cmocka_unit_test(text_that_is_not_utf8_is_not_sent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
