/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "host/gzip.h"
#include "host/server.h"
#include "host_link.h"
#include "proto/envelope.h"

/* A request to the whole host, through a socket: routing, control plane, daemon, edge. Only what
 * runs in sandboxes is missing. The input is a request whose lines end as they like, after
 * directives of this file:
 *     !gzip       the body goes as gzip
 *     !envelopes  it goes as Connect envelopes, one for each part between lines of "--"
 *     !pieces     it goes in pieces
 *     !cut        the client leaves before its end
 *     !raw        all that follows goes as it is
 * A Content-Length is added where nothing says how long the body is. */

enum { PATIENCE = 12, INPUTS_PER_SANDBOX = 32, SANDBOX_LIMIT = 6, LARGE = 4 << 20 };

#define KEY "e2b_0123456789abcdef"

static uv_loop_t loop;
static e2b_host_t *host;
static unsigned port;

static const struct {
  const char *id, *token;
  bool private_traffic;
} fixed[] = {{"iopen", "", false}, {"isecure", "token", true}};

/* ---- the host ---- */

static void turn(void) {
  uv_run(&loop, UV_RUN_NOWAIT);
  host_link_turn();
}

static void make_fixed(size_t i) {
  e2b__host_sandbox_spec_t spec;
  memset(&spec, 0, sizeof spec);
  spec.template = e2b__host_template_find("base");
  spec.timeout_s = 86400;
  spec.metadata = cJSON_Parse("{\"name\":\"value\",\"other\":\"x y&z\"}");
  spec.network = cJSON_Parse("{\"maskRequestHost\":\"localhost:${PORT}\"}");
  spec.private_traffic = fixed[i].private_traffic;
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_create(host, &spec, NULL, NULL);
  HOLDS(sandbox != NULL);
  strcpy(sandbox->id, fixed[i].id);
  strcpy(sandbox->access_token, fixed[i].token);
  while (sandbox->state == E2B__SANDBOX_STARTING)
    turn();
  HOLDS(sandbox->state == E2B__SANDBOX_RUNNING);
}

static bool is_fixed(const e2b__host_sandbox_t *sandbox) {
  for (size_t i = 0; i < E2B__COUNT(fixed); i++)
    if (strcmp(sandbox->id, fixed[i].id) == 0) return sandbox->state == E2B__SANDBOX_RUNNING;
  return false;
}

/* Kills all but the fixed ones; how many stay. A copy that is being made may end in new ones. */
static size_t kill_others(bool fixed_too) {
  size_t kept = 0;
  for (e2b__list_t *node = host->sandboxes.next, *next; node != &host->sandboxes; node = next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    next = node->next;
    if (!fixed_too && is_fixed(sandbox))
      kept++;
    else
      e2b__host_sandbox_kill(sandbox, "over");
  }
  return kept;
}

