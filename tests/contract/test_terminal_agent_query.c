/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/fake_agent.h"

/* Questions to an agent about all of its terminals, before one that answers anything. */

static void begin_list(fake_agent_t *a) {
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  a->future = e2b_terminal_list(a->f.sandbox, &options);
}

/* And the agent has the question. */
static void begin_list_well(fake_agent_t *a) {
  begin_list(a);
  fake_agent_got(a, 0, "\"type\":\"list\"");
}

static void begin_kill(fake_agent_t *a) {
  a->future = e2b_terminal_kill_by_id(a->f.sandbox, FAKE_AGENT_ID, NULL);
}

static void a_list_comes_in_parts(void **state) {
  fake_agent_t *a = *state;
  begin_list_well(a);
  fake_agent_says(a, "{'type':'terminals','terminals':[{'id':'one','pid':7,'argv':['sh','-c',''],"
                     "'cols':80,'rows':24,'status':'running','created_ms':5,'viewers':2}],"
                     "'more':true}");
  fake_agent_says(a, "{'type':'terminals','terminals':[],'more':true}");
  fake_agent_says(a, "{'type':'terminals','terminals':[{'id':'two','argv':['true'],"
                     "'status':'exited','code':-1,'signal':9}],'more':false}");
  assert_int_equal(harness_await(&a->f.h, a->future), 0);
  const e2b_terminal_list_t *list = e2b_future_terminal_list(a->future);
  assert_int_equal(list->count, 2);
  assert_string_equal(list->items[0].id, "one");
  assert_string_equal(list->items[0].args[1], "");
  assert_int_equal(list->items[0].viewers, 2);
  assert_true(list->items[0].running);
  assert_string_equal(list->items[1].id, "two");
  assert_false(list->items[1].running);
  assert_int_equal(list->items[1].exit.signal, 9);
  assert_int_equal(list->items[1].exit.exit_code, -1);
}

/* An entry that says nothing of itself, or something else than was asked. */
static void entries_without_sense_are_empty(void **state) {
  fake_agent_t *a = *state;
  begin_list_well(a);
  fake_agent_says(a, "{'type':'terminals','terminals':[7,null,{},{'id':{},'argv':'sh','pid':'x'},"
                     "{'argv':[1,[2]],'pid':-1,'cols':1e99}]}");
  assert_int_equal(harness_await(&a->f.h, a->future), 0);
  const e2b_terminal_list_t *list = e2b_future_terminal_list(a->future);
  assert_int_equal(list->count, 5);
  for (size_t i = 0; i < list->count; i++) {
    assert_string_equal(list->items[i].id, "");
    assert_string_equal(list->items[i].program, "");
  }
  assert_int_equal(list->items[4].args_count, 1);
  assert_string_equal(list->items[4].args[0], "");
}

static void other_answers_are_errors(void **state) {
  (void)state;
  static const struct {
    bool kill;
    const char *answer;
    int code;
  } cases[] = {
      {false, "", E2B_EPROTOCOL},
      {false, "{", E2B_EPROTOCOL},
      {false, "[]", E2B_EPROTOCOL},
      {false, "{'type':'signalled','found':true}", E2B_EPROTOCOL},
      {false, "{'type':'error','code':'not_found'}", E2B_EPROTOCOL},
      {true, "{'type':'terminals','terminals':[]}", E2B_EPROTOCOL},
      {true, "{'type':'error','code':'system','message':'no'}", E2B_EPROTOCOL},
      {true, "no", E2B_EPROTOCOL},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    if (cases[i].kill) {
      begin_kill(&a);
    } else {
      begin_list(&a);
    }
    fake_agent_until_frames(&a, 1);
    if (*cases[i].answer == '\0') {
      peer_text(a.peer, FIN | TEXT, "");
    } else {
      fake_agent_says(&a, "%s", cases[i].answer);
    }
    fake_agent_refused(&a, cases[i].code, e2b_code_text(cases[i].code));
    fake_agent_close(&a);
  }
}

static void a_kill_finds_one_or_does_not(void **state) {
  (void)state;
  static const struct {
    const char *answer;
    int found;
  } cases[] = {{"{'type':'signalled','id':'t1','found':true}", 1},
               {"{'type':'signalled','id':'t1','found':false}", 0},
               {"{'type':'error','code':'not_found','message':'no such terminal'}", 0}};
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    fake_agent_t a;
    fake_agent_open(&a);
    begin_kill(&a);
    fake_agent_got(&a, 0, "\"signal\":9");
    fake_agent_says(&a, "%s", cases[i].answer);
    assert_int_equal(harness_await(&a.f.h, a.future), 0);
    assert_int_equal(e2b_future_bool(a.future), cases[i].found);
    fake_agent_close(&a);
  }
}

