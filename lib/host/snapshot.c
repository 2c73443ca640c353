/* SPDX-License-Identifier: MIT */
#include "host/snapshot.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "host/tree.h"

/* ---- files that go ---- */

typedef struct removal {
  uv_work_t work;
  e2b_host_t *host;
  char *dir;
} removal_t;

static void do_remove(uv_work_t *work) {
  e2b__host_tree_remove(AT_FDCWD, E2B__CONTAINER(work, removal_t, work)->dir);
}

static void on_removed(uv_work_t *work, int status) {
  removal_t *removal = E2B__CONTAINER(work, removal_t, work);
  e2b_host_t *host = removal->host;
  (void)status;
  e2b__free(removal->dir);
  e2b__free(removal);
  e2b__host_handle_closed(host);
}

/* What cannot be removed now goes with the state directory. */
void e2b__host_snapshot_discard(e2b_host_t *host, char *dir) {
  removal_t *removal = dir != NULL ? e2b__calloc(1, sizeof *removal) : NULL;
  if (removal != NULL) {
    removal->host = host;
    removal->dir = dir;
    if (uv_queue_work(host->loop, &removal->work, do_remove, on_removed) == 0) {
      e2b__host_handle_opened(host);
      return;
    }
  }
  e2b__free(removal);
  e2b__free(dir);
}

/* `host` NULL: without its files. */
static void build_free(e2b_host_t *host, e2b__host_build_t *build) {
  if (host != NULL)
    e2b__host_snapshot_discard(host, build->dir);
  else
    e2b__free(build->dir);
  e2b__free(build->tag);
  e2b__free(build);
}

static void build_drop(e2b_host_t *host, e2b__host_build_t *build) {
  e2b__list_remove(&build->node);
  build->dropped = true;
  if (build->users == 0) build_free(host, build);
}

void e2b__host_build_acquire(e2b__host_build_t *build) {
  build->users++;
}

void e2b__host_build_release(e2b_host_t *host, e2b__host_build_t *build) {
  if (--build->users == 0 && build->dropped) build_free(host, build);
}

static void snapshot_free(e2b_host_t *host, e2b__host_snapshot_t *snapshot) {
  while (!e2b__list_empty(&snapshot->builds))
    build_drop(host, E2B__CONTAINER(snapshot->builds.next, e2b__host_build_t, node));
  e2b__list_remove(&snapshot->node);
  e2b__free(snapshot->id);
  e2b__free(snapshot);
}

void e2b__host_snapshot_remove(e2b_host_t *host, e2b__host_snapshot_t *snapshot) {
  snapshot_free(host, snapshot);
}

void e2b__host_snapshots_free(e2b_host_t *host) {
  while (!e2b__list_empty(&host->snapshots))
    snapshot_free(NULL, E2B__CONTAINER(host->snapshots.next, e2b__host_snapshot_t, node));
}

/* ---- finding ---- */

static e2b__host_build_t *find_tag(e2b__host_snapshot_t *snapshot, const char *tag) {
  e2b__list_t *all = &snapshot->builds;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    e2b__host_build_t *build = E2B__CONTAINER(node, e2b__host_build_t, node);
    if (tag == NULL || strcmp(build->tag, tag) == 0) return build;
  }
  return NULL;
}

e2b__host_snapshot_t *e2b__host_snapshot_find(e2b_host_t *host, const char *name,
                                              e2b__host_build_t **build) {
  e2b__list_t *all = &host->snapshots;
  const char *colon = strchr(name, ':');
  size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);
  *build = NULL;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    e2b__host_snapshot_t *snapshot = E2B__CONTAINER(node, e2b__host_snapshot_t, node);
    const char *slash = strchr(snapshot->id, '/');
    const char *bare = slash != NULL ? slash + 1 : snapshot->id;
    bool whole = strlen(snapshot->id) == len && memcmp(snapshot->id, name, len) == 0;
    if (!whole && (strlen(bare) != len || memcmp(bare, name, len) != 0)) continue;
    *build = find_tag(snapshot, colon != NULL ? colon + 1 : NULL);
    return snapshot;
  }
  return NULL;
}

/* ---- keeping ---- */

static e2b__host_build_t *build_new(const char *tag, char *dir) {
  char hex[33];
  e2b__host_build_t *build = e2b__calloc(1, sizeof *build);
  if (build == NULL) return NULL;
  e2b__list_init(&build->node);
  build->tag = e2b__strdup(tag);
  if (build->tag == NULL || e2b__host_random_hex(hex, 32) != 0) {
    e2b__free(build->tag);
    e2b__free(build);
    return NULL;
  }
  snprintf(build->id, sizeof build->id, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 13,
           hex + 17, hex + 20);
  build->dir = dir;
  build->created_ms = e2b__wall_ms();
  return build;
}

static e2b__host_snapshot_t *snapshot_new(const char *name) {
  char id[24];
  e2b__host_snapshot_t *snapshot = e2b__calloc(1, sizeof *snapshot);
  if (snapshot == NULL || e2b__host_random_id(id, 20) != 0) {
    e2b__free(snapshot);
    return NULL;
  }
  e2b__list_init(&snapshot->node);
  e2b__list_init(&snapshot->builds);
  snapshot->named = name != NULL;
  snapshot->id = name != NULL ? e2b__format(E2B__SNAPSHOT_SPACE "/%s", name) : e2b__strdup(id);
  if (snapshot->id != NULL) return snapshot;
  e2b__free(snapshot);
  return NULL;
}

e2b__host_snapshot_t *e2b__host_snapshot_add(e2b__host_sandbox_t *sandbox, const char *name,
                                             const char *tag, char *dir) {
  e2b_host_t *host = sandbox->host;
  e2b__host_build_t *old = NULL, *build = build_new(tag, dir);
  e2b__host_snapshot_t *snapshot = name != NULL ? e2b__host_snapshot_find(host, name, &old) : NULL;
  if (build != NULL && snapshot == NULL) snapshot = snapshot_new(name);
  if (build == NULL || snapshot == NULL) {
    if (build != NULL) e2b__free(build->tag);
    e2b__free(build);
    e2b__host_snapshot_discard(host, dir);
    return NULL;
  }
  old = find_tag(snapshot, tag);
  if (old != NULL) build_drop(host, old);
  snapshot->template = sandbox->template;
  snapshot->serial = ++host->last_serial;
  memcpy(snapshot->sandbox_id, sandbox->id, sizeof snapshot->sandbox_id);
  e2b__list_append(snapshot->builds.next, &build->node);
  e2b__list_remove(&snapshot->node);
  e2b__list_append(host->snapshots.next, &snapshot->node);
  return snapshot;
}
