/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/viewer.h"

/* Terminals from their start to their end, by every transport that reaches a real one. */

static e2b_transport_t transport_of(void **state) {
  return *(const e2b_transport_t *)*state;
}

static void a_login_shell_by_default(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_terminal_t *terminal = viewer_opens(it);
  assert_true(strlen(e2b_terminal_id(terminal)) > 0);
  assert_true(e2b_terminal_pid(terminal) > 1);
  assert_int_equal(e2b_terminal_cols(terminal), 80);
  assert_int_equal(e2b_terminal_rows(terminal), 24);
  viewer_types(it, "shopt -q login_shell && echo log''in; stty size; echo $TERM $LANG\n");
  viewer_sees(it, "login\r\n");
  viewer_sees(it, "24 80\r\n");
  viewer_sees(it, "xterm-256color C.UTF-8");
  viewer_types(it, "exit 5\n");
  const e2b_terminal_exit_t *end = e2b_future_terminal_exit(OK(e2b_terminal_wait(terminal)));
  assert_int_equal(end->exit_code, 5);
  viewer_sees_exit(it, 5);
  /* Also after the end. */
  end = e2b_future_terminal_exit(OK(e2b_terminal_wait(terminal)));
  assert_int_equal(end->exit_code, 5);
  assert_int_equal(e2b_terminal_write(terminal, "x", 1), E2B_ECLOSED);
  assert_int_equal(e2b_terminal_resize(terminal, 10, 10), E2B_ECLOSED);
  assert_false(YES(e2b_terminal_kill(terminal)));
}

static void program_arguments_directory_and_environment(void **state) {
  viewer *it = viewer_new(transport_of(state));
  static const char *const args[] = {
      "-c", "pwd; printf '[%s]' \"$WORD\" \"$TERM\" \"$@\"", "sh", "two words", "", NULL};
  static const e2b_pair_t envs[] = {{"WORD", "a b"}, {"TERM", "dumb"}};
  it->options.program = "/bin/sh";
  it->options.args = args;
  it->options.envs = envs;
  it->options.envs_count = 2;
  it->options.cwd = "/tmp";
  it->options.cols = 132;
  viewer_opens(it);
  viewer_sees_exit(it, 0);
  viewer_sees(it, "/tmp\r\n[a b][dumb][two words][]");
}

static void resizing_tells_the_program(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_types(it, "trap 'stty size' WINCH; echo rea''dy\n");
  viewer_sees(it, "ready");
  assert_int_equal(e2b_terminal_resize(terminal, 0, 10), E2B_EINVAL);
  assert_int_equal(e2b_terminal_resize(terminal, 100, 30), 0);
  for (uint16_t cols = 101; cols <= 140; cols++) {
    assert_int_equal(e2b_terminal_resize(terminal, cols, 41), 0);
  }
  assert_int_equal(e2b_terminal_cols(terminal), 140);
  viewer_types(it, "until stty size | grep -q '^41 140$'; do sleep 0.01; done; echo do''ne\n");
  viewer_sees(it, "done");
}

static void keystrokes_arrive_in_order(void **state) {
  viewer *it = viewer_new(transport_of(state));
  static const char *const args[] = {"-c", "stty -echo; echo ready; cat; echo; exec true", NULL};
  it->options.program = "/bin/sh";
  it->options.args = args;
  viewer_opens(it);
  viewer_sees(it, "ready\r\n");
  char line[16];
  for (unsigned i = 0; i < 3000; i++) {
    snprintf(line, sizeof line, "%05u\n", i);
    viewer_types(it, line);
  }
  viewer_types(it, "\x04");
  viewer_sees_exit(it, 0);
  for (unsigned i = 0; i < 3000; i++) {
    snprintf(line, sizeof line, "%05u\r\n", i);
    assert_memory_equal(it->told.seen + it->looked + 7 * i, line, 7);
  }
}

