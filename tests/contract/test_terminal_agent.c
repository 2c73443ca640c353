/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "support/fake_agent.h"

/* A terminal's client before an agent that keeps its protocol, and before one that breaks it: no
 * byte twice, no offset that makes no sense, a typed error, an end. */

/* --- one that breaks it ----------------------------------------------------------------------- */

typedef struct breach {
  unsigned first_byte; /* of the frame */
  const char *data;
  size_t len; /* 0: a string, with ' for " */
  const char *words;
} breach_t;

#define CONTROL(text, words) \
  { FIN | TEXT, text, 0, words }
#define OUTPUT(bytes, words) \
  { FIN | BINARY, bytes, sizeof(bytes) - 1, words }

static void commit(fake_agent_t *a, const breach_t *breach) {
  if (breach->len == 0) {
    fake_agent_says(a, "%s", breach->data);
  } else {
    peer_frame(a->peer, breach->first_byte, breach->data, breach->len);
  }
}

/* "abc" was printed and "hello" typed, of which nothing was accepted. */
static void breaches_of_an_attached_terminal_end_it(void **state) {
  (void)state;
  static const char unsent[] = "accepted input that was not sent";
  static const char early_end[] = "an exit before the last output";
  static const char no_place[] = "a gap that does not lead to the next output";
  static const breach_t breaches[] = {
      CONTROL("{'type':'input','offset':6}", unsent),
      CONTROL("{'type':'input','offset':9007199254740991}", unsent),
      OUTPUT("\0\0\0\0\0\0\0\6d", unsent),
      OUTPUT("\xff\xff\xff\xff\xff\xff\xff\xff", unsent),
      CONTROL("{'type':'exit','code':0,'signal':0,'offset':4}", early_end),
      CONTROL("{'type':'exit','code':0,'signal':0,'offset':2}", early_end),
      CONTROL("{'type':'gap','lost':5,'offset':4}", no_place),
      CONTROL("{'type':'gap','lost':0,'offset':2}", no_place),
      CONTROL("{'type':'gap','lost':9007199254740991,'offset':3}", no_place),
      CONTROL("{'type':'attached','id':'t1','offset':3,'lost':0,'input':0}", "attached twice"),
      OUTPUT("\0\0\0\0\0\0\0", "output without its offset"),
  };
  for (size_t i = 0; i < E2B__COUNT(breaches); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin_well(&a);
    fake_agent_shows(&a, 0, "abc");
    fake_agent_type(&a, 1, "hello");
    commit(&a, &breaches[i]);
    fake_agent_ended(&a, E2B_EPROTOCOL, breaches[i].words);
    assert_int_equal(a.told.seen_len, 3);
    assert_int_equal(a.told.gap, 0);
    assert_int_equal(a.told.exits, 0);
    assert_int_equal(a.told.lost, 0);
    assert_int_equal(peer_accepted(a.peer), 1); /* there is no second attempt */
    fake_agent_close(&a);
  }
}

static void breaches_before_a_terminal_is_attached_fail_its_future(void **state) {
  (void)state;
  static const char news[] = "news of a terminal before it is attached";
  static const char place[] = "output from another place than asked for";
  static const breach_t breaches[] = {
      OUTPUT("\0\0\0\0\0\0\0\0d", "output before the terminal"),
      CONTROL("{'type':'exit','code':0,'signal':0,'offset':0}", news),
      CONTROL("{'type':'gap','lost':1,'offset':1}", news),
      CONTROL("{'type':'input','offset':0}", news),
      CONTROL("{'type':'signalled','found':true}", news),
      CONTROL("{'type':'attached','id':'t1','offset':5,'lost':0,'input':0}", place),
      CONTROL("{'type':'attached','id':'t1','offset':0,'lost':1,'input':0}", place),
      CONTROL("{'type':'attached','id':'t1','offset':0,'lost':0,'input':1}",
              "accepted input that was not sent"),
  };
  for (size_t i = 0; i < E2B__COUNT(breaches); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin(&a);
    commit(&a, &breaches[i]);
    fake_agent_refused(&a, E2B_EPROTOCOL, breaches[i].words);
    assert_int_equal(peer_accepted(a.peer), 1);
    fake_agent_close(&a);
  }
}

