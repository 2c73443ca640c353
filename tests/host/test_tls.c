/* SPDX-License-Identifier: MIT */
#include "support/test.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "e2b/host.h"
#include "host/certificate.h"
#include "support/echo.h"

/* A host with TLS and a client that knows its domain, its key and its authority, nothing else. */

enum { LONG_ENOUGH_MS = 60000, MANY = 200, MOST = 1024 };

static uv_loop_t loop;
static e2b_host_t *host;
static e2b_client_t *client;
static char scratch[64], authority[96]; /* directories */
static e2b_future_t *kept[MOST];
static size_t kept_count;

/* ---- waiting ---- */

static e2b_future_t *keep(e2b_future_t *future) {
  assert_true(kept_count < MOST);
  return kept[kept_count++] = future;
}

static e2b_future_t *ok(e2b_future_t *future) {
  if (e2b_future_await(keep(future), LONG_ENOUGH_MS) != 0) {
    const e2b_error_t *error = e2b_future_error(future);
    fail_msg("%s: %s", error != NULL ? error->message : "?", error != NULL ? error->detail : "");
  }
  return future;
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static void turn_until(const bool *flag) {
  while (!*flag && uv_run(&loop, UV_RUN_ONCE) != 0) {
  }
  assert_true(*flag);
}

/* ---- hosts and clients ---- */

static int start(const char *domain, const char *ca_dir, char *why, size_t why_size) {
  const char *without = getenv("E2B_TEST_NO_ISOLATION");
  e2b_host_options options;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.tls = 1;
  options.domain = domain;
  options.ca_dir = ca_dir;
  int rc = e2b_host_start(&loop, &options, &host, why, why_size);
  if (rc == 0 || rc == E2B_EINVAL || without == NULL || strcmp(without, "1") != 0) return rc;
  options.no_isolation = 1;
  return e2b_host_start(&loop, &options, &host, why, why_size);
}

static void host_up(const char *domain, const char *ca_dir) {
  char why[512] = "";
  if (start(domain, ca_dir, why, sizeof why) != 0) fail_msg("%s", why);
}

static void host_down(void) {
  bool closed = false;
  if (host == NULL) return;
  e2b_host_close(host, on_closed, &closed);
  host = NULL;
  turn_until(&closed);
}

static void client_up(const char *ca_file) {
  e2b_client_options options;
  E2B_INIT(&options);
  options.domain = e2b_host_domain(host);
  options.api_key = e2b_host_api_key(host);
  options.ca_file = ca_file;
  client = e2b_client_new(&loop, &options);
  assert_non_null(client);
}

static void client_down(void) {
  bool closed = false;
  if (client == NULL) return;
  e2b_client_close(client, on_closed, &closed);
  client = NULL;
  turn_until(&closed);
}

/* Also where the test before failed. */
static int tidy(void **state) {
  (void)state;
  client_down();
  while (kept_count > 0)
    e2b_future_release(kept[--kept_count]);
  host_down();
  return 0;
}

static e2b_sandbox_t *create(void) {
  e2b_create_options options;
  E2B_INIT(&options);
  options.template_id = "base";
  e2b_sandbox_t *sandbox = e2b_future_sandbox(ok(e2b_sandbox_create(client, &options)));
  assert_non_null(sandbox);
  return sandbox;
}

/* ---- by name ---- */

static void a_domain_a_key_and_an_authority_are_enough(void **state) {
  char name[300], expected[300];
  (void)state;
  host_up(NULL, authority);
  assert_int_equal(strncmp(e2b_host_url(host), "https://127.0.0.1:", 18), 0);
  assert_int_equal(strncmp(e2b_host_domain(host), "e2b.localhost:", 14), 0);
  client_up(e2b_host_ca_file(host));
  e2b_sandbox_t *sandbox = create();
  assert_string_equal(e2b_sandbox_domain(sandbox), e2b_host_domain(host));
  snprintf(expected, sizeof expected, "8000-%s.%s", e2b_sandbox_id(sandbox), e2b_host_domain(host));
  e2b_sandbox_host(sandbox, 8000, name, sizeof name);
  assert_string_equal(name, expected);

  e2b_future_t *future = ok(e2b_run_shell(sandbox, "echo from afar; exit 3", NULL));
  assert_string_equal(e2b_future_execution(future)->stdout_data.ptr, "from afar\n");
  assert_int_equal(e2b_future_execution(future)->exit_code, 3);

  /* More than one record, and more than any buffer on the way. */
  size_t len = 3000000;
  char *text = test_malloc(len);
  for (size_t i = 0; i < len; i++)
    text[i] = (char)(i * 7 + i / 251);
  ok(e2b_files_write(sandbox, "/tmp/libe2b-test-tls", text, len, NULL));
  future = ok(e2b_files_read(sandbox, "/tmp/libe2b-test-tls", NULL));
  assert_int_equal(e2b_future_bytes(future)->len, len);
  assert_memory_equal(e2b_future_bytes(future)->ptr, text, len);
  test_free(text);
  ok(e2b_files_remove(sandbox, "/tmp/libe2b-test-tls", NULL));

  assert_true(e2b_future_bool(ok(e2b_sandbox_kill(sandbox))));
  assert_false(e2b_future_bool(ok(e2b_sandbox_kill(sandbox))));
  e2b_sandbox_release(sandbox);
}

static void another_authority_is_refused(void **state) {
  char other[128], file[160];
  (void)state;
  snprintf(other, sizeof other, "%s/other", scratch);
  host_up(NULL, other);
  snprintf(file, sizeof file, "%s", e2b_host_ca_file(host));
  host_down();
  host_up(NULL, authority);
  client_up(file);
  e2b_future_t *future = keep(e2b_sandbox_create(client, NULL));
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), E2B_ETLS);
  future = keep(e2b_sandbox_list(client, NULL));
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), E2B_ETLS);
}

