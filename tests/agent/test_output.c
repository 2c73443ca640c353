/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <sys/socket.h>

#include "agent/driver.h"

/* Output: from where, how much, and what happens to those who do not read. */

/* A program that writes the numbers 1000000, 1000001 ... in lines of 8 bytes (with \r\n that is 9),
 * `count` of them, and then stays. */
static void create_counting(client_t *client, const char *id, int count, const char *more) {
  char line[200];
  snprintf(line, sizeof line, "seq 1000000 %d; sleep 1000", 1000000 + count - 1);
  client_create(client, id, line, more);
}

enum { LINE = 9 };

/* What the counting program has written at that offset. */
static char expected_at(uint64_t offset) {
  char line[16];
  snprintf(line, sizeof line, "%d\r\n", 1000000 + (int)(offset / LINE));
  return line[offset % LINE];
}

static void check_output(const client_t *client, uint64_t from) {
  for (size_t i = 0; i < client->output.len; i++)
    if (client->output.data[i] != expected_at(from + i))
      fail_msg("another byte at %llu", (unsigned long long)(from + i));
}

static void read_up_to(client_t *client, uint64_t offset) {
  while (client->offset < offset)
    assert_true(client_next(client) <= RECEIVED_PONG);
}

static void who_comes_back_continues_where_he_was(void **state) {
  enum { COUNT = 20000 };
  client_t *client = client_open(*state);
  create_counting(client, "t", COUNT, ",'writer':'w'");
  read_up_to(client, 50000);
  check_output(client, 0);
  uint64_t seen = client->offset;
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t','writer':'w','offset':%llu}",
             (unsigned long long)seen);
  client_await(client, "attached");
  assert_int_equal(client_number(client, "offset"), seen);
  assert_int_equal(client_number(client, "lost"), 0);
  read_up_to(client, COUNT * LINE);
  check_output(client, seen);
  assert_int_equal(client->offset, COUNT * LINE);
  client_close(client);
}