/* Typing pauses longer than a request lasts. */
static void single_keystrokes_echo(void **state) {
  viewer *it = viewer_new(transport_of(state));
  it->options.program = "/bin/cat";
  viewer_opens(it);
  for (char key = 'a'; key <= 'z'; key++) {
    const char text[2] = {key, '\0'};
    viewer_types(it, text);
    viewer_sees(it, text);
  }
  viewer_types(it, "\n\x04");
  viewer_sees_exit(it, 0);
}

static void any_byte_passes(void **state) {
  viewer *it = viewer_new(transport_of(state));
  static const char *const args[] = {
      "-c", "stty raw -echo; printf ready; head -c 25600 | od -An -v -tu1 | cksum", NULL};
  it->options.program = "/bin/sh";
  it->options.args = args;
  viewer_opens(it);
  viewer_sees(it, "ready");
  char data[256];
  for (unsigned i = 0; i < sizeof data; i++) {
    data[i] = (char)i;
  }
  for (unsigned i = 0; i < 100; i++) {
    assert_int_equal(e2b_terminal_write(it->terminal, data, sizeof data), 0);
  }
  viewer_sees_exit(it, 0);
  const char *expected =
      scene_shell("for i in $(seq 100); do for b in $(seq 0 255); do printf "
                  "\"\\\\x$(printf %x $b)\"; done; done | od -An -v -tu1 | cksum");
  char sum[32];
  snprintf(sum, sizeof sum, "%.*s", (int)strcspn(expected, "\n"), expected);
  viewer_sees(it, sum);
}

static void signals_reach_the_program_in_front(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_types(it, "sh -c 'trap \"echo caught; exit 3\" TERM; echo wait''ing; while :; do sleep "
                   "0.05; done'\n");
  viewer_sees(it, "waiting\r\n");
  assert_true(YES(e2b_terminal_signal(terminal, SIGTERM)));
  viewer_sees(it, "caught\r\n");
  viewer_types(it, "echo the shell l''ives\n");
  viewer_sees(it, "the shell lives\r\n");
  FAILS(E2B_EINVAL, e2b_terminal_signal(terminal, 0));
  FAILS(E2B_EINVAL, e2b_terminal_signal(terminal, 65));
}

static void ctrl_c_and_job_control(void **state) {
  viewer *it = viewer_new(transport_of(state));
  viewer_opens(it);
  /* It says so itself that it is in front: a key between two commands may be nobody's. */
  viewer_types(it, "sh -c 'echo fir\"\"st; exec sleep 600'\n");
  viewer_sees(it, "first\r\n");
  viewer_types(it, "\x03");
  viewer_sees(it, "^C");
  viewer_types(it, "sleep 300 &\njobs\n");
  viewer_sees(it, "Running");
  /* A process service may tell the end only when nobody has the terminal open any more. */
  viewer_types(it, "kill -9 %1; wait; exit 0\n");
  viewer_sees_exit(it, 0);
}

static void killing_ends_it(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_types(it, "trap '' HUP TERM INT; echo dea''f\n");
  viewer_sees(it, "deaf");
  assert_true(YES(e2b_terminal_kill(terminal)));
  viewer_is_closed(it);
  assert_int_equal(it->told.exits, 1);
  assert_int_equal(it->told.exit.exit_code, -1);
  assert_int_equal(it->told.exit.signal, SIGKILL);
  assert_false(YES(e2b_terminal_kill(terminal)));
}

static void a_lifetime_ends_it(void **state) {
  viewer *it = viewer_new(transport_of(state));
  it->options.timeout_ms = 300;
  e2b_terminal_t *terminal = viewer_opens(it);
  const e2b_terminal_exit_t *end = e2b_future_terminal_exit(OK(e2b_terminal_wait(terminal)));
  assert_int_equal(end->signal, SIGKILL);
}

static const e2b_terminal_info_t *find(const e2b_terminal_list_t *list, const char *id) {
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].id, id) == 0) return &list->items[i];
  }
  return NULL;
}

