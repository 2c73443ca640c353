/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "e2b/web.h"
#include "support/dialed.h"
#include "support/harness.h"

/* The web server among people who mean no good: each gets a clear error, or the end of the
 * connection, and whoever comes next is served. */

enum { LARGEST_BODY = 100000, REQUEST_MS = 2000, MANY = 300 };

#define TOKEN "sesame-is-secret"
#define HEAD  "Host: app.example\r\nAuthorization: Bearer " TOKEN "\r\n"

static e2b_handler_t *handler;
static e2b_web_t *web;
static e2b_web_t *patient; /* waits for what a loaded machine does not send in time */

static void on_web_closed(void *user_data) {
  *(bool *)user_data = true;
}

static int serve(uint64_t request_timeout_ms, e2b_web_t **served) {
  static const e2b_web_file_t files[] = {{"/", "text/html", "<p>hello", 8}};
  char why[256] = "";
  e2b_web_options options;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.path = "/api";
  options.files = files;
  options.files_count = 1;
  options.max_body_bytes = LARGEST_BODY;
  options.request_timeout_ms = request_timeout_ms;
  if (e2b_web_start(scene.loop, handler, &options, served, why, sizeof why) == 0) return 0;
  fprintf(stderr, "%s\n", why);
  return -1;
}

static int open_web(void **state) {
  if (scene_open(state) != 0) return -1;
  e2b_handler_options options;
  E2B_INIT(&options);
  options.bearer_token = TOKEN;
  if (e2b_handler_new(scene.client, &options, &handler) != 0) return -1;
  return serve(REQUEST_MS, &web) == 0 && serve(LONG_ENOUGH_MS, &patient) == 0 ? 0 : -1;
}

static int close_web(void **state) {
  bool web_closed = false, patient_closed = false;
  e2b_web_close(web, on_web_closed, &web_closed);
  e2b_web_close(patient, on_web_closed, &patient_closed);
  scene_turn(LONG_ENOUGH_MS, &web_closed);
  scene_turn(LONG_ENOUGH_MS, &patient_closed);
  e2b_handler_release(handler);
  return web_closed && patient_closed ? scene_close(state) : -1;
}

static dialed_t *dial(void) {
  return dialed_to(e2b_web_url(web));
}

static dialed_t *post(const char *headers, const char *body) {
  char text[8192];
  dialed_t *p = dial();
  snprintf(text, sizeof text,
           "POST /api HTTP/1.1\r\n" HEAD "%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
           headers, strlen(body), body);
  dialed_say(p, text);
  return p;
}

static void answers(dialed_t *p, const char *status, const char *error) {
  dialed_until_it_ends(p);
  if (strstr(p->text, status) == NULL || strstr(p->text, error) == NULL) {
    fail_msg("not %s: %s", status, p->text);
  }
  assert_null(strstr(p->text, TOKEN));
  dialed_hang_up(p);
}

static void somebody_else_is_served(void) {
  dialed_t *p = dial();
  dialed_say(p, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  answers(p, "200 OK", "<p>hello");
}

/* --- large --------------------------------------------------------------------------------------
 */

static void a_hundred_megabytes_are_refused_while_they_come(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 100000000\r\n\r\n");
  dialed_pour(p, 100000000);
  dialed_until_it_ends(p);
  assert_int_equal(p->status, UV_EOF); /* no reset has overtaken the answer */
  assert_non_null(strstr(p->text, "HTTP/1.1 413"));
  assert_non_null(strstr(p->text, "Request body is too large"));
  dialed_hang_up(p);
  somebody_else_is_served();
}

/* They are waited for, so that no reset overtakes their answers, but not all at once. */
static void those_who_are_refused_and_stay_are_limited(void **state) {
  static dialed_t *refused[MANY];
  (void)state;
  const unsigned before = harness_descriptors();
  for (size_t i = 0; i < MANY; i++) {
    refused[i] = dial();
    dialed_say(refused[i], "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 100000000\r\n\r\n");
    dialed_until_it_ends(refused[i]);
    assert_non_null(strstr(refused[i]->text, "HTTP/1.1 413"));
  }
  assert_in_range(harness_descriptors() - before, MANY, MANY + 256 + 16);
  for (size_t i = 0; i < MANY; i++) {
    dialed_hang_up(refused[i]);
  }
  somebody_else_is_served();
}

static void a_hundred_megabytes_without_a_length_are_refused(void **state) {
  (void)state;
  dialed_t *p = dialed_to(e2b_web_url(patient));
  dialed_say(p, "POST /api HTTP/1.1\r\n" HEAD "Connection: close\r\n"
                "Transfer-Encoding: chunked\r\n\r\n5F5E100\r\n");
  dialed_pour(p, 100000000);
  dialed_say(p, "\r\n0\r\n\r\n");
  answers(p, "HTTP/1.1 413", "Request body is too large");
}

static void headers_without_an_end_are_refused(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "GET / HTTP/1.1\r\nX: ");
  dialed_pour(p, 1 << 20);
  dialed_until_it_ends(p);
  assert_null(strstr(p->text, "200 OK"));
  dialed_hang_up(p);
  somebody_else_is_served();
}

