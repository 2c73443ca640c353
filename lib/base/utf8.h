/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_UTF8_H
#define E2B_LIB_BASE_UTF8_H

#include <stddef.h>

/* How many bytes at the end of `data` are the beginning of a UTF-8 character that is not complete
 * yet: 0 to 3. Invalid bytes are nobody's beginning: they count as complete. */
size_t e2b__utf8_tail(const char *data, size_t len);
/* The length of the valid character that `data` starts with: 1 to 4, or 0 when it starts with none
 * or `len` cuts it. */
size_t e2b__utf8_char(const char *data, size_t len);
/* Nonzero when all of `data` is valid UTF-8 (no overlong forms, no surrogates). */
int e2b__utf8_valid(const char *data, size_t len);

#endif
