/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_LOG_H
#define E2B_LIB_BASE_LOG_H

#include "e2b/base.h"

typedef struct e2b__log {
  e2b_log_cb callback;
  void *user_data;
  e2b_log_level_t level; /* the most detailed level wanted */
} e2b__log_t;

void e2b__log_write(const e2b__log_t *log, e2b_log_level_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The level is tested before the arguments are evaluated. Never pass a key, a token or a body. */
#define E2B__LOG(log, at, ...)                                                                     \
  do {                                                                                             \
    if ((log)->callback != NULL && (at) <= (log)->level) e2b__log_write((log), (at), __VA_ARGS__); \
  } while (0)

#endif
