/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_DNS_H
#define E2B_LIB_NET_DNS_H

#include <uv.h>

#include "base/buffer.h"

/* Names to addresses, on the loop, through libuv's pool. Names under `localhost` are loopback
 * without asking anybody (RFC 6761; glibc does not do it), and literals are themselves. */

typedef struct e2b__lookup e2b__lookup_t;

/* `addresses` is "a,b,[c]", lent; NULL when the name has none or nobody answered, then `why`. */
typedef void (*e2b__lookup_cb)(void *ctx, const char *addresses, const char *why);

/* The addresses of a name that needs no asking, static; NULL for any other name. */
const char *e2b__dns_known(const char *host);
/* Nonzero when `host` is an IPv4 or IPv6 literal. */
int e2b__dns_is_literal(const char *host);

/* Starts a lookup; `callback` comes from the loop. NULL when it cannot start. */
e2b__lookup_t *e2b__lookup_start(uv_loop_t *loop, const char *host, e2b__lookup_cb callback,
                                 void *ctx);
/* No callback comes any more. What libuv still holds frees itself; `on_gone`, if given, is called
 * then. */
void e2b__lookup_abandon(e2b__lookup_t *lookup, void (*on_gone)(void *ctx));

#endif
