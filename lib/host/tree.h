/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_TREE_H
#define E2B_LIB_HOST_TREE_H

#include <sys/types.h>

/* The mode of a directory itself: never of what a link points to that took its place meanwhile. 0
 * or -errno. */
int e2b__host_directory_chmod(int parent, const char *name, mode_t mode);

/* Removes a file, or a directory with all that is in it, without following a link and in constant
 * depth, however deep the tree. 0 (also when there is nothing) or the first -errno. Uses neither
 * allocator nor loop: a worker thread may call it. */
int e2b__host_tree_remove(int parent_fd, const char *name);

/* Copies a tree with owners, modes, times and user.* attributes to a name that is free. Links are
 * copied, not followed; what is no file, directory or link is left out. 0 or the first -errno, and
 * then a part of it is there. For a worker thread. */
int e2b__host_tree_copy(const char *from, const char *to);

#endif
