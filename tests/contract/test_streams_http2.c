/* SPDX-License-Identifier: MIT */
/* How long streams lie on connections of HTTP/2, by nginx before the scripted server. */

#include "support/faults.h"
#include "support/front.h"
#include "support/nginx.h"

enum { MOST = 300, OF_FEW_A_CONNECTION = 100, OF_MANY_A_CONNECTION = 16 };

typedef struct streams {
  faults_t f;
  e2b_command_t *commands[MOST];
  unsigned asked, started;
} streams_t;

static void stop_front(void *ctx) {
  front_stop(ctx, 1);
}

static bool streams_open(streams_t *s) {
  if (!nginx_installed()) return false;
  memset(s, 0, sizeof *s);
  faults_open(&s->f, &faults_proto);
  front_t *front = front_start(&s->f.h.loop, fault_url(s->f.server), true);
  harness_at_stop(&s->f.h, stop_front, front);
  s->f.options.api_url = s->f.options.sandbox_url = front_url(front);
  s->f.options.ca_blob = front_authority(front);
  s->f.options.ca_blob_len = strlen(front_authority(front));
  faults_sandbox(&s->f);
  bytes_t body = {NULL, 0};
  put_start(&s->f, &body, 7);
  faults_stream(&s->f, fault_on(s->f.server, START), &body, false);
  bytes_free(&body);
  return true;
}

static void on_started(e2b_future_t *future, void *user_data) {
  streams_t *s = user_data;
  e2b_command_t *command = e2b_future_command(future);
  assert_non_null(command);
  s->commands[s->started++] = command;
}

/* Starts so many at once, and waits until they have begun. */
static void start(streams_t *s, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    e2b_future_then(e2b_command_start(s->f.sandbox, "cat", NULL, NULL), on_started, s);
  }
  s->asked += count;
  harness_until_count(&s->f.h, &s->started, s->asked);
}

static void give_up_all(streams_t *s) {
  while (s->started > 0) {
    e2b_command_t *command = s->commands[--s->started];
    e2b_command_disconnect(command);
    e2b_command_release(command);
  }
  s->asked = 0;
}

static unsigned connections(const streams_t *s) {
  e2b_client_stats stats;
  E2B_INIT(&stats);
  e2b_client_get_stats(s->f.h.client, &stats);
  return (unsigned)stats.connections_opened;
}

static void few_long_streams_share_one_connection(void **state) {
  (void)state;
  static streams_t s;
  if (!streams_open(&s)) skip();
  start(&s, OF_FEW_A_CONNECTION);
  assert_int_equal(connections(&s), 1);
  give_up_all(&s);
  faults_close(&s.f);
}

static void many_long_streams_lie_a_few_to_a_connection(void **state) {
  (void)state;
  static streams_t s;
  if (!streams_open(&s)) skip();
  start(&s, OF_FEW_A_CONNECTION);
  start(&s, MOST - OF_FEW_A_CONNECTION);
  const unsigned needed = (MOST + OF_MANY_A_CONNECTION - 1) / OF_MANY_A_CONNECTION;
  /* Several are opened at a time, by how many wait when they are. */
  assert_in_range(connections(&s), needed, needed + 2);
  give_up_all(&s);
  faults_close(&s.f);
}

/* curl opens a connection for each that finds no place: the number a connection has must not go
 * down while any are on their way to one. */
static void many_streams_at_once_open_no_connection_each(void **state) {
  (void)state;
  static streams_t s;
  if (!streams_open(&s)) skip();
  start(&s, MOST);
  assert_true(connections(&s) <= (MOST + OF_MANY_A_CONNECTION - 1) / OF_MANY_A_CONNECTION + 2);
  give_up_all(&s);
  faults_close(&s.f);
}

static void calls_go_between_many_streams(void **state) {
  (void)state;
  static streams_t s;
  if (!streams_open(&s)) skip();
  start(&s, MOST);
  fault_answer(fault_on(s.f.server, HEALTH), 204, NULL, "", NULL);
  const unsigned before = connections(&s);
  for (unsigned i = 0; i < 20; i++) {
    faults_succeeds(&s.f, e2b_sandbox_is_running(s.f.sandbox));
  }
  assert_true(connections(&s) <= before + 1);
  give_up_all(&s);
  faults_close(&s.f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(few_long_streams_share_one_connection),
      cmocka_unit_test(many_long_streams_lie_a_few_to_a_connection),
      cmocka_unit_test(many_streams_at_once_open_no_connection_each),
      cmocka_unit_test(calls_go_between_many_streams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
