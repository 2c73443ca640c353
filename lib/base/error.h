/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_ERROR_H
#define E2B_LIB_BASE_ERROR_H

#include "base/arena.h"
#include "e2b/error.h"

/* A failure with a code and nothing else; its strings are static. */
e2b_error_t e2b__error(int code);
/* The same with a message of its own in `arena`; the code's text when memory is out. */
e2b_error_t e2b__error_text(e2b__arena_t *arena, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A copy whose strings are in `arena`. Strings that do not fit in memory become "" or static. */
e2b_error_t e2b__error_copy(e2b__arena_t *arena, const e2b_error_t *error);
/* A copy that is in `arena` as a whole; e2b__error_no_memory when there is no room. */
const e2b_error_t *e2b__error_keep(e2b__arena_t *arena, const e2b_error_t *error);
extern const e2b_error_t e2b__error_no_memory;
/* Of a future that is NULL: memory ran out, or there was no handle to begin with. */
extern const e2b_error_t e2b__error_no_future;

#endif
