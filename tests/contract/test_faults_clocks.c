/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support/faults.h"

/* Servers that are not there or do not answer: which clock ends the call, and what it says. */

static int listener(uint16_t *port, int backlog) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_not_equal(fd, -1);
  assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
  if (backlog >= 0) assert_int_equal(listen(fd, backlog), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static void use_url(faults_t *f, const char *url) {
  f->options.api_url = f->options.sandbox_url = url;
  faults_client(f);
}

static void no_server_is_no_connection(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  uint16_t port;
  const int fd = listener(&port, -1); /* bound, and nobody listens */
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
  use_url(&f, url);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ECONNECT);
  assert_int_equal(error.http_status, 0);
  assert_false(error.maybe_applied);
  assert_int_equal(error.attempts, 1);
  assert_true(e2b_code_flags(error.code) & E2B_FLAG_TRANSIENT);
  close(fd);
  faults_close(&f);
}

static void a_name_that_does_not_exist_is_said_so(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  use_url(&f, "http://no-such-name.invalid");
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_int_equal(error.code, E2B_EDNS);
  assert_false(error.maybe_applied);
  assert_non_null(strstr(error.message, "no-such-name.invalid"));
  faults_close(&f);
}

/* A server that does not accept: its backlog is full, and further packets are dropped. */
static void connecting_has_a_clock(void **state) {
  (void)state;
  enum { FILLERS = 16 };
  faults_t f;
  faults_open(&f, NULL);
  int fillers[FILLERS];
  uint16_t port;
  const int fd = listener(&port, 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0; i < FILLERS; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)!connect(fillers[i], (const struct sockaddr *)&address, sizeof address);
  }
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
  f.options.connect_timeout_ms = 100;
  use_url(&f, url);
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_CONNECT);
  assert_non_null(strstr(error.message, "connecting"));
  assert_false(error.maybe_applied);
  for (int i = 0; i < FILLERS; i++) {
    close(fillers[i]);
  }
  close(fd);
  faults_close(&f);
}

/* A server with which no TLS comes about: it says nothing. */
static int mute_listener(char url[64]) {
  uint16_t port;
  const int fd = listener(&port, 64);
  snprintf(url, 64, "https://127.0.0.1:%u", port);
  return fd;
}

/* Where a connection may turn out to be for all, one stream opens it and the others wait. If none
 * comes about they take turns, and the last would have its turn in the evening. */
static void streams_do_not_wait_for_a_connection_for_ever(void **state) {
  (void)state;
  enum { STREAMS = 12 };
  faults_t f;
  faults_open(&f, NULL);
  char url[64];
  const int fd = mute_listener(url);
  f.options.sandbox_url = url;
  f.options.connect_timeout_ms = 100;
  f.options.first_event_timeout_ms = f.options.silence_timeout_ms = 250;
  faults_sandbox(&f);
  e2b_future_t *futures[STREAMS];
  e2b_upload_t *upload = NULL;
  for (int i = 0; i < STREAMS - 1; i++) {
    futures[i] = e2b_run_shell(f.sandbox, "true", NULL);
  }
  futures[STREAMS - 1] = e2b_files_write_stream(f.sandbox, "/x", NULL, NULL, NULL, &upload);
  for (int i = 0; i < STREAMS; i++) {
    const faults_error_t error = faults_fails(&f, futures[i]);
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_false(error.maybe_applied);
    if (i == 0) assert_int_equal(error.clock, E2B_CLOCK_CONNECT);
    if (i == STREAMS - 2) assert_int_equal(error.clock, E2B_CLOCK_FIRST_EVENT);
    if (i == STREAMS - 1) assert_int_equal(error.clock, E2B_CLOCK_SILENCE);
  }
  e2b_upload_release(upload);
  close(fd);
  faults_close(&f);
}

/* --- a name server that does not answer: all of libuv's threads are busy ---------------------- */

static uv_sem_t gate;

static void wait_at_gate(uv_work_t *work) {
  (void)work;
  uv_sem_wait(&gate);
}

static void after_gate(uv_work_t *work, int status) {
  (void)work;
  (void)status;
}

