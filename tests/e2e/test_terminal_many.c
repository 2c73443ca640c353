/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "support/viewer.h"

/* Terminals in numbers, on one thread, and where they go when the agent cannot run. */

enum { SANDBOXES = 5, EACH = 200, MANY = SANDBOXES * EACH };

static unsigned threads(void) {
  unsigned count = 0;
  char line[128];
  FILE *status = fopen("/proc/self/status", "r");
  assert_non_null(status);
  while (fgets(line, sizeof line, status) != NULL) {
    sscanf(line, "Threads: %u", &count);
  }
  fclose(status);
  return count;
}

static void do_nothing(uv_work_t *work) {
  (void)work;
}

static void on_pooled(uv_work_t *work, int status) {
  (void)status;
  *(bool *)work->data = true;
}

static void a_thousand_at_once(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL | SERVER_LOCAL, "a thousand programs");
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 8 * MANY) server_skip(&scene.server, "too few descriptors are allowed");
  static viewer *all[MANY];
  static e2b_future_t *futures[MANY];
  e2b_sandbox_t *sandboxes[SANDBOXES];
  for (unsigned s = 0; s < SANDBOXES; s++) {
    sandboxes[s] = MADE(e2b_sandbox_create(scene.client, NULL));
  }
  /* libuv's own pool, which the host needs for its files, counts from now on. */
  uv_work_t nothing;
  bool pooled = false;
  nothing.data = &pooled;
  assert_int_equal(uv_queue_work(scene.loop, &nothing, do_nothing, on_pooled), 0);
  assert_true(scene_turn(LONG_ENOUGH_MS, &pooled));
  const unsigned threads_before = threads();
  static const char *const args[] = {"-c", "read word; echo got $word; read word; exit 6", NULL};
  for (unsigned i = 0; i < MANY; i++) {
    all[i] = viewer_new(E2B_TRANSPORT_AGENT);
    all[i]->sandbox = sandboxes[i % SANDBOXES];
    all[i]->options.program = "/bin/sh";
    all[i]->options.args = args;
    futures[i] = scene_keep(e2b_terminal_create(all[i]->sandbox, &all[i]->options));
  }
  for (unsigned i = 0; i < MANY; i++) {
    viewer_takes(all[i], OK(futures[i]));
  }
  /* All are there at the same time. */
  for (unsigned s = 0; s < SANDBOXES; s++) {
    e2b_terminal_list_options options;
    E2B_INIT(&options);
    options.transport = E2B_TRANSPORT_AGENT;
    const e2b_terminal_list_t *list =
        e2b_future_terminal_list(OK(e2b_terminal_list(sandboxes[s], &options)));
    unsigned running = 0;
    for (size_t i = 0; i < list->count; i++) {
      running += list->items[i].running != 0 && list->items[i].viewers == 1;
    }
    assert_int_equal(running, (scene.server.features & SERVER_ISOLATED) != 0 ? EACH : MANY);
  }
  char word[16];
  for (unsigned i = 0; i < MANY; i++) {
    snprintf(word, sizeof word, "w%u\n", i);
    viewer_types(all[i], word);
  }
  for (unsigned i = 0; i < MANY; i++) {
    snprintf(word, sizeof word, "got w%u\r", i);
    viewer_sees(all[i], word);
    viewer_types(all[i], "\n");
  }
  for (unsigned i = 0; i < MANY; i++) {
    viewer_sees_exit(all[i], 6);
  }
  assert_int_equal(threads(), threads_before);
}

/* A home that cannot be written, as in an image that nobody foresaw. */
static void where_the_agent_cannot_run(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ISOLATED, "it changes the sandbox");
  e2b_sandbox_t *sandbox = MADE(e2b_sandbox_create(scene.client, NULL));
  /* Its place is taken by a file. */
  assert_int_equal(RAN(e2b_run_shell(sandbox, "echo no >~/.e2b", NULL))->exit_code, 0);
  viewer *it = viewer_new(E2B_TRANSPORT_AGENT);
  it->sandbox = sandbox;
  FAILS(E2B_EUNIMPLEMENTED, e2b_terminal_create(sandbox, &it->options));
  for (unsigned i = 0; i < 2; i++) {
    viewer *automatic = viewer_new(E2B_TRANSPORT_AUTO);
    automatic->sandbox = sandbox;
    viewer_opens(automatic);
    assert_int_equal(e2b_terminal_transport(automatic->terminal), E2B_TRANSPORT_ENVD);
    viewer_types(automatic, "echo st''ill; exit 3\n");
    viewer_sees(automatic, "still\r\n");
    viewer_sees_exit(automatic, 3);
  }
}

