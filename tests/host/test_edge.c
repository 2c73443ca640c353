/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buffer.h"
#include "support/scene.h"

/* Ports of a sandbox through the host, byte by byte: a client that is a bare socket, and a program
 * in the sandbox that answers as it is told by the path. */

#define PORT "8123"

/* What the program does with a connection: `head` is the request's, `sock` stays open for more. */
static const char program[] =
    "import socket, struct, sys, threading, time\n"
    "def body_of(sock, head, rest):\n"
    "    for line in head.split(b'\\r\\n'):\n"
    "        if line.lower().startswith(b'content-length:'):\n"
    "            left = int(line.split(b':')[1]) - len(rest)\n"
    "            total = len(rest)\n"
    "            while left > 0:\n"
    "                data = sock.recv(65536)\n"
    "                if not data: return -1\n"
    "                left -= len(data); total += len(data)\n"
    "            return total\n"
    "    while b'0\\r\\n\\r\\n' not in rest and b'chunked' in head: rest += sock.recv(65536)\n"
    "    return rest\n"
    "def serve(sock):\n"
    "    data = b''\n"
    "    while b'\\r\\n\\r\\n' not in data:\n"
    "        got = sock.recv(65536)\n"
    "        if not got: return\n"
    "        data += got\n"
    "    head, rest = data.split(b'\\r\\n\\r\\n', 1)\n"
    "    path = head.split(b' ')[1].split(b'?')[0].decode()\n"
    "    say = sock.sendall\n"
    "    if path == '/head':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nX-Two: 1\\r\\nX-Two: "
    "2\\r\\n\\r\\n' % len(head) + head)\n"
    "    elif path == '/body':\n"
    "        text = str(body_of(sock, head, rest)).encode()\n"
    "        say(b'HTTP/1.0 200 OK\\r\\n\\r\\n' + text)\n"
    "    elif path == '/bytes':\n"
    "        for c in b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: "
    "chunked\\r\\n\\r\\n3\\r\\nabc\\r\\n2;x\\r\\nde\\r\\n0\\r\\n\\r\\n':\n"
    "            say(bytes([c])); time.sleep(0.001)\n"
    "    elif path == '/interim':\n"
    "        say(b'HTTP/1.1 103 Early Hints\\r\\nLink: x\\r\\n\\r\\nHTTP/1.1 204 No "
    "Content\\r\\n\\r\\n')\n"
    "    elif path == '/not-modified':\n"
    "        say(b'HTTP/1.1 304 Not Modified\\r\\nETag: \"x\"\\r\\nContent-Length: "
    "77\\r\\n\\r\\n')\n"
    "    elif path == '/length':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n' + (b'' if head[:4] == "
    "b'HEAD' else b'hello and more'))\n"
    "    elif path == '/slow':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\ndata: "
    "1\\n\\n')\n"
    "        while sock.recv(1000): pass\n"
    "    elif path == '/cut':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nabc')\n"
    "    elif path == '/cut-chunk':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n64\\r\\nabc')\n"
    "    elif path == '/garbage':\n"
    "        say(b'SSH-2.0-OpenSSH\\r\\n\\r\\n')\n"
    "    elif path == '/long-head':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\n' + b'A: ' + b'x' * 200000)\n"
    "    elif path == '/early':\n"
    "        say(b'HTTP/1.1 413 Large\\r\\nContent-Length: 3\\r\\n\\r\\nno!')\n"
    "    elif path == '/big':\n"
    "        say(b'HTTP/1.1 200 OK\\r\\nContent-Length: 20000000\\r\\n\\r\\n')\n"
    "        for i in range(200): say(b'x' * 100000)\n"
    "    elif path == '/socket':\n"
    "        say(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: "
    "Upgrade\\r\\nSec-WebSocket-Accept: abc\\r\\n\\r\\nfirst')\n"
    "        if rest: say(rest)\n"
    "        while True:\n"
    "            data = sock.recv(65536)\n"
    "            if not data: break\n"
    "            say(data)\n"
    "        say(b'bye')\n"
    "    sock.shutdown(socket.SHUT_WR)\n"
    "    sock.close()\n"
    "def run(sock):\n"
    "    try: serve(sock)\n"
    "    except OSError: pass\n"
    "family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
    "listener = socket.socket(family)\n"
    "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    "listener.bind((sys.argv[1], int(sys.argv[2])))\n"
    "listener.listen(100)\n"
    "while True: threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()\n";

typedef struct client {
  int fd;
  bool over;  /* the host has closed */
  bool reset; /* without politeness */
  e2b__buffer_t in;
} client;

