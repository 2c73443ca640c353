/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <uv.h>

#include "e2b/web.h"
#include "support/scene.h"

/* A thousand browsers look at terminals, over a WebSocket each, through one thread; half of them
 * vanish in the middle of it. A sandbox takes a thousand connections at most, so there are two. */

enum { VIEWERS = 1000, SANDBOXES = 2, LINES = 20000 };

static e2b_handler_t *handler;
static e2b_web_t *web;
static bool web_closed;

/* --- memory: every byte that the library takes is counted --------------------------------------
 */

static size_t in_use;

static void *counted_malloc(size_t size, void *user_data) {
  (void)user_data;
  size_t *block = malloc(size + 16);
  if (block == NULL) return NULL;
  block[0] = size;
  in_use += size;
  return block + 2;
}

static void counted_free(void *ptr, void *user_data) {
  (void)user_data;
  if (ptr == NULL) return;
  size_t *block = (size_t *)ptr - 2;
  in_use -= block[0];
  free(block);
}

static void *counted_realloc(void *ptr, size_t size, void *user_data) {
  if (ptr == NULL) return counted_malloc(size, user_data);
  const size_t old = ((size_t *)ptr)[-2];
  void *fresh = counted_malloc(size, user_data);
  if (fresh == NULL) return NULL;
  memcpy(fresh, ptr, old < size ? old : size);
  counted_free(ptr, user_data);
  return fresh;
}

/* --- the server ---------------------------------------------------------------------------------
 */

static void on_web_closed(void *user_data) {
  (void)user_data;
  web_closed = true;
}

static int open_web(void **state) {
  char why[256] = "";
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (scene_open(state) != 0) return -1;
  e2b_handler_options options;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  options.max_streams = 2 * VIEWERS;
  if (e2b_handler_new(scene.client, &options, &handler) != 0) return -1;
  e2b_web_options served;
  E2B_INIT(&served);
  served.listen = "127.0.0.1:0";
  return e2b_web_start(scene.loop, handler, &served, &web, why, sizeof why);
}

static int close_web(void **state) {
  e2b_web_close(web, on_web_closed, NULL);
  e2b_handler_release(handler);
  scene_turn(LONG_ENOUGH_MS, &web_closed);
  return web_closed ? scene_close(state) : -1;
}

/* --- a browser ----------------------------------------------------------------------------------
 */

typedef struct browser {
  uv_tcp_t tcp;
  uv_connect_t connect;
  bool upgraded;
  bool connected; /* said the terminal */
  bool closed;
  unsigned char head[1024]; /* of the answer, then of a frame */
  size_t head_len;
  uint64_t left; /* of the frame's payload */
  unsigned opcode;
  char text[512]; /* of a notice */
  size_t text_len;
  uint64_t hash; /* of the output */
  uint64_t bytes;
  unsigned troubles;
} browser;

static browser browsers[VIEWERS];
static char request_texts[SANDBOXES][512];

/* Which terminal the browser looks at: both kinds, those that vanish and those that stay. */
static size_t side_of(const browser *b) {
  return (size_t)(b - browsers) / 2 % SANDBOXES;
}

static void take_notice(browser *b) {
  b->text[b->text_len] = '\0';
  if (strstr(b->text, "\"connected\"") != NULL) {
    b->connected = true;
  } else {
    b->troubles++;
  }
}

static void take_payload(browser *b, const unsigned char *data, size_t len) {
  if (b->opcode == 2) {
    for (size_t i = 0; i < len; i++) {
      b->hash = (b->hash ^ data[i]) * 1099511628211u;
    }
    b->bytes += len;
  } else if (b->opcode == 1 && b->text_len + len < sizeof b->text) {
    memcpy(b->text + b->text_len, data, len);
    b->text_len += len;
  }
  b->left -= len;
  if (b->left == 0 && b->opcode == 1) take_notice(b);
}

