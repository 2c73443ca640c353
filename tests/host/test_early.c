/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/program.h"

/* What is refused is refused before a long body has come: no client sends it for nothing. */

enum { WATCHDOG_S = 60, ROOM = 8192, LARGE = 4 << 20 };

static program_t program;
static char sandbox[64], token[80];

static int dial(void) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)atoi(strrchr(program.url, ':') + 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void say(int fd, const char *text, size_t len) {
  while (len > 0) {
    ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
    assert_true(sent > 0);
    text += sent;
    len -= (size_t)sent;
  }
}

/* Reads to the end of the connection, which must be a polite one. */
static void hear(int fd, char *answer) {
  size_t have = 0;
  ssize_t got;
  while ((got = recv(fd, answer + have, ROOM - 1 - have, 0)) > 0)
    have += (size_t)got;
  assert_int_equal(got, 0);
  /* Envelopes have NULs. */
  for (size_t i = 0; i < have; i++)
    if (answer[i] == '\0') answer[i] = ' ';
  answer[have] = '\0';
}

/* Sends a head and nothing else. */
static void ask(const char *head, char *answer) {
  int fd = dial();
  say(fd, head, strlen(head));
  hear(fd, answer);
  close(fd);
}

static void assert_says(const char *answer, const char *status, const char *words) {
  char line[64];
  snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
  if (strncmp(answer, line, strlen(line)) != 0 || strstr(answer, words) == NULL)
    fail_msg("%s with '%s' was expected: %s", status, words, answer);
  assert_non_null(strstr(answer, "Connection: close\r\n"));
}

#define LENGTH "Content-Length: 10000000\r\n\r\n"
#define DAEMON "Host: localhost\r\nE2b-Sandbox-Port: 49983\r\nE2b-Sandbox-Id: %s\r\n"

static void control_plane(void **state) {
  char answer[ROOM], head[1024];
  (void)state;
  ask("POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: wrong\r\n" LENGTH, answer);
  assert_says(answer, "401", "Invalid API key");
  ask("POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", answer);
  assert_says(answer, "401", "Invalid API key");
  ask("POST /health HTTP/1.1\r\nHost: localhost\r\n" LENGTH, answer);
  assert_says(answer, "404", "no matching operation");
  /* A short body is not asked for either if its client asks first. */
  ask("POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 5\r\n\r\n",
      answer);
  assert_says(answer, "401", "Invalid API key");
  snprintf(head, sizeof head,
           "POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n"
           "Content-Length: 17000000\r\n\r\n",
           program.key);
  ask(head, answer);
  assert_says(answer, "413", "larger than 16777216 bytes");
}

static void edge(void **state) {
  char answer[ROOM];
  (void)state;
  ask("POST / HTTP/1.1\r\nHost: 8080-inone.localhost\r\n" LENGTH, answer);
  assert_says(answer, "502", "The sandbox was not found");
  ask("POST / HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: inone\r\n" LENGTH, answer);
  assert_says(answer, "400", "missing header");
}

static void daemon_calls(void **state) {
  char answer[ROOM], head[1024];
  (void)state;
  snprintf(head, sizeof head, "POST /process.Process/Start HTTP/1.1\r\n" DAEMON LENGTH, sandbox);
  ask(head, answer);
  assert_says(answer, "401", "unauthorized access");
  snprintf(head, sizeof head,
           "POST /process.Process/StreamInput HTTP/1.1\r\n" DAEMON
           "X-Access-Token: %s\r\nTransfer-Encoding: chunked\r\n"
           "Content-Type: application/connect+json\r\nAuthorization: Basic bm9ib2R5Og==\r\n\r\n",
           sandbox, token);
  ask(head, answer);
  assert_says(answer, "200", "invalid username: 'nobody'");
  snprintf(head, sizeof head,
           "POST /filesystem.Filesystem/Stat HTTP/1.1\r\n" DAEMON
           "X-Access-Token: %s\r\nContent-Type: text/plain\r\n" LENGTH,
           sandbox, token);
  ask(head, answer);
  assert_says(answer, "415", "Accept-Post");
}

static void uploads(void **state) {
  static const struct {
    const char *query, *type, *status, *words;
    bool with_token;
  } cases[] = {
      {"path=a", "application/octet-stream", "401", "missing signature", false},
      {"path=a&username=nobody", "application/octet-stream", "401", "unknown user nobody", true},
      {"path=/tmp", "application/octet-stream", "400", "path is a directory: /tmp", true},
      {"path=a", "text/plain", "400", "unsupported content type", true},
  };
  char answer[ROOM], head[1024];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(head, sizeof head,
             "POST /files?%s HTTP/1.1\r\n" DAEMON "%s%s%sContent-Type: %s\r\n" LENGTH,
             cases[i].query, sandbox, cases[i].with_token ? "X-Access-Token: " : "",
             cases[i].with_token ? token : "", cases[i].with_token ? "\r\n" : "", cases[i].type);
    ask(head, answer);
    assert_says(answer, cases[i].status, cases[i].words);
  }
}

/* Who cannot listen while he speaks gets to speak, and then finds the answer. */
static void speakers(void **state) {
  static const char head[] =
      "POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194304\r\n\r\n";
  char answer[ROOM];
  (void)state;
  char *body = test_calloc(1, LARGE);
  int fd = dial();
  say(fd, head, sizeof head - 1);
  say(fd, body, LARGE);
  hear(fd, answer);
  assert_says(answer, "401", "Invalid API key");
  close(fd);
  test_free(body);
}

/* ---- the stage ---- */

static void take(const char *answer, const char *name, char *value, size_t size) {
  char member[64];
  snprintf(member, sizeof member, "\"%s\":\"", name);
  const char *at = strstr(answer, member);
  assert_non_null(at);
  at += strlen(member);
  snprintf(value, size, "%.*s", (int)strcspn(at, "\""), at);
}

static int start(void **state) {
  static const char body[] = "{\"templateID\":\"base\"}";
  char head[1024], answer[ROOM];
  (void)state;
  alarm(WATCHDOG_S);
  if (!program_start(&program, NULL)) return -1;
  snprintf(head, sizeof head,
           "POST /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
           "X-API-Key: %s\r\nContent-Length: %zu\r\n\r\n%s",
           program.key, sizeof body - 1, body);
  ask(head, answer);
  take(answer, "sandboxID", sandbox, sizeof sandbox);
  take(answer, "envdAccessToken", token, sizeof token);
  return 0;
}

static int stop(void **state) {
  char text[PROGRAM_TEXT];
  (void)state;
  int status = program_end(&program, SIGTERM);
  program_errors(&program, text);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  print_error("%s\n", text);
  return -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(control_plane), cmocka_unit_test(edge),     cmocka_unit_test(daemon_calls),
      cmocka_unit_test(uploads),       cmocka_unit_test(speakers),
  };
  return cmocka_run_group_tests_name("early", tests, start, stop);
}
