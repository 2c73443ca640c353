/* SPDX-License-Identifier: MIT */
#include "proto/multipart_read.h"

#include "proto/multipart.h"
#include "unit.h"

/* What a body means, as text: "[disposition]content." for each part, "!" for an error, "~" when its
 * end is missing. */
static void mean(const char *body, size_t len, size_t piece, e2b__buffer_t *out) {
  e2b__multipart_reader_t reader;
  int event = 0;
  assert_int_equal(e2b__multipart_reader_init(&reader, "BND"), 0);
  for (size_t at = 0; at < len && event >= 0; at += piece) {
    const char *data = body + at;
    size_t left = len - at < piece ? len - at : piece;
    do {
      event = e2b__multipart_next(&reader, &data, &left);
      int rc = 0;
      if (event == E2B__MULTIPART_PART)
        rc = e2b__buffer_printf(out, "[%s]",
                                reader.disposition.len > 0 ? reader.disposition.data : "");
      else if (event == E2B__MULTIPART_DATA)
        rc = e2b__buffer_append(out, reader.data, reader.len);
      else if (event == E2B__MULTIPART_PART_END)
        rc = e2b__buffer_append_str(out, ".");
      else if (event < 0)
        rc = e2b__buffer_append_str(out, "!");
      assert_int_equal(rc, 0);
    } while (event > 0);
    assert_true(event < 0 || left == 0);
  }
  if (event >= 0 && !e2b__multipart_complete(&reader))
    assert_int_equal(e2b__buffer_append_str(out, "~"), 0);
  e2b__multipart_reader_free(&reader);
}

static void means_bytes(const char *body, size_t len, const char *meaning) {
  for (size_t piece = 1; piece <= len + 1; piece++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    assert_int_equal(e2b__buffer_append_str(&out, ""), 0);
    mean(body, len, piece, &out);
    assert_string_equal(out.data, meaning);
    e2b__buffer_free(&out);
  }
}

static void means(const char *body, const char *meaning) {
  means_bytes(body, strlen(body), meaning);
}

#define PART(text) "--BND\r\nContent-Disposition: x\r\nA: b\r\n\r\n" text "\r\n"
#define END        "--BND--\r\n"

static void parts_come_in_any_pieces(void **state) {
  (void)state;
  means(PART("one") PART("two") END, "[x]one.[x]two.");
  means(END, "");
  means(PART("") END, "[x].");
  means("--BND\r\n\r\nx\r\n" END, "[]x.");
  means("--BND\r\nA: b\r\n\r\n" END, "[].");
  means(PART("x") "--BND--", "[x]x.");
  means("preamble\r\nmore\r\n" PART("x") END "epilogue\r\n" PART("no"), "[x]x.");
  means("--BND \t\r\nContent-disposition:  y \r\n\r\nx\r\n" END, "[y ]x.");
}

static void what_only_looks_like_a_boundary_is_content(void **state) {
  (void)state;
  means(PART("\r\n--BN\r\n--BNDX\r\r\n--\r\n-\r") END, "[x]\r\n--BN\r\n--BNDX\r\r\n--\r\n-\r.");
  means(PART("\r\n--BND-x\r\n--BND:") END, "[x]\r\n--BND-x\r\n--BND:.");
  means(PART("a--BND\r\n") END, "[x]a--BND\r\n.");
  means("--BNDX\r\n" PART("x") END, "[x]x.");
  means("x--BND\r\n" PART("x") END, "[x]x.");
}

static void lines_may_end_without_cr_if_the_first_does(void **state) {
  (void)state;
  means("--BND\nContent-Disposition: x\n\na\r\nb\n--BND\n\nc\n--BND--\n", "[x]a\r\nb.[]c.");
  means(PART("a\n--BND--\nb") END, "[x]a\n--BND--\nb.");
}

