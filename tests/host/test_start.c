/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "listen/listener.h"
#include "support/program.h"

/* What the program e2b-host says to people: why it does not start, in one sentence, and what goes
 * on. */

enum { WATCHDOG_S = 60, NOBODY = 65534 };

/* One line, from the program, with these words; nothing else. */
static void complains(const char *const *args, int (*prepare)(void *), void *ctx, int status,
                      const char *words) {
  char text[PROGRAM_TEXT];
  int got = program_run(args, prepare, ctx, text);
  if (got == 99) {
    print_message("skipped: this machine does not allow it\n");
    return;
  }
  size_t len = strlen(text);
  if (got != status || strncmp(text, "e2b-host: ", 10) != 0 || strstr(text, words) == NULL ||
      len == 0 || strchr(text, '\n') != text + len - 1)
    fail_msg("status %d and '%s' were expected, not %d and: %s", status, words, got, text);
}

/* Whether or not whom it was given to has closed it. */
static void a_socket_is_closed_once(void **state) {
  char why[200];
  int ends[2];
  (void)state;
  int fd = e2b__listener_open("127.0.0.1:0", 0, why, sizeof why);
  assert_true(fd >= 0);
  e2b__listener_mark_t mark = e2b__listener_mark(fd);
  e2b__listener_close(&mark);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
  fd = e2b__listener_open("127.0.0.1:0", 0, why, sizeof why);
  mark = e2b__listener_mark(fd);
  close(fd);
  assert_int_equal(pipe(ends), 0);
  assert_true(ends[0] == fd || ends[1] == fd);
  e2b__listener_close(&mark);
  assert_true(fcntl(fd, F_GETFD) >= 0);
  close(ends[0]);
  close(ends[1]);
  mark = e2b__listener_mark(-1);
  e2b__listener_close(&mark);
}

