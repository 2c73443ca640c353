/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FRONT_H
#define E2B_TESTS_SUPPORT_FRONT_H

#include <stdbool.h>
#include <uv.h>

/* An edge as services have it: nginx with TLS before a server that speaks HTTP/1.1. */

typedef struct front front_t;

/* Before the server at `backend`, a URL; it offers HTTP/2, or HTTP/1.1 alone. Needs
 * nginx_installed(). */
front_t *front_start(uv_loop_t *loop, const char *backend, bool http2);
const char *front_url(const front_t *front);
/* The PEM text of the authority that its clients have to trust. */
const char *front_authority(const front_t *front);
/* Ends it. Everything but WebSockets must have come over what it offers, and that often at least.
 */
void front_stop(front_t *front, unsigned at_least);

#endif
