/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/driver.h"

/* Terminals from their creation to their end. */

static void a_shell_echoes_and_its_exit_code_arrives(void **state) {
  client_t *client = client_open(*state);
  client_say(client, "{'type':'create','id':'t','argv':['/bin/sh'],'unknown':[{}]}");
  client_await(client, "attached");
  assert_string_equal(client_string(client, "id"), "t");
  assert_int_equal(client_number(client, "cols"), 80);
  assert_int_equal(client_number(client, "rows"), 24);
  assert_int_equal(client_number(client, "offset"), 0);
  assert_int_equal(client_number(client, "lost"), 0);
  assert_int_equal(client_number(client, "input"), 0);
  assert_int_equal(client_number(client, "window"), 65536);
  assert_int_equal(client_number(client, "ring"), 262144);
  assert_int_equal(kill((pid_t)client_number(client, "pid"), 0), 0);
  client_type_text(client, "echo a$((6*7))z; exit 3\n");
  client_await_output(client, "a42z\r\n");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "code"), 3);
  assert_int_equal(client_number(client, "signal"), 0);
  client_close(client);
}

static void a_program_ended_by_a_signal_says_which(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "echo ready; exec sleep 1000", "");
  client_await_output(client, "ready");
  client_say(client, "{'type':'signal','signal':15}");
  client_await(client, "signalled");
  assert_true(cJSON_IsTrue(cJSON_GetObjectItem(client->message, "found")));
  client_await(client, "exit");
  assert_int_equal((int64_t)client_number(client, "code"), -1);
  assert_int_equal(client_number(client, "signal"), 15);
  client_say(client, "{'type':'signal','signal':9,'id':'t'}");
  client_await(client, "signalled");
  assert_true(cJSON_IsFalse(cJSON_GetObjectItem(client->message, "found")));
  client_close(client);
}

/* Orphans are the test's to bury. */
static bool is_gone(void *data) {
  pid_t pid = *(pid_t *)data;
  waitpid(pid, NULL, WNOHANG);
  return kill(pid, 0) != 0;
}

static void a_kill_takes_the_whole_session(void **state) {
  client_t *client = client_open(*state);
  /* With job control, so that the sleeper has a process group of its own. */
  client_create(client, "t", "set -m; sleep 1000 & echo sleeper=$!.; wait", "");
  client_await_output(client, "sleeper=");
  while (memchr(client->output.data, '.', client->output.len) == NULL)
    client_next(client);
  pid_t sleeper = (pid_t)atoi(client->output.data);
  assert_int_equal(kill(sleeper, 0), 0);
  client_say(client, "{'type':'signal','signal':9}");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "signal"), 9);
  await(is_gone, &sleeper);
  client_close(client);
}

static void failures_have_codes(void **state) {
  static const struct {
    const char *request;
    const char *code;
  } cases[] = {
      {"{'type':'create','id':'t','argv':['/no/such']}", "no_program"},
      {"{'type':'create','id':'t','argv':['no-such-program-anywhere']}", "no_program"},
      {"{'type':'create','id':'t','argv':['']}", "no_program"},
      {"{'type':'create','id':'t','argv':['/etc/passwd']}", "no_program"},
      {"{'type':'create','id':'t','argv':['/']}", "no_program"},
      {"{'type':'create','id':'t','argv':['true'],'cwd':'/no/such'}", "no_cwd"},
      {"{'type':'create','id':'t','argv':['true'],'cwd':'/etc/passwd'}", "no_cwd"},
      {"{'type':'create','id':'t'}", "invalid"},
      {"{'type':'create','id':'t','argv':[]}", "invalid"},
      {"{'type':'create','id':'t u','argv':['true']}", "invalid"},
      {"{'type':'create','id':'t','argv':['true'],'cols':0}", "invalid"},
      {"{'type':'create','id':'t','argv':['true'],'offset':1}", "invalid"},
      {"{'type':'attach','id':'t'}", "not_found"},
      {"{'type':'signal','id':'t','signal':9}", "not_found"},
      {"{'type':'signal','signal':9}", "invalid"},
      {"{'type':'ack','offset':0}", "invalid"},
      {"{'type':'resize','cols':1,'rows':1}", "invalid"},
      {"{'type':'detach'}", "invalid"},
      {"{'type':'dance'}", "invalid"},
  };
  client_t *client = client_open(*state);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_say(client, "%s", cases[i].request);
    client_await(client, "error");
    if (strcmp(client_string(client, "code"), cases[i].code) != 0)
      fail_msg("%s: %s", cases[i].request, client_string(client, "code"));
  }
  /* None of them attached the connection. */
  client_create(client, "t", "exit 0", "");
  client_await(client, "exit");
  client_close(client);
}

