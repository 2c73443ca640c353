/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_FROZEN_H
#define E2B_LIB_HOST_FROZEN_H

#include "host/link.h"

/* A copy of a sandbox's files as they are at one moment: its programs are stopped before it begins,
 * and go on when it is made. */

typedef struct e2b__host_frozen {
  uv_work_t work;
  e2b__host_start_t stopped;
  e2b__host_alarm_t overdue;
  e2b_host_t *host;
  char sandbox_id[24];
  char *from;
  char *to; /* the copy; gone again when rc is not 0 */
  int rc;   /* 0 or -errno */
  /* Called once, from the loop, never from inside the call that begins. `sandbox` NULL: it has
   * ended meanwhile. */
  void (*done)(struct e2b__host_frozen *frozen, e2b__host_sandbox_t *sandbox);
} e2b__host_frozen_t;

/* Begins; 0, or -1 and nothing follows. The memory is the caller's until `done`, and then to be
 * given to e2b__host_frozen_clear(), as it is after -1. */
int e2b__host_frozen_begin(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *sandbox,
                           void (*done)(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *sandbox));
/* Leaves the copy. */
void e2b__host_frozen_clear(e2b__host_frozen_t *frozen);

#endif
