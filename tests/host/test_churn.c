/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/program.h"

/* Many sandboxes come and go; what the host's program holds does not grow by it. How many is
 * E2B_TEST_CHURN: five hundred fit on a machine, but they take their time. */

enum {
  DEFAULT_SANDBOXES = 60,
  MAX_SANDBOXES = 2000,
  ROUNDS = 3, /* after one that warms up */
  IDLE_CREATES = 9,
  AT_ONCE = 16,
  WATCHDOG_S = 280,
  PACE_US = 2000,
  LOOKS = 50
};

static uv_loop_t loop;
static e2b_client_t *client;
static program_t program;
static char state_dir[] = "/tmp/e2b-churn-XXXXXX";
static unsigned idle_sockets; /* that it listens on */
static size_t wanted, begun, open_now, failures;
static e2b_sandbox_t *sandboxes[MAX_SANDBOXES];

static void on_ran(e2b_future_t *future, void *user_data) {
  const e2b_execution_t *end = e2b_future_execution(future);
  const e2b_error_t *error = e2b_future_error(future);
  (void)user_data;
  open_now--;
  if (end != NULL && end->exit_code == 0 && strcmp(end->stdout_data.ptr, "here\n") == 0) return;
  if (failures++ < 3 && error != NULL) print_error("%s %s\n", error->message, error->detail);
}

static void on_made(e2b_future_t *future, void *slot) {
  static const char *const args[] = {"here", NULL};
  e2b_sandbox_t **sandbox = slot;
  *sandbox = e2b_future_sandbox(future);
  if (*sandbox != NULL)
    e2b_future_then(e2b_run_command(*sandbox, "echo", args, NULL), on_ran, NULL);
  else
    on_ran(future, NULL);
}

static void on_killed(e2b_future_t *future, void *slot) {
  e2b_sandbox_t **sandbox = slot;
  open_now--;
  if (e2b_future_error(future) != NULL || !e2b_future_bool(future)) failures++;
  e2b_sandbox_release(*sandbox);
  *sandbox = NULL;
}

static void make_one(size_t i) {
  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = "base";
  create.timeout_ms = 600000;
  e2b_future_then(e2b_sandbox_create(client, &create), on_made, &sandboxes[i]);
}

static void end_one(size_t i) {
  e2b_future_then(e2b_sandbox_kill(sandboxes[i]), on_killed, &sandboxes[i]);
}

static void each(void (*begin)(size_t i)) {
  for (begun = 0; begun < wanted || open_now > 0;) {
    for (; begun < wanted && open_now < AT_ONCE; open_now++)
      begin(begun++);
    uv_run(&loop, UV_RUN_ONCE);
  }
  assert_int_equal(failures, 0);
}

static double seconds(void) {
  return (double)uv_hrtime() / 1e9;
}

/* ---- one round ---- */

static bool empty(const char *path) {
  struct dirent *entry;
  bool found = false;
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while (!found && (entry = readdir(dir)) != NULL)
    found = entry->d_name[0] != '.';
  closedir(dir);
  return !found;
}

/* Clients are answered before processes have ended and files are removed, and the host sees the end
 * of a connection when it comes to it. Looks for as long as the watchdog lets it. */
static void wait_until_gone(void) {
  char path[64];
  unsigned all, sockets;
  snprintf(path, sizeof path, "%s/sandboxes", state_dir);
  do {
    usleep(PACE_US);
    program_descriptors(&program, &all, &sockets);
  } while (!empty(path) || program_descendants(&program) > 0 || sockets > idle_sockets);
}

/* The host may be freeing the last of them yet: the least of some looks. */
static size_t settled_kb(void) {
  size_t least = SIZE_MAX;
  for (unsigned looks = 0; looks < LOOKS; looks++) {
    size_t kb = program_resident_kb(&program);
    if (kb < least) least = kb;
    usleep(PACE_US);
  }
  return least;
}

static void come_and_go(void **state) {
  size_t resident[ROUNDS + 1];
  unsigned descriptors[ROUNDS + 1], sockets;
  (void)state;
  for (size_t round = 0; round <= ROUNDS; round++) {
    double start = seconds();
    size_t before = program_resident_kb(&program);
    client = program_client(&program, &loop);
    each(make_one);
    size_t full = program_resident_kb(&program);
    double made = seconds();
    each(end_one);
    program_client_close(client, &loop);
    double ended = seconds();
    wait_until_gone();
    resident[round] = settled_kb();
    program_descriptors(&program, &descriptors[round], &sockets);
    print_message("round %zu: %zu sandboxes in %.1f s, ended in %.1f s; host: %zu KB before, "
                  "%zu KB with them, %zu KB after, %u descriptors\n",
                  round, wanted, made - start, ended - made, before, full, resident[round],
                  descriptors[round]);
  }
  for (size_t round = 1; round <= ROUNDS; round++) {
    assert_int_equal(descriptors[round], descriptors[0]);
    /* A sanitizer keeps what was freed; it looks for leaks itself, at the end. */
    if (!UNDER_ASAN || getenv("E2B_TEST_HOST_PROGRAM") != NULL)
      assert_in_range(resident[round], 0, resident[0] + resident[0] / 20);
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A figure for people; nothing depends on it. */
static void measure(void **state) {
  double took[IDLE_CREATES];
  (void)state;
  wanted = 1;
  for (size_t i = 0; i < IDLE_CREATES; i++) {
    client = program_client(&program, &loop);
    double start = seconds();
    each(make_one);
    took[i] = seconds() - start;
    each(end_one);
    program_client_close(client, &loop);
    wait_until_gone();
  }
  qsort(took, IDLE_CREATES, sizeof *took, ascending);
  print_message("from create to the result of a first command: median %.1f ms of %d\n",
                took[IDLE_CREATES / 2] * 1000, (int)IDLE_CREATES);
}

static int start(void **state) {
  const char *args[] = {"--state", state_dir, NULL};
  (void)state;
  alarm(WATCHDOG_S);
  if (mkdtemp(state_dir) == NULL || chmod(state_dir, 0755) != 0) return -1;
  if (uv_loop_init(&loop) != 0 || !program_start(&program, args)) return -1;
  unsigned all;
  program_descriptors(&program, &all, &idle_sockets);
  const char *number = getenv("E2B_TEST_CHURN");
  wanted = number != NULL ? strtoul(number, NULL, 10) : DEFAULT_SANDBOXES;
  return wanted > 0 && wanted <= MAX_SANDBOXES ? 0 : -1;
}

static int stop(void **state) {
  char text[PROGRAM_TEXT];
  (void)state;
  uv_run(&loop, UV_RUN_DEFAULT);
  int status = program_end(&program, SIGTERM);
  program_errors(&program, text);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    print_error("%s\n", text);
    return -1;
  }
  return program_orphans() == 0 && rmdir(state_dir) == 0 ? uv_loop_close(&loop) : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(come_and_go), cmocka_unit_test(measure)};
  return cmocka_run_group_tests_name("churn", tests, start, stop);
}
