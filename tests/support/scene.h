/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_SCENE_H
#define E2B_TESTS_SUPPORT_SCENE_H

/* What every end-to-end program has: a loop, a server, a client, one sandbox, a directory in it.
 * Futures and handles that a test gets through these helpers are released after it, so that a test
 * reads as a list of calls and of what they must answer. All waiting is bounded. */

#include "e2b/e2b.h"
#include "support/server.h"

typedef struct scene {
  struct uv_loop_s *loop;
  server server;
  e2b_client_t *client;
  e2b_sandbox_t *sandbox;
} scene_t;

extern scene_t scene;

enum { SCENE_ID_SIZE = 128 };

/* For cmocka_run_group_tests(): everything above; the loop closes without a handle left. */
int scene_open(void **state);
int scene_close(void **state);
int scene_tidy(void **state);

#define SCENE_TEST(function) cmocka_unit_test_setup_teardown(function, NULL, scene_tidy)
#define SCENE_RUN(name, tests)                                                \
  int main(void) {                                                            \
    return cmocka_run_group_tests_name(name, tests, scene_open, scene_close); \
  }

/* Waits; the future must succeed (or fail with that code) within two minutes. */
e2b_future_t *scene_ok(e2b_future_t *future, const char *what, const char *file, int line);
const e2b_error_t *scene_fails(int code, e2b_future_t *future, const char *what, const char *file,
                               int line);
#define OK(call)          scene_ok((call), #call, __FILE__, __LINE__)
#define FAILS(code, call) scene_fails((code), (call), #call, __FILE__, __LINE__)
#define YES(call)         e2b_future_bool(OK(call))
#define RAN(call)         e2b_future_execution(OK(call))
#define INFO(call)        e2b_future_file_info(OK(call))
#define LISTED(call)      e2b_future_file_list(OK(call))
#define BYTES(call)       e2b_future_bytes(OK(call))
#define STARTED(call)     scene_command(OK(call))
#define MADE(call)        scene_sandbox(OK(call))

/* The future is released after the test. */
e2b_future_t *scene_keep(e2b_future_t *future);
/* The handle in it, released after the test; a sandbox is killed too. */
e2b_command_t *scene_command(e2b_future_t *future);
e2b_sandbox_t *scene_sandbox(e2b_future_t *future);

/* Turns the loop for so long, or until *flag. Answers *flag. For what comes by callback, and as
 * the pace of a poll. */
bool scene_turn(uint64_t ms, const bool *flag);
#define LONG_ENOUGH_MS 120000
#define PACE_MS        20
/* One more try of a poll: turns the loop a little; fails the test after two minutes of them.
 *     for (unsigned tries = 0; !there(); tries++) scene_pace(tries);  */
void scene_pace(unsigned tries);

/* An absolute path in the scene's own directory; lent for the test. */
const char *scene_path(const char *name);
/* A shell line, as the default user, which must exit with 0; its output. */
const char *scene_shell(const char *line);
/* Whether a shell line exits with 0. */
bool scene_can(const char *line);
/* Waits until a process of that name runs there, or until none does. */
void scene_until_runs(const char *name);
void scene_until_gone(const char *name);
/* For the opening of a group: a terminal that stays. False when there is none. */
bool scene_terminal_id(char id[SCENE_ID_SIZE]);
/* A client like the scene's, after `change` (may be NULL) has seen its options. Closed after. */
e2b_client_t *scene_client(void (*change)(e2b_client_options *options));

void assert_bytes(e2b_bytes_t got, const void *expected, size_t len);
#define assert_out(execution, text) assert_bytes((execution)->stdout_data, (text), strlen(text))
#define assert_err(execution, text) assert_bytes((execution)->stderr_data, (text), strlen(text))

#endif
