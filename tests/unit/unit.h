/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_UNIT_UNIT_H
#define E2B_TESTS_UNIT_UNIT_H

/* What cmocka wants included before it, in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#endif
