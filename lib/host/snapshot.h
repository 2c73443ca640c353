/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SNAPSHOT_H
#define E2B_LIB_HOST_SNAPSHOT_H

#include "host/sandbox.h"

/* Copies of sandboxes' files from which others start. A snapshot without a name has one build; one
 * with a name has a build for each tag. */

#define E2B__SNAPSHOT_SPACE "local" /* of names: "local/name:tag" */

typedef struct e2b__host_build {
  e2b__list_t node; /* of the snapshot; newest first */
  char id[37];
  char *tag;
  char *dir;      /* the copy */
  unsigned users; /* that copy from it: its files stay for so long */
  bool dropped;   /* of no snapshot any more */
  int64_t created_ms;
} e2b__host_build_t;

typedef struct e2b__host_snapshot {
  e2b__list_t node; /* of host->snapshots; newest first */
  char *id;         /* without a tag: "local/name", or one of its own */
  bool named;
  uint64_t serial; /* of its newest build, among sandboxes and snapshots */
  const e2b__host_template_t *template;
  char sandbox_id[24]; /* of which the newest build is */
  e2b__list_t builds;
} e2b__host_snapshot_t;

/* By id, name or "local/name", each with or without a tag. The build is the one of the tag, the
 * newest without one; NULL when there is no such tag. */
e2b__host_snapshot_t *e2b__host_snapshot_find(e2b_host_t *host, const char *name,
                                              e2b__host_build_t **build);
/* Keeps a copy that is complete. `name` NULL: without one. Takes `dir`, also when memory is out
 * (NULL). */
e2b__host_snapshot_t *e2b__host_snapshot_add(e2b__host_sandbox_t *sandbox, const char *name,
                                             const char *tag, char *dir);
/* A sandbox starts from it: its files stay, though the snapshot may be replaced or removed. */
void e2b__host_build_acquire(e2b__host_build_t *build);
void e2b__host_build_release(e2b_host_t *host, e2b__host_build_t *build);
/* Removes a copy that nobody wants. Takes `dir`. */
void e2b__host_snapshot_discard(e2b_host_t *host, char *dir);
/* Forgets it; its files are removed by a worker. */
void e2b__host_snapshot_remove(e2b_host_t *host, e2b__host_snapshot_t *snapshot);
/* Forgets all, without their files: those go with the state directory. */
void e2b__host_snapshots_free(e2b_host_t *host);

#endif
