/* SPDX-License-Identifier: MIT */
/* Keys typed into terminals, and their echoes:  terminal_echo terminals=N rate=R count=KEYS */
#include "keys.h"
#include "ours.h"

static ours_t ours;
static keys_t keys;
static e2b_terminal_t **terminals;
static unsigned started, opened;
static uint64_t failed;

static void type(unsigned terminal) {
  static const char key = KEYS_KEY;
  if (e2b_terminal_write(terminals[terminal], &key, 1) != 0) keys.failed++;
}

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  (void)terminal;
  keys_echo(&keys, (unsigned)((e2b_terminal_t **)user_data - terminals), data, len);
}

static void open_next(void);

static void on_terminal(e2b_future_t *future, void *user_data) {
  e2b_terminal_t **terminal = user_data;
  *terminal = e2b_future_terminal(future);
  if (*terminal == NULL) ours_failed(future, &failed);
  opened++;
  if (opened > 1) open_next();
}

static void open_next(void) {
  if (started == keys.terminals) return;
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  options.program = "cat";
  options.on_data = on_data;
  options.user_data = &terminals[started++];
  e2b_future_then(e2b_terminal_create(ours.sandbox, &options), on_terminal, options.user_data);
}

static void open_until(unsigned wanted) {
  while (opened < wanted) {
    uv_run(&ours.loop, UV_RUN_ONCE);
  }
  if (failed > 0) bench_die("a terminal could not be opened");
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  keys_init(&keys, &ours.loop, type);
  terminals = calloc(keys.terminals, sizeof(e2b_terminal_t *));
  if (terminals == NULL) bench_die("out of memory");
  open_next();
  open_until(1);
  keys_one_open(&keys);
  for (uint64_t i = bench_number("at_once", 50); i > 0; i--) {
    open_next();
  }
  open_until(keys.terminals);
  keys_run(&keys);
  const int status = keys_finish(&keys);
  for (unsigned i = 0; i < keys.terminals; i++) {
    e2b_terminal_close(terminals[i]);
    e2b_terminal_release(terminals[i]);
  }
  ours_close(&ours);
  free(terminals);
  return status;
}
