/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/page.h"

/* Terminals through the request handler: the seven actions, and streams of them. */

static const cJSON *ask_for(int status, const char *action, const char *members) {
  char body[4096];
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.terminal.%s\",\"sandboxId\":\"%s\"%s}",
           action, e2b_sandbox_id(scene.sandbox), members);
  const e2b_http_response_t *answer = page_posts(body);
  if (answer->status != status) {
    fail_msg("%s: %d instead of %d: %s", body, answer->status, status, answer->body.ptr);
  }
  const cJSON *json = page_json(answer);
  assert_int_equal(e2b__json_bool(json, "success", status != 200), status == 200);
  return json;
}

static void refused(int status, const char *action, const char *members, const char *error) {
  assert_string_equal(e2b__json_string(ask_for(status, action, members), "error", ""), error);
}

/* The id of a new terminal. */
static const char *create(const char *options) {
  char members[512];
  snprintf(members, sizeof members, ",\"terminalOptions\":%s", options);
  const cJSON *terminal = cJSON_GetObjectItem(ask_for(200, "create", members), "terminal");
  assert_string_equal(e2b__json_string(terminal, "status", ""), "running");
  assert_true(e2b__json_int(terminal, "pid", 0) > 0);
  return e2b__json_string(terminal, "id", "");
}

static const char *member(const char *id, const char *rest) {
  static char text[1024];
  snprintf(text, sizeof text, ",\"terminalId\":\"%s\"%s", id, rest);
  return text;
}

/* --- a viewer -----------------------------------------------------------------------------------
 */

static const char *query_for(const char *action, const char *id) {
  static char query[512];
  snprintf(query, sizeof query, "action=%s&sandboxId=%s&terminalId=%s", action,
           e2b_sandbox_id(scene.sandbox), id);
  return query;
}

static e2b_http_stream_t *watch(const char *id, const char *last_event_id, page_viewer_t *v) {
  const e2b_pair_t header = {"Last-Event-ID", last_event_id};
  return page_views(v, page_gets(query_for("terminal.stream", id), &header, last_event_id != NULL));
}

/* The output in the events so far, as text. */
static const char *output_of(const page_viewer_t *v) {
  static char text[1 << 16];
  size_t len = 0;
  for (const char *at = v->text; (at = strstr(at, "data: [")) != NULL;) {
    at += 7;
    while (*at != ']' && *at != '\0') {
      text[len++] = (char)strtol(at, (char **)(uintptr_t)&at, 10);
      if (*at == ',') at++;
    }
  }
  text[len] = '\0';
  return text;
}

static void until_it_shows(const page_viewer_t *v, const char *text) {
  for (unsigned tries = 0; strstr(output_of(v), text) == NULL; tries++) {
    scene_pace(tries);
  }
}

static void until_it_says(const page_viewer_t *v, const char *text) {
  page_until_says(v, text, strlen(text));
}

/* --- actions ------------------------------------------------------------------------------------
 */

