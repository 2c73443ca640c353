/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/driver.h"

/* Who gets in, and what ends a connection. */

/* The status line's number of the answer to a request. */
static int ask(const agent_t *agent, const char *request) {
  e2b__buffer_t answer = E2B__BUFFER_INIT(1 << 20);
  client_t *client = client_dial(agent);
  client_send_raw(client, request, strlen(request));
  client_read_all(client, &answer);
  assert_true(answer.len > 12);
  assert_memory_equal(answer.data, "HTTP/1.1 ", 9);
  int status = atoi(answer.data + 9);
  e2b__buffer_free(&answer);
  client_close(client);
  return status;
}

static void only_the_right_request_gets_in(void **state) {
  agent_t *agent = *state;
  static const char rest[] = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n";
  char wrong[65], text[1024];
  strcpy(wrong, agent->secret);
  wrong[63] = wrong[63] == '0' ? '1' : '0';
#define ASK(line, fields, ...)                                                           \
  (snprintf(text, sizeof text, line " HTTP/1.1\r\n%s" fields "\r\n", rest, __VA_ARGS__), \
   ask(agent, text))
  assert_int_equal(
      ASK("GET /v1", "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n", wrong), 401);
  assert_int_equal(
      ASK("GET /v1", "Sec-WebSocket-Version: 13\r\nAuthorization: Basic %s\r\n", agent->secret),
      401);
  assert_int_equal(
      ASK("GET /v1", "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s0\r\n", agent->secret),
      401);
  assert_int_equal(ASK("GET /v1", "Sec-WebSocket-Version: 13\r\n%s", ""), 401);
  assert_int_equal(ASK("GET /v2", "Sec-WebSocket-Version: 13\r\n%s", ""), 401);
  assert_int_equal(
      ASK("GET /v2", "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n", agent->secret),
      404);
  assert_int_equal(
      ASK("POST /v1", "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n", agent->secret),
      400);
  assert_int_equal(
      ASK("GET /v1", "Sec-WebSocket-Version: 8\r\nAuthorization: Bearer %s\r\n", agent->secret),
      426);
  snprintf(text, sizeof text, "GET /v1 HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n",
           agent->secret);
  assert_int_equal(ask(agent, text), 400);
  assert_int_equal(ask(agent, "hello\r\n\r\n"), 400);
#undef ASK
}

static void a_head_that_is_too_long_is_refused(void **state) {
  e2b__buffer_t head = E2B__BUFFER_INIT(1 << 20);
  assert_int_equal(e2b__buffer_append_str(&head, "GET /v1 HTTP/1.1\r\n"), 0);
  while (head.len < 8192)
    assert_int_equal(e2b__buffer_append_str(&head, "X: y\r\n"), 0);
  assert_int_equal(ask(*state, head.data), 431);
  e2b__buffer_free(&head);
}

static void two_hundred_that_never_finish_do_not_stop_the_next(void **state) {
  enum { MANY = 200 };
  client_t *idle[MANY];
  for (int i = 0; i < MANY; i++) {
    idle[i] = client_dial(*state);
    client_send_raw(idle[i], "GET /v1 HTTP/1.1\r\nHost:", 23);
  }
  client_t *client = client_open(*state);
  client_create(client, "t", "exit 9", "");
  client_await(client, "exit");
  client_close(client);
  for (int i = 0; i < MANY; i++)
    client_close(idle[i]);
}

static void who_does_not_finish_in_time_is_shown_out(void **state) {
  agent_t agent;
  e2b__buffer_t answer = E2B__BUFFER_INIT(1 << 20);
  (void)state;
  agent_start(&agent, "--handshake-ms", "50", NULL);
  client_t *client = client_dial(&agent);
  client_send_raw(client, "GET /v1", 7);
  client_read_all(client, &answer);
  assert_memory_equal(answer.data, "HTTP/1.1 408 ", 13);
  client_close(client);
  e2b__buffer_free(&answer);
  agent_stop(&agent);
}

/* Whether it has its own descriptors only, and no connection's. */
static bool is_alone(void *agent) {
  return agent_descriptors(agent) <= 12;
}

static void without_descriptors_the_oldest_unfinished_goes(void **state) {
  enum { LIMIT = 32 };
  struct rlimit before, few = {LIMIT, LIMIT};
  agent_t agent;
  (void)state;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few.rlim_max = before.rlim_max;
  agent_start(&agent, NULL);
  few.rlim_max = LIMIT;
  assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, &few, NULL), 0);
  client_t *idle[LIMIT];
  for (int i = 0; i < LIMIT; i++)
    idle[i] = client_dial(&agent);
  client_t *client = client_open(&agent);
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  assert_int_equal(client_next(idle[0]), RECEIVED_END);
  assert_false(client_has(idle[LIMIT - 1], 0));
  client_close(client);
  for (int i = 0; i < LIMIT; i++)
    client_close(idle[i]);
  await(is_alone, &agent);
  /* With nobody unfinished, the next is turned away, and the agent goes on. */
  int open = 0;
  while (agent_descriptors(&agent) < LIMIT)
    idle[open++] = client_open(&agent);
  client = client_dial(&agent);
  assert_int_equal(client_next(client), RECEIVED_END);
  client_close(client);
  client_say(idle[0], "{'type':'list'}");
  client_await(idle[0], "terminals");
  while (open > 0)
    client_close(idle[--open]);
  agent_stop(&agent);
}

