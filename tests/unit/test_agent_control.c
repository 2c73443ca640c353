/* SPDX-License-Identifier: MIT */
#include "agent/control.h"
#include "agent/handshake.h"
#include "agent/sha1.h"
#include "support/starving.h"
#include "unit.h"

/* Control messages and the opening request, as the agent reads them. */

static e2b__control_result_t read_text(const char *text, size_t len, e2b__control_t *control,
                                       e2b__arena_t *arena, const char **why) {
  /* Memory of the very size, so that the sanitizer sees a step past the end. */
  char *copy = malloc(len > 0 ? len : 1);
  memcpy(copy, text, len);
  e2b__control_result_t result = e2b__control_read(control, copy, len, arena, why);
  free(copy);
  return result;
}

static void a_create_is_read_with_its_defaults(void **state) {
  static const char text[] = "{\"type\":\"create\",\"id\":\"a_Z-9\",\"argv\":[\"b\\u0061sh\"]}";
  e2b__control_t control;
  e2b__arena_t arena = {0};
  const char *why;
  (void)state;
  assert_int_equal(read_text(text, sizeof text - 1, &control, &arena, &why), E2B__CONTROL_GOOD);
  assert_int_equal(control.type, E2B__CONTROL_CREATE);
  assert_string_equal(control.id, "a_Z-9");
  assert_int_equal(control.argc, 1);
  assert_string_equal(control.argv[0], "bash");
  assert_null(control.argv[1]);
  assert_null(control.envs);
  assert_null(control.cwd);
  assert_string_equal(control.writer, "");
  assert_int_equal(control.cols, 80);
  assert_int_equal(control.rows, 24);
  assert_int_equal(control.ring, 262144);
  assert_int_equal(control.hold_ms, 10000);
  assert_int_equal(control.timeout_ms, 0);
  assert_false(control.has_offset);
  e2b__arena_free(&arena);
}

static const char whole[] =
    "{\"x\":[{\"argv\":[]}],\"argv\":[\"a\",\"\",\"c d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"],"
    "\"envs\":{\"A\":\"=b\",\"C\":\"\"},\"cwd\":\"/x\",\"cols\":65535,\"rows\":1.0,\"ring\":4096,"
    "\"hold_ms\":0,\"timeout_ms\":5,\"offset\":9007199254740991,\"writer\":\"w\",\"id\":\"t\","
    "\"y\":null,\"type\":\"create\"}";

static void all_members_are_read_in_any_order(void **state) {
  e2b__control_t control;
  e2b__arena_t arena = {0};
  const char *why;
  (void)state;
  assert_int_equal(read_text(whole, sizeof whole - 1, &control, &arena, &why), E2B__CONTROL_GOOD);
  assert_int_equal(control.argc, 9);
  assert_string_equal(control.argv[1], "");
  assert_string_equal(control.argv[8], "j");
  assert_null(control.argv[9]);
  assert_string_equal(control.envs[0], "A==b");
  assert_string_equal(control.envs[1], "C=");
  assert_null(control.envs[2]);
  assert_string_equal(control.cwd, "/x");
  assert_int_equal(control.cols, 65535);
  assert_int_equal(control.rows, 1);
  assert_int_equal(control.ring, 4096);
  assert_int_equal(control.hold_ms, 0);
  assert_int_equal(control.timeout_ms, 5);
  assert_true(control.has_offset);
  assert_int_equal(control.offset, 9007199254740991);
  assert_string_equal(control.writer, "w");
  e2b__arena_free(&arena);
}

static void a_message_that_is_cut_is_a_breach(void **state) {
  (void)state;
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    e2b__control_t control;
    e2b__arena_t arena = {0};
    const char *why;
    assert_int_equal(read_text(whole, len, &control, &arena, &why), E2B__CONTROL_BREACH);
    e2b__arena_free(&arena);
  }
}

