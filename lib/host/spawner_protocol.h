/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_PROTOCOL_H
#define E2B_LIB_HOST_SPAWNER_PROTOCOL_H

#include <stdint.h>

/* What the host and the spawner, the first process of a sandbox, say to each other over a
 * SOCK_SEQPACKET socket. One message a packet, in the machine's own byte order: both ends are
 * built together. Descriptors travel as SCM_RIGHTS of the same packet. */

enum {
  E2B__SPAWNER_SOCKET_FD = 3, /* where the spawner finds its end */
  E2B__SPAWNER_SELF_FD = 4,   /* where it finds its own program */
  E2B__SPAWNER_OUTER_FD = 5,  /* where its launcher, and a gateway that is started again, finds the
                                 user namespace of all sandboxes */
  E2B__SPAWNER_INLINE = 32768 /* a longer payload travels in a memory file of its own */
};

typedef enum e2b__spawner_type {
  E2B__SPAWNER_HELLO = 1,    /* to the host: it runs; descriptors: its root, its network */
  E2B__SPAWNER_START = 2,    /* to the spawner: start a process */
  E2B__SPAWNER_STARTED = 3,  /* to the host: the answer; descriptors: see below */
  E2B__SPAWNER_EXITED = 4,   /* to the host: a process was reaped */
  E2B__SPAWNER_SIGNAL = 5,   /* to the spawner: signal a process */
  E2B__SPAWNER_SOCKETS = 6,  /* to the spawner: make sockets in the sandbox's network */
  E2B__SPAWNER_LISTEN = 7,   /* to the spawner: make one that listens there */
  E2B__SPAWNER_DISK = 99,    /* to the host: see below */
  E2B__SPAWNER_STARVED = 100 /* to the host: it was killed, there was too little memory */
} e2b__spawner_type_t;

enum {
  E2B__SPAWNER_PTY = 1,      /* a terminal instead of pipes */
  E2B__SPAWNER_NO_STDIN = 2, /* /dev/null as standard input */
  E2B__SPAWNER_AS_USER = 4   /* as `user`; otherwise as root */
};

/* Where starting failed. */
enum {
  E2B__SPAWNER_STAGE_SETUP = 1, /* descriptors, fork */
  E2B__SPAWNER_STAGE_CWD = 2,   /* chdir */
  E2B__SPAWNER_STAGE_EXEC = 3   /* execve, for a reason that is not the file's */
};

/* The payload follows: the working directory, `argc` arguments and `envc` variables, each with a
 * NUL behind it. */
typedef struct e2b__spawner_start {
  uint32_t type;
  uint32_t id; /* chosen by the host, repeated in the answer */
  uint32_t flags;
  uint16_t cols;
  uint16_t rows;
  uint32_t argc;
  uint32_t envc;
  uint32_t payload;
} e2b__spawner_start_t;

/* Descriptors with error 0: pipes: stdin (unless NO_STDIN), stdout, stderr; pty: the terminal. */
typedef struct e2b__spawner_started {
  uint32_t type;
  uint32_t id;
  int32_t pid;
  int32_t error; /* errno, or 0 */
  uint32_t stage;
} e2b__spawner_started_t;

typedef struct e2b__spawner_exited {
  uint32_t type;
  int32_t pid;
  int32_t status; /* as from waitpid */
} e2b__spawner_exited_t;

/* The answer is STARTED: with error 0 it carries two TCP sockets, not connected, of IPv4 and of
 * IPv6 (or the first alone). A socket stays in the network it was made in, so the host can connect
 * it without anybody here waiting for that. */
typedef struct e2b__spawner_sockets {
  uint32_t type;
  uint32_t id;
} e2b__spawner_sockets_t;

/* The answer is STARTED, with the socket. */
typedef struct e2b__spawner_listen {
  uint32_t type;
  uint32_t id;
  uint32_t port;
} e2b__spawner_listen_t;

/* Its files have grown past the limit, or are within it again. */
typedef struct e2b__spawner_disk {
  uint32_t type;
  uint32_t full;
  uint32_t killed; /* all processes were */
} e2b__spawner_disk_t;

/* As a pid: all processes but the spawner. Lower ones are process groups, as for kill(). */
enum { E2B__SPAWNER_EVERYBODY = -1 };

typedef struct e2b__spawner_signal {
  uint32_t type;
  uint32_t id; /* 0: no answer; else STARTED says that the signal was sent; of SIGSTOP to
                  everybody, that they have stopped */
  int32_t pid;
  int32_t signal;
} e2b__spawner_signal_t;

/* ---- the gateway, see spawner/gateway.h ---- */

#define E2B__GATEWAY_DEVICE     "tap0"
#define E2B__GATEWAY_NAMESERVER "198.18.0.3"
#define E2B__GATEWAY_JOINS      "j" /* see e2b__gateway_serve() */

typedef enum e2b__gateway_type {
  E2B__GATEWAY_READY = 1,    /* to the host, by the one that made it; descriptor: the user namespace
                                of all sandboxes */
  E2B__GATEWAY_ATTACH = 2,   /* to the gateway; descriptor: a sandbox's network */
  E2B__GATEWAY_ATTACHED = 3, /* to the host: the answer */
  E2B__GATEWAY_DETACH = 4,   /* to the gateway; no answer */
  E2B__GATEWAY_SERVES = 5    /* to the host: there is a way out */
} e2b__gateway_type_t;

typedef struct e2b__gateway_request {
  uint32_t type;
  uint32_t id; /* chosen by the host, repeated in the answer */
  uint32_t slot;
} e2b__gateway_request_t;

typedef struct e2b__gateway_answer {
  uint32_t type;
  uint32_t id;
  int32_t error; /* errno, or 0 */
  uint32_t slot; /* to detach it by */
} e2b__gateway_answer_t;

#endif
