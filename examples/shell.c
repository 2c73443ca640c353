/* SPDX-License-Identifier: MIT */

/* Your own terminal at a shell in a sandbox: keys go there as they are pressed, Ctrl-C among them,
 * and the size of the window is followed. Its exit code is the shell's.
 *
 *     shell                        makes a sandbox, and ends it afterwards
 *     shell SANDBOX                a shell in a sandbox that is there, which stays
 *     shell SANDBOX TERMINAL       comes back to a shell that was left
 *
 * At the beginning of a line `~.` leaves and `~~` is a tilde. Input that is not from a terminal is
 * typed, and `exit` after it. What goes wrong on the way here ends it with 255. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

enum {
  STATUS_FAILED = 255,
  INPUT_BYTES = 65536,
  OUTPUT_BYTES = 256 * 1024, /* waiting for the console; then the terminal pauses */
  LIFE_MS = 300000,          /* of a sandbox that was made here, renewed while this runs: */
  RENEW_MS = 60000,
};

typedef struct shell {
  demo_t demo;
  const char *sandbox_id, *terminal_id; /* as asked for; NULL for new ones */
  e2b_sandbox_t *sandbox;
  e2b_terminal_t *terminal;
  union uv_any_handle in, out; /* streams, unless they are of a file: */
  int in_is_stream, out_is_stream;
  int in_is_tty, out_is_tty;
  uv_signal_t signals[4];
  uv_timer_t renewal;
  enum { LINE_START, IN_LINE, TILDE } typing;
  char input[INPUT_BYTES];     /* as it was read */
  char typed[INPUT_BYTES + 1]; /* without the escapes; and what is held until on_drain */
  size_t held;
  int input_ended;
  int raw, paused, ending;
  int status;
} shell_t;

/* ---- the console's state, whatever this program's end ---- */

static int flags[2];

/* Also in a signal handler. */
static void restore_console(void) {
  uv_tty_reset_mode();
  for (int fd = 0; fd < 2; fd++)
    if (flags[fd] != -1) fcntl(fd, F_SETFL, flags[fd]);
}

static void on_crash(int signal_number) {
  restore_console();
  raise(signal_number); /* SA_RESETHAND: now it ends the program */
}

static void keep_console(void) {
  static const int crashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
  struct sigaction action;
  for (int fd = 0; fd < 2; fd++)
    flags[fd] = fcntl(fd, F_GETFL);
  atexit(restore_console);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_crash;
  action.sa_flags = (int)SA_RESETHAND;
  for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
    sigaction(crashes[i], &action, NULL);
}

static void set_raw(shell_t *shell, int raw) {
  if (!shell->in_is_tty || shell->raw == raw) return;
  shell->raw = raw;
  uv_tty_set_mode(&shell->in.tty, raw ? UV_TTY_MODE_IO : UV_TTY_MODE_NORMAL);
}

/* One line about ourselves, apart from what the shell writes. */
static void tell(const shell_t *shell, const char *what, const char *detail) {
  const char *end = shell->raw ? "\r\n" : "\n";
  fprintf(stderr, "%s[%s%s]%s", shell->raw ? "\r" : "", what, detail, end);
}

/* ---- the end ---- */

static void on_killed(e2b_future_t *future, void *user_data) {
  shell_t *shell = user_data;
  demo_failed(future);
  demo_close(&shell->demo);
}

/* The terminal has ended or was left. */
static void end(shell_t *shell) {
  if (shell->ending) return;
  shell->ending = 1;
  if (shell->in_is_stream) uv_read_stop(&shell->in.stream);
  set_raw(shell, 0);
  if (shell->sandbox != NULL && shell->sandbox_id == NULL && !shell->demo.closing)
    e2b_future_then(e2b_sandbox_kill(shell->sandbox), on_killed, shell);
  else
    demo_close(&shell->demo);
}

static void fail(shell_t *shell) {
  if (!shell->ending) shell->status = STATUS_FAILED;
  end(shell);
}

/* The shell goes on, as long as its sandbox. */
static void leave(shell_t *shell, int status) {
  char id[128];
  shell->status = status;
  if (shell->raw) fputs("\r\n", stderr);
  if (shell->terminal != NULL && shell->sandbox_id != NULL) {
    snprintf(id, sizeof id, "%s %s", shell->sandbox_id, e2b_terminal_id(shell->terminal));
    tell(shell, "the shell goes on; come back with: shell ", id);
  }
  e2b_terminal_close(shell->terminal);
  end(shell);
}

