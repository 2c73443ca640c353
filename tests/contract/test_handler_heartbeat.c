/* SPDX-License-Identifier: MIT */
/* What a stream says when its source says nothing, and when it holds its tongue. */

#include "handler/sse.h"
#include "support/harness.h"

enum { STREAMS = 2, HEARD = 5 };

typedef struct listener {
  e2b_http_stream_t *stream;
  unsigned pieces;
  char first[16]; /* of the pieces */
  size_t first_len;
  bool ended;
} listener;

typedef struct heartbeat_test {
  harness_t h;
  e2b_handler_t *handler;
  e2b__handling_t fake; /* what a stream is made of */
  listener listeners[STREAMS];
  void (*on_data)(struct heartbeat_test *t);
} heartbeat_test;

static heartbeat_test *now_running;

static void nothing(void *ctx) {
  (void)ctx;
}

static void on_beat(void *ctx) {
  e2b__sse_beat(((const listener *)ctx)->stream);
}

static void on_gone(void *ctx) {
  (void)ctx;
}

static const e2b__http_stream_source_t source = {nothing, nothing, NULL, on_gone, on_beat};

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  listener *it = user_data;
  if (stream != it->stream) abort();
  if (it->pieces++ == 0) {
    it->first_len = len;
    memcpy(it->first, data, len < sizeof it->first ? len : sizeof it->first);
  }
  if (now_running->on_data != NULL) now_running->on_data(now_running);
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  (void)stream;
  ((listener *)user_data)->ended = true;
}

static void begin(heartbeat_test *t, uint64_t heartbeat_ms) {
  e2b_handler_options options;
  memset(t, 0, sizeof *t);
  now_running = t;
  harness_start(&t->h);
  harness_client(&t->h, NULL);
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  options.heartbeat_ms = heartbeat_ms;
  assert_int_equal(e2b_handler_new(t->h.client, &options, &t->handler), 0);
  t->fake.handler = t->handler;
  t->fake.caller = e2b__caller_get(t->handler, "");
  for (unsigned i = 0; i < STREAMS; i++) {
    assert_int_equal(e2b__http_stream_new(&t->fake, &source, &t->listeners[i]), 0);
    t->listeners[i].stream = t->fake.stream;
    e2b__http_stream_lend(t->fake.stream, NULL);
  }
  e2b__caller_drop(t->fake.caller); /* the streams are its */
}

static void start(listener *it) {
  assert_int_equal(e2b_http_stream_start(it->stream, on_data, on_end, it), 0);
}

static void end(heartbeat_test *t) {
  t->on_data = NULL;
  for (unsigned i = 0; i < STREAMS; i++) {
    listener *it = &t->listeners[i];
    if (it->ended) continue;
    if (it->stream->on_data == NULL) start(it);
    e2b_http_stream_close(it->stream);
    harness_until_true(&t->h, &it->ended);
  }
  e2b_handler_release(t->handler);
  harness_stop(&t->h);
}

static void assert_one_heartbeat(const listener *it) {
  assert_int_equal(it->first_len, 4);
  assert_memory_equal(it->first, ": \n\n", 4);
}

static void a_silent_stream_says_that_it_is_there(void **state) {
  heartbeat_test t;
  (void)state;
  begin(&t, 1);
  start(&t.listeners[0]);
  harness_until_count(&t.h, &t.listeners[0].pieces, HEARD);
  assert_one_heartbeat(&t.listeners[0]);
  end(&t);
}

static void a_paused_stream_gets_no_pile_of_them(void **state) {
  heartbeat_test t;
  (void)state;
  begin(&t, 1);
  start(&t.listeners[0]);
  start(&t.listeners[1]);
  e2b_http_stream_pause(t.listeners[0].stream);
  harness_until_count(&t.h, &t.listeners[1].pieces, HEARD);
  assert_int_equal(t.listeners[0].pieces, 0);
  e2b_http_stream_resume(t.listeners[0].stream);
  harness_until_count(&t.h, &t.listeners[0].pieces, 1);
  assert_one_heartbeat(&t.listeners[0]);
  end(&t);
}

static void a_stream_that_nobody_has_started_keeps_none(void **state) {
  heartbeat_test t;
  (void)state;
  begin(&t, 1);
  start(&t.listeners[1]);
  harness_until_count(&t.h, &t.listeners[1].pieces, HEARD);
  assert_int_equal(e2b__http_stream_write(t.listeners[0].stream, "word", 5), 0);
  start(&t.listeners[0]);
  harness_until_count(&t.h, &t.listeners[0].pieces, 1);
  assert_string_equal(t.listeners[0].first, "word");
  end(&t);
}

static void the_clock_keeps_no_loop_running(void **state) {
  heartbeat_test t;
  (void)state;
  begin(&t, 0);
  assert_true(uv_is_active((uv_handle_t *)&t.handler->clock));
  assert_false(uv_loop_alive(&t.h.loop));
  end(&t);
}

static void without_heartbeats_there_is_no_clock_to_run(void **state) {
  heartbeat_test t;
  (void)state;
  begin(&t, E2B_NO_TIMEOUT);
  assert_false(uv_is_active((uv_handle_t *)&t.handler->clock));
  end(&t);
}

/* --- everything ends at a heartbeat -------------------------------------------------------------
 */

static void close_both(heartbeat_test *t) {
  e2b_http_stream_close(t->listeners[0].stream);
  e2b_http_stream_close(t->listeners[1].stream);
  t->on_data = NULL;
}

static void release(heartbeat_test *t) {
  e2b_handler_release(t->handler);
  t->handler = NULL;
  t->on_data = NULL;
}

static void on_client_closed(void *user_data) {
  *(bool *)user_data = true;
}

static void close_client(heartbeat_test *t) {
  e2b_client_close(t->h.client, on_client_closed, &t->h.client_closed);
  t->h.client = NULL;
  t->on_data = NULL;
}

static void release_and_close(heartbeat_test *t) {
  release(t);
  close_client(t);
}

static void whoever_hears_one_may_end_everything(void **state) {
  static void (*const deeds[])(heartbeat_test * t) = {close_both, release, close_client,
                                                      release_and_close};
  (void)state;
  for (unsigned i = 0; i < E2B__COUNT(deeds); i++) {
    heartbeat_test t;
    begin(&t, 1);
    t.on_data = deeds[i];
    start(&t.listeners[0]);
    start(&t.listeners[1]);
    harness_until_true(&t.h, &t.listeners[0].ended);
    harness_until_true(&t.h, &t.listeners[1].ended);
    if (t.h.client == NULL) harness_until_true(&t.h, &t.h.client_closed);
    end(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_silent_stream_says_that_it_is_there),
      cmocka_unit_test(a_paused_stream_gets_no_pile_of_them),
      cmocka_unit_test(a_stream_that_nobody_has_started_keeps_none),
      cmocka_unit_test(the_clock_keeps_no_loop_running),
      cmocka_unit_test(without_heartbeats_there_is_no_clock_to_run),
      cmocka_unit_test(whoever_hears_one_may_end_everything),
  };
  return cmocka_run_group_tests_name("handler heartbeat", tests, NULL, NULL);
}
