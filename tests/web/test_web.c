/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "e2b/web.h"
#include "support/dialed.h"

/* The web server for the request handler, over real connections. */

enum { LARGEST_BODY = 100000, ALL_BODIES = 150000, HEARTBEAT_MS = 50 };

static e2b_handler_t *handler;
static e2b_web_t *web;
static bool web_closed;

static void on_web_closed(void *user_data) {
  *(bool *)user_data = true;
}

static e2b_web_t *serve(uint64_t request_timeout_ms) {
  static const e2b_web_file_t files[] = {{"/", "text/html", "<p>hello", 8}};
  char why[256] = "";
  e2b_web_t *served = NULL;
  e2b_web_options options;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.path = "/api";
  options.files = files;
  options.files_count = 1;
  options.max_body_bytes = LARGEST_BODY;
  options.max_bodies_bytes = ALL_BODIES;
  options.request_timeout_ms = request_timeout_ms;
  if (e2b_web_start(scene.loop, handler, &options, &served, why, sizeof why) != 0)
    fprintf(stderr, "%s\n", why);
  return served;
}

static int open_web(void **state) {
  if (scene_open(state) != 0) return -1;
  e2b_handler_options options;
  E2B_INIT(&options);
  options.bearer_token = "sesame";
  options.heartbeat_ms = HEARTBEAT_MS;
  if (e2b_handler_new(scene.client, &options, &handler) != 0) return -1;
  web = serve(LONG_ENOUGH_MS);
  return web != NULL ? 0 : -1;
}

static int close_web(void **state) {
  e2b_web_close(web, on_web_closed, &web_closed);
  e2b_handler_release(handler);
  scene_turn(LONG_ENOUGH_MS, &web_closed);
  return web_closed ? scene_close(state) : -1;
}

/* --- what is asked ------------------------------------------------------------------------------
 */

/* HTTP/1.0: the body of a stream comes without the lines of a chunked one. */
#define POST_HEAD                                                               \
  "POST /api HTTP/1.0\r\nHost: app.example\r\nAuthorization: Bearer sesame\r\n" \
  "Connection: close\r\nContent-Length: %zu\r\n\r\n%s"

static dialed_t *post(const char *body) {
  char text[4096];
  dialed_t *p = dialed_to(e2b_web_url(web));
  snprintf(text, sizeof text, POST_HEAD, strlen(body), body);
  dialed_say(p, text);
  return p;
}

/* --- what it serves -----------------------------------------------------------------------------
 */

static void an_action_is_answered(void **state) {
  char body[512];
  (void)state;
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"sandboxId\":\"%s\","
           "\"command\":\"echo over http\"}",
           e2b_sandbox_id(scene.sandbox));
  dialed_t *p = post(body);
  assert_true(scene_turn(LONG_ENOUGH_MS, &p->ended));
  assert_non_null(strstr(p->text, "HTTP/1.1 200"));
  assert_non_null(strstr(p->text, "Content-Type: application/json"));
  assert_non_null(strstr(p->text, "\"stdout\":\"over http\\n\""));
  dialed_hang_up(p);
}

static void files_are_served_and_other_paths_are_not_found(void **state) {
  static const char *const wanted[][2] = {
      {"/", "200 OK"}, {"/x", "404"}, {"/../etc/passwd", "404"}};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    char text[256];
    dialed_t *p = dialed_to(e2b_web_url(web));
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             wanted[i][0]);
    dialed_say(p, text);
    assert_true(scene_turn(LONG_ENOUGH_MS, &p->ended));
    assert_non_null(strstr(p->text, wanted[i][1]));
    dialed_hang_up(p);
  }
}