static void close_output(shell_t *shell) {
  if (shell->out_is_stream && !uv_is_closing(&shell->out.handle))
    uv_close(&shell->out.handle, NULL);
}

/* What still waits for the console is written before that is closed. */
static void on_demo_closes(void *user_data) {
  shell_t *shell = user_data;
  shell->ending = 1;
  set_raw(shell, 0);
  if (shell->in_is_stream) uv_close(&shell->in.handle, NULL);
  if (!shell->out_is_stream || uv_stream_get_write_queue_size(&shell->out.stream) == 0)
    close_output(shell);
  for (size_t i = 0; i < sizeof shell->signals / sizeof shell->signals[0]; i++)
    uv_close((uv_handle_t *)&shell->signals[i], NULL);
  uv_close((uv_handle_t *)&shell->renewal, NULL);
}

/* ---- output ---- */

typedef struct piece {
  uv_write_t request;
  shell_t *shell;
  char bytes[];
} piece_t;

static void on_written(uv_write_t *request, int status) {
  shell_t *shell = ((piece_t *)request)->shell;
  free(request); /* the first member of the piece */
  if (status != 0 && status != UV_ECANCELED) shell->status = STATUS_FAILED;
  if (status == 0 && uv_stream_get_write_queue_size(&shell->out.stream) > 0) return;
  if (shell->demo.closing) {
    close_output(shell);
  } else if (status != 0) {
    leave(shell, STATUS_FAILED); /* nobody reads it */
  } else if (shell->paused) {
    shell->paused = 0;
    e2b_terminal_resume(shell->terminal);
  }
}