static void deep_json_is_refused(void **state) {
  static char body[6000];
  (void)state;
  memset(body, '[', sizeof body - 1);
  answers(post("", body), "HTTP/1.1 400", "Invalid JSON in request body");
}

/* --- slow ---------------------------------------------------------------------------------------
 */

/* One byte of `text` now and then, until the server has enough. */
static void drip(dialed_t *p, const char *text) {
  for (unsigned tries = 0; !p->ended; tries++) {
    const uv_buf_t one = uv_buf_init((char *)(uintptr_t)text, 1);
    if (tries % 16 == 0) uv_try_write((uv_stream_t *)&p->tcp, &one, 1);
    scene_pace(tries);
  }
}

static void a_slow_body_is_not_waited_for(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 1000\r\n\r\n");
  drip(p, "x");
  answers(p, "HTTP/1.1 408", "The request did not come in time");
}

static void a_slow_head_is_not_waited_for(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "POST /api HTTP/1.1\r\n");
  drip(p, "x");
  answers(p, "HTTP/1.1 408", "The request did not come in time");
}

static void a_slow_first_line_ends_the_connection(void **state) {
  (void)state;
  dialed_t *p = dial();
  drip(p, "G");
  dialed_hang_up(p);
}

static void idle_connections_end_and_hold_up_nobody(void **state) {
  static dialed_t *idle[MANY];
  (void)state;
  for (size_t i = 0; i < MANY; i++) {
    idle[i] = dial();
    if (i % 2 == 0) dialed_say(idle[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  somebody_else_is_served();
  for (size_t i = 0; i < MANY; i++) {
    dialed_until_it_ends(idle[i]);
    assert_true((strstr(idle[i]->text, "200 OK") != NULL) == (i % 2 == 0));
    dialed_hang_up(idle[i]);
  }
}

/* --- malformed ----------------------------------------------------------------------------------
 */

static void text_that_is_no_utf8_is_refused(void **state) {
  static const char *const bodies[] = {"{\"action\":\"\xff\"}", "{\"action\":\"\xc0\xaf\"}",
                                       "{\"action\":\"\xed\xa0\x80\"}", "{\"\xf8\":1}"};
  (void)state;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    answers(post("", bodies[i]), "HTTP/1.1 400", "Invalid JSON in request body");
  }
}

static void paths_lead_nowhere_else(void **state) {
  static const char *const paths[] = {"/../etc/passwd", "//", "/api/", "/api/..", "/%2e%2e/",
                                      "/api%00",        "/x", "/API",  "/./",     "/..;/api"};
  (void)state;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    char text[256];
    dialed_t *p = dial();
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             paths[i]);
    dialed_say(p, text);
    answers(p, "HTTP/1.1 404", "Not found");
  }
}

static void sandbox_ids_are_not_paths(void **state) {
  static const char *const ids[] = {"../v2/sandboxes",     "x/../y", "%2e%2e", "a?b", "a b",
                                    "x\\r\\nX-Injected: 1"};
  (void)state;
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    char body[256];
    snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":\"%s\"}",
             ids[i]);
    answers(post("", body), "HTTP/1.1 404", "not found");
  }
}

