/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* A great deal at once, from one thread. */

enum {
  COMMANDS = 1000,
  FEW_SANDBOXES = 4,
  MANY_SANDBOXES = 200,
  POOL_THREADS = 4 /* libuv's own, where names have to be looked up */
};

static size_t count_threads(void) {
  size_t count = 0;
  DIR *dir = opendir("/proc/self/task");
  assert_non_null(dir);
  while (readdir(dir) != NULL) {
    count++;
  }
  closedir(dir);
  return count - 2;
}

typedef struct tally {
  size_t decided;
  size_t failed;
  size_t wrong;
  size_t twice;
  size_t expected;
  bool done;
  unsigned char seen[COMMANDS];
} tally;

typedef struct ticket {
  tally *all;
  size_t number;
} ticket;

static ticket tickets[COMMANDS];

static void decided(ticket *one, e2b_future_t *future, bool right) {
  tally *all = one->all;
  const e2b_error_t *error = e2b_future_error(future);
  if (error != NULL && all->failed++ < 3) {
    print_error("number %zu: %s: %s\n", one->number, error->message, error->detail);
  }
  if (error == NULL && !right) all->wrong++;
  if (all->seen[one->number]++ != 0) all->twice++;
  if (++all->decided == all->expected) all->done = true;
}

static void on_echo(e2b_future_t *future, void *user_data) {
  ticket *one = user_data;
  const e2b_execution_t *end = e2b_future_execution(future);
  char expected[32];
  snprintf(expected, sizeof expected, "number %zu\n", one->number);
  decided(one, future,
          end != NULL && end->exit_code == 0 && strcmp(end->stdout_data.ptr, expected) == 0);
}

static void begin(tally *all, size_t expected) {
  memset(all, 0, sizeof *all);
  all->expected = expected;
  for (size_t i = 0; i < expected; i++) {
    tickets[i].all = all;
    tickets[i].number = i;
  }
}

static void finish(const tally *all) {
  /* Ten minutes at most: machines differ. */
  for (int i = 0; i < 5 && !all->done; i++) {
    scene_turn(LONG_ENOUGH_MS, &all->done);
  }
  assert_int_equal(all->decided, all->expected);
  assert_int_equal(all->failed, 0);
  assert_int_equal(all->wrong, 0);
  assert_int_equal(all->twice, 0);
  e2b_client_stats stats;
  stats.size = sizeof stats;
  e2b_client_get_stats(scene.client, &stats);
  assert_int_equal(stats.futures_pending, 0);
  assert_int_equal(stats.waiting, 0);
}

static void need_much(void) {
  skip_unless(&scene.server, SERVER_LOCAL, "a thousand calls are for servers on this machine");
}

static void several_sandboxes(e2b_sandbox_t **sandboxes) {
  for (size_t i = 0; i < FEW_SANDBOXES; i++) {
    sandboxes[i] = MADE(e2b_sandbox_create(scene.client, NULL));
  }
}

static void a_thousand_commands(void **state) {
  (void)state;
  need_much();
  e2b_sandbox_t *sandboxes[FEW_SANDBOXES];
  several_sandboxes(sandboxes);
  const size_t threads = count_threads();
  static tally all;
  begin(&all, COMMANDS);
  for (size_t i = 0; i < COMMANDS; i++) {
    char number[32];
    snprintf(number, sizeof number, "%zu", i);
    const char *const args[] = {"number", number, NULL};
    e2b_future_t *future = e2b_run_command(sandboxes[i % FEW_SANDBOXES], "echo", args, NULL);
    assert_int_equal(e2b_future_then(future, on_echo, &tickets[i]), 0);
  }
  assert_int_equal(all.decided, 0); /* nothing comes from inside a call */
  finish(&all);
  assert_in_range(count_threads(), threads, threads + POOL_THREADS);
}

static void a_thousand_code_runs(void **state) {
  (void)state;
  need_much();
  if (!scene_can("command -v python3")) server_skip(&scene.server, "there is no python3");
  e2b_sandbox_t *sandboxes[FEW_SANDBOXES];
  several_sandboxes(sandboxes);
  const size_t threads = count_threads();
  static tally all;
  begin(&all, COMMANDS);
  for (size_t i = 0; i < COMMANDS; i++) {
    char code[64];
    snprintf(code, sizeof code, "print('number', %zu)", i);
    e2b_future_t *future = e2b_run_code(sandboxes[i % FEW_SANDBOXES], code, NULL);
    assert_int_equal(e2b_future_then(future, on_echo, &tickets[i]), 0);
  }
  finish(&all);
  assert_in_range(count_threads(), threads, threads + POOL_THREADS);
}

static void on_exists(e2b_future_t *future, void *user_data) {
  decided(user_data, future, e2b_future_bool(future));
}

static void a_thousand_questions(void **state) {
  (void)state;
  need_much();
  static tally all;
  begin(&all, COMMANDS);
  for (size_t i = 0; i < COMMANDS; i++) {
    e2b_future_t *future = e2b_files_exists(scene.sandbox, scene_path(""), NULL);
    assert_int_equal(e2b_future_then(future, on_exists, &tickets[i]), 0);
  }
  finish(&all);
}

