/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_LINK_H
#define E2B_LIB_HOST_LINK_H

#include "host/sandbox.h"
#include "host/spawner_protocol.h"

/* The host's end of the socket to a sandbox's spawner, and the process that carries it. */

typedef struct e2b__host_started {
  int pid;
  int error; /* errno */
  int stage;
  int fds[3];
  int fd_count;
} e2b__host_started_t;

/* Who waits for a start. Plain memory of the caller; must live until called or forgotten. */
typedef struct e2b__host_start {
  e2b__list_t node;
  uint32_t id;
  /* The descriptors of `started` are the callee's. NULL: the sandbox ended before the answer. */
  void (*done)(struct e2b__host_start *start, const e2b__host_started_t *started);
} e2b__host_start_t;

typedef struct e2b__host_program {
  const char *cwd;
  const char *const *argv;
  size_t argc;
  const char *const *env;
  size_t envc;
  unsigned flags;
  unsigned cols, rows;
} e2b__host_program_t;

/* Starts the first process with these arguments (see isolation.h). 0 or a code. */
int e2b__host_link_open(e2b__host_sandbox_t *sandbox, char **argv);
int e2b__host_link_start(struct e2b__host_link *link, const e2b__host_program_t *program,
                         e2b__host_start_t *start);
/* Asks for sockets in the sandbox's network; `started` has one or two, or an error. */
int e2b__host_link_sockets(struct e2b__host_link *link, e2b__host_start_t *start);
/* Asks for one that listens on this port of all addresses there. */
int e2b__host_link_listen(struct e2b__host_link *link, unsigned port, e2b__host_start_t *start);
/* The machine's id of the first process; 0 when it has ended. */
int e2b__host_link_pid(const struct e2b__host_link *link);
void e2b__host_link_signal(struct e2b__host_link *link, int pid, int signal);
/* The same; `start` is done when the signal was sent, and of SIGSTOP to everybody when they have
 * stopped. */
int e2b__host_link_signal_then(struct e2b__host_link *link, int pid, int signal,
                               e2b__host_start_t *start);
/* Lets the spawner go: its socket is closed, so it ends and takes everything with it. The sandbox's
 * e2b__host_sandbox_ended follows. */
void e2b__host_link_hang_up(struct e2b__host_link *link);
/* For a spawner that does not heed. */
void e2b__host_link_terminate(struct e2b__host_link *link);

#endif
