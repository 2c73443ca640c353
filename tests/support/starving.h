/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_STARVING_H
#define E2B_TESTS_SUPPORT_STARVING_H

#include <stdbool.h>
#include <stddef.h>

/* Memory that runs out when it is told to. One count for whoever uses these functions. */

void *starving_malloc(size_t size);
void *starving_calloc(size_t count, size_t size);
void *starving_realloc(void *old, size_t size);
char *starving_strdup(const char *text);
void starving_free(void *ptr);

/* From now on the `nth` allocation (1 is the next) fails, once, or, with `for_good`, it and all
 * that follow. 0: none does. */
void starving_arm(size_t nth, bool for_good);
size_t starving_count(void); /* allocations since arming */
bool starving_failed(void);  /* one has failed since arming */
size_t starving_live(void);  /* pieces that are not freed */

#endif