/* Each time the connection ends in the middle of what is on its way, and nothing is missing. */
static void through_many_cuts_every_byte_comes_once(void **state) {
  enum { COUNT = 200000, CUTS = 60 };
  uint64_t seen = 0, cut_at = 0;
  for (int cut = 0; cut <= CUTS; cut++) {
    client_t *client = client_open(*state);
    client_say(client,
               cut == 0 ? "{'type':'create','id':'t','argv':['seq','1000000','1199999'],"
                          "'writer':'w','hold_ms':60000,'offset':%llu}"
                        : "{'type':'attach','id':'t','writer':'w','offset':%llu}",
               (unsigned long long)seen);
    client_await(client, "attached");
    assert_int_equal(client_number(client, "offset"), seen);
    assert_int_equal(client_number(client, "lost"), 0);
    cut_at = cut < CUTS ? cut_at + 20000 + (uint64_t)cut * 131 : COUNT * LINE;
    read_up_to(client, cut_at);
    check_output(client, seen);
    assert_int_equal(client->lost, 0);
    seen = client->offset;
    if (cut == CUTS) {
      client_await(client, "exit");
    } else if (cut % 2 == 0) {
      /* A reset: what the agent sent and we did not take is gone. */
      struct linger now = {1, 0};
      setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    client_close(client);
  }
  assert_int_equal(seen, COUNT * LINE);
}

static void without_an_offset_all_that_is_kept_comes(void **state) {
  enum { COUNT = 2000, RING = 4096 };
  client_t *client = client_open(*state);
  create_counting(client, "t", COUNT, ",'ring':4096");
  read_up_to(client, COUNT * LINE);
  assert_int_equal(client->lost, 0); /* it acknowledges: the program waited for it */
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t'}");
  client_await(client, "attached");
  assert_int_equal(client_number(client, "offset"), COUNT * LINE - RING);
  assert_int_equal(client_number(client, "lost"), 0);
  read_up_to(client, COUNT * LINE);
  check_output(client, COUNT * LINE - RING);
  client_close(client);
}

static void what_is_lost_is_told_exactly(void **state) {
  enum { COUNT = 2000, RING = 4096, SEEN = 100 };
  client_t *client = client_open(*state);
  create_counting(client, "t", COUNT, ",'ring':4096");
  read_up_to(client, COUNT * LINE);
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t','offset':%d}", SEEN);
  client_await(client, "attached");
  assert_int_equal(client_number(client, "offset"), COUNT * LINE - RING);
  assert_int_equal(client_number(client, "lost"), COUNT * LINE - RING - SEEN);
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t','offset':%d}", COUNT * LINE + 1);
  client_await(client, "error");
  assert_string_equal(client_string(client, "code"), "invalid");
  client_say(client, "{'type':'attach','id':'t','offset':%d}", COUNT * LINE);
  client_await(client, "attached");
  assert_int_equal(client_number(client, "lost"), 0);
  client_close(client);
}

/* Reads what comes until nothing has for a while. */
static void read_until_quiet(client_t *client) {
  while (client_has(client, 200))
    assert_true(client_next(client) <= RECEIVED_PONG);
}

static void nobody_is_sent_more_than_half_a_ring_ahead(void **state) {
  client_t *client = client_open(*state);
  client->acks = false;
  create_counting(client, "t", 2000, ",'ring':8192,'hold_ms':60000");
  read_up_to(client, 4096);
  read_until_quiet(client);
  assert_int_equal(client->offset, 4096);
  client_say(client, "{'type':'ack','offset':10}");
  read_up_to(client, 4106);
  read_until_quiet(client);
  assert_int_equal(client->offset, 4106);
  check_output(client, 0);
  client_close(client);
}

static void a_program_waits_for_its_only_viewer(void **state) {
  enum { COUNT = 5000 };
  client_t *client = client_open(*state);
  client->acks = false;
  create_counting(client, "t", COUNT, ",'ring':4096,'hold_ms':60000");
  while (client->offset < COUNT * LINE) {
    assert_true(client_next(client) <= RECEIVED_PONG);
    if (client->offset % 3 == 0 || !client_has(client, 0))
      client_say(client, "{'type':'ack','offset':%llu}", (unsigned long long)client->offset);
  }
  assert_int_equal(client->lost, 0);
  check_output(client, 0);
  client_close(client);
}

/* Waits until a terminal has written that much, without being a viewer for longer than a look. */
static void await_written(const agent_t *agent, const char *id, uint64_t offset) {
  for (;;) {
    client_t *client = client_open(agent);
    client_say(client, "{'type':'attach','id':'%s','offset':%llu}", id, (unsigned long long)offset);
    while (client_next(client) != RECEIVED_TEXT)
      continue;
    bool written = strcmp(client_string(client, "type"), "attached") == 0;
    client_close(client);
    if (written) return;
    poll(NULL, 0, 5);
  }
}

static void a_program_runs_on_when_its_viewer_stays_away_too_long(void **state) {
  enum { COUNT = 5000, RING = 4096 };
  client_t *client = client_open(*state);
  client->acks = false;
  create_counting(client, "t", COUNT, ",'ring':4096,'hold_ms':50");
  read_up_to(client, RING / 2);
  await_written(*state, "t", COUNT * LINE);
  assert_int_equal(client->offset, RING / 2);
  client_say(client, "{'type':'ack','offset':%d}", RING / 2);
  client_await(client, "gap");
  assert_int_equal(client_number(client, "lost"), COUNT * LINE - RING - RING / 2);
  assert_int_equal(client_number(client, "offset"), COUNT * LINE - RING);
  e2b__buffer_clear(&client->output);
  client->acks = true;
  read_up_to(client, COUNT * LINE - RING / 2);
  client_say(client, "{'type':'ack','offset':%llu}", (unsigned long long)client->offset);
  read_up_to(client, COUNT * LINE);
  check_output(client, COUNT * LINE - RING);
  client_close(client);
}

static void without_a_hold_a_program_never_waits(void **state) {
  enum { COUNT = 5000, RING = 4096 };
  client_t *client = client_open(*state);
  client->acks = false;
  char line[100];
  snprintf(line, sizeof line, "seq 1000000 %d", 1000000 + COUNT - 1);
  client_create(client, "t", line, ",'ring':4096,'hold_ms':0");
  client_t *asks = client_open(*state);
  const char *status;
  do {
    client_say(asks, "{'type':'list'}");
    client_await(asks, "terminals");
    cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(asks->message, "terminals"), 0);
    status = cJSON_GetObjectItem(first, "status")->valuestring;
  } while (strcmp(status, "exited") != 0);
  client_close(asks);
  /* The exit comes behind all output, when that may be sent. */
  client->acks = true;
  read_up_to(client, RING / 2);
  client_say(client, "{'type':'ack','offset':%llu}", (unsigned long long)client->offset);
  client_await(client, "exit");
  assert_int_equal(client_number(client, "offset"), COUNT * LINE);
  assert_int_equal(client->lost + client->output.len, COUNT * LINE);
  client_close(client);
}

