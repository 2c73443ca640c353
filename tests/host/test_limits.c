/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/server.h"

/* What one sandbox may take of the machine. A host of its own, with small limits; all that goes
 * wrong in one sandbox leaves the next alone. */

enum { PROCESSES = 60, MEMORY_MB = 256, DISK_MB = 8 };

static e2b_host_t *host;
static e2b_client_t *client;
static e2b_sandbox_t *sandbox;
static uv_loop_t loop;
static char why[512];

static e2b_future_t *ok(e2b_future_t *future) {
  if (e2b_future_await(future, 60000) != 0) {
    const e2b_error_t *error = e2b_future_error(future);
    fail_msg("%s %s", error != NULL ? error->message : "?", error != NULL ? error->detail : "");
  }
  return future;
}

/* The exit code of a shell line, -1 when a signal ended it; 1000 when it could not be started. */
static int run(const char *user, const char *line) {
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = user;
  e2b_future_t *future = e2b_run_shell(sandbox, line, &options);
  int code = 1000;
  if (e2b_future_await(future, 60000) == 0) code = e2b_future_execution(future)->exit_code;
  e2b_future_release(future);
  return code;
}

static void processes(void **state) {
  (void)state;
  /* A bomb that goes off and burns out: each generation sleeps, nothing can be started. */
  for (int i = 0; i < 2; i++) {
    const char *user = i == 0 ? "user" : "root";
    assert_int_equal(run(user, "python3 - <<'E'\n"
                               "import os, time\n"
                               "count = 0\n"
                               "for i in range(500):\n"
                               "    try: pid = os.fork()\n"
                               "    except OSError: break\n"
                               "    if pid == 0: time.sleep(1); os._exit(0)\n"
                               "    count += 1\n"
                               "raise SystemExit(0 if 20 < count < 62 else 1)\n"
                               "E"),
                     0);
    /* They have gone, and there is room again. */
    int code = 1000;
    for (int tries = 0; tries < 100 && code != 0; tries++)
      code = run(user, "sleep 0.1; exit 0");
    assert_int_equal(code, 0);
  }
}

static void memory(void **state) {
  (void)state;
  static const char hog[] = "exec python3 -c 'import time\n"
                            "kept = []\n"
                            "for i in range(80):\n"
                            "    kept.append(bytearray(b\"x\") * (8 << 20)); time.sleep(0.02)'";
  static const char hidden[] = "exec python3 -c 'import ctypes, os, time\n"
                               "ctypes.CDLL(None).prctl(15, b\"RssAnon:\\t0\")\n"
                               "try: os.setgroups(range(30000))\n"
                               "except OSError: pass\n"
                               "kept = []\n"
                               "for i in range(80):\n"
                               "    kept.append(bytearray(b\"x\") * (8 << 20)); time.sleep(0.02)'";
  assert_int_equal(run("user", hog), -1);
  assert_int_equal(run("root", hog), -1);
  /* Neither its name nor its groups hide it. */
  assert_int_equal(run("user", hidden), -1);
  assert_int_equal(run("root", hidden), -1);
  assert_int_equal(run("user", "exec python3 -c 'x = bytearray(b\"x\") * (64 << 20)'"), 0);
}

/* Until there is room again: the sandbox looks from time to time. */
static void wait_for_room(void) {
  int code = -1;
  for (int tries = 0; tries < 300 && code != 0; tries++)
    code = run("user", "sleep 0.1; head -c 100000 /dev/zero > /tmp/fits");
  assert_int_equal(code, 0);
}

static void files(void **state) {
  (void)state;
  assert_int_equal(
      run("user", "head -c 20000000 /dev/zero 2>&1 > /tmp/large | grep -q 'too large'"), 0);
  assert_int_equal(run("user", "test $(stat -c %s /tmp/large) -le 8388608 && rm /tmp/large"), 0);
  assert_int_not_equal(run("root", "ulimit -f unlimited && head -c 9000000 /dev/zero > /tmp/l"), 0);
  assert_int_equal(run("root", "rm -f /tmp/l"), 0);
  wait_for_room();
}