static void each_fault_has_its_result(void **state) {
  static const struct {
    const char *text;
    e2b__control_result_t result;
    const char *why;
  } cases[] = {
      {"[]", E2B__CONTROL_BREACH, NULL},
      {"{}", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":1}", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":null}", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":\"list\"} x", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":\"list\",}", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":\"list\",\"x\":\"\\ud800\"}", E2B__CONTROL_BREACH, NULL},
      {"{\"type\":\"list\"}", E2B__CONTROL_GOOD, NULL},
      {"{\"type\":\"detach\",\"type\":\"list\"}", E2B__CONTROL_GOOD, NULL},
      {"{\"type\":\"lis\"}", E2B__CONTROL_INVALID, "unknown type"},
      {"{\"type\":\"create\",\"id\":\"a\"}", E2B__CONTROL_INVALID, "create needs id and argv"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":null}", E2B__CONTROL_INVALID,
       "create needs id and argv"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[]}", E2B__CONTROL_INVALID,
       "argv must not be empty"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[1]}", E2B__CONTROL_INVALID,
       "argv must be an array of strings without NUL"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\\u0000\"]}", E2B__CONTROL_INVALID,
       "argv must be an array of strings without NUL"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\"],\"envs\":{\"\":\"\"}}",
       E2B__CONTROL_INVALID, "names in envs must not be empty nor hold '='"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\"],\"envs\":{\"a=\":\"\"}}",
       E2B__CONTROL_INVALID, "names in envs must not be empty nor hold '='"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\"],\"envs\":{\"a\":1}}",
       E2B__CONTROL_INVALID, "envs must be an object of strings without NUL"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\"],\"envs\":[]}", E2B__CONTROL_INVALID,
       "envs must be an object of strings without NUL"},
      {"{\"type\":\"create\",\"id\":\"a\",\"argv\":[\"x\"],\"cwd\":\"\"}", E2B__CONTROL_INVALID,
       "cwd must be a path"},
      {"{\"type\":\"create\",\"id\":\"\",\"argv\":[\"x\"]}", E2B__CONTROL_INVALID,
       "id must be 1 to 64 of A-Z a-z 0-9 _ -"},
      {"{\"type\":\"attach\",\"id\":\"a/b\"}", E2B__CONTROL_INVALID,
       "id must be 1 to 64 of A-Z a-z 0-9 _ -"},
      {"{\"type\":\"attach\",\"id\":7}", E2B__CONTROL_INVALID,
       "id must be 1 to 64 of A-Z a-z 0-9 _ -"},
      {"{\"type\":\"resize\",\"cols\":0,\"rows\":1}", E2B__CONTROL_INVALID,
       "cols must be 1 to 65535"},
      {"{\"type\":\"resize\",\"cols\":1,\"rows\":65536}", E2B__CONTROL_INVALID,
       "rows must be 1 to 65535"},
      {"{\"type\":\"resize\",\"cols\":1}", E2B__CONTROL_INVALID, "resize needs cols and rows"},
      {"{\"type\":\"resize\",\"cols\":\"1\",\"rows\":1}", E2B__CONTROL_INVALID,
       "cols must be 1 to 65535"},
      {"{\"type\":\"ack\",\"offset\":-1}", E2B__CONTROL_INVALID, "offset must be a whole number"},
      {"{\"type\":\"ack\",\"offset\":1.5}", E2B__CONTROL_INVALID, "offset must be a whole number"},
      {"{\"type\":\"ack\",\"offset\":9007199254740992}", E2B__CONTROL_INVALID,
       "offset must be a whole number"},
      {"{\"type\":\"signal\",\"signal\":65}", E2B__CONTROL_INVALID, "signal must be 1 to 64"},
      {"{\"type\":\"signal\",\"signal\":true}", E2B__CONTROL_INVALID, "signal must be 1 to 64"},
  };
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    e2b__control_t control;
    e2b__arena_t arena = {0};
    const char *why = NULL;
    e2b__control_result_t result =
        read_text(cases[i].text, strlen(cases[i].text), &control, &arena, &why);
    if (result != cases[i].result) fail_msg("%s: %d", cases[i].text, result);
    if (result == E2B__CONTROL_INVALID) assert_string_equal(why, cases[i].why);
    e2b__arena_free(&arena);
  }
}

