/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_WATCH_TREE_H
#define E2B_LIB_HOST_WATCH_TREE_H

#include <uv/tree.h>

#include "host/sandbox.h"

/* The directories that one inotify descriptor watches. The kernel tells of each by a number and
 * never of what is below it; this module knows where in the tree a number is, follows directories
 * that move, and looks into those that are new. */

typedef struct e2b__host_watch_dir {
  RB_ENTRY(e2b__host_watch_dir) entry;
  int descriptor; /* of the kernel; stays the same directory's wherever that moves */
  struct e2b__host_watch_dir *parent; /* NULL: the root */
  e2b__list_t node;                   /* of the parent's children */
  e2b__list_t children;
  bool moving; /* it left its place; where to, and whether it is still in the tree, is not known */
  bool missed; /* it was not where it is thought to be when one in it was to be opened */
  char *name;
} e2b__host_watch_dir_t;

RB_HEAD(e2b__host_watch_dirs, e2b__host_watch_dir);
RB_HEAD(e2b__host_watch_finds, e2b__host_watch_find);

typedef struct e2b__host_watch_tree {
  const e2b__host_sandbox_t *sandbox;
  int fd;     /* inotify's */
  char *path; /* of the root: absolute, clean, as the sandbox sees it */
  bool recursive;
  struct e2b__host_watch_dirs dirs;
  size_t count;
  size_t ceiling;              /* of count */
  e2b__host_watch_dir_t *root; /* NULL: it has gone */
  e2b__host_watch_dir_t *moving;
  uint32_t moving_cookie;
  size_t missed; /* directories that are marked so */
  struct e2b__host_watch_finds finds;
  size_t find_count;
  struct e2b__host_watch_frame *frames; /* of the walk; the last one is the deepest directory */
  size_t frame_count, frame_room;
  /* The walk came across `name` in `dir`. */
  void (*found)(struct e2b__host_watch_tree *tree, const e2b__host_watch_dir_t *dir,
                const char *name);
} e2b__host_watch_tree_t;

/* How a directory came to be known. */
typedef enum e2b__host_watch_how {
  E2B__WATCH_ROOT,  /* asked for; its content is nobody's news */
  E2B__WATCH_FOUND, /* by the walk */
  E2B__WATCH_EVENT  /* the kernel told of it */
} e2b__host_watch_how_t;

/* Watches a directory. 1: it is new, and in a recursive tree the walk will look into it; 0: it was
 * known, or is not there any more; else -errno. */
int e2b__host_watch_add(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                        const char *name, e2b__host_watch_how_t how);
e2b__host_watch_dir_t *e2b__host_watch_dir(e2b__host_watch_tree_t *tree, int descriptor);
/* Forgets a directory with all below it. */
void e2b__host_watch_drop(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *dir);
/* The two halves of a directory's move as the kernel tells them. */
void e2b__host_watch_moved_from(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                                const char *name, uint32_t cookie);
void e2b__host_watch_moved_to(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                              const char *name, uint32_t cookie);
/* Relative to the root, which is "." itself; `name` may be NULL. In the arena. */
char *e2b__host_watch_name(e2b__arena_t *arena, const e2b__host_watch_dir_t *dir, const char *name);
char *e2b__host_watch_path(e2b__arena_t *arena, const e2b__host_watch_tree_t *tree,
                           const char *relative);

/* The walk: one name a step, so that a large tree can be looked through in slices. 0 or -errno. */
static inline bool e2b__host_watch_walking(const e2b__host_watch_tree_t *tree) {
  return tree->frame_count > 0;
}
int e2b__host_watch_step(e2b__host_watch_tree_t *tree);

/* Whether the walk told of this name, so that its CREATE is no news. Forgets it. */
bool e2b__host_watch_take_find(e2b__host_watch_tree_t *tree, const e2b__host_watch_dir_t *dir,
                               const char *name);
void e2b__host_watch_clear_finds(e2b__host_watch_tree_t *tree);

/* All memory; inotify's descriptor is closed before, or does not matter any more. */
void e2b__host_watch_tree_free(e2b__host_watch_tree_t *tree);

#endif