/* It was told 2 of 5 typed bytes, and printed 3 of its own. */
static void breaches_when_it_comes_back_end_a_terminal(void **state) {
  (void)state;
  static const struct {
    uint64_t offset, lost, input;
    const char *words;
  } cases[] = {
      {2, 0, 2, "another place"},   {0, 0, 2, "another place"},
      {4, 0, 2, "another place"},   {9, 5, 2, "another place"},
      {4, 5, 2, "another place"},   {3, 0, 6, "accepted input that was not sent"},
      {3, 0, 1, "takes some back"},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin_well(&a);
    fake_agent_type(&a, 1, "hello");
    fake_agent_shows(&a, 2, "abc");
    fake_agent_comes_back(&a);
    fake_agent_got(&a, 0, "\"offset\":3");
    fake_agent_attaches(&a, cases[i].offset, cases[i].lost, cases[i].input);
    fake_agent_ended(&a, E2B_EPROTOCOL, cases[i].words);
    assert_int_equal(a.told.seen_len, 3);
    assert_int_equal(a.told.restored, 0);
    fake_agent_close(&a);
  }
}

static void what_is_no_control_message_costs_the_connection(void **state) {
  (void)state;
  static const char *const texts[] = {"", "{", "[]", "7", "{'type':'exit'} {"};
  for (size_t i = 0; i < E2B__COUNT(texts); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin_well(&a);
    peer_text(a.peer, FIN | TEXT, texts[i]);
    harness_until_count(&a.f.h, peer_upgrades(a.peer), 2);
    fake_agent_got(&a, 0, "\"type\":\"attach\"");
    assert_int_equal(a.told.lost, 1);
    fake_agent_attaches(&a, 0, 0, 0);
    harness_until_count(&a.f.h, &a.told.restored, 1);
    fake_agent_close(&a);
  }
}

static void a_control_message_has_a_ceiling(void **state) {
  enum { TOO_LONG = (128 << 10) + 1 };
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  char *text = malloc(TOO_LONG);
  assert_non_null(text);
  memset(text, ' ', TOO_LONG);
  peer_frame(a->peer, FIN | TEXT, text, TOO_LONG);
  free(text);
  fake_agent_ended(a, E2B_ETOOBIG, "a size limit was reached");
}

static void nothing_comes_after_an_exit(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_prints(a, 0, "abc");
  fake_agent_says(a, "{'type':'exit','code':4,'signal':0,'offset':3}");
  fake_agent_prints(a, 0, "d");
  fake_agent_says(a, "{'type':'gap','lost':1,'offset':5}");
  fake_agent_says(a, "{'type':'exit','code':5,'signal':0,'offset':4}");
  harness_until_count(&a->f.h, &a->told.closed, 1);
  fake_agent_got(a, 1, "\"type\":\"detach\"");
  fake_agent_until_frames(a, 3);
  peer_frame(a->peer, FIN | CLOSE, "\x03\xe8", 2);
  while (!peer_ended(a->peer)) { /* all has been read */
    harness_turn_once(&a->f.h);
  }
  assert_int_equal(a->told.closed_code, 0);
  assert_int_equal(a->told.exits, 1);
  assert_int_equal(a->told.exit.exit_code, 4);
  assert_int_equal(a->told.seen_len, 3);
  assert_int_equal(a->told.gap, 0);
}

static void another_protocol_is_no_agents(void **state) {
  fake_agent_t *a = *state;
  peer_add_headers(a->peer, "");
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  fake_agent_refused(a, E2B_EPROTOCOL, "another protocol");
}

static void impatient(e2b_client_options *options) {
  options->first_event_timeout_ms = 300;
  options->request_timeout_ms = 1500;
}