static int write_file(const char *data, size_t len) {
  while (len > 0) {
    const ssize_t n = write(1, data, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

static int write_stream(shell_t *shell, const char *data, size_t len) {
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
  int n = uv_try_write(&shell->out.stream, &buf, 1);
  if (n == UV_EAGAIN) n = 0;
  if (n < 0) return -1;
  data += n;
  len -= (size_t)n;
  if (len == 0) return 0;
  piece_t *piece = malloc(sizeof *piece + len);
  if (piece == NULL) return -1;
  memcpy(piece->bytes, data, len);
  piece->shell = shell;
  buf = uv_buf_init(piece->bytes, (unsigned)len);
  n = uv_write(&piece->request, &shell->out.stream, &buf, 1, on_written);
  if (n != 0) free(piece);
  return n;
}

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  shell_t *shell = user_data;
  int rc = shell->out_is_stream ? write_stream(shell, data, len) : write_file(data, len);
  if (rc != 0) {
    e2b_terminal_close(terminal);
    fail(shell);
  } else if (shell->out_is_stream && !shell->paused &&
             uv_stream_get_write_queue_size(&shell->out.stream) > OUTPUT_BYTES) {
    shell->paused = 1;
    e2b_terminal_pause(terminal);
  }
}

/* ---- input ---- */

static void read_input(shell_t *shell);

/* Takes the escapes out of what came from the keyboard into `typed`. Nonzero: `~.` was there. */
static int take_escapes(shell_t *shell, const char *data, size_t len, size_t *typed) {
  *typed = 0;
  for (size_t i = 0; i < len; i++) {
    const char c = data[i];
    if (shell->typing == TILDE && c == '.') return 1;
    if (shell->typing == LINE_START && c == '~') {
      shell->typing = TILDE;
      continue;
    }
    if (shell->typing == TILDE && c != '~') shell->typed[(*typed)++] = '~';
    shell->typed[(*typed)++] = c;
    shell->typing = c == '\r' || c == '\n' ? LINE_START : IN_LINE;
  }
  return 0;
}

/* Types what is in `typed`; nonzero when it was taken, else on_drain will try again. */
static int type(shell_t *shell, size_t len) {
  shell->held = 0;
  if (len == 0 || e2b_terminal_write(shell->terminal, shell->typed, len) != E2B_EAGAIN) return 1;
  shell->held = len;
  if (shell->in_is_stream) uv_read_stop(&shell->in.stream);
  return 0;
}

/* Nonzero: go on reading. */
static int on_input(shell_t *shell, const char *data, size_t len) {
  size_t typed = len;
  int leaves = 0;
  if (shell->in_is_tty) {
    leaves = take_escapes(shell, data, len, &typed);
  } else {
    memcpy(shell->typed, data, len);
    shell->typing = data[len - 1] == '\n' ? LINE_START : IN_LINE;
  }
  const int taken = type(shell, typed);
  if (leaves) leave(shell, 0);
  return taken && !leaves;
}

/* A terminal has no end of input, and a Ctrl-D typed ahead is not one: the program that reads it
 * may not be the shell. */
static void on_input_end(shell_t *shell) {
  if (shell->in_is_tty) {
    leave(shell, 128 + SIGHUP);
    return;
  }
  shell->input_ended = 1;
  type(shell, (size_t)sprintf(shell->typed, "%sexit\n", shell->typing == IN_LINE ? "\n" : ""));
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  shell_t *shell = handle->data;
  (void)suggested;
  *buf = uv_buf_init(shell->input, sizeof shell->input);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  shell_t *shell = stream->data;
  if (n == 0) return;
  if (n > 0) {
    on_input(shell, buf->base, (size_t)n);
  } else {
    uv_read_stop(stream);
    on_input_end(shell);
  }
}

/* A file, which is read as fast as it is taken. */
static void read_file(shell_t *shell) {
  ssize_t n;
  do
    n = read(0, shell->input, sizeof shell->input);
  while (n > 0 && on_input(shell, shell->input, (size_t)n));
  if (n <= 0) on_input_end(shell);
}

static void read_input(shell_t *shell) {
  if (shell->in_is_stream)
    uv_read_start(&shell->in.stream, on_allocate, on_read);
  else
    read_file(shell);
}

static void on_drain(e2b_terminal_t *terminal, void *user_data) {
  shell_t *shell = user_data;
  (void)terminal;
  if (shell->ending || shell->held == 0) return;
  if (type(shell, shell->held) && !shell->input_ended) read_input(shell);
}

/* ---- the terminal ---- */

static void get_size(shell_t *shell, uint16_t *cols, uint16_t *rows) {
  int width = 0, height = 0;
  *cols = 80;
  *rows = 24;
  if (shell->out_is_tty)
    uv_tty_get_winsize(&shell->out.tty, &width, &height);
  else if (shell->in_is_tty)
    uv_tty_get_winsize(&shell->in.tty, &width, &height);
  if (width <= 0 || height <= 0) return; /* a terminal without a size */
  *cols = (uint16_t)width;
  *rows = (uint16_t)height;
}

static void follow_size(shell_t *shell) {
  uint16_t cols, rows;
  get_size(shell, &cols, &rows);
  e2b_terminal_resize(shell->terminal, cols, rows);
}

static void on_exit_code(e2b_terminal_t *terminal, const e2b_terminal_exit_t *end_of_it,
                         void *user_data) {
  shell_t *shell = user_data;
  (void)terminal;
  if (end_of_it->known)
    shell->status = end_of_it->signal != 0 ? 128 + end_of_it->signal : end_of_it->exit_code;
}

static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  shell_t *shell = user_data;
  (void)terminal;
  if (error != NULL) {
    shell->status = STATUS_FAILED;
    tell(shell, "the terminal is lost: ", error->message);
  }
  end(shell);
}

static void on_lost(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  (void)terminal;
  tell(user_data, "connection lost, trying to get it back: ", error->message);
}

static void on_restored(e2b_terminal_t *terminal, void *user_data) {
  (void)terminal;
  tell(user_data, "connection restored", "");
}

static void on_gap(e2b_terminal_t *terminal, uint64_t bytes, void *user_data) {
  char count[32] = "some";
  (void)terminal;
  if (bytes != E2B_BYTES_UNKNOWN) snprintf(count, sizeof count, "%llu", (unsigned long long)bytes);
  tell(user_data, "bytes of output that are missing here: ", count);
}

static void on_terminal(e2b_future_t *future, void *user_data) {
  shell_t *shell = user_data;
  if (demo_failed(future)) {
    fail(shell);
    return;
  }
  shell->terminal = e2b_future_terminal(future);
  if (shell->ending) { /* a signal came meanwhile */
    e2b_terminal_close(shell->terminal);
    return;
  }
  set_raw(shell, 1);
  follow_size(shell);
  read_input(shell);
}

static void open_terminal(shell_t *shell) {
  const char *term = getenv("TERM");
  const e2b_pair_t envs[] = {{"TERM", term}};
  e2b_terminal_options options;
  E2B_INIT(&options);
  get_size(shell, &options.cols, &options.rows);
  if (shell->out_is_tty && term != NULL) {
    options.envs = envs;
    options.envs_count = 1;
  }
  options.on_data = on_data;
  options.on_gap = on_gap;
  options.on_exit = on_exit_code;
  options.on_lost = on_lost;
  options.on_restored = on_restored;
  options.on_drain = on_drain;
  options.on_closed = on_closed;
  options.user_data = shell;
  e2b_future_t *future = shell->terminal_id != NULL
                             ? e2b_terminal_get_by_id(shell->sandbox, shell->terminal_id, &options)
                             : e2b_terminal_create(shell->sandbox, &options);
  e2b_future_then(future, on_terminal, shell);
}

/* ---- the sandbox ---- */

static void on_renewal(uv_timer_t *timer) {
  shell_t *shell = timer->data;
  e2b_future_release(e2b_sandbox_set_timeout(shell->sandbox, LIFE_MS)); /* again in a minute */
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  shell_t *shell = user_data;
  if (demo_failed(future)) {
    fail(shell);
    return;
  }
  shell->sandbox = e2b_future_sandbox(future);
  if (shell->sandbox_id == NULL) uv_timer_start(&shell->renewal, on_renewal, RENEW_MS, RENEW_MS);
  if (shell->in_is_tty) tell(shell, "~. leaves; sandbox ", e2b_sandbox_id(shell->sandbox));
  open_terminal(shell);
}

static void open_sandbox(shell_t *shell) {
  e2b_create_options options;
  E2B_INIT(&options);
  options.timeout_ms = LIFE_MS;
  e2b_future_t *future = shell->sandbox_id != NULL
                             ? e2b_sandbox_connect(shell->demo.client, shell->sandbox_id, NULL)
                             : e2b_sandbox_create(shell->demo.client, &options);
  e2b_future_then(future, on_sandbox, shell);
}

/* ---- the console ---- */

static void on_signal(uv_signal_t *handle, int signal_number) {
  shell_t *shell = handle->data;
  switch (signal_number) {
  case SIGCONT: /* whoever had the terminal meanwhile has set it his way */
    if (shell->raw) {
      set_raw(shell, 0);
      set_raw(shell, 1);
    }
    follow_size(shell);
    break;
  case SIGWINCH: follow_size(shell); break;
  default: leave(shell, 128 + signal_number);
  }
}

/* Makes a stream of a descriptor: nonzero, or 0 for what is a file. */
static int open_stream(shell_t *shell, int fd, union uv_any_handle *any) {
  uv_loop_t *loop = shell->demo.loop;
  int rc;
  switch (uv_guess_handle(fd)) {
  case UV_TTY:
    if (uv_tty_init(loop, &any->tty, fd, 0) != 0) return 0;
    rc = 0;
    break;
  case UV_NAMED_PIPE:
    uv_pipe_init(loop, &any->pipe, 0);
    rc = uv_pipe_open(&any->pipe, fd);
    break;
  case UV_TCP:
    uv_tcp_init(loop, &any->tcp);
    rc = uv_tcp_open(&any->tcp, fd);
    break;
  default: return 0;
  }
  any->handle.data = shell;
  if (rc != 0) uv_close(&any->handle, NULL);
  return rc == 0;
}

static void open_console(shell_t *shell) {
  static const int signals[] = {SIGWINCH, SIGCONT, SIGTERM, SIGHUP};
  keep_console();
  shell->in_is_stream = open_stream(shell, 0, &shell->in);
  shell->in_is_tty = shell->in_is_stream && shell->in.handle.type == UV_TTY;
  shell->out_is_stream = open_stream(shell, 1, &shell->out);
  shell->out_is_tty = shell->out_is_stream && shell->out.handle.type == UV_TTY;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    uv_signal_init(shell->demo.loop, &shell->signals[i]);
    shell->signals[i].data = shell;
    uv_signal_start(&shell->signals[i], on_signal, signals[i]);
  }
  uv_timer_init(shell->demo.loop, &shell->renewal);
  shell->renewal.data = shell;
  shell->demo.on_close = on_demo_closes;
  shell->demo.user_data = shell;
}

int main(int argc, char **argv) {
  static shell_t shell;
  if (argc > 3) {
    fprintf(stderr, "usage: shell [SANDBOX [TERMINAL]]\n");
    return 2;
  }
  if (demo_start(&shell.demo, uv_default_loop()) != 0) {
    demo_finish(&shell.demo, 0);
    return STATUS_FAILED;
  }
  shell.sandbox_id = argc > 1 ? argv[1] : NULL;
  shell.terminal_id = argc > 2 ? argv[2] : NULL;
  shell.status = STATUS_FAILED;
  open_console(&shell);
  open_sandbox(&shell);
  uv_run(shell.demo.loop, UV_RUN_DEFAULT);
  e2b_terminal_release(shell.terminal);
  e2b_sandbox_release(shell.sandbox);
  const int status = demo_finish(&shell.demo, 1);
  return status != 0 ? status : shell.status;
}