static void without_memory_it_is_invalid_and_says_so(void **state) {
  (void)state;
  starving_library_arm(0);
  for (size_t nth = 1;; nth++) {
    e2b__control_t control;
    e2b__arena_t arena = {0};
    const char *why = NULL;
    starving_library_arm(nth);
    e2b__control_result_t result =
        e2b__control_read(&control, whole, sizeof whole - 1, &arena, &why);
    bool failed = starving_count() >= nth;
    e2b__arena_free(&arena);
    assert_int_equal(result, failed ? E2B__CONTROL_INVALID : E2B__CONTROL_GOOD);
    if (!failed) break;
    assert_string_equal(why, "out of memory");
  }
  starving_library_remove();
}

static void sha1_is_that_of_the_standard(void **state) {
  static const struct {
    const char *text;
    const char *digest;
  } cases[] = {
      {"", "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09"},
      {"abc", "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1"},
  };
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    unsigned char digest[E2B__SHA1_SIZE];
    e2b__sha1(cases[i].text, strlen(cases[i].text), digest);
    assert_memory_equal(digest, cases[i].digest, sizeof digest);
  }
}

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD_FIELDS                                                                        \
  "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define PROTOCOL      "Sec-WebSocket-Protocol: other, e2b-terminal.v1\r\n"
#define AUTHORIZATION "authorization: bearer " SECRET "\r\n"

static unsigned shake(const char *request, e2b__buffer_t *answer) {
  char *copy = malloc(strlen(request));
  memcpy(copy, request, strlen(request));
  unsigned status = e2b__handshake(copy, strlen(request), SECRET, answer);
  free(copy);
  return status;
}

static void a_handshake_is_answered(void **state) {
  e2b__buffer_t answer = E2B__BUFFER_INIT(1 << 12);
  (void)state;
  assert_int_equal(shake("GET /v1 HTTP/1.1\r\n" GOOD_FIELDS PROTOCOL AUTHORIZATION "\r\n", &answer),
                   101);
  assert_string_equal(answer.data, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                   "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n\r\n");
  e2b__buffer_free(&answer);
}

static void other_requests_are_refused(void **state) {
  static const struct {
    const char *request;
    unsigned status;
  } cases[] = {
      {"GET /v1 HTTP/1.1\r\n" GOOD_FIELDS AUTHORIZATION "\r\n", 400}, /* no sub-protocol */
      {"GET /v1 HTTP/1.0\r\n" GOOD_FIELDS PROTOCOL AUTHORIZATION "\r\n", 400},
      {"PUT /v1 HTTP/1.1\r\n" GOOD_FIELDS PROTOCOL AUTHORIZATION "\r\n", 400},
      {"GET /v1? HTTP/1.1\r\n" GOOD_FIELDS PROTOCOL AUTHORIZATION "\r\n", 404},
      {"GET /v1 HTTP/1.1\r\n" GOOD_FIELDS PROTOCOL "\r\n", 401},
      {"GET /v1 HTTP/1.1\r\n" GOOD_FIELDS PROTOCOL "Authorization: Bearer\r\n\r\n", 401},
      {"GET /v1 HTTP/1.1\r\nConnection: Upgrade\r\n" AUTHORIZATION "\r\n", 400},
      {"GET /v1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" AUTHORIZATION "\r\n",
       426},
      {"GET /v1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n" PROTOCOL AUTHORIZATION "\r\n",
       400},
      {"GET  /v1 HTTP/1.1\r\n\r\n", 400},
      {"GET /v1\r\n\r\n", 400},
      {"GET HTTP/1.1\r\n\r\n", 400},
      {"HTTP/1.1 200 OK\r\n\r\n", 400},
      {"\r\n\r\n", 400},
  };
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    e2b__buffer_t answer = E2B__BUFFER_INIT(1 << 12);
    unsigned status = shake(cases[i].request, &answer);
    if (status != cases[i].status) fail_msg("%s: %u", cases[i].request, status);
    assert_memory_equal(answer.data, "HTTP/1.1 4", 10);
    e2b__buffer_free(&answer);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_create_is_read_with_its_defaults),
      cmocka_unit_test(all_members_are_read_in_any_order),
      cmocka_unit_test(a_message_that_is_cut_is_a_breach),
      cmocka_unit_test(each_fault_has_its_result),
      cmocka_unit_test(without_memory_it_is_invalid_and_says_so),
      cmocka_unit_test(sha1_is_that_of_the_standard),
      cmocka_unit_test(a_handshake_is_answered),
      cmocka_unit_test(other_requests_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
