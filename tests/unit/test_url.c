/* SPDX-License-Identifier: MIT */
#include "proto/url.h"

#include "support/starving.h"
#include "unit.h"

static void check(const char *text, bool https, const char *host, unsigned port, const char *path) {
  e2b__url_t url;
  assert_int_equal(e2b__url_parse(text, &url), 0);
  assert_int_equal(url.https, https);
  assert_string_equal(url.host, host);
  assert_int_equal(url.port, port);
  assert_string_equal(url.path, path);
  e2b__url_free(&url);
  assert_null(url.host);
}

static void urls_are_taken_apart(void **state) {
  (void)state;
  check("https://api.e2b.app", true, "api.e2b.app", 443, "");
  check("http://localhost:3000/", false, "localhost", 3000, "");
  check("HTTPS://API.E2B.App:8443/v1/x//", true, "api.e2b.app", 8443, "/v1/x");
  check("http://127.0.0.1", false, "127.0.0.1", 80, "");
  check("http://[::1]:49983/a?b=c#d", false, "::1", 49983, "/a");
  check("https://[2001:DB8::1]", true, "2001:db8::1", 443, "");
  check("https://h?x=/y/", true, "h", 443, "");
  check("https://h#/y", true, "h", 443, "");
  check("https://49983-i_x.e2b.app/%2F", true, "49983-i_x.e2b.app", 443, "/%2F");
  check("https://h/a@b:c", true, "h", 443, "/a@b:c");
}

static void what_is_no_http_url_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "api.e2b.app",
                                    "ftp://h",
                                    "https:/h",
                                    "https://",
                                    "https:///x",
                                    "https://:80",
                                    "http://h:",
                                    "http://h:0",
                                    "http://h:65536",
                                    "http://h:80a",
                                    "http://h:-1",
                                    "http://h:000080",
                                    "http://u@h",
                                    "http://u:p@h",
                                    "http://h h",
                                    "http://h/a b",
                                    "http://h/\n",
                                    "http://h\t",
                                    " http://h",
                                    "http://h\177",
                                    "http://[::1",
                                    "http://[]",
                                    "http://[::1]x",
                                    "http://[::g]",
                                    "http://[1.2.3.4]",
                                    "http://h\\x",
                                    "http://h%41",
                                    "http://\303\251",
                                    "http://a:b:c",
                                    "http://[::1]:"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    e2b__url_t url;
    if (e2b__url_parse(bad[i], &url) != E2B_EINVAL) fail_msg("accepted: %s", bad[i]);
    assert_null(url.host);
    e2b__url_free(&url);
  }
  e2b__url_t url;
  assert_int_equal(e2b__url_parse(NULL, &url), E2B_EINVAL);
}

static void parsing_says_when_memory_is_out(void **state) {
  (void)state;
  e2b__url_t url;
  starving_library_arm(1);
  assert_int_equal(e2b__url_parse("http://h", &url), E2B_ENOMEM);
  assert_null(url.host);
  starving_library_remove();
}

static void escaping_leaves_only_unreserved_characters(void **state) {
  (void)state;
  e2b__buffer_t b = E2B__BUFFER_INIT(1000);
  const char text[] = "aZ09-._~ /?&=%+:\303\251\0";
  assert_int_equal(e2b__url_escape(&b, text, sizeof text - 1), 0);
  assert_string_equal(b.data, "aZ09-._~%20%2F%3F%26%3D%25%2B%3A%C3%A9%00");
  e2b__buffer_free(&b);
}

static void unescaping_undoes_escaping(void **state) {
  (void)state;
  e2b__buffer_t a = E2B__BUFFER_INIT(1000), b = E2B__BUFFER_INIT(1000);
  char all[255];
  for (int i = 0; i < 255; i++)
    all[i] = (char)(i + 1);
  assert_int_equal(e2b__url_escape(&a, all, sizeof all), 0);
  assert_int_equal(e2b__url_unescape(&b, a.data, a.len, false), 0);
  assert_int_equal(b.len, sizeof all);
  assert_memory_equal(b.data, all, sizeof all);
  e2b__buffer_free(&a);
  e2b__buffer_free(&b);
}

