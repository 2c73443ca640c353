/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_SOCKETS_H
#define E2B_TESTS_SUPPORT_SOCKETS_H

#include "net/websocket.h"
#include "support/harness.h"
#include "support/peer.h"

/* A client's WebSocket and its peer, and what the WebSocket has told. */

typedef struct sockets {
  harness_t h;
  e2b_client_options client;
  e2b__websocket_options_t options;
  e2b__websocket_events_t events;
  peer_t *peer;
  e2b__websocket_t *websocket; /* NULL once it has ended */

  unsigned opened, messages, pieces, drains, closed;
  char protocol[64];
  e2b__websocket_kind_t kind;
  char *message; /* the last, with a NUL */
  size_t message_len;
  uint64_t streamed; /* bytes, in pieces */
  unsigned firsts, lasts;
  bool inside; /* a function of ours: no event may come */

  /* The end. */
  int code;
  e2b_clock_t clock;
  char why[256];
  unsigned close_code;
  char reason[128];
  unsigned status;
  char retry_after[32];
  char *body;
  size_t body_len;

  /* Called inside the event; may do anything to the WebSocket. */
  void (*at_open)(struct sockets *s);
  void (*at_message)(struct sockets *s);
  void (*at_drain)(struct sockets *s);
} sockets_t;

/* A client and a peer; options and events may be changed before sockets_connect(). */
void sockets_open(sockets_t *s);
/* Another client, with s->client. */
void sockets_client(sockets_t *s);
void sockets_connect(sockets_t *s);
void sockets_stream(sockets_t *s); /* binary messages in pieces */
/* Destroys what is left and stops everything; nothing may leak. */
void sockets_close(sockets_t *s);

/* A test whose state is one that is open, and that is closed after it. */
int sockets_setup(void **state);
int sockets_teardown(void **state);
#define SOCKETS_TEST(function) \
  cmocka_unit_test_setup_teardown(function, sockets_setup, sockets_teardown)

void sockets_connect_until_open(sockets_t *s);
void sockets_connect_until_closed(sockets_t *s);
void sockets_until_open(sockets_t *s);
void sockets_until_closed(sockets_t *s);
void sockets_until_messages(sockets_t *s, unsigned count);
void sockets_until_frames(sockets_t *s, unsigned count); /* at the peer */
void sockets_until_peer_ended(sockets_t *s);

/* The peer sends so many messages at once, and each pauses what brings it: they come in order, and
 * one at a time. */
void sockets_bring_one_at_a_time(sockets_t *s, unsigned messages);

#endif