static void an_agent_that_does_not_answer_is_not_waited_for(void **state) {
  (void)state;
  fake_agent_t a;
  fake_agent_open_with(&a, impatient);
  a.future = e2b_terminal_create(a.f.sandbox, &a.options);
  fake_agent_refused(&a, E2B_ETIMEDOUT, "timed out");
  fake_agent_close(&a);
}

/* --- one that keeps it ------------------------------------------------------------------------ */

static void old_and_repeated_news_change_nothing(void **state) {
  fake_agent_t *a = *state;
  a->options.write_limit = 8;
  fake_agent_begin_well(a);
  fake_agent_type(a, 1, "12345678");
  assert_int_equal(e2b_terminal_write(a->terminal, "9", 1), E2B_EAGAIN);
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 8);
  fake_agent_says(a, "{'type':'input','offset':5}");
  harness_until_count(&a->f.h, &a->told.drains, 1);
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 3);
  fake_agent_says(a, "{'type':'input','offset':5}");
  fake_agent_says(a, "{'type':'input','offset':2}");
  fake_agent_says(a, "{'type':'input'}");
  fake_agent_says(a, "{'type':'signalled','found':true}");
  fake_agent_says(a, "{'type':'error','code':'invalid','message':'what?'}");
  fake_agent_says(a, "{'type':'weather','offset':-1}");
  fake_agent_shows(a, 4, "abc");
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 3);
  assert_int_equal(a->told.drains, 1);
  fake_agent_shows(a, 8, "d");
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 0);
  assert_int_equal(e2b_terminal_offset(a->terminal), 4);
}

/* Accepted, not told, and on its way: each byte goes once. */
static void what_was_not_accepted_is_sent_again(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_type(a, 1, "hello");
  fake_agent_comes_back(a);
  fake_agent_attaches(a, 0, 0, 3);
  fake_agent_got(a, 1, "lo");
  peer_got_t frame;
  assert_true(peer_got(a->peer, 1, &frame));
  assert_int_equal(frame.len, 2);
  fake_agent_comes_back(a);
  fake_agent_attaches(a, 0, 0, 5);
  harness_until_count(&a->f.h, &a->told.restored, 2);
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 0);
  fake_agent_type(a, 1, "!");
}

static void what_was_lost_is_told(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_shows(a, 0, "abc");
  fake_agent_comes_back(a);
  fake_agent_attaches(a, 13, 10, 0);
  harness_until_count(&a->f.h, &a->told.restored, 1);
  assert_int_equal(a->told.gap, 10);
  assert_int_equal(e2b_terminal_offset(a->terminal), 13);
  fake_agent_says(a, "{'type':'gap','lost':7,'offset':20}");
  fake_agent_says(a, "{'type':'exit','code':0,'signal':0,'offset':20}");
  harness_until_count(&a->f.h, &a->told.closed, 1);
  assert_int_equal(a->told.closed_code, 0);
  assert_int_equal(a->told.gap, 17);
}

/* It counts such a viewer's input from 0 again. */
static void a_viewer_that_was_forgotten_goes_on(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_type(a, 1, "hello");
  fake_agent_shows(a, 5, "abc");
  peer_reset(a->peer);
  harness_until_count(&a->f.h, &a->told.lost, 1);
  assert_int_equal(e2b_terminal_write(a->terminal, "world", 5), 0);
  harness_until_count(&a->f.h, peer_upgrades(a->peer), 2);
  fake_agent_got(a, 0, "\"type\":\"attach\"");
  fake_agent_attaches(a, 3, 0, 0);
  fake_agent_got(a, 1, "world");
  fake_agent_shows(a, 5, "d");
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 0);
  assert_int_equal(a->told.closed, 0);
}

static void a_forgotten_viewer_whose_input_was_on_its_way_ends(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_type(a, 1, "hello");
  fake_agent_shows(a, 2, "abc");
  fake_agent_comes_back(a);
  fake_agent_attaches(a, 3, 0, 0);
  fake_agent_ended(a, E2B_ECONNLOST, "the terminal agent has forgotten this viewer");
}