static void a_lost_viewer_holds_the_program_and_a_left_one_does_not(void **state) {
  enum { COUNT = 5000, RING = 4096 };
  for (int left = 0; left < 2; left++) {
    char id[2] = {(char)('a' + left), '\0'};
    client_t *client = client_open(*state);
    client->acks = false;
    create_counting(client, id, COUNT, ",'ring':4096,'hold_ms':60000,'writer':'w'");
    read_up_to(client, RING / 2);
    uint64_t seen = client->offset;
    if (left) {
      client_say(client, "{'type':'detach'}");
      client_say(client, "{'type':'list'}");
      client_await(client, "terminals");
    }
    client_close(client);
    if (left)
      await_written(*state, id, COUNT * LINE);
    else
      poll(NULL, 0, 50); /* however long it is, nothing may be lost */
    client = client_open(*state);
    client_say(client, "{'type':'attach','id':'%s','writer':'w','offset':%llu}", id,
               (unsigned long long)seen);
    client_await(client, "attached");
    assert_int_equal(client_number(client, "lost") > 0, left);
    read_up_to(client, COUNT * LINE);
    assert_int_equal(client->lost, 0);
    client_close(client);
  }
}

static void one_that_never_reads_holds_up_nobody(void **state) {
  enum { COUNT = 300000 };
  client_t *deaf = client_open(*state), *slow = client_open(*state), *fast = client_open(*state);
  client_create(deaf, "t", "read go; seq 1000000 1299999; sleep 1000",
                ",'ring':65536,'hold_ms':60000");
  client_say(slow, "{'type':'attach','id':'t'}");
  client_await(slow, "attached");
  client_say(fast, "{'type':'attach','id':'t'}");
  client_await(fast, "attached");
  slow->acks = false;
  client_type_text(fast, "\n");
  client_await_output(fast, "\r\n"); /* the echo */
  uint64_t from = fast->offset - fast->output.len;
  read_up_to(fast, COUNT * LINE + 2);
  assert_int_equal(fast->lost, 0);
  check_output(fast, from - 2);
  /* The slow one has its half a ring, and then hears what it missed. */
  read_up_to(slow, 32768);
  client_say(slow, "{'type':'ack','offset':32768}");
  client_await(slow, "gap");
  assert_int_equal(slow->offset, COUNT * LINE + 2 - 65536);
  client_close(deaf);
  client_close(slow);
  client_close(fast);
}

static void more_acknowledged_than_sent_is_a_breach(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "echo a; sleep 1000", "");
  client_await_output(client, "a\r\n");
  client_say(client, "{'type':'ack','offset':4}");
  assert_int_equal(client_await_close(client), 1008);
  client_close(client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      AGENT_TEST(who_comes_back_continues_where_he_was),
      AGENT_TEST(through_many_cuts_every_byte_comes_once),
      AGENT_TEST(without_an_offset_all_that_is_kept_comes),
      AGENT_TEST(what_is_lost_is_told_exactly),
      AGENT_TEST(nobody_is_sent_more_than_half_a_ring_ahead),
      AGENT_TEST(a_program_waits_for_its_only_viewer),
      AGENT_TEST(a_program_runs_on_when_its_viewer_stays_away_too_long),
      AGENT_TEST(without_a_hold_a_program_never_waits),
      AGENT_TEST(a_lost_viewer_holds_the_program_and_a_left_one_does_not),
      AGENT_TEST(one_that_never_reads_holds_up_nobody),
      AGENT_TEST(more_acknowledged_than_sent_is_a_breach),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
