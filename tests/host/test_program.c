/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/program.h"

/* The end of the program e2b-host, wanted or not: nothing of its sandboxes outlives it. */

enum { SANDBOXES = 50, WATCHDOG_S = 240 };

static uv_loop_t loop;
static e2b_client_t *client;
static program_t program;
static char state_dir[64];
static e2b_sandbox_t *sandboxes[SANDBOXES];
static e2b_command_t *commands[SANDBOXES];
static int ptys[SANDBOXES];

static e2b_future_t *ok(e2b_future_t *future) {
  if (e2b_future_await(future, 120000) != 0) {
    const e2b_error_t *error = e2b_future_error(future);
    fail_msg("%s %s", error != NULL ? error->message : "?", error != NULL ? error->detail : "");
  }
  return future;
}

/* ---- a sandbox full of life ---- */

/* A terminal that stays open, and the answer has begun. */
static int open_pty(const char *sandbox_id) {
  static const char body[] =
      "{\"process\":{\"cmd\":\"/bin/bash\",\"args\":[\"-i\"]},\"pty\":{\"size\":{\"cols\":80,"
      "\"rows\":24}}}";
  char request[1024], answer[4096];
  size_t have = 0;
  struct sockaddr_in address;
  const char *port = strrchr(program.url, ':');
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)atoi(port + 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  int len = snprintf(request, sizeof request,
                     "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\n"
                     "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: 49983\r\n"
                     "Content-Type: application/connect+json\r\nContent-Length: %zu\r\n\r\n",
                     sandbox_id, sizeof body - 1 + 5);
  memcpy(request + len, "\0\0\0\0", 4);
  request[len + 4] = (char)(sizeof body - 1);
  memcpy(request + len + 5, body, sizeof body - 1);
  size_t whole = (size_t)len + 5 + sizeof body - 1;
  assert_int_equal(send(fd, request, whole, MSG_NOSIGNAL), (ssize_t)whole);
  while (memmem(answer, have, "\"start\"", 7) == NULL) {
    ssize_t got = recv(fd, answer + have, sizeof answer - have, 0);
    assert_true(got > 0);
    have += (size_t)got;
  }
  return fd;
}

typedef struct listening {
  char said[16];
  size_t len;
} listening_t;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  listening_t *it = user_data;
  (void)command;
  for (size_t i = 0; i < len && it->len + 1 < sizeof it->said; i++)
    it->said[it->len++] = data[i];
}

static void populate(void) {
  static listening_t listening[SANDBOXES];
  e2b_future_t *made[SANDBOXES], *started[SANDBOXES];
  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = "base";
  create.secure = E2B_OFF;
  memset(listening, 0, sizeof listening);
  for (size_t i = 0; i < SANDBOXES; i++)
    made[i] = e2b_sandbox_create(client, &create);
  for (size_t i = 0; i < SANDBOXES; i++) {
    sandboxes[i] = e2b_future_sandbox(ok(made[i]));
    e2b_future_release(made[i]);
    e2b_run_options run;
    E2B_INIT(&run);
    run.on_stdout = on_output;
    run.user_data = &listening[i];
    char line[512];
    /* Besides what listens, a program that has left its session. Without network namespaces not
     * all can have the same port. */
    snprintf(line, sizeof line,
             "setsid sleep 1000 >/dev/null 2>&1 & python3 -c \"import socket, time\n"
             "s = socket.socket(); s.bind(('127.0.0.1', %d)); s.listen()\n"
             "print('listening', flush=True); time.sleep(1000)\"; true",
             getenv("E2B_TEST_NO_ISOLATION") != NULL ? 0 : 8000);
    started[i] = e2b_command_start_shell(sandboxes[i], line, &run);
  }
  for (size_t i = 0; i < SANDBOXES; i++) {
    commands[i] = e2b_future_command(ok(started[i]));
    e2b_future_release(started[i]);
    ptys[i] = open_pty(e2b_sandbox_id(sandboxes[i]));
    while (strcmp(listening[i].said, "listening\n") != 0)
      uv_run(&loop, UV_RUN_ONCE);
  }
}

static void forget(void) {
  for (size_t i = 0; i < SANDBOXES; i++) {
    close(ptys[i]);
    e2b_command_release(commands[i]);
    e2b_sandbox_release(sandboxes[i]);
  }
}

static size_t listed(void) {
  e2b_future_t *future = ok(e2b_sandbox_list(client, NULL));
  size_t count = e2b_future_sandbox_list(future)->count;
  e2b_future_release(future);
  return count;
}

/* ---- what is left ---- */

static size_t entries(const char *below) {
  char path[128];
  size_t count = 0;
  struct dirent *entry;
  snprintf(path, sizeof path, "%s%s", state_dir, below);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while ((entry = readdir(dir)) != NULL)
    count += entry->d_name[0] != '.';
  closedir(dir);
  return count;
}

static bool is_mounted(const char *path) {
  char line[4096];
  bool found = false;
  FILE *file = fopen("/proc/self/mountinfo", "re");
  assert_non_null(file);
  while (!found && fgets(line, sizeof line, file) != NULL)
    found = strstr(line, path) != NULL;
  fclose(file);
  return found;
}

/* ---- a client of the program ---- */

static void client_end(void) {
  program_client_close(client, &loop);
  client = NULL;
}

static void start_here(void) {
  const char *args[] = {"--state", state_dir, NULL};
  char text[PROGRAM_TEXT];
  if (!program_start(&program, args)) {
    program_errors(&program, text);
    fail_msg("it does not start: %s", text);
  }
  client = program_client(&program, &loop);
}

static int enter(void **state) {
  (void)state;
  strcpy(state_dir, "/tmp/e2b-program-XXXXXX");
  if (mkdtemp(state_dir) == NULL || chmod(state_dir, 0755) != 0) return -1;
  alarm(WATCHDOG_S);
  return uv_loop_init(&loop);
}

static int leave(void **state) {
  (void)state;
  client_end();
  alarm(0);
  return uv_loop_close(&loop) != 0 || rmdir(state_dir) != 0 ? -1 : 0;
}

/* ---- the tests ---- */

static void killed(void **state) {
  (void)state;
  start_here();
  populate();
  assert_int_equal(entries("/sandboxes"), SANDBOXES);
  /* The shell, its program, its orphan, the terminal. */
  assert_true(program_descendants(&program) >= SANDBOXES * 4);
  int status = program_end(&program, SIGKILL);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  /* Waits for every process; a survivor is the watchdog's. */
  program_orphans();
  assert_false(is_mounted(state_dir));
  forget();
  client_end();
  close(program.errors);

  start_here();
  assert_int_equal(entries("/sandboxes"), 0);
  assert_int_equal(listed(), 0);
  client_end();
  status = program_end(&program, SIGTERM);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(program.errors);
  assert_int_equal(entries(""), 0);
}

static void terminated(void **state) {
  (void)state;
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    char text[PROGRAM_TEXT];
    start_here();
    if (i == 0) populate();
    int status = program_end(&program, signals[i]);
    program_errors(&program, text);
    /* Sanitizers report leaks by another status. */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s", text);
    assert_int_equal(program_orphans(), 0);
    assert_false(is_mounted(state_dir));
    assert_int_equal(entries(""), 0);
    if (i == 0) forget();
    client_end();
    close(program.errors);
  }
}

#define LIFE_TEST(function) cmocka_unit_test_setup_teardown(function, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {LIFE_TEST(killed), LIFE_TEST(terminated)};
  return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
