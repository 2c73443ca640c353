/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_AGENT_SUPERVISOR_H
#define E2B_LIB_TERMINAL_AGENT_SUPERVISOR_H

#include "sandbox/handle.h"

/* Sees to it that one user of a sandbox has an agent that runs, and knows where. One for each user
 * of a sandbox handle; it goes with the handle. */
typedef struct e2b__supervisor e2b__supervisor_t;

typedef struct e2b__agent_address {
  uint16_t port;
  char secret[65];
  unsigned generation; /* 0: none is known */
} e2b__agent_address_t;

/* `user` NULL: the template's. NULL when out of memory. */
e2b__supervisor_t *e2b__supervisor_of(e2b_sandbox_t *sandbox, const char *user);

/* The agent that was there last; generation 0 when none is known. */
const e2b__agent_address_t *e2b__supervisor_address(const e2b__supervisor_t *supervisor);

/* One who waits for an agent. `done` comes from the loop, once: with NULL, the address is known; or
 * with why not: E2B_EUNIMPLEMENTED when the agent cannot run in this sandbox. Lent for the call. */
typedef struct e2b__supervisor_wait {
  e2b__list_t node;
  void (*done)(struct e2b__supervisor_wait *wait, const e2b_error_t *error);
} e2b__supervisor_wait_t;

void e2b__supervisor_wait_init(e2b__supervisor_wait_t *wait,
                               void (*done)(e2b__supervisor_wait_t *, const e2b_error_t *));
/* Asks the sandbox, starts or uploads the agent if need be. Whoever asks meanwhile waits for the
 * same answer. 0, E2B_ENOMEM, E2B_ECLOSED, or E2B_EUNIMPLEMENTED when it is known not to run. */
int e2b__supervisor_ensure(e2b__supervisor_t *supervisor, e2b_sandbox_t *sandbox,
                           e2b__supervisor_wait_t *wait);
static inline void e2b__supervisor_forget(e2b__supervisor_wait_t *wait) {
  e2b__list_remove(&wait->node);
}

/* What an agent printed of itself. 0, E2B_ENOTFOUND for "{}", or E2B_EPROTOCOL. */
int e2b__agent_address_parse(const char *text, size_t len, e2b__agent_address_t *address);

/* Runs any agent that is installed to find out where one runs: prints as that does, "{}" when there
 * is none. For /bin/sh -c. */
extern const char e2b__agent_find_script[];

#endif