static int write_small(void) {
  e2b_future_t *future = e2b_files_write(sandbox, "/home/user/small", "x", 1, NULL);
  int rc = e2b_future_await(future, 60000);
  e2b_future_release(future);
  return rc;
}

/* The file is there, empty as yet. */
static e2b_future_t *begin_upload(e2b_upload_t **upload) {
  e2b_future_t *future =
      e2b_files_write_stream(sandbox, "/home/user/long", NULL, NULL, NULL, upload);
  assert_int_equal(e2b_upload_write(*upload, "x", 1), 0);
  assert_int_equal(run("user", "until test -s /home/user/long; do sleep 0.02; done"), 0);
  return future;
}

static void end_upload(e2b_future_t *future, e2b_upload_t *upload) {
  e2b_upload_write(upload, "x", 1);
  e2b_upload_end(upload);
  assert_int_not_equal(e2b_future_await(future, 60000), 0);
  assert_int_equal(e2b_future_error(future)->http_status, 507);
  e2b_future_release(future);
  e2b_upload_release(upload);
}

/* Many files of which none is too large; the disk has room again when they are gone. */
static void disk(void **state) {
  (void)state;
  assert_int_equal(write_small(), 0);
  static const char fill[] = "mkdir -p /tmp/many\n"
                             "for i in $(seq 3000); do\n"
                             "  head -c 200000 /dev/zero > /tmp/many/$i || exit 7\n"
                             "  sleep 0.05\n"
                             "done 2>/dev/null";
  e2b_upload_t *upload;
  e2b_future_t *long_one = begin_upload(&upload);
  assert_int_equal(run("user", fill), 7);
  assert_int_not_equal(run("root", "head -c 200000 /dev/zero > /tmp/many/more"), 0);
  assert_int_equal(run("user", "test $(du -sk /tmp/many | cut -f 1) -lt 40000"), 0);
  assert_int_not_equal(write_small(), 0);
  /* Nor does one go on that had begun before. */
  end_upload(long_one, upload);
  assert_int_equal(run("user", "test $(stat -c %s /home/user/long) = 1"), 0);
  assert_int_equal(run("user", "rm -r /tmp/many"), 0);
  wait_for_room();
  assert_int_equal(write_small(), 0);
}

/* Writes into files until that fails or goes on for too long; `file` opens one. */
static void never_ends(const char *user, const char *first, const char *file) {
  char line[1200];
  snprintf(line, sizeof line,
           "exec python3 - <<'E'\n"
           "import os, time\n"
           "os.makedirs('/tmp/hidden'); os.chdir('/tmp/hidden'); kept = []\n"
           "%s\n"
           "for i in range(400):\n"
           "    f = os.open('f%%d' %% i, os.O_CREAT | os.O_WRONLY)\n"
           "    try: os.write(f, bytes(1 << 20))\n"
           "    except OSError: raise SystemExit(7)\n"
           "    %s; time.sleep(0.02)\n"
           "E",
           first, file);
  /* On a machine with much to do it may be found out late, and is then ended. */
  int code = run(user, line);
  if (code != 7 && code != -1) fail_msg("%d: %s", code, line);
  assert_int_equal(run("root", "rm -rf /tmp/hidden"), 0);
  wait_for_room();
}

/* None of these makes a file cost less. */
static void hidden_files(void **state) {
  (void)state;
  /* It has no name. */
  never_ends("user", "", "os.unlink('f%d' % i); kept.append(f)");
  /* It has many. */
  never_ends("user", "", "[os.link('f%d' % i, 'l%d-%d' % (i, n)) for n in range(1100)]");
  /* It lies so deep that nobody comes there. */
  never_ends("root", "for i in range(40): os.mkdir('d' * 200); os.chdir('d' * 200)", "os.close(f)");
}

