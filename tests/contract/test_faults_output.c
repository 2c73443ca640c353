/* SPDX-License-Identifier: MIT */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "support/faults.h"

/* Output in bulk: constant memory, ceilings, pausing, and what a callback may do. */

/* A stream of `total` bytes of output in events of 32 KiB, numbered so that order shows. */
typedef struct source {
  const faults_t *f;
  uint64_t total;
  uint64_t made;
  bytes_t ready;
  size_t taken;
  enum { BEGIN, MIDDLE, ENDED } where;
} source_t;

enum { EVENT = 32 << 10 };

static unsigned char byte_at(uint64_t offset) {
  return (unsigned char)(offset ^ offset >> 8 ^ offset >> 17);
}

static void make_more(source_t *s) {
  char data[EVENT];
  bytes_free(&s->ready);
  s->taken = 0;
  if (s->where == BEGIN) {
    put_start(s->f, &s->ready, 7);
    s->where = MIDDLE;
  } else if (s->made < s->total) {
    const size_t len = s->total - s->made < EVENT ? (size_t)(s->total - s->made) : EVENT;
    for (size_t i = 0; i < len; i++) {
      data[i] = (char)byte_at(s->made + i);
    }
    put_out(s->f, &s->ready, data, len);
    s->made += len;
  } else if (s->where == MIDDLE) {
    put_exit(s->f, &s->ready, 0);
    put_end(&s->ready, NULL);
    s->where = ENDED;
  }
}

static size_t make(void *ctx, char *to, size_t size) {
  source_t *s = ctx;
  if (s->taken == s->ready.len) make_more(s);
  const size_t left = s->ready.len - s->taken;
  const size_t len = left < size ? left : size;
  if (len > 0) memcpy(to, s->ready.data + s->taken, len);
  s->taken += len;
  return len;
}

static void serve(faults_t *f, source_t *s, uint64_t total) {
  memset(s, 0, sizeof *s);
  s->f = f;
  s->total = total;
  fault_rule_t *rule = fault_on(f->server, START);
  fault_head_chunked(rule, 200, faults_stream_type(f), NULL);
  fault_generate(rule, make, s, true);
  fault_last_chunk(rule);
}

/* Who reads it. */
typedef struct sink {
  uint64_t seen;
  bool in_order;
  uint64_t act_at; /* once that many bytes were seen */
  bool acted;
  void (*act)(e2b_command_t *command, struct sink *sink);
  e2b_future_t *future;
  e2b_command_t *command;
} sink_t;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  sink_t *sink = user_data;
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)data[i] != byte_at(sink->seen + i)) sink->in_order = false;
  }
  sink->seen += len;
  if (sink->act == NULL || sink->acted || sink->seen < sink->act_at) return;
  sink->acted = true;
  sink->act(command, sink);
}

static void sink_options(sink_t *sink, e2b_run_options *options) {
  memset(sink, 0, sizeof *sink);
  sink->in_order = true;
  E2B_INIT(options);
  options->on_stdout = on_output;
  options->user_data = sink;
}

/* The run succeeds, and nothing of what the source made was lost. */
static void all_arrives(faults_t *f, e2b_future_t *future, source_t *source, const sink_t *sink) {
  faults_succeeds(f, future);
  assert_int_equal(sink->seen, source->total);
  assert_true(sink->in_order);
  bytes_free(&source->ready);
}

