/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "handler/handler.h"
#include "support/page.h"

/* What the request handler does without being asked: kept connections are closed, silent streams
 * say that they are there. */

enum { HEARTBEAT_MS = 20 };

static e2b_terminal_t *terminal;

static void serve(uint64_t heartbeat_ms, uint64_t terminal_keep_ms) {
  e2b_handler_options options;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  options.heartbeat_ms = heartbeat_ms;
  options.terminal_keep_ms = terminal_keep_ms;
  page_anew(&options);
}

static void open_terminal(void) {
  terminal = e2b_future_terminal(OK(e2b_terminal_create(scene.sandbox, NULL)));
  assert_non_null(terminal);
}

static int tidy(void **state) {
  if (terminal != NULL) scene_keep(e2b_terminal_kill(terminal));
  const int rc = page_tidy(state);
  e2b_terminal_release(terminal);
  terminal = NULL;
  return rc;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, NULL, tidy)

static void types(const char *data) {
  char body[512];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.terminal.write\",\"sandboxId\":\"%s\","
           "\"terminalId\":\"%s\",\"data\":\"%s\"}",
           e2b_sandbox_id(scene.sandbox), e2b_terminal_id(terminal), data);
  assert_int_equal(page_posts(body)->status, 200);
}

/* Connections to the terminal, as the sandbox counts them; the handler is not asked. */
static unsigned viewers(void) {
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(scene.sandbox, NULL)));
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].id, e2b_terminal_id(terminal)) == 0) return list->items[i].viewers;
  }
  return 0;
}

/* --- kept connections ---------------------------------------------------------------------------
 */

static void a_connection_is_kept_for_the_next_request(void **state) {
  (void)state;
  serve(0, 0);
  open_terminal();
  types(":\\n");
  types(":\\n");
  assert_int_equal(viewers(), 2); /* the test's, and one of the handler's */
}

static void a_kept_connection_is_closed_without_a_further_request(void **state) {
  (void)state;
  serve(0, 1);
  open_terminal();
  const char *path = scene_path("typed");
  char line[256];
  snprintf(line, sizeof line, "touch %s\\n", path);
  types(line);
  for (unsigned tries = 0; viewers() != 1; tries++) {
    scene_pace(tries);
  }
  /* What was typed had arrived. */
  for (unsigned tries = 0; !YES(e2b_files_exists(scene.sandbox, path, NULL)); tries++) {
    scene_pace(tries);
  }
}

static void a_kept_connection_goes_with_its_terminal(void **state) {
  (void)state;
  serve(0, E2B_NO_TIMEOUT);
  open_terminal();
  types("exit\\n");
  for (unsigned tries = 0; !e2b__list_empty(&page_handler->operators); tries++) {
    scene_pace(tries);
  }
}

/* --- silent streams -----------------------------------------------------------------------------
 */

static page_viewer_t heard;

static e2b_http_stream_t *watch(const char *action, const e2b_pair_t *headers, size_t count) {
  char query[256];
  snprintf(query, sizeof query, "action=terminal.%s&sandboxId=%s&terminalId=%s", action,
           e2b_sandbox_id(scene.sandbox), e2b_terminal_id(terminal));
  return page_views(&heard, page_gets(query, headers, count));
}

static void until_ended(e2b_http_stream_t *stream) {
  e2b_http_stream_close(stream);
  page_until_ended(&heard);
}

/* Between events, and nowhere else. */
static void a_silent_run_is_heard_of(void **state) {
  char body[512];
  (void)state;
  serve(HEARTBEAT_MS, 0);
  const char *path = scene_path("enough");
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"stream\":true,\"sandboxId\":\"%s\","
           "\"command\":\"until test -e %s; do sleep 0.05; done; echo now\"}",
           e2b_sandbox_id(scene.sandbox), path);
  page_views(&heard, page_posts(body));
  page_until_says(&heard, ": \n\n: \n\n", 8);
  OK(e2b_files_write(scene.sandbox, path, "", 0, NULL));
  page_until_ended(&heard);
  char events[4096] = "";
  for (char *at = heard.text, *next; *at != '\0'; at = next + 2) {
    next = strstr(at, "\n\n");
    assert_non_null(next);
    if (strncmp(at, ": \n\n", 4) == 0) continue;
    assert_memory_equal(at, "data: {", 7);
    strncat(events, at, (size_t)(next + 2 - at));
  }
  assert_non_null(strstr(events, "{\"type\":\"stdout\",\"data\":\"now\\n\"}\n\n"));
  assert_non_null(strstr(events, "{\"type\":\"result\",\"success\":true"));
}

static void a_silent_terminal_is_heard_of(void **state) {
  (void)state;
  serve(HEARTBEAT_MS, 0);
  open_terminal();
  e2b_http_stream_t *stream = watch("stream", NULL, 0);
  page_until_says(&heard, "\n\n: \n\n: \n\n", 10);
  until_ended(stream);
}

static void a_silent_terminal_is_heard_of_over_a_websocket(void **state) {
  (void)state;
  serve(HEARTBEAT_MS, 0);
  open_terminal();
  e2b_http_stream_t *stream = watch("connect", page_handshake, PAGE_HANDSHAKE_COUNT);
  page_until_says(&heard, "\x89\x00\x89\x00", 4); /* empty pings */
  until_ended(stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_connection_is_kept_for_the_next_request),
      TEST(a_kept_connection_is_closed_without_a_further_request),
      TEST(a_kept_connection_goes_with_its_terminal),
      TEST(a_silent_run_is_heard_of),
      TEST(a_silent_terminal_is_heard_of),
      TEST(a_silent_terminal_is_heard_of_over_a_websocket),
  };
  return cmocka_run_group_tests_name("handler_clock", tests, scene_open, scene_close);
}
