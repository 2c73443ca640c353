/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_WEBSOCKET_HANDSHAKE_H
#define E2B_LIB_PROTO_WEBSOCKET_HANDSHAKE_H

#include "base/buffer.h"
#include "proto/http_head.h"
#include "proto/websocket_close.h"

/* The two heads that open a WebSocket (RFC 6455, section 4), as bytes and values. */

enum {
  E2B__WEBSOCKET_NONCE = 16, /* bytes */
  E2B__WEBSOCKET_KEY = 24,   /* characters */
  E2B__WEBSOCKET_ACCEPT = 28
};

/* The value of Sec-WebSocket-Key, and the answer that it asks for. Both add a NUL. */
void e2b__websocket_key(const unsigned char nonce[E2B__WEBSOCKET_NONCE],
                        char key[E2B__WEBSOCKET_KEY + 1]);
/* 0, or E2B_ESYSTEM when there is no SHA-1. */
int e2b__websocket_accept(const char *key, char accept[E2B__WEBSOCKET_ACCEPT + 1]);

typedef struct e2b__websocket_request {
  bool secure; /* tells the port that is not named in Host */
  const char *host;
  uint16_t port;
  const char *target;
  const char *key;
  const char *protocols; /* NULL or "": none */
  const char *user_agent;
  const e2b_pair_t *headers;
  size_t headers_count;
} e2b__websocket_request_t;

/* Appends the request. 0; E2B_EINVAL for what must not be in a request line or a header, for a
 * header that is the handshake's own, and for sub-protocols that are no list of different tokens;
 * E2B_ETOOBIG; E2B_ENOMEM. On failure `out` holds what it held. */
int e2b__websocket_request_encode(e2b__buffer_t *out, const e2b__websocket_request_t *request);

/* Is the answer 101 a WebSocket's? 0 and *protocol (of the head; NULL: none selected), or
 * E2B_EPROTOCOL and *why, static. */
int e2b__websocket_response_check(const e2b__http_head_t *head, const char *accept,
                                  const char *protocols, const char **protocol, const char **why);

#endif
