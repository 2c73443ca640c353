/* SPDX-License-Identifier: MIT */
#include "support/echo.h"
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* WebSockets to a server inside a sandbox, through whatever is in front of it. */

typedef struct talk {
  char line[64];
  size_t line_len;
  bool announced;
  unsigned messages;
  bool came;
  char *last;
  size_t last_len;
} talk;

static void on_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  talk *it = user_data;
  (void)command;
  for (size_t i = 0; i < len && it->line_len < sizeof it->line - 1; i++) {
    it->line[it->line_len++] = data[i];
    it->announced |= data[i] == '\n';
  }
}

static void on_message(e2b_websocket_t *websocket, e2b_message_kind_t kind, const char *data,
                       size_t len, void *user_data) {
  talk *it = user_data;
  (void)websocket;
  (void)kind;
  it->messages++;
  it->came = true;
  it->last = realloc(it->last, len + 1);
  assert_non_null(it->last);
  memcpy(it->last, data, len);
  it->last[len] = '\0';
  it->last_len = len;
}

static uint16_t serve(e2b_sandbox_t *sandbox, talk *it) {
  const char *const args[] = {"-c", echo_program, NULL};
  e2b_run_options options;
  E2B_INIT(&options);
  options.on_stdout = on_stdout;
  options.user_data = it;
  memset(it, 0, sizeof *it);
  STARTED(e2b_command_start(sandbox, "python3", args, &options));
  assert_true(scene_turn(LONG_ENOUGH_MS, &it->announced));
  return (uint16_t)strtoul(it->line, NULL, 10);
}

static e2b_websocket_t *dial(e2b_sandbox_t *sandbox, uint16_t port, const char *path, talk *it) {
  e2b_websocket_options options;
  E2B_INIT(&options);
  options.on_message = on_message;
  options.user_data = it;
  options.protocols = "chat, other";
  return e2b_future_websocket(OK(e2b_sandbox_websocket(sandbox, port, path, &options)));
}

static void until_message(talk *it) {
  assert_true(scene_turn(LONG_ENOUGH_MS, &it->came));
  it->came = false;
}

static void messages_go_both_ways(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 5, 126, 65536, 4 << 20};
  talk it;
  const uint16_t port = serve(scene.sandbox, &it);
  e2b_websocket_t *websocket = dial(scene.sandbox, port, "/chat?room=a%20b", &it);
  assert_string_equal(e2b_websocket_protocol(websocket), "chat");
  until_message(&it);
  assert_string_equal(it.last, "/chat?room=a%20b");
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char *data = malloc(sizes[i] + 1);
    assert_non_null(data);
    memset(data, 'a' + (int)i, sizes[i]);
    assert_int_equal(e2b_websocket_send(websocket, E2B_MESSAGE_BINARY, data, sizes[i]), 0);
    until_message(&it);
    assert_int_equal(it.last_len, sizes[i]);
    assert_memory_equal(it.last, data, sizes[i]);
    free(data);
  }
  e2b_future_t *end = scene_keep(e2b_websocket_wait(websocket));
  e2b_websocket_close(websocket, 1000, NULL);
  assert_int_equal(e2b_future_websocket_end(OK(end))->close_code, 1000);
  e2b_websocket_release(websocket);
  free(it.last);
}

static void the_servers_goodbye_arrives(void **state) {
  (void)state;
  talk it;
  const uint16_t port = serve(scene.sandbox, &it);
  e2b_websocket_t *websocket = dial(scene.sandbox, port, NULL, &it);
  until_message(&it);
  assert_string_equal(it.last, "/");
  assert_int_equal(e2b_websocket_send(websocket, E2B_MESSAGE_TEXT, "bye", 3), 0);
  const e2b_websocket_end_t *end = e2b_future_websocket_end(OK(e2b_websocket_wait(websocket)));
  assert_int_equal(end->close_code, 4001);
  assert_string_equal(end->reason, "as you wish");
  e2b_websocket_release(websocket);
  free(it.last);
}

static void a_dropped_connection_is_lost_but_the_sandbox_is_there(void **state) {
  (void)state;
  talk it;
  const uint16_t port = serve(scene.sandbox, &it);
  e2b_websocket_t *websocket = dial(scene.sandbox, port, NULL, &it);
  assert_int_equal(e2b_websocket_send(websocket, E2B_MESSAGE_TEXT, "drop", 4), 0);
  const e2b_error_t *error = FAILS(E2B_ECONNLOST, e2b_websocket_wait(websocket));
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
  e2b_websocket_release(websocket);
  free(it.last);
}

static void nobody_listens(void **state) {
  (void)state;
  const e2b_error_t *error =
      FAILS(E2B_EPORTCLOSED, e2b_sandbox_websocket(scene.sandbox, 9, "/", NULL));
  assert_int_equal(error->http_status, 502);
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
  FAILS(E2B_EINVAL, e2b_sandbox_websocket(scene.sandbox, 0, "/", NULL));
  FAILS(E2B_EINVAL, e2b_sandbox_websocket(scene.sandbox, 80, "x", NULL));
}

static void a_killed_sandbox_is_gone(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "sandboxes cannot be made there");
  talk it;
  e2b_sandbox_t *sandbox = MADE(e2b_sandbox_create(scene.client, NULL));
  const uint16_t port = serve(sandbox, &it);
  e2b_websocket_t *websocket = dial(sandbox, port, NULL, &it);
  e2b_future_t *end = scene_keep(e2b_websocket_wait(websocket));
  OK(e2b_sandbox_kill(sandbox));
  const e2b_error_t *error = FAILS(E2B_ESANDBOXGONE, end);
  assert_int_equal(error->sandbox, E2B_PRESENCE_GONE);
  FAILS(E2B_ESANDBOXGONE, e2b_sandbox_websocket(sandbox, port, NULL, NULL));
  e2b_websocket_release(websocket);
  free(it.last);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(messages_go_both_ways),
      SCENE_TEST(the_servers_goodbye_arrives),
      SCENE_TEST(a_dropped_connection_is_lost_but_the_sandbox_is_there),
      SCENE_TEST(nobody_listens),
      SCENE_TEST(a_killed_sandbox_is_gone),
  };
  return cmocka_run_group_tests_name("websocket", tests, scene_open, scene_close);
}
