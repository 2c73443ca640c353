/* SPDX-License-Identifier: MIT */
/* Keys typed into one real terminal, back to back:  terminal_keystroke count=KEYS */
#include "keys.h"
#include "ours.h"

enum { WAIT_MS = 30000, LIFE_MS = 600000 /* should we end before it */ };

static ours_t ours;
static keys_t keys;
static e2b_terminal_t *terminal;
static bool ready;

static void type(unsigned at) {
  static const char key = KEYS_KEY;
  (void)at;
  if (e2b_terminal_write(terminal, &key, 1) != 0) keys.failed++;
}

static void on_data(e2b_terminal_t *it, const char *data, size_t len, void *user_data) {
  (void)it;
  (void)user_data;
  if (ready) {
    keys_echo(&keys, 0, data, len);
  } else {
    ready = memchr(data, '\n', len) != NULL;
  }
}

int main(int argc, char **argv) {
  /* The echo is the terminal's own; characters, because a line has its limit. */
  static const char *const args[] = {"-c", "stty -icanon; echo; exec cat >/dev/null", NULL};
  ours_init(&ours, argc, argv);
  keys_init(&keys, &ours.loop, type);
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  options.program = "/bin/sh";
  options.args = args;
  options.timeout_ms = LIFE_MS;
  options.on_data = on_data;
  e2b_future_t *made = e2b_terminal_create(ours.sandbox, &options);
  if (e2b_future_await(made, WAIT_MS) != 0) bench_die(e2b_future_error(made)->message);
  terminal = e2b_future_terminal(made);
  e2b_future_release(made);
  while (!ready) {
    uv_run(&ours.loop, UV_RUN_ONCE);
  }
  keys_one_open(&keys);
  keys_run(&keys);
  const int status = keys_finish(&keys);
  e2b_future_release(e2b_terminal_kill(terminal));
  e2b_future_t *ended = e2b_terminal_wait(terminal);
  if (e2b_future_await(ended, WAIT_MS) != 0) bench_die(e2b_future_error(ended)->message);
  e2b_future_release(ended);
  e2b_terminal_release(terminal);
  e2b_future_release(e2b_sandbox_kill(ours.sandbox));
  ours_close(&ours);
  return status;
}