static void programs_get_their_environment_directory_and_size(void **state) {
  agent_t *agent = *state;
  client_t *client = client_open(agent);
  client_create(client, "t", "echo [$TERM][$LANG][$A][$COLUMNS][$PWD][$(stty size)]",
                ",'cwd':'/usr/lib','cols':100,'rows':30,'envs':{'A':'b=c','LANG':'xx'}");
  client_await_output(client, "[xterm-256color][xx][b=c][][/usr/lib][30 100]");
  client_close(client);
  client = client_open(agent);
  client_create(client, "home", "echo [$PWD][$LANG][$LINES]", "");
  char wanted[128];
  snprintf(wanted, sizeof wanted, "[%s][C.UTF-8][]", agent->home);
  client_await_output(client, wanted);
  client_close(client);
}

static void programs_inherit_nothing_of_the_agents(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t",
                "for n in 3 4 5 6 7 8 9 10 11 12; do [ ! -e /proc/$$/fd/$n ] || echo $n open; done;"
                "echo looked; grep -h -e SigBlk -e SigIgn /proc/self/status;"
                "read pid comm state ppid pgrp session tty tpgid rest </proc/$$/stat;"
                "echo [$((pid-pgrp))$((pid-session))$((pid-tpgid))]; ulimit -n",
                "");
  while (client->output.len < 6)
    client_next(client);
  assert_memory_equal(client->output.data, "looked", 6);
  client_await_output(client, "looked\r\n");
  client_await_output(client, "SigBlk:\t0000000000000000");
  client_await_output(client, "SigIgn:\t0000000000000000");
  client_await_output(client, "[000]\r\n");
  struct rlimit files;
  char wanted[32];
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
  snprintf(wanted, sizeof wanted, "%llu\r\n", (unsigned long long)files.rlim_cur);
  client_await_output(client, wanted);
  client_close(client);
}

static void a_resize_is_seen_by_the_program_and_told_to_other_viewers(void **state) {
  client_t *one = client_open(*state), *other = client_open(*state);
  client_create(one, "t", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done", "");
  client_await_output(one, "ready");
  client_say(other, "{'type':'attach','id':'t'}");
  client_await(other, "attached");
  client_say(other, "{'type':'resize','cols':132,'rows':43}");
  client_await(one, "size");
  assert_int_equal(client_number(one, "cols"), 132);
  assert_int_equal(client_number(one, "rows"), 43);
  client_await_output(one, "43 132");
  client_close(other);
  client_close(one);
}

static void all_terminals_are_listed_in_order(void **state) {
  client_t *first = client_open(*state), *second = client_open(*state), *asks = client_open(*state);
  client_create(first, "b", "sleep 1000", "");
  client_create(second, "a", "exit 5", ",'cols':33");
  client_await(second, "exit");
  client_close(second);
  client_say(asks, "{'type':'list'}");
  client_await(asks, "terminals");
  cJSON *all = cJSON_GetObjectItem(asks->message, "terminals");
  assert_int_equal(cJSON_GetArraySize(all), 2);
  assert_true(cJSON_IsFalse(cJSON_GetObjectItem(asks->message, "more")));
  cJSON *b = cJSON_GetArrayItem(all, 0), *a = cJSON_GetArrayItem(all, 1);
  assert_string_equal(cJSON_GetObjectItem(b, "id")->valuestring, "b");
  assert_string_equal(cJSON_GetObjectItem(b, "status")->valuestring, "running");
  assert_null(cJSON_GetObjectItem(b, "code"));
  assert_int_equal(cJSON_GetObjectItem(b, "viewers")->valueint, 1);
  assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(b, "argv"), 2)->valuestring,
                      "sleep 1000");
  assert_string_equal(cJSON_GetObjectItem(a, "status")->valuestring, "exited");
  assert_int_equal(cJSON_GetObjectItem(a, "code")->valueint, 5);
  assert_int_equal(cJSON_GetObjectItem(a, "signal")->valueint, 0);
  assert_int_equal(cJSON_GetObjectItem(a, "cols")->valueint, 33);
  assert_true(cJSON_GetObjectItem(a, "created_ms")->valuedouble > 1.6e12);
  client_close(asks);
  client_close(first);
}

