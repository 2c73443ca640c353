/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_PROCESS_H
#define E2B_LIB_HOST_PROCESS_H

#include "host/channel.h"
#include "host/link.h"
#include "proto/process.h"

/* The processes of a sandbox that clients started: their output on its way to everybody who
 * watches, their input, their end. */

typedef enum e2b__host_process_state {
  E2B__PROCESS_STARTING, /* the spawner has not answered */
  E2B__PROCESS_RUNNING,
  E2B__PROCESS_DRAINING, /* reaped; its pipes are still open somewhere */
  E2B__PROCESS_ENDED     /* told everybody; kept for a while for those who come late */
} e2b__host_process_state_t;

struct e2b__host_process;

/* Somebody who watches. Plain memory of the watcher. */
typedef struct e2b__host_subscriber {
  e2b__list_t node;
  struct e2b__host_process *process; /* NULL when there is nothing to watch any more */
  void (*event)(struct e2b__host_subscriber *subscriber, const e2b__process_event_t *event);
  /* After the end event, and when the sandbox has gone. `ended` false: no end was seen. */
  void (*over)(struct e2b__host_subscriber *subscriber, bool ended);
  bool full; /* asks for a pause of the output */
} e2b__host_subscriber_t;

/* Somebody who waits until a process is reaped. */
typedef struct e2b__host_reap_wait {
  e2b__list_t node;
  void (*reaped)(struct e2b__host_reap_wait *wait);
} e2b__host_reap_wait_t;

typedef struct e2b__host_process {
  e2b__list_t node;
  e2b__host_sandbox_t *sandbox;
  e2b__arena_t arena; /* of config and tag */
  e2b__process_config_t config;
  e2b__str_t tag; /* ptr NULL: none */
  bool pty;
  bool internal; /* the host's own: clients do not see it */
  int pid;
  int status; /* as from waitpid, once reaped */
  e2b__host_process_state_t state;
  e2b__host_channel_t *input;     /* a pty has one channel for both ways: output[0] */
  bool input_closing;             /* as soon as what waits is written */
  e2b__host_channel_t *output[2]; /* stdout, stderr; NULL at their end */
  e2b__list_t subscribers;
  e2b__list_t reap_waits;
  bool tty_ended; /* of a pty: nobody has it open any more */
  bool reading_paused;
  bool no_drain;    /* a signal was sent through the host: its exit does not wait for the pipes */
  uint64_t life_ms; /* it is killed after so long; 0: it is not */
  e2b__host_alarm_t deadline;
  e2b__host_alarm_t retention;
  e2b__host_start_t start;
  void (*started)(struct e2b__host_process *process, const e2b__host_started_t *started,
                  void *data);
  void *started_data;
} e2b__host_process_t;

/* Starts a process for `request` (copied). `started` is called once, from the loop; when it has
 * failed, or the sandbox has ended (NULL), the process is freed right after. NULL: out of memory
 * or no sandbox. */
e2b__host_process_t *
e2b__host_process_start(e2b__host_sandbox_t *sandbox, const e2b__process_start_request_t *request,
                        const char *cwd, bool as_root,
                        void (*started)(e2b__host_process_t *, const e2b__host_started_t *, void *),
                        void *data);
e2b__host_process_t *e2b__host_process_find(e2b__host_sandbox_t *sandbox,
                                            const e2b__process_selector_t *selector,
                                            bool ended_too);
void e2b__host_process_subscribe(e2b__host_process_t *process, e2b__host_subscriber_t *subscriber);
void e2b__host_process_unsubscribe(e2b__host_subscriber_t *subscriber);
/* After a subscriber's `full` has changed. */
void e2b__host_process_pace(e2b__host_process_t *process);
void e2b__host_process_signal(e2b__host_process_t *process, int signal);
void e2b__host_process_wait_reaped(e2b__host_process_t *process, e2b__host_reap_wait_t *wait);
/* The end event of a process that has ended, in the arena. */
int e2b__host_process_end_event(const e2b__host_process_t *process, e2b__arena_t *arena,
                                e2b__process_end_event_t *end);
int e2b__host_process_resize(e2b__host_process_t *process, unsigned cols, unsigned rows);

/* For link.c and sandbox.c. */
void e2b__host_process_exited(e2b__host_sandbox_t *sandbox, int pid, int status);
void e2b__host_processes_free(e2b__host_sandbox_t *sandbox);

#endif
