/* SPDX-License-Identifier: MIT */
#include "support/h2_faults.h"

#include <curl/curl.h>

/* Connections that end with streams on them, or with none. */

enum { LISTS = 4 };

static e2b_future_t *list(h2_faults_t *t) {
  return e2b_sandbox_list(t->f.h.client, NULL);
}

static e2b_future_t *create(h2_faults_t *t) {
  return e2b_sandbox_create(t->f.h.client, NULL);
}

/* The head and half of the body. */
static void begin_answer(h2_request_t *request) {
  h2_head(request, 200, "application/json", -1);
  h2_data(request, "[", 1);
}

static void begin_program(h2_request_t *request, void *ctx) {
  const bytes_t *begun = ctx;
  h2_head(request, 200, "application/connect+proto", -1);
  h2_data(request, begun->data, begun->len);
}

static void of_what_a_lost_connection_carried_only_the_repeatable_is_repeated(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    for (int answers = 0; answers < 2; answers++) {
      h2_faults_t t;
      h2_open(&t);
      t.f.options.max_retries = 1;
      h2_client(&t);
      e2b_future_t *lists[LISTS];
      for (size_t i = 0; i < LISTS; i++) {
        lists[i] = list(&t);
      }
      h2_until_asked(&t, LISTS);
      e2b_future_t *created = create(&t);
      h2_until_asked(&t, LISTS + 1);
      for (unsigned i = 0; answers && i <= LISTS; i++) {
        begin_answer(h2_request(t.server, NULL, i));
      }
      if (answers) h2_until_read(&t, 1);
      h2_on(t.server, LIST, h2_answers, &h2_listed);
      h2_on(t.server, CREATE, h2_answers, &h2_made);
      h2_cut(t.server, 1, reset);
      const faults_error_t error = faults_fails(&t.f, created);
      assert_int_equal(error.code, E2B_ECONNLOST);
      assert_true(error.maybe_applied);
      assert_int_equal(error.attempts, 1);
      for (size_t i = 0; i < LISTS; i++) {
        faults_succeeds(&t.f, lists[i]);
      }
      assert_int_equal(h2_count(t.server, LIST), 2 * LISTS);
      assert_int_equal(h2_count(t.server, CREATE), 1);
      h2_close(&t);
    }
  }
}

static void a_program_on_a_lost_connection_keeps_its_output(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    h2_faults_t t;
    h2_open(&t);
    h2_sandbox(&t);
    h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
    bytes_t begun = {NULL, 0};
    put_start(&t.f, &begun, 7);
    put_out(&t.f, &begun, "hello", 5);
    e2b_future_t *future = e2b_run_command(t.f.sandbox, "ls", NULL, NULL);
    h2_until_asked(&t, 1);
    h2_head(h2_request(t.server, START, 0), 200, faults_stream_type(&t.f), -1);
    h2_data(h2_request(t.server, START, 0), begun.data, begun.len);
    h2_until_read(&t, 1);
    h2_cut(t.server, 1, reset);
    const faults_error_t error = faults_fails(&t.f, future);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_string_equal(error.partial_out, "hello");
    assert_int_equal(h2_count(t.server, START), 1);
    bytes_free(&begun);
    h2_close(&t);
  }
}

/* A frame of data for no stream. Only one of them reads it, and the server does not hang up. */
static void programs_on_a_connection_against_the_rules_keep_their_output(void **state) {
  (void)state;
  enum { PROGRAMS = 8 };
  static const unsigned char no_stream[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
  h2_faults_t t;
  h2_open(&t);
  t.f.options.silence_timeout_ms = 3600 * 1000;
  h2_sandbox(&t);
  h2_on(t.server, HEALTH, h2_answers, &h2_nothing);
  bytes_t begun = {NULL, 0};
  put_start(&t.f, &begun, 7);
  put_out(&t.f, &begun, "hello", 5);
  h2_on(t.server, START, begin_program, &begun);
  e2b_future_t *futures[PROGRAMS];
  for (size_t i = 0; i < PROGRAMS; i++) {
    futures[i] = e2b_run_command(t.f.sandbox, "ls", NULL, NULL);
  }
  h2_until_asked(&t, PROGRAMS);
  h2_until_read(&t, 1);
  h2_raw(t.server, 1, no_stream, sizeof no_stream);
  for (size_t i = 0; i < PROGRAMS; i++) {
    const faults_error_t error = faults_fails(&t.f, futures[i]);
    assert_int_equal(error.code, E2B_ECONNLOST);
    assert_int_equal(error.sandbox, E2B_PRESENCE_ALIVE);
    assert_true(error.maybe_applied);
    assert_string_equal(error.partial_out, "hello");
  }
  assert_int_equal(h2_count(t.server, START), PROGRAMS);
  assert_int_equal(h2_connections(t.server), 2);
  bytes_free(&begun);
  h2_close(&t);
}

/* libcurl 8.5.0 does not see that a connection has ended in order, and writes to it. */
static bool writes_to_what_has_ended(void) {
  return curl_version_info(CURLVERSION_NOW)->version_num == 0x080500;
}

/* Nothing was sent on the dead one, so a create is not in doubt. */
static void a_connection_that_died_idle_is_not_used(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    for (int seen = 0; seen < 2; seen++) {
      h2_faults_t t;
      h2_open(&t);
      h2_client(&t);
      h2_on(t.server, LIST, h2_answers, &h2_listed);
      h2_on(t.server, CREATE, h2_answers, &h2_made);
      faults_succeeds(&t.f, list(&t));
      h2_cut(t.server, 1, reset);
      if (seen) harness_turn(&t.f.h, 5);
      e2b_future_t *future = create(&t);
      if (!reset && writes_to_what_has_ended()) {
        const faults_error_t error = faults_fails(&t.f, future);
        assert_int_equal(error.code, E2B_ECONNLOST);
        assert_true(error.maybe_applied);
        assert_int_equal(h2_count(t.server, CREATE), 0);
        h2_close(&t);
        continue;
      }
      assert_int_equal(harness_await(&t.f.h, future), 0);
      e2b_sandbox_release(e2b_future_sandbox(future));
      e2b_future_release(future);
      assert_int_equal(h2_request(t.server, CREATE, 0)->connection, 2);
      assert_int_equal(h2_connections(t.server), 2);
      h2_close(&t);
    }
  }
}

