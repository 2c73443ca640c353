/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_SESSION_H
#define E2B_TESTS_SUPPORT_SESSION_H

#include "support/stage.h"
#include "support/starving.h"

/* A program as users write it, from the client to its end, run again and again while memory runs
 * out at one place after the other. Whatever fails, the session goes on as far as it can; every
 * future is NULL or decided, every result is whole, and nothing is left. */

/* One run, as starving_play(). Whether it came through: no allocation has failed. */
bool session_run(const e2b_rpc_encoding_t *encoding, size_t nth, bool for_good);

/* As starving_walk(). With `strict` the first failure must be E2B_ENOMEM. */
void session_walk(const e2b_rpc_encoding_t *encoding, bool for_good, size_t whole, size_t stride,
                  bool strict);

#endif