static void each_says_what_it_misses(void **state) {
  static const char *const actions[] = {"create", "getById", "list", "destroy",
                                        "write",  "resize",  "kill"};
  char body[256];
  (void)state;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.terminal.%s\"}", actions[i]);
    const e2b_http_response_t *answer = page_posts(body);
    assert_int_equal(answer->status, 400);
    assert_non_null(strstr(answer->body.ptr, "Sandbox ID is required for terminal operations"));
  }
  refused(400, "getById", "", "Terminal ID is required for getById action");
  refused(400, "destroy", "", "Terminal ID is required for destroy action");
  refused(400, "write", "", "Terminal ID is required for write action");
  refused(400, "write", member("1", ""), "Data is required for write action");
  refused(400, "resize", "", "Terminal ID is required for resize action");
  refused(400, "resize", member("1", ",\"cols\":80"),
          "Cols and rows are required for resize action");
  refused(400, "resize", member("1", ",\"rows\":24"),
          "Cols and rows are required for resize action");
  refused(400, "resize", member("1", ",\"cols\":0,\"rows\":24"),
          "Cols and rows are required for resize action");
  refused(400, "resize", member("1", ",\"cols\":\"80\",\"rows\":24"),
          "Field 'cols' must be a number");
  refused(400, "resize", member("1", ",\"cols\":70000,\"rows\":24"),
          "Cols and rows must be 1 to 65535");
  refused(400, "kill", "", "Terminal ID is required for kill action");
  refused(400, "create", ",\"terminalOptions\":[]", "Field 'terminalOptions' must be an object");
  refused(400, "create", ",\"terminalOptions\":{\"command\":5}",
          "Field 'terminalOptions.command' must be a string");
  refused(400, "create", ",\"terminalOptions\":{\"env\":{\"A\":1}}",
          "Field 'terminalOptions.env' must be an object of strings");
  refused(400, "create", ",\"terminalOptions\":{\"cols\":70000}",
          "Field 'terminalOptions.cols' must be a number up to 65535");
  refused(400, "create", ",\"terminalOptions\":{\"rows\":\"24\"}",
          "Field 'terminalOptions.rows' must be a number up to 65535");
  refused(400, "create", ",\"terminalOptions\":{\"cwd\":[]}",
          "Field 'terminalOptions.cwd' must be a string");
  refused(400, "getById", ",\"terminalId\":1", "Field 'terminalId' must be a string");
  refused(400, "list", ",\"terminalId\":{}", "Field 'terminalId' must be a string");
  refused(400, "write", member("1", ",\"data\":[1]"), "Field 'data' must be a string");
}

static void unknown_terminals_are_not_found(void **state) {
  static const char *const actions[] = {"getById", "destroy", "kill", "write", "resize"};
  (void)state;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    refused(404, actions[i], member("no-such-1", ",\"data\":\"x\",\"cols\":80,\"rows\":24"),
            "Terminal with ID no-such-1 not found");
  }
  const e2b_http_response_t *answer = page_gets(query_for("terminal.stream", "no-such-1"), NULL, 0);
  assert_int_equal(answer->status, 404);
  answer = page_gets(query_for("terminal.stream", "..%2f"), NULL, 0);
  assert_int_equal(answer->status, 404);
}

static void a_terminal_is_made_described_typed_into_and_ended(void **state) {
  static page_viewer_t v;
  (void)state;
  const char *id =
      create("{\"command\":\"bash\",\"cols\":100,\"rows\":30,\"env\":{\"WORD\":\"set\"}}");
  const cJSON *terminal = cJSON_GetObjectItem(ask_for(200, "getById", member(id, "")), "terminal");
  assert_int_equal(e2b__json_int(terminal, "cols", 0), 100);
  assert_int_equal(e2b__json_int(terminal, "rows", 0), 30);
  assert_string_equal(e2b__json_string(terminal, "status", ""), "running");
  watch(id, NULL, &v);
  ask_for(200, "write", member(id, ",\"data\":\"echo $((6 * 7)) is $WORD; stty size\\n\""));
  until_it_shows(&v, "42 is set");
  until_it_shows(&v, "30 100");
  ask_for(200, "resize", member(id, ",\"cols\":120,\"rows\":40"));
  ask_for(200, "write", member(id, ",\"data\":\"stty size\\n\""));
  until_it_shows(&v, "40 120");
  bool listed = false;
  const cJSON *item;
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(ask_for(200, "list", ""), "terminals")) {
    if (strcmp(e2b__json_string(item, "id", ""), id) == 0) listed = true;
  }
  assert_true(listed);
  ask_for(200, "kill", member(id, ""));
  until_it_says(&v, "\"type\":\"exit\"");
  page_until_ended(&v);
  /* The other word for it. */
  ask_for(200, "destroy", member(create("{}"), ""));
}

/* --- streams ------------------------------------------------------------------------------------
 */

