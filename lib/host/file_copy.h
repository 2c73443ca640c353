/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_FILE_COPY_H
#define E2B_LIB_HOST_FILE_COPY_H

#include <stddef.h>
#include <sys/types.h>

/* Copying a file's content. What it has not written takes no room in the copy either: a file of
 * the sandbox's may be far larger than all that the sandbox may keep. */
typedef struct e2b__host_file_copy {
  int from, to;
  off_t at;     /* of `from` */
  off_t behind; /* where the beginning of `from` goes to in `to` */
} e2b__host_file_copy_t;

/* Goes on, for about `most` bytes. 1: there is more, 0: it is complete, or -errno. */
int e2b__host_file_copy(e2b__host_file_copy_t *copy, size_t most);

#endif
