/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_RETRY_H
#define E2B_LIB_NET_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* When a request that may be repeated is repeated, and after how long. No clock, no loop. */

typedef struct e2b__retry_facts {
  int code; /* of the exchange; 0 when an answer came */
  bool maybe_received;
  bool connect_clock;       /* E2B_ETIMEDOUT by the connect clock */
  int status;               /* of the answer */
  int final_status;         /* a status that is an answer, not a mishap; 0 for none */
  const char *should_retry; /* the header, or NULL */
  uint64_t retry_after_ms;  /* what the server asked for; 0 when it did not */
} e2b__retry_facts_t;

/* Is it worth another try? Asked for safe requests only. */
bool e2b__retry_wanted(const e2b__retry_facts_t *facts);

/* How long before try number `attempt` + 1: exponential with jitter, unless the server said.
 * `random` is any number. */
uint64_t e2b__retry_delay_ms(unsigned attempt, uint64_t retry_after_ms, uint32_t random);

#endif
