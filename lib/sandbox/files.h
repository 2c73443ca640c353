/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_FILES_H
#define E2B_LIB_SANDBOX_FILES_H

#include "e2b/files.h"
#include "proto/filesystem.h"
#include "sandbox/daemon.h"

/* Strings in `arena`. 0 or E2B_ENOMEM. */
int e2b__file_info_read(e2b__arena_t *arena, const e2b__entry_info_t *from, e2b_file_info_t *to);
/* The daemon's answer to an upload: a JSON array of what it stored. 0, E2B_EPROTOCOL, E2B_ENOMEM.
 */
int e2b__stored_files_parse(e2b__arena_t *arena, const char *body, size_t len,
                            e2b_file_info_t **files, size_t *count);
/* "<daemon>/files?path=...&username=..."; `path` NULL: without. */
int e2b__files_url(e2b__buffer_t *url, const e2b_sandbox_t *sandbox, const char *path,
                   const char *user);

#define E2B__METADATA_WRONG \
  "metadata takes names that are HTTP tokens, and values of printable ASCII"
/* "X-Metadata-name: value" in `arena`; NULL with *rc E2B_EINVAL or E2B_ENOMEM. */
char *e2b__metadata_line(e2b__arena_t *arena, const e2b_pair_t *pair, int *rc);
/* Whether the daemon takes a file as the request's body. */
bool e2b__takes_raw_uploads(const e2b_sandbox_t *sandbox);

#endif
