/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_FUZZ_HOST_LINK_H
#define E2B_TESTS_FUZZ_HOST_LINK_H

#include "host/link.h"

/* In the place of the host's link to spawners: there is no process at all. What is asked of a
 * spawner is answered when host_link_turn() is called. */

/* Answers what waits; whether there was something. */
bool host_link_turn(void);

#endif