/* Nothing was accepted, as far as anybody knows. */
static void so_does_one_whose_first_input_was_on_its_way(void **state) {
  (void)state;
  for (int known = 0; known < 2; known++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin_well(&a);
    fake_agent_type(&a, 1, "hello");
    fake_agent_comes_back(&a);
    fake_agent_says(&a,
                    "{'type':'attached','id':'t1','offset':0,'lost':0,'input':0,'known':%s,"
                    "'window':65536,'ring':262144}",
                    known ? "true" : "false");
    if (known) {
      fake_agent_got(&a, 1, "hello");
    } else {
      fake_agent_ended(&a, E2B_ECONNLOST, "the terminal agent has forgotten this viewer");
    }
    fake_agent_close(&a);
  }
}

/* Typed and let go of in one breath: what the window has room for goes before the goodbye. */
static void what_was_typed_goes_before_the_goodbye(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  assert_int_equal(e2b_terminal_write(a->terminal, "exit\n", 5), 0);
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 5);
  e2b_terminal_close(a->terminal);
  assert_int_equal(e2b_terminal_pending_bytes(a->terminal), 0);
  fake_agent_got(a, 1, "exit\n");
  fake_agent_got(a, 2, "\"type\":\"detach\"");
  fake_agent_until_frames(a, 4);
  peer_got_t frame;
  assert_true(peer_got(a->peer, 3, &frame));
  assert_int_equal(frame.first_byte, FIN | CLOSE);
  harness_until_count(&a->f.h, &a->told.closed, 1);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void its_errors_have_types(void **state) {
  (void)state;
  static const struct {
    const char *code;
    int expected;
    const char *words;
  } cases[] = {
      {"no_program", E2B_ENOTFOUND, "not found: what it says"},
      {"no_cwd", E2B_EREQUEST, "what it says"},
      {"invalid", E2B_EREQUEST, "what it says"},
      {"limit", E2B_ELIMIT, "a limit of the sandbox was reached: what it says"},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    fake_agent_begin(&a);
    fake_agent_says(&a, "{'type':'error','code':'%s','message':'what it says'}", cases[i].code);
    fake_agent_refused(&a, cases[i].expected, cases[i].words);
    assert_int_equal(e2b_future_error(a.future)->sandbox, E2B_PRESENCE_ALIVE);
    fake_agent_close(&a);
  }
}

static void a_terminal_that_is_gone_after_an_outage(void **state) {
  fake_agent_t *a = *state;
  fake_agent_begin_well(a);
  fake_agent_comes_back(a);
  fake_agent_says(a, "{'type':'error','code':'not_found','message':'no such terminal'}");
  fake_agent_ended(a, E2B_ENORESULT, "no such terminal");
}

