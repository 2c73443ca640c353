/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_SPAWN_H
#define E2B_LIB_AGENT_SPAWN_H

#include <sys/resource.h>
#include <sys/types.h>

/* Starting a program in a new terminal. */

typedef struct e2b__spawn {
  char **argv;
  char **envs;      /* over the agent's own environment; "NAME=VALUE", or NULL */
  const char *home; /* the directory that `cwd` counts from, and the default */
  const char *cwd;  /* or NULL */
  unsigned short cols;
  unsigned short rows;
  struct rlimit files; /* RLIMIT_NOFILE for the program */
} e2b__spawn_t;

typedef enum e2b__spawn_result {
  E2B__SPAWN_GOOD,
  E2B__SPAWN_NO_PROGRAM,
  E2B__SPAWN_NO_CWD,
  E2B__SPAWN_LIMIT, /* no more processes, terminals or descriptors */
  E2B__SPAWN_SYSTEM
} e2b__spawn_result_t;

/* Waits until the program runs or cannot. *master is the terminal's near end, not blocking; *error
 * the errno of a failure. */
e2b__spawn_result_t e2b__spawn(const e2b__spawn_t *spawn, pid_t *pid, int *master, int *error);

/* Sends `sig` to every process of the sessions that `wanted` picks, as far as /proc shows them.
 * False when it shows nothing. */
int e2b__signal_sessions(int sig, int (*wanted)(pid_t session, void *user_data), void *user_data);

#endif
