/* SPDX-License-Identifier: MIT */
/* Long streams over HTTP/1.1 lie in several multis, which are made small here: who shares one with
 * whom is to be seen by nobody. */

#include <stdio.h>

#include "net/internal.h"
#include "support/faults.h"
#include "support/front.h"
#include "support/nginx.h"
#include "support/starving.h"

enum { A_MULTI = 4, MOST = 5 * A_MULTI, BEYOND_THE_FIRST = 2 };

#define LIST "GET /v2/sandboxes"

typedef struct streams streams_t;

typedef struct stream {
  streams_t *s;
  unsigned pid; /* 1 is the first; the exit code as well */
  e2b_command_t *command;
  unsigned outputs;
  bool gone; /* no output may come any more */
} stream_t;

struct streams {
  faults_t f;
  stream_t all[MOST];
  unsigned count;
  unsigned started;
  unsigned ended;
  unsigned failed;
  /* Called with each piece of output, if set. */
  void (*on_output)(stream_t *stream);
};

static void open_streams(streams_t *s) {
  memset(s, 0, sizeof *s);
  faults_open(&s->f, &faults_proto);
  s->f.options.max_in_flight = A_MULTI; /* of the first multi, as many streams */
  faults_sandbox(&s->f);
  s->f.h.client->http->streams_a_multi = A_MULTI;
}

static void stop_front(void *ctx) {
  front_stop(ctx, 1);
}

/* Over TLS, by an edge that offers nothing else. Its two names are two servers to the client, which
 * knows nothing of the sandbox's yet. */
static bool open_streams_over_tls(streams_t *s) {
  static char url[64];
  if (!nginx_installed()) return false;
  memset(s, 0, sizeof *s);
  faults_open(&s->f, &faults_proto);
  front_t *front = front_start(&s->f.h.loop, fault_url(s->f.server), false);
  harness_at_stop(&s->f.h, stop_front, front);
  snprintf(url, sizeof url, "https://e2b.localhost%s", strrchr(front_url(front), ':'));
  s->f.options.api_url = front_url(front);
  s->f.options.sandbox_url = url;
  s->f.options.ca_blob = front_authority(front);
  s->f.options.ca_blob_len = strlen(front_authority(front));
  s->f.options.max_in_flight = A_MULTI;
  faults_sandbox(&s->f);
  s->f.h.client->http->streams_a_multi = A_MULTI;
  return true;
}

static unsigned multis(const streams_t *s) {
  unsigned count = 0;
  const e2b__list_t *list = &s->f.h.client->http->multis;
  for (const e2b__list_t *node = list->next; node != list; node = node->next) {
    count++;
  }
  return count;
}

/* The program of the next request: it has begun, is told to go on `holds` times, then prints and
 * ends. */
static void program(streams_t *s, unsigned pid, unsigned holds) {
  fault_rule_t *rule = fault_once(s->f.server, START);
  bytes_t body = {NULL, 0};
  put_start(&s->f, &body, pid);
  faults_stream(&s->f, rule, &body, false);
  bytes_free(&body);
  for (unsigned i = 0; i < holds; i++) {
    fault_hold(rule);
  }
  put_out(&s->f, &body, "done", 4);
  put_exit(&s->f, &body, pid);
  put_end(&body, NULL);
  fault_chunk(rule, body.data, body.len);
  fault_last_chunk(rule);
  bytes_free(&body);
}

static void on_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  (void)data;
  (void)len;
  stream_t *stream = user_data;
  if (stream->gone) stream->s->failed++;
  stream->outputs++;
  if (stream->s->on_output != NULL) stream->s->on_output(stream);
}

static void on_started(e2b_future_t *future, void *user_data) {
  stream_t *stream = user_data;
  stream->command = e2b_future_command(future);
  /* Without memory, which is for the test to expect. */
  if (stream->command == NULL) stream->s->failed++;
  stream->s->started++;
}

static void on_ended(e2b_future_t *future, void *user_data) {
  stream_t *stream = user_data;
  const e2b_execution_t *result = e2b_future_execution(future);
  if (result == NULL || (unsigned)result->exit_code != stream->pid) stream->s->failed++;
  stream->s->ended++;
}

static void start_one(streams_t *s, unsigned holds) {
  stream_t *stream = &s->all[s->count++];
  memset(stream, 0, sizeof *stream);
  stream->s = s;
  stream->pid = s->count;
  program(s, stream->pid, holds);
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_stdout = on_stdout;
  options.user_data = stream;
  e2b_future_then(e2b_command_start(s->f.sandbox, "cat", NULL, &options), on_started, stream);
}

/* Starts them one after the other, so that the requests come in that order. */
static void start(streams_t *s, unsigned count) {
  while (count-- > 0) {
    start_one(s, 1);
    harness_until_count(&s->f.h, &s->started, s->count);
  }
}

