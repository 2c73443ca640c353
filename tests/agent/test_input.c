/* SPDX-License-Identifier: MIT */
#include <poll.h>

#include "agent/driver.h"

/* Input: what is accepted, and that each byte arrives once. */

enum { WINDOW = 64 << 10 };

static void await_accepted(client_t *client, uint64_t count) {
  while (client->accepted < count)
    assert_true(client_next(client) <= RECEIVED_PONG);
  assert_int_equal(client->accepted, count);
}

static void accepted_input_is_told_without_output(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "stty -echo raw; echo ready; sleep 1000", "");
  client_await_output(client, "ready");
  client_type_text(client, "12345");
  await_accepted(client, 5);
  client_type_text(client, "678");
  await_accepted(client, 8);
  client_close(client);
}

/* A program that does not read: the kernel takes some, the queue takes a window, no more is
 * accepted. */
static void a_full_queue_accepts_no_more_and_lets_control_pass(void **state) {
  static char much[WINDOW];
  client_t *client = client_open(*state);
  memset(much, 'x', sizeof much);
  client_create(client, "t", "stty -echo raw; echo ready; read line <&3; sleep 1000", "");
  client_await_output(client, "ready");
  uint64_t sent = 0;
  /* Until nothing was accepted for a good while, always filling the window. */
  for (;;) {
    if (sent < client->accepted + WINDOW) {
      size_t len = (size_t)(client->accepted + WINDOW - sent);
      client_type(client, much, len);
      sent += len;
    }
    /* The answer says that all of it has been looked at. */
    uint64_t before = client->accepted;
    client_say(client, "{'type':'list'}");
    client_await(client, "terminals");
    while (client_has(client, 500))
      assert_true(client_next(client) <= RECEIVED_PONG);
    if (client->accepted == before) break;
  }
  assert_true(client->accepted >= WINDOW);
  assert_int_equal(sent, client->accepted + WINDOW);
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  client_type(client, much, 1);
  assert_int_equal(client_await_close(client), 1008);
  client_close(client);
}

/* Sends what is not accepted yet of `data`, within the window. */
static void type_on(client_t *client, const char *data, size_t len, uint64_t *sent) {
  size_t most = (size_t)(client->accepted + WINDOW - *sent);
  size_t left = len - (size_t)*sent;
  if (most > left) most = left;
  if (most > 3000) most = 3000;
  if (most == 0) return;
  client_type(client, data + *sent, most);
  *sent += most;
}

static void input_arrives_once_through_cuts(void **state) {
  enum { LINES = 10000, CUTS = 50 };
  agent_t *agent = *state;
  e2b__buffer_t all = E2B__BUFFER_INIT(1 << 20);
  for (int i = 0; i < LINES; i++)
    assert_int_equal(e2b__buffer_printf(&all, "%d\n", i), 0);
  client_t *client = client_open(agent);
  client_create(client, "t",
                "stty -echo; echo ready; n=0; while read i; do [ \"$i\" = $n ] || echo wrong $i;"
                " n=$((n+1)); [ $n != 10000 ] || break; done; echo all=$n; sleep 1000",
                ",'writer':'me'");
  client_await_output(client, "ready\r\n");
  uint64_t sent = 0;
  for (int cut = 0; cut < CUTS; cut++) {
    uint64_t until = all.len * (uint64_t)(cut + 1) / (CUTS + 1);
    while (sent < until) {
      type_on(client, all.data, all.len, &sent);
      if (sent == client->accepted + WINDOW || client_has(client, 0))
        assert_true(client_next(client) <= RECEIVED_PONG);
    }
    uint64_t seen = client->offset;
    client_close(client); /* whatever was on its way */
    client = client_open(agent);
    client_say(client, "{'type':'attach','id':'t','writer':'me','offset':%llu}",
               (unsigned long long)seen);
    client_await(client, "attached");
    assert_true(client->accepted <= sent);
    sent = client->accepted;
  }
  while (sent < all.len) {
    type_on(client, all.data, all.len, &sent);
    if (sent == client->accepted + WINDOW) assert_true(client_next(client) <= RECEIVED_PONG);
  }
  while (client->output.len == 0)
    client_next(client);
  client_await_output(client, "all=10000\r\n");
  e2b__buffer_free(&all);
  client_close(client);
}

static void a_second_connection_of_a_writer_replaces_the_first(void **state) {
  client_t *first = client_open(*state), *second = client_open(*state);
  client_create(first, "t", "stty -echo; echo ready; cat", ",'writer':'me'");
  client_await_output(first, "ready\r\n");
  client_type_text(first, "abc\n");
  client_await_output(first, "abc\r\n");
  client_say(second, "{'type':'attach','id':'t','writer':'me','offset':%llu}",
             (unsigned long long)first->offset);
  client_await(second, "attached");
  assert_int_equal(client_number(second, "input"), 4);
  assert_int_equal(client_await_close(first), 4001);
  client_type_text(second, "def\n");
  client_await_output(second, "def\r\n");
  client_close(first);
  client_close(second);
}