static client the_client = {.fd = -1};

static void hang_up(void) {
  if (the_client.fd >= 0) close(the_client.fd);
  e2b__buffer_free(&the_client.in);
  the_client = (client){.fd = -1};
  e2b__buffer_init(&the_client.in, 64 << 20);
}

static void dial(void) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  const char *colon = strrchr(e2b_host_url(scene.server.host), ':');
  hang_up();
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  in.sin_port = htons((uint16_t)atoi(colon + 1));
  the_client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(the_client.fd, (struct sockaddr *)&in, sizeof in), 0);
}

/* Never waits in the loop: how long that waits is for the host's clocks to say. */
static void turn_for(int ms) {
  uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000u;
  do {
    uv_run(scene.loop, UV_RUN_NOWAIT);
    poll(NULL, 0, 1);
  } while (uv_hrtime() < end);
}

static void take(void) {
  char data[65536];
  ssize_t got;
  while (!the_client.over && (got = recv(the_client.fd, data, sizeof data, MSG_DONTWAIT)) != -1) {
    the_client.over = got == 0;
    assert_int_equal(e2b__buffer_append(&the_client.in, data, (size_t)got), 0);
  }
  if (!the_client.over && errno != EAGAIN) the_client.over = the_client.reset = true;
}

static void say(const char *data, size_t len) {
  for (unsigned tries = 0; len > 0;) {
    ssize_t sent = send(the_client.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      assert_int_equal(errno, EAGAIN);
      turn_for(1);
      assert_true(++tries < LONG_ENOUGH_MS);
    } else {
      data += sent;
      len -= (size_t)sent;
    }
  }
}

static bool has(const char *text) {
  return the_client.in.data != NULL && strstr(the_client.in.data, text) != NULL;
}

static void until(const char *text) {
  for (unsigned tries = 0; take(), !has(text); tries++) {
    if (the_client.over) fail_msg("over, with: %.500s", the_client.in.data);
    turn_for(2);
    assert_true(tries < LONG_ENOUGH_MS / 2);
  }
}

static void until_over(void) {
  for (unsigned tries = 0; take(), !the_client.over; tries++) {
    turn_for(2);
    assert_true(tries < LONG_ENOUGH_MS / 2);
  }
}

/* Sends a request to a port of the sandbox, by name; `more` are header lines, `body` what follows.
 */
static void ask_port(const char *method, const char *path, const char *port, const char *more,
                     const char *body) {
  char head[1000];
  int len = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s-%s.localhost\r\n%s\r\n", method,
                     path, port, e2b_sandbox_id(scene.sandbox), more);
  dial();
  say(head, (size_t)len);
  say(body, strlen(body));
}

static void ask(const char *method, const char *path, const char *more, const char *body) {
  ask_port(method, path, PORT, more, body);
}

#define LAST "Connection: close\r\n"

/* It listens a moment later; the host waits for that. */
static void start_program(void) {
  char *line = e2b__format("cat > /tmp/program.py <<'THE_END'\n%sTHE_END\n"
                           "for at in 127.0.0.1\\ " PORT " ::1\\ 8124; do\n"
                           "  setsid python3 /tmp/program.py $at </dev/null >/dev/null 2>&1 &\n"
                           "done",
                           program);
  scene_shell(line);
  e2b__free(line);
}

static int open_scene(void **state) {
  if (scene_open(state) != 0) return -1;
  if (scene.server.host != NULL) start_program();
  return 0;
}

static int enter(void **state) {
  (void)state;
  hang_up();
  return 0;
}

static int leave(void **state) {
  hang_up();
  return scene_tidy(state);
}

static void need_host(void) {
  skip_unless(&scene.server, SERVER_LOCAL, "the edge is not ours");
  if (scene.server.host == NULL) skip();
}

static void heads_pass_both_ways(void **state) {
  (void)state;
  need_host();
  ask("POST", "/head?a=b%20c&d=%2F..",
      "X-Mine: a  b\r\nX-Hop: 1\r\nX-Forwarded-For: me\r\n"
      "Connection: close, X-Hop\r\nContent-Length: 2\r\nOrigin: http://a\r\n",
      "hi");
  until_over();
  assert_true(has("HTTP/1.1 200 OK\r\n"));
  assert_true(has("X-Two: 1\r\nX-Two: 2\r\n"));
  assert_true(has("POST /head?a=b%20c&d=%2F.. HTTP/1.1\r\n"));
  assert_true(has("X-Mine: a  b\r\n"));
  assert_true(has("Content-Length: 2\r\n"));
  assert_true(has("Connection: close"));
  assert_false(has("X-Hop"));
  assert_false(has("X-Forwarded-For"));
  assert_false(has("Access-Control"));
  char host[100];
  snprintf(host, sizeof host, "Host: " PORT "-%s.localhost\r\n", e2b_sandbox_id(scene.sandbox));
  assert_true(has(host));
}

