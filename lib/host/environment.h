/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_ENVIRONMENT_H
#define E2B_LIB_HOST_ENVIRONMENT_H

#include "base/buffer.h"
#include "host/sandbox.h"
#include "proto/process.h"

/* What a process finds in its environment: the host's own few variables, then the sandbox's, then
 * the request's; later ones win. In the arena, "NAME=value" each. NULL when out of memory. */
const char *const *e2b__host_environment(const e2b__host_sandbox_t *sandbox,
                                         const e2b__process_config_t *config, const char *cwd,
                                         bool as_root, e2b__arena_t *arena, size_t *count);
/* The sandbox-wide variables as one JSON object. */
int e2b__host_environment_json(const e2b__host_sandbox_t *sandbox, e2b__buffer_t *out);

#endif
