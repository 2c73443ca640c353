/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_REMOVAL_H
#define E2B_LIB_HOST_REMOVAL_H

#include "host/connect.h"

/* Answers the call once the file, or the directory with all that is in it, has gone. Takes
 * `parent`, an open directory; `name` is in it, `path` is what the client called it, in the call's
 * memory. A tree is removed by a worker, to its end, whatever becomes of call and sandbox. */
void e2b__host_removal_start(e2b__host_call_t *call, int parent, const char *name,
                             const char *path);
/* The answer: `rc` is 0 or -errno. */
void e2b__host_removal_answer(e2b__host_call_t *call, const char *path, int rc);

#endif