static void wait_for_the_end(streams_t *s) {
  for (unsigned i = 0; i < s->count; i++) {
    if (s->all[i].gone) continue;
    e2b_future_then(e2b_command_wait(s->all[i].command), on_ended, &s->all[i]);
  }
}

static void give_up(stream_t *stream) {
  stream->gone = true;
  e2b_command_disconnect(stream->command);
}

static bool all_held(void *ctx) {
  const streams_t *s = ctx;
  unsigned running = s->count - s->ended;
  for (unsigned i = 0; i < s->count; i++) {
    running -= s->all[i].gone;
  }
  return fault_held(s->f.server) == running;
}

static void release_commands(streams_t *s) {
  for (unsigned i = 0; i < s->count; i++) {
    e2b_command_release(s->all[i].command);
  }
  s->count = s->started = s->ended = 0;
}

static void close_streams(streams_t *s) {
  release_commands(s);
  assert_int_equal(s->failed, 0);
  faults_close(&s->f);
}

/* Lets all go on that are held, until all of them have ended. */
static void end_all(streams_t *s) {
  harness_until(&s->f.h, all_held, s);
  const unsigned left = fault_held(s->f.server);
  const unsigned ended = s->ended;
  wait_for_the_end(s);
  fault_release(s->f.server);
  harness_until_count(&s->f.h, &s->ended, ended + left);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void more_streams_than_one_multi_holds_end_in_any_order(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  for (unsigned i = 0; i < MOST; i++) {
    start_one(&s, 1 + i * 7 % MOST); /* so that each has a turn of its own */
    harness_until_count(&s.f.h, &s.started, s.count);
  }
  assert_int_equal(multis(&s), MOST / A_MULTI);
  wait_for_the_end(&s);
  for (unsigned turn = 1; turn <= MOST; turn++) {
    harness_until(&s.f.h, all_held, &s);
    fault_release(s.f.server);
    harness_until_count(&s.f.h, &s.ended, turn);
    assert_int_equal(s.ended, turn);
  }
  close_streams(&s);
}

static void streams_given_up_leave_the_others(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  for (unsigned i = 0; i < MOST; i++) {
    stream_t *stream = &s.all[i * 7 % MOST];
    if (stream->pid % 3 != 0) give_up(stream);
  }
  end_all(&s);
  assert_int_equal(s.ended, MOST / 3);
  close_streams(&s);
}

static void closing_ends_the_streams_of_all_multis(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  e2b_future_t *waits[MOST];
  for (unsigned i = 0; i < MOST; i++) {
    waits[i] = e2b_command_wait(s.all[i].command);
  }
  harness_close_client(&s.f.h);
  for (unsigned i = 0; i < MOST; i++) {
    assert_int_equal(e2b_future_error(waits[i])->code, E2B_ECLOSED);
    e2b_future_release(waits[i]);
  }
  close_streams(&s);
}

static void end_half_of_them(stream_t *stream) {
  streams_t *s = stream->s;
  stream_t *other = &s->all[(stream->pid - 1 + MOST / 2) % MOST];
  if (!other->gone) give_up(other);
}

static void output_of_one_stream_may_end_one_of_another_multi(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  harness_until(&s.f.h, all_held, &s);
  s.on_output = end_half_of_them;
  unsigned outputs = 0;
  fault_release(s.f.server);
  while (outputs < MOST / 2) {
    harness_turn_once(&s.f.h);
    outputs = 0;
    for (unsigned i = 0; i < MOST; i++) {
      outputs += s.all[i].outputs;
    }
  }
  harness_turn(&s.f.h, 10);
  for (unsigned i = 0; i < MOST / 2; i++) {
    assert_int_equal(s.all[i].outputs + s.all[i + MOST / 2].outputs, 1);
  }
  close_streams(&s);
}

static void close_client(stream_t *stream) {
  harness_t *h = &stream->s->f.h;
  for (unsigned i = 0; i < stream->s->count; i++) {
    stream->s->all[i].gone = true;
  }
  if (h->client != NULL) e2b_client_close(h->client, NULL, NULL);
  h->client = NULL;
}

static void output_of_one_stream_may_close_the_client(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  harness_until(&s.f.h, all_held, &s);
  s.on_output = close_client;
  fault_release(s.f.server);
  while (s.f.h.client != NULL) {
    harness_turn_once(&s.f.h);
  }
  close_streams(&s);
}

static void connections_are_kept_for_the_streams_that_follow(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, BEYOND_THE_FIRST * A_MULTI);
  assert_int_equal(multis(&s), BEYOND_THE_FIRST);
  const unsigned connections = fault_connections(s.f.server);
  for (unsigned round = 0; round < 3; round++) {
    end_all(&s);
    release_commands(&s);
    start(&s, BEYOND_THE_FIRST * A_MULTI);
  }
  assert_int_equal(fault_connections(s.f.server), connections);
  end_all(&s);
  close_streams(&s);
}