static void a_terminal_runs_on_without_viewers(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_terminal_t *terminal = viewer_opens(it);
  char id[65];
  snprintf(id, sizeof id, "%s", e2b_terminal_id(terminal));
  viewer_types(it, "cd /usr; echo he''re\n");
  viewer_sees(it, "here");
  const uint32_t pid = e2b_terminal_pid(terminal);
  e2b_terminal_close(terminal);
  assert_int_equal(e2b_terminal_write(terminal, "x", 1), E2B_ECLOSED);
  FAILS(E2B_ECANCELED, e2b_terminal_wait(terminal));
  viewer_is_closed(it);
  assert_int_equal(it->told.closed_code, 0);
  assert_int_equal(it->told.exits, 0);

  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = transport_of(state);
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(scene.sandbox, &options)));
  const e2b_terminal_info_t *info = find(list, id);
  assert_non_null(info);
  assert_int_equal(info->pid, pid);
  assert_string_equal(info->program, "/bin/bash");
  assert_int_equal(info->args_count, 2);
  assert_string_equal(info->args[0], "-i");
  assert_int_equal(info->cols, 80);
  assert_int_equal(info->rows, 24);
  assert_true(info->running);

  viewer *other = viewer_new(transport_of(state));
  viewer_attaches(other, id);
  assert_int_equal(e2b_terminal_pid(other->terminal), pid);
  viewer_types(other, "echo st''ill in $PWD; exit 9\n");
  viewer_sees(other, "still in /usr\r\n");
  viewer_sees_exit(other, 9);
}

static void two_viewers_see_the_same(void **state) {
  viewer *one = viewer_new(transport_of(state));
  viewer *two = viewer_new(transport_of(state));
  viewer_opens(one);
  viewer_attaches(two, e2b_terminal_id(one->terminal));
  viewer_types(one, "echo fr''om one\n");
  viewer_sees(one, "from one");
  viewer_sees(two, "from one");
  viewer_types(two, "echo fr''om two; exit 4\n");
  viewer_sees(one, "from two");
  viewer_sees(two, "from two");
  viewer_sees_exit(one, 4);
  viewer_sees_exit(two, 4);
}

static void who_joins_leaves_the_size_alone(void **state) {
  viewer *one = viewer_new(transport_of(state));
  viewer *two = viewer_new(transport_of(state));
  one->options.cols = 100;
  one->options.rows = 30;
  two->options.cols = 50;
  two->options.rows = 10;
  viewer_opens(one);
  viewer_attaches(two, e2b_terminal_id(one->terminal));
  viewer_types(two, "echo $(stty size) stil''l\n");
  viewer_sees(one, "30 100 still");
  const bool told = transport_of(state) == E2B_TRANSPORT_AGENT;
  assert_int_equal(e2b_terminal_cols(two->terminal), told ? 100 : 50);
  assert_int_equal(e2b_terminal_rows(two->terminal), told ? 30 : 10);
  assert_int_equal(e2b_terminal_resize(two->terminal, 60, 20), 0);
  viewer_types(two, "until stty size | grep -q '^20 60$'; do sleep 0.01; done; echo do''ne\n");
  viewer_sees(one, "done");
}

/* The words of a call go before the sandbox's, and before what every terminal has. */
static void names_of_the_environment_have_an_order(void **state) {
  viewer *it = viewer_new(transport_of(state));
  static const char *const args[] = {
      "-c", "printf '[%s]' \"$TERM\" \"$LANG\" \"$LC_ALL\" \"$HOME\"", NULL};
  static const e2b_pair_t envs[] = {{"LANG", "C"}, {"HOME", "/mine"}};
  it->options.program = "/bin/sh";
  it->options.args = args;
  it->options.envs = envs;
  it->options.envs_count = 2;
  viewer_opens(it);
  viewer_sees_exit(it, 0);
  viewer_sees(it, "[xterm-256color][C][C.UTF-8][/mine]");
}