static void routing_by_headers(void **state) {
  (void)state;
  char text[300];
  need_host();
  int len = snprintf(text, sizeof text,
                     "GET /length HTTP/1.1\r\nHost: 127.0.0.1\r\nE2b-Sandbox-Id: %s\r\n"
                     "E2b-Sandbox-Port: 8124\r\n" LAST "\r\n",
                     e2b_sandbox_id(scene.sandbox));
  dial();
  say(text, (size_t)len);
  until_over();
  assert_true(has("Content-Length: 5\r\n"));
  assert_string_equal(strstr(the_client.in.data, "\r\n\r\n"), "\r\n\r\nhello");
}

static void bodies_of_every_framing(void **state) {
  (void)state;
  need_host();
  ask("GET", "/bytes", LAST, "");
  until_over();
  assert_true(has("Transfer-Encoding: chunked\r\n"));
  assert_string_equal(the_client.in.data + the_client.in.len - 5, "0\r\n\r\n");
  assert_true(has("\r\nabc\r\n") || has("\r\nabcde\r\n") || has("a"));
  ask("GET", "/interim", LAST, "");
  until_over();
  assert_memory_equal(the_client.in.data, "HTTP/1.1 204 No Content\r\n", 25);
  ask("GET", "/not-modified", LAST, "");
  until_over();
  assert_true(has("304 Not Modified") && has("ETag: \"x\"\r\n") && has("Content-Length: 77\r\n"));
  assert_string_equal(the_client.in.data + the_client.in.len - 4, "\r\n\r\n");
  ask("HEAD", "/length", LAST, "");
  until_over();
  assert_true(has("Content-Length: 5\r\n"));
  assert_string_equal(the_client.in.data + the_client.in.len - 4, "\r\n\r\n");
}

/* libmicrohttpd 1.0.1 takes the end of the line after a chunk extension for data, and refuses the
 * request. */
static bool takes_extensions(void) {
  return strcmp(MHD_get_version(), "1.0.1") != 0;
}

static void uploads(void **state) {
  (void)state;
  enum { SIZE = 8 << 20 };
  char *data = calloc(1, SIZE);
  need_host();
  static const char *const bodies[] = {"4\r\nwiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\n",
                                       "4\r\nwiki\r\n5;a=b\r\npedia\r\n0\r\n\r\n"};
  for (size_t i = 0; i < 2; i++) {
    ask("PUT", "/body", LAST "Transfer-Encoding: chunked\r\n", bodies[i]);
    until_over();
    if (i == 1 && !takes_extensions())
      assert_true(has("HTTP/1.1 400 "));
    else
      assert_true(has("0\\r\\n\\r\\n") && has("wiki") && has("pedia"));
  }
  ask("PUT", "/body", LAST "Content-Length: 8388608\r\nExpect: 100-continue\r\n", "");
  until("100 Continue");
  say(data, SIZE);
  until_over();
  assert_true(has("8388608"));
  ask("PUT", "/early", LAST "Content-Length: 8388608\r\n", "");
  say(data, SIZE);
  until_over();
  assert_true(has("413 ") && has("no!"));
  free(data);
}

static void answers_come_as_they_are_made(void **state) {
  (void)state;
  need_host();
  ask("GET", "/slow", "", "");
  until("data: 1\n\n");
  assert_false(the_client.over);
}

static void a_slow_reader_loses_nothing(void **state) {
  (void)state;
  need_host();
  ask("GET", "/big", LAST, "");
  until("\r\n\r\n");
  turn_for(300);
  until_over();
  assert_int_equal(the_client.in.len -
                       (size_t)(strstr(the_client.in.data, "\r\n\r\n") + 4 - the_client.in.data),
                   20000000);
}

static void an_answer_that_breaks_off_is_not_whole(void **state) {
  (void)state;
  need_host();
  ask("GET", "/cut", "", "");
  until_over();
  assert_string_equal(strstr(the_client.in.data, "\r\n\r\n"), "\r\n\r\nabc");
  ask("GET", "/cut-chunk", "", "");
  until_over();
  assert_true(has("abc"));
  assert_false(has("\r\n0\r\n"));
}