static void a_stream_begins_with_connected_and_ends_with_the_exit(void **state) {
  static page_viewer_t v;
  char expected[128];
  (void)state;
  const char *id = create("{\"command\":\"bash\"}");
  watch(id, NULL, &v);
  until_it_says(&v, "\n\n");
  snprintf(expected, sizeof expected, "data: {\"type\":\"connected\",\"terminalId\":\"%s\",", id);
  assert_memory_equal(v.text, expected, strlen(expected));
  assert_non_null(strstr(v.text, "\"activeConnections\":1"));
  ask_for(200, "write", member(id, ",\"data\":\"echo last; exit 5\\n\""));
  page_until_ended(&v);
  assert_non_null(strstr(output_of(&v), "last\r\n"));
  assert_non_null(strstr(v.text, "data: {\"type\":\"exit\",\"exitCode\":5,\"signal\":0}"));
}

static void many_look_at_one_terminal_and_one_may_leave(void **state) {
  static page_viewer_t viewers[5];
  e2b_http_stream_t *streams[5];
  (void)state;
  const char *id = create("{\"command\":\"bash\"}");
  for (size_t i = 0; i < 5; i++) {
    streams[i] = watch(id, NULL, &viewers[i]);
    until_it_says(&viewers[i], "\"type\":\"connected\"");
  }
  assert_non_null(strstr(viewers[4].text, "\"activeConnections\":5"));
  e2b_http_stream_pause(streams[1]);
  e2b_http_stream_close(streams[0]);
  page_until_ended(&viewers[0]);
  ask_for(200, "write", member(id, ",\"data\":\"echo $((11 * 11))\\n\""));
  for (size_t i = 2; i < 5; i++) {
    until_it_shows(&viewers[i], "121\r\n");
  }
  e2b_http_stream_resume(streams[1]);
  until_it_shows(&viewers[1], "121\r\n");
  ask_for(200, "kill", member(id, ""));
  for (size_t i = 1; i < 5; i++) {
    page_until_ended(&viewers[i]);
  }
}

static void a_viewer_that_comes_back_goes_on_where_it_was(void **state) {
  static page_viewer_t v;
  char last_event_id[32];
  (void)state;
  const char *id = create("{\"command\":\"bash\"}");
  e2b_http_stream_t *stream = watch(id, NULL, &v);
  ask_for(200, "write", member(id, ",\"data\":\"echo $((100 + 1))\\n\""));
  until_it_shows(&v, "101\r\n");
  const char *last = NULL;
  for (const char *at = v.text; (at = strstr(at, "id: ")) != NULL; at += 4) {
    last = at;
  }
  assert_non_null(last);
  snprintf(last_event_id, sizeof last_event_id, "%lu", strtoul(last + 4, NULL, 10));
  e2b_http_stream_close(stream);
  page_until_ended(&v);
  ask_for(200, "write", member(id, ",\"data\":\"echo $((200 + 2))\\n\""));
  watch(id, last_event_id, &v);
  until_it_shows(&v, "202\r\n");
  assert_null(strstr(output_of(&v), "101"));
  char expected[64];
  snprintf(expected, sizeof expected, "\"offset\":%s,\"lost\":0", last_event_id);
  assert_non_null(strstr(v.text, expected));
  ask_for(200, "kill", member(id, ""));
  page_until_ended(&v);
}

static void streams_want_their_ids_and_no_other_action(void **state) {
  (void)state;
  static const char *const queries[][2] = {
      {"", "GET requests only supported for terminal.stream action"},
      {"action=compute.sandbox.list", "GET requests only supported for terminal.stream action"},
      {"action=terminal.stream", "sandboxId and terminalId are required for terminal streaming"},
      {"action=terminal.stream&sandboxId=x",
       "sandboxId and terminalId are required for terminal streaming"},
      {"action=terminal.connect&sandboxId=x&terminalId=y",
       "A WebSocket handshake is required for terminal.connect"},
  };
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    const e2b_http_response_t *answer = page_gets(queries[i][0], NULL, 0);
    assert_int_equal(answer->status, 400);
    assert_non_null(strstr(answer->body.ptr, queries[i][1]));
  }
}