/* Those in line for it open another. */
static void a_handshake_that_is_cut_fails_one_call(void **state) {
  (void)state;
  h2_faults_t t;
  h2_open(&t);
  h2_client(&t);
  h2_on(t.server, LIST, h2_answers, &h2_listed);
  h2_settings(t.server)->ends_in_handshake = true;
  e2b_future_t *futures[LISTS];
  for (size_t i = 0; i < LISTS; i++) {
    futures[i] = list(&t);
  }
  while (h2_connections(t.server) == 0) {
    harness_turn_once(&t.f.h);
  }
  h2_settings(t.server)->ends_in_handshake = false;
  const faults_error_t error = faults_fails(&t.f, futures[0]);
  assert_int_equal(error.code, E2B_ECONNECT);
  assert_false(error.maybe_applied);
  for (size_t i = 1; i < LISTS; i++) {
    faults_succeeds(&t.f, futures[i]);
  }
  assert_int_equal(h2_connections(t.server), 2);
  h2_close(&t);
}

/* --- many streams -------------------------------------------------------------------------------
 */

/* With more programs than FEW a connection carries OF_MANY. */
enum { FEW = 100, OF_MANY = 16, CONNECTIONS = 14, KILLED = 12, MORE = 100 };

typedef struct programs {
  h2_faults_t t;
  bytes_t begun;
  unsigned asked, started, lost;
  e2b_command_t *commands[FEW + (CONNECTIONS + 1) * OF_MANY + MORE];
} programs_t;

static void on_started(e2b_future_t *future, void *user_data) {
  programs_t *p = user_data;
  p->commands[p->started] = e2b_future_command(future);
  assert_non_null(p->commands[p->started++]);
}

static void start(programs_t *p, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    e2b_future_then(e2b_command_start(p->t.f.sandbox, "cat", NULL, NULL), on_started, p);
  }
  p->asked += count;
  harness_until_count(&p->t.f.h, &p->started, p->asked);
}

static void on_end(e2b_future_t *future, void *user_data) {
  assert_non_null(e2b_future_error(future));
  ++*(unsigned *)user_data;
}

/* All but the first and the last. How many programs it takes with it. */
static unsigned kill_connections(programs_t *p) {
  unsigned killed = 0;
  for (unsigned i = 0; i < p->started; i++) {
    const unsigned number = h2_request(p->t.server, START, i)->connection;
    killed += number > 1 && number <= 1 + KILLED;
  }
  for (unsigned i = 2; i <= 1 + KILLED; i++) {
    h2_cut(p->t.server, i, true);
  }
  return killed;
}

/* Their places have gone with them. Each program that is lost asks whether its sandbox is there,
 * and would else find no place, and open a connection for itself. */
static void as_many_connections_are_opened_anew_as_are_needed(void **state) {
  (void)state;
  static programs_t p;
  memset(&p, 0, sizeof p);
  h2_open(&p.t);
  h2_sandbox(&p.t);
  put_start(&p.t.f, &p.begun, 7);
  h2_on(p.t.server, HEALTH, h2_answers, &h2_nothing);
  h2_on(p.t.server, START, begin_program, &p.begun);
  start(&p, FEW);
  while (h2_connections(p.t.server) < CONNECTIONS) {
    start(&p, OF_MANY);
  }
  for (unsigned i = 0; i < p.started; i++) {
    e2b_future_then(e2b_command_wait(p.commands[i]), on_end, &p.lost);
  }
  const unsigned before = h2_connections(p.t.server);
  const unsigned killed = kill_connections(&p);
  harness_until_count(&p.t.f.h, &p.lost, killed);
  start(&p, MORE);
  assert_int_equal(h2_count(p.t.server, HEALTH), killed);
  const unsigned needed = (p.started - killed) / OF_MANY + 1;
  assert_in_range(h2_connections(p.t.server) - before, 1, needed);
  while (p.started > 0) {
    e2b_command_t *command = p.commands[--p.started];
    e2b_command_disconnect(command);
    e2b_command_release(command);
  }
  bytes_free(&p.begun);
  h2_close(&p.t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_what_a_lost_connection_carried_only_the_repeatable_is_repeated),
      cmocka_unit_test(a_program_on_a_lost_connection_keeps_its_output),
      cmocka_unit_test(programs_on_a_connection_against_the_rules_keep_their_output),
      cmocka_unit_test(a_connection_that_died_idle_is_not_used),
      cmocka_unit_test(a_handshake_that_is_cut_fails_one_call),
      cmocka_unit_test(as_many_connections_are_opened_anew_as_are_needed),
  };
  return cmocka_run_group_tests_name("HTTP/2: cuts", tests, NULL, NULL);
}
