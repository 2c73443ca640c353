/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_WEBSOCKET_H
#define E2B_LIB_NET_WEBSOCKET_H

#include "net/dialer.h"
#include "proto/http_head.h"

/* A WebSocket client (RFC 6455) on the loop: wslay's frames over a socket, plain or TLS, direct or
 * through an HTTP proxy. No extensions.
 *
 * Functions may be called from anywhere on the loop's thread, also from inside events. Events come
 * from the loop, never from inside a function. */

typedef struct e2b__websocket e2b__websocket_t;

typedef enum e2b__websocket_kind {
  E2B__WEBSOCKET_TEXT = 1, /* the opcodes */
  E2B__WEBSOCKET_BINARY = 2
} e2b__websocket_kind_t;

enum {
  E2B__WEBSOCKET_NO_CODE = 1005,        /* the close frame carried no code */
  E2B__WEBSOCKET_REFUSAL_MAX = 64 << 10 /* kept of the body of a refused upgrade, bytes */
};

/* How it ended. All is lent for the event. */
typedef struct e2b__websocket_end {
  /* 0: closed by close frames both ways, whoever began. Else an e2b_code_t:
   *   E2B_EDNS, E2B_ECONNECT, E2B_ETLS, E2B_ENOMEM;
   *   E2B_EREQUEST: the upgrade was answered by something else, see `status`;
   *   E2B_ETIMEDOUT: by `clock` CONNECT it is not open yet, by SILENCE the peer is not there any
   *     more, by REQUEST it does not answer a close;
   *   E2B_ECONNLOST: the connection ended without close frames, or was reset;
   *   E2B_EPROTOCOL: the peer broke the rules; text that is no UTF-8 is among them;
   *   E2B_ETOOBIG: a message, or the head of the answer, past its ceiling;
   *   E2B_ECANCELED: closed by the owner before it was open;
   *   E2B_EUNIMPLEMENTED: a proxy of a kind that it cannot go through. */
  int code;
  e2b_clock_t clock;
  const char *why; /* for people, NUL-terminated; "" when there is nothing to add */
  bool opened;     /* on_open has come */
  bool finished;   /* E2B_ECONNLOST: the peer had ended its side in order, it was no reset */

  /* Of the peer's close frame: its code, 1005 for one without, 0 when none came. Data after it was
   * ignored. */
  unsigned close_code;
  const char *reason; /* UTF-8, NUL-terminated, "" when none */
  size_t reason_len;

  /* Of an answer other than 101: its status (0: none came), its head and the beginning of its body
   * as far as it came, content only. A proxy that refuses to connect is not among them. */
  unsigned status;
  const e2b__http_head_t *head; /* NULL unless status is set */
  uint64_t retry_after_ms;      /* what it asks for; 0 when it does not */
  const char *body;             /* NUL-terminated, "" when none */
  size_t body_len;
} e2b__websocket_end_t;

typedef struct e2b__websocket_events {
  /* The upgrade is through. `protocol` is the sub-protocol selected, NULL for none. */
  void (*on_open)(void *ctx, const char *protocol);
  /* A whole message, lent for the call. Text is valid UTF-8. Nothing follows `data`: no NUL. */
  void (*on_message)(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len);
  /* When not NULL, binary messages come here instead, in pieces as they arrive, and are neither
   * collected nor limited in size. An empty message is one empty piece, first and last. */
  void (*on_data)(void *ctx, const char *data, size_t len, bool first, bool last);
  /* After E2B_EAGAIN: half of the limit is free again. May be NULL. */
  void (*on_drain)(void *ctx);
  /* The last event, once, unless it was destroyed. The websocket is gone when it returns: its owner
   * forgets it, and calls nothing on it any more, not even inside. */
  void (*on_closed)(void *ctx, const e2b__websocket_end_t *end);
} e2b__websocket_events_t;

/* Zero means default or none. Everything is copied but `events`. */
typedef struct e2b__websocket_options {
  bool secure;
  const char *host; /* a name or a literal; IPv6 without brackets */
  uint16_t port;
  const char *target;        /* path and query, escaped, beginning with '/' */
  const e2b_pair_t *headers; /* of the upgrade, beside those of the handshake; checked */
  size_t headers_count;
  const char *protocols; /* offered sub-protocols: "a, b" */

  uint64_t connect_timeout_ms; /* until it is open; default the client's */
  uint64_t ping_interval_ms;   /* nothing received for so long: a ping; 0 never */
  uint64_t liveness_ms;        /* nothing received for so long: lost; 0 never. Not while paused. */
  uint64_t close_timeout_ms;   /* for the peer's answer to a close; default 5,000 */
  size_t max_message_bytes;    /* of a collected message; default 64 MiB */
  size_t max_pending_bytes;    /* queued for sending, past which E2B_EAGAIN; default 1 MiB */
  bool quick_ack;              /* TCP_QUICKACK after each read (protocol 7.3) */
} e2b__websocket_options_t;

/* Starts. 0 and *websocket; E2B_EINVAL (a malformed host, target, header or sub-protocol),
 * E2B_ENOMEM, E2B_ECLOSED when the dialer is closing. */
int e2b__websocket_open(e2b__dialer_t *dialer, const e2b__websocket_options_t *options,
                        const e2b__websocket_events_t *events, void *ctx,
                        e2b__websocket_t **websocket);

/* Sends a message as one frame. What the socket does not take at once is copied. 0; E2B_EAGAIN when
 * max_pending_bytes are in line (one of any size is taken when nothing is); E2B_EINVAL for text
 * that is no UTF-8, or while the parts of another message are being sent; E2B_ECLOSED before it is
 * open, and after a close was sent, received or the connection lost; E2B_ETOOBIG past 512 MiB;
 * E2B_ENOMEM, without effect, unless the connection was in the middle of a frame: then it is lost.
 */
int e2b__websocket_send(e2b__websocket_t *websocket, e2b__websocket_kind_t kind, const void *data,
                        size_t len);
/* The same for a part of a message, a frame of its own; `kind` counts for the first. Text may be
 * cut anywhere; whether it is UTF-8 is the caller's business. */
int e2b__websocket_send_part(e2b__websocket_t *websocket, e2b__websocket_kind_t kind,
                             const void *data, size_t len, bool last);
/* Bytes that wait for the socket, frame headers and TLS included. */
size_t e2b__websocket_pending_bytes(const e2b__websocket_t *websocket);

/* Stops reading the socket: no message, no end and no pong until it goes on. Before it is open, and
 * inside on_open, it counts from the first message on. */
void e2b__websocket_pause(e2b__websocket_t *websocket);
void e2b__websocket_resume(e2b__websocket_t *websocket);

/* Sends a close frame behind all that is in line and waits for the peer's: on_closed follows, no
 * message comes before it. Code 0: without one; else 1000 or what RFC 6455 7.4 lets a client send;
 * `reason` may be NULL, and is cut at 123 bytes. Ends a pause. Before it is open: on_closed with
 * E2B_ECANCELED. A second one does nothing. */
void e2b__websocket_close(e2b__websocket_t *websocket, unsigned code, const char *reason);
/* Hangs up at once; no event comes any more. */
void e2b__websocket_destroy(e2b__websocket_t *websocket);

#endif
