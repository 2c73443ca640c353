/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_TOLD_H
#define E2B_TESTS_SUPPORT_TOLD_H

#include "e2b/terminal.h"

/* What a terminal has told by its callbacks. */
typedef struct told {
  char *seen; /* all output, NUL-terminated; NULL before the first */
  size_t seen_len;
  size_t seen_room;
  uint64_t gap; /* bytes told missing; E2B_BYTES_UNKNOWN counts one */
  unsigned gaps;
  unsigned lost;
  unsigned restored;
  unsigned drains;
  unsigned exits;
  unsigned closed;
  e2b_terminal_exit_t exit;
  int closed_code; /* 0: without an error */
  char closed_message[512];
} told_t;

/* Every callback leads to `told`. */
void told_by(told_t *told, e2b_terminal_options *options);
/* on_data, for who has one of its own. */
void told_output(told_t *told, const char *data, size_t len);
void told_free(told_t *told);

#endif
