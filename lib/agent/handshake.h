/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_HANDSHAKE_H
#define E2B_LIB_AGENT_HANDSHAKE_H

#include "base/buffer.h"

/* The request that opens a connection, and its answer. */

enum { E2B__HANDSHAKE_LARGEST = 8 << 10, E2B__SECRET_DIGITS = 64 };

/* Reads a whole request head, in place, and appends the answer. The status: 101 when the connection
 * is a WebSocket from here on; anything else refuses it. 500 when memory is out. */
unsigned e2b__handshake(char *head, size_t len, const char *secret, e2b__buffer_t *answer);
/* Appends the answer that refuses: 400, 401, 404, 408, 426, 431. 0 or E2B_ENOMEM. */
int e2b__handshake_refuse(unsigned status, e2b__buffer_t *answer);

#endif
