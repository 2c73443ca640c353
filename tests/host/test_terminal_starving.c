/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/program.h"
#include "support/starving.h"

/* Terminals while the client's memory runs out, at one allocation after the other; the server is
 * another process. Whatever fails, every future is decided, every terminal is closed once, and
 * nothing is left. */

enum { PATIENCE_MS = 30000 };

static uv_loop_t loop;
static program_t host;
static char sandbox_id[64];

typedef struct seen {
  char text[4096];
  size_t len;
  unsigned exits;
  unsigned closed;
} seen;

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  seen *it = user_data;
  (void)terminal;
  if (len > sizeof it->text - 1 - it->len) len = sizeof it->text - 1 - it->len;
  memcpy(it->text + it->len, data, len);
  it->len += len;
}

static void on_exit_event(e2b_terminal_t *terminal, const e2b_terminal_exit_t *end,
                          void *user_data) {
  (void)terminal;
  (void)end;
  ((seen *)user_data)->exits++;
}

static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  (void)terminal;
  if (error != NULL) assert_true(error->code < 0 && error->message != NULL);
  ((seen *)user_data)->closed++;
}

/* Decided in time; the code. */
static int decided(e2b_future_t *future) {
  const int rc = e2b_future_await(future, PATIENCE_MS);
  if (rc == E2B_EAGAIN) fail_msg("%s is not decided", "a future");
  e2b_future_release(future);
  return rc;
}

static void use_terminal(e2b_terminal_t *terminal) {
  e2b_terminal_resize(terminal, 100, 30);
  /* Refused for want of memory, it has taken nothing. */
  if (e2b_terminal_write(terminal, "go\n", 3) == 0) {
    decided(e2b_terminal_wait(terminal));
  } else {
    decided(e2b_terminal_kill(terminal));
  }
}

static bool session(e2b_client_t *client, e2b_transport_t transport) {
  e2b_future_t *future = e2b_sandbox_connect(client, sandbox_id, NULL);
  int rc = e2b_future_await(future, PATIENCE_MS);
  e2b_sandbox_t *sandbox = rc == 0 ? e2b_future_sandbox(future) : NULL;
  e2b_future_release(future);
  if (sandbox == NULL) return false;
  static const char *const args[] = {"-c", "read word; echo got $word; exit 5", NULL};
  seen it = {0};
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = transport;
  options.program = "/bin/sh";
  options.args = args;
  options.on_data = on_data;
  options.on_exit = on_exit_event;
  options.on_closed = on_closed;
  options.user_data = &it;
  future = e2b_terminal_create(sandbox, &options);
  rc = e2b_future_await(future, PATIENCE_MS);
  assert_int_not_equal(rc, E2B_EAGAIN);
  e2b_terminal_t *terminal = rc == 0 ? e2b_future_terminal(future) : NULL;
  e2b_future_release(future);
  bool whole = false;
  if (terminal != NULL) {
    use_terminal(terminal);
    e2b_terminal_list_options list;
    E2B_INIT(&list);
    list.transport = transport;
    decided(e2b_terminal_list(sandbox, &list));
    e2b_terminal_close(terminal);
    whole = it.exits == 1 && strstr(it.text, "got go") != NULL;
    e2b_terminal_release(terminal);
    for (unsigned turns = 0; it.closed == 0 && turns < 100000; turns++) {
      uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(it.closed, 1);
  }
  e2b_sandbox_release(sandbox);
  return whole;
}

static void run(void *ctx, size_t nth) {
  const e2b_transport_t transport = *(const e2b_transport_t *)ctx;
  (void)nth;
  starving_begin();
  e2b_client_t *client = program_client(&host, &loop);
  const bool whole = client != NULL && session(client, transport);
  program_client_close(client, &loop);
  if (!starving_failed()) assert_true(whole);
}

static void walk(e2b_transport_t transport, bool for_good, size_t whole, size_t stride) {
  /* The first time, with all the memory it wants, brings the agent into the sandbox. */
  const starving_scenario_t scenario = {"a terminal", run, &transport};
  starving_walk(&scenario, for_good, whole, stride);
}

static void the_agent_without_one_allocation(void **state) {
  (void)state;
  walk(E2B_TRANSPORT_AGENT, false, 60, 3);
}

static void the_agent_without_any_from_one_on(void **state) {
  (void)state;
  walk(E2B_TRANSPORT_AGENT, true, 40, 5);
}

static void the_service_without_one_allocation(void **state) {
  (void)state;
  walk(E2B_TRANSPORT_ENVD, false, 60, 3);
}

static void the_service_without_any_from_one_on(void **state) {
  (void)state;
  walk(E2B_TRANSPORT_ENVD, true, 40, 5);
}

static int group_open(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  if (uv_loop_init(&loop) != 0 || !program_start(&host, NULL)) return -1;
  e2b_client_t *client = program_client(&host, &loop);
  e2b_create_options create;
  E2B_INIT(&create);
  create.timeout_ms = 3600000;
  e2b_future_t *future = e2b_sandbox_create(client, &create);
  assert_int_equal(e2b_future_await(future, PATIENCE_MS), 0);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  snprintf(sandbox_id, sizeof sandbox_id, "%s", e2b_sandbox_id(sandbox));
  e2b_sandbox_release(sandbox);
  e2b_future_release(future);
  program_client_close(client, &loop);
  return 0;
}

static int group_close(void **state) {
  (void)state;
  program_end(&host, SIGTERM);
  program_orphans();
  return uv_loop_close(&loop);
}

int main(void) {
  starving_library();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_agent_without_one_allocation),
      cmocka_unit_test(the_agent_without_any_from_one_on),
      cmocka_unit_test(the_service_without_one_allocation),
      cmocka_unit_test(the_service_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("terminal starving", tests, group_open, group_close);
}
