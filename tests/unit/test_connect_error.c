/* SPDX-License-Identifier: MIT */
#include "proto/connect_error.h"

#include "e2b/error.h"
#include "fixture.h"
#include "support/starving.h"
#include "unit.h"

static void check(const char *body, e2b__error_form_t form, e2b__connect_code_t code, int status,
                  const char *message) {
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  assert_int_equal(e2b__connect_error_decode(body, strlen(body), &arena, &error), 0);
  assert_int_equal(error.form, form);
  assert_int_equal(error.code, code);
  assert_int_equal(error.status, status);
  assert_string_equal(error.message, message);
  e2b__arena_free(&arena);
}

static void the_type_of_code_tells_connect_from_rest(void **state) {
  (void)state;
  check("{\"code\":\"not_found\",\"message\":\"no \\u003cx\\u003e\"}", E2B__ERROR_CONNECT,
        E2B__CONNECT_NOT_FOUND, 0, "no <x>");
  check("{\"code\":404,\"message\":\"no\"}\n", E2B__ERROR_REST, E2B__CONNECT_NONE, 404, "no");
  check("{\"message\":\"no code\"}", E2B__ERROR_REST, E2B__CONNECT_NONE, 0, "no code");
  check("{\"detail\":\"Not Found\"}", E2B__ERROR_REST, E2B__CONNECT_NONE, 0, "Not Found");
  check("{\"code\":\"unheard_of\"}", E2B__ERROR_CONNECT, E2B__CONNECT_UNKNOWN, 0, "");
  check("{\"code\":\"\"}", E2B__ERROR_CONNECT, E2B__CONNECT_UNKNOWN, 0, "");
  check("{\"code\":1e99,\"message\":7}", E2B__ERROR_REST, E2B__CONNECT_NONE, 0, "");
}

static void the_edge_names_sandbox_and_port(void **state) {
  (void)state;
  const char *body = "{\"sandboxId\":\"iabc\",\"message\":\"The sandbox is running but port is not "
                     "open\",\"port\":8080,\"code\":502}";
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  assert_int_equal(e2b__connect_error_decode(body, strlen(body), &arena, &error), 0);
  assert_int_equal(error.status, 502);
  assert_int_equal(error.port, 8080);
  assert_string_equal(error.sandbox_id, "iabc");
  assert_string_equal(error.server_code, "");
  body = "{\"code\":503,\"message\":\"m\",\"error_code\":\"sandbox_capacity_unavailable\"}";
  assert_int_equal(e2b__connect_error_decode(body, strlen(body), &arena, &error), 0);
  assert_string_equal(error.server_code, "sandbox_capacity_unavailable");
  assert_int_equal(error.port, 0);
  e2b__arena_free(&arena);
}

static void what_is_no_error_object_becomes_the_message(void **state) {
  (void)state;
  check("404 page not found\n", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0, "404 page not found");
  check("", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0, "");
  check("[1]", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0, "[1]");
  check("{}", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0, "{}");
  check("{\"code\":404", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0, "{\"code\":404");
  check("a\033[31mb\r\nc\177\303\251\377", E2B__ERROR_TEXT, E2B__CONNECT_NONE, 0,
        "a [31mb  c \303\251?");
}

static void long_text_is_cut_between_characters(void **state) {
  (void)state;
  char body[1000];
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  memset(body, 'a', sizeof body);
  assert_int_equal(e2b__connect_error_decode(body, sizeof body, &arena, &error), 0);
  assert_int_equal(strlen(error.message), 500);
  memcpy(body + 498, "\342\202\254", 3);
  assert_int_equal(e2b__connect_error_decode(body, sizeof body, &arena, &error), 0);
  assert_int_equal(strlen(error.message), 498);
  e2b__arena_free(&arena);
}

static int end(const char *payload, e2b__arena_t *arena, e2b__connect_error_t *error) {
  return e2b__connect_end_decode(payload, strlen(payload), arena, error);
}

static void a_stream_ends_well_or_with_an_error(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  assert_int_equal(end("{}", &arena, &error), 0);
  assert_int_equal(error.form, E2B__ERROR_NONE);
  assert_string_equal(error.message, "");
  assert_int_equal(end("{\"metadata\":{\"k\":[\"v\"]},\"error\":null}", &arena, &error), 0);
  assert_int_equal(error.form, E2B__ERROR_NONE);
  assert_int_equal(
      end("{\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"late\"}}", &arena, &error), 0);
  assert_int_equal(error.form, E2B__ERROR_CONNECT);
  assert_int_equal(error.code, E2B__CONNECT_DEADLINE_EXCEEDED);
  assert_string_equal(error.message, "late");
  assert_int_equal(end("{\"error\":{}}", &arena, &error), 0);
  assert_int_equal(error.code, E2B__CONNECT_UNKNOWN);
  e2b__arena_free(&arena);
}

