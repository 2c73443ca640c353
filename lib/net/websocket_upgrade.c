/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "net/websocket_internal.h"

enum { REQUEST_CEILING = 64 << 10, HEAD_CEILING = 16 << 10 };

void e2b__upgrade_free(e2b__websocket_t *websocket) {
  e2b__upgrade_t *upgrade = websocket->upgrade;
  if (upgrade == NULL) return;
  websocket->upgrade = NULL;
  e2b__buffer_free(&upgrade->request);
  e2b__buffer_free(&upgrade->text);
  e2b__buffer_free(&upgrade->body);
  e2b__free(upgrade->protocols);
  e2b__free(upgrade);
}

int e2b__upgrade_new(e2b__websocket_t *websocket, const e2b__websocket_options_t *options,
                     uint64_t timeout_ms) {
  e2b__dialer_t *dialer = websocket->socket.dialer;
  unsigned char nonce[E2B__WEBSOCKET_NONCE];
  char key[E2B__WEBSOCKET_KEY + 1];
  e2b__upgrade_t *upgrade = e2b__calloc(1, sizeof *upgrade);
  if (upgrade == NULL) return E2B_ENOMEM;
  websocket->upgrade = upgrade;
  e2b__buffer_init(&upgrade->request, REQUEST_CEILING);
  e2b__buffer_init(&upgrade->text, HEAD_CEILING);
  e2b__buffer_init(&upgrade->body, E2B__WEBSOCKET_REFUSAL_MAX);
  upgrade->deadline_ms = e2b__time_after(uv_now(dialer->loop), timeout_ms);
  if (options->protocols != NULL) {
    upgrade->protocols = e2b__strdup(options->protocols);
    if (upgrade->protocols == NULL) return E2B_ENOMEM;
  }
  int rc = e2b__dialer_random(dialer, nonce, sizeof nonce);
  if (rc != 0) return rc;
  e2b__websocket_key(nonce, key);
  rc = e2b__websocket_accept(key, upgrade->accept);
  if (rc != 0) return rc;
  const e2b__websocket_request_t request = {.secure = options->secure,
                                            .host = options->host,
                                            .port = options->port,
                                            .target = options->target,
                                            .key = key,
                                            .protocols = options->protocols,
                                            .user_agent = dialer->options->user_agent,
                                            .headers = options->headers,
                                            .headers_count = options->headers_count};
  return e2b__websocket_request_encode(&upgrade->request, &request);
}

void e2b__upgrade_start(e2b__websocket_t *websocket) {
  e2b__upgrade_t *upgrade = websocket->upgrade;
  const uint64_t now = uv_now(websocket->socket.dialer->loop);
  websocket->state = E2B__WEBSOCKET_UPGRADING;
  e2b__socket_arm(&websocket->socket, upgrade->deadline_ms > now ? upgrade->deadline_ms - now : 0);
  /* A connection that is broken already says so when it is read. */
  e2b__socket_write(&websocket->socket, upgrade->request.data, upgrade->request.len);
  explicit_bzero(upgrade->request.data, upgrade->request.len);
  e2b__buffer_free(&upgrade->request);
}

/* --- a refusal -------------------------------------------------------------------------------- */

void e2b__upgrade_refused(e2b__websocket_t *websocket) {
  char why[64];
  snprintf(why, sizeof why, "the upgrade was answered by HTTP %u", websocket->upgrade->head.status);
  e2b__websocket_end_with(websocket, E2B_EREQUEST, E2B_CLOCK_NONE, why, false);
}

/* Keeps what there is room for. Nonzero: no more is wanted. */
static bool keep(e2b__upgrade_t *upgrade, const char *data, size_t len) {
  const size_t room = upgrade->body.ceiling - upgrade->body.len;
  /* A body that does not fit in memory is not worth another error than the refusal's own. */
  if (e2b__buffer_append(&upgrade->body, data, len < room ? len : room) != 0) return true;
  return upgrade->body.len == upgrade->body.ceiling;
}

