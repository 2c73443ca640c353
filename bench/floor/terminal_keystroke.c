/* SPDX-License-Identifier: MIT */
/* What a key has to cost at least, one after the other: a bare WebSocket's round trip, then a
 * pseudo-terminal's own echo:  terminal_keystroke count=KEYS */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "keys.h"
#include "wire.h"

static keys_t keys;
static wire_t wire;
static int pty;

static void type(unsigned at) {
  static const char key = KEYS_KEY;
  (void)at;
  wire_type(&wire, &key, 1);
}

static void on_output(wire_t *it, const char *data, size_t len) {
  char echo[8];
  (void)it;
  if (len != 1 || write(pty, data, 1) != 1) bench_die("the terminal does not take it");
  const ssize_t got = read(pty, echo, sizeof echo);
  keys_echo(&keys, 0, echo, got > 0 ? (size_t)got : 0);
}

static void on_open(wire_t *it) {
  (void)it;
}

/* A program that takes what is typed and says nothing. */
static void open_pty(void) {
  struct termios mode;
  pty = posix_openpt(O_RDWR | O_NOCTTY);
  if (pty < 0 || grantpt(pty) != 0 || unlockpt(pty) != 0) bench_die("no pseudo-terminal");
  const int program = open(ptsname(pty), O_RDWR | O_NOCTTY);
  if (program < 0 || tcgetattr(program, &mode) != 0) bench_die("no pseudo-terminal");
  mode.c_lflag &= ~(tcflag_t)ICANON;
  tcsetattr(program, TCSANOW, &mode);
  if (fork() == 0) {
    char taken[64];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(program, taken, sizeof taken) > 0) {
    }
    _exit(0);
  }
}

int main(int argc, char **argv) {
  static wires_t wires = {.program = "cat", .on_open = on_open, .on_output = on_output};
  uv_loop_t loop;
  bench_init(argc, argv);
  open_pty();
  uv_loop_init(&loop);
  wires_init(&wires, &loop);
  keys_init(&keys, &loop, type);
  wire_open(&wire, 0);
  while (!wire.open) {
    uv_run(&loop, UV_RUN_ONCE);
  }
  keys_one_open(&keys);
  keys_run(&keys);
  return keys_finish(&keys);
}
