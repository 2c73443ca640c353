/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_WEBSOCKET_CLOSE_H
#define E2B_LIB_PROTO_WEBSOCKET_CLOSE_H

#include <stdbool.h>

/* Whether a close frame may carry that code. */
bool e2b__websocket_close_code_ok(unsigned code);

#endif
