/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_STREAM_H
#define E2B_LIB_SANDBOX_STREAM_H

#include "sandbox/daemon.h"

/* A server stream of the daemon: one message out, many in, an end (protocol 5.5). The request's
 * side stays open until the end has come, since the daemon takes a half-close for a hang-up. */

typedef struct e2b__stream e2b__stream_t;

typedef struct e2b__stream_events {
  /* One message; lent for the call. Nonzero ends the stream with that code. */
  int (*on_message)(void *ctx, const char *data, size_t len);
  /* NULL: the server ended it well. Else strings are lent for the call. The stream is gone. */
  void (*on_end)(void *ctx, const e2b_error_t *error);
} e2b__stream_events_t;

typedef struct e2b__stream_options {
  const char *user;        /* NULL: the daemon's default */
  uint64_t timeout_ms;     /* Connect-Timeout-Ms; 0 or E2B_NO_TIMEOUT: none */
  uint64_t first_event_ms; /* 0: the client's */
} e2b__stream_options_t;

/* 0 and *stream; E2B_ENOMEM; E2B_EINVAL or E2B_ETOOBIG when the message cannot be encoded;
 * E2B_ECLOSED. Events come from the loop. */
int e2b__stream_start(e2b_sandbox_t *sandbox, const char *method, const e2b__message_t *type,
                      const void *message, const e2b__stream_options_t *options,
                      const e2b__stream_events_t *events, void *ctx, e2b__stream_t **stream);
/* No event comes any more. Legal inside events. */
void e2b__stream_cancel(e2b__stream_t *stream);
/* What was to be said has been said: the end follows soon, or is assumed. */
void e2b__stream_expect_end(e2b__stream_t *stream);
void e2b__stream_pause(e2b__stream_t *stream);
void e2b__stream_resume(e2b__stream_t *stream);

#endif
