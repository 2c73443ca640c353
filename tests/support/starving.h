/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_STARVING_H
#define E2B_TESTS_SUPPORT_STARVING_H

#include <stdbool.h>
#include <stddef.h>

/* Memory that is counted, and that runs out when it is told to, for whichever library is put on it:
 * one count for all of them. */

/* Each before the first call of that library, and for the whole process. */
void starving_library(void); /* libe2b */
void starving_cjson(void);
void starving_curl(void);

/* From now on the `nth` allocation (1 is the next) fails, once, or, with `for_good`, it and all
 * that follow. 0: none does. */
void starving_arm(size_t nth, bool for_good);
size_t starving_count(void); /* allocations since arming */
bool starving_failed(void);  /* one has failed since arming */
size_t starving_live(void);  /* pieces that are not freed */

/* For a part of a test: libe2b alone takes its memory here, the `nth` allocation fails once. */
void starving_library_arm(size_t nth);
/* Back to the C library; nothing may be live. */
void starving_library_remove(void);

/* --- from one allocation to the next -----------------------------------------------------------
 */

/* Something that is done again and again while memory runs out at one place after the other. */
typedef struct starving_scenario {
  const char *name;
  /* Prepares, says starving_begin(), does it, and gives everything back. Fails the test if it has
   * gone wrong in a way that starving_failed() does not explain. `nth` is for what it says. */
  void (*play)(void *ctx, size_t nth);
  void *ctx;
} starving_scenario_t;

/* Said by a scenario: what was prepared had the memory it wanted, what follows has not. */
void starving_begin(void);
/* And what follows has it again. The end of the scenario says the same. */
void starving_end(void);

/* Plays it once, the allocation `nth` failing as with starving_arm(). Nothing may be left. Whether
 * an allocation has failed. */
bool starving_play(const starving_scenario_t *scenario, size_t nth, bool for_good);
/* Plays it with all the memory it wants, then without the first allocation, and so on until none is
 * left to fail. Takes each of the first `whole` (all of them with E2B_TEST_ALL=1), then every
 * `stride`-th. How many allocations that were. */
size_t starving_walk(const starving_scenario_t *scenario, bool for_good, size_t whole,
                     size_t stride);

#endif
