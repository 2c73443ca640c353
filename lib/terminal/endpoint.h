/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_ENDPOINT_H
#define E2B_LIB_TERMINAL_ENDPOINT_H

#include "net/delay.h"
#include "net/websocket.h"
#include "sandbox/handle.h"

/* Where a server inside a sandbox, or one of the user's own, is reached (protocol 1.3, 7.5). */
typedef struct e2b__endpoint {
  bool secure;
  char *host;
  uint16_t port;
  char *path; /* prefix of every target; no trailing slash */
  /* Routing and the traffic token; values are the sandbox's. Room for the caller's own. */
  e2b_pair_t headers[6];
  size_t headers_count;
  char port_text[6];
  e2b__arena_t arena;
} e2b__endpoint_t;

/* `base_url` not NULL: that server, without a header. 0, E2B_EINVAL or E2B_ENOMEM; freed either way
 * by e2b__endpoint_free(). */
int e2b__endpoint_init(e2b__endpoint_t *endpoint, const e2b_sandbox_t *sandbox, uint16_t port,
                       const char *base_url);
void e2b__endpoint_free(e2b__endpoint_t *endpoint);
static inline void e2b__endpoint_header(e2b__endpoint_t *endpoint, const char *name,
                                        const char *value) {
  endpoint->headers[endpoint->headers_count++] = (e2b_pair_t){name, value};
}

/* A WebSocket there, otherwise as by default. Both are lent to it. */
e2b__websocket_options_t e2b__endpoint_websocket(const e2b__endpoint_t *endpoint,
                                                 const char *target);

/* What the end of a WebSocket to such a server means. Strings in `arena`. */
e2b_error_t e2b__endpoint_error(e2b__arena_t *arena, const e2b__websocket_end_t *end);
/* Whether another attempt may fare better than the one that failed so. */
bool e2b__endpoint_is_final(int code);

/* The time in which something has to come on such a connection, of what the options say. */
uint32_t e2b__endpoint_liveness(uint64_t wanted_ms);
/* The clock of a server that took the connection and is to speak first: the client's time for a
 * first event. NULL: there is none, or no memory for it, and the connection's own liveness is the
 * only one. Then e2b__endpoint_silent() is what happened. */
e2b__delay_t *e2b__endpoint_clock(const e2b_sandbox_t *sandbox, void (*callback)(void *ctx),
                                  void *ctx);
void e2b__endpoint_stop_clock(e2b__delay_t **clock);
e2b_error_t e2b__endpoint_silent(void);

#endif