static void on_sleeper(e2b_future_t *future, void *user_data) {
  ticket *one = user_data;
  const e2b_error_t *error = e2b_future_error(future);
  tally *all = one->all;
  if (error == NULL || error->code != E2B_ECANCELED) all->wrong++;
  if (all->seen[one->number]++ != 0) all->twice++;
  if (++all->decided == all->expected) all->done = true;
}

static size_t count_running(const char *line) {
  const e2b_process_list_t *list = e2b_future_process_list(OK(e2b_command_list(scene.sandbox)));
  size_t count = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].args_count == 3 && strcmp(list->items[i].args[2], line) == 0) count++;
  }
  return count;
}

static void hundreds_given_up(void **state) {
  (void)state;
  need_much();
  enum { COUNT = 300 };
  static tally all;
  static e2b_future_t *futures[COUNT];
  char line[128];
  snprintf(line, sizeof line, "exec sleep 600; : %s",
           scene_path("")); /* not mistaken for another */
  begin(&all, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    futures[i] = e2b_run_shell(scene.sandbox, line, NULL);
    e2b_future_acquire(futures[i]);
    assert_int_equal(e2b_future_then(futures[i], on_sleeper, &tickets[i]), 0);
    if (i % 50 == 0) scene_turn(PACE_MS, NULL); /* some run, some wait in line */
  }
  for (size_t i = 0; i < COUNT; i++) {
    e2b_future_cancel(futures[i]);
    e2b_future_release(futures[i]);
  }
  assert_true(all.done || scene_turn(LONG_ENOUGH_MS, &all.done));
  assert_int_equal(all.wrong, 0);
  assert_int_equal(all.twice, 0);
  for (unsigned tries = 0; count_running(line) > 0; tries++) {
    scene_pace(tries); /* none is left behind */
  }
}

/* --- sandboxes ----------------------------------------------------------------------------------
 */

static e2b_sandbox_t *made[MANY_SANDBOXES];

static void on_made(e2b_future_t *future, void *user_data) {
  ticket *one = user_data;
  made[one->number] = e2b_future_sandbox(future);
  decided(one, future, made[one->number] != NULL);
}

static void on_killed(e2b_future_t *future, void *user_data) {
  decided(user_data, future, e2b_future_bool(future));
}

static size_t count_listed(const e2b_pair_t *mark) {
  e2b_list_options list;
  E2B_INIT(&list);
  list.metadata = mark;
  list.metadata_count = 1;
  list.limit = 33;
  size_t count = 0;
  do {
    const e2b_sandbox_list_t *page =
        e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
    for (size_t i = 0; i < page->count; i++) {
      size_t k = 0;
      while (k < MANY_SANDBOXES && strcmp(page->items[i].id, e2b_sandbox_id(made[k])) != 0) {
        k++;
      }
      assert_true(k < MANY_SANDBOXES);
    }
    count += page->count;
    list.next_token = page->next_token;
  } while (list.next_token != NULL);
  return count;
}

static void two_hundred_sandboxes(void **state) {
  (void)state;
  need_much();
  skip_unless(&scene.server, SERVER_CONTROL, "there is no control plane to ask");
  const e2b_pair_t mark = {"many", scene_path("")};
  e2b_create_options options;
  E2B_INIT(&options);
  options.metadata = &mark;
  options.metadata_count = 1;
  options.timeout_ms = 1200000;
  options.request_timeout_ms = 600000;
  static tally all;
  begin(&all, MANY_SANDBOXES);
  for (size_t i = 0; i < MANY_SANDBOXES; i++) {
    assert_int_equal(
        e2b_future_then(e2b_sandbox_create(scene.client, &options), on_made, &tickets[i]), 0);
  }
  finish(&all);
  assert_int_equal(count_listed(&mark), MANY_SANDBOXES);
  begin(&all, MANY_SANDBOXES);
  for (size_t i = 0; i < MANY_SANDBOXES; i++) {
    char number[32];
    snprintf(number, sizeof number, "%zu", i);
    const char *const args[] = {"number", number, NULL};
    assert_int_equal(
        e2b_future_then(e2b_run_command(made[i], "echo", args, NULL), on_echo, &tickets[i]), 0);
  }
  finish(&all);
  begin(&all, MANY_SANDBOXES);
  for (size_t i = 0; i < MANY_SANDBOXES; i++) {
    assert_int_equal(e2b_future_then(e2b_sandbox_kill(made[i]), on_killed, &tickets[i]), 0);
  }
  finish(&all);
  assert_int_equal(count_listed(&mark), 0);
  for (size_t i = 0; i < MANY_SANDBOXES; i++) {
    e2b_sandbox_release(made[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(a_thousand_commands),   SCENE_TEST(a_thousand_code_runs),
      SCENE_TEST(a_thousand_questions),  SCENE_TEST(hundreds_given_up),
      SCENE_TEST(two_hundred_sandboxes),
  };
  return cmocka_run_group_tests_name("many", tests, scene_open, scene_close);
}