/* How long a frame's head is, as far as that can be told; 0: more is needed. */
static size_t frame_head(browser *b) {
  if (b->head_len < 2) return 0;
  const unsigned len = b->head[1] & 0x7f;
  const size_t size = len == 126 ? 4 : len == 127 ? 10 : 2;
  if (b->head_len < size) return 0;
  b->opcode = b->head[0] & 0x0f;
  b->left = len;
  if (len == 126) b->left = (uint64_t)b->head[2] << 8 | b->head[3];
  if (len == 127) {
    b->left = 0;
    for (int i = 2; i < 10; i++) {
      b->left = b->left << 8 | b->head[i];
    }
  }
  return size;
}

static void take(browser *b, const unsigned char *data, size_t len) {
  while (len > 0) {
    if (b->upgraded && b->left > 0) {
      const size_t part = b->left < len ? (size_t)b->left : len;
      take_payload(b, data, part);
      data += part;
      len -= part;
      continue;
    }
    assert_true(b->head_len < sizeof b->head);
    b->head[b->head_len++] = *data++;
    len--;
    if (!b->upgraded) {
      if (b->head_len < 4 || memcmp(b->head + b->head_len - 4, "\r\n\r\n", 4) != 0) continue;
      if (memcmp(b->head, "HTTP/1.1 101", 12) != 0) {
        fail_msg("%.*s%.*s", (int)b->head_len, (const char *)b->head, (int)len, (const char *)data);
      }
      b->upgraded = true;
      b->head_len = 0;
    } else if (frame_head(b) > 0) {
      b->head_len = 0;
      b->text_len = 0;
    }
  }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  static char room[65536];
  (void)handle;
  (void)size;
  *buf = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  if (n > 0) take(stream->data, (const unsigned char *)buf->base, (size_t)n);
}

static void on_connect(uv_connect_t *request, int status) {
  browser *b = request->data;
  char *text = request_texts[side_of(b)];
  const uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text));
  assert_int_equal(status, 0);
  uv_read_start((uv_stream_t *)&b->tcp, on_alloc, on_read);
  assert_int_equal(uv_try_write((uv_stream_t *)&b->tcp, &buf, 1), (int)buf.len);
}

static void dial(browser *b) {
  struct sockaddr_in address;
  memset(b, 0, sizeof *b);
  b->hash = 14695981039346656037u;
  uv_ip4_addr("127.0.0.1", atoi(strrchr(e2b_web_url(web), ':') + 1), &address);
  uv_tcp_init(scene.loop, &b->tcp);
  b->tcp.data = b->connect.data = b;
  uv_tcp_connect(&b->connect, &b->tcp, (const struct sockaddr *)&address, on_connect);
}

static void on_closed(uv_handle_t *handle) {
  ((browser *)handle->data)->closed = true;
}

/* A reset, as of a machine that lost its power and came back. */
static void vanish(browser *b) {
  const struct linger now = {1, 0};
  uv_os_fd_t fd;
  uv_fileno((const uv_handle_t *)&b->tcp, &fd);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  uv_close((uv_handle_t *)&b->tcp, on_closed);
}

static unsigned count(bool (*is)(const browser *b)) {
  unsigned found = 0;
  for (size_t i = 0; i < VIEWERS; i++) {
    if (is(&browsers[i])) found++;
  }
  return found;
}

static bool is_connected(const browser *b) {
  return b->connected;
}

static bool is_closed(const browser *b) {
  return b->closed;
}

/* --- the test -----------------------------------------------------------------------------------
 */

/* Until what belongs to viewers has gone, memory shrinks. */
static size_t settled(void) {
  size_t least = in_use;
  for (unsigned still = 0; still < 25; still++) {
    const bool never = false;
    scene_turn(PACE_MS, &never);
    if (in_use < least) {
      least = in_use;
      still = 0;
    }
  }
  return least;
}

static e2b_terminal_t *make_terminal(e2b_sandbox_t *sandbox, size_t side) {
  static const char *const args[] = {"--norc", "--noprofile", NULL};
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.program = "bash";
  options.args = args;
  options.hold_ms = 60000;
  e2b_terminal_t *terminal = e2b_future_terminal(OK(e2b_terminal_create(sandbox, &options)));
  snprintf(request_texts[side], sizeof request_texts[side],
           "GET /api/compute?action=terminal.connect&sandboxId=%s&terminalId=%s HTTP/1.1\r\n"
           "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
           "13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: e2b-terminal\r\n\r\n",
           e2b_sandbox_id(sandbox), e2b_terminal_id(terminal));
  return terminal;
}

