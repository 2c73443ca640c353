/* SPDX-License-Identifier: MIT */
#include "support/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "proto/websocket_handshake.h"
#include "support/harness.h"
#include "support/test.h"
#include "support/tls_server.h"

/* Plain memory: that of the library runs out in some tests. */
typedef struct bytes {
  char *data;
  size_t len, capacity;
} bytes;

static void append(bytes *b, const void *data, size_t len) {
  if (b->len + len + 1 > b->capacity) {
    b->capacity = (b->len + len + 1) * 2;
    b->data = realloc(b->data, b->capacity);
    if (b->data == NULL) abort();
  }
  if (len > 0) memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
}

static void consume(bytes *b, size_t count) {
  b->len -= count;
  memmove(b->data, b->data + count, b->len + 1);
}

static void *zeroed(size_t size) {
  void *ptr = calloc(1, size);
  if (ptr == NULL) abort();
  return ptr;
}

typedef struct peer_connection peer_connection_t;

struct peer_connection {
  e2b__list_t node;
  peer_t *peer;
  uv_tcp_t tcp;
  uv_idle_t pacer;
  tls_end_t *tls; /* NULL: in the open */
  bytes got;
  bytes out;      /* waits for the pacer */
  size_t written; /* of out */
  bool tunnelled, upgraded, ended, closing, half_close;
  char request[64 << 10];
};

struct peer {
  uv_loop_t *loop;
  uv_tcp_t listener;
  uint16_t port;
  unsigned accepted, upgrades;
  e2b__list_t connections;
  peer_connection_t *last;
  char *headers, *answer, *proxy_answer, proxy_request[1024];
  bytes at_once;
  bytes unmasked;
  unsigned handles;
  bool bytewise;
  tls_server_t *tls;
  peer_connection_t *none; /* stands in before the first */
};

typedef struct write_request {
  uv_write_t req;
  char data[];
} write_request;

/* --- sending ---------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status) {
  (void)status;
  free(E2B__CONTAINER(req, write_request, req));
}

static void put(peer_connection_t *c, const void *data, size_t len) {
  write_request *request = zeroed(sizeof *request + len);
  memcpy(request->data, data, len);
  uv_buf_t buf = uv_buf_init(request->data, (unsigned)len);
  if (uv_write(&request->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) free(request);
}

static void on_pace(uv_idle_t *pacer) {
  peer_connection_t *c = pacer->data;
  if (c->written < c->out.len) {
    put(c, c->out.data + c->written++, 1);
    return;
  }
  uv_idle_stop(pacer);
  if (c->half_close) {
    int fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) shutdown(fd, SHUT_WR);
  }
}

static void put_paced(peer_connection_t *c, const void *data, size_t len) {
  if (!c->peer->bytewise) {
    put(c, data, len);
    return;
  }
  append(&c->out, data, len);
  uv_idle_start(&c->pacer, on_pace);
}

static void on_cipher_out(void *ctx, const void *data, size_t len) {
  put_paced(ctx, data, len);
}

static void send_on(peer_connection_t *c, const void *data, size_t len) {
  if (c->closing) return;
  if (c->tls == NULL) {
    put_paced(c, data, len);
  } else {
    tls_end_send(c->tls, data, len);
  }
}

/* --- the upgrade ------------------------------------------------------------------------------ */

static void upgrade(peer_connection_t *c) {
  peer_t *peer = c->peer;
  char accept[E2B__WEBSOCKET_ACCEPT + 1] = "";
  const char *key = strcasestr(c->request, "\r\nSec-WebSocket-Key: ");
  if (key != NULL) {
    char text[E2B__WEBSOCKET_KEY + 1] = "";
    memcpy(text, key + 21, E2B__WEBSOCKET_KEY);
    assert_int_equal(e2b__websocket_accept(text, accept), 0);
  }
  c->upgraded = true;
  peer->upgrades++;
  bytes out = {0};
  if (peer->answer != NULL) {
    const char *mark = strstr(peer->answer, "%s");
    const size_t before = mark != NULL ? (size_t)(mark - peer->answer) : strlen(peer->answer);
    append(&out, peer->answer, before);
    if (mark != NULL) {
      append(&out, accept, strlen(accept));
      append(&out, mark + 2, strlen(mark + 2));
    }
  } else {
    char head[1024];
    const int len = snprintf(head, sizeof head,
                             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                             accept, peer->headers != NULL ? peer->headers : "");
    append(&out, head, (size_t)len);
  }
  append(&out, peer->at_once.data, peer->at_once.len);
  if (out.len > 0) send_on(c, out.data, out.len);
  free(out.data);
}

/* Until the answer to CONNECT nothing is encrypted. */
static bool in_the_open(const peer_connection_t *c) {
  return c->tls == NULL || (c->peer->proxy_answer != NULL && !c->tunnelled);
}