/* Nonzero when the body is over, or enough. */
static bool take_body(e2b__upgrade_t *upgrade, const char *data, size_t len) {
  if (upgrade->head.chunked) {
    const char *piece;
    size_t piece_len;
    int rc;
    while ((rc = e2b__http_chunks_next(&upgrade->chunks, &data, &len, &piece, &piece_len)) == 1) {
      if (keep(upgrade, piece, piece_len)) return true;
    }
    return rc != 0;
  }
  if (!upgrade->head.has_length) return keep(upgrade, data, len);
  if (len > upgrade->body_left) len = (size_t)upgrade->body_left;
  upgrade->body_left -= len;
  return keep(upgrade, data, len) || upgrade->body_left == 0;
}

static void read_body(e2b__websocket_t *websocket) {
  e2b__upgrade_t *upgrade = websocket->upgrade;
  char data[2048];
  ssize_t got;
  while ((got = e2b__socket_read(&websocket->socket, data, sizeof data)) > 0) {
    if (!take_body(upgrade, data, (size_t)got)) continue;
    e2b__upgrade_refused(websocket);
    return;
  }
  if (got < 0) e2b__upgrade_refused(websocket);
}

/* --- the head --------------------------------------------------------------------------------- */

static void end_lost(e2b__websocket_t *websocket) {
  const char *why;
  char text[320];
  const int code = e2b__socket_end(&websocket->socket, &why);
  snprintf(text, sizeof text, "waiting for the answer to the upgrade: %s", why);
  e2b__websocket_end_with(websocket, code != 0 ? code : E2B_ECONNLOST, E2B_CLOCK_NONE,
                          code == 0 ? "the server hung up instead of answering the upgrade" : text,
                          false);
}

static void on_head(e2b__websocket_t *websocket) {
  e2b__upgrade_t *upgrade = websocket->upgrade;
  const char *protocol, *why = "its answer to the upgrade is no HTTP";
  int rc = e2b__http_head_parse(&upgrade->head, upgrade->text.data, upgrade->text.len);
  if (rc == 0 && upgrade->head.status < 200 && upgrade->head.status != 101) {
    e2b__buffer_clear(&upgrade->text);
    return; /* the answer is still to come */
  }
  if (rc == 0 && upgrade->head.status == 101) {
    rc = e2b__websocket_response_check(&upgrade->head, upgrade->accept, upgrade->protocols,
                                       &protocol, &why);
    upgrade->head.status = 0; /* no refusal */
    if (rc == 0) {
      e2b__websocket_opened(websocket, protocol);
      return;
    }
  }
  if (rc != 0) {
    upgrade->head.status = 0;
    e2b__websocket_end_with(websocket, E2B_EPROTOCOL, E2B_CLOCK_NONE, why, false);
    return;
  }
  websocket->state = E2B__WEBSOCKET_REFUSED;
  upgrade->body_left = upgrade->head.length;
  const unsigned status = upgrade->head.status;
  if (status == 204 || status == 304 || (upgrade->head.has_length && upgrade->head.length == 0)) {
    e2b__upgrade_refused(websocket);
  }
}

/* Byte by byte, so that nothing behind the head is taken. */
static void read_head(e2b__websocket_t *websocket) {
  e2b__upgrade_t *upgrade = websocket->upgrade;
  char byte;
  ssize_t got = 0;
  while (websocket->state == E2B__WEBSOCKET_UPGRADING &&
         (got = e2b__socket_read(&websocket->socket, &byte, 1)) > 0) {
    const int rc = e2b__buffer_append(&upgrade->text, &byte, 1);
    if (rc != 0) {
      e2b__websocket_end_with(websocket, rc, E2B_CLOCK_NONE,
                              rc == E2B_ETOOBIG ? "the head of its answer is too long" : "", false);
      return;
    }
    if (byte == '\n' && upgrade->text.len > 2 &&
        e2b__http_head_end(upgrade->text.data, upgrade->text.len, upgrade->text.len - 1) != 0) {
      on_head(websocket);
    }
  }
  if (websocket->state == E2B__WEBSOCKET_UPGRADING && got < 0) end_lost(websocket);
}

void e2b__upgrade_readable(e2b__websocket_t *websocket) {
  if (websocket->state == E2B__WEBSOCKET_UPGRADING) read_head(websocket);
  if (websocket->state == E2B__WEBSOCKET_REFUSED) read_body(websocket);
}