/* Whoever takes the limit back for himself is ended. */
static void overdraft(void **state) {
  (void)state;
  assert_int_equal(run("root", "exec python3 - <<'E'\n"
                               "import os, resource, time\n"
                               "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
                               "os.makedirs('/tmp/over', exist_ok=True)\n"
                               "for i in range(2000):\n"
                               "    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
                               "    try: open('/tmp/over/%d' % i, 'wb').write(bytes(1 << 20))\n"
                               "    except OSError: pass\n"
                               "    time.sleep(0.02)\n"
                               "E"),
                   -1);
  assert_int_equal(run("root", "test $(du -sm /tmp/over | cut -f 1) -lt 1000"), 0);
  assert_int_equal(run("root", "rm -r /tmp/over"), 0);
  wait_for_room();
}

static void told(void **state) {
  (void)state;
  e2b_future_t *future = ok(e2b_sandbox_get_info(sandbox));
  const e2b_sandbox_info_t *info = e2b_future_sandbox_info(future);
  assert_int_equal(info->memory_mb, MEMORY_MB);
  e2b_future_release(future);
}

/* An environment that no sandbox could run is refused at the start, with the reason. */
static void python(void **state) {
  (void)state;
  char dir[] = "/tmp/e2b-python-XXXXXX", bin[64], link[64], text[512];
  e2b_host_options options;
  e2b_host_t *none = NULL;
  assert_non_null(mkdtemp(dir));
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.python_dir = dir;
  assert_int_equal(e2b_host_start(&loop, &options, &none, text, sizeof text), E2B_EINVAL);
  assert_non_null(strstr(text, "is no Python environment"));
  snprintf(bin, sizeof bin, "%s/bin", dir);
  snprintf(link, sizeof link, "%s/bin/python3", dir);
  assert_int_equal(mkdir(bin, 0755), 0);
  /* Somewhere that is neither below it nor below /usr: this very program. */
  assert_int_equal(symlink("/proc/self/exe", link), 0);
  assert_int_equal(e2b_host_start(&loop, &options, &none, text, sizeof text), E2B_EINVAL);
  assert_non_null(strstr(text, "which no sandbox sees"));
  unlink(link);
  if (geteuid() == 0) {
    assert_int_equal(symlink("/usr/bin/env", link), 0);
    assert_int_equal(e2b_host_start(&loop, &options, &none, text, sizeof text), E2B_EINVAL);
    assert_non_null(strstr(text, "is closed to others"));
    unlink(link);
  }
  assert_null(none);
  rmdir(bin);
  rmdir(dir);
}

/* ---- the stage ---- */

static int open_all(void **state) {
  e2b_host_options options;
  e2b_client_options client_options;
  (void)state;
  if (uv_loop_init(&loop) != 0) return -1;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.processes = PROCESSES;
  options.memory_mb = MEMORY_MB;
  options.disk_mb = DISK_MB;
  if (e2b_host_start(&loop, &options, &host, why, sizeof why) != 0) {
    print_message("skipped: %s\n", why);
    return 0;
  }
  E2B_INIT(&client_options);
  client_options.api_url = client_options.sandbox_url = e2b_host_url(host);
  client_options.api_key = e2b_host_api_key(host);
  client = e2b_client_new(&loop, &client_options);
  e2b_future_t *future = e2b_sandbox_create(client, NULL);
  if (e2b_future_await(future, 60000) != 0) return -1;
  sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  return 0;
}

static int need_host(void **state) {
  (void)state;
  if (host == NULL) skip();
  return 0;
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static int close_all(void **state) {
  bool client_closed = host == NULL, host_closed = host == NULL;
  (void)state;
  if (host != NULL) {
    e2b_sandbox_release(sandbox);
    e2b_client_close(client, on_closed, &client_closed);
    e2b_host_close(host, on_closed, &host_closed);
  }
  while (!client_closed || !host_closed)
    uv_run(&loop, UV_RUN_ONCE);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop);
}

#define LIMIT_TEST(function) cmocka_unit_test_setup(function, need_host)

int main(void) {
  const struct CMUnitTest tests[] = {
      LIMIT_TEST(processes),    LIMIT_TEST(memory),    LIMIT_TEST(files), LIMIT_TEST(disk),
      LIMIT_TEST(hidden_files), LIMIT_TEST(overdraft), LIMIT_TEST(told),  LIMIT_TEST(python),
  };
  return cmocka_run_group_tests_name("limits", tests, open_all, close_all);
}
