/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/spawn.h"
#include "base/clock.h"

/* One terminal: its output into the ring, input to its program, and its end. */

enum {
  A_ROUND = 64 << 10,    /* of output; then it is others' turn */
  CRUMB = 1 << 10,       /* after a shorter read there is rarely more */
  REST_MOST = 128 << 10, /* more than the kernel holds for a program that has ended */
  RETRY_MS = 200,
  FEED_MOST = 4 << 10 /* then it is the next writer's turn */
};

bool e2b__terminal_is_over(const e2b__terminal_t *terminal) {
  return terminal->reading == E2B__READING_OVER;
}

static void touch_viewers(e2b__terminal_t *terminal) {
  for (e2b__list_t *node = terminal->viewers.next; node != &terminal->viewers; node = node->next) {
    e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, node);
    if (viewer->connection != NULL) e2b__connection_touch(viewer->connection);
  }
}

static void watch(e2b__terminal_t *terminal) {
  uint32_t events = 0;
  if (terminal->reading == E2B__READING_ON) events |= EPOLLIN;
  if (!e2b__list_empty(&terminal->inputs) && terminal->reading != E2B__READING_HUNG)
    events |= EPOLLOUT;
  /* Only memory of the kernel can be missing here; the next change tries again. */
  (void)e2b__source_watch(terminal->agent, &terminal->source, events);
}

/* ---- reading ---- */

/* How much output may be read for the sake of the viewers. */
static size_t room(const e2b__terminal_t *terminal) {
  uint64_t fastest = 0;
  bool any = false;
  if (terminal->hold_ms == 0 || terminal->hold_expired) return terminal->ring.limit;
  for (const e2b__list_t *node = terminal->viewers.next; node != &terminal->viewers;
       node = node->next) {
    const e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, node);
    if (viewer->left || (terminal->attached_count > 0 && viewer->connection == NULL)) continue;
    if (!any || viewer->flow.acked > fastest) fastest = viewer->flow.acked;
    any = true;
  }
  return any ? e2b__flow_room(&terminal->ring, fastest) : terminal->ring.limit;
}

static void stop_reading(e2b__terminal_t *terminal, e2b__reading_t why, uint64_t ms) {
  e2b__agent_t *agent = terminal->agent;
  terminal->reading = why;
  e2b__timer_start(&agent->timers, &terminal->pause, e2b__agent_after(agent, ms));
  watch(terminal);
}

static void resume(e2b__terminal_t *terminal) {
  e2b__timer_stop(&terminal->agent->timers, &terminal->pause);
  terminal->reading = E2B__READING_ON;
  watch(terminal);
}

/* The program has ended, and everything it wrote has been read. */
static void finish(e2b__terminal_t *terminal) {
  e2b__agent_t *agent = terminal->agent;
  terminal->reading = E2B__READING_OVER;
  e2b__timer_stop(&agent->timers, &terminal->pause);
  e2b__source_close(agent, &terminal->source);
  for (e2b__list_t *node; (node = e2b__list_take(&terminal->inputs)) != NULL;) {
    e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, input_node);
    size_t len;
    (void)e2b__input_peek(&viewer->input, &len);
    e2b__input_drain(&viewer->input, len);
    if (viewer->left)
      e2b__viewer_free(viewer);
    else
      e2b__viewer_accepted(viewer);
  }
  e2b__timer_start(&agent->timers, &terminal->life,
                   e2b__agent_after(agent, agent->options.keep_ms));
  touch_viewers(terminal);
  e2b__terminals_keep(terminal);
}

/* Nothing more is there now; `gone`: because nobody has the far end open. */
static void ran_dry(e2b__terminal_t *terminal, bool gone) {
  if (terminal->reaped)
    finish(terminal);
  else if (gone)
    stop_reading(terminal, E2B__READING_HUNG, RETRY_MS);
}

static void read_output(e2b__terminal_t *terminal) {
  size_t total = 0;
  while (total < A_ROUND) {
    struct iovec pieces[2];
    size_t most = room(terminal);
    if (most == 0) {
      stop_reading(terminal, E2B__READING_HELD, terminal->hold_ms);
      break;
    }
    if (most > A_ROUND - total) most = A_ROUND - total;
    if (terminal->reaped && most > terminal->rest) most = terminal->rest;
    if (most == 0) {
      finish(terminal);
      break;
    }
    if (e2b__ring_space(&terminal->ring, most, pieces) == 0) {
      stop_reading(terminal, E2B__READING_HUNG, RETRY_MS); /* no memory for the first byte */
      break;
    }
    ssize_t got = readv(terminal->source.fd, pieces, pieces[1].iov_len > 0 ? 2 : 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      ran_dry(terminal, !(got < 0 && errno == EAGAIN));
      break;
    }
    e2b__ring_commit(&terminal->ring, (size_t)got);
    total += (size_t)got;
    if (terminal->reaped)
      terminal->rest -= (size_t)got;
    else if (got < CRUMB)
      break;
  }
  if (total > 0) touch_viewers(terminal);
}

