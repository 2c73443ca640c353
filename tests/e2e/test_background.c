/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Programs that run while we do something else: found, signalled, paused, left alone. */

static e2b_run_options *fresh(void) {
  static e2b_run_options options;
  E2B_INIT(&options);
  return &options;
}

static e2b_command_t *start(const char *line, const e2b_run_options *options) {
  return STARTED(e2b_command_start_shell(scene.sandbox, line, options));
}

static const e2b_process_info_t *find(uint32_t pid) {
  const e2b_process_list_t *list = e2b_future_process_list(OK(e2b_command_list(scene.sandbox)));
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].pid == pid) return &list->items[i];
  }
  return NULL;
}

static void until_gone(uint32_t pid) {
  for (unsigned tries = 0; find(pid) != NULL; tries++) {
    scene_pace(tries);
  }
}

typedef struct watch {
  char text[4096];
  size_t len;
  bool seen; /* something */
} watch;

static void on_text(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  watch *it = user_data;
  assert_non_null(command);
  assert_true(len < sizeof it->text - it->len);
  memcpy(it->text + it->len, data, len);
  it->len += len;
  it->text[it->len] = '\0';
  it->seen = true;
}

static void until_says(watch *it, const char *text) {
  while (strstr(it->text, text) == NULL) {
    it->seen = false;
    assert_true(scene_turn(LONG_ENOUGH_MS, &it->seen));
  }
}

static void started_and_awaited(void **state) {
  (void)state;
  const char *const args[] = {"-c", "read x; echo got $x; read y; exit 4", NULL};
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *command = STARTED(e2b_command_start(scene.sandbox, "sh", args, options));
  assert_true(e2b_command_pid(command) > 1);
  e2b_future_t *end = scene_keep(e2b_command_wait(command));
  assert_false(e2b_future_is_done(end));
  OK(e2b_command_write(command, "it\n", 3));
  OK(e2b_command_close_stdin(command));
  const e2b_execution_t *first = RAN(end);
  assert_out(first, "got it\n");
  assert_int_equal(first->exit_code, 4);
  assert_int_equal(first->pid, e2b_command_pid(command));
  const e2b_execution_t *second = RAN(e2b_command_wait(command));
  assert_out(second, "got it\n");
  assert_int_equal(second->exit_code, 4);
}

static void waiting_is_not_owning(void **state) {
  (void)state;
  e2b_command_t *command = start("echo up; exec sleep 600", NULL);
  e2b_future_t *given_up = scene_keep(e2b_command_wait(command));
  e2b_future_t *kept = scene_keep(e2b_command_wait(command));
  e2b_future_cancel(given_up);
  assert_int_equal(e2b_future_await(given_up, 0), E2B_ECANCELED);
  assert_non_null(find(e2b_command_pid(command)));
  assert_true(YES(e2b_command_kill(command)));
  assert_int_equal(RAN(kept)->exit_code, -1);
}

static void listed_with_what_it_was_given(void **state) {
  (void)state;
  const char *const args[] = {"-c", "exec sleep 600", "arg 0", "\xc3\xa4 \"quoted\"", NULL};
  const e2b_pair_t envs[] = {{"ONE", "1"}, {"TWO", "a=b"}};
  e2b_run_options *options = fresh();
  options->cwd = "/tmp";
  options->tag = "the-tag";
  options->envs = envs;
  options->envs_count = 2;
  e2b_command_t *command = STARTED(e2b_command_start(scene.sandbox, "sh", args, options));
  e2b_command_t *plain = start("exec sleep 600", NULL);
  const e2b_process_info_t *info = find(e2b_command_pid(command));
  assert_non_null(info);
  assert_string_equal(info->program, "sh");
  assert_int_equal(info->args_count, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(info->args[i], args[i]);
  }
  assert_null(info->args[4]);
  assert_string_equal(info->cwd, "/tmp");
  assert_string_equal(info->tag, "the-tag");
  assert_int_equal(info->envs_count, 2);
  const size_t one = strcmp(info->envs[0].name, "ONE") == 0 ? 0 : 1;
  assert_string_equal(info->envs[one].name, "ONE");
  assert_string_equal(info->envs[one].value, "1");
  assert_string_equal(info->envs[1 - one].name, "TWO");
  assert_string_equal(info->envs[1 - one].value, "a=b");

  info = find(e2b_command_pid(plain));
  assert_non_null(info);
  assert_string_equal(info->program, "/bin/bash");
  assert_int_equal(info->args_count, 3);
  assert_string_equal(info->args[2], "exec sleep 600");
  assert_string_equal(info->tag, "");
  assert_string_equal(info->cwd, "");
  OK(e2b_command_kill(command));
  OK(e2b_command_kill(plain));
  until_gone(e2b_command_pid(command));
  until_gone(e2b_command_pid(plain));
}

static void start_fails(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->cwd = "/no/such/directory";
  FAILS(E2B_EREQUEST, e2b_command_start(scene.sandbox, "true", NULL, options));
}

