/* SPDX-License-Identifier: MIT */
#include <ftw.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/program.h"

#if UNDER_ASAN
/* Of its runtime, whose header not every compiler brings. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* What an idle terminal holds of its client's heap: everything that is allocated, by whichever of
 * the libraries. The server is another process. */

enum { PATIENCE_MS = 60000, SHARED = 20, MANY = 100, PLAIN_BYTES = 3 << 10, TLS_BYTES = 48 << 10 };

static uv_loop_t loop;
static program_t host;
static char scratch[64], authority[96];
static e2b_terminal_t *terminals[SHARED + MANY];
static unsigned opened;

/* Bytes that are allocated and not freed. */
static size_t heap_bytes(void) {
#if UNDER_ASAN
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

static e2b_future_t *ok(e2b_future_t *future) {
  if (e2b_future_await(future, PATIENCE_MS) != 0) {
    fail_msg("%s", e2b_future_error(future)->message);
  }
  return future;
}

static void open_terminals(e2b_sandbox_t *sandbox, unsigned count) {
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  options.program = "cat";
  for (unsigned i = 0; i < count; i++) {
    e2b_future_t *future = ok(e2b_terminal_create(sandbox, &options));
    terminals[opened++] = e2b_future_terminal(future);
    e2b_future_release(future);
  }
}

static size_t measure(bool tls) {
  const char *const args[] = {tls ? "--tls" : NULL, "--ca-dir", scratch, NULL};
  assert_true(program_start(&host, args));
  e2b_client_options options;
  program_client_options(&host, &options);
  if (tls) options.ca_file = authority;
  e2b_client_t *client = e2b_client_new(&loop, &options);
  e2b_future_t *future = ok(e2b_sandbox_create(client, NULL));
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  opened = 0;
  open_terminals(sandbox, SHARED); /* and whatever all of them share */
  const size_t before = heap_bytes();
  open_terminals(sandbox, MANY);
  const size_t each = (heap_bytes() - before) / MANY;
  print_message("%zu bytes\n", each);
  while (opened > 0) {
    e2b_terminal_close(terminals[--opened]);
    e2b_terminal_release(terminals[opened]);
  }
  e2b_sandbox_release(sandbox);
  program_client_close(client, &loop);
  program_end(&host, SIGTERM);
  program_orphans();
  return each;
}

static void over_a_plain_connection(void **state) {
  (void)state;
  assert_in_range(measure(false), 1, PLAIN_BYTES - 1);
}

static void over_tls(void **state) {
  (void)state;
  assert_in_range(measure(true), 1, TLS_BYTES - 1);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

static int group_open(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  strcpy(scratch, "/tmp/e2b-memory-XXXXXX");
  if (mkdtemp(scratch) == NULL) return -1;
  snprintf(authority, sizeof authority, "%s/ca.pem", scratch);
  return uv_loop_init(&loop);
}

static int group_close(void **state) {
  (void)state;
  nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return uv_loop_close(&loop);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(over_a_plain_connection),
      cmocka_unit_test(over_tls),
  };
  return cmocka_run_group_tests_name("memory of an idle terminal", tests, group_open, group_close);
}
