/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_SPAWNER_H
#define E2B_LIB_HOST_SPAWNER_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/spawner_protocol.h"

/* The spawner is a program of its own, linked statically and embedded in the library: it must run
 * in a root directory that may hold no shared library of this build. */

/* How `user` (uid 1000) comes to be. */
typedef enum e2b__spawner_identity {
  E2B__IDENTITY_MAPPED = 'm',  /* this namespace has many users: setuid */
  E2B__IDENTITY_NESTED = 'n',  /* it has root alone: `user` is a nested namespace */
  E2B__IDENTITY_MACHINE = 'r', /* as MAPPED, but the users are the machine's */
  E2B__IDENTITY_CALLER = 'c'   /* no isolation: everything runs as whoever runs the host */
} e2b__spawner_identity_t;

/* Of the whole sandbox, but for the open files; 0: none. */
typedef struct e2b__spawner_limits {
  unsigned long processes;
  unsigned long memory_mb;
  unsigned long disk_mb;
} e2b__spawner_limits_t;

/* Takes what it needs of the machine and becomes bubblewrap. Returns only on failure. */
int e2b__spawner_launch(char **argv);
/* Serves the host until its end of the socket is closed; then everything in the sandbox ends. */
int e2b__spawner_serve(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits);

/* Makes the namespaces that programs of the sandbox run in; *root is their root directory. The
 * spawner's own network is theirs from then on. */
int e2b__inner_make(e2b__spawner_identity_t identity, int *root);
/* Kills the largest program when all together are past the limit; *killed is its pid, or 0. When to
 * look again: milliseconds, or -1 when nothing runs. */
int e2b__memory_watch(unsigned long limit_mb, int *killed);
typedef enum e2b__disk_word {
  E2B__DISK_SAME,
  E2B__DISK_FREE,
  E2B__DISK_FULL,
  E2B__DISK_OVERDRAWN /* limits did not help */
} e2b__disk_word_t;

/* Adding up the files of the sandbox, in a child. When to call again, as poll() wants it; `idle`:
 * nothing runs. */
int e2b__disk_wait(bool idle);
/* Readable when the child has something to say; -1. */
int e2b__disk_fd(void);
/* Takes it. Processes may write when there is room, and not otherwise. */
e2b__disk_word_t e2b__disk_hear(unsigned long limit_mb);
/* For that child: false when they cannot be added up. */
bool e2b__disk_sum(uint64_t *kb);
/* True: the process was that child. */
bool e2b__disk_reaped(pid_t pid);
/* Moves the calling process there, if there are any; it is root there. */
int e2b__inner_enter(void);

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

/* One packet with its descriptors; 0 or -1. */
int e2b__spawner_send(int socket, const void *data, size_t len, const int *fds, int fd_count);
/* The length of the packet, as recvmsg() has it; fds[0] to fds[wanted - 1] are descriptors or -1.
 */
ssize_t e2b__spawner_receive(int socket, void *data, size_t size, int *fds, int wanted);

/* Moves the caller into a new user namespace, as its root. `base`: its ids 0 to 65535 are the
 * present ones from there on; E2B__SPAWNER_ONE_ID: its 0 is the caller, there are no others. 0, or
 * -1 with errno. */
#define E2B__SPAWNER_ONE_ID ((unsigned long)-1)
int e2b__spawner_user_namespace(unsigned long base);
/* Joins one that is there already; likewise. */
int e2b__spawner_join(int user_namespace);

/* Writes /proc/<pid>/<name> at once, as the maps of ids want it. 0, or -1 with errno. */
int e2b__spawner_write_proc(pid_t pid, const char *name, const char *text);

/* To every process of the sandbox but this one. */
void e2b__spawner_signal_everybody(int signal_number, e2b__spawner_identity_t identity);
/* After SIGSTOP: returns when all have stopped, or after half a second. */
void e2b__spawner_await_stop(e2b__spawner_identity_t identity);

#endif