/* The sanitizer has an allocator of its own. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap_in_use(void) {
  if (__sanitizer_get_current_allocated_bytes != NULL) {
    return __sanitizer_get_current_allocated_bytes();
  }
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void much_output_takes_constant_memory(void **state) {
  enum { TOTAL = 100 << 20, MOST = 4 << 20 };
  faults_t f;
  faults_ready(&f, *state);
  source_t source;
  serve(&f, &source, TOTAL);
  sink_t sink;
  e2b_run_options options;
  sink_options(&sink, &options);
  const size_t before = heap_in_use();
  e2b_future_t *future = e2b_run_shell(f.sandbox, "yes", &options);
  size_t most = 0;
  while (!e2b_future_is_done(future)) {
    harness_turn(&f.h, 64);
    const size_t now = heap_in_use();
    if (now > before && now - before > most) most = now - before;
  }
  assert_true(most < MOST);
  assert_int_equal(e2b_future_execution(future)->stdout_data.len, 0);
  all_arrives(&f, future, &source, &sink);
  faults_close(&f);
}

static void collected_output_has_a_ceiling(void **state) {
  faults_t f;
  faults_open(&f, *state);
  f.options.max_output_bytes = 1 << 20;
  faults_sandbox(&f);
  source_t source;
  serve(&f, &source, 8 << 20);
  fault_answer(fault_on(f.server, "POST /process.Process/SendSignal"), 200, NULL, "", NULL);
  const faults_error_t error = faults_fails(&f, e2b_run_shell(f.sandbox, "yes", NULL));
  assert_int_equal(error.code, E2B_ETOOBIG);
  assert_true(error.has_partial);
  bytes_free(&source.ready);
  faults_close(&f);
}

/* --- pausing ------------------------------------------------------------------------------------
 */

static void pause_it(e2b_command_t *command, sink_t *sink) {
  sink->command = command;
  e2b_command_pause(command);
}

static void turn_until_acted(faults_t *f, sink_t *sink) {
  harness_until_true(&f->h, &sink->acted);
}

/* Long enough for a stream that was not stopped to be over. */
static void let_it_settle(faults_t *f) {
  uint64_t before;
  do {
    before = fault_bytes_written(f->server);
    harness_turn(&f->h, 200);
  } while (fault_bytes_written(f->server) != before);
}

static void a_paused_stream_stops_the_server(void **state) {
  enum { TOTAL = 64 << 20, MOST_UNDER_WAY = 24 << 20 };
  faults_t f;
  faults_open(&f, *state);
  f.options.silence_timeout_ms = 300; /* which a pause is not */
  faults_sandbox(&f);
  source_t source;
  serve(&f, &source, TOTAL);
  sink_t sink;
  e2b_run_options options;
  sink_options(&sink, &options);
  sink.act_at = 1 << 20;
  sink.act = pause_it;
  e2b_future_t *future = e2b_run_shell(f.sandbox, "yes", &options);
  turn_until_acted(&f, &sink);
  const uint64_t seen = sink.seen;
  let_it_settle(&f);
  assert_int_equal(sink.seen, seen); /* nothing after the pause */
  assert_true(source.made < MOST_UNDER_WAY);
  assert_int_equal(e2b_future_is_done(future), 0);
  e2b_command_resume(sink.command);
  all_arrives(&f, future, &source, &sink);
  faults_close(&f);
}

static void pause_and_resume(e2b_command_t *command, sink_t *sink) {
  e2b_command_pause(command);
  e2b_command_resume(command);
  e2b_command_pause(command);
  e2b_command_resume(command);
  sink->act_at = sink->seen + 100000;
  sink->acted = false;
}

static void pausing_and_resuming_loses_nothing(void **state) {
  enum { TOTAL = 8 << 20 };
  faults_t f;
  faults_ready(&f, *state);
  source_t source;
  serve(&f, &source, TOTAL);
  sink_t sink;
  e2b_run_options options;
  sink_options(&sink, &options);
  sink.act_at = 1;
  sink.act = pause_and_resume;
  all_arrives(&f, e2b_run_shell(f.sandbox, "yes", &options), &source, &sink);
  faults_close(&f);
}

/* Paused after every piece, resumed from outside. */
static void pause_each(e2b_command_t *command, sink_t *sink) {
  sink->command = command;
  sink->acted = false;
  e2b_command_pause(command);
}

static void a_reader_may_pause_after_every_piece(void **state) {
  enum { TOTAL = 2 << 20 };
  faults_t f;
  faults_ready(&f, *state);
  source_t source;
  serve(&f, &source, TOTAL);
  sink_t sink;
  e2b_run_options options;
  sink_options(&sink, &options);
  sink.act = pause_each;
  e2b_future_t *future = e2b_run_shell(f.sandbox, "yes", &options);
  uint64_t before = 0;
  while (!e2b_future_is_done(future)) {
    harness_turn(&f.h, 1);
    if (sink.seen == before || sink.command == NULL) continue;
    before = sink.seen;
    e2b_command_resume(sink.command);
  }
  all_arrives(&f, future, &source, &sink);
  faults_close(&f);
}