static void writers_are_counted_apart(void **state) {
  client_t *one = client_open(*state), *two = client_open(*state), *none = client_open(*state);
  client_create(one, "t", "stty -echo; echo ready; cat", ",'writer':'one'");
  client_await_output(one, "ready\r\n");
  client_say(two, "{'type':'attach','id':'t','writer':'two'}");
  client_await(two, "attached");
  client_say(none, "{'type':'attach','id':'t'}");
  client_await(none, "attached");
  client_type_text(one, "1\n");
  client_await_output(two, "1\r\n");
  client_type_text(two, "22\n");
  client_await_output(none, "22\r\n");
  client_type_text(none, "333\n");
  client_await_output(one, "333\r\n");
  await_accepted(one, 2);
  await_accepted(two, 3);
  await_accepted(none, 4);
  client_close(one);
  client_close(two);
  client_close(none);
}

static void accepted_input_is_delivered_though_its_writer_left(void **state) {
  enum { LENGTH = 40000 };
  static char line[LENGTH];
  client_t *client = client_open(*state), *other = client_open(*state);
  memset(line, 'x', sizeof line);
  client_create(client, "t",
                "stty -echo raw; echo ready; sleep 0.3; head -c 40000 | wc -c; sleep 1000", "");
  client_await_output(client, "ready");
  client_type(client, line, sizeof line);
  await_accepted(client, LENGTH);
  client_say(client, "{'type':'detach'}");
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  client_close(client);
  client_say(other, "{'type':'attach','id':'t'}");
  client_await(other, "attached");
  client_await_output(other, "40000");
  client_close(other);
}

static bool is_unwatched(void *data) {
  client_t *client = data;
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  const cJSON *all = cJSON_GetObjectItem(client->message, "terminals");
  return cJSON_GetObjectItem(cJSON_GetArrayItem(all, 0), "viewers")->valueint == 0;
}

/* Of those who were lost it keeps 64: an older one is new when it comes back, but what it had typed
 * was accepted. */
static void a_writer_is_forgotten_for_64_others_but_not_its_input(void **state) {
  enum { OTHERS = 64, LENGTH = 40000 };
  static char text[LENGTH];
  agent_t *agent = *state;
  char line[256];
  memset(text, 'x', sizeof text);
  snprintf(line, sizeof line,
           "mkfifo %s/go; stty -echo raw; echo ready; read go <%s/go; head -c 40000 | wc -c; sleep "
           "1000",
           agent->home, agent->home);
  client_t *client = client_open(agent);
  client_create(client, "t", line, ",'writer':'me'");
  assert_false(client_flag(client, "known"));
  client_await_output(client, "ready");
  client_type(client, text, sizeof text);
  await_accepted(client, LENGTH);
  client_close(client);
  client = client_open(agent);
  client_say(client, "{'type':'attach','id':'t','writer':'me'}");
  client_await(client, "attached");
  assert_true(client_flag(client, "known"));
  assert_int_equal(client_number(client, "input"), LENGTH);
  client_close(client);
  for (int i = 0; i < OTHERS; i++) {
    client = client_open(agent);
    client_say(client, "{'type':'attach','id':'t','writer':'other%d'}", i);
    client_await(client, "attached");
    client_close(client);
  }
  client = client_open(agent);
  await(is_unwatched, client);
  client_close(client);
  snprintf(line, sizeof line, "%s/go", agent->home);
  FILE *go = fopen(line, "w");
  assert_non_null(go);
  fputs("go\n", go);
  fclose(go);
  client = client_open(agent);
  client_say(client, "{'type':'attach','id':'t','writer':'me'}");
  client_await(client, "attached");
  assert_false(client_flag(client, "known"));
  assert_int_equal(client_number(client, "input"), 0);
  client_await_output(client, "40000");
  client_close(client);
}

static void input_in_many_fragments_is_one_stream(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "stty -echo; echo ready; cat", "");
  client_await_output(client, "ready\r\n");
  client_send_frame(client, 0x02, "a", 1);
  client_send_frame(client, 0x00, "", 0);
  client_send_frame(client, 0x89, "ping", 4);
  client_send_frame(client, 0x00, "b", 1);
  client_send_frame(client, 0x80, "c\n", 2);
  assert_int_equal(client_next(client), RECEIVED_PONG);
  client_await_output(client, "abc\r\n");
  client_close(client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      AGENT_TEST(accepted_input_is_told_without_output),
      AGENT_TEST(a_full_queue_accepts_no_more_and_lets_control_pass),
      AGENT_TEST(input_arrives_once_through_cuts),
      AGENT_TEST(a_second_connection_of_a_writer_replaces_the_first),
      AGENT_TEST(writers_are_counted_apart),
      AGENT_TEST(accepted_input_is_delivered_though_its_writer_left),
      AGENT_TEST(a_writer_is_forgotten_for_64_others_but_not_its_input),
      AGENT_TEST(input_in_many_fragments_is_one_stream),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