static void options(void **state) {
  static const struct {
    const char *args[4];
    int status;
    const char *words;
  } cases[] = {
      {{"--nonsense"}, 2, "unknown option '--nonsense' (see --help)"},
      {{"sandbox"}, 2, "unknown option 'sandbox' (see --help)"},
      {{"--listen"}, 2, "--listen needs a value"},
      {{"--max-sandboxes", "0"}, 2, "--max-sandboxes needs a number above 0, not '0'"},
      {{"--memory-mb", "2GB"}, 2, "--memory-mb needs a number above 0, not '2GB'"},
      {{"--listen", "here"}, 1, "cannot listen on 'here': give an IP address and a port"},
      {{"--listen", "127.0.0.1:70000"}, 1, "cannot listen on '127.0.0.1:70000'"},
      {{"--api-key", ""}, 1, "the API key is empty"},
      {{"--state", "/proc/none"}, 1, "cannot use /proc/none for the sandboxes: No such file"},
      {{"--state", "/etc/passwd"}, 1, "cannot use /etc/passwd for the sandboxes: Not a directory"},
      {{"--python", "/none"},
       1,
       "cannot use the Python environment /none: No such file or directory (scripts/python-env.sh "
       "makes one)"},
      {{"--domain", "a.localhost"}, 1, "are of use only with TLS (--tls)"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    complains(cases[i].args, NULL, NULL, cases[i].status, cases[i].words);
}

static void help(void **state) {
  static const char *const args[] = {"--help", NULL};
  char text[PROGRAM_TEXT];
  (void)state;
  assert_int_equal(program_run(args, NULL, NULL, text), 0);
  assert_memory_equal(text, "e2b-host: ", 10);
  assert_non_null(strstr(text, "--no-isolation"));
}

static void busy_port(void **state) {
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  char listen_on[32];
  (void)state;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
  assert_int_equal(listen(fd, 1), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  snprintf(listen_on, sizeof listen_on, "127.0.0.1:%u", ntohs(address.sin_port));
  const char *args[] = {"--listen", listen_on,
                        getenv("E2B_TEST_NO_ISOLATION") ? "--no-isolation" : NULL, NULL};
  complains(args, NULL, NULL, 1, "Address already in use");
  close(fd);
}

/* ---- places that cannot be written to ---- */

/* Who may run the program all the same. */
static int become_nobody(void *ctx) {
  (void)ctx;
  if (getuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) return -1;
  return access(program_path(), X_OK);
}

static void no_permission(void **state) {
  char dir[] = "/tmp/e2b-closed-XXXXXX", words[128];
  const char *args[] = {"--no-isolation", "--state", dir, NULL};
  (void)state;
  assert_non_null(mkdtemp(dir));
  assert_int_equal(chmod(dir, 0555), 0);
  snprintf(words, sizeof words, "cannot use %s for the sandboxes: Permission denied", dir);
  complains(args, become_nobody, NULL, 1, words);
  assert_int_equal(rmdir(dir), 0);
}

static int mount_small(void *dir) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return -1;
  if (mount("none", dir, "tmpfs", 0, "size=64k,mode=755") != 0) return -1;
  return 0;
}

static void full_at_the_start(void **state) {
  char dir[] = "/tmp/e2b-full-XXXXXX";
  (void)state;
  if (geteuid() != 0 || getenv("E2B_TEST_NO_ISOLATION") != NULL) skip();
  assert_non_null(mkdtemp(dir));
  const char *args[] = {"--listen", "127.0.0.1:0", "--state", dir, NULL};
  complains(args, mount_small, dir, 1, "No space left on device");
  assert_int_equal(rmdir(dir), 0);
}

/* ---- what goes on ---- */

static uv_loop_t loop;
static program_t program;
static e2b_client_t *client;

static void client_open(void) {
  e2b_client_options it;
  assert_int_equal(uv_loop_init(&loop), 0);
  E2B_INIT(&it);
  it.api_url = it.sandbox_url = program.url;
  it.api_key = program.key;
  client = e2b_client_new(&loop, &it);
  assert_non_null(client);
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static void client_end(void) {
  bool closed = false;
  e2b_client_close(client, on_closed, &closed);
  while (!closed)
    uv_run(&loop, UV_RUN_ONCE);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void contains(const char *text, const char *fmt, const char *id) {
  char line[200];
  snprintf(line, sizeof line, fmt, id);
  if (strstr(text, line) == NULL) fail_msg("'%s' is not in: %s", line, text);
}

static void log_lines(void **state) {
  static const char *const args[] = {"--verbose", NULL};
  char text[PROGRAM_TEXT], id[64];
  (void)state;
  assert_true(program_start(&program, args));
  client_open();
  e2b_future_t *future = e2b_sandbox_create(client, NULL);
  assert_int_equal(e2b_future_await(future, 30000), 0);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  snprintf(id, sizeof id, "%s", e2b_sandbox_id(sandbox));
  future = e2b_files_read(sandbox, "/none\n", NULL);
  assert_int_equal(e2b_future_await(future, 30000), E2B_ENOTFOUND);
  e2b_future_release(future);
  future = e2b_sandbox_kill(sandbox);
  assert_int_equal(e2b_future_await(future, 30000), 0);
  e2b_future_release(future);
  e2b_sandbox_release(sandbox);
  client_end();
  assert_int_equal(program_end(&program, SIGTERM), 0);
  program_errors(&program, text);
  contains(text, "e2b-host: listening on %s\n", program.url);
  contains(text, "e2b-host: sandbox %s: running (code-interpreter-v1)\n", id);
  contains(text, "e2b-host: debug: POST /sandboxes: 201, %s", "");
  contains(text, "e2b-host: debug: sandbox %s, port 49983: GET /files: 404, ", id);
  contains(text, "e2b-host: sandbox %s: ended (killed by its client)\n", id);
  assert_null(strstr(text, program.key));
  assert_null(strstr(text, "none"));
  close(program.errors);
}

/* ---- a disk that fills up while it runs ---- */

static void full_later(void **state) {
  char dir[] = "/tmp/e2b-full-XXXXXX", text[PROGRAM_TEXT], file[64];
  const char *args[] = {"--state", dir, NULL};
  static const char filler[65536];
  int status = 0;
  (void)state;
  if (geteuid() != 0 || getenv("E2B_TEST_NO_ISOLATION") != NULL) skip();
  assert_non_null(mkdtemp(dir));
  fflush(NULL);
  /* The mount is seen by a child of the test and the program, and by nobody else. */
  pid_t pid = fork();
  if (pid == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=8m,mode=755") != 0)
      _exit(99);
    if (!program_start(&program, args)) _exit(1);
    snprintf(file, sizeof file, "%s/filler", dir);
    FILE *full = fopen(file, "w");
    while (fwrite(filler, sizeof filler, 1, full) == 1) {
    }
    fclose(full);
    client_open();
    e2b_future_t *future = e2b_sandbox_create(client, NULL);
    bool refused = e2b_future_await(future, 30000) != 0;
    e2b_future_release(future);
    unlink(file);
    future = e2b_sandbox_create(client, NULL);
    bool back = e2b_future_await(future, 30000) == 0;
    e2b_sandbox_release(e2b_future_sandbox(future));
    e2b_future_release(future);
    client_end();
    bool ended = program_end(&program, SIGTERM) == 0;
    program_errors(&program, text);
    bool told = strstr(text, "No space left on device") != NULL;
    if (!refused || !back || !ended || !told)
      fprintf(stderr, "refused %d, back %d, ended %d: %s\n", refused, back, ended, text);
    _exit(refused && back && ended && told ? 0 : 2);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(rmdir(dir), 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 99) skip();
  assert_int_equal(status, 0);
}

static int watch(void **state) {
  (void)state;
  alarm(WATCHDOG_S);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_socket_is_closed_once),
      cmocka_unit_test(options),
      cmocka_unit_test(help),
      cmocka_unit_test(busy_port),
      cmocka_unit_test(no_permission),
      cmocka_unit_test(full_at_the_start),
      cmocka_unit_test(log_lines),
      cmocka_unit_test(full_later),
  };
  return cmocka_run_group_tests_name("start", tests, watch, NULL);
}