static void looking_up_a_name_is_part_of_connecting(void **state) {
  (void)state;
  enum { MORE_THAN_THE_POOL = 16 };
  uv_work_t works[MORE_THAN_THE_POOL];
  faults_t f;
  faults_open(&f, NULL);
  assert_int_equal(uv_sem_init(&gate, 0), 0);
  for (int i = 0; i < MORE_THAN_THE_POOL; i++) {
    assert_int_equal(uv_queue_work(&f.h.loop, &works[i], wait_at_gate, after_gate), 0);
  }
  f.options.connect_timeout_ms = 100;
  f.options.request_timeout_ms = E2B_NO_TIMEOUT;
  use_url(&f, "http://no-such-name.invalid");
  const faults_error_t error = faults_fails(&f, e2b_sandbox_create(f.h.client, NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_CONNECT);
  assert_false(error.maybe_applied);
  for (int i = 0; i < MORE_THAN_THE_POOL; i++) {
    uv_sem_post(&gate);
  }
  faults_close(&f);
  uv_sem_destroy(&gate);
}

/* --- the whole request ------------------------------------------------------------------------ */

static void a_request_as_a_whole_has_a_clock(void **state) {
  (void)state;
  static const char *const beginnings[] = {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Len",
                                           "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"};
  for (size_t i = 0; i < E2B__COUNT(beginnings); i++) {
    faults_t f;
    faults_open(&f, NULL);
    f.options.request_timeout_ms = 60;
    faults_client(&f);
    fault_rule_t *rule = fault_on(f.server, NULL);
    fault_text(rule, beginnings[i]);
    fault_hang(rule);
    const faults_error_t error = faults_fails(&f, e2b_sandbox_list(f.h.client, NULL));
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
    assert_true(error.maybe_applied);
    assert_non_null(strstr(error.message, "the whole request"));
    assert_int_equal(error.http_status, i >= 2 ? 200 : 0);
    faults_close(&f);
  }
}

static void a_call_may_have_its_own_clock(void **state) {
  (void)state;
  faults_t f;
  faults_ready(&f, NULL);
  fault_hang(fault_on(f.server, NULL));
  e2b_file_options options;
  E2B_INIT(&options);
  options.request_timeout_ms = 50;
  const faults_error_t error = faults_fails(&f, e2b_files_stat(f.sandbox, "/x", &options));
  assert_int_equal(error.clock, E2B_CLOCK_REQUEST);
  /* A deadline is not a broken connection: nobody asks whether the sandbox lives. */
  assert_int_equal(fault_count(f.server, HEALTH), 0);
  faults_close(&f);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void a_stream_has_to_begin(void **state) {
  for (int with_head = 0; with_head < 2; with_head++) {
    faults_t f;
    faults_open(&f, *state);
    f.options.first_event_timeout_ms = 80;
    faults_sandbox(&f);
    fault_rule_t *rule = fault_on(f.server, START);
    if (with_head) fault_head_chunked(rule, 200, faults_stream_type(&f), NULL);
    fault_hang(rule);
    const faults_error_t error = faults_fails(&f, e2b_run_shell(f.sandbox, "sleep 1", NULL));
    assert_int_equal(error.code, E2B_ETIMEDOUT);
    assert_int_equal(error.clock, E2B_CLOCK_FIRST_EVENT);
    assert_non_null(strstr(error.message, "first event"));
    assert_true(error.maybe_applied);
    assert_false(error.has_partial);
    assert_int_equal(fault_count(f.server, NULL), 1);
    faults_close(&f);
  }
}

static void a_call_says_when_its_stream_has_to_begin(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  fault_hang(fault_on(f.server, START));
  e2b_run_options options;
  E2B_INIT(&options);
  options.first_event_timeout_ms = 50;
  assert_int_equal(faults_fails(&f, e2b_run_shell(f.sandbox, "sleep 1", &options)).clock,
                   E2B_CLOCK_FIRST_EVENT);
  faults_close(&f);
}

static void a_silent_stream_is_given_up(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = 80;
  faults_sandbox(&f);
  bytes_t body = {NULL, 0};
  put_start(&f, &body, 7);
  put_out(&f, &body, "so far", 6);
  fault_rule_t *rule = fault_on(f.server, START);
  faults_stream(&f, rule, &body, false);
  fault_hang(rule);
  const faults_error_t error = faults_fails(&f, e2b_run_shell(f.sandbox, "sleep 1", NULL));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_SILENCE);
  assert_non_null(strstr(error.message, "silence"));
  assert_string_equal(error.partial_out, "so far");
  bytes_free(&body);
  faults_close(&f);
}

static void keep_alives_are_no_silence(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = 400;
  faults_sandbox(&f);
  bytes_t body = {NULL, 0};
  bytes_t ping = {NULL, 0};
  bytes_t rest = {NULL, 0};
  put_start(&f, &body, 7);
  put_keepalive(&f, &ping);
  put_exit(&f, &rest, 0);
  put_end(&rest, NULL);
  fault_rule_t *rule = fault_on(f.server, START);
  faults_stream(&f, rule, &body, false);
  for (int i = 0; i < 25; i++) {
    fault_wait(rule, 20);
    fault_chunk(rule, ping.data, ping.len);
  }
  fault_chunk(rule, rest.data, rest.len);
  fault_last_chunk(rule);
  faults_succeeds(&f, e2b_run_shell(f.sandbox, "sleep 1", NULL));
  bytes_free(&body);
  bytes_free(&ping);
  bytes_free(&rest);
  faults_close(&f);
}

static void keep_the_loop_busy(void *server) {
  uv_sleep(300);
  fault_release(server);
}

/* Somebody keeps the loop from reading for longer than the clock, and meanwhile more has come. */
static void a_busy_loop_is_no_silence(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = 200;
  faults_sandbox(&f);
  bytes_t body = {NULL, 0};
  bytes_t rest = {NULL, 0};
  put_start(&f, &body, 7);
  put_out(&f, &body, "so far", 6);
  put_exit(&f, &rest, 0);
  put_end(&rest, NULL);
  fault_rule_t *rule = fault_on(f.server, START);
  faults_stream(&f, rule, &body, false);
  fault_hold(rule);
  fault_chunk(rule, rest.data, rest.len);
  fault_last_chunk(rule);
  rule = fault_on(f.server, HEALTH);
  fault_call(rule, keep_the_loop_busy, f.server);
  fault_answer(rule, 204, NULL, "", NULL);
  e2b_future_t *future = e2b_run_shell(f.sandbox, "true", NULL);
  while (fault_held(f.server) == 0) {
    harness_turn(&f.h, 1);
  }
  faults_succeeds(&f, e2b_sandbox_is_running(f.sandbox));
  faults_succeeds(&f, future);
  bytes_free(&body);
  bytes_free(&rest);
  faults_close(&f);
}

/* The daemon ends it in time; when it does not, the client does, a little later. */
static void a_lifetime_ends_also_when_the_daemon_forgets_it(void **state) {
  faults_t f;
  faults_ready(&f, *state);
  bytes_t body = {NULL, 0};
  put_start(&f, &body, 7);
  put_out(&f, &body, "so far", 6);
  fault_rule_t *rule = fault_on(f.server, START);
  faults_stream(&f, rule, &body, false);
  fault_hang(rule);
  fault_answer(fault_on(f.server, "POST /process.Process/SendSignal"), 200, NULL, "", NULL);
  e2b_run_options options;
  E2B_INIT(&options);
  options.timeout_ms = 50;
  const faults_error_t error = faults_fails(&f, e2b_run_shell(f.sandbox, "sleep 1", &options));
  assert_int_equal(error.code, E2B_ETIMEDOUT);
  assert_int_equal(error.clock, E2B_CLOCK_LIFETIME);
  assert_string_equal(error.partial_out, "so far");
  while (fault_count(f.server, "POST /process.Process/SendSignal") == 0) {
    harness_turn(&f.h, 1);
  }
  bytes_free(&body);
  faults_close(&f);
}

static void a_stream_without_limits_has_none(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = f.options.first_event_timeout_ms = E2B_NO_TIMEOUT;
  f.options.request_timeout_ms = E2B_NO_TIMEOUT;
  faults_sandbox(&f);
  bytes_t body = {NULL, 0};
  put_usual(&f, &body);
  fault_rule_t *rule = fault_on(f.server, START);
  fault_wait(rule, 100);
  faults_stream(&f, rule, &body, true);
  e2b_run_options options;
  E2B_INIT(&options);
  options.timeout_ms = options.first_event_timeout_ms = E2B_NO_TIMEOUT;
  faults_succeeds(&f, e2b_run_shell(f.sandbox, "sleep 1", &options));
  bytes_free(&body);
  faults_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_server_is_no_connection),
      cmocka_unit_test(a_name_that_does_not_exist_is_said_so),
      cmocka_unit_test(connecting_has_a_clock),
      cmocka_unit_test(streams_do_not_wait_for_a_connection_for_ever),
      cmocka_unit_test(looking_up_a_name_is_part_of_connecting),
      cmocka_unit_test(a_request_as_a_whole_has_a_clock),
      cmocka_unit_test(a_call_may_have_its_own_clock),
      IN_BOTH(a_stream_has_to_begin),
      IN_BOTH(a_call_says_when_its_stream_has_to_begin),
      IN_BOTH(a_silent_stream_is_given_up),
      IN_BOTH(keep_alives_are_no_silence),
      IN_BOTH(a_busy_loop_is_no_silence),
      cmocka_unit_test_prestate(a_lifetime_ends_also_when_the_daemon_forgets_it, &faults_proto),
      IN_BOTH(a_stream_without_limits_has_none),
  };
  return cmocka_run_group_tests_name("faults: clocks", tests, NULL, NULL);
}
