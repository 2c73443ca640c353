/* SPDX-License-Identifier: MIT */

/* An interactive Python session on a pseudo-terminal: what Python writes goes to the console as it
 * comes, and whenever it asks for a line, by its prompt, the next one is typed.
 *
 *     terminal [TRANSPORT[=URL]]...
 *
 * holds one session over each transport that is named: agent, envd, jupyter, ttyd, or auto, which
 * is the default. JUPYTER and TTYD reach port 8888 and 7681 of the sandbox, or the server at the
 * URL, with JUPYTER_TOKEN and TTYD_CREDENTIAL (user:password) from the environment. A ttyd chooses
 * the program itself, so it has to be one that was started as `ttyd -W python3`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { SESSION_MS = 120000 };

static const char *const lines[] = {
    "import numpy as np\n",
    "import pandas as pd\n",
    "print(\"Libraries loaded!\")\n",
    "data = np.array([1, 2, 3, 4, 5])\n",
    "print(f\"Mean: {data.mean()}\")\n",
    "exit()\n",
};

enum { LINES = sizeof lines / sizeof lines[0] };

typedef struct session {
  size_t next;       /* line */
  char recent[4096]; /* the end of the output since a line was typed */
  size_t len;
  int loaded, mean; /* were seen */
} session_t;

/* ---- talking to Python ---- */

/* A word may come in two pieces, so the end of what came before is kept. */
static void remember(session_t *session, const char *data, size_t len) {
  const size_t most = sizeof session->recent - 1, half = most / 2;
  if (len > half) {
    data += len - half;
    len = half;
  }
  if (session->len + len > most) {
    memmove(session->recent, session->recent + session->len - half, half);
    session->len = half;
  }
  memcpy(session->recent + session->len, data, len);
  session->len += len;
  session->recent[session->len] = '\0';
}

/* Called from the loop. The terminal is there, though the future that yields it may not have called
 * back yet. */
static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  session_t *session = user_data;
  fwrite(data, 1, len, stdout);
  fflush(stdout);
  remember(session, data, len);
  /* At the beginning of a line: what was typed has the words in it too. */
  session->loaded |= strstr(session->recent, "\nLibraries loaded!") != NULL;
  session->mean |= strstr(session->recent, "\nMean: 3.0") != NULL;
  if (session->next == LINES || strstr(session->recent, ">>> ") == NULL) return;
  const char *line = lines[session->next++];
  session->len = 0;
  session->recent[0] = '\0';
  e2b_terminal_write(terminal, line, strlen(line)); /* far below the limit of what it holds */
}

static void on_lost(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  (void)terminal, (void)user_data;
  fprintf(stderr, "[connection lost: %s]\n", error->message);
}

static void on_restored(e2b_terminal_t *terminal, void *user_data) {
  (void)terminal, (void)user_data;
  fprintf(stderr, "[connection restored]\n");
}

/* ---- one session ---- */

static int show_exit(const session_t *session, const e2b_terminal_exit_t *end) {
  int ok = session->loaded && session->mean && (!end->known || end->exit_code == 0);
  if (!session->loaded || !session->mean)
    fprintf(stderr, "Python did not say what it should have said\n");
  if (end->known)
    printf("Python ended with exit code %d\n", end->exit_code);
  else
    printf("Python ended\n"); /* nobody tells how */
  return ok;
}

/* Waits for Python to end, which it does when it has read `exit()`. */
static int wait_for_exit(e2b_terminal_t *terminal, const session_t *session) {
  int ok = 0;
  e2b_future_t *ended = e2b_terminal_wait(terminal);
  if (e2b_future_await(ended, SESSION_MS) == E2B_EAGAIN) {
    fprintf(stderr, "Python did not end within %d s\n", SESSION_MS / 1000);
    e2b_future_release(demo_await(e2b_terminal_kill(terminal)));
  } else if (!demo_failed(ended)) {
    ok = show_exit(session, e2b_future_terminal_exit(ended));
  }
  e2b_future_release(ended);
  return ok;
}

static int run_session(e2b_sandbox_t *sandbox, e2b_transport_t transport, const char *url) {
  session_t session = {.next = 0};
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.program = "python3";
  options.cols = 80;
  options.rows = 24;
  options.transport = transport;
  options.base_url = url;
  if (transport == E2B_TRANSPORT_JUPYTER) options.credential = getenv("JUPYTER_TOKEN");
  if (transport == E2B_TRANSPORT_TTYD) options.credential = getenv("TTYD_CREDENTIAL");
  options.on_data = on_data;
  options.on_lost = on_lost;
  options.on_restored = on_restored;
  options.user_data = &session;

  e2b_future_t *created = demo_await(e2b_terminal_create(sandbox, &options));
  if (created == NULL) return 0;
  e2b_terminal_t *terminal = e2b_future_terminal(created);
  e2b_future_release(created);
  int ok = wait_for_exit(terminal, &session);
  e2b_terminal_close(terminal); /* no callback that would use `session` comes after this */
  e2b_terminal_release(terminal);
  return ok;
}

/* ---- what is asked for ---- */

static const struct {
  const char *name;
  e2b_transport_t transport;
} transports[] = {
    {"auto", E2B_TRANSPORT_AUTO}, {"agent", E2B_TRANSPORT_AGENT},
    {"envd", E2B_TRANSPORT_ENVD}, {"jupyter", E2B_TRANSPORT_JUPYTER},
    {"ttyd", E2B_TRANSPORT_TTYD},
};

/* "jupyter=http://127.0.0.1:8888": index, and *url; -1 when there is no such transport. */
static int parse(const char *argument, const char **url) {
  const size_t len = strcspn(argument, "=");
  *url = argument[len] == '=' ? argument + len + 1 : NULL;
  for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++)
    if (strncmp(transports[i].name, argument, len) == 0 && transports[i].name[len] == '\0')
      return (int)i;
  return -1;
}

static int usage(const char *argument) {
  fprintf(stderr,
          "there is no transport \"%s\"\n"
          "usage: terminal [auto|agent|envd|jupyter[=URL]|ttyd[=URL]]...\n",
          argument);
  return 2;
}

static int run_all(const demo_t *demo, e2b_sandbox_t *sandbox, char **arguments, int count) {
  int ok = 1;
  for (int i = 0; i < count && !demo->closing; i++) {
    const char *url;
    int which = parse(arguments[i], &url);
    printf("\n-- %s\n\n", transports[which].name);
    ok &= run_session(sandbox, transports[which].transport, url);
  }
  return ok;
}

int main(int argc, char **argv) {
  static char by_default[] = "auto";
  char *none[] = {by_default};
  char **arguments = argc > 1 ? argv + 1 : none;
  int count = argc > 1 ? argc - 1 : 1, ok = 0;
  const char *url;
  demo_t demo;

  for (int i = 0; i < count; i++)
    if (parse(arguments[i], &url) < 0) return usage(arguments[i]);
  if (demo_start(&demo, uv_default_loop()) != 0) return demo_finish(&demo, 0);
  e2b_future_t *created = demo_await(e2b_sandbox_create(demo.client, NULL));
  if (created != NULL) {
    e2b_sandbox_t *sandbox = e2b_future_sandbox(created);
    e2b_future_release(created);
    ok = run_all(&demo, sandbox, arguments, count);
    demo_destroy(&demo, sandbox);
  }
  return demo_finish(&demo, ok);
}
