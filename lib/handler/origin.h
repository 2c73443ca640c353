/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_ORIGIN_H
#define E2B_LIB_HANDLER_ORIGIN_H

#include <stdbool.h>

/* Where a page comes from (RFC 6454), and where its request went. Ports that the scheme implies may
 * be named or left out; names are compared in any case. */

/* Whether `origin` is the page of the server that `host`, a Host header, names. The scheme is not
 * compared: a proxy in front may have ended the TLS. */
bool e2b__origin_is_of(const char *origin, const char *host);
/* Whether `allowed`, an origin or "*", lets `origin` in. */
bool e2b__origin_matches(const char *allowed, const char *origin);
/* Whether `host`, a Host header, names this machine itself: localhost, 127.0.0.0/8, [::1]. */
bool e2b__host_is_loopback(const char *host);

#endif