static void on_pause(e2b__timer_t *timer) {
  e2b__terminal_t *terminal = E2B__CONTAINER(timer, e2b__terminal_t, pause);
  if (terminal->reading == E2B__READING_HELD) terminal->hold_expired = true;
  resume(terminal);
}

void e2b__terminal_reconsider(e2b__terminal_t *terminal, bool progress) {
  if (progress) terminal->hold_expired = false;
  if (terminal->reading == E2B__READING_HELD && room(terminal) > 0) resume(terminal);
}

/* ---- input ---- */

/* False when the program takes no more now. */
static bool feed_one(e2b__terminal_t *terminal, e2b__viewer_t *viewer) {
  size_t len;
  const char *data = e2b__input_peek(&viewer->input, &len);
  if (len > FEED_MOST) len = FEED_MOST;
  ssize_t written = write(terminal->source.fd, data, len);
  if (written < 0 && errno == EINTR) return true;
  /* Without a far end there is nobody whose input it could be. */
  if (written < 0 && errno == EIO) written = (ssize_t)len;
  if (written <= 0) return false;
  e2b__input_drain(&viewer->input, (size_t)written);
  e2b__list_remove(&viewer->input_node);
  if (e2b__input_peek(&viewer->input, &len) != NULL)
    e2b__list_append(&terminal->inputs, &viewer->input_node);
  else if (viewer->left) {
    e2b__viewer_free(viewer);
    return true;
  }
  e2b__viewer_accepted(viewer);
  return true;
}

void e2b__terminal_feed(e2b__terminal_t *terminal) {
  for (size_t total = 0; total < A_ROUND && !e2b__list_empty(&terminal->inputs);
       total += FEED_MOST) {
    e2b__list_t *first = terminal->inputs.next;
    if (!feed_one(terminal, E2B__CONTAINER(first, e2b__viewer_t, input_node))) break;
  }
  watch(terminal);
}

void e2b__terminal_input(e2b__viewer_t *viewer, const char *data, size_t len) {
  e2b__terminal_t *terminal = viewer->terminal;
  if (e2b__terminal_is_over(terminal)) {
    e2b__input_pass(&viewer->input, len);
    e2b__viewer_accepted(viewer);
    return;
  }
  if (e2b__list_empty(&terminal->inputs)) {
    ssize_t written = write(terminal->source.fd, data, len);
    size_t passed = written > 0 ? (size_t)written : 0;
    e2b__input_pass(&viewer->input, passed);
    data += passed;
    len -= passed;
  }
  if (len > 0) {
    if (e2b__input_append(&viewer->input, data, len) != 0) {
      e2b__connection_drop(viewer->connection); /* it may come again */
      return;
    }
    if (e2b__list_empty(&viewer->input_node))
      e2b__list_append(&terminal->inputs, &viewer->input_node);
    watch(terminal);
  }
  e2b__viewer_accepted(viewer);
}

static void on_ready(e2b__source_t *source, uint32_t events) {
  e2b__terminal_t *terminal = (e2b__terminal_t *)source;
  if ((events & EPOLLOUT) != 0) e2b__terminal_feed(terminal);
  if ((events & ~(uint32_t)EPOLLOUT) == 0 || source->fd < 0) return;
  if (terminal->reading == E2B__READING_ON)
    read_output(terminal);
  else if ((events & EPOLLHUP) != 0)
    /* It was only asked whether the program takes input; a hang-up would be told for ever. */
    (void)e2b__source_watch(terminal->agent, source, 0);
}

/* ---- size, signals, end ---- */

void e2b__terminal_resize(e2b__terminal_t *terminal, unsigned cols, unsigned rows) {
  struct winsize size = {(unsigned short)rows, (unsigned short)cols, 0, 0};
  terminal->cols = size.ws_col;
  terminal->rows = size.ws_row;
  if (terminal->source.fd >= 0) ioctl(terminal->source.fd, TIOCSWINSZ, &size);
}