static void a_long_list_comes_in_parts(void **state) {
  enum { COUNT = 60, LONG = 3000 };
  char word[LONG + 1];
  memset(word, 'x', LONG);
  word[LONG] = '\0';
  client_t *asks = client_open(*state);
  for (int i = 0; i < COUNT; i++) {
    client_t *client = client_open(*state);
    client_say(client, "{'type':'create','id':'t%d','argv':['true','%s']}", i, word);
    client_await(client, "exit");
    client_close(client);
  }
  int count = 0, parts = 0;
  client_say(asks, "{'type':'list'}");
  do {
    client_await(asks, "terminals");
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(asks->message, "terminals")) {
      assert_int_equal(atoi(cJSON_GetObjectItem(item, "id")->valuestring + 1), count++);
    }
    parts++;
  } while (cJSON_IsTrue(cJSON_GetObjectItem(asks->message, "more")));
  assert_int_equal(count, COUNT);
  assert_true(parts > 1);
  client_close(asks);
}

static void a_timeout_kills(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "trap : TERM HUP; echo on; sleep 1000", ",'timeout_ms':100");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "signal"), 9);
  client_close(client);
}

static void creating_again_attaches(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "echo once; sleep 1000", "");
  client_await_output(client, "once\r\n");
  uint64_t pid = client_number(client, "pid");
  client_close(client);
  client = client_open(*state);
  client_create(client, "t", "echo twice", "");
  assert_int_equal(client_number(client, "pid"), pid);
  client_await_output(client, "once\r\n");
  client_close(client);
}

static void the_end_is_told_though_others_hold_the_terminal(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "trap '' HUP; sleep 1000 & echo sleeper=$!.; exit 4", "");
  client_await_output(client, "sleeper=");
  while (memchr(client->output.data, '.', client->output.len) == NULL)
    client_next(client);
  pid_t sleeper = (pid_t)atoi(client->output.data);
  client_await(client, "exit");
  assert_int_equal(client_number(client, "code"), 4);
  assert_int_equal(kill(sleeper, SIGKILL), 0); /* it had it open all the time */
  client_close(client);
}

static void who_attaches_after_the_end_gets_output_and_exit_code(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t", "echo said; exit 6", "");
  client_await(client, "exit");
  client_close(client);
  client = client_open(*state);
  client_say(client, "{'type':'attach','id':'t'}");
  client_await(client, "attached");
  client_await_output(client, "said\r\n");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "code"), 6);
  client_type_text(client, "too late");
  client_await(client, "input");
  assert_int_equal(client->accepted, 8);
  client_close(client);
}

static void a_program_may_close_its_terminal_and_open_it_again(void **state) {
  client_t *client = client_open(*state);
  client_create(client, "t",
                "exec </dev/null >/dev/null 2>&1; sleep 0.5; echo back >/dev/tty; exit 1", "");
  client_await_output(client, "back\r\n");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "code"), 1);
  client_close(client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      AGENT_TEST(a_shell_echoes_and_its_exit_code_arrives),
      AGENT_TEST(a_program_ended_by_a_signal_says_which),
      AGENT_TEST(a_kill_takes_the_whole_session),
      AGENT_TEST(failures_have_codes),
      AGENT_TEST(programs_get_their_environment_directory_and_size),
      AGENT_TEST(programs_inherit_nothing_of_the_agents),
      AGENT_TEST(a_resize_is_seen_by_the_program_and_told_to_other_viewers),
      AGENT_TEST(all_terminals_are_listed_in_order),
      AGENT_TEST(a_long_list_comes_in_parts),
      AGENT_TEST(a_timeout_kills),
      AGENT_TEST(creating_again_attaches),
      AGENT_TEST(the_end_is_told_though_others_hold_the_terminal),
      AGENT_TEST(who_attaches_after_the_end_gets_output_and_exit_code),
      AGENT_TEST(a_program_may_close_its_terminal_and_open_it_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
