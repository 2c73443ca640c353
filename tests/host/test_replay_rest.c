/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "support/replay.h"

/* Recorded plain HTTP: files, small endpoints, tokens, signed URLs, and the outside of RPC. */

#define FOLDER "rest"

static void uploads(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "files-post-multipart-one", 0},
      {REPLAY_ASK, "files-post-multipart-two", 0},
      {REPLAY_ASK, "files-post-multipart-duplicate", 0},
      {REPLAY_ASK, "files-post-multipart-none", 0},
      {REPLAY_ASK, "files-post-octet", 0},
      {REPLAY_ASK, "files-post-octet-empty", 0},
      {REPLAY_ASK, "files-post-octet-no-path", 0},
      {REPLAY_ASK, "files-post-octet-chunked-request", 0},
      {REPLAY_ASK, "files-post-parent-is-file", 0},
      {REPLAY_ASK, "files-post-unsupported-type", 0},
      {REPLAY_ASK, "files-post-unknown-user", 0},
      {REPLAY_ASK, "files-post-tilde-user", 0},
      {REPLAY_ASK, "files-post-gzip", 0},
      {REPLAY_ASK, "files-post-bad-gzip", 0},
      {REPLAY_ASK, "files-post-bad-encoding", 0},
      {REPLAY_ASK, "files-post-metadata-invalid", 0},
      {REPLAY_ASK, "files-post-directory", 0},
      {REPLAY_ASK, "files-post-no-space", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void metadata(void **state) {
  (void)state;
  replay_needs(true);
  static const replay_step steps[] = {{REPLAY_ASK, "files-post-metadata", 0},
                                      {REPLAY_DONE, NULL, 0}};
  replay(FOLDER, steps);
}

static void downloads(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_SHELL,
       "mkdir /home/user/cap && cd /home/user/cap && printf one >m1 && : >empty && "
       "printf '<html></html>\\n' >page.html && head -c 40000 /dev/urandom >big.bin && "
       "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 20)' >b.bin",
       0},
      {REPLAY_ASK, "files-get", 0},
      {REPLAY_ASK, "files-get-binary", 0},
      {REPLAY_ASK, "files-get-range", 0},
      {REPLAY_ASK, "files-get-range-unsatisfiable", 0},
      {REPLAY_ASK, "files-get-empty", 0},
      {REPLAY_ASK, "files-get-not-acceptable", 0},
      {REPLAY_ASK, "files-get-not-modified", 0},
      {REPLAY_ASK, "files-get-directory", 0},
      {REPLAY_ASK, "files-get-parent-is-file", 0},
      {REPLAY_ASK, "files-get-not-found", 0},
      {REPLAY_ASK, "files-get-bad-param", 0},
      {REPLAY_ASK, "files-get-bad-basic-user", 0},
      {REPLAY_ASK, "files-get-unknown-user", 0},
      {REPLAY_ASK, "files-get-gzip-small", 0},
      {REPLAY_ASK, "files-get-gzip-chunked", REPLAY_SHAPE}, /* its body was random */
      {REPLAY_ASK, "files-get-proc", 0},
      {REPLAY_ASK, "files-head", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void composing(void **state) {
  (void)state;
  replay_needs(true);
  static const replay_step steps[] = {
      {REPLAY_SHELL,
       "mkdir /home/user/cap && cd /home/user/cap && printf a >p1 && printf b >p2 && "
       "chown -R user: .",
       0},
      {REPLAY_ASK, "files-compose", 0},
      {REPLAY_ASK, "files-compose-empty", 0},
      {REPLAY_ASK, "files-compose-missing-source", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void small_endpoints(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "http-404", 0},
      {REPLAY_ASK, "http-cors-preflight", 0},
      {REPLAY_ASK, "http-envs", 0},
      {REPLAY_ASK, "http-health", 0},
      {REPLAY_ASK, "http-health-head", 0},
      {REPLAY_ASK, "http-metrics", REPLAY_SHAPE},
      {REPLAY_ASK, "init-first", 0},
      {REPLAY_ASK, "init-no-token", 0},
      {REPLAY_ASK, "init-wrong-token", 0},
      {REPLAY_ASK, "init-bad-json", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void the_outside_of_rpc(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "connect-404", 0},
      {REPLAY_ASK, "connect-405", 0},
      {REPLAY_ASK, "connect-415", 0},
      {REPLAY_ASK, "connect-415-stream-with-unary-type", 0},
      {REPLAY_ASK, "connect-bad-protocol-version", 0},
      {REPLAY_ASK, "connect-empty-json-body", 0},
      {REPLAY_ASK, "connect-garbage-json-body", 0},
      {REPLAY_ASK, "connect-stream-bad-flags", 0},
      {REPLAY_ASK, "connect-stream-two-envelopes", 0},
      {REPLAY_ASK, "connect-stream-zero-envelopes", 0},
      {REPLAY_ASK, "connect-unary-error-not-compressed", 0},
      {REPLAY_ASK, "connect-unary-gzip-response", 0},
      {REPLAY_ASK, "connect-unary-proto-empty", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void member(const char *body, const char *name, char *out, size_t size) {
  const char *at = strstr(body, name);
  assert_non_null(at);
  at += strlen(name);
  snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void tokens(void **state) {
  static const char body[] = "{\"templateID\":\"base\",\"timeout\":300,\"secure\":true,"
                             "\"envVars\":{\"A\":\"1\"}}";
  static char token[128];
  char header[160];
  (void)state;
  replay_needs(false);
  wire_kill();
  wire_exchange_t *exchange =
      wire_ask("POST", "/sandboxes", "application/json", body, sizeof body - 1, NULL);
  assert_int_equal(exchange->status, 201);
  member(exchange->body.data, "\"sandboxID\":\"", wire.sandbox, sizeof wire.sandbox);
  member(exchange->body.data, "\"envdAccessToken\":\"", token, sizeof token);
  wire_end(exchange);
  snprintf(header, sizeof header, "X-Access-Token: %s", token);
  exchange = wire_ask("POST", "/files?path=%2Fhome%2Fuser%2Fcap%2Fm1", "application/octet-stream",
                      "one", 3, (const char *const[]){header, NULL});
  assert_int_equal(exchange->status, 200);
  wire_end(exchange);
  replay_learn("cap-token-123", token);
  replay_sign(token);
  static const replay_step steps[] = {
      {REPLAY_ASK, "secure-envs-401", 0},
      {REPLAY_ASK, "secure-envs-ok", 0},
      {REPLAY_ASK, "secure-health", 0},
      {REPLAY_ASK, "secure-stream-401", 0},
      {REPLAY_ASK, "secure-unary-401", 0},
      {REPLAY_ASK, "secure-unary-ok", 0},
      {REPLAY_ASK, "secure-unknown-route-401", 0},
      {REPLAY_ASK, "signed-get-bad-header", 0},
      {REPLAY_ASK, "signed-get-expired", 0},
      {REPLAY_ASK, "signed-get-invalid", 0},
      {REPLAY_ASK, "signed-get-missing", 0},
      {REPLAY_ASK, "signed-get-ok", 0},
      {REPLAY_ASK, "signed-get-user-expiration-ok", 0},
      {REPLAY_ASK, "signed-post-ok", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
  replay_sign(NULL);
}

static void all_of_it(void **state) {
  (void)state;
  replay_complete(FOLDER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(uploads),   WIRE_TEST(metadata),         WIRE_TEST(downloads),
      WIRE_TEST(composing), WIRE_TEST(small_endpoints),  WIRE_TEST(the_outside_of_rpc),
      WIRE_TEST(tokens),    cmocka_unit_test(all_of_it),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
