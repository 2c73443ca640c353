/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"
#include "proto/http_head.h"
#include "unit.h"

/* The head of an answer from a program that may be anything, and its chunks. */

static int parse(e2b__http_head_t *head, const char *text, char **copy) {
  *copy = e2b__strdup(text);
  assert_non_null(*copy);
  size_t end = e2b__http_head_end(*copy, strlen(text), 0);
  assert_int_not_equal(end, 0);
  return e2b__http_head_parse(head, *copy, end);
}

static int parse_only(const char *text) {
  e2b__http_head_t head;
  char *copy;
  int rc = parse(&head, text, &copy);
  e2b__free(copy);
  return rc;
}

static void fields_are_taken_apart(void **state) {
  (void)state;
  e2b__http_head_t head;
  char *copy;
  assert_int_equal(parse(&head,
                         "HTTP/1.1 206 Partial Content\r\nContent-Type:text/plain\r\n"
                         "X-Empty:\r\nX-Blanks: \t a b \t\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
                         "X-Folded: one\r\n  two\r\nContent-Length: 12\r\n\r\nbody",
                         &copy),
                   0);
  assert_int_equal(head.status, 206);
  assert_int_equal(head.minor, 1);
  assert_int_equal(head.count, 7);
  assert_string_equal(e2b__http_head_field(&head, "content-type"), "text/plain");
  assert_string_equal(e2b__http_head_field(&head, "x-empty"), "");
  assert_string_equal(e2b__http_head_field(&head, "X-Blanks"), "a b");
  assert_string_equal(e2b__http_head_field(&head, "Set-Cookie"), "a=1");
  assert_string_equal(head.fields[4].value, "b=2");
  assert_string_equal(e2b__http_head_field(&head, "X-Folded"), "one    two");
  assert_null(e2b__http_head_field(&head, "X-None"));
  assert_true(head.has_length && !head.chunked);
  assert_int_equal(head.length, 12);
  e2b__free(copy);
}

static void sloppy_heads_are_understood(void **state) {
  (void)state;
  e2b__http_head_t head;
  char *copy;
  assert_int_equal(parse(&head, "HTTP/1.0 404\nA: b\n\n", &copy), 0);
  assert_int_equal(head.status, 404);
  assert_int_equal(head.minor, 0);
  assert_string_equal(e2b__http_head_field(&head, "a"), "b");
  e2b__free(copy);
  assert_int_equal(parse(&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", &copy), 0);
  assert_true(head.chunked && !head.has_length);
  e2b__free(copy);
  assert_int_equal(parse_only("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"),
                   0);
}

static void what_can_be_read_in_two_ways_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 099 No\r\n\r\n",
      "HTTP/1.1 600 No\r\n\r\n",
      "HTTP/1.1 2000\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
      "HTTP/1.1 200 OK\r\nName : blank before\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
  };
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    if (parse_only(bad[i]) != E2B_EPROTOCOL) fail_msg("not refused: %s", bad[i]);
  }
}

static void a_nul_is_refused(void **state) {
  (void)state;
  char text[] = "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n";
  e2b__http_head_t head;
  assert_int_equal(e2b__http_head_parse(&head, text, sizeof text - 1), E2B_EPROTOCOL);
}

static void the_number_of_fields_has_a_ceiling(void **state) {
  (void)state;
  e2b__http_head_t head;
  e2b__buffer_t text = E2B__BUFFER_INIT(1 << 20);
  assert_int_equal(e2b__buffer_append_str(&text, "HTTP/1.1 200 OK\r\n"), 0);
  for (int i = 0; i <= E2B__HTTP_FIELDS_MAX; i++)
    assert_int_equal(e2b__buffer_append_str(&text, "A: b\r\n"), 0);
  assert_int_equal(e2b__buffer_append_str(&text, "\r\n"), 0);
  assert_int_equal(e2b__http_head_parse(&head, text.data, text.len), E2B_ETOOBIG);
  e2b__buffer_free(&text);
}

