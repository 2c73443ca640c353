/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_FLOOR_EVENTS_H
#define E2B_BENCH_FLOOR_EVENTS_H

#include <stddef.h>

/* A process's event stream as lean as it can be read: envelopes, and of the messages in them the
 * fields that a result is made of. Bytes of an envelope that is cut are kept for the next call. */
typedef struct events {
  char *kept;
  size_t kept_len;
  size_t kept_size;
  char *output; /* of stdout */
  size_t output_len;
  size_t output_size;
  int started;
  int exited; /* the end event has come */
  int exit_code;
  int ended; /* the end of the stream has come */
} events_t;

/* For a new stream; memory is kept. */
void events_reset(events_t *events);
/* 0, or nonzero when the stream makes no sense. */
int events_take(events_t *events, const char *data, size_t len);
void events_free(events_t *events);

#endif
