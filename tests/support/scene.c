/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

scene_t scene;

enum { MOST_KEPT = 16384 };

typedef struct kept {
  void *items[MOST_KEPT];
  size_t count;
} kept;

static uv_loop_t loop;
static kept futures, commands, sandboxes, clients, texts;
static char directory[64];

static void *keep(kept *list, void *item) {
  assert_true(list->count < MOST_KEPT);
  list->items[list->count++] = item;
  return item;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle) {
  handle->data = NULL;
}

bool scene_turn(uint64_t ms, const bool *flag) {
  bool over = false;
  uv_timer_t timer;
  assert_int_equal(uv_timer_init(&loop, &timer), 0);
  timer.data = &over;
  uv_update_time(&loop);
  assert_int_equal(uv_timer_start(&timer, on_timer, ms, 0), 0);
  while (!over && (flag == NULL || !*flag)) {
    uv_run(&loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&timer, on_timer_closed);
  while (timer.data != NULL) {
    uv_run(&loop, UV_RUN_NOWAIT);
  }
  return flag != NULL && *flag;
}

void scene_pace(unsigned tries) {
  if (tries > LONG_ENOUGH_MS / PACE_MS) fail_msg("what the test waits for does not happen");
  scene_turn(PACE_MS, NULL);
}

e2b_future_t *scene_keep(e2b_future_t *future) {
  for (size_t i = futures.count; i > 0; i--) {
    if (futures.items[i - 1] == future) return future;
  }
  return future != NULL ? keep(&futures, future) : NULL;
}

static void describe(const e2b_future_t *future, const char *what, int rc) {
  const e2b_error_t *error = e2b_future_error(future);
  print_error("%s\n  gave %s", what, rc == 0 ? "success" : e2b_code_name(rc));
  if (error != NULL) {
    print_error(" (HTTP %d %s): %s\n  %.2000s", error->http_status, error->connect_code,
                error->message, error->detail);
  }
  print_error("\n");
}

e2b_future_t *scene_ok(e2b_future_t *future, const char *what, const char *file, int line) {
  scene_keep(future);
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  if (rc != 0) {
    describe(future, what, rc);
    _fail(file, line);
  }
  return future;
}

const e2b_error_t *scene_fails(int code, e2b_future_t *future, const char *what, const char *file,
                               int line) {
  scene_keep(future);
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  const e2b_error_t *error = e2b_future_error(future);
  if (rc != code || error == NULL || error->code != code) {
    describe(future, what, rc);
    print_error("  instead of %s\n", e2b_code_name(code));
    _fail(file, line);
  }
  return error;
}

/* --- handles ------------------------------------------------------------------------------------
 */

e2b_command_t *scene_command(e2b_future_t *future) {
  e2b_command_t *command = e2b_future_command(future);
  assert_non_null(command);
  return keep(&commands, command);
}

e2b_sandbox_t *scene_sandbox(e2b_future_t *future) {
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  assert_non_null(sandbox);
  return keep(&sandboxes, sandbox);
}

e2b_client_t *scene_client(void (*change)(e2b_client_options *options)) {
  e2b_client_options options;
  server_options(&scene.server, &options);
  if (change != NULL) change(&options);
  e2b_client_t *client = e2b_client_new(&loop, &options);
  assert_non_null(client);
  return keep(&clients, client);
}

static void on_closed(void *user_data) {
  *(bool *)user_data = true;
}

static void close_client(e2b_client_t *client) {
  bool closed = false;
  e2b_client_close(client, on_closed, &closed);
  assert_true(scene_turn(LONG_ENOUGH_MS, &closed));
}

int scene_tidy(void **state) {
  (void)state;
  while (commands.count > 0) {
    e2b_command_release(commands.items[--commands.count]);
  }
  for (size_t i = 0; i < futures.count; i++) {
    e2b_future_cancel(futures.items[i]); /* a test that failed may leave some undecided */
  }
  for (size_t i = 0; i < sandboxes.count; i++) {
    scene_keep(e2b_sandbox_kill(sandboxes.items[i]));
  }
  for (size_t i = 0; i < futures.count; i++) {
    e2b_future_await(futures.items[i], LONG_ENOUGH_MS);
    e2b_future_release(futures.items[i]);
  }
  futures.count = 0;
  while (sandboxes.count > 0) {
    e2b_sandbox_release(sandboxes.items[--sandboxes.count]);
  }
  while (clients.count > 0) {
    close_client(clients.items[--clients.count]);
  }
  while (texts.count > 0) {
    free(texts.items[--texts.count]);
  }
  return 0;
}

/* --- the stage ----------------------------------------------------------------------------------
 */

/* What goes wrong here is told, and the program ends: cmocka's own words do not say why. */
static void need(e2b_future_t *future, const char *what) {
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  if (rc == 0) return;
  describe(future, what, rc);
  exit(1);
}

int scene_open(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  if (uv_loop_init(&loop) != 0) return -1;
  scene.loop = &loop;
  if (server_start(&scene.server, &loop) != 0) return -1;
  e2b_client_options options;
  server_options(&scene.server, &options);
  scene.client = e2b_client_new(&loop, &options);
  if (scene.client == NULL) return -1;
  e2b_create_options create;
  E2B_INIT(&create);
  create.timeout_ms = 3600000;
  e2b_future_t *future = e2b_sandbox_create(scene.client, &create);
  need(future, "making the sandbox");
  scene.sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  unsigned long number;
  uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
  snprintf(directory, sizeof directory, "/tmp/libe2b-test-%lx", number);
  future = e2b_files_mkdir(scene.sandbox, directory, NULL);
  need(future, "making a directory");
  e2b_future_release(future);
  return 0;
}

int scene_close(void **state) {
  (void)state;
  if (scene.sandbox == NULL) return 0; /* it was not opened, and has said why */
  e2b_future_t *future = e2b_files_remove(scene.sandbox, directory, NULL);
  need(future, "removing the directory");
  e2b_future_release(future);
  future = e2b_sandbox_kill(scene.sandbox);
  need(future, "ending the sandbox");
  e2b_future_release(future);
  e2b_sandbox_release(scene.sandbox);
  close_client(scene.client);
  server_stop(&scene.server);
  uv_run(&loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop) != 0) {
    uv_print_all_handles(&loop, stderr);
    exit(1); /* cmocka passes over what a teardown answers */
  }
  return 0;
}