static int is_session(pid_t session, void *user_data) {
  return session == ((e2b__terminal_t *)user_data)->pid;
}

bool e2b__terminal_signal(e2b__terminal_t *terminal, int sig) {
  pid_t foreground = 0;
  if (terminal->reaped) return false;
  if ((sig == SIGKILL || sig == SIGHUP) && e2b__signal_sessions(sig, is_session, terminal))
    return true;
  if (ioctl(terminal->source.fd, TIOCGPGRP, &foreground) == 0 && foreground > 0)
    kill(-foreground, sig);
  if (foreground != terminal->pid) kill(-terminal->pid, sig);
  return true;
}

void e2b__terminal_ended(e2b__terminal_t *terminal, int status) {
  terminal->reaped = true;
  terminal->rest = REST_MOST;
  terminal->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  terminal->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  e2b__timer_stop(&terminal->agent->timers, &terminal->life);
  if (terminal->reading == E2B__READING_HUNG) resume(terminal);
  if (terminal->reading == E2B__READING_ON) read_output(terminal);
}

static void on_life(e2b__timer_t *timer) {
  e2b__terminal_t *terminal = E2B__CONTAINER(timer, e2b__terminal_t, life);
  if (!e2b__terminal_is_over(terminal)) {
    e2b__terminal_signal(terminal, SIGKILL);
  } else {
    terminal->expired = true;
    e2b__terminal_forget_if_expired(terminal);
  }
}

void e2b__terminal_forget_if_expired(e2b__terminal_t *terminal) {
  if (terminal->expired && terminal->attached_count == 0) e2b__terminals_remove(terminal);
}

/* ---- memory ---- */

static char **copy_argv(char **argv, size_t argc) {
  size_t size = (argc + 1) * sizeof *argv;
  for (size_t i = 0; i < argc; i++)
    size += strlen(argv[i]) + 1;
  char **copy = e2b__malloc(size);
  if (copy == NULL) return NULL;
  char *at = (char *)(copy + argc + 1);
  for (size_t i = 0; i < argc; i++) {
    size_t len = strlen(argv[i]) + 1;
    copy[i] = memcpy(at, argv[i], len);
    at += len;
  }
  copy[argc] = NULL;
  return copy;
}

e2b__terminal_t *e2b__terminal_new(e2b__agent_t *agent, const e2b__control_t *create) {
  e2b__terminal_t *terminal = e2b__calloc(1, sizeof *terminal);
  if (terminal == NULL) return NULL;
  terminal->argv = copy_argv(create->argv, create->argc);
  if (terminal->argv == NULL || e2b__timers_reserve(&agent->timers, 2) != 0) {
    e2b__free(terminal->argv);
    e2b__free(terminal);
    return NULL;
  }
  terminal->agent = agent;
  terminal->source = (e2b__source_t){-1, 0, on_ready};
  terminal->argc = create->argc;
  memcpy(terminal->id, create->id, sizeof terminal->id);
  terminal->cols = (unsigned short)create->cols;
  terminal->rows = (unsigned short)create->rows;
  terminal->hold_ms = create->hold_ms;
  terminal->created_ms = e2b__wall_ms();
  terminal->pause.fire = on_pause;
  terminal->life.fire = on_life;
  e2b__ring_init(&terminal->ring, (size_t)create->ring);
  e2b__list_init(&terminal->viewers);
  e2b__list_init(&terminal->inputs);
  e2b__list_init(&terminal->node);
  e2b__list_init(&terminal->kept);
  e2b__list_init(&terminal->id_node);
  e2b__list_init(&terminal->pid_node);
  return terminal;
}

void e2b__terminal_started(e2b__terminal_t *terminal, pid_t pid, int master, uint64_t timeout_ms) {
  e2b__agent_t *agent = terminal->agent;
  terminal->pid = pid;
  terminal->source.fd = master;
  if (timeout_ms > 0)
    e2b__timer_start(&agent->timers, &terminal->life, e2b__agent_after(agent, timeout_ms));
  watch(terminal);
}

void e2b__terminal_free(e2b__terminal_t *terminal) {
  e2b__agent_t *agent = terminal->agent;
  e2b__timer_stop(&agent->timers, &terminal->pause);
  e2b__timer_stop(&agent->timers, &terminal->life);
  e2b__timers_unreserve(&agent->timers, 2);
  e2b__source_close(agent, &terminal->source);
  e2b__ring_free(&terminal->ring);
  e2b__free(terminal->argv);
  e2b__free(terminal);
}