/* ---- a WebSocket ---- */

typedef struct echoed {
  char line[16], text[64];
  size_t line_len;
  unsigned messages;
  bool announced;
} echoed_t;

static void on_port(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  echoed_t *it = user_data;
  (void)command;
  for (size_t i = 0; i < len && it->line_len < sizeof it->line - 1; i++) {
    it->line[it->line_len++] = data[i];
    it->announced |= data[i] == '\n';
  }
}

static void on_echo(e2b_websocket_t *websocket, e2b_message_kind_t kind, const char *data,
                    size_t len, void *user_data) {
  echoed_t *it = user_data;
  (void)kind;
  snprintf(it->text, sizeof it->text, "%.*s", (int)len, data);
  if (it->messages++ == 0) {
    assert_int_equal(e2b_websocket_send(websocket, E2B_MESSAGE_TEXT, "over TLS", 8), 0);
  } else {
    e2b_websocket_close(websocket, 1000, NULL);
  }
}

static void a_websocket_finds_its_port_by_name(void **state) {
  const char *const args[] = {"-c", echo_program, NULL};
  echoed_t it = {.announced = false};
  e2b_run_options run;
  e2b_websocket_options options;
  (void)state;
  host_up(NULL, authority);
  client_up(e2b_host_ca_file(host));
  e2b_sandbox_t *sandbox = create();
  E2B_INIT(&run);
  run.on_stdout = on_port;
  run.user_data = &it;
  e2b_future_t *started = ok(e2b_command_start(sandbox, "python3", args, &run));
  turn_until(&it.announced);
  E2B_INIT(&options);
  options.on_message = on_echo;
  options.user_data = &it;
  options.protocols = "chat";
  const uint16_t port = (uint16_t)strtoul(it.line, NULL, 10);
  e2b_future_t *future = ok(e2b_sandbox_websocket(sandbox, port, "/by/name", &options));
  e2b_websocket_t *websocket = e2b_future_websocket(future);
  ok(e2b_websocket_wait(websocket));
  assert_int_equal(it.messages, 2);
  assert_string_equal(it.text, "over TLS");
  e2b_websocket_release(websocket);
  future = keep(e2b_sandbox_websocket(sandbox, 9, "/", NULL));
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), E2B_EPORTCLOSED);
  e2b_command_t *command = e2b_future_command(started);
  ok(e2b_command_kill(command));
  e2b_command_release(command);
  ok(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

/* ---- streams ---- */

typedef struct heard {
  e2b_sandbox_t *sandbox;
  uint64_t first, last; /* loop's clock */
  bool killed;
} heard_t;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  heard_t *heard = user_data;
  (void)command;
  (void)data;
  (void)len;
  uv_update_time(&loop);
  if (heard->first == 0) heard->first = uv_now(&loop);
  heard->last = uv_now(&loop);
  if (heard->sandbox != NULL && !heard->killed) {
    heard->killed = true;
    keep(e2b_sandbox_kill(heard->sandbox));
  }
}

