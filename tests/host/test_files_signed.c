/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/signature.h"
#include "proto/url.h"
#include "support/wire.h"

/* Signed file URLs, with and without headers that name the sandbox. */

static char id[64], token[128];

static void member(const char *body, const char *name, char *out, size_t size) {
  const char *at = strstr(body, name);
  assert_non_null(at);
  at += strlen(name);
  snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

/* Two of them: what does not match must not be taken for the other's. */
static void create_secured(void) {
  static const char body[] = "{\"templateID\":\"base\",\"timeout\":300,\"secure\":true}";
  wire.sandbox[0] = '\0';
  for (int i = 0; i < 2; i++) {
    wire_exchange_t *exchange =
        wire_ask("POST", "/sandboxes", "application/json", body, sizeof body - 1, NULL);
    assert_int_equal(exchange->status, 201);
    member(exchange->body.data, "\"sandboxID\":\"", id, sizeof id);
    member(exchange->body.data, "\"envdAccessToken\":\"", token, sizeof token);
    wire_end(exchange);
  }
}

static void url(char *out, size_t size, const char *operation, const char *expiration) {
  char signature[E2B__SIGNATURE_SIZE];
  e2b__buffer_t escaped = E2B__BUFFER_INIT(1024);
  assert_int_equal(e2b__host_signature("f", operation, "user", token, expiration, signature), 0);
  assert_int_equal(e2b__url_escape(&escaped, signature, strlen(signature)), 0);
  snprintf(out, size, "/files?path=f&username=user&signature=%s%s%s", escaped.data,
           expiration != NULL ? "&signature_expiration=" : "",
           expiration != NULL ? expiration : "");
  e2b__buffer_free(&escaped);
}

static void asks(const char *method, const char *path, const char *header, long status,
                 const char *body) {
  const char *const headers[] = {header, NULL};
  bool post = strcmp(method, "POST") == 0;
  wire_exchange_t *exchange = wire_ask(method, path, "application/octet-stream",
                                       post ? "signed" : "", post ? 6 : 0, headers);
  assert_int_equal(exchange->status, status);
  assert_non_null(strstr(exchange->body.data, body));
  wire_end(exchange);
}

/* With the headers that name the sandbox, then without: by its signature alone. */
static void both_ways(const char *method, const char *path, long status, const char *body) {
  strcpy(wire.sandbox, id);
  asks(method, path, NULL, status, body);
  wire.sandbox[0] = '\0';
  asks(method, path, NULL, status, body);
}

static void a_signature_opens_what_it_names(void **state) {
  char path[512], soon[32], past[32];
  (void)state;
  create_secured();
  snprintf(soon, sizeof soon, "%lld", (long long)time(NULL) + 100);
  snprintf(past, sizeof past, "%lld", (long long)time(NULL) - 10);
  url(path, sizeof path, "write", NULL);
  both_ways("POST", path, 200, "/f\"");
  both_ways("GET", path, 401, "invalid signature");
  url(path, sizeof path, "read", NULL);
  both_ways("GET", path, 200, "signed");
  url(path, sizeof path, "read", soon);
  both_ways("GET", path, 200, "signed");
  url(path, sizeof path, "read", past);
  both_ways("GET", path, 401, "signature is already expired");
  both_ways("GET", "/files?path=f&username=user&signature=v1_bad", 401, "invalid signature");
}

static void a_header_decides_alone(void **state) {
  char path[512], header[256];
  (void)state;
  create_secured();
  strcpy(wire.sandbox, id);
  url(path, sizeof path, "write", NULL);
  asks("POST", path, NULL, 200, "/f\"");
  snprintf(header, sizeof header, "X-Access-Token: %s", token);
  asks("GET", "/files?path=f&username=user", header, 200, "signed");
  url(path, sizeof path, "read", NULL);
  asks("GET", path, "X-Access-Token: bad", 401,
       "access token present in header but does not match");
  asks("GET", path, "X-Access-Token;", 200, "signed");
  asks("GET", "/files?path=f", NULL, 401, "missing signature query parameter");
}

/* Computed by the official SDKs. */
static void signatures_are_what_others_compute(void **state) {
  char signature[E2B__SIGNATURE_SIZE];
  (void)state;
  assert_int_equal(e2b__host_signature("/home/user/a.txt", "read", "", "abc", NULL, signature), 0);
  assert_string_equal(signature, "v1_+oUuSuDwZH607yeEMzKYH5g8Lm4NXH3iGDZ0mZif/S8");
  assert_int_equal(
      e2b__host_signature("/home/user/a.txt", "write", "root", "abc", "1750000000", signature), 0);
  assert_string_equal(signature, "v1_BbYHSR5X+zuFDQwm1L58iSCTBlOFexkM2mGPBOkId7k");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signatures_are_what_others_compute),
      WIRE_TEST(a_signature_opens_what_it_names),
      WIRE_TEST(a_header_decides_alone),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