/* The whole answer is there and the connection over while the reader still pauses. */
static void a_pause_outlasts_the_connection(void **state) {
  void (*const ends[])(fault_rule_t *) = {fault_last_chunk, fault_close, fault_reset};
  for (size_t i = 0; i < E2B__COUNT(ends); i++) {
    faults_t f;
    faults_ready(&f, *state);
    faults_alive(&f);
    bytes_t body = {NULL, 0};
    put_start(&f, &body, 7);
    char data[2] = {(char)byte_at(0), (char)byte_at(1)};
    put_out(&f, &body, data, 1);
    put_out(&f, &body, data + 1, 1);
    put_exit(&f, &body, 0);
    put_end(&body, NULL);
    fault_rule_t *rule = fault_on(f.server, START);
    faults_stream(&f, rule, &body, false);
    ends[i](rule);
    sink_t sink;
    e2b_run_options options;
    sink_options(&sink, &options);
    sink.act = pause_it;
    e2b_future_t *future = e2b_run_shell(f.sandbox, "true", &options);
    turn_until_acted(&f, &sink);
    harness_turn(&f.h, 50);
    assert_int_equal(sink.seen, 1);
    assert_int_equal(e2b_future_is_done(future), 0);
    e2b_command_resume(sink.command);
    faults_succeeds(&f, future);
    assert_int_equal(sink.seen, 2);
    bytes_free(&body);
    faults_close(&f);
  }
}

/* --- leaving from inside ------------------------------------------------------------------------
 */

static void disconnect_it(e2b_command_t *command, sink_t *sink) {
  sink->act_at = sink->seen;
  e2b_command_disconnect(command);
}

static void cancel_it(e2b_command_t *command, sink_t *sink) {
  (void)command;
  sink->act_at = sink->seen;
  e2b_future_cancel(sink->future);
}

static void pause_and_cancel(e2b_command_t *command, sink_t *sink) {
  e2b_command_pause(command);
  cancel_it(command, sink);
}

static void pause_and_disconnect(e2b_command_t *command, sink_t *sink) {
  e2b_command_pause(command);
  e2b_command_resume(command);
  disconnect_it(command, sink);
}

static void leaving_from_inside_a_callback_is_the_end_of_callbacks(void **state) {
  void (*const acts[])(e2b_command_t *, sink_t *) = {disconnect_it, cancel_it, pause_and_cancel,
                                                     pause_and_disconnect};
  for (size_t i = 0; i < E2B__COUNT(acts); i++) {
    faults_t f;
    faults_ready(&f, *state);
    source_t source;
    serve(&f, &source, 64 << 20);
    fault_answer(fault_on(f.server, "POST /process.Process/SendSignal"), 200, NULL, "", NULL);
    sink_t sink;
    e2b_run_options options;
    sink_options(&sink, &options);
    sink.act_at = 100000;
    sink.act = acts[i];
    sink.future = e2b_run_shell(f.sandbox, "yes", &options);
    assert_int_equal(faults_code(&f, sink.future), E2B_ECANCELED);
    let_it_settle(&f);
    assert_int_equal(sink.seen, sink.act_at);
    assert_true(source.made < source.total);
    bytes_free(&source.ready);
    faults_close(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(much_output_takes_constant_memory),
      IN_BOTH(collected_output_has_a_ceiling),
      IN_BOTH(a_paused_stream_stops_the_server),
      IN_BOTH(pausing_and_resuming_loses_nothing),
      IN_BOTH(a_reader_may_pause_after_every_piece),
      IN_BOTH(a_pause_outlasts_the_connection),
      IN_BOTH(leaving_from_inside_a_callback_is_the_end_of_callbacks),
  };
  return cmocka_run_group_tests_name("faults: output", tests, NULL, NULL);
}