static void malformed_escapes_and_nuls_are_refused_and_leave_the_content(void **state) {
  (void)state;
  static const char *const bad[] = {"%", "%4", "%4g", "%g4", "%00", "abc%", "%%41"};
  e2b__buffer_t b = E2B__BUFFER_INIT(1000);
  e2b__buffer_append_str(&b, "kept");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(e2b__url_unescape(&b, bad[i], strlen(bad[i]), true), E2B_EINVAL);
    assert_string_equal(b.data, "kept");
  }
  assert_int_equal(e2b__url_unescape(&b, "a\0b", 3, true), E2B_EINVAL);
  assert_int_equal(e2b__url_unescape(&b, "+%2b%2B+", 8, true), 0);
  assert_int_equal(e2b__url_unescape(&b, "+", 1, false), 0);
  assert_string_equal(b.data, "kept ++ +");
  e2b__buffer_free(&b);
}

static void queries_are_written_and_read_back(void **state) {
  (void)state;
  e2b__buffer_t q = E2B__BUFFER_INIT(1000), v = E2B__BUFFER_INIT(1000);
  unsigned count = 0;
  e2b__buffer_append_str(&q, "/files");
  assert_int_equal(e2b__url_query(&q, &count, "path", "/tmp/a b&c"), 0);
  assert_int_equal(e2b__url_query(&q, &count, "user name", ""), 0);
  assert_string_equal(q.data, "/files?path=%2Ftmp%2Fa%20b%26c&user%20name=");
  assert_int_equal(count, 2);
  const char *query = strchr(q.data, '?') + 1;
  assert_int_equal(e2b__url_query_get(query, strlen(query), "path", &v), 1);
  assert_string_equal(v.data, "/tmp/a b&c");
  e2b__buffer_clear(&v);
  assert_int_equal(e2b__url_query_get(query, strlen(query), "user name", &v), 1);
  assert_string_equal(v.data, "");
  assert_int_equal(e2b__url_query_get(query, strlen(query), "name", &v), 0);
  e2b__buffer_free(&q);
  e2b__buffer_free(&v);
}

static int get(const char *query, const char *name, e2b__buffer_t *value) {
  e2b__buffer_clear(value);
  return e2b__url_query_get(query, strlen(query), name, value);
}

static void the_first_parameter_of_a_name_counts(void **state) {
  (void)state;
  e2b__buffer_t v = E2B__BUFFER_INIT(1000);
  assert_int_equal(get("a=1&a=2", "a", &v), 1);
  assert_string_equal(v.data, "1");
  assert_int_equal(get("&&x&b=a+b%3D&=y", "b", &v), 1);
  assert_string_equal(v.data, "a b=");
  assert_int_equal(get("x&b=1", "x", &v), 1);
  assert_int_equal(v.len, 0);
  assert_int_equal(get("signature%5Fexpiration=7", "signature_expiration", &v), 1);
  assert_string_equal(v.data, "7");
  assert_int_equal(get("%zz=1&b=%zz&c=3", "c", &v), 1);
  assert_int_equal(get("%zz=1&b=%zz&c=3", "b", &v), E2B_EINVAL);
  assert_int_equal(get("", "a", &v), 0);
  assert_int_equal(e2b__url_query_get(NULL, 0, "a", &v), 0);
  e2b__buffer_free(&v);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(urls_are_taken_apart),
      cmocka_unit_test(what_is_no_http_url_is_refused),
      cmocka_unit_test(parsing_says_when_memory_is_out),
      cmocka_unit_test(escaping_leaves_only_unreserved_characters),
      cmocka_unit_test(unescaping_undoes_escaping),
      cmocka_unit_test(malformed_escapes_and_nuls_are_refused_and_leave_the_content),
      cmocka_unit_test(queries_are_written_and_read_back),
      cmocka_unit_test(the_first_parameter_of_a_name_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
