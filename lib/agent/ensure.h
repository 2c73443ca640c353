/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_ENSURE_H
#define E2B_LIB_AGENT_ENSURE_H

#include "agent/agent.h"

/* The two commands. Both print the agent's address and return an exit code. */

int e2b__ensure(const e2b__options_t *options);
int e2b__find(void);

/* ---- daemon.c ---- */

/* In a child of `ensure`: leaves everything of its parent's behind but these three descriptors,
 * serves until the end, and returns the exit code. `ready` is told the address once it listens, or
 * what went wrong; `lock` says that an agent runs; `dir` takes the address. */
int e2b__daemon(const e2b__options_t *options, const char *home, int dir, int lock, int ready);

#endif