static void breaches_close_with_their_code(void **state) {
  static const struct {
    unsigned first_byte;
    const char *data;
    size_t len;
    unsigned code;
  } cases[] = {
      {0x82, "x", 1, 1008},                   /* input before an attach */
      {0x81, "[]", 2, 1008},                  /* no object */
      {0x81, "{}", 2, 1008},                  /* no type */
      {0x81, "{\"type\":\"list\"", 14, 1008}, /* no JSON */
      {0x81, "\xff", 1, 1007},                /* no UTF-8 */
      {0xc1, "{}", 2, 1002},                  /* a reserved bit */
      {0x83, "", 0, 1002},                    /* a reserved opcode */
      {0x80, "x", 1, 1002},                   /* continues nothing */
      {0x09, "", 0, 1002},                    /* a control frame in pieces */
      {0x88, "x", 1, 1002},                   /* half a code */
      {0x88, "\x03\xed", 2, 1002},            /* a code that is never sent */
      {0x88, "\x03\xe8", 2, 1000},            /* a good-bye is returned */
      {0x88, "", 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_t *client = client_open(*state);
    client_send_frame(client, cases[i].first_byte, cases[i].data, cases[i].len);
    assert_int_equal(client_next(client), RECEIVED_CLOSE);
    assert_int_equal(client_number(client, "code"), cases[i].code);
    assert_int_equal(client_next(client), RECEIVED_END);
    client_close(client);
  }
}

static void a_frame_that_is_too_long_is_refused_unread(void **state) {
  static const unsigned char long_text[] = {0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0};
  static const unsigned char long_data[] = {0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const unsigned char unmasked[] = {0x81, 0x02, '{', '}'};
  static const unsigned char wasteful[] = {0x81, 0xfe, 0, 2, 0, 0, 0, 0, '{', '}'};
  static const struct {
    const unsigned char *data;
    size_t len;
    unsigned code;
  } cases[] = {{long_text, sizeof long_text, 1009},
               {long_data, sizeof long_data, 1009},
               {unmasked, sizeof unmasked, 1002},
               {wasteful, sizeof wasteful, 1002}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_t *client = client_open(*state);
    client_send_raw(client, cases[i].data, cases[i].len);
    assert_int_equal(client_await_close(client), cases[i].code);
    client_close(client);
  }
}

static void a_message_whose_pieces_are_too_long_together_is_refused(void **state) {
  char piece[30000];
  memset(piece, ' ', sizeof piece);
  client_t *client = client_open(*state);
  client_send_frame(client, 0x01, piece, sizeof piece);
  client_send_frame(client, 0x00, piece, sizeof piece);
  client_send_frame(client, 0x00, piece, sizeof piece);
  assert_int_equal(client_await_close(client), 1009);
  client_close(client);
}

static void a_second_attach_is_a_breach(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "sleep 1000", "");
  client_say(client, "{'type':'attach','id':'t'}");
  assert_int_equal(client_await_close(client), 1008);
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t'}");
  client_await(client, "attached");
  client_say(client, "{'type':'detach'}");
  client_say(client, "{'type':'attach','id':'t'}");
  assert_int_equal(client_await_close(client), 1008);
  client_close(client);
}

static void frames_may_come_byte_by_byte(void **state) {
  static const char text[] = "{\"type\":\"create\",\"id\":\"t\",\"argv\":[\"true\"]}";
  unsigned char frame[6 + sizeof text] = {0x81, 0x80 | (sizeof text - 1), 1, 2, 3, 4};
  client_t *client = client_open(*state);
  for (size_t i = 0; i < sizeof text - 1; i++)
    frame[6 + i] = (unsigned char)text[i] ^ frame[2 + i % 4];
  for (size_t i = 0; i < 6 + sizeof text - 1; i++)
    client_send_raw(client, frame + i, 1);
  client_await(client, "attached");
  client_await(client, "exit");
  client_close(client);
}

static void a_ping_is_answered_and_silence_ends(void **state) {
  agent_t agent;
  (void)state;
  agent_start(&agent, "--silence-ms", "1000", NULL);
  client_t *client = client_open(&agent);
  client_send_frame(client, 0x89, "still there?", 12);
  assert_int_equal(client_next(client), RECEIVED_PONG);
  assert_int_equal(client_await_close(client), 4002);
  client_close(client);
  agent_stop(&agent);
}

/* Asks for long answers and reads none of them: the agent stops listening, and serves others. */
static void who_asks_and_does_not_read_is_not_listened_to(void **state) {
  client_t *flood = client_open(*state);
  static char frames[14 * 4000];
  for (size_t i = 0; i < 4000; i++)
    memcpy(frames + 14 * i, "\x89\x88\0\0\0\0ping ping", 14);
  struct timeval limit = {0, 300000};
  setsockopt(flood->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  bool full = false;
  for (int i = 0; i < 2000 && !full; i++)
    full = send(flood->fd, frames, sizeof frames, MSG_NOSIGNAL) < (ssize_t)sizeof frames;
  assert_true(full);
  client_t *client = client_open(*state);
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  client_close(client);
  client_close(flood);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      AGENT_TEST(only_the_right_request_gets_in),
      AGENT_TEST(a_head_that_is_too_long_is_refused),
      AGENT_TEST(two_hundred_that_never_finish_do_not_stop_the_next),
      cmocka_unit_test(who_does_not_finish_in_time_is_shown_out),
      cmocka_unit_test(without_descriptors_the_oldest_unfinished_goes),
      AGENT_TEST(breaches_close_with_their_code),
      AGENT_TEST(a_frame_that_is_too_long_is_refused_unread),
      AGENT_TEST(a_message_whose_pieces_are_too_long_together_is_refused),
      AGENT_TEST(a_second_attach_is_a_breach),
      AGENT_TEST(frames_may_come_byte_by_byte),
      cmocka_unit_test(a_ping_is_answered_and_silence_ends),
      AGENT_TEST(who_asks_and_does_not_read_is_not_listened_to),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