/* --- short words --------------------------------------------------------------------------------
 */

const char *scene_path(const char *name) {
  const size_t size = strlen(directory) + strlen(name) + 2;
  char *path = keep(&texts, malloc(size));
  assert_non_null(path);
  snprintf(path, size, *name != '\0' ? "%s/%s" : "%s%s", directory, name);
  return path;
}

const char *scene_shell(const char *line) {
  const e2b_execution_t *end = RAN(e2b_run_shell(scene.sandbox, line, NULL));
  if (end->exit_code != 0) {
    print_error("%s\n  %s\n  %s\n", line, end->status, end->stderr_data.ptr);
    fail();
  }
  return end->stdout_data.ptr;
}

bool scene_can(const char *line) {
  return RAN(e2b_run_shell(scene.sandbox, line, NULL))->exit_code == 0;
}

static bool runs(const char *name) {
  char line[512];
  snprintf(line, sizeof line, "pgrep -f '^%s' > /dev/null", name);
  return scene_can(line);
}

void scene_until_runs(const char *name) {
  for (unsigned tries = 0; !runs(name); tries++) {
    scene_pace(tries);
  }
}

void scene_until_gone(const char *name) {
  for (unsigned tries = 0; runs(name); tries++) {
    scene_pace(tries);
  }
}

bool scene_terminal_id(char id[SCENE_ID_SIZE]) {
  e2b_future_t *future = e2b_terminal_create(scene.sandbox, NULL);
  e2b_future_await(future, LONG_ENOUGH_MS);
  e2b_terminal_t *terminal = e2b_future_terminal(future);
  e2b_future_release(future);
  if (terminal == NULL) return false;
  snprintf(id, SCENE_ID_SIZE, "%s", e2b_terminal_id(terminal));
  e2b_terminal_release(terminal);
  return true;
}

void assert_bytes(e2b_bytes_t got, const void *expected, size_t len) {
  if (got.len == len && (len == 0 || memcmp(got.ptr, expected, len) == 0)) {
    assert_int_equal(got.ptr[got.len], '\0');
    return;
  }
  print_error("got %zu bytes: %.300s\ninstead of %zu: %.300s\n", got.len, got.ptr, len,
              (const char *)expected);
  fail();
}