static void take(void *ctx, const char *data, size_t len) {
  peer_connection_t *c = ctx;
  append(&c->got, data, len);
  if (c->upgraded) return;
  if (c->peer->proxy_answer != NULL && !c->tunnelled) {
    const size_t head = e2b__http_head_end(c->got.data, c->got.len, 0);
    if (head == 0) return;
    snprintf(c->peer->proxy_request, sizeof c->peer->proxy_request, "%.*s", (int)head, c->got.data);
    consume(&c->got, head);
    put_paced(c, c->peer->proxy_answer, strlen(c->peer->proxy_answer));
    c->tunnelled = true;
    return;
  }
  const size_t end = e2b__http_head_end(c->got.data, c->got.len, 0);
  if (end == 0) return;
  assert_true(end < sizeof c->request);
  memcpy(c->request, c->got.data, end);
  c->request[end] = '\0';
  consume(&c->got, end);
  upgrade(c);
}

/* --- receiving -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char input[64 << 10];
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(input, sizeof input);
}

static void peer_free(peer_t *peer);

static void on_closed(uv_handle_t *handle) {
  peer_t *peer = handle->data;
  if (--peer->handles == 0) peer_free(peer);
}

static void on_connection_closed(uv_handle_t *handle) {
  peer_connection_t *c = handle->data;
  handle->data = c->peer;
  on_closed(handle);
}

static void close_connection(peer_connection_t *c, bool reset) {
  if (c->closing) return;
  c->closing = true;
  if (reset) {
    uv_tcp_close_reset(&c->tcp, on_connection_closed);
  } else {
    uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
  }
  uv_close((uv_handle_t *)&c->pacer, on_connection_closed);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  peer_connection_t *c = stream->data;
  if (got == 0) return;
  if (got < 0) {
    c->ended = true;
    close_connection(c, false);
    return;
  }
  if (in_the_open(c)) {
    take(c, buf->base, (size_t)got);
    return;
  }
  tls_end_feed(c->tls, buf->base, (size_t)got);
}

static void on_connection(uv_stream_t *listener, int status) {
  peer_t *peer = listener->data;
  assert_int_equal(status, 0);
  peer_connection_t *c = zeroed(sizeof *c);
  c->peer = peer;
  uv_tcp_init(peer->loop, &c->tcp);
  uv_idle_init(peer->loop, &c->pacer);
  c->tcp.data = c->pacer.data = c;
  peer->handles += 2;
  assert_int_equal(uv_accept(listener, (uv_stream_t *)&c->tcp), 0);
  uv_tcp_nodelay(&c->tcp, 1);
  e2b__list_append(&peer->connections, &c->node);
  peer->accepted++;
  peer->last = c;
  if (peer->tls != NULL) c->tls = tls_end_new(peer->tls, on_cipher_out, take, c);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* --- the peer --------------------------------------------------------------------------------- */

peer_t *peer_start(uv_loop_t *loop) {
  peer_t *peer = zeroed(sizeof *peer);
  struct sockaddr_in address;
  int len = sizeof address;
  peer->loop = loop;
  e2b__list_init(&peer->connections);
  peer->none = peer->last = zeroed(sizeof *peer->last);
  peer->none->closing = true;
  append(&peer->none->got, "", 0);
  peer->handles = 1;
  uv_tcp_init(loop, &peer->listener);
  peer->listener.data = peer;
  uv_ip4_addr("127.0.0.1", 0, &address);
  assert_int_equal(uv_tcp_bind(&peer->listener, (struct sockaddr *)&address, 0), 0);
  assert_int_equal(uv_listen((uv_stream_t *)&peer->listener, 4096, on_connection), 0);
  uv_unref((uv_handle_t *)&peer->listener);
  uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&address, &len);
  peer->port = ntohs(address.sin_port);
  return peer;
}

static void free_connection(peer_connection_t *c) {
  tls_end_free(c->tls);
  free(c->got.data);
  free(c->out.data);
  free(c);
}

static void peer_free(peer_t *peer) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&peer->connections)) != NULL) {
    free_connection(E2B__CONTAINER(node, peer_connection_t, node));
  }
  free_connection(peer->none);
  tls_server_free(peer->tls);
  free(peer->at_once.data);
  free(peer->unmasked.data);
  free(peer->headers);
  free(peer->answer);
  free(peer->proxy_answer);
  free(peer);
}

void peer_stop(void *ctx) {
  peer_t *peer = ctx;
  for (e2b__list_t *node = peer->connections.next; node != &peer->connections; node = node->next) {
    close_connection(E2B__CONTAINER(node, peer_connection_t, node), false);
  }
  uv_close((uv_handle_t *)&peer->listener, on_closed);
}

uint16_t peer_port(const peer_t *peer) {
  return peer->port;
}

/* --- what the test says ----------------------------------------------------------------------- */

