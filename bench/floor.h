/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_FLOOR_H
#define E2B_BENCH_FLOOR_H

#include <uv.h>

/* What the parts alone cost: libcurl's multi on libuv, as lean as we can write it. Sends `count`
 * GETs of `url`, `in_flight` at a time, and reads the answers into nothing. 0, or how many failed.
 */
unsigned floor_run(uv_loop_t *loop, const char *url, const char *api_key, unsigned count,
                   unsigned in_flight);

#endif