/* Sends a part again and again, as long as somebody takes it. */
static void pour(fake_agent_t *a, const char *part, size_t len) {
  enum { AHEAD = 1 << 20 };
  while (!e2b_future_is_done(a->future)) {
    if (peer_unsent(a->peer) < AHEAD) peer_frame(a->peer, FIN | TEXT, part, len);
    harness_turn_once(&a->f.h);
  }
}

/* Each part is as long as one may be, and more is always to come. */
static void a_list_without_end_is_too_big(void **state) {
  enum { PART = 128 << 10 };
  fake_agent_t *a = *state;
  begin_list_well(a);
  static const char head[] = "{\"type\":\"terminals\",\"more\":true,\"terminals\":[{\"id\":\"";
  static const char tail[] = "\"}]}";
  char *part = malloc(PART);
  assert_non_null(part);
  memset(part, 'x', PART);
  memcpy(part, head, sizeof head - 1);
  memcpy(part + PART - (sizeof tail - 1), tail, sizeof tail - 1);
  pour(a, part, PART);
  free(part);
  fake_agent_refused(a, E2B_ETOOBIG, "a size limit was reached");
}

/* Few bytes, many entries: what an entry takes here counts, too. */
static void a_list_of_nothings_is_too_big(void **state) {
  enum { COUNT = 20000 };
  fake_agent_t *a = *state;
  begin_list_well(a);
  static const char head[] = "{\"type\":\"terminals\",\"more\":true,\"terminals\":[0";
  char *part = malloc(sizeof head + 2 * COUNT + 2);
  assert_non_null(part);
  size_t len = sizeof head - 1;
  memcpy(part, head, len);
  for (unsigned i = 0; i < COUNT; i++) {
    memcpy(part + len, ",0", 2);
    len += 2;
  }
  memcpy(part + len, "]}", 2);
  pour(a, part, len + 2);
  free(part);
  fake_agent_refused(a, E2B_ETOOBIG, "a size limit was reached");
}

static void a_part_that_is_too_long_is_refused(void **state) {
  enum { TOO_LONG = (128 << 10) + 1 };
  fake_agent_t *a = *state;
  begin_list_well(a);
  char *part = malloc(TOO_LONG);
  assert_non_null(part);
  memset(part, ' ', TOO_LONG);
  peer_frame(a->peer, FIN | TEXT, part, TOO_LONG);
  free(part);
  fake_agent_refused(a, E2B_ETOOBIG, "a size limit was reached");
}

static void one_that_hangs_up_instead_is_lost(void **state) {
  (void)state;
  for (unsigned round = 0; round < 3; round++) {
    fake_agent_t a;
    fake_agent_open(&a);
    begin_list_well(&a);
    if (round == 0) peer_close(a.peer);
    if (round == 1) peer_reset(a.peer);
    if (round == 2) peer_frame(a.peer, FIN | CLOSE, "\x03\xe9going", 7);
    fake_agent_refused(&a, E2B_ECONNLOST, "connection lost");
    fake_agent_close(&a);
  }
}

static void another_protocol_is_no_agents(void **state) {
  fake_agent_t *a = *state;
  peer_add_headers(a->peer, "");
  begin_list(a);
  fake_agent_refused(a, E2B_EPROTOCOL, e2b_code_text(E2B_EPROTOCOL));
}

static void given_up_at_every_step(void **state) {
  (void)state;
  for (unsigned step = 0; step < 4; step++) {
    fake_agent_t a;
    fake_agent_open(&a);
    begin_list(&a);
    if (step == 1) harness_turn_once(&a.f.h);
    if (step >= 2) fake_agent_until_frames(&a, 1);
    if (step == 3) fake_agent_says(&a, "{'type':'terminals','terminals':[{}],'more':true}");
    e2b_future_cancel(a.future);
    assert_int_equal(harness_await(&a.f.h, a.future), E2B_ECANCELED);
    fake_agent_close(&a);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FAKE_AGENT_TEST(a_list_comes_in_parts),
      FAKE_AGENT_TEST(entries_without_sense_are_empty),
      cmocka_unit_test(other_answers_are_errors),
      cmocka_unit_test(a_kill_finds_one_or_does_not),
      FAKE_AGENT_TEST(a_list_without_end_is_too_big),
      FAKE_AGENT_TEST(a_list_of_nothings_is_too_big),
      FAKE_AGENT_TEST(a_part_that_is_too_long_is_refused),
      cmocka_unit_test(one_that_hangs_up_instead_is_lost),
      FAKE_AGENT_TEST(another_protocol_is_no_agents),
      cmocka_unit_test(given_up_at_every_step),
  };
  return cmocka_run_group_tests_name("terminal agent query", tests, NULL, NULL);
}
