/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "e2b/e2b.h"
#include "e2b/web.h"
#include "support/program.h"
#include "support/starving.h"

/* The web server and the request handler while memory runs out, at one allocation after the other;
 * the sandboxes' host is another process. Whatever fails, the request is answered or its connection
 * ends, and nothing is left. */

enum { PATIENCE_MS = 60000 };

static uv_loop_t loop;
static program_t host;
static char sandbox_id[64];
static char terminal_id[128];

/* --- a browser ----------------------------------------------------------------------------------
 */

typedef struct ask_t {
  const char *name;
  const char *action; /* of a POST, with its members; NULL: a GET of `target` */
  const char *target;
  const char *headers;
  const char *expected; /* in the answer, when nothing fails */
} ask_t;

#define UPGRADE                                                                   \
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"    \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: e2b-te" \
  "rminal\r\n"
#define CLOSES "Connection: close\r\n"

static const ask_t asks[] = {
    {"a file", NULL, "/", CLOSES, "<p>hello"},
    {"terminals", "terminal.list\",\"x\":\"", NULL, CLOSES, "\"terminals\":["},
    {"typing", "terminal.write\",\"data\":\":\\n", NULL, CLOSES, "\"success\":true"},
    {"a size", "terminal.resize\",\"cols\":90,\"rows\":30,\"x\":\"", NULL, CLOSES,
     "\"success\":true"},
    {"events", NULL, "/api?action=terminal.stream", "", "\"type\":\"connected\""},
    {"a socket", NULL, "/api?action=terminal.connect", UPGRADE, "\"type\":\"connected\""},
    {"a run", "runCommand\",\"stream\":true,\"command\":\"echo ran", NULL, CLOSES, "ran\\n"},
};
enum { ASKS = sizeof asks / sizeof *asks };

static int dial(const char *url) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  const char *port = strrchr(url, ':');
  assert_non_null(port);
  address.sin_port = htons((uint16_t)atoi(port + 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void say(int fd, const ask_t *ask) {
  char body[512];
  char text[1024];
  int len;
  if (ask->action != NULL) {
    const int body_len = snprintf(body, sizeof body,
                                  "{\"sandboxId\":\"%s\",\"terminalId\":\"%s\","
                                  "\"action\":\"compute.sandbox.%s\"}",
                                  sandbox_id, terminal_id, ask->action);
    len = snprintf(text, sizeof text,
                   "POST /api HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s",
                   ask->headers, body_len, body);
  } else {
    const bool stream = strchr(ask->target, '?') != NULL;
    len = snprintf(text, sizeof text, "GET %s%s%s%s%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                   ask->target, stream ? "&sandboxId=" : "", stream ? sandbox_id : "",
                   stream ? "&terminalId=" : "", stream ? terminal_id : "", ask->headers);
  }
  assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

static void on_tick(uv_timer_t *timer) {
  ++*(unsigned *)timer->data;
}

static bool has(const char *text, size_t len, const char *what) {
  return memmem(text, len, what, strlen(what)) != NULL;
}

/* Turns the loop until the answer or a failure has come, or the stream or the connection has ended.
 * Whether it was the answer. */
static bool is_answered(int fd, const char *expected) {
  char text[16384] = "";
  size_t len = 0;
  unsigned ticks = 0;
  uv_timer_t tick;
  uv_timer_init(&loop, &tick);
  tick.data = &ticks;
  uv_timer_start(&tick, on_tick, 1, 1);
  ssize_t got = 1;
  while (got != 0 && !has(text, len, expected) && !has(text, len, "\"success\":false") &&
         !has(text, len, "\r\n0\r\n\r\n") && ticks < PATIENCE_MS) {
    uv_run(&loop, UV_RUN_ONCE);
    got = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT);
    if (got > 0) len += (size_t)got;
    if (got < 0) got = errno == EAGAIN ? 1 : 0;
  }
  uv_close((uv_handle_t *)&tick, NULL);
  uv_run(&loop, UV_RUN_NOWAIT);
  if (ticks >= PATIENCE_MS) fail_msg("neither an answer nor an end: %s", text);
  return has(text, len, expected);
}

/* --- one request --------------------------------------------------------------------------------
 */

static void on_web_closed(void *closed) {
  *(bool *)closed = true;
}

static bool serve_and_ask(e2b_handler_t *handler, const ask_t *ask) {
  static const e2b_web_file_t files[] = {{"/", "text/html", "<p>hello", 8}};
  e2b_web_options options;
  e2b_web_t *web;
  bool closed = false;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.path = "/api";
  options.files = files;
  options.files_count = 1;
  if (e2b_web_start(&loop, handler, &options, &web, NULL, 0) != 0) return false;
  const int fd = dial(e2b_web_url(web));
  say(fd, ask);
  const bool answered = is_answered(fd, ask->expected);
  close(fd);
  uv_run(&loop, UV_RUN_NOWAIT);
  e2b_web_close(web, on_web_closed, &closed);
  while (!closed) {
    uv_run(&loop, UV_RUN_ONCE);
  }
  return answered;
}

static void run(void *ctx, size_t nth) {
  const ask_t *ask = ctx;
  (void)nth;
  starving_begin();
  e2b_client_t *client = program_client(&host, &loop);
  e2b_handler_options options;
  e2b_handler_t *handler = NULL;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  const int rc = client != NULL ? e2b_handler_new(client, &options, &handler) : E2B_ENOMEM;
  const bool answered = rc == 0 && serve_and_ask(handler, ask);
  e2b_handler_release(handler);
  program_client_close(client, &loop);
  if (!starving_failed() && !answered) fail_msg("%s: no answer", ask->name);
}

static void walk(bool for_good) {
  for (size_t i = 0; i < ASKS; i++) {
    ask_t ask = asks[i];
    const starving_scenario_t scenario = {ask.name, run, &ask};
    starving_walk(&scenario, for_good, SIZE_MAX, 1);
  }
}

static void requests_without_one_allocation(void **state) {
  (void)state;
  walk(false);
}

static void requests_without_any_from_one_on(void **state) {
  (void)state;
  walk(true);
}

/* --- the group ----------------------------------------------------------------------------------
 */

static void *need(e2b_future_t *future) {
  assert_int_equal(e2b_future_await(future, PATIENCE_MS), 0);
  return future;
}

static int group_open(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  if (uv_loop_init(&loop) != 0 || !program_start(&host, NULL)) return -1;
  e2b_client_t *client = program_client(&host, &loop);
  e2b_create_options create;
  E2B_INIT(&create);
  create.timeout_ms = 3600000;
  e2b_future_t *future = need(e2b_sandbox_create(client, &create));
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  snprintf(sandbox_id, sizeof sandbox_id, "%s", e2b_sandbox_id(sandbox));
  future = need(e2b_terminal_create(sandbox, NULL));
  e2b_terminal_t *terminal = e2b_future_terminal(future);
  e2b_future_release(future);
  snprintf(terminal_id, sizeof terminal_id, "%s", e2b_terminal_id(terminal));
  e2b_terminal_release(terminal);
  e2b_sandbox_release(sandbox);
  program_client_close(client, &loop);
  return 0;
}

static int group_close(void **state) {
  (void)state;
  program_end(&host, SIGTERM);
  program_orphans();
  return uv_loop_close(&loop);
}

int main(void) {
  starving_library();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_without_one_allocation),
      cmocka_unit_test(requests_without_any_from_one_on),
  };
  return cmocka_run_group_tests_name("web starving", tests, group_open, group_close);
}
