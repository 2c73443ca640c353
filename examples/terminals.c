/* SPDX-License-Identifier: MIT */

/* A thousand terminals at once, from one thread: each has a shell that waits for a number and
 * answers with its square. They are spread over a few sandboxes, because one takes no more than a
 * thousand connections, and the local host lets it have 1,024 processes.
 *
 *     terminals [COUNT]            default 1000 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

enum { MOST = 10000, PER_SANDBOX = 250 };

typedef struct app app_t;

typedef struct item {
  app_t *app;
  unsigned number;
  e2b_terminal_t *terminal;
  char answer[32];
  size_t len;
  int ended;
} item_t;

typedef struct room {
  app_t *app;
  e2b_sandbox_t *sandbox;
} room_t;

struct app {
  demo_t demo;
  item_t *items;
  unsigned count;
  room_t rooms[(MOST + PER_SANDBOX - 1) / PER_SANDBOX];
  unsigned rooms_count, rooms_left;
  unsigned opened, refused; /* terminals */
  unsigned right, wrong;
  int sandboxes_failed;
  uint64_t began_ns, opened_ns, answered_ns;
  size_t bytes_before, bytes_open;
};

/* ---- figures ---- */

static void show_progress(const char *what, unsigned done, unsigned all) {
  const int live = isatty(1);
  if (live ? done % 10 != 0 && done != all : done % 250 != 0 && done != all) return;
  printf(live ? "\r%5u of %u %s %s" : "%5u of %u %s%s\n", done, all, what,
         live && done == all ? "\n" : "");
  fflush(stdout);
}

static size_t resident_bytes(void) {
  size_t bytes = 0;
  uv_resident_set_memory(&bytes);
  return bytes;
}

/* Those of this process; 0 where nobody tells. */
static unsigned threads(void) {
  char line[256];
  unsigned n = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && n == 0 && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "Threads: %u", &n) != 1) n = 0;
  if (status != NULL) fclose(status);
  return n;
}

static void show_summary(const app_t *app) {
  const double open_s = (double)(app->opened_ns - app->began_ns) / 1e9;
  const double answer_s = (double)(app->answered_ns - app->opened_ns) / 1e9;
  const size_t grown =
      app->bytes_open > app->bytes_before ? app->bytes_open - app->bytes_before : 0;
  printf("%u right, %u failed, over %u sandboxes\n", app->right, app->wrong, app->rooms_count);
  if (app->opened < app->count) return;
  printf("%.1f s until all were open, %.1f s until all had answered and ended\n", open_s, answer_s);
  printf("threads in this process: %u; memory for each open terminal: %.1f KB%s\n", threads(),
         (double)grown / 1024 / app->count,
         app->demo.host != NULL ? ", the local host's part included" : "");
}

/* ---- the end ---- */

static void on_killed(e2b_future_t *future, void *user_data) {
  app_t *app = user_data;
  app->sandboxes_failed += demo_failed(future);
  if (--app->rooms_left == 0) demo_close(&app->demo);
}

static void end(app_t *app) {
  if (app->demo.closing) return;
  app->answered_ns = uv_hrtime();
  show_summary(app);
  app->rooms_left = app->rooms_count;
  for (unsigned i = 0; i < app->rooms_count; i++)
    e2b_future_then(e2b_sandbox_kill(app->rooms[i].sandbox), on_killed, app);
}

/* ---- one terminal ---- */

static void item_done(item_t *item, int right) {
  app_t *app = item->app;
  if (item->ended || app->demo.closing) return;
  item->ended = 1;
  app->right += (unsigned)right;
  app->wrong += (unsigned)!right;
  if (app->opened + app->refused == app->count)
    show_progress("have answered", app->right, app->count);
  if (app->right + app->wrong == app->count) end(app);
}

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  item_t *item = user_data;
  (void)terminal;
  if (len > sizeof item->answer - item->len) len = sizeof item->answer - item->len;
  memcpy(item->answer + item->len, data, len);
  item->len += len;
}

