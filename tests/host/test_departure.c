/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/scene.h"

/* A client sends to a program that does not read, until nobody takes any more, and leaves. The
 * program is told. */

#define PORT 8124

static const char program[] =
    "import select, socket\n"
    "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    "s.bind(('127.0.0.1', 8124)); s.listen()\n"
    "print('ready', flush=True)\n"
    "while True:\n"
    "    c, _ = s.accept()\n"
    "    p = select.poll(); p.register(c, select.POLLRDHUP | select.POLLHUP | select.POLLERR)\n"
    "    p.poll(); print('gone', flush=True); c.close()\n";

static bool ready, gone;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  (void)user_data;
  if (memmem(data, len, "ready", 5) != NULL) ready = true;
  if (memmem(data, len, "gone", 4) != NULL) gone = true;
}

static int dial(void) {
  struct sockaddr_in address;
  const char *url = e2b_host_url(scene.server.host);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

/* Until some tries in a row found no room. */
static void send_all_that_fits(int fd, const char *piece, size_t len) {
  size_t at = 0;
  for (int full = 0; full < 10;) {
    ssize_t sent = send(fd, piece + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      at = (at + (size_t)sent) % len;
      full = 0;
    } else {
      assert_int_equal(errno, EAGAIN);
      full++;
      scene_turn(PACE_MS, NULL);
    }
  }
}

static void leaves(const char *framing) {
  static char piece[65536 + 9];
  static const struct linger none = {1, 0};
  char head[512];
  memset(piece, 'x', sizeof piece);
  memcpy(piece, "10000\r\n", 7);
  memcpy(piece + sizeof piece - 2, "\r\n", 2);
  gone = false;
  int fd = dial();
  int len = snprintf(
      head, sizeof head, "POST / HTTP/1.1\r\nHost: %d-%s.localhost\r\n%s: %s\r\n\r\n", PORT,
      e2b_sandbox_id(scene.sandbox), framing, framing[0] == 'T' ? "chunked" : "2000000000");
  assert_int_equal(send(fd, head, (size_t)len, MSG_NOSIGNAL), len);
  send_all_that_fits(fd, piece, sizeof piece);
  assert_false(gone);
  /* A polite end would wait behind what was sent. */
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
  assert_true(scene_turn(LONG_ENOUGH_MS, &gone));
}

static void while_nobody_reads(void **state) {
  const char *const args[] = {"-c", program, NULL};
  e2b_run_options options;
  (void)state;
  skip_unless(&scene.server, SERVER_LOCAL | SERVER_CONTROL, "it has another way to its sandboxes");
  E2B_INIT(&options);
  options.on_stdout = on_output;
  STARTED(e2b_command_start(scene.sandbox, "python3", args, &options));
  assert_true(scene_turn(LONG_ENOUGH_MS, &ready));
  leaves("Content-Length");
  leaves("Transfer-Encoding");
}

int main(void) {
  const struct CMUnitTest tests[] = {SCENE_TEST(while_nobody_reads)};
  return cmocka_run_group_tests_name("departure", tests, scene_open, scene_close);
}
