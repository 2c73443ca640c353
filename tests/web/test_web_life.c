/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <uv.h>

#include "e2b/web.h"
#include "support/dialed.h"

/* The web server's own life: closed at any moment, from anywhere, with anything under way. */

enum { LATEST = 40, REQUEST_MS = 1000 };

typedef struct life {
  e2b_client_t *client;
  e2b_handler_t *handler;
  e2b_web_t *web;
  bool web_closed;
  bool client_closed;
  bool close_inside; /* the hook closes the server */
} life;

static char terminal_id[SCENE_ID_SIZE];

static void on_web_closed(void *user_data) {
  life *it = user_data;
  it->web_closed = true;
}

static void on_client_closed(void *user_data) {
  ((life *)user_data)->client_closed = true;
}

static void close_web(life *it) {
  e2b_web_close(it->web, on_web_closed, it);
  e2b_web_close(it->web, NULL, NULL); /* says nothing new */
}

static const char *anybody(const e2b_http_request *request, void *user_data) {
  life *it = user_data;
  (void)request;
  if (it->close_inside) close_web(it);
  return "";
}

static void begin(life *it) {
  e2b_client_options client;
  e2b_handler_options handler;
  e2b_web_options web;
  memset(it, 0, sizeof *it);
  server_options(&scene.server, &client);
  it->client = e2b_client_new(scene.loop, &client);
  assert_non_null(it->client);
  E2B_INIT(&handler);
  handler.authorize = anybody;
  handler.authorize_data = it;
  assert_int_equal(e2b_handler_new(it->client, &handler, &it->handler), 0);
  E2B_INIT(&web);
  web.listen = "127.0.0.1:0";
  web.path = "/api";
  web.request_timeout_ms = REQUEST_MS;
  assert_int_equal(e2b_web_start(scene.loop, it->handler, &web, &it->web, NULL, 0), 0);
}

static void end(life *it) {
  assert_true(scene_turn(LONG_ENOUGH_MS, &it->web_closed));
  e2b_handler_release(it->handler);
  if (it->client != NULL) e2b_client_close(it->client, on_client_closed, it);
  assert_true(scene_turn(LONG_ENOUGH_MS, &it->client_closed));
}

static void say_post(dialed_t *p, const char *body) {
  char text[1024];
  snprintf(text, sizeof text, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
           strlen(body), body);
  dialed_say(p, text);
}

/* --- what is under way --------------------------------------------------------------------------
 */

static void ask_nothing(dialed_t *p) {
  (void)p;
}

