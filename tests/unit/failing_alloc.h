/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_UNIT_FAILING_ALLOC_H
#define E2B_TESTS_UNIT_FAILING_ALLOC_H

#include <stddef.h>

/* An allocator under the library that counts, and that fails when told to. */

/* From now on the `nth` allocation (1 is the next) fails, once; 0: none does. Installs the
 * allocator. */
void failing_alloc_arm(size_t nth);
/* Allocations since arming. */
size_t failing_alloc_count(void);
/* Pieces that are allocated and not freed. */
size_t failing_alloc_live(void);
/* Back to the C library; nothing may be live. */
void failing_alloc_remove(void);

#endif
