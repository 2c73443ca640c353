/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_CONTROL_H
#define E2B_LIB_AGENT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* A control message of the client's, read and checked. */

enum { E2B__AGENT_NAME_LARGEST = 64 }; /* bytes of a terminal's id, and of a writer's name */

typedef enum e2b__control_type {
  E2B__CONTROL_CREATE,
  E2B__CONTROL_ATTACH,
  E2B__CONTROL_ACK,
  E2B__CONTROL_RESIZE,
  E2B__CONTROL_SIGNAL,
  E2B__CONTROL_DETACH,
  E2B__CONTROL_LIST,
  E2B__CONTROL_TYPES
} e2b__control_type_t;

typedef struct e2b__control {
  e2b__control_type_t type;
  char id[E2B__AGENT_NAME_LARGEST + 1];     /* empty when absent */
  char writer[E2B__AGENT_NAME_LARGEST + 1]; /* empty when absent */
  size_t argc;
  char **argv; /* ends with NULL */
  char **envs; /* "NAME=VALUE", ends with NULL; NULL when absent */
  char *cwd;   /* NULL when absent */
  uint64_t cols;
  uint64_t rows;
  uint64_t ring;
  uint64_t hold_ms;
  uint64_t timeout_ms;
  uint64_t offset;
  uint64_t signal;
  bool has_offset;
} e2b__control_t;

typedef enum e2b__control_result {
  E2B__CONTROL_GOOD,
  E2B__CONTROL_INVALID, /* the request cannot be carried out: *why says what is wrong with it */
  E2B__CONTROL_BREACH   /* no JSON object, or not one with a type */
} e2b__control_result_t;

/* Strings and arrays are the arena's. `control` holds the id also when the message is invalid, if
 * there was a good one. */
e2b__control_result_t e2b__control_read(e2b__control_t *control, const char *text, size_t len,
                                        e2b__arena_t *arena, const char **why);

#endif
