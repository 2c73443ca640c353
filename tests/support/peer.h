/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_PEER_H
#define E2B_TESTS_SUPPORT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* The other end of a WebSocket, on the loop of the test: it upgrades by itself unless told
 * otherwise, keeps every byte that comes, and sends what the test says, right or wrong. */

typedef struct peer peer_t;

peer_t *peer_start(uv_loop_t *loop);
/* Closes everything; for harness_at_stop(). */
void peer_stop(void *peer);
uint16_t peer_port(const peer_t *peer);

/* --- before a connection comes ---------------------------------------------------------------- */

/* Adds lines to the head of the 101: "Sec-WebSocket-Protocol: tty\r\n". */
void peer_add_headers(peer_t *peer, const char *lines);
/* Sends this instead of the 101; "" for nothing. "%s" is the right Sec-WebSocket-Accept. */
void peer_answer_instead(peer_t *peer, const char *answer);
/* Sends this right behind the answer, in the same write. */
void peer_send_at_once(peer_t *peer, const void *data, size_t len);
/* One byte a write, one write a turn of the loop. */
void peer_bytewise(peer_t *peer);
/* It is a proxy first: answers CONNECT with that, and is the server that was asked for then. */
void peer_proxy(peer_t *peer, const char *answer);
/* TLS by mbedTLS, with that certificate and key, PEM. */
void peer_tls(peer_t *peer, const char *certificate, const char *key);
/* It wants a certificate of the client, too, signed by its own issuer. */
void peer_wants_certificate(peer_t *peer, const char *authority);

/* --- the connection made last ----------------------------------------------------------------- */

unsigned peer_accepted(const peer_t *peer);
const unsigned *peer_upgrades(const peer_t *peer);
const char *peer_proxy_request(const peer_t *peer);
/* What the client sent to be upgraded, NUL-terminated; "" before. */
const char *peer_request(const peer_t *peer);
/* Nonzero when the client's end has come, in order or by a reset. */
bool peer_ended(const peer_t *peer);

void peer_send(peer_t *peer, const void *data, size_t len);
/* One frame, not masked: the first byte as it goes out (fin, reserved bits, opcode). */
void peer_frame(peer_t *peer, unsigned first_byte, const void *data, size_t len);
void peer_text(peer_t *peer, unsigned first_byte, const char *text);
size_t peer_unsent(const peer_t *peer);
void peer_pause(peer_t *peer);
void peer_read(peer_t *peer);
void peer_half_close(peer_t *peer);
void peer_close(peer_t *peer);
void peer_reset(peer_t *peer);

typedef struct peer_got {
  unsigned first_byte;
  bool masked;
  const char *data; /* unmasked; NUL-terminated; valid until the next call */
  size_t len;
} peer_got_t;

/* The nth frame that has come as a whole, from 0. False when there are fewer. */
bool peer_got(peer_t *peer, unsigned nth, peer_got_t *frame);
unsigned peer_frames(peer_t *peer);

enum { FIN = 0x80, TEXT = 1, BINARY = 2, CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10 };

#endif