static void on_exit_code(e2b_terminal_t *terminal, const e2b_terminal_exit_t *exit,
                         void *user_data) {
  item_t *item = user_data;
  char expected[32];
  const unsigned long long number = item->number;
  /* What is typed is echoed first. */
  const size_t len =
      (size_t)snprintf(expected, sizeof expected, "%llu\r\n%llu\r\n", number, number * number);
  (void)terminal;
  item_done(item, exit->known && exit->exit_code == 0 && item->len == len &&
                      memcmp(item->answer, expected, len) == 0);
}

static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  item_t *item = user_data;
  (void)terminal;
  if (error != NULL && !item->app->demo.closing)
    fprintf(stderr, "terminal %u: %s\n", item->number, error->message);
  item_done(item, 0); /* unless it was done before */
}

/* All that were had wait for a number; now each gets its own. */
static void ask_all(app_t *app) {
  app->opened_ns = uv_hrtime();
  app->bytes_open = resident_bytes();
  for (unsigned i = 0; i < app->count; i++) {
    char line[16];
    if (app->items[i].terminal == NULL) continue;
    const int len = snprintf(line, sizeof line, "%u\n", app->items[i].number);
    e2b_terminal_write(app->items[i].terminal, line, (size_t)len);
  }
}

static void on_terminal(e2b_future_t *future, void *user_data) {
  item_t *item = user_data;
  app_t *app = item->app;
  if (e2b_future_error(future) != NULL) {
    if (app->refused++ == 0) demo_failed(future); /* the others' reasons are the same */
    item_done(item, 0);
  } else {
    item->terminal = e2b_future_terminal(future);
    show_progress("open", ++app->opened, app->count);
  }
  if (app->opened > 0 && app->opened + app->refused == app->count) ask_all(app);
}

static void open_terminal(item_t *item, e2b_sandbox_t *sandbox) {
  static const char *const args[] = {"-c", "read n; echo $((n * n))", NULL};
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.program = "/bin/sh";
  options.args = args;
  options.ring_bytes = 4096; /* what is kept in the sandbox: no more is ever written */
  options.on_data = on_data;
  options.on_exit = on_exit_code;
  options.on_closed = on_closed;
  options.user_data = item;
  e2b_future_then(e2b_terminal_create(sandbox, &options), on_terminal, item);
}

/* ---- the sandboxes ---- */

static void open_all(app_t *app) {
  app->bytes_before = resident_bytes();
  app->began_ns = uv_hrtime();
  for (unsigned i = 0; i < app->count; i++) {
    app->items[i].app = app;
    app->items[i].number = i + 1;
    open_terminal(&app->items[i], app->rooms[i % app->rooms_count].sandbox);
  }
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  room_t *room = user_data;
  app_t *app = room->app;
  if (demo_failed(future))
    app->sandboxes_failed++;
  else
    room->sandbox = e2b_future_sandbox(future);
  if (--app->rooms_left > 0 || app->demo.closing) return;
  if (app->sandboxes_failed == 0)
    open_all(app);
  else
    end(app);
}

static void open_sandboxes(app_t *app) {
  app->rooms_count = app->rooms_left = (app->count + PER_SANDBOX - 1) / PER_SANDBOX;
  printf("%u terminals over %u sandboxes\n", app->count, app->rooms_count);
  for (unsigned i = 0; i < app->rooms_count; i++) {
    app->rooms[i].app = app;
    e2b_future_then(e2b_sandbox_create(app->demo.client, NULL), on_sandbox, &app->rooms[i]);
  }
}

/* A terminal is a connection, and for a local host in this process two more. */
static void raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  static app_t app;
  const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
  if (argc > 2 || count < 1 || count > MOST) {
    fprintf(stderr, "usage: terminals [COUNT]    1 to %d\n", MOST);
    return 2;
  }
  raise_descriptors();
  app.count = (unsigned)count;
  app.items = calloc(app.count, sizeof *app.items);
  if (app.items != NULL && demo_start(&app.demo, uv_default_loop()) == 0) {
    open_sandboxes(&app);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  for (unsigned i = 0; app.items != NULL && i < app.count; i++)
    e2b_terminal_release(app.items[i].terminal);
  for (unsigned i = 0; i < app.rooms_count; i++)
    e2b_sandbox_release(app.rooms[i].sandbox);
  const int ok = app.items != NULL && app.right == app.count && app.sandboxes_failed == 0;
  const int status = demo_finish(&app.demo, ok);
  free(app.items);
  return status;
}