static void only_terminals_are_listed(void **state) {
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = transport_of(state);
  e2b_command_t *other = STARTED(e2b_command_start_shell(scene.sandbox, "exec sleep 600", NULL));
  viewer *it = viewer_new(transport_of(state));
  viewer_opens(it);
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(scene.sandbox, &options)));
  assert_non_null(find(list, e2b_terminal_id(it->terminal)));
  for (size_t i = 0; i < list->count; i++) {
    assert_int_not_equal(list->items[i].pid, e2b_command_pid(other));
  }
  OK(e2b_command_kill(other));
  assert_true(YES(e2b_terminal_kill_by_id(scene.sandbox, e2b_terminal_id(it->terminal), &options)));
  viewer_is_closed(it);
  assert_int_equal(it->told.exit.signal, SIGKILL);
}

static void a_terminal_that_is_not_there(void **state) {
  viewer *it = viewer_new(transport_of(state));
  FAILS(E2B_ENOTFOUND, e2b_terminal_get_by_id(scene.sandbox, "4194000", &it->options));
  FAILS(E2B_EINVAL, e2b_terminal_get_by_id(scene.sandbox, "", &it->options));
  FAILS(E2B_EINVAL, e2b_terminal_get_by_id(scene.sandbox, NULL, &it->options));
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = transport_of(state);
  assert_false(YES(e2b_terminal_kill_by_id(scene.sandbox, "4194000", &options)));
  assert_int_equal(it->told.closed, 0);
}

static void a_directory_that_is_not_there(void **state) {
  viewer *it = viewer_new(transport_of(state));
  it->options.cwd = "/no/such/place";
  FAILS(E2B_EREQUEST, e2b_terminal_create(scene.sandbox, &it->options));
}

static void keep_back(viewer *it, const char *data, size_t len) {
  (void)data;
  (void)len;
  if (it->bytes > 100000) e2b_terminal_pause(it->terminal);
}

static void a_paused_terminal_shows_nothing(void **state) {
  viewer *it = viewer_new(transport_of(state));
  static const char *const args[] = {"-c", "read go; seq -w 1 300000; exit 7", NULL};
  it->options.program = "/bin/sh";
  it->options.args = args;
  it->options.hold_ms = E2B_NO_TIMEOUT;
  e2b_terminal_t *terminal = viewer_opens(it);
  it->on_data = keep_back;
  viewer_types(it, "\n");
  for (unsigned tries = 0; it->bytes <= 100000; tries++) {
    scene_pace(tries);
  }
  scene_turn(100, NULL);
  const uint64_t at = it->bytes;
  scene_turn(300, NULL);
  assert_int_equal(it->bytes, at);
  assert_int_equal(it->told.exits, 0);
  it->on_data = NULL;
  e2b_terminal_resume(terminal);
  viewer_sees_exit(it, 7);
  assert_int_equal(it->told.gaps, 0);
  assert_int_equal(it->bytes, 2 + 300000 * 8);
}

/* A program that does not read: what it is typed waits, under a limit. */
static void input_has_a_limit(void **state) {
  viewer *it = viewer_new(transport_of(state));
  it->options.program = "/bin/sh";
  it->options.write_limit = 100000;
  scene_shell("rm -f /tmp/go; mkfifo /tmp/go");
  static const char *const gated[] = {
      "-c", "stty raw -echo; printf ready; read go </tmp/go; head -c 1000000 | wc -c", NULL};
  it->options.args = gated;
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_sees(it, "ready");
  static char data[50000];
  memset(data, 'x', sizeof data);
  size_t typed = 0;
  int rc = 0;
  for (unsigned i = 0; i < 1000 && rc == 0; i++) {
    rc = e2b_terminal_write(terminal, data, sizeof data);
    if (rc == 0) typed += sizeof data;
    scene_turn(1, NULL);
  }
  assert_int_equal(rc, E2B_EAGAIN);
  e2b_command_t *go = STARTED(e2b_command_start_shell(scene.sandbox, "echo go >/tmp/go", NULL));
  while (typed < 1000000) {
    const size_t left = 1000000 - typed;
    const size_t len = left < sizeof data ? left : sizeof data;
    const unsigned drains = it->told.drains;
    rc = e2b_terminal_write(terminal, data, len);
    if (rc == 0) typed += len;
    for (unsigned tries = 0; rc == E2B_EAGAIN && it->told.drains == drains; tries++) {
      scene_pace(tries);
    }
  }
  viewer_sees_exit(it, 0);
  viewer_sees(it, "1000000");
  assert_true(it->told.drains > 0);
  OK(e2b_command_wait(go));
}

