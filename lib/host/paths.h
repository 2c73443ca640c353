/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_PATHS_H
#define E2B_LIB_HOST_PATHS_H

#include <sys/stat.h>

#include "host/sandbox.h"
#include "proto/message.h"

/* Paths of clients, and opening them inside the sandbox's root, which no link leads out of. All
 * functions that open answer a descriptor or -errno. */

/* The path a client means: relative ones start at the user's home. In the arena; absolute, NUL-
 * terminated. NULL with *why == NULL: out of memory; else *why is a text in the arena. */
char *e2b__host_path_expand(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena,
                            e2b__str_t path, bool as_root, const char **why);
const char *e2b__host_home(const e2b__host_sandbox_t *sandbox, bool as_root);
/* Without "//", "." and ".."; no trailing slash. In the arena. */
char *e2b__host_path_clean(e2b__arena_t *arena, const char *path);
const char *e2b__host_path_name(const char *clean);

int e2b__host_open(const e2b__host_sandbox_t *sandbox, const char *path, int flags, mode_t mode);
int e2b__host_stat(const e2b__host_sandbox_t *sandbox, const char *path, bool follow,
                   struct stat *st);
/* For a worker, since the sandbox may end meanwhile: as much of it as looking at files needs, with
 * a root of its own. 0 or -errno; to be given back in either case. */
int e2b__host_files_lend(const e2b__host_sandbox_t *sandbox, e2b__host_sandbox_t *files);
void e2b__host_files_return(e2b__host_sandbox_t *files);
/* The directory that holds a clean path's last part. */
int e2b__host_open_parent(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena,
                          const char *clean);
/* Makes what is missing of a directory's path, 0755 and the user's. 0 or -errno; on failure
 * *blame (if not NULL) is the part, in the arena. */
int e2b__host_make_path(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *clean,
                        bool as_root, const char **blame);
/* The path, as the sandbox sees it, of an open descriptor. In the arena. */
char *e2b__host_path_of(e2b__arena_t *arena, int fd);
/* A system error in the words of the real daemon: lower case. */
const char *e2b__host_error_text(int error);

#endif
