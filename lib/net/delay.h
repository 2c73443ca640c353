/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_DELAY_H
#define E2B_LIB_NET_DELAY_H

#include "net/http.h"

/* A wait on the loop, which it keeps running. */
typedef struct e2b__delay e2b__delay_t;

/* NULL when out of memory. The delay is gone when `callback` is called. */
e2b__delay_t *e2b__delay_start(e2b__http_t *http, uint64_t ms, void (*callback)(void *ctx),
                               void *ctx);
void e2b__delay_cancel(e2b__delay_t *delay);

#endif