static void set(char **text, const char *value) {
  free(*text);
  *text = strdup(value);
  if (*text == NULL) abort();
}

void peer_add_headers(peer_t *peer, const char *lines) {
  set(&peer->headers, lines);
}

void peer_answer_instead(peer_t *peer, const char *answer) {
  set(&peer->answer, answer);
}

void peer_send_at_once(peer_t *peer, const void *data, size_t len) {
  append(&peer->at_once, data, len);
}

void peer_proxy(peer_t *peer, const char *answer) {
  set(&peer->proxy_answer, answer);
}

const char *peer_proxy_request(const peer_t *peer) {
  return peer->proxy_request;
}

void peer_bytewise(peer_t *peer) {
  peer->bytewise = true;
}

void peer_tls(peer_t *peer, const char *certificate, const char *key) {
  peer->tls = tls_server_new(certificate, key, NULL);
}

void peer_wants_certificate(peer_t *peer, const char *authority) {
  tls_server_wants_certificate(peer->tls, authority);
}

unsigned peer_accepted(const peer_t *peer) {
  return peer->accepted;
}

const unsigned *peer_upgrades(const peer_t *peer) {
  return &peer->upgrades;
}

const char *peer_request(const peer_t *peer) {
  return peer->last->request;
}

bool peer_ended(const peer_t *peer) {
  return peer->last->ended;
}

void peer_send(peer_t *peer, const void *data, size_t len) {
  send_on(peer->last, data, len);
}

void peer_frame(peer_t *peer, unsigned first_byte, const void *data, size_t len) {
  unsigned char head[10] = {(unsigned char)first_byte};
  size_t head_len = 2;
  if (len < 126) {
    head[1] = (unsigned char)len;
  } else {
    const unsigned bytes_of_length = len < 65536 ? 2 : 8;
    head[1] = len < 65536 ? 126 : 127;
    for (unsigned i = 0; i < bytes_of_length; i++) {
      head[head_len++] = (unsigned char)(len >> 8 * (bytes_of_length - 1 - i));
    }
  }
  char *frame = zeroed(head_len + len);
  memcpy(frame, head, head_len);
  if (len > 0) memcpy(frame + head_len, data, len);
  peer_send(peer, frame, head_len + len);
  free(frame);
}

void peer_text(peer_t *peer, unsigned first_byte, const char *text) {
  peer_frame(peer, first_byte, text, strlen(text));
}

size_t peer_unsent(const peer_t *peer) {
  const peer_connection_t *c = peer->last;
  return c->out.len - c->written + uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

void peer_pause(peer_t *peer) {
  if (!peer->last->closing) uv_read_stop((uv_stream_t *)&peer->last->tcp);
}

void peer_read(peer_t *peer) {
  if (!peer->last->closing) uv_read_start((uv_stream_t *)&peer->last->tcp, on_alloc, on_read);
}

void peer_half_close(peer_t *peer) {
  peer->last->half_close = true;
  uv_idle_start(&peer->last->pacer, on_pace);
}

void peer_close(peer_t *peer) {
  close_connection(peer->last, false);
}

void peer_reset(peer_t *peer) {
  close_connection(peer->last, true);
}

/* --- what it got ------------------------------------------------------------------------------ */

/* The frame at *at; false when it is not all there. */
static bool parse(peer_t *peer, size_t *at, peer_got_t *frame) {
  const bytes *got = &peer->last->got;
  const unsigned char *p = (const unsigned char *)got->data + *at;
  const size_t have = peer->last->upgraded ? got->len - *at : 0;
  if (have < 2) return false;
  size_t len = p[1] & 0x7f, head = 2;
  const unsigned bytes_of_length = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (have < head + bytes_of_length) return false;
  if (bytes_of_length > 0) len = 0;
  for (unsigned i = 0; i < bytes_of_length; i++) {
    len = len << 8 | p[head++];
  }
  frame->first_byte = p[0];
  frame->masked = (p[1] & 0x80) != 0;
  const unsigned char *mask = p + head;
  if (frame->masked) head += 4;
  if (have < head || have - head < len) return false;
  peer->unmasked.len = 0;
  append(&peer->unmasked, p + head, len);
  for (size_t i = 0; frame->masked && i < len; i++) {
    peer->unmasked.data[i] = (char)(p[head + i] ^ mask[i % 4]);
  }
  frame->data = peer->unmasked.data;
  frame->len = len;
  *at += head + len;
  return true;
}

bool peer_got(peer_t *peer, unsigned nth, peer_got_t *frame) {
  size_t at = 0;
  while (parse(peer, &at, frame)) {
    if (nth-- == 0) return true;
  }
  return false;
}

unsigned peer_frames(peer_t *peer) {
  peer_got_t frame;
  size_t at = 0;
  unsigned count = 0;
  while (parse(peer, &at, &frame)) {
    count++;
  }
  return count;
}