static void a_body_announced_too_large_is_refused_before_it_is_sent(void **state) {
  (void)state;
  dialed_t *p = dialed_to(e2b_web_url(web));
  dialed_say(p, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  dialed_until_it_says(p, "HTTP/1.1 413");
  dialed_until_it_says(p, "Request body is too large");
  dialed_hang_up(p);
}

static void a_chunked_body_past_the_limit_is_refused(void **state) {
  (void)state;
  char chunk[10001];
  dialed_t *p = dialed_to(e2b_web_url(web));
  memset(chunk, 'x', 10000);
  chunk[10000] = '\0';
  dialed_say(p, "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 12; i++) {
    dialed_say(p, "2710\r\n");
    dialed_say(p, chunk);
    dialed_say(p, "\r\n");
    scene_pace(0);
  }
  dialed_say(p, "0\r\n\r\n");
  dialed_until_it_says(p, "HTTP/1.1 413");
  dialed_hang_up(p);
}

/* A body of 'x' that has come whole, or lacks its last byte. */
static dialed_t *pour(const char *path, size_t bytes, bool whole) {
  char head[256];
  dialed_t *p = dialed_to(e2b_web_url(web));
  snprintf(head, sizeof head,
           "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sesame\r\n"
           "Connection: close\r\nContent-Length: %zu\r\n\r\n",
           path, bytes);
  dialed_say(p, head);
  dialed_pour(p, bytes - !whole);
  return p;
}

static bool is_answered(dialed_t *p, const char *status) {
  dialed_until_it_ends(p);
  const bool as_expected = strstr(p->text, status) != NULL;
  dialed_hang_up(p);
  return as_expected;
}

/* Whoever they are from: nobody has been asked yet. */
static void bodies_have_a_limit_together(void **state) {
  (void)state;
  dialed_t *first = pour("/api", 90000, false);
  for (unsigned tries = 0; !is_answered(pour("/api", 90000, true), "HTTP/1.1 503"); tries++) {
    scene_pace(tries); /* the first has not been read */
  }
  /* What is not kept does not count. */
  assert_true(is_answered(pour("/elsewhere", 90000, true), "HTTP/1.1 404"));
  assert_true(is_answered(pour("/api", 50000, true), "HTTP/1.1 400"));
  dialed_say(first, "x");
  assert_true(is_answered(first, "HTTP/1.1 400"));
  assert_true(is_answered(pour("/api", 90000, true), "HTTP/1.1 400"));
  /* Nor what has left. */
  dialed_hang_up(pour("/api", 90000, false));
  for (unsigned tries = 0; !is_answered(pour("/api", 90000, true), "HTTP/1.1 400"); tries++) {
    scene_pace(tries);
  }
}

static void a_request_that_does_not_come_is_given_up(void **state) {
  (void)state;
  bool closed = false;
  e2b_web_t *hasty = serve(3000);
  assert_non_null(hasty);
  dialed_t *p = dialed_to(e2b_web_url(hasty));
  dialed_say(p, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  /* A byte now and then keeps the connection from being idle, but not from being late. */
  for (unsigned tries = 0; !p->ended; tries++) {
    const uv_buf_t one = uv_buf_init((char *)(uintptr_t) "x", 1);
    if (tries % 32 == 0) uv_try_write((uv_stream_t *)&p->tcp, &one, 1);
    scene_pace(tries);
  }
  assert_non_null(strstr(p->text, "HTTP/1.1 408"));
  assert_non_null(strstr(p->text, "The request did not come in time"));
  dialed_hang_up(p);
  e2b_web_close(hasty, on_web_closed, &closed);
  assert_true(scene_turn(LONG_ENOUGH_MS, &closed));
}

static void a_run_is_streamed_and_ends_when_its_viewer_leaves(void **state) {
  char body[700];
  (void)state;
  const char *name = scene_path("viewer-left");
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\","
           "\"command\":\"echo up; exec -a %s sleep 1000\"}",
           e2b_sandbox_id(scene.sandbox), name);
  dialed_t *p = post(body);
  dialed_until_it_says(p, "text/event-stream");
  dialed_until_it_says(p, "data: {\"type\":\"stdout\",\"data\":\"up\\n\"}");
  dialed_hang_up(p);
  scene_until_gone(name);
}

/* Behind a proxy that ends what is silent. */
static void a_silent_run_is_heard_of(void **state) {
  char body[512];
  (void)state;
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\","
           "\"command\":\"sleep 1000\"}",
           e2b_sandbox_id(scene.sandbox));
  dialed_t *p = post(body);
  dialed_until_it_says(p, "\n\n: \n\n: \n\n");
  dialed_hang_up(p);
}

static void a_run_ends_when_its_caller_leaves(void **state) {
  char body[700];
  (void)state;
  const char *name = scene_path("caller-left");
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"sandboxId\":\"%s\","
           "\"command\":\"exec -a %s sleep 1000\"}",
           e2b_sandbox_id(scene.sandbox), name);
  dialed_t *p = post(body);
  scene_until_runs(name);
  dialed_hang_up(p);
  scene_until_gone(name);
}

static unsigned written_by_now(const char *path) {
  char line[512];
  snprintf(line, sizeof line, "cat %s 2>/dev/null || echo 0", path);
  return (unsigned)atoi(scene_shell(line));
}

/* More than the buffers on the way hold together: a program whose viewer does not read waits. */
static void a_slow_reader_holds_up_the_program_and_gets_everything(void **state) {
  char body[1024];
  (void)state;
  const char *progress = scene_path("progress");
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\","
           "\"command\":\"for i in $(seq 64); do head -c 1000000 /dev/zero | tr '\\\\0' Q; "
           "echo $i > %s; done\"}",
           e2b_sandbox_id(scene.sandbox), progress);
  dialed_t *p = post(body);
  dialed_read(p, false);
  unsigned still = 0, before = 0;
  for (unsigned tries = 0; still < 20; tries++) {
    const unsigned now = written_by_now(progress);
    still = now == before && now > 0 ? still + 1 : 0;
    before = now;
    scene_pace(tries);
  }
  assert_in_range(before, 1, 63);
  p->only_the_end = true;
  dialed_read(p, true);
  dialed_until_it_ends(p);
  if (strstr(p->text, "\"type\":\"result\"") == NULL)
    fail_msg("%zu of them, then %d: %s", p->count_of_q, p->status, p->text);
  assert_non_null(strstr(p->text, "\"exitCode\":0"));
  assert_int_equal(p->count_of_q, 64000000);
  dialed_hang_up(p);
}

static void garbage_is_not_answered_with_more_than_an_error(void **state) {
  static const char *const texts[] = {
      "\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02",
      "POST /api HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999999\r\n\r\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    dialed_t *p = dialed_to(e2b_web_url(web));
    dialed_say(p, texts[i]);
    const bool never = false;
    scene_turn(PACE_MS, &never);
    assert_null(strstr(p->text, "HTTP/1.1 200"));
    dialed_hang_up(p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(an_action_is_answered),
      SCENE_TEST(files_are_served_and_other_paths_are_not_found),
      SCENE_TEST(a_body_announced_too_large_is_refused_before_it_is_sent),
      SCENE_TEST(a_chunked_body_past_the_limit_is_refused),
      SCENE_TEST(bodies_have_a_limit_together),
      SCENE_TEST(a_request_that_does_not_come_is_given_up),
      SCENE_TEST(a_run_is_streamed_and_ends_when_its_viewer_leaves),
      SCENE_TEST(a_silent_run_is_heard_of),
      SCENE_TEST(a_run_ends_when_its_caller_leaves),
      SCENE_TEST(a_slow_reader_holds_up_the_program_and_gets_everything),
      SCENE_TEST(garbage_is_not_answered_with_more_than_an_error),
  };
  return cmocka_run_group_tests_name("web", tests, open_web, close_web);
}
