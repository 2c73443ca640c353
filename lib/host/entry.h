/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_ENTRY_H
#define E2B_LIB_HOST_ENTRY_H

#include "host/sandbox.h"
#include "proto/filesystem.h"

/* What clients are told about a file. */

/* Fills `entry` for the absolute path, a link itself and not its target. Strings are the path's or
 * the arena's. 0 or -errno. */
int e2b__host_entry(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *path,
                    e2b__entry_info_t *entry);

/* Extended attributes that hold a file's metadata. */
#define E2B__HOST_XATTR_PREFIX "user.e2b."
int e2b__host_metadata_read(int fd, e2b__arena_t *arena, e2b__str_pair_t **pairs, size_t *count);

#endif