static void ask_half(dialed_t *p) {
  dialed_say(p, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
}

static void ask_too_much(dialed_t *p) {
  dialed_say(p, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n{");
}

static void ask_run(dialed_t *p, const char *more) {
  char body[512];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"sandboxId\":\"%s\",\"command\":"
           "\"echo up; sleep 1000\"%s}",
           e2b_sandbox_id(scene.sandbox), more);
  say_post(p, body);
}

static void ask_whole_run(dialed_t *p) {
  ask_run(p, "");
}

static void ask_live_run(dialed_t *p) {
  ask_run(p, ",\"stream\":true");
}

static void ask_terminal(dialed_t *p, const char *action, const char *headers) {
  char text[1024];
  snprintf(text, sizeof text,
           "GET /api?action=terminal.%s&sandboxId=%s&terminalId=%s HTTP/1.1\r\nHost: a\r\n%s\r\n",
           action, e2b_sandbox_id(scene.sandbox), terminal_id, headers);
  dialed_say(p, text);
}

static void ask_events(dialed_t *p) {
  ask_terminal(p, "stream", "");
}

static void ask_socket(dialed_t *p) {
  ask_terminal(p, "connect",
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Protocol: e2b-terminal\r\n");
}

static void (*const asks[])(dialed_t *p) = {ask_nothing,  ask_half,   ask_too_much, ask_whole_run,
                                            ask_live_run, ask_events, ask_socket};
enum { ASKS = sizeof asks / sizeof *asks };

static void closing_at_any_turn_of_the_loop(void **state) {
  (void)state;
  for (unsigned which = 0; which < ASKS; which++) {
    for (unsigned k = 0; k < LATEST; k += 3) {
      life it;
      begin(&it);
      dialed_t *p = dialed_to(e2b_web_url(it.web));
      asks[which](p);
      for (unsigned i = 0; i < k; i++) {
        const bool never = false;
        scene_turn(1, &never);
      }
      close_web(&it);
      dialed_until_it_ends(p);
      dialed_hang_up(p);
      end(&it);
    }
  }
}

static void clients_that_leave_at_any_turn_of_the_loop(void **state) {
  (void)state;
  life it;
  begin(&it);
  for (unsigned which = 0; which < ASKS; which++) {
    for (unsigned k = 0; k < LATEST; k += 3) {
      dialed_t *p = dialed_to(e2b_web_url(it.web));
      asks[which](p);
      for (unsigned i = 0; i < k; i++) {
        const bool never = false;
        scene_turn(1, &never);
      }
      dialed_hang_up(p);
    }
  }
  close_web(&it);
  end(&it);
}

static void the_hook_may_close_the_server(void **state) {
  (void)state;
  for (unsigned which = 3; which < ASKS; which++) {
    life it;
    begin(&it);
    it.close_inside = true;
    dialed_t *p = dialed_to(e2b_web_url(it.web));
    asks[which](p);
    dialed_until_it_ends(p);
    dialed_hang_up(p);
    end(&it);
  }
}

static void a_closed_client_is_answered_with_503(void **state) {
  life it;
  (void)state;
  begin(&it);
  dialed_t *early = dialed_to(e2b_web_url(it.web));
  ask_events(early);
  dialed_until_it_says(early, "\"type\":\"connected\"");
  e2b_client_close(it.client, on_client_closed, &it);
  it.client = NULL;
  dialed_until_it_says(early, "\r\n0\r\n"); /* the stream has its end */
  assert_true(scene_turn(LONG_ENOUGH_MS, &it.client_closed));
  dialed_t *late = dialed_to(e2b_web_url(it.web));
  say_post(late, "{}");
  dialed_until_it_says(late, "HTTP/1.1 503");
  dialed_until_it_says(late, "Retry-After: 1");
  dialed_until_it_says(late, "The service is not available");
  dialed_hang_up(early);
  dialed_hang_up(late);
  close_web(&it);
  end(&it);
}

static void it_says_where_it_cannot_listen(void **state) {
  static const char *const wrong[] = {"",
                                      "8080",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "example.com:80",
                                      "::1:80",
                                      "[::1]"};
  e2b_handler_t *handler;
  e2b_handler_options options;
  e2b_web_options web;
  e2b_web_t *made;
  char why[256];
  (void)state;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  assert_int_equal(e2b_handler_new(scene.client, &options, &handler), 0);
  E2B_INIT(&web);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    web.listen = wrong[i];
    assert_int_equal(e2b_web_start(scene.loop, handler, &web, &made, why, sizeof why), E2B_EINVAL);
    assert_non_null(strstr(why, "give an IP address and a port, for example 127.0.0.1:8080"));
    assert_null(made);
  }
  web.listen = "203.0.113.1:0"; /* nobody's */
  assert_int_equal(e2b_web_start(scene.loop, handler, &web, &made, why, sizeof why), E2B_ESYSTEM);
  assert_non_null(strstr(why, "cannot listen on 203.0.113.1:0: "));
  web.listen = "localhost:0";
  assert_int_equal(e2b_web_start(scene.loop, NULL, &web, &made, why, sizeof why), E2B_EINVAL);
  life it = {.web = NULL};
  assert_int_equal(e2b_web_start(scene.loop, handler, &web, &it.web, why, sizeof why), 0);
  assert_memory_equal(e2b_web_url(it.web), "http://127.0.0.1:", 17);
  close_web(&it);
  assert_true(scene_turn(LONG_ENOUGH_MS, &it.web_closed));
  e2b_handler_release(handler);
}

/* The clock of requests is not theirs. */
static void viewers_of_a_quiet_terminal_stay(void **state) {
  life it;
  (void)state;
  begin(&it);
  dialed_t *events = dialed_to(e2b_web_url(it.web));
  dialed_t *socket = dialed_to(e2b_web_url(it.web));
  dialed_t *idle = dialed_to(e2b_web_url(it.web)); /* what ends tells that the time is over */
  ask_events(events);
  ask_socket(socket);
  dialed_until_it_says(events, "\"type\":\"connected\"");
  dialed_until_it_ends(idle);
  dialed_hang_up(idle);
  idle = dialed_to(e2b_web_url(it.web));
  dialed_until_it_ends(idle);
  assert_false(events->ended);
  assert_false(socket->ended);
  dialed_hang_up(idle);
  dialed_hang_up(events);
  dialed_hang_up(socket);
  close_web(&it);
  end(&it);
}

/* A frame that closes, after keystrokes, and the end of the connection: all in one packet. */
static void what_was_typed_last_arrives(void **state) {
  life it;
  char line[512];
  (void)state;
  begin(&it);
  const char *path = scene_path("typed-last");
  dialed_t *p = dialed_to(e2b_web_url(it.web));
  ask_socket(p);
  dialed_until_it_says(p, "101 Switching");
  char text[600];
  const int typed = snprintf(text + 6, 120, "echo > %s\n", path);
  assert_in_range(typed, 1, 119);
  memcpy(text, "\x82\x00\x01\x01\x01\x01", 6);
  text[1] = (char)(0x80 | typed);
  for (int i = 0; i < typed; i++) {
    text[6 + i] ^= 1;
  }
  memcpy(text + 6 + typed, "\x88\x80\x01\x01\x01\x01", 6);
  const uv_buf_t buf = uv_buf_init(text, (unsigned)(12 + typed));
  assert_int_equal(uv_try_write((uv_stream_t *)&p->tcp, &buf, 1), (int)buf.len);
  dialed_half_close(p);
  dialed_until_it_ends(p);
  assert_int_equal(p->status, UV_EOF);
  assert_memory_equal(p->text + p->len - 2, "\x88\x00", 2);
  dialed_hang_up(p);
  snprintf(line, sizeof line, "test -e %s", path);
  for (unsigned tries = 0; !scene_can(line); tries++) {
    scene_pace(tries);
  }
  close_web(&it);
  end(&it);
}

static int open_terminal(void **state) {
  return scene_open(state) == 0 && scene_terminal_id(terminal_id) ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(closing_at_any_turn_of_the_loop),
      SCENE_TEST(clients_that_leave_at_any_turn_of_the_loop),
      SCENE_TEST(the_hook_may_close_the_server),
      SCENE_TEST(a_closed_client_is_answered_with_503),
      SCENE_TEST(it_says_where_it_cannot_listen),
      SCENE_TEST(viewers_of_a_quiet_terminal_stay),
      SCENE_TEST(what_was_typed_last_arrives),
  };
  return cmocka_run_group_tests_name("web_life", tests, open_terminal, scene_close);
}
