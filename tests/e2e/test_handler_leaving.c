/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "support/page.h"

/* Terminals through the request handler, given up, closed and released at every moment. */

enum { LATEST = 26, PACE_EACH_MS = 2 };

static char terminal_id[SCENE_ID_SIZE];

typedef struct visit {
  e2b_client_t *client;
  e2b_handler_t *handler;
  e2b_http_stream_t *stream;
  unsigned answers, started, ended;
  bool over; /* answered, and the stream has ended */
  bool client_closed;
  bool inside;
} visit;

static void look(visit *v) {
  v->over = v->answers == 1 && v->started == v->ended;
}

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  const visit *v = user_data;
  (void)data;
  if (v->inside || stream != v->stream || len == 0) abort();
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  visit *v = user_data;
  if (v->inside || stream != v->stream) abort();
  v->stream = NULL;
  v->ended++;
  look(v);
}

static void on_answer(e2b_future_t *future, void *user_data) {
  visit *v = user_data;
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  if (v->inside) abort();
  v->answers++;
  if (answer != NULL && answer->stream != NULL) {
    v->started++;
    v->stream = answer->stream;
    if (e2b_http_stream_start(v->stream, on_data, on_end, v) != 0) abort();
  }
  look(v);
}

static void on_closed(void *user_data) {
  ((visit *)user_data)->client_closed = true;
}

/* --- what is asked ------------------------------------------------------------------------------
 */

/* The action behind "terminal.", and what it needs. */
static const struct {
  const char *action;
  const char *members;
} posts[] = {
    {"create", ""},
    {"getById", ""},
    {"list", ""},
    {"write", ",\"data\":\":\\n\""},
    {"resize", ",\"cols\":90,\"rows\":30"},
};
enum { POSTS = sizeof posts / sizeof *posts, ASKED = POSTS + 2 };

static e2b_future_t *ask(visit *v, unsigned which) {
  char text[512];
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = which < POSTS ? "POST" : "GET";
  if (which < POSTS) {
    request.body_len = (size_t)snprintf(
        text, sizeof text,
        "{\"action\":\"compute.sandbox.terminal.%s\",\"sandboxId\":\"%s\",\"terminalId\":\"%s\"%s}",
        posts[which].action, e2b_sandbox_id(scene.sandbox), terminal_id, posts[which].members);
    request.body = text;
  } else {
    const bool socket = which == POSTS;
    snprintf(text, sizeof text, "action=terminal.%s&sandboxId=%s&terminalId=%s",
             socket ? "connect" : "stream", e2b_sandbox_id(scene.sandbox), terminal_id);
    request.query = text;
    request.headers = page_handshake;
    request.headers_count = socket ? PAGE_HANDSHAKE_COUNT : 0;
  }
  return e2b_handle_request(v->handler, &request);
}

/* --- what comes between -------------------------------------------------------------------------
 */

typedef void (*disturb)(visit *v, e2b_future_t *future);

static void by_leaving(visit *v, e2b_future_t *future) {
  e2b_future_cancel(future);
  e2b_http_stream_close(v->stream);
}

static void by_release(visit *v, e2b_future_t *future) {
  (void)future;
  e2b_handler_release(v->handler);
  v->handler = NULL;
}

static void by_close(visit *v, e2b_future_t *future) {
  (void)future;
  e2b_client_close(v->client, on_closed, v);
  v->client = NULL;
}

static void by_all_of_it(visit *v, e2b_future_t *future) {
  by_release(v, future);
  by_leaving(v, future);
  by_close(v, future);
}

static void on_tick(uv_timer_t *timer) {
  (void)timer;
}

static void on_tick_closed(uv_handle_t *handle) {
  *(bool *)handle->data = true;
}

/* Turns the loop until `k` things have happened. */
static void turn(unsigned k) {
  bool closed = false;
  uv_timer_t tick;
  uv_timer_init(scene.loop, &tick);
  uv_timer_start(&tick, on_tick, PACE_EACH_MS, PACE_EACH_MS);
  while (k-- > 0) {
    uv_run(scene.loop, UV_RUN_ONCE);
  }
  tick.data = &closed;
  uv_close((uv_handle_t *)&tick, on_tick_closed);
  assert_true(scene_turn(LONG_ENOUGH_MS, &closed));
}

static void disturb_after(unsigned which, unsigned k, disturb how) {
  visit v = {.client = NULL};
  e2b_client_options client;
  server_options(&scene.server, &client);
  v.client = e2b_client_new(scene.loop, &client);
  assert_non_null(v.client);
  e2b_handler_options options;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  assert_int_equal(e2b_handler_new(v.client, &options, &v.handler), 0);
  e2b_future_t *future = ask(&v, which);
  assert_int_equal(e2b_future_then(e2b_future_acquire(future), on_answer, &v), 0);
  turn(k);
  v.inside = true;
  how(&v, future);
  e2b_future_release(future);
  v.inside = false;
  /* An answer that a stream goes on from is not over by itself. */
  while (!v.over && v.stream == NULL) {
    turn(1);
  }
  e2b_http_stream_close(v.stream);
  assert_true(scene_turn(LONG_ENOUGH_MS, &v.over));
  e2b_handler_release(v.handler);
  if (v.client != NULL) e2b_client_close(v.client, on_closed, &v);
  assert_true(scene_turn(LONG_ENOUGH_MS, &v.client_closed));
  assert_int_equal(v.answers, 1);
  assert_int_equal(v.started, v.ended);
}

static void walk(disturb how) {
  for (unsigned which = 0; which < ASKED; which++) {
    for (unsigned k = 0; k < LATEST; k += which == 0 ? 4 : 1) {
      disturb_after(which, k, how);
    }
  }
}

static void leaving_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_leaving);
}

static void releasing_the_handler_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_release);
}

static void closing_the_client_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_close);
}

static void everything_at_once_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_all_of_it);
}

static int open_terminal(void **state) {
  return scene_open(state) == 0 && scene_terminal_id(terminal_id) ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(leaving_at_any_turn_of_the_loop),
      SCENE_TEST(releasing_the_handler_at_any_turn_of_the_loop),
      SCENE_TEST(closing_the_client_at_any_turn_of_the_loop),
      SCENE_TEST(everything_at_once_at_any_turn_of_the_loop),
  };
  return cmocka_run_group_tests_name("handler_leaving", tests, open_terminal, scene_close);
}