/* One from each side comes and goes before anything is measured: it leaves caches behind. */
static size_t memory_without_viewers(void) {
  for (size_t i = 0; i < 2 * SANDBOXES; i += 2) {
    dial(&browsers[i]);
    for (unsigned tries = 0; !browsers[i].connected; tries++) {
      scene_pace(tries);
    }
    vanish(&browsers[i]);
    assert_true(scene_turn(LONG_ENOUGH_MS, &browsers[i].closed));
  }
  return settled();
}

static void until_all_are_connected(void) {
  for (size_t i = 0; i < VIEWERS; i++) {
    dial(&browsers[i]);
  }
  for (unsigned tries = 0; count(is_connected) < VIEWERS; tries++) {
    scene_pace(tries);
  }
}

/* The half that stayed has every byte, in order: each side the same ones. */
static void check_those_who_stayed(void) {
  uint64_t expected = 0;
  for (int i = 1; i <= LINES; i++) {
    expected += (uint64_t)snprintf(NULL, 0, "%d\r\n", i);
  }
  for (size_t i = 1; i < VIEWERS; i += 2) {
    for (unsigned tries = 0; browsers[i].bytes < expected; tries++) {
      scene_pace(tries);
    }
  }
  (void)settled(); /* the last words too */
  for (size_t i = 1; i < VIEWERS; i += 2) {
    const browser *first = &browsers[1 + 2 * side_of(&browsers[i])];
    assert_int_equal(browsers[i].troubles, 0);
    assert_int_equal(browsers[i].bytes, first->bytes);
    assert_true(browsers[i].hash == first->hash);
  }
}

static void a_thousand_look_and_half_of_them_vanish(void **state) {
  e2b_terminal_t *terminals[SANDBOXES];
  char line[128];
  (void)state;
  skip_unless(&scene.server, SERVER_LOCAL | SERVER_CONTROL, "a server on this machine");
  for (size_t i = 0; i < SANDBOXES; i++) {
    e2b_sandbox_t *other = i > 0 ? MADE(e2b_sandbox_create(scene.client, NULL)) : scene.sandbox;
    terminals[i] = make_terminal(other, i);
  }
  const size_t before = memory_without_viewers();
  until_all_are_connected();
  snprintf(line, sizeof line, "stty -echo; seq 1 %d; echo done\n", LINES);
  for (size_t i = 0; i < SANDBOXES; i++) {
    assert_int_equal(e2b_terminal_write(terminals[i], line, strlen(line)), 0);
  }
  for (unsigned tries = 0; browsers[VIEWERS - 1].bytes < 10000; tries++) {
    scene_pace(tries);
  }
  for (size_t i = 0; i < VIEWERS; i += 2) {
    vanish(&browsers[i]);
  }
  check_those_who_stayed();
  for (size_t i = 1; i < VIEWERS; i += 2) {
    vanish(&browsers[i]);
  }
  for (unsigned tries = 0; count(is_closed) < VIEWERS; tries++) {
    scene_pace(tries);
  }
  const size_t after = settled();
  printf("the library's memory: %zu bytes before, %zu after\n", before, after);
  assert_true(after <= before + before / 20);
  for (size_t i = 0; i < SANDBOXES; i++) {
    OK(e2b_terminal_kill(terminals[i]));
    e2b_terminal_release(terminals[i]);
  }
}

int main(void) {
  static const e2b_allocator_t counted = {counted_malloc, counted_realloc, counted_free, NULL};
  const struct CMUnitTest tests[] = {SCENE_TEST(a_thousand_look_and_half_of_them_vanish)};
  e2b_set_allocator(&counted);
  return cmocka_run_group_tests_name("viewers", tests, open_web, close_web);
}