/* Another secret: the agent was started anew. Its address is asked for again. */
static void a_secret_that_is_refused_is_asked_for_again(void **state) {
  fake_agent_t *a = *state;
  peer_answer_instead(a->peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  harness_until_count(&a->f.h, peer_upgrades(a->peer), 1);
  peer_answer_instead(a->peer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                               "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n\r\n");
  harness_until_count(&a->f.h, peer_upgrades(a->peer), 2);
  fake_agent_got(a, 0, "\"type\":\"create\"");
  fake_agent_attaches(a, 0, 0, 0);
  assert_int_equal(harness_await(&a->f.h, a->future), 0);
  assert_int_equal(fault_count(a->f.server, START), 2);
}

static void hasty(e2b_client_options *options) {
  options->request_timeout_ms = 1500;
}

static void one_that_refuses_for_ever_is_unavailable(void **state) {
  (void)state;
  static const char *const answers[] = {
      "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nsomebody.",
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
  for (size_t i = 0; i < E2B__COUNT(answers); i++) {
    fake_agent_t a;
    fake_agent_open_with(&a, hasty);
    peer_answer_instead(a.peer, answers[i]);
    a.future = e2b_terminal_create(a.f.sandbox, &a.options);
    fake_agent_refused(&a, E2B_EUNAVAILABLE,
                       "service unavailable: no terminal agent answers on its port");
    assert_true(*peer_upgrades(a.peer) >= 1);
    fake_agent_close(&a);
  }
}

/* The words are the edge's (protocol 1.5). It would say the same to every attempt. */
static void a_traffic_token_that_is_refused_is_an_error_of_authentication(void **state) {
  static const char body[] =
      "{\"sandboxId\":\"" FAULTS_SANDBOX_ID "\",\"message\":\"Sandbox is secured with traffic "
      "access token. Provided token in header 'e2b-traffic-access-token' is invalid\","
      "\"code\":403}";
  char answer[512];
  snprintf(answer, sizeof answer,
           "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json; charset=utf-8\r\n"
           "Content-Length: %zu\r\n\r\n%s",
           sizeof body - 1, body);
  fake_agent_t *a = *state;
  peer_answer_instead(a->peer, answer);
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  fake_agent_refused(a, E2B_EAUTH, "'e2b-traffic-access-token' is invalid");
  assert_int_equal(e2b_future_error(a->future)->http_status, 403);
  assert_int_equal(peer_accepted(a->peer), 1);
}

static void a_request_that_is_too_long_is_not_sent(void **state) {
  enum { LENGTH = 66000 };
  fake_agent_t *a = *state;
  char *text = malloc(LENGTH + 1);
  assert_non_null(text);
  memset(text, 'x', LENGTH);
  text[LENGTH] = '\0';
  const char *const args[] = {"-c", text, NULL};
  const e2b_pair_t envs[] = {{"LONG", text}};
  a->options.program = "/bin/sh";
  a->options.args = args;
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  fake_agent_refused(a, E2B_ETOOBIG, "program, arguments and variables are too long");
  e2b_future_release(a->future);
  a->options.args = NULL;
  a->options.envs = envs;
  a->options.envs_count = 1;
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  fake_agent_refused(a, E2B_ETOOBIG, "program, arguments and variables are too long");
  assert_int_equal(fault_count(a->f.server, START), 0);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(breaches_of_an_attached_terminal_end_it),
      cmocka_unit_test(breaches_before_a_terminal_is_attached_fail_its_future),
      cmocka_unit_test(breaches_when_it_comes_back_end_a_terminal),
      cmocka_unit_test(what_is_no_control_message_costs_the_connection),
      FAKE_AGENT_TEST(a_control_message_has_a_ceiling),
      FAKE_AGENT_TEST(nothing_comes_after_an_exit),
      FAKE_AGENT_TEST(another_protocol_is_no_agents),
      cmocka_unit_test(an_agent_that_does_not_answer_is_not_waited_for),
      FAKE_AGENT_TEST(old_and_repeated_news_change_nothing),
      FAKE_AGENT_TEST(what_was_not_accepted_is_sent_again),
      FAKE_AGENT_TEST(what_was_lost_is_told),
      FAKE_AGENT_TEST(a_viewer_that_was_forgotten_goes_on),
      FAKE_AGENT_TEST(a_forgotten_viewer_whose_input_was_on_its_way_ends),
      cmocka_unit_test(so_does_one_whose_first_input_was_on_its_way),
      FAKE_AGENT_TEST(what_was_typed_goes_before_the_goodbye),
      cmocka_unit_test(its_errors_have_types),
      FAKE_AGENT_TEST(a_terminal_that_is_gone_after_an_outage),
      FAKE_AGENT_TEST(a_secret_that_is_refused_is_asked_for_again),
      cmocka_unit_test(one_that_refuses_for_ever_is_unavailable),
      FAKE_AGENT_TEST(a_traffic_token_that_is_refused_is_an_error_of_authentication),
      FAKE_AGENT_TEST(a_request_that_is_too_long_is_not_sent),
  };
  return cmocka_run_group_tests_name("terminal agent", tests, NULL, NULL);
}