static void nothing_that_is_sent_becomes_a_header(void **state) {
  (void)state;
  dialed_t *p = post("Origin: https://evil.example\tX-Injected: 1\r\n", "{}");
  answers(p, "HTTP/1.1 403", "Origin not allowed");
  p = post("Origin: http://app.example\r\n", "{\"action\":\"x\\r\\nX-Injected: 1\"}");
  dialed_until_it_ends(p);
  assert_null(strstr(p->text, "\nX-Injected"));
  answers(p, "HTTP/1.1 400", "Unknown action");
}

static void pages_of_elsewhere_are_refused(void **state) {
  (void)state;
  answers(post("Origin: https://evil.example\r\n", "{}"), "HTTP/1.1 403", "Origin not allowed");
  answers(post("Origin: null\r\n", "{}"), "HTTP/1.1 403", "Origin not allowed");
}

/* --- unusual ------------------------------------------------------------------------------------
 */

static unsigned count_of(const char *text, const char *what) {
  unsigned count = 0;
  for (; (text = strstr(text, what)) != NULL; text++) {
    count++;
  }
  return count;
}

static void requests_in_one_go_are_answered_in_order(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\n{}"
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\n[]"
                "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  dialed_until_it_ends(p);
  const char *first = strstr(p->text, "Unknown action");
  const char *second = strstr(p->text, "<p>hello");
  const char *third = strstr(p->text, "Invalid JSON");
  const char *fourth = strstr(p->text, "Not found");
  assert_true(first != NULL && first < second && second < third && third < fourth);
  assert_int_equal(count_of(p->text, "HTTP/1.1 "), 4);
  dialed_hang_up(p);
}

/* Half a request will never be whole. */
static void a_request_that_breaks_off_is_given_up(void **state) {
  (void)state;
  dialed_t *p = dial();
  dialed_say(p, "POST /api HTTP/1.1\r\n" HEAD "Content-Length: 100\r\n\r\n{");
  dialed_half_close(p);
  dialed_until_it_ends(p);
  assert_null(strstr(p->text, "200 OK"));
  dialed_hang_up(p);
}

/* A client that ends its side has left, as far as a server can see: its run must not go on. */
static void a_caller_that_ends_its_side_ends_its_run(void **state) {
  char body[700];
  (void)state;
  const char *name = scene_path("half-closed");
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"sandboxId\":\"%s\","
           "\"command\":\"exec -a %s sleep 1000\"}",
           e2b_sandbox_id(scene.sandbox), name);
  dialed_t *p = post("", body);
  scene_until_runs(name);
  dialed_half_close(p);
  dialed_until_it_ends(p);
  dialed_hang_up(p);
  scene_until_gone(name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(a_hundred_megabytes_are_refused_while_they_come),
      SCENE_TEST(those_who_are_refused_and_stay_are_limited),
      SCENE_TEST(a_hundred_megabytes_without_a_length_are_refused),
      SCENE_TEST(headers_without_an_end_are_refused),
      SCENE_TEST(deep_json_is_refused),
      SCENE_TEST(a_slow_body_is_not_waited_for),
      SCENE_TEST(a_slow_head_is_not_waited_for),
      SCENE_TEST(a_slow_first_line_ends_the_connection),
      SCENE_TEST(idle_connections_end_and_hold_up_nobody),
      SCENE_TEST(text_that_is_no_utf8_is_refused),
      SCENE_TEST(paths_lead_nowhere_else),
      SCENE_TEST(sandbox_ids_are_not_paths),
      SCENE_TEST(nothing_that_is_sent_becomes_a_header),
      SCENE_TEST(pages_of_elsewhere_are_refused),
      SCENE_TEST(requests_in_one_go_are_answered_in_order),
      SCENE_TEST(a_request_that_breaks_off_is_given_up),
      SCENE_TEST(a_caller_that_ends_its_side_ends_its_run),
  };
  return cmocka_run_group_tests_name("web_hostile", tests, open_web, close_web);
}