static void headers_may_be_folded(void **state) {
  (void)state;
  means("--BND\r\nContent-Disposition: a;\r\n b\r\n\tc\r\nX: y\r\n\r\nz\r\n" END,
        "[a;   b  \tc]z.");
}

static void a_body_that_is_cut_is_not_complete(void **state) {
  static const char body[] = PART("one") END;
  (void)state;
  for (size_t len = 0; len < sizeof body - 3; len++) {
    e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
    mean(body, len, 4096, &out);
    assert_non_null(strchr(out.data, '~'));
    e2b__buffer_free(&out);
  }
}

static void what_is_no_multipart_body_is_refused(void **state) {
  static char long_line[2048];
  (void)state;
  means("garbage", "~");
  means("--BND\r\nno colon\r\n\r\nx", "!");
  means("--BND\r\n: x\r\n\r\nx", "!");
  means(PART("a") "--BND x\r\n", "[x]a.!");
  means_bytes("--BND\r\nA: \0\r\n\r\n", 16, "!");
  memset(long_line, ' ', sizeof long_line - 1);
  memcpy(long_line, "--BND", 5);
  means(long_line, "!");
}

static void a_head_has_a_ceiling(void **state) {
  (void)state;
  e2b__multipart_reader_t reader;
  const char *data = "--BND\r\n";
  size_t len = 7, sent = 0;
  int event = 0;
  assert_int_equal(e2b__multipart_reader_init(&reader, "BND"), 0);
  assert_int_equal(e2b__multipart_next(&reader, &data, &len), E2B__MULTIPART_NOTHING);
  for (; event == 0 && sent <= E2B__MULTIPART_HEAD; sent += 6) {
    data = "A: bc\n";
    len = 6;
    event = e2b__multipart_next(&reader, &data, &len);
  }
  assert_int_equal(event, E2B_ETOOBIG);
  e2b__multipart_reader_free(&reader);
}

static void boundaries_are_checked(void **state) {
  e2b__multipart_reader_t reader;
  char text[E2B__MULTIPART_BOUNDARY + 2];
  (void)state;
  memset(text, 'b', sizeof text);
  text[sizeof text - 1] = '\0';
  assert_int_equal(e2b__multipart_reader_init(&reader, text), E2B_EINVAL);
  assert_int_equal(e2b__multipart_reader_init(&reader, ""), E2B_EINVAL);
  assert_int_equal(e2b__multipart_reader_init(&reader, "a\rb"), E2B_EINVAL);
  text[sizeof text - 2] = '\0';
  assert_int_equal(e2b__multipart_reader_init(&reader, text), 0);
  e2b__multipart_reader_free(&reader);
}

static void what_the_writer_writes_is_read(void **state) {
  (void)state;
  e2b__buffer_t body = E2B__BUFFER_INIT(4096);
  assert_int_equal(e2b__multipart_head(&body, "BND", "/a \"b\\c", 1), 0);
  assert_int_equal(e2b__buffer_append_str(&body, "one\r\n"), 0);
  assert_int_equal(e2b__multipart_head(&body, "BND", "d", 0), 0);
  assert_int_equal(e2b__multipart_tail(&body, "BND"), 0);
  means(body.data, "[form-data; name=\"file\"; filename=\"/a \\\"b\\\\c\"]one\r\n."
                   "[form-data; name=\"file\"; filename=\"d\"].");
  e2b__buffer_free(&body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_come_in_any_pieces),
      cmocka_unit_test(what_only_looks_like_a_boundary_is_content),
      cmocka_unit_test(lines_may_end_without_cr_if_the_first_does),
      cmocka_unit_test(headers_may_be_folded),
      cmocka_unit_test(a_body_that_is_cut_is_not_complete),
      cmocka_unit_test(what_is_no_multipart_body_is_refused),
      cmocka_unit_test(a_head_has_a_ceiling),
      cmocka_unit_test(boundaries_are_checked),
      cmocka_unit_test(what_the_writer_writes_is_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