static void output_comes_as_it_is_printed(void **state) {
  heard_t heard = {NULL, 0, 0, false};
  e2b_run_options options;
  (void)state;
  host_up(NULL, authority);
  client_up(e2b_host_ca_file(host));
  e2b_sandbox_t *sandbox = create();
  E2B_INIT(&options);
  options.on_stdout = on_output;
  options.user_data = &heard;
  ok(e2b_run_shell(sandbox, "echo one; sleep 1; echo two", &options));
  assert_true(heard.first != 0 && heard.last - heard.first >= 500);
  ok(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

static void killing_a_sandbox_resets_its_streams(void **state) {
  e2b_run_options options;
  (void)state;
  host_up(NULL, authority);
  client_up(e2b_host_ca_file(host));
  e2b_sandbox_t *sandbox = create();
  heard_t heard = {sandbox, 0, 0, false};
  E2B_INIT(&options);
  options.on_stdout = on_output;
  options.user_data = &heard;
  uint64_t began = uv_hrtime();
  e2b_future_t *future = keep(e2b_run_shell(sandbox, "echo up; sleep 100", &options));
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), E2B_ESANDBOXGONE);
  assert_true(heard.killed);
  assert_true(uv_hrtime() - began < 20000000000u);
  e2b_sandbox_release(sandbox);
}

