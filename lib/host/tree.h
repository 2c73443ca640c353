/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_TREE_H
#define E2B_LIB_HOST_TREE_H

/* Removes a file, or a directory with all that is in it, without following a link and in constant
 * depth, however deep the tree. 0 (also when there is nothing) or the first -errno. Uses neither
 * allocator nor loop: a worker thread may call it. */
int e2b__host_tree_remove(int parent_fd, const char *name);

#endif