static void an_end_that_is_no_object_is_a_fault_of_the_protocol(void **state) {
  (void)state;
  static const char *const bad[] = {"", "[]", "null", "{", "{} {}", "<html>"};
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(end(bad[i], &arena, &error), E2B_EPROTOCOL);
  }
  e2b__arena_free(&arena);
}

static void every_cut_of_a_body_is_text(void **state) {
  (void)state;
  const char *body = "{\"code\":\"not_found\",\"message\":\"\303\251\\u00e9\"}";
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  for (size_t len = 0; len < strlen(body); len++) {
    assert_int_equal(e2b__connect_error_decode(body, len, &arena, &error), 0);
    assert_int_equal(error.form, E2B__ERROR_TEXT);
  }
  e2b__arena_free(&arena);
}

static void codes_names_and_statuses_agree(void **state) {
  (void)state;
  for (int code = E2B__CONNECT_CANCELED; code <= E2B__CONNECT_UNAUTHENTICATED; code++) {
    const char *name = e2b__connect_code_name((e2b__connect_code_t)code);
    assert_true(strlen(name) > 0);
    assert_int_equal(e2b__connect_code_find(name), code);
    assert_true(e2b__connect_code_http((e2b__connect_code_t)code) >= 400);
  }
  assert_string_equal(e2b__connect_code_name(E2B__CONNECT_NONE), "");
  assert_string_equal(e2b__connect_code_name((e2b__connect_code_t)99), "");
  assert_int_equal(e2b__connect_code_find(""), E2B__CONNECT_UNKNOWN);
  assert_int_equal(e2b__connect_code_http(E2B__CONNECT_ABORTED), 409);
  assert_int_equal(e2b__connect_code_http(E2B__CONNECT_NONE), 200);
  assert_int_equal(e2b__connect_code_of_http(200), E2B__CONNECT_NONE);
  assert_int_equal(e2b__connect_code_of_http(404), E2B__CONNECT_NOT_FOUND);
  assert_int_equal(e2b__connect_code_of_http(418), E2B__CONNECT_UNKNOWN);
  /* Every status a unary error comes with leads back to a code of that status. */
  for (int code = E2B__CONNECT_CANCELED; code <= E2B__CONNECT_UNAUTHENTICATED; code++) {
    int http = e2b__connect_code_http((e2b__connect_code_t)code);
    assert_int_equal(e2b__connect_code_http(e2b__connect_code_of_http(http)), http);
  }
}

static void recorded_errors_are_understood(void **state) {
  (void)state;
  e2b__arena_t arena = {0};
  e2b__connect_error_t error;
  fixture f = fixture_load("fs-stat-not-found");
  assert_int_equal(e2b__connect_error_decode(f.response, f.response_len, &arena, &error), 0);
  assert_int_equal(error.code, E2B__CONNECT_NOT_FOUND);
  assert_int_equal(e2b__connect_code_http(error.code), f.status);
  assert_string_equal(error.message,
                      "file not found: lstat /tmp/cap/fs/nope: no such file or directory");
  fixture_free(&f);
  f = fixture_load("files-get-not-found");
  assert_int_equal(e2b__connect_error_decode(f.response, f.response_len, &arena, &error), 0);
  assert_int_equal(error.form, E2B__ERROR_REST);
  assert_int_equal(error.status, 404);
  fixture_free(&f);
  e2b__arena_free(&arena);
}

static void running_out_of_memory_is_told(void **state) {
  (void)state;
  const char *body = "{\"code\":502,\"message\":\"m\",\"error_code\":\"e\",\"sandboxId\":\"i\"}";
  e2b__connect_error_t error;
  int rc = E2B_ENOMEM;
  for (size_t n = 1; rc != 0; n++) {
    e2b__arena_t arena = {0};
    starving_library_arm(n);
    rc = e2b__connect_error_decode(body, strlen(body), &arena, &error);
    assert_true(rc == 0 || rc == E2B_ENOMEM);
    e2b__arena_free(&arena);
    assert_int_equal(starving_live(), 0);
  }
  starving_library_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_type_of_code_tells_connect_from_rest),
      cmocka_unit_test(the_edge_names_sandbox_and_port),
      cmocka_unit_test(what_is_no_error_object_becomes_the_message),
      cmocka_unit_test(long_text_is_cut_between_characters),
      cmocka_unit_test(a_stream_ends_well_or_with_an_error),
      cmocka_unit_test(an_end_that_is_no_object_is_a_fault_of_the_protocol),
      cmocka_unit_test(every_cut_of_a_body_is_text),
      cmocka_unit_test(codes_names_and_statuses_agree),
      cmocka_unit_test(recorded_errors_are_understood),
      cmocka_unit_test(running_out_of_memory_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