static void hundreds_of_streams_at_once(void **state) {
  static e2b_future_t *futures[MANY];
  char line[64], expected[16];
  (void)state;
  host_up(NULL, authority);
  client_up(e2b_host_ca_file(host));
  e2b_sandbox_t *sandbox = create();
  for (int i = 0; i < MANY; i++) {
    snprintf(line, sizeof line, "sleep 1; echo %d", i);
    futures[i] = keep(e2b_run_shell(sandbox, line, NULL));
  }
  for (int i = 0; i < MANY; i++) {
    int rc = e2b_future_await(futures[i], LONG_ENOUGH_MS);
    if (rc != 0) fail_msg("stream %d: %s", i, e2b_future_error(futures[i])->detail);
    snprintf(expected, sizeof expected, "%d\n", i);
    assert_string_equal(e2b_future_execution(futures[i])->stdout_data.ptr, expected);
  }
  ok(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

/* ---- what is kept ---- */

static const char *contents(const char *name, char *text, size_t size) {
  char path[256];
  snprintf(path, sizeof path, "%s/kept/%s", scratch, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  fclose(file);
  return text;
}

static void once(const char *domain) {
  char dir[128];
  snprintf(dir, sizeof dir, "%s/kept", scratch);
  host_up(domain, dir);
  host_down();
}

static void leave_one_that_ends_soon(void) {
  char ca_key[8192], key[E2B__HOST_PEM_SIZE], certificate[E2B__HOST_PEM_SIZE], path[256];
  contents("ca.key", ca_key, sizeof ca_key);
  assert_int_equal(e2b__host_key_make(key, sizeof key), 0);
  assert_int_equal(e2b__host_certificate_make_server(key, ca_key, "e2b.localhost", 20, certificate,
                                                     sizeof certificate),
                   0);
  snprintf(path, sizeof path, "%s/kept/server.pem", scratch);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "%s%s", certificate, key);
  fclose(file);
}

static void certificates_are_kept(void **state) {
  char ca[8192], server[8192], now[8192], path[256];
  struct stat st;
  (void)state;
  once(NULL);
  contents("ca.pem", ca, sizeof ca);
  contents("server.pem", server, sizeof server);
  assert_null(strstr(ca, "PRIVATE"));
  snprintf(path, sizeof path, "%s/kept", scratch);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  snprintf(path, sizeof path, "%s/kept/ca.key", scratch);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);

  once(NULL);
  assert_string_equal(contents("ca.pem", now, sizeof now), ca);
  assert_string_equal(contents("server.pem", now, sizeof now), server);

  once("sandboxes.test");
  assert_string_equal(contents("ca.pem", now, sizeof now), ca);
  assert_string_not_equal(contents("server.pem", now, sizeof now), server);

  once(NULL);
  leave_one_that_ends_soon();
  contents("server.pem", server, sizeof server);
  once(NULL);
  assert_string_equal(contents("ca.pem", now, sizeof now), ca);
  assert_string_not_equal(contents("server.pem", now, sizeof now), server);

  snprintf(path, sizeof path, "%s/kept/ca.pem", scratch);
  assert_int_equal(truncate(path, 100), 0);
  once(NULL);
  assert_string_not_equal(contents("ca.pem", now, sizeof now), ca);
  contents("ca.pem", ca, sizeof ca);
  once(NULL);
  assert_string_equal(contents("ca.pem", now, sizeof now), ca);
}

/* ---- refusals ---- */

static void refused(const char *domain, const char *ca_dir, const char *expected) {
  char why[512] = "";
  assert_int_equal(start(domain, ca_dir, why, sizeof why), E2B_EINVAL);
  assert_null(host);
  if (strstr(why, expected) == NULL) fail_msg("it says: %s", why);
}

static void what_cannot_be_is_refused(void **state) {
  char dir[128], why[512] = "";
  e2b_host_options options;
  (void)state;
  refused("", authority, "not a domain");
  refused("e2b.localhost:3000", authority, "without a port");
  refused(".localhost", authority, "not a domain");
  refused("a..b", authority, "not a domain");
  refused("a b", authority, "not a domain");
  snprintf(dir, sizeof dir, "%s/open", scratch);
  assert_int_equal(mkdir(dir, 0700), 0);
  assert_int_equal(chmod(dir, 0777), 0);
  refused(NULL, dir, "writable by nobody else");
  E2B_INIT(&options);
  options.domain = "e2b.localhost";
  assert_int_equal(e2b_host_start(&loop, &options, &host, why, sizeof why), E2B_EINVAL);
}

/* ---- all of it ---- */

static int open_all(void **state) {
  static const char *const variables[] = {"E2B_API_KEY", "E2B_DOMAIN", "E2B_API_URL",
                                          "E2B_SANDBOX_URL", "E2B_DEBUG"};
  (void)state;
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
    unsetenv(variables[i]);
  snprintf(scratch, sizeof scratch, "/tmp/libe2b-test-tls-XXXXXX");
  if (mkdtemp(scratch) == NULL) return -1;
  snprintf(authority, sizeof authority, "%s/made/on/the/way", scratch);
  return uv_loop_init(&loop);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st;
  (void)kind;
  (void)at;
  return remove(path);
}

static int close_all(void **state) {
  (void)state;
  uv_run(&loop, UV_RUN_DEFAULT);
  nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  return uv_loop_close(&loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_domain_a_key_and_an_authority_are_enough, tidy),
      cmocka_unit_test_teardown(another_authority_is_refused, tidy),
      cmocka_unit_test_teardown(a_websocket_finds_its_port_by_name, tidy),
      cmocka_unit_test_teardown(output_comes_as_it_is_printed, tidy),
      cmocka_unit_test_teardown(killing_a_sandbox_resets_its_streams, tidy),
      cmocka_unit_test_teardown(hundreds_of_streams_at_once, tidy),
      cmocka_unit_test_teardown(certificates_are_kept, tidy),
      cmocka_unit_test_teardown(what_cannot_be_is_refused, tidy)};
  return cmocka_run_group_tests_name("tls", tests, open_all, close_all);
}
