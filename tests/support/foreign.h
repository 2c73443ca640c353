/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FOREIGN_H
#define E2B_TESTS_SUPPORT_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Servers that are not ours, as processes on the loop of the test. */

typedef struct foreign foreign_t;

/* The path of a program, of the system or in the folder that E2B_TEST_FOREIGN names; NULL when
 * there is none. Good for the next seven calls. */
const char *foreign_find(const char *name);
/* Starts `args` (args[0] is a path). With `announces` it waits for a line on standard output, which
 * is a port. It gets the
 * listeners as descriptors 3 and following. */
foreign_t *foreign_start(uv_loop_t *loop, const char *const *args, const char *const *env,
                         bool announces, const int *listeners, unsigned listeners_count);
uint16_t foreign_port(const foreign_t *foreign);
/* Kills it; for harness_at_stop(). */
void foreign_stop(void *foreign);

/* A socket that listens on 127.0.0.1, and its port. */
int listener_open(uint16_t *port);

#endif
