/* SPDX-License-Identifier: MIT */
#include "support/foreign.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

enum { MOST_LISTENERS = 8, FIRST_LISTENER = 3, PATIENCE_MS = 20000 };

struct foreign {
  uv_process_t process;
  uv_pipe_t out;
  uv_timer_t patience;
  char line[64];
  size_t line_len;
  uint16_t port;
  bool ended;
  unsigned handles;
};

const char *foreign_find(const char *name) {
  enum { KEPT = 8, LONGEST = 256 };
  static const char *const folders[] = {"/usr/bin", "/usr/sbin"};
  static char found[KEPT][LONGEST];
  static unsigned count;
  const char *unpacked = getenv("E2B_TEST_FOREIGN");
  char *path = found[count % KEPT];
  for (int own = 1; own >= 0; own--) {
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
      if (own && unpacked == NULL) continue;
      snprintf(path, LONGEST, "%s%s/%s", own ? unpacked : "", folders[i], name);
      if (access(path, X_OK) != 0) continue;
      count++;
      return path;
    }
  }
  return NULL;
}

int listener_open(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
  assert_int_equal(listen(fd, 512), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

/* A test that fails stops nothing. */
static pid_t running[16];

static void kill_all(void) {
  for (size_t i = 0; i < sizeof running / sizeof running[0]; i++) {
    if (running[i] > 0) kill(running[i], SIGTERM);
  }
}

static void remember(pid_t pid, pid_t instead) {
  static bool registered;
  if (!registered) atexit(kill_all);
  registered = true;
  for (size_t i = 0; i < sizeof running / sizeof running[0]; i++) {
    if (running[i] != pid) continue;
    running[i] = instead;
    return;
  }
}

static void on_closed(uv_handle_t *handle) {
  foreign_t *foreign = handle->data;
  if (--foreign->handles == 0) free(foreign);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal_number) {
  (void)status;
  (void)signal_number;
  ((foreign_t *)process->data)->ended = true;
  remember(process->pid, 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char room[4096];
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(room, sizeof room);
}

static void on_output(uv_stream_t *out, ssize_t got, const uv_buf_t *buf) {
  foreign_t *foreign = out->data;
  if (got < 0) uv_read_stop(out);
  for (ssize_t i = 0; i < got; i++) {
    if (buf->base[i] == '\n') {
      if (foreign->port == 0) foreign->port = (uint16_t)strtoul(foreign->line, NULL, 10);
    } else if (foreign->line_len < sizeof foreign->line - 1) {
      foreign->line[foreign->line_len++] = buf->base[i];
    }
  }
}

static void on_impatience(uv_timer_t *timer) {
  (void)timer;
  fail_msg("a server did not say its port");
}

foreign_t *foreign_start(uv_loop_t *loop, const char *const *args, const char *const *env,
                         bool announces, const int *listeners, unsigned listeners_count) {
  foreign_t *foreign = calloc(1, sizeof *foreign);
  assert_non_null(foreign);
  assert_true(listeners_count <= MOST_LISTENERS);
  uv_pipe_init(loop, &foreign->out, 0);
  uv_timer_init(loop, &foreign->patience);
  foreign->process.data = foreign->out.data = foreign->patience.data = foreign;
  foreign->handles = 3;
  uv_stdio_container_t stdio[FIRST_LISTENER + MOST_LISTENERS] = {
      [0] = {.flags = UV_IGNORE},
      [1] = {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
             .data.stream = (uv_stream_t *)&foreign->out},
      [2] = {.flags = getenv("E2B_TEST_VERBOSE") != NULL ? UV_INHERIT_FD : UV_IGNORE,
             .data.fd = 2}};
  for (unsigned i = 0; i < listeners_count; i++) {
    stdio[FIRST_LISTENER + i].flags = UV_INHERIT_FD;
    stdio[FIRST_LISTENER + i].data.fd = listeners[i];
  }
  const uv_process_options_t options = {.file = args[0],
                                        .args = (char **)(uintptr_t)args,
                                        .env = (char **)(uintptr_t)env,
                                        .stdio = stdio,
                                        .stdio_count = FIRST_LISTENER + (int)listeners_count,
                                        .exit_cb = on_exit_of};
  assert_int_equal(uv_spawn(loop, &foreign->process, &options), 0);
  remember(0, foreign->process.pid);
  uv_read_start((uv_stream_t *)&foreign->out, on_alloc, on_output);
  uv_timer_start(&foreign->patience, on_impatience, PATIENCE_MS, 0);
  while (announces && foreign->port == 0) {
    if (foreign->ended) fail_msg("%s has ended", args[0]);
    uv_run(loop, UV_RUN_ONCE);
  }
  uv_timer_stop(&foreign->patience);
  uv_unref((uv_handle_t *)&foreign->process);
  uv_unref((uv_handle_t *)&foreign->out);
  return foreign;
}

uint16_t foreign_port(const foreign_t *foreign) {
  return foreign->port;
}

static void on_stubborn(uv_timer_t *timer) {
  foreign_t *foreign = timer->data;
  if (!foreign->ended) uv_process_kill(&foreign->process, SIGTERM);
}

/* A server that looks at a flag and then waits can miss a signal between the two: it gets another.
 */
void foreign_stop(void *ctx) {
  foreign_t *foreign = ctx;
  if (!foreign->ended) uv_process_kill(&foreign->process, SIGTERM);
  uv_timer_start(&foreign->patience, on_stubborn, 1000, 1000);
  uv_ref((uv_handle_t *)&foreign->process);
  while (!foreign->ended) {
    uv_run(foreign->process.loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&foreign->process, on_closed);
  uv_close((uv_handle_t *)&foreign->out, on_closed);
  uv_close((uv_handle_t *)&foreign->patience, on_closed);
}
