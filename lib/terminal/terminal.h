/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_TERMINAL_H
#define E2B_LIB_TERMINAL_TERMINAL_H

#include "sandbox/handle.h"
#include "terminal/transport.h"

/*  state      transport   leaves by
 *  STARTING   opening     opened -> OPEN; failed, final or for too long -> OVER; AUTO and the agent
 *                         cannot run -> STARTING with another transport; nobody cares -> OVER
 *  OPEN       connected   failed -> LOST; exited, failed and final, close -> OVER
 *  LOST       waiting or  opened -> OPEN; the outage's time is used up, failed and final, exited,
 *             opening     close -> OVER
 *  OVER       none        on_closed has been called or is queued
 *
 *  event      STARTING               OPEN              LOST
 *  opened     future succeeds        -                 on_restored, on_gap
 *  data       -                      on_data           -
 *  failed     tries again in a while on_lost           tries again in a while
 *  exited     future succeeds, then as in OPEN: on_exit, waits, on_closed                        */
typedef enum e2b__terminal_state {
  E2B__TERMINAL_STARTING,
  E2B__TERMINAL_OPEN,
  E2B__TERMINAL_LOST,
  E2B__TERMINAL_OVER
} e2b__terminal_state_t;

/* What is needed only while a connection is missing, or was a moment ago (reconnect.c). */
typedef struct e2b__outage e2b__outage_t;

/* The error it ended with, and its strings. */
typedef struct e2b__terminal_failure {
  e2b__arena_t arena;
  e2b_error_t error;
} e2b__terminal_failure_t;

/* Thousands of them are idle most of the time: whatever is needed only now and then is a pointer.
 */
struct e2b_terminal {
  /* What a key looks at, and little else: a cache line. */
  unsigned refs; /* of the memory */
  e2b__terminal_state_t state;
  uint8_t kind;                /* e2b_transport_t, of the transport it has or had */
  bool yielded;                /* a future has handed it out: on_closed is owed */
  bool refused;                /* on_drain is owed */
  bool paused;                 /* by the user */
  bool resized;                /* in an outage: to be sent after it */
  bool exited;                 /* `exit` is set */
  bool steady;                 /* bytes came since it was connected: the next outage is a new one */
  e2b__transport_t *transport; /* NULL when OVER */
  uint64_t offset;             /* of the next byte of output; STARTING: of the first one wanted */
  size_t write_limit;
  e2b_terminal_data_cb on_data;
  void *user_data;

  unsigned handles; /* of `refs`, the user's */
  uint32_t pid;
  uint16_t cols;
  uint16_t rows;
  e2b_sandbox_t *sandbox;
  e2b__guest_t guest;
  e2b__terminal_spec_t *spec; /* until it has opened */
  e2b_future_t *starting;
  e2b__list_t waiters; /* futures of the end */
  size_t waiting;
  e2b__task_t closed_task;
  e2b__task_t stalled_task;
  char *id;
  e2b_terminal_exit_t exit;
  e2b__terminal_failure_t *failure;
  e2b__outage_t *outage;
  uint64_t reconnect_ms;
  uint64_t opened_ms; /* of the loop's clock */
  e2b_terminal_gap_cb on_gap;
  e2b_terminal_exit_cb on_exit;
  e2b_terminal_error_cb on_lost;
  e2b_terminal_cb on_restored;
  e2b_terminal_cb on_drain;
  e2b_terminal_error_cb on_closed;
};

/* spec.c */
/* Which option no terminal can have; NULL for none. */
const char *e2b__terminal_options_wrong(const e2b_terminal_options *options);
/* 0, or what is wrong with the options; *spec is in the terminal either way. */
int e2b__terminal_spec_new(const e2b_terminal_options *options, const char *attach_id,
                           e2b__terminal_spec_t **spec);
void e2b__terminal_spec_free(e2b__terminal_spec_t *spec);

/* create.c */
/* Whether it is the id of a terminal of the process service: a decimal number. */
bool e2b__terminal_id_is_pid(const char *id);
/* AUTO, and the agent cannot run: goes on with another transport. 0, or an error, and
 * E2B_EUNIMPLEMENTED when there is none. */
int e2b__terminal_fall_back(e2b_terminal_t *terminal);

/* terminal.c */
static inline e2b_client_t *e2b__terminal_client(const e2b_terminal_t *terminal) {
  return terminal->sandbox->client;
}
/* Input that was written and has not arrived, as far as the transport can tell. */
size_t e2b__terminal_waiting(const e2b_terminal_t *terminal);
e2b_terminal_t *e2b__terminal_new(e2b_sandbox_t *sandbox, const e2b_terminal_options *options);
void e2b__terminal_drop(e2b_terminal_t *terminal);
/* The connection lives as long as somebody has an interest in it. */
void e2b__terminal_leave_if_unwanted(e2b_terminal_t *terminal);
void e2b__terminal_release_value(void *terminal);
/* The end: the transport goes, everybody who waits is told (with `exited`, an exit; else `error`),
 * on_closed is queued. `detached`: by the user's wish, who has no error. */
void e2b__terminal_conclude(e2b_terminal_t *terminal, const e2b_error_t *error, bool detached);

/* reconnect.c */
/* The connection is missing: tries again later, or concludes. */
void e2b__terminal_retry(e2b_terminal_t *terminal, const e2b_error_t *error);
/* It is back: no further attempt is due. */
void e2b__outage_pause(e2b_terminal_t *terminal);
/* Its account is closed. */
void e2b__outage_free(e2b_terminal_t *terminal);

#endif