/* What earlier inputs made or changed goes; now and then everything. */
static void tidy(bool all) {
  while (host->sandbox_count > kill_others(all))
    uv_run(&loop, host_link_turn() ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  for (size_t i = 0; i < E2B__COUNT(fixed); i++)
    if (e2b__host_sandbox_find(host, fixed[i].id) == NULL) make_fixed(i);
}

static void stop(void) {
  e2b_host_close(host, NULL, NULL);
  while (uv_loop_alive(&loop))
    uv_run(&loop, host_link_turn() ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  HOLDS(uv_loop_close(&loop) == 0);
}

static void start(void) {
  e2b_host_options options;
  char why[512];
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.api_key = KEY;
  options.no_isolation = 1;
  options.max_sandboxes = SANDBOX_LIMIT;
  HOLDS(uv_loop_init(&loop) == 0);
  if (e2b_host_start(&loop, &options, &host, why, sizeof why) != 0) {
    fprintf(stderr, "%s\n", why);
    abort();
  }
  /* Paths are resolved in the sandbox's root, as they are with namespaces. Its /etc is empty. */
  host->isolation = E2B__ISOLATION_SELF;
  host->etc_dir = e2b__format("%s/etc", host->state_dir);
  HOLDS(host->etc_dir != NULL && mkdir(host->etc_dir, 0755) == 0);
  port = (unsigned)strtoul(strrchr(e2b_host_url(host), ':') + 1, NULL, 10);
  atexit(stop);
}

/* ---- the request ---- */

typedef struct input {
  bool gzip, envelopes, pieces, cut, raw;
} input_t;

static bool directive(const char *line, size_t len, const char *word) {
  return len == strlen(word) && memcmp(line, word, len) == 0;
}

static void put(e2b__buffer_t *out, const void *data, size_t len) {
  HOLDS(e2b__buffer_append(out, data, len) == 0);
}

static void put_envelopes(e2b__buffer_t *out, const char *body, size_t len) {
  for (;;) {
    const char *end = len > 0 ? memmem(body, len, "\n--\n", 4) : NULL;
    size_t part = end != NULL ? (size_t)(end - body) : len;
    unsigned char prefix[E2B__ENVELOPE_PREFIX];
    e2b__envelope_prefix(prefix, 0, part);
    put(out, prefix, sizeof prefix);
    put(out, body, part);
    if (end == NULL) return;
    body += part + 4;
    len -= part + 4;
  }
}

static void put_body(e2b__buffer_t *out, const input_t *input, const char *body, size_t len) {
  e2b__buffer_t framed = E2B__BUFFER_INIT(LARGE), packed = E2B__BUFFER_INIT(LARGE);
  if (input->envelopes)
    put_envelopes(&framed, body, len);
  else
    put(&framed, body, len);
  if (input->gzip) {
    HOLDS(e2b__gzip_whole(&packed, framed.data != NULL ? framed.data : "", framed.len) == 0);
    put(out, packed.data, packed.len);
  } else {
    put(out, framed.data, framed.len);
  }
  e2b__buffer_free(&framed);
  e2b__buffer_free(&packed);
}

/* The head goes with proper line ends; where it ends in `out`. */
static size_t put_request(e2b__buffer_t *out, input_t *input, const char *text, size_t len) {
  bool has_length = false, first = true;
  e2b__buffer_t body = E2B__BUFFER_INIT(LARGE);
  while (len > 0) {
    const char *newline = memchr(text, '\n', len);
    size_t line = newline != NULL ? (size_t)(newline - text) : len;
    size_t step = line + (newline != NULL);
    const char *at = text;
    text += step;
    len -= step;
    if (line > 0 && at[line - 1] == '\r') line--;
    if (line == 0) break;
    if (at[0] == '!') {
      input->gzip |= directive(at, line, "!gzip");
      input->envelopes |= directive(at, line, "!envelopes");
      input->pieces |= directive(at, line, "!pieces");
      input->cut |= directive(at, line, "!cut");
      input->raw = directive(at, line, "!raw");
      if (input->raw) break;
      continue;
    }
    has_length |= line > 15 && strncasecmp(at, "Content-Length:", 15) == 0;
    has_length |= line > 18 && strncasecmp(at, "Transfer-Encoding:", 18) == 0;
    put(out, at, line);
    if (first) put(out, " HTTP/1.1", 9);
    put(out, "\r\n", 2);
    first = false;
  }
  if (input->raw) {
    put(out, text, len);
    return out->len;
  }
  put_body(&body, input, text, len);
  if (!has_length) HOLDS(e2b__buffer_printf(out, "Content-Length: %zu\r\n", body.len) == 0);
  put(out, "\r\n", 2);
  size_t head = out->len;
  put(out, body.data, body.len);
  e2b__buffer_free(&body);
  return head;
}

/* ---- the exchange ---- */

/* How many bytes came; -1 when the connection has ended. */
static ssize_t drain(int fd) {
  char data[65536];
  ssize_t got = recv(fd, data, sizeof data, MSG_DONTWAIT);
  return got > 0 ? got : got == 0 || errno != EAGAIN ? -1 : 0;
}

static void send_some(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t sent = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN && drain(fd) >= 0) {
      turn();
      continue;
    }
    if (sent <= 0) return;
    data += sent;
    len -= (size_t)sent;
  }
}

static void exchange(const input_t *input, const e2b__buffer_t *request, size_t head) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct linger none = {1, 0};
  int idle = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  HOLDS(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
  size_t at = input->pieces ? head : request->len;
  send_some(fd, request->data, at);
  size_t rest = request->len - at, piece = rest / 3 + 1;
  if (input->cut) rest /= 2;
  while (rest > 0) {
    size_t len = rest < piece ? rest : piece;
    turn();
    send_some(fd, request->data + at, len);
    at += len;
    rest -= len;
  }
  while (idle < PATIENCE) {
    turn();
    ssize_t got = drain(fd);
    if (got < 0) break;
    idle = got > 0 ? 0 : idle + 1;
  }
  /* Without a state of waiting on this side, of which there are too few. */
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
  turn();
  turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static unsigned count;
  e2b__buffer_t request = E2B__BUFFER_INIT(LARGE * 4);
  input_t input = {0};
  if (size > 1 << 20) return 0;
  if (host == NULL) start();
  tidy(count++ % INPUTS_PER_SANDBOX == 0);
  size_t head = put_request(&request, &input, (const char *)data, size);
  exchange(&input, &request, head);
  e2b__buffer_free(&request);
  return 0;
}