static void automatic_is_the_agent(void **state) {
  (void)state;
  viewer *it = viewer_new(E2B_TRANSPORT_AUTO);
  viewer *other = viewer_new(E2B_TRANSPORT_ENVD);
  viewer_opens(it);
  viewer_opens(other);
  assert_int_equal(e2b_terminal_transport(it->terminal), E2B_TRANSPORT_AGENT);
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(scene.sandbox, NULL)));
  unsigned found = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].id, e2b_terminal_id(it->terminal)) == 0) {
      found++;
      assert_int_equal(list->items[i].transport, E2B_TRANSPORT_AGENT);
      assert_true(list->items[i].created_ms > 1600000000000);
      assert_int_equal(list->items[i].viewers, 1);
    }
    if (strcmp(list->items[i].id, e2b_terminal_id(other->terminal)) == 0) {
      found++;
      assert_int_equal(list->items[i].transport, E2B_TRANSPORT_ENVD);
    }
  }
  assert_int_equal(found, 2);
  assert_true(YES(e2b_terminal_kill_by_id(scene.sandbox, e2b_terminal_id(it->terminal), NULL)));
  assert_true(YES(e2b_terminal_kill_by_id(scene.sandbox, e2b_terminal_id(other->terminal), NULL)));
  viewer_is_closed(it);
  viewer_is_closed(other);
  FAILS(E2B_EINVAL, e2b_terminal_kill_by_id(scene.sandbox, "", NULL));
  FAILS(E2B_EINVAL, e2b_terminal_kill_by_id(scene.sandbox, "no such id!", NULL));
}

/* Two clients that have never heard of each other, and their first terminals at the same moment. */
static void two_clients_end_with_one_agent(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ISOLATED, "it counts the agents");
  e2b_sandbox_t *one = MADE(e2b_sandbox_create(scene.client, NULL));
  e2b_future_t *connect =
      scene_keep(e2b_sandbox_connect(scene_client(NULL), e2b_sandbox_id(one), NULL));
  OK(connect);
  e2b_sandbox_t *two = e2b_future_sandbox(connect);
  viewer *all[8];
  e2b_future_t *futures[8];
  for (unsigned i = 0; i < 8; i++) {
    all[i] = viewer_new(E2B_TRANSPORT_AGENT);
    all[i]->sandbox = i % 2 == 0 ? one : two;
    futures[i] = scene_keep(e2b_terminal_create(all[i]->sandbox, &all[i]->options));
  }
  for (unsigned i = 0; i < 8; i++) {
    viewer_takes(all[i], OK(futures[i]));
  }
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  assert_int_equal(e2b_future_terminal_list(OK(e2b_terminal_list(one, &options)))->count, 8);
  assert_int_equal(e2b_future_terminal_list(OK(e2b_terminal_list(two, &options)))->count, 8);
  const e2b_execution_t *agents =
      RAN(e2b_run_shell(one,
                        "grep -lz '[a]gent-' /proc/[0-9]*/cmdline 2>/dev/null | wc -l; "
                        "ls ~/.e2b | grep -c '^[a]gent-'",
                        NULL));
  assert_out(agents, "1\n1\n");
  e2b_sandbox_release(two);
}

static const struct CMUnitTest tests[] = {
    {"a thousand at once", a_thousand_at_once, NULL, viewer_tidy, NULL},
    {"where the agent cannot run", where_the_agent_cannot_run, NULL, viewer_tidy, NULL},
    {"automatic is the agent", automatic_is_the_agent, NULL, viewer_tidy, NULL},
    {"two clients end with one agent", two_clients_end_with_one_agent, NULL, viewer_tidy, NULL},
};

SCENE_RUN("terminal many", tests)
