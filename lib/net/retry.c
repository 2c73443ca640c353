/* SPDX-License-Identifier: MIT */
#include "net/retry.h"

#include <string.h>
#include <strings.h>

#include "e2b/error.h"

enum { FIRST_MS = 100, LONGEST_MS = 10000, LONGEST_ASKED_MS = 60000 };

bool e2b__retry_wanted(const e2b__retry_facts_t *facts) {
  switch (facts->code) {
  case 0: break;
  case E2B_EDNS:
  case E2B_ECONNECT:
  case E2B_ECONNLOST: return true;
  case E2B_ETIMEDOUT: return facts->connect_clock;
  default: return false;
  }
  /* Not so late, and never sooner than asked: the caller is told when. */
  if (facts->retry_after_ms > LONGEST_ASKED_MS) return false;
  if (facts->should_retry != NULL) {
    if (strcasecmp(facts->should_retry, "true") == 0) return true;
    if (strcasecmp(facts->should_retry, "false") == 0) return false;
  }
  if (facts->status == facts->final_status) return false;
  return facts->status == 429 || (facts->status >= 502 && facts->status <= 504);
}

uint64_t e2b__retry_delay_ms(unsigned attempt, uint64_t retry_after_ms, uint32_t random) {
  if (retry_after_ms > 0) return retry_after_ms;
  uint64_t ms = FIRST_MS;
  for (unsigned i = 1; i < attempt && ms < LONGEST_MS; i++) {
    ms *= 2;
  }
  if (ms > LONGEST_MS) ms = LONGEST_MS;
  /* Half of it certain, half by chance: clients that failed together do not come back together. */
  return ms / 2 + random % (ms / 2 + 1);
}
