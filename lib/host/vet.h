/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_VET_H
#define E2B_LIB_HOST_VET_H

/* Whether what a client's path led to may be handed to the client. Within the sandbox's root there
 * is /proc, and what root inside has mounted: files of the kernel that answer to the rights of who
 * opens them, and the host may have all of them.
 *
 * Answers `fd`, which was opened with these flags, or closes it and answers -EACCES. */
int e2b__host_vet(int fd, int flags);

#endif
