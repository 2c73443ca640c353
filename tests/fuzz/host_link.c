/* SPDX-License-Identifier: MIT */
#include "host_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "host/process.h"

enum { FIRST_PID = 100 };

typedef struct e2b__host_link {
  e2b__list_t node; /* of `links` */
  e2b__host_sandbox_t *sandbox;
  e2b__list_t starts;
  bool greeted;
  bool hung_up;
  int ended; /* a process that is to be reaped; 0: none */
} e2b__host_link_t;

static e2b__list_t links = {&links, &links};
static int last_pid = FIRST_PID;

int e2b__host_link_open(e2b__host_sandbox_t *sandbox, char **argv) {
  e2b__host_link_t *link = e2b__calloc(1, sizeof *link);
  HOLDS(argv[0] != NULL);
  if (link == NULL) return E2B_ENOMEM;
  link->sandbox = sandbox;
  e2b__list_init(&link->starts);
  e2b__list_append(&links, &link->node);
  sandbox->link = link;
  return 0;
}

int e2b__host_link_start(e2b__host_link_t *link, const e2b__host_program_t *program,
                         e2b__host_start_t *start) {
  size_t len = strlen(program->cwd);
  for (size_t i = 0; i < program->argc; i++)
    len += strlen(program->argv[i]);
  for (size_t i = 0; i < program->envc; i++)
    len += strlen(program->env[i]);
  if (len > 1 << 20) return E2B_ETOOBIG;
  start->id = program->flags;
  e2b__list_append(&link->starts, &start->node);
  return 0;
}

/* Nothing listens on any port. */
int e2b__host_link_sockets(e2b__host_link_t *link, e2b__host_start_t *start) {
  (void)link;
  (void)start;
  return E2B_ESYSTEM;
}

int e2b__host_link_listen(e2b__host_link_t *link, unsigned port, e2b__host_start_t *start) {
  (void)link;
  (void)port;
  (void)start;
  return E2B_ESYSTEM;
}

int e2b__host_link_pid(const e2b__host_link_t *link) {
  (void)link;
  return 0;
}

void e2b__host_link_signal(e2b__host_link_t *link, int pid, int signal) {
  (void)signal;
  if (pid >= FIRST_PID) link->ended = pid;
}

int e2b__host_link_signal_then(e2b__host_link_t *link, int pid, int signal,
                               e2b__host_start_t *start) {
  (void)start;
  e2b__host_link_signal(link, pid, signal);
  return E2B_ESYSTEM;
}

void e2b__host_link_hang_up(e2b__host_link_t *link) {
  link->hung_up = true;
}

void e2b__host_link_terminate(e2b__host_link_t *link) {
  link->hung_up = true;
}

static int pipe_with_output(int *other) {
  int pair[2];
  HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
  HOLDS(write(pair[0], "output", 6) == 6);
  *other = pair[0];
  return pair[1];
}

/* A program that copies its input to its output, if it has one, until somebody ends it; or none,
 * for every third of them. */
static void answer(e2b__host_link_t *link, e2b__host_start_t *start) {
  e2b__host_started_t started = {0, ENOENT, E2B__SPAWNER_STAGE_EXEC, {-1, -1, -1}, 0};
  int output, input;
  e2b__list_remove(&start->node);
  if (++last_pid % 3 != 0) {
    started.pid = last_pid;
    started.error = 0;
    output = pipe_with_output(&input);
    if (!(start->id & (E2B__SPAWNER_PTY | E2B__SPAWNER_NO_STDIN)))
      started.fds[started.fd_count++] = input;
    else
      close(input);
    started.fds[started.fd_count++] = output;
    if (!(start->id & E2B__SPAWNER_PTY)) {
      started.fds[started.fd_count++] = pipe_with_output(&input);
      close(input);
    }
    if (last_pid % 4 == 0) link->ended = last_pid;
  }
  start->done(start, &started);
}

static bool turn(e2b__host_link_t *link) {
  e2b__list_t *node;
  if (link->hung_up) {
    e2b__host_sandbox_t *sandbox = link->sandbox;
    while ((node = e2b__list_take(&link->starts)) != NULL) {
      e2b__host_start_t *start = E2B__CONTAINER(node, e2b__host_start_t, node);
      start->done(start, NULL);
    }
    e2b__list_remove(&link->node);
    e2b__free(link);
    e2b__host_sandbox_ended(sandbox);
    return true;
  }
  if (!link->greeted) {
    link->greeted = true;
    char root[4200];
    snprintf(root, sizeof root, "%s/root", link->sandbox->dir);
    e2b__host_sandbox_hello(link->sandbox, open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), -1);
    return true;
  }
  if ((node = link->starts.next) != &link->starts) {
    answer(link, E2B__CONTAINER(node, e2b__host_start_t, node));
    return true;
  }
  if (link->ended == 0) return false;
  int pid = link->ended;
  link->ended = 0;
  e2b__host_process_exited(link->sandbox, pid, 0);
  return true;
}

bool host_link_turn(void) {
  bool any = false;
  for (e2b__list_t *node = links.next, *next; node != &links; node = next) {
    next = node->next;
    any |= turn(E2B__CONTAINER(node, e2b__host_link_t, node));
  }
  return any;
}