/* --- a WebSocket, frame by frame ----------------------------------------------------------------
 */

static const e2b_pair_t handshake[] = {{"Upgrade", "websocket"},
                                       {"Connection", "keep-alive, Upgrade"},
                                       {"Sec-WebSocket-Version", "13"},
                                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                       {"Sec-WebSocket-Protocol", "e2b-terminal, e2b-bearer.x"}};

static void send_frame(e2b_http_stream_t *stream, unsigned char opcode, const char *data) {
  unsigned char frame[256] = {
      (unsigned char)(0x80 | opcode), (unsigned char)(0x80 | strlen(data)), 1, 2, 3, 4};
  for (size_t i = 0; data[i] != '\0'; i++) {
    frame[6 + i] = (unsigned char)((unsigned char)data[i] ^ frame[2 + i % 4]);
  }
  /* One byte at a time: a connection may cut them anywhere. */
  for (size_t i = 0; i < 6 + strlen(data); i++) {
    e2b_http_stream_receive(stream, frame + i, 1);
  }
}

static void a_websocket_types_resizes_and_hears_the_exit(void **state) {
  static page_viewer_t v;
  (void)state;
  const char *id = create("{\"command\":\"bash\"}");
  const e2b_http_response_t *answer = page_gets(query_for("terminal.connect", id), handshake, 5);
  assert_int_equal(answer->status, 101);
  for (size_t i = 0; i < answer->headers_count; i++) {
    assert_string_not_equal(answer->headers[i].value, "e2b-bearer.x");
  }
  assert_string_equal(page_header(answer, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  e2b_http_stream_t *stream = page_views(&v, answer);
  send_frame(stream, 1, "{\"type\":\"resize\",\"cols\":99,\"rows\":33}");
  send_frame(stream, 2, "stty size; echo $((5 * 5))\n");
  /* Frames of a server are not masked: what they carry is there to be seen. */
  page_until_says(&v, "25\r\n", 4);
  assert_non_null(memmem(v.text, v.len, "33 99\r\n", 7));
  assert_non_null(memmem(v.text, v.len, "\"type\":\"connected\"", 18));
  send_frame(stream, 2, "exit 7\n");
  page_until_ended(&v);
  assert_non_null(memmem(v.text, v.len, "{\"type\":\"exit\",\"exitCode\":7", 27));
  assert_memory_equal(v.text + v.len - 4, "\x88\x02\x03\xe8", 4);
}

static void a_browser_that_breaks_the_rules_is_let_go(void **state) {
  static page_viewer_t v;
  (void)state;
  const char *id = create("{\"command\":\"bash\"}");
  const e2b_http_response_t *answer = page_gets(query_for("terminal.connect", id), handshake, 5);
  e2b_http_stream_t *stream = page_views(&v, answer);
  /* Not masked. */
  e2b_http_stream_receive(stream, "\x82\x01x", 3);
  page_until_ended(&v);
  ask_for(200, "kill", member(id, ""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PAGE_TEST(each_says_what_it_misses),
      PAGE_TEST(unknown_terminals_are_not_found),
      PAGE_TEST(a_terminal_is_made_described_typed_into_and_ended),
      PAGE_TEST(a_stream_begins_with_connected_and_ends_with_the_exit),
      PAGE_TEST(many_look_at_one_terminal_and_one_may_leave),
      PAGE_TEST(a_viewer_that_comes_back_goes_on_where_it_was),
      PAGE_TEST(streams_want_their_ids_and_no_other_action),
      PAGE_TEST(a_websocket_types_resizes_and_hears_the_exit),
      PAGE_TEST(a_browser_that_breaks_the_rules_is_let_go),
  };
  return cmocka_run_group_tests_name("handler_terminals", tests, scene_open, scene_close);
}