static void another_handle(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->keep_stdin_open = 1;
  e2b_command_t *first = STARTED(e2b_command_start(scene.sandbox, "cat", NULL, options));
  watch seen = {"", 0, false};
  e2b_run_options *viewer = fresh();
  viewer->on_stdout = on_text;
  viewer->user_data = &seen;
  e2b_command_t *second =
      STARTED(e2b_command_connect(scene.sandbox, e2b_command_pid(first), viewer));
  assert_int_equal(e2b_command_pid(second), e2b_command_pid(first));
  OK(e2b_command_write(second, "by the second\n", 14));
  until_says(&seen, "by the second\n");
  OK(e2b_command_write(first, "by the first\n", 13));
  until_says(&seen, "by the first\n");
  OK(e2b_command_close_stdin(second));
  assert_out(RAN(e2b_command_wait(first)), "by the second\nby the first\n");
  assert_int_equal(RAN(e2b_command_wait(second))->exit_code, 0);
}

static void no_such_process(void **state) {
  (void)state;
  FAILS(E2B_ENOTFOUND, e2b_command_connect(scene.sandbox, 4000000, NULL));
  assert_false(YES(e2b_command_kill_by_pid(scene.sandbox, 4000000)));
}

/* The service remembers for half a minute how a process ended. */
static void an_exit_is_remembered(void **state) {
  (void)state;
  const uint32_t pid = RAN(e2b_run_shell(scene.sandbox, "exit 6", NULL))->pid;
  e2b_command_t *late = STARTED(e2b_command_connect(scene.sandbox, pid, NULL));
  assert_int_equal(RAN(e2b_command_wait(late))->exit_code, 6);
}

static void last_words(void **state) {
  (void)state;
  watch seen = {"", 0, false};
  e2b_run_options *options = fresh();
  options->on_stdout = on_text;
  options->user_data = &seen;
  e2b_command_t *command =
      start("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done", options);
  until_says(&seen, "up\n");
  assert_true(YES(e2b_command_signal(command, SIGTERM)));
  assert_int_equal(RAN(e2b_command_wait(command))->exit_code, 7);
  assert_string_equal(seen.text, "up\nbye\n");
  assert_false(YES(e2b_command_signal(command, SIGTERM)));
}

static void other_signals(void **state) {
  (void)state;
  watch seen = {"", 0, false};
  e2b_run_options *options = fresh();
  options->on_stdout = on_text;
  options->user_data = &seen;
  e2b_command_t *command = start("trap 'echo one' USR1; trap 'echo hup; exit 2' HUP; echo up; "
                                 "while :; do sleep 0.05; done",
                                 options);
  until_says(&seen, "up\n");
  assert_true(YES(e2b_command_signal(command, 0)));
  assert_true(YES(e2b_command_signal(command, SIGUSR1)));
  until_says(&seen, "one\n");
  assert_true(YES(e2b_command_signal(command, SIGHUP)));
  assert_int_equal(RAN(e2b_command_wait(command))->exit_code, 2);
  assert_string_equal(seen.text, "up\none\nhup\n");
  FAILS(E2B_EINVAL, e2b_command_signal(command, -1));
}

/* A handle that was found by number does not know whose program it is; the answer must not be that
 * there is none. */
static void signalled_without_leave(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ANY_USER, "there, all programs are of one user");
  e2b_run_options *options = fresh();
  options->user = "root";
  e2b_command_t *theirs = start("exec sleep 600", options);
  e2b_command_t *ours =
      STARTED(e2b_command_connect(scene.sandbox, e2b_command_pid(theirs), fresh()));
  if (!scene_can("test \"$(id -u)\" = 0")) {
    const e2b_error_t *error = FAILS(E2B_EFORBIDDEN, e2b_command_signal(ours, SIGTERM));
    assert_string_equal(error->operation, "e2b_command_signal");
  }
  assert_true(YES(e2b_command_signal(theirs, SIGTERM)));
  assert_string_equal(RAN(e2b_command_wait(ours))->status, "signal: terminated");
  /* Its number may be another's by now. */
  assert_false(YES(e2b_command_signal(ours, SIGTERM)));
}

static void killed_twice(void **state) {
  (void)state;
  e2b_command_t *command = start("exec sleep 600", NULL);
  assert_true(YES(e2b_command_kill(command)));
  const e2b_execution_t *end = RAN(e2b_command_wait(command));
  assert_int_equal(end->exit_code, -1);
  assert_false(end->exited);
  assert_string_equal(end->status, "signal: killed");
  assert_false(YES(e2b_command_kill(command)));
}

