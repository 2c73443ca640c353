/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_WEBSOCKET_INTERNAL_H
#define E2B_LIB_NET_WEBSOCKET_INTERNAL_H

#include "net/codec.h"
#include "net/websocket.h"
#include "proto/websocket_handshake.h"

/*  state      meaning                              leaves by
 *  DIALING    the socket is not open               open -> UPGRADING
 *  UPGRADING  the request is out                   101 -> OPEN; another answer -> REFUSED
 *  REFUSED    gathering that answer's body         its end -> ENDED
 *  OPEN       messages                             close() -> CLOSING; the peer's close -> ENDED
 *  CLOSING    our close frame is out               the peer's -> ENDED
 *  ENDED      nobody hears of it any more          the loop -> gone
 *
 * Every state but ENDED leaves for it by a failure or a clock, too. */
typedef enum e2b__websocket_state {
  E2B__WEBSOCKET_DIALING,
  E2B__WEBSOCKET_UPGRADING,
  E2B__WEBSOCKET_REFUSED,
  E2B__WEBSOCKET_OPEN,
  E2B__WEBSOCKET_CLOSING,
  E2B__WEBSOCKET_ENDED
} e2b__websocket_state_t;

enum { E2B__CONTROL_MAX = 125 }; /* bytes of payload, by the RFC */

/* What is needed until it is open, and of a refusal. */
typedef struct e2b__upgrade {
  e2b__buffer_t request;
  e2b__buffer_t text; /* the head of the answer */
  e2b__buffer_t body;
  e2b__http_head_t head;
  e2b__http_chunks_t chunks;
  uint64_t body_left; /* when its length is known */
  uint64_t deadline_ms;
  char *protocols;
  char accept[E2B__WEBSOCKET_ACCEPT + 1];
} e2b__upgrade_t;

struct e2b__websocket {
  e2b__socket_t socket; /* first; what each message looks at ends it and goes on here */
  e2b__websocket_state_t state;
  uint8_t sending; /* kind of the message whose parts are being sent */
  uint8_t kind;    /* of the message under way; 0: none */
  bool begun;      /* a piece of it was handed on */
  bool refused;    /* on_drain is owed */
  bool paused;     /* wanted by the owner */
  bool overdue;    /* a clock ran out; what waits in the socket may save it */
  bool opened;
  const e2b__websocket_events_t *events;
  void *ctx;
  uint64_t received_ms; /* when something came */
  e2b__codec_t codec;

  size_t max_pending_bytes;
  e2b__upgrade_t *upgrade;
  uint64_t ping_interval_ms;
  uint64_t liveness_ms;
  uint64_t close_timeout_ms;
  uint64_t pinged_ms;
  e2b__buffer_t message; /* as far as it is collected */
  size_t checked;        /* bytes of it that are UTF-8 */
  unsigned close_code;
  uint8_t reason_at; /* in control */
  uint8_t control_len;
  char control[E2B__CONTROL_MAX + 1];
};

/* websocket.c */
/* The end: says how, and lets go of the socket, at once or after what is still to be written. */
void e2b__websocket_end_with(e2b__websocket_t *websocket, int code, e2b_clock_t clock,
                             const char *why, bool orderly);
/* After the 101. */
void e2b__websocket_opened(e2b__websocket_t *websocket, const char *protocol);

/* websocket_upgrade.c */
int e2b__upgrade_new(e2b__websocket_t *websocket, const e2b__websocket_options_t *options,
                     uint64_t timeout_ms);
void e2b__upgrade_free(e2b__websocket_t *websocket);
void e2b__upgrade_start(e2b__websocket_t *websocket);
/* In UPGRADING and REFUSED. */
void e2b__upgrade_readable(e2b__websocket_t *websocket);
/* In REFUSED, when no more of the body is wanted. */
void e2b__upgrade_refused(e2b__websocket_t *websocket);

/* websocket_receive.c */
void e2b__websocket_receive(e2b__websocket_t *websocket);

#endif