static void what_is_no_answer_is_a_closed_port(void **state) {
  (void)state;
  static const char *const paths[] = {"/garbage", "/long-head", "/nothing"};
  char text[300];
  need_host();
  snprintf(text, sizeof text,
           "{\"sandboxId\":\"%s\",\"message\":\"The sandbox is running but port is not open\","
           "\"port\":" PORT ",\"code\":502}",
           e2b_sandbox_id(scene.sandbox));
  for (size_t i = 0; i < 3; i++) {
    ask("GET", paths[i], LAST, "");
    until_over();
    assert_true(has("HTTP/1.1 502 ") && has("application/json; charset=utf-8") && has(text));
  }
}

static void closed_ports_and_unknown_sandboxes(void **state) {
  (void)state;
  need_host();
  ask_port("GET", "/", "8125", LAST "User-Agent: Mozilla/5.0\r\nAccept: text/html\r\n", "");
  until_over();
  assert_true(has("502 ") && has("text/html; charset=utf-8") && has("<html"));
  assert_true(has("no service running on port 8125"));
  assert_string_equal(the_client.in.data + the_client.in.len - 7, "</html>");
  ask_port("POST", "/", "8125", LAST "Content-Length: 2\r\n", "ab");
  until_over();
  assert_true(has("\"port\":8125,\"code\":502}"));
  dial();
  static const char unknown[] = "GET / HTTP/1.1\r\nHost: 80-nobody.localhost\r\n" LAST "\r\n";
  say(unknown, sizeof unknown - 1);
  until_over();
  assert_true(
      has("{\"sandboxId\":\"nobody\",\"message\":\"The sandbox was not found\",\"code\":502}"));
}

static void hostile_targets_are_refused(void **state) {
  (void)state;
  need_host();
  ask("GET", "/head a", LAST, "");
  until_over();
  assert_true(has("HTTP/1.1 400 "));
}

static void websockets(void **state) {
  (void)state;
  need_host();
  ask("GET", "/socket", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", "second");
  until("first");
  until("second");
  assert_memory_equal(the_client.in.data, "HTTP/1.1 101 ", 13);
  assert_true(has("Sec-WebSocket-Accept: abc\r\n") && has("Upgrade: websocket\r\n"));
  say("third", 5);
  until("third");
  shutdown(the_client.fd, SHUT_WR);
  until_over();
  assert_true(has("thirdbye"));
  assert_false(the_client.reset);
}

static void clients_may_leave_at_any_time(void **state) {
  (void)state;
  need_host();
  for (int ms = 0; ms < 20; ms += 4) {
    static const char *const paths[] = {"/socket", "/slow", "/big", "/body", "/wait"};
    for (size_t i = 0; i < 5; i++) {
      ask("GET", paths[i], "Connection: Upgrade\r\nUpgrade: x\r\n", "");
      if (ms > 0) turn_for(ms);
    }
  }
  dial();
  say("GET /x HTTP/1.1\r\nHo", 18);
  turn_for(10);
  hang_up();
  ask("GET", "/length", LAST, "");
  until_over();
  assert_true(has("hello"));
}

static void the_end_of_the_sandbox_resets(void **state) {
  (void)state;
  need_host();
  static const char *const more[] = {"", "Connection: Upgrade\r\nUpgrade: websocket\r\n"};
  for (int i = 0; i < 2; i++) {
    e2b_sandbox_t *kept = scene.sandbox, *other = MADE(e2b_sandbox_create(scene.client, NULL));
    scene.sandbox = other;
    start_program();
    ask("GET", i == 0 ? "/slow" : "/socket", more[i], "");
    until(i == 0 ? "data: 1" : "first");
    OK(e2b_sandbox_kill(other));
    scene.sandbox = kept;
    until_over();
    assert_true(the_client.reset);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define EDGE_TEST(function) cmocka_unit_test_setup_teardown(function, enter, leave)
      EDGE_TEST(heads_pass_both_ways),
      EDGE_TEST(routing_by_headers),
      EDGE_TEST(bodies_of_every_framing),
      EDGE_TEST(uploads),
      EDGE_TEST(answers_come_as_they_are_made),
      EDGE_TEST(a_slow_reader_loses_nothing),
      EDGE_TEST(an_answer_that_breaks_off_is_not_whole),
      EDGE_TEST(what_is_no_answer_is_a_closed_port),
      EDGE_TEST(closed_ports_and_unknown_sandboxes),
      EDGE_TEST(hostile_targets_are_refused),
      EDGE_TEST(websockets),
      EDGE_TEST(clients_may_leave_at_any_time),
      EDGE_TEST(the_end_of_the_sandbox_resets),
  };
  return cmocka_run_group_tests_name("edge", tests, open_scene, scene_close);
}
