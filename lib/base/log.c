/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_LINE = 1024 };

void e2b__log_write(const e2b__log_t *log, e2b_log_level_t level, const char *fmt, ...) {
  char line[LONGEST_LINE];
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  if (len < 0) return;
  /* A server's words may be in the line: one line stays one line, and no escape reaches a console.
   */
  for (char *c = line; *c != '\0'; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
  }
  log->callback(level, line, log->user_data);
}
