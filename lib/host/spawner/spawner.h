/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_SPAWNER_H
#define E2B_LIB_HOST_SPAWNER_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "host/spawner_protocol.h"

/* The spawner is a program of its own, linked statically and embedded in the library: it must run
 * in a root directory that may hold no shared library of this build. */

/* How `user` (uid 1000) comes to be. */
typedef enum e2b__spawner_identity {
  E2B__IDENTITY_MAPPED = 'm', /* this namespace has many users: setuid */
  E2B__IDENTITY_NESTED = 'n', /* it has root alone: `user` is a nested namespace */
  E2B__IDENTITY_CALLER = 'c'  /* no isolation: everything runs as whoever runs the host */
} e2b__spawner_identity_t;

/* Takes what it needs of the machine and becomes bubblewrap. Returns only on failure. */
int e2b__spawner_launch(char **argv);
/* Serves the host until its end of the socket is closed; then everything in the sandbox ends. */
int e2b__spawner_serve(e2b__spawner_identity_t identity);

typedef struct e2b__spawner_child {
  const char *cwd;
  char **argv;
  char **env;
  unsigned flags;
  unsigned short cols, rows;
  const int *given; /* 0, 1 and 2 of the process; NULL: they are made */
} e2b__spawner_child_t;

typedef struct e2b__spawner_result {
  pid_t pid;
  int error;
  int stage;
  int fds[3]; /* for the host */
  int fd_count;
} e2b__spawner_result_t;

/* Starts one process and waits until it runs its program, or has failed to. */
void e2b__spawner_start(const e2b__spawner_child_t *child, e2b__spawner_identity_t identity,
                        e2b__spawner_result_t *result);

/* To every process of the sandbox but this one. */
void e2b__spawner_signal_everybody(int signal_number, e2b__spawner_identity_t identity);

#endif
