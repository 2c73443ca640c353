/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "support/faults.h"

/* Requests by way of a proxy: the one that the client was given, and no other word about it. */

#define NOWHERE "http://127.0.0.1:1"

static void open_behind(faults_t *f, const char *proxy, const char *url) {
  f->options.api_url = f->options.sandbox_url = url;
  f->options.proxy = proxy;
  faults_client(f);
}

static void listed_by_proxy(faults_t *f) {
  fault_answer(fault_on(f->server, NULL), 200, "application/json", "[]", NULL);
  faults_succeeds(f, e2b_sandbox_list(f->h.client, NULL));
  assert_int_equal(fault_count(f->server, NULL), 1);
  assert_string_equal(fault_request(f->server, NULL, 0)->target, NOWHERE "/v2/sandboxes");
}

static void a_plain_request_is_given_to_the_proxy(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  open_behind(&f, fault_url(f.server), NOWHERE);
  listed_by_proxy(&f);
  faults_close(&f);
}

/* Neither whom to go by nor whom to reach without. */
static void the_environment_has_no_say(void **state) {
  (void)state;
  static const char *const names[] = {"NO_PROXY", "no_proxy"};
  for (size_t i = 0; i < E2B__COUNT(names); i++) {
    assert_int_equal(setenv(names[i], "127.0.0.1,localhost", 1), 0);
    faults_t f;
    faults_open(&f, NULL);
    open_behind(&f, fault_url(f.server), NOWHERE);
    listed_by_proxy(&f);
    faults_close(&f);
    unsetenv(names[i]);
  }
  assert_int_equal(setenv("http_proxy", NOWHERE, 1), 0);
  faults_t f;
  faults_ready(&f, NULL);
  faults_close(&f);
  unsetenv("http_proxy");
}

/* The key is for the server behind it. */
static void a_tunnel_is_asked_for_without_the_key(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  open_behind(&f, fault_url(f.server), "https://127.0.0.1:1");
  fault_answer(fault_on(f.server, NULL), 403, "text/plain", "no", NULL);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_false(error.maybe_applied);
  const fault_request_t *request = fault_request(f.server, NULL, 0);
  assert_string_equal(request->method, "CONNECT");
  assert_null(strstr(request->head, HARNESS_KEY));
  faults_close(&f);
}

static void a_proxy_may_have_an_address_of_ipv6(void **state) {
  (void)state;
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  socklen_t len = sizeof address;
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
    print_message("SKIPPED: this machine has no ::1\n");
    if (fd >= 0) close(fd);
    skip();
  }
  assert_int_equal(listen(fd, 4), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  char proxy[64];
  snprintf(proxy, sizeof proxy, "http://[::1]:%u", ntohs(address.sin6_port));
  faults_t f;
  faults_open(&f, NULL);
  f.options.request_timeout_ms = 100;
  open_behind(&f, proxy, NOWHERE);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT); /* it was reached, and says nothing */
  assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
  faults_close(&f);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plain_request_is_given_to_the_proxy),
      cmocka_unit_test(the_environment_has_no_say),
      cmocka_unit_test(a_tunnel_is_asked_for_without_the_key),
      cmocka_unit_test(a_proxy_may_have_an_address_of_ipv6),
  };
  return cmocka_run_group_tests_name("faults: proxy", tests, NULL, NULL);
}