static void cancelled_before_it_runs(void **state) {
  viewer *it = viewer_new(transport_of(state));
  e2b_future_t *future = scene_keep(e2b_terminal_create(scene.sandbox, &it->options));
  e2b_future_cancel(future);
  FAILS(E2B_ECANCELED, future);
  assert_int_equal(it->told.closed, 0);
  assert_int_equal(it->bytes, 0);
}

static void a_hundred_at_once(void **state) {
  enum { MANY = 100 };
  viewer *all[MANY];
  for (unsigned i = 0; i < MANY; i++) {
    all[i] = viewer_new(transport_of(state));
    static const char *const args[] = {"-c", "read word; echo got $word; exit 6", NULL};
    all[i]->options.program = "/bin/sh";
    all[i]->options.args = args;
    all[i]->ctx = e2b_terminal_create(scene.sandbox, &all[i]->options);
  }
  for (unsigned i = 0; i < MANY; i++) {
    viewer_takes(all[i], OK(all[i]->ctx));
    viewer_types(all[i], "it\n");
  }
  for (unsigned i = 0; i < MANY; i++) {
    viewer_sees(all[i], "got it");
    viewer_is_closed(all[i]);
    assert_int_equal(all[i]->told.exit.exit_code, 6);
  }
}

static void what_was_typed_before_a_close_arrives(void **state) {
  viewer *one = viewer_new(transport_of(state));
  viewer *two = viewer_new(transport_of(state));
  static const char *const args[] = {"-c", "read word; exit ${#word}", NULL};
  one->options.program = "/bin/sh";
  one->options.args = args;
  e2b_terminal_t *terminal = viewer_opens(one);
  viewer_attaches(two, e2b_terminal_id(terminal));
  viewer_types(one, "seven__\n");
  e2b_terminal_close(terminal);
  viewer_sees_exit(two, 7);
  viewer_is_closed(one);
  assert_int_equal(one->told.exits, 0);
}

static e2b_transport_t by_envd = E2B_TRANSPORT_ENVD;
static e2b_transport_t by_agent = E2B_TRANSPORT_AGENT;

#define BY(transport, test) \
  { #test " (" #transport ")", test, NULL, viewer_tidy, &by_##transport }
#define TESTS(transport)                                                                          \
  BY(transport, a_login_shell_by_default),                                                        \
      BY(transport, program_arguments_directory_and_environment),                                 \
      BY(transport, names_of_the_environment_have_an_order),                                      \
      BY(transport, resizing_tells_the_program), BY(transport, keystrokes_arrive_in_order),       \
      BY(transport, single_keystrokes_echo), BY(transport, any_byte_passes),                      \
      BY(transport, signals_reach_the_program_in_front), BY(transport, ctrl_c_and_job_control),   \
      BY(transport, killing_ends_it), BY(transport, a_lifetime_ends_it),                          \
      BY(transport, a_terminal_runs_on_without_viewers), BY(transport, two_viewers_see_the_same), \
      BY(transport, who_joins_leaves_the_size_alone), BY(transport, only_terminals_are_listed),   \
      BY(transport, a_terminal_that_is_not_there), BY(transport, a_directory_that_is_not_there),  \
      BY(transport, a_paused_terminal_shows_nothing), BY(transport, input_has_a_limit),           \
      BY(transport, cancelled_before_it_runs), BY(transport, a_hundred_at_once)

static const struct CMUnitTest tests[] = {
    TESTS(agent), BY(agent, what_was_typed_before_a_close_arrives), TESTS(envd)};

SCENE_RUN("terminal", tests)