static void the_end_is_found_byte_by_byte(void **state) {
  (void)state;
  static const char *const texts[] = {"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest",
                                      "HTTP/1.1 200 OK\nA: b\n\nrest",
                                      "HTTP/1.1 200 OK\r\nA: b\n\r\nrest"};
  for (size_t i = 0; i < E2B__COUNT(texts); i++) {
    size_t whole = strlen(texts[i]), seen = 0, end = 0, len;
    for (len = 1; len <= whole && end == 0; len++) {
      char *copy = malloc(len);
      memcpy(copy, texts[i], len);
      end = e2b__http_head_end(copy, len, seen);
      seen = len;
      free(copy);
    }
    assert_int_equal(end, whole - 4);
    assert_int_equal(len - 1, end);
  }
}

static void lists(void **state) {
  (void)state;
  assert_true(e2b__http_list_has("keep-alive, Upgrade", "upgrade"));
  assert_true(e2b__http_list_has(" ,, upgrade ,x", "upgrade"));
  assert_false(e2b__http_list_has("upgraded, x-upgrade", "upgrade"));
  assert_false(e2b__http_list_has("", "upgrade"));
  assert_false(e2b__http_list_has(NULL, "upgrade"));
  assert_true(e2b__http_is_token("X-a_1", 5));
  assert_false(e2b__http_is_token("", 0));
  assert_false(e2b__http_is_token("a b", 3));
  assert_true(e2b__http_hop_by_hop("transfer-encoding"));
  assert_false(e2b__http_hop_by_hop("Content-Type"));
}

/* The content, fed in pieces of `step` bytes; how it ended. */
static int unchunk(const char *text, size_t len, size_t step, e2b__buffer_t *out, size_t *rest) {
  e2b__http_chunks_t chunks = {0};
  int rc = 0;
  for (size_t at = 0; at < len && rc == 0; at += step) {
    size_t have = len - at < step ? len - at : step;
    char *copy = malloc(have);
    memcpy(copy, text + at, have);
    const char *data = copy, *piece;
    size_t piece_len;
    while ((rc = e2b__http_chunks_next(&chunks, &data, &have, &piece, &piece_len)) == 1)
      assert_int_equal(e2b__buffer_append(out, piece, piece_len), 0);
    *rest = have;
    free(copy);
  }
  return rc;
}

static void chunks_come_out_whole_however_they_are_cut(void **state) {
  (void)state;
  static const char text[] = "5\r\nhello\r\n00A;name=\"v\"\r\n 123456789\r\n1\n!\n0\r\n"
                             "Trailer: x\r\n\r\n";
  for (size_t step = 1; step < sizeof text; step++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    size_t rest = 0;
    assert_int_equal(unchunk(text, sizeof text - 1, step, &out, &rest), 2);
    assert_string_equal(out.data, "hello 123456789!");
    assert_int_equal(rest, 0);
    e2b__buffer_free(&out);
  }
}

static void bad_chunks_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"x\r\n",       "\r\n",      "-1\r\n",
                                    "5\r\nhelloX", "1\r\na\rb", "fffffffffffffffff\r\n",
                                    "5\rx",        "0\r\n\rx"};
  for (size_t i = 0; i < E2B__COUNT(bad); i++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    size_t rest;
    int rc = unchunk(bad[i], strlen(bad[i]), 1, &out, &rest);
    if (rc != E2B_EPROTOCOL) fail_msg("not refused: %s", bad[i]);
    e2b__buffer_free(&out);
  }
}

static void what_follows_the_last_chunk_is_left(void **state) {
  (void)state;
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  size_t rest = 0;
  assert_int_equal(unchunk("0\r\n\r\nHTTP", 9, 9, &out, &rest), 2);
  assert_int_equal(rest, 4);
  assert_int_equal(out.len, 0);
  e2b__buffer_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_taken_apart),
      cmocka_unit_test(sloppy_heads_are_understood),
      cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
      cmocka_unit_test(a_nul_is_refused),
      cmocka_unit_test(the_number_of_fields_has_a_ceiling),
      cmocka_unit_test(the_end_is_found_byte_by_byte),
      cmocka_unit_test(lists),
      cmocka_unit_test(chunks_come_out_whole_however_they_are_cut),
      cmocka_unit_test(bad_chunks_are_refused),
      cmocka_unit_test(what_follows_the_last_chunk_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
