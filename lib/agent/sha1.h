/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_SHA1_H
#define E2B_LIB_AGENT_SHA1_H

#include <stddef.h>

enum { E2B__SHA1_SIZE = 20, E2B__SHA1_LARGEST = 119 };

/* SHA-1 of at most E2B__SHA1_LARGEST bytes: what a WebSocket handshake is confirmed with. The agent
 * links no library, so it brings this one thing along. */
void e2b__sha1(const void *data, size_t len, unsigned char digest[E2B__SHA1_SIZE]);

#endif
