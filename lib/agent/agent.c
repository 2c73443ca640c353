/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS_A_ROUND = 256 };

static uint64_t clock_ms(void) {
  return e2b__monotonic_ns() / 1000000;
}

uint64_t e2b__agent_after(const e2b__agent_t *agent, uint64_t ms) {
  return e2b__time_after(agent->now_ms, ms);
}

/* ---- sources ---- */

int e2b__source_watch(e2b__agent_t *agent, e2b__source_t *source, uint32_t events) {
  struct epoll_event event = {events, {source}};
  if (events == source->events || source->fd < 0) return 0;
  /* One that wants nothing is taken out: a hang-up is reported even to those who do not ask. */
  int what = source->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (epoll_ctl(agent->epoll, what, source->fd, &event) != 0) return -1;
  source->events = events;
  return 0;
}

void e2b__source_close(e2b__agent_t *agent, e2b__source_t *source) {
  if (source->fd < 0) return;
  /* Explicitly: a child between fork and exec still has the descriptor. */
  e2b__source_watch(agent, source, 0);
  close(source->fd);
  source->fd = -1;
}

/* ---- signals ---- */

static void on_signal(e2b__source_t *source, uint32_t events) {
  e2b__agent_t *agent = E2B__CONTAINER(source, e2b__agent_t, signals);
  struct signalfd_siginfo info[16];
  bool children = false;
  (void)events;
  ssize_t got = read(source->fd, info, sizeof info);
  for (ssize_t i = 0; i < got / (ssize_t)sizeof info[0]; i++) {
    if (info[i].ssi_signo == SIGCHLD)
      children = true;
    else
      agent->ending = true;
  }
  if (children) e2b__terminals_reap(agent);
}

static int catch_signals(e2b__agent_t *agent) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGINT);
  /* Who started us may have ignored them, and then a blocked one would be thrown away. */
  signal(SIGCHLD, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_SETMASK, &set, NULL);
  agent->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  agent->signals.ready = on_signal;
  return agent->signals.fd < 0 ? -1 : e2b__source_watch(agent, &agent->signals, EPOLLIN);
}

/* ---- the agent ---- */

static void on_idle(e2b__timer_t *timer) {
  E2B__CONTAINER(timer, e2b__agent_t, idle)->ending = true;
}

void e2b__agent_count(e2b__agent_t *agent) {
  if (agent->connection_count > 0 || !e2b__list_empty(&agent->terminals))
    e2b__timer_stop(&agent->timers, &agent->idle);
  else if (agent->idle.place == 0)
    e2b__timer_start(&agent->timers, &agent->idle, e2b__agent_after(agent, agent->options.idle_ms));
}

/* Each terminal is a descriptor, and so is each viewer; programs get the limit that we got. */
static void raise_file_limit(e2b__agent_t *agent) {
  struct rlimit most;
  if (getrlimit(RLIMIT_NOFILE, &agent->files) != 0) return;
  most = agent->files;
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
}

int e2b__agent_init(e2b__agent_t *agent, const e2b__options_t *options) {
  memset(agent, 0, sizeof *agent);
  agent->options = *options;
  agent->listener.fd = agent->signals.fd = agent->spare = agent->address = -1;
  agent->idle.fire = on_idle;
  agent->now_ms = clock_ms();
  e2b__list_init(&agent->connections);
  e2b__list_init(&agent->handshakes);
  e2b__list_init(&agent->dirty);
  e2b__list_init(&agent->buried);
  e2b__list_init(&agent->buried_terminals);
  e2b__list_init(&agent->terminals);
  e2b__list_init(&agent->kept);
  for (size_t i = 0; i < E2B__AGENT_BUCKETS; i++) {
    e2b__list_init(&agent->by_id[i]);
    e2b__list_init(&agent->by_pid[i]);
  }
  raise_file_limit(agent);
  agent->epoll = epoll_create1(EPOLL_CLOEXEC);
  agent->spare = fcntl(agent->epoll, F_DUPFD_CLOEXEC, 0);
  if (agent->epoll < 0 || catch_signals(agent) != 0) return -1;
  if (e2b__timers_reserve(&agent->timers, 1) != 0) {
    errno = ENOMEM;
    return -1;
  }
  e2b__agent_count(agent);
  return 0;
}

/* How long the epoll may sleep. */
static int patience(const e2b__agent_t *agent) {
  uint64_t next = e2b__timers_next(&agent->timers), now = agent->now_ms;
  if (!e2b__list_empty(&agent->dirty)) return 0;
  if (next == UINT64_MAX) return -1;
  if (next <= now) return 0;
  return next - now < 3600000 ? (int)(next - now) : 3600000;
}

/* What the events of one round bring is sent at its end, together. */
static void flush_dirty(e2b__agent_t *agent) {
  e2b__list_t round;
  e2b__list_init(&round);
  e2b__list_move(&round, &agent->dirty);
  for (e2b__list_t *node; (node = e2b__list_take(&round)) != NULL;)
    e2b__connection_flush(E2B__CONTAINER(node, e2b__connection_t, dirty));
}

static void say_good_bye(e2b__agent_t *agent) {
  /* First, so that nobody is sent here any more. */
  if (agent->address >= 0) unlinkat(agent->address, E2B__AGENT_ADDRESS, 0);
  e2b__source_close(agent, &agent->listener);
  for (e2b__list_t *node = agent->connections.next, *next; node != &agent->connections;
       node = next) {
    e2b__connection_t *connection = E2B__CONTAINER(node, e2b__connection_t, node);
    next = node->next;
    if (connection->phase == E2B__PHASE_OPEN) e2b__connection_close(connection, E2B__WS_GOING_AWAY);
  }
  flush_dirty(agent);
  e2b__terminals_hang_up(agent);
}

void e2b__agent_run(e2b__agent_t *agent) {
  struct epoll_event events[EVENTS_A_ROUND];
  while (!agent->ending) {
    int count = epoll_wait(agent->epoll, events, EVENTS_A_ROUND, patience(agent));
    agent->now_ms = clock_ms();
    for (int i = 0; i < count; i++) {
      e2b__source_t *source = events[i].data.ptr;
      if (source->fd >= 0) source->ready(source, events[i].events);
    }
    e2b__timers_run(&agent->timers, agent->now_ms);
    flush_dirty(agent);
    e2b__connections_bury(agent);
    e2b__terminals_bury(agent);
  }
  say_good_bye(agent);
}

void e2b__agent_free(e2b__agent_t *agent) {
  while (!e2b__list_empty(&agent->connections))
    e2b__connection_drop(E2B__CONTAINER(agent->connections.next, e2b__connection_t, node));
  e2b__connections_bury(agent);
  while (!e2b__list_empty(&agent->terminals))
    e2b__terminals_remove(E2B__CONTAINER(agent->terminals.next, e2b__terminal_t, node));
  e2b__terminals_bury(agent);
  e2b__source_close(agent, &agent->listener);
  e2b__source_close(agent, &agent->signals);
  e2b__timers_free(&agent->timers);
  if (agent->epoll >= 0) close(agent->epoll);
  if (agent->spare >= 0) close(agent->spare);
  if (agent->address >= 0) close(agent->address);
}
