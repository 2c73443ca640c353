/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_DIALER_H
#define E2B_LIB_NET_DIALER_H

#include "base/log.h"
#include "base/queue.h"
#include "e2b/error.h"
#include "net/alive.h"
#include "net/http.h"

/* What all sockets of one client share: how to reach hosts (proxy, authorities, certificate), the
 * authorities parsed once, TLS sessions to resume, and the buffers that are in use only while the
 * loop is in one socket's hands. */
typedef struct e2b__dialer e2b__dialer_t;

/* The options are those of HTTP; their strings stay valid as long as the dialer. Cheap: what TLS
 * needs is made when the first connection needs it. NULL when out of memory. */
e2b__dialer_t *e2b__dialer_new(uv_loop_t *loop, e2b__queue_t *queue, e2b__alive_t *alive,
                               const e2b__log_t *log, const e2b__http_options_t *options);
/* Destroys every socket and WebSocket without a word, closes every handle, then calls `closed` from
 * the loop. Not from inside an event. */
void e2b__dialer_close(e2b__dialer_t *dialer, void (*closed)(void *ctx), void *ctx);

#endif
