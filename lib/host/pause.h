/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_PAUSE_H
#define E2B_LIB_HOST_PAUSE_H

#include "host/sandbox.h"

/* A sandbox that rests: its processes are stopped, or, without its memory, ended; its files stay.
 * Connections are reset. Pausing and resuming take a moment, so that calls that come together can
 * join the same change; who waits for it is in the sandbox's waiters. */

/* Of one that runs. */
void e2b__host_pause_begin(e2b__host_sandbox_t *sandbox, bool keep_memory);
/* Of one that is paused: it is to live so long. `reboot`: its processes do not come back. */
void e2b__host_resume_begin(e2b__host_sandbox_t *sandbox, int64_t seconds, bool reboot);
/* For one that is pausing (it resumes as soon as it is paused) or resuming: at least so long. */
void e2b__host_resume_join(e2b__host_sandbox_t *sandbox, int64_t seconds, bool reboot);
/* When it is killed. */
void e2b__host_pause_cancel(e2b__host_sandbox_t *sandbox);

/* A new value of what the sandbox reads as /proc/sys/kernel/random/boot_id, in the file boot_id of
 * its directory. 0 or -1. */
int e2b__host_boot_id_write(const e2b__host_sandbox_t *sandbox);

#endif