static void disconnecting_leaves_it_running(void **state) {
  (void)state;
  watch seen = {"", 0, false};
  e2b_run_options *options = fresh();
  options->on_stdout = on_text;
  options->user_data = &seen;
  e2b_command_t *command = start("while :; do echo tick; sleep 0.05; done", options);
  until_says(&seen, "tick\n");
  e2b_future_t *end = scene_keep(e2b_command_wait(command));
  e2b_command_disconnect(command);
  assert_int_equal(e2b_future_await(end, 0), E2B_ECANCELED);
  const size_t len = seen.len;
  scene_turn(200, NULL);
  assert_int_equal(seen.len, len);
  assert_non_null(find(e2b_command_pid(command)));

  watch again = {"", 0, false};
  options->user_data = &again;
  e2b_command_t *back =
      STARTED(e2b_command_connect(scene.sandbox, e2b_command_pid(command), options));
  until_says(&again, "tick\n");
  OK(e2b_command_kill(back));
  assert_int_equal(RAN(e2b_command_wait(back))->exit_code, -1);
}

static void releasing_leaves_it_running(void **state) {
  (void)state;
  e2b_future_t *future = e2b_command_start_shell(scene.sandbox, "exec sleep 600", NULL);
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), 0);
  e2b_command_t *command = e2b_future_command(future);
  const uint32_t pid = e2b_command_pid(command);
  e2b_future_release(future);
  e2b_command_release(command);
  scene_turn(100, NULL);
  assert_non_null(find(pid));
  assert_true(YES(e2b_command_kill_by_pid(scene.sandbox, pid)));
  until_gone(pid);
}

/* --- pausing ------------------------------------------------------------------------------------
 */

typedef struct flood {
  e2b_command_t *command;
  size_t bytes;
  size_t next; /* the number expected in the next line */
  size_t digits;
  char line[16];
  bool wrong;
  bool paused;
  size_t pauses;
} flood;

static void on_flood(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  flood *it = user_data;
  for (size_t i = 0; i < len; i++) {
    if (data[i] != '\n') {
      if (it->digits < sizeof it->line - 1) it->line[it->digits++] = data[i];
      continue;
    }
    it->line[it->digits] = '\0';
    if (strtoul(it->line, NULL, 10) != it->next++) it->wrong = true;
    it->digits = 0;
  }
  it->bytes += len;
  if (it->bytes > (it->pauses + 1) * 4000000) {
    it->pauses++;
    it->paused = true;
    e2b_command_pause(command);
  }
}

static void a_paused_flood(void **state) {
  (void)state;
  flood it = {NULL, 0, 1, 0, "", false, false, 0};
  e2b_run_options *options = fresh();
  options->on_stdout = on_flood;
  options->user_data = &it;
  e2b_command_t *command = start("exec seq 1 6000000", options);
  e2b_future_t *end = scene_keep(e2b_command_wait(command));
  while (!e2b_future_is_done(end)) {
    if (!it.paused) {
      e2b_future_await(end, PACE_MS);
      continue;
    }
    size_t before;
    unsigned tries = 0;
    do { /* what was on its way may still come */
      before = it.bytes;
      scene_pace(tries++);
    } while (it.bytes != before);
    assert_false(e2b_future_is_done(end));
    /* It is stuck, and other calls are not. Much fits into what lies between. */
    if (it.pauses == 1) assert_non_null(find(e2b_command_pid(command)));
    it.paused = false;
    e2b_command_resume(command);
  }
  assert_int_equal(RAN(end)->exit_code, 0);
  assert_int_equal(it.next, 6000001);
  assert_false(it.wrong);
  assert_true(it.pauses >= 5);
}

static void pausing_stops_what_comes(void **state) {
  (void)state;
  flood it = {NULL, 0, 1, 0, "", false, false, 0};
  e2b_run_options *options = fresh();
  options->on_stdout = on_flood;
  options->user_data = &it;
  e2b_command_t *command = start("exec yes 1", options);
  assert_true(scene_turn(LONG_ENOUGH_MS, &it.paused));
  /* Data that had arrived is held, not delivered. */
  const size_t bytes = it.bytes;
  scene_turn(300, NULL);
  assert_true(it.bytes - bytes <= 1 << 20);
  e2b_command_disconnect(command);
  e2b_command_resume(command);
  OK(e2b_command_kill_by_pid(scene.sandbox, e2b_command_pid(command)));
  until_gone(e2b_command_pid(command));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(started_and_awaited),
      SCENE_TEST(waiting_is_not_owning),
      SCENE_TEST(listed_with_what_it_was_given),
      SCENE_TEST(start_fails),
      SCENE_TEST(another_handle),
      SCENE_TEST(no_such_process),
      SCENE_TEST(an_exit_is_remembered),
      SCENE_TEST(last_words),
      SCENE_TEST(other_signals),
      SCENE_TEST(signalled_without_leave),
      SCENE_TEST(killed_twice),
      SCENE_TEST(disconnecting_leaves_it_running),
      SCENE_TEST(releasing_leaves_it_running),
      SCENE_TEST(a_paused_flood),
      SCENE_TEST(pausing_stops_what_comes),
  };
  return cmocka_run_group_tests_name("background", tests, scene_open, scene_close);
}