static void what_many_streams_needed_is_given_back(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  const unsigned before = harness_descriptors();
  end_all(&s);
  harness_turn(&s.f.h, 10);
  assert_int_equal(multis(&s), BEYOND_THE_FIRST);
  /* Ours and the server's ends, and two of each multi. */
  const unsigned gone = MOST - BEYOND_THE_FIRST * A_MULTI;
  assert_true(harness_descriptors() <= before - 2 * gone);
  close_streams(&s);
}

static void calls_keep_their_connection_beside_many_streams(void **state) {
  (void)state;
  streams_t s;
  open_streams(&s);
  start(&s, MOST);
  fault_answer(fault_on(s.f.server, LIST), 200, "application/json", "[]", NULL);
  const unsigned before = fault_connections(s.f.server);
  for (unsigned i = 0; i < 10; i++) {
    faults_succeeds(&s.f, e2b_sandbox_list(s.f.h.client, NULL));
  }
  assert_int_equal(fault_connections(s.f.server), before + 1);
  end_all(&s);
  close_streams(&s);
}

static void streams_over_tls_lie_in_several_multis_too(void **state) {
  (void)state;
  streams_t s;
  if (!open_streams_over_tls(&s)) skip();
  start(&s, MOST);
  assert_int_equal(multis(&s), MOST / A_MULTI);
  for (unsigned i = 0; i < MOST; i += 3) {
    give_up(&s.all[i]);
  }
  end_all(&s);
  assert_int_equal(multis(&s), BEYOND_THE_FIRST);
  close_streams(&s);
}

static void streams_over_tls_may_begin_all_at_once(void **state) {
  (void)state;
  streams_t s;
  if (!open_streams_over_tls(&s)) skip();
  while (s.count < MOST) {
    start_one(&s, 1);
  }
  harness_until_count(&s.f.h, &s.started, MOST);
  harness_until(&s.f.h, all_held, &s);
  /* Whichever came first has got the first program. */
  s.on_output = give_up;
  fault_release(s.f.server);
  for (unsigned i = 0; i < MOST; i++) {
    harness_until_count(&s.f.h, &s.all[i].outputs, 1);
  }
  close_streams(&s);
}

/* --- without memory --------------------------------------------------------------------------- */

static void start_and_give_up(void *ctx, size_t nth) {
  (void)ctx;
  streams_t s;
  open_streams(&s);
  unsigned asked = 0;
  for (unsigned i = 0; i < 3 * A_MULTI; i++) {
    program(&s, i + 1, 1);
  }
  starving_begin();
  while (s.count < 3 * A_MULTI) {
    stream_t *stream = &s.all[s.count++];
    *stream = (stream_t){.s = &s, .pid = s.count};
    e2b_future_t *future = e2b_command_start(s.f.sandbox, "cat", NULL, NULL);
    if (e2b_future_then(future, on_started, stream) == 0) asked++;
  }
  harness_until_count(&s.f.h, &s.started, asked);
  starving_end();
  if (!starving_failed() && s.failed > 0) fail_msg("%zu: %u failed", nth, s.failed);
  s.failed = 0;
  for (unsigned i = 0; i < s.count; i++) {
    if (s.all[i].command != NULL) give_up(&s.all[i]);
  }
  close_streams(&s);
}

static void streams_begin_without_one_allocation(void **state) {
  (void)state;
  const starving_scenario_t scenario = {"streams", start_and_give_up, NULL};
  assert_true(starving_walk(&scenario, false, 150, 7) > 3 * A_MULTI);
}

static void streams_begin_without_any_from_one_on(void **state) {
  (void)state;
  const starving_scenario_t scenario = {"streams", start_and_give_up, NULL};
  assert_true(starving_walk(&scenario, true, 20, 17) > 3 * A_MULTI);
}

int main(void) {
  starving_library();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(more_streams_than_one_multi_holds_end_in_any_order),
      cmocka_unit_test(streams_given_up_leave_the_others),
      cmocka_unit_test(closing_ends_the_streams_of_all_multis),
      cmocka_unit_test(output_of_one_stream_may_end_one_of_another_multi),
      cmocka_unit_test(output_of_one_stream_may_close_the_client),
      cmocka_unit_test(connections_are_kept_for_the_streams_that_follow),
      cmocka_unit_test(what_many_streams_needed_is_given_back),
      cmocka_unit_test(calls_keep_their_connection_beside_many_streams),
      cmocka_unit_test(streams_over_tls_lie_in_several_multis_too),
      cmocka_unit_test(streams_over_tls_may_begin_all_at_once),
      cmocka_unit_test(streams_begin_without_one_allocation),
      cmocka_unit_test(streams_begin_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("streams over HTTP/1.1", tests, NULL, NULL);
}
