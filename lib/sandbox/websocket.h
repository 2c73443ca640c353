/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_WEBSOCKET_H
#define E2B_LIB_SANDBOX_WEBSOCKET_H

#include "e2b/websocket.h"
#include "net/websocket.h"
#include "sandbox/daemon.h"

/*  state    has a connection   leaves by
 *  OPENING  yes                open -> OPEN; a failure, a cancel -> ENDED
 *  OPEN     yes                its end -> PROBING or ENDED; the last release -> ENDED
 *  PROBING  no                 the sandbox was asked whether it is still there -> ENDED
 *  ENDED    no                                                                          */
typedef enum e2b__websocket_phase {
  E2B__WEBSOCKET_PHASE_OPENING,
  E2B__WEBSOCKET_PHASE_OPEN,
  E2B__WEBSOCKET_PHASE_PROBING,
  E2B__WEBSOCKET_PHASE_ENDED
} e2b__websocket_phase_t;

struct e2b_websocket {
  unsigned refs;    /* of the memory */
  unsigned handles; /* of these, the user's */
  e2b_client_t *client;
  e2b_sandbox_t *sandbox; /* NULL: not of a sandbox */
  e2b__guest_t guest;
  e2b__websocket_phase_t phase;
  e2b__websocket_t *connection;
  e2b_future_t *opening;
  e2b__list_t waiters;
  size_t waiting;
  e2b__probe_t *probe;
  e2b__task_t begin; /* messages come after the handle was yielded */
  bool paused;       /* by the user */
  e2b_message_cb on_message;
  e2b_message_piece_cb on_piece;
  e2b_websocket_drain_cb on_drain;
  e2b_websocket_closed_cb on_closed;
  void *user_data;
  const char *where; /* scheme and host, for messages */
  const char *protocol;
  e2b__arena_t arena;
  bool has_error;
  bool has_end;
  e2b_error_t error; /* strings in the arena */
  e2b_websocket_end_t end;
};

/* Where to, taken apart. */
typedef struct e2b__websocket_target {
  bool secure;
  char *host;
  uint16_t port;
  char *target;
  e2b_pair_t *headers;
  size_t headers_count;
} e2b__websocket_target_t;

/* websocket_handle.c */
void e2b__websocket_hold(e2b_websocket_t *websocket); /* the memory */
void e2b__websocket_drop(e2b_websocket_t *websocket);
void e2b__websocket_release_value(void *websocket);
void e2b__websocket_tell_waiters(e2b_websocket_t *websocket);

/* websocket.c */
/* The connection goes without a word, and with it whatever was to come of it. */
void e2b__websocket_hang_up(e2b_websocket_t *websocket);

/* websocket_target.c. 0, E2B_EINVAL or E2B_ENOMEM; strings in `arena`. */
int e2b__websocket_target_of_url(e2b__arena_t *arena, const char *url,
                                 const e2b_websocket_options *options,
                                 e2b__websocket_target_t *target);
int e2b__websocket_target_of_port(e2b__arena_t *arena, const e2b_sandbox_t *sandbox, uint16_t port,
                                  const char *path, const e2b_websocket_options *options,
                                  e2b__websocket_target_t *target);

#endif
