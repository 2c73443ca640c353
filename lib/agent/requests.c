/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/spawn.h"

/* What a client asks for. */

enum { LISTS_MOST = 16 }; /* asked for and not answered */

static void invalid(e2b__connection_t *connection, const char *why, const char *id) {
  e2b__answer_error(connection, "invalid", why, id);
}

/* ---- create and attach ---- */

static void attach(e2b__connection_t *connection, e2b__terminal_t *terminal,
                   const e2b__control_t *control) {
  uint64_t offset = control->offset;
  if (!control->has_offset && control->type == E2B__CONTROL_ATTACH) offset = terminal->ring.start;
  if (offset > terminal->ring.end) {
    invalid(connection, "offset is beyond the output", control->id);
    return;
  }
  e2b__viewer_t *viewer = e2b__viewer_attach(terminal, connection, control->writer);
  if (viewer == NULL) {
    e2b__answer_error(connection, "system", "out of memory", control->id);
    return;
  }
  uint64_t lost = e2b__flow_begin(&viewer->flow, &terminal->ring, offset);
  e2b__viewer_told(viewer);
  e2b__answer_attached(connection, lost);
  e2b__terminal_reconsider(terminal, true);
}

static void explain(e2b__connection_t *connection, const e2b__control_t *control,
                    e2b__spawn_result_t result, int error) {
  static const struct {
    const char *code;
    const char *text;
  } words[] = {
      [E2B__SPAWN_NO_PROGRAM] = {"no_program", "cannot execute"},
      [E2B__SPAWN_NO_CWD] = {"no_cwd", "cannot enter the directory"},
      [E2B__SPAWN_LIMIT] = {"limit", "cannot start a terminal"},
      [E2B__SPAWN_SYSTEM] = {"system", "cannot start a terminal"},
  };
  const char *what = result == E2B__SPAWN_NO_PROGRAM ? control->argv[0]
                     : result == E2B__SPAWN_NO_CWD   ? control->cwd
                                                     : NULL;
  /* The kernel has no word of its own for that. */
  const char *why = result == E2B__SPAWN_LIMIT && error == ENOSPC ? "no pseudo-terminal is left"
                                                                  : strerror(error);
  e2b__buffer_t text = E2B__BUFFER_INIT(1 << 10);
  if (e2b__buffer_printf(&text, "%s%s%.256s: %s", words[result].text, what != NULL ? " " : "",
                         what != NULL ? what : "", why) == 0)
    e2b__answer_error(connection, words[result].code, text.data, control->id);
  else
    e2b__connection_drop(connection);
  e2b__buffer_free(&text);
}

static void create(e2b__connection_t *connection, const e2b__control_t *control) {
  e2b__agent_t *agent = connection->agent;
  e2b__spawn_t spawn = {control->argv,
                        control->envs,
                        agent->home,
                        control->cwd,
                        (unsigned short)control->cols,
                        (unsigned short)control->rows,
                        agent->files};
  pid_t pid;
  int master, error;

  if (agent->running_count >= E2B__AGENT_RUNNING_MOST) {
    e2b__answer_error(connection, "limit", "too many terminals", control->id);
    return;
  }
  e2b__terminal_t *terminal = e2b__terminal_new(agent, control);
  if (terminal == NULL) {
    e2b__answer_error(connection, "system", "out of memory", control->id);
    return;
  }
  e2b__spawn_result_t result = e2b__spawn(&spawn, &pid, &master, &error);
  if (result != E2B__SPAWN_GOOD) {
    e2b__terminal_free(terminal);
    explain(connection, control, result, error);
    return;
  }
  e2b__terminal_started(terminal, pid, master, control->timeout_ms);
  e2b__terminals_add(terminal);
  attach(connection, terminal, control);
}

static void create_or_attach(e2b__connection_t *connection, const e2b__control_t *control) {
  e2b__terminal_t *terminal = e2b__terminals_find(connection->agent, control->id);
  if (connection->was_attached)
    e2b__connection_close(connection, E2B__WS_BREACH);
  else if (terminal != NULL)
    attach(connection, terminal, control);
  else if (control->type == E2B__CONTROL_ATTACH)
    e2b__answer_error(connection, "not_found", "no such terminal", control->id);
  else if (control->offset > 0)
    invalid(connection, "offset is beyond the output", control->id);
  else
    create(connection, control);
}

/* ---- the others ---- */

static void acknowledge(e2b__connection_t *connection, uint64_t offset) {
  e2b__viewer_t *viewer = connection->viewer;
  bool progress;
  if (!e2b__flow_ack(&viewer->flow, offset, &progress)) {
    e2b__connection_close(connection, E2B__WS_BREACH);
    return;
  }
  if (!progress) return;
  e2b__terminal_reconsider(viewer->terminal, true);
  e2b__connection_touch(connection);
}

static void resize(e2b__connection_t *connection, const e2b__control_t *control) {
  e2b__terminal_t *terminal = connection->viewer->terminal;
  if (terminal->cols == control->cols && terminal->rows == control->rows) return;
  e2b__terminal_resize(terminal, (unsigned)control->cols, (unsigned)control->rows);
  for (e2b__list_t *node = terminal->viewers.next; node != &terminal->viewers; node = node->next) {
    e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, node);
    if (viewer->connection == NULL || viewer->connection == connection) continue;
    viewer->size_due = true;
    e2b__connection_touch(viewer->connection);
  }
}

static void send_signal(e2b__connection_t *connection, const e2b__control_t *control) {
  e2b__terminal_t *terminal = NULL;
  if (control->id[0] != '\0')
    terminal = e2b__terminals_find(connection->agent, control->id);
  else if (connection->viewer != NULL)
    terminal = connection->viewer->terminal;
  else
    invalid(connection, "signal needs id on a connection that is not attached", "");
  if (terminal != NULL)
    e2b__answer_signalled(connection, terminal->id,
                          e2b__terminal_signal(terminal, (int)control->signal));
  else if (control->id[0] != '\0')
    e2b__answer_error(connection, "not_found", "no such terminal", control->id);
}

static void dispatch(e2b__connection_t *connection, const e2b__control_t *control) {
  bool attached = connection->viewer != NULL;
  switch (control->type) {
  case E2B__CONTROL_CREATE:
  case E2B__CONTROL_ATTACH: create_or_attach(connection, control); return;
  case E2B__CONTROL_SIGNAL: send_signal(connection, control); return;
  case E2B__CONTROL_LIST:
    if (connection->lists < LISTS_MOST) {
      connection->lists++;
      e2b__connection_touch(connection);
    } else {
      e2b__connection_close(connection, E2B__WS_BREACH);
    }
    return;
  case E2B__CONTROL_ACK:
    if (attached) acknowledge(connection, control->offset);
    break;
  case E2B__CONTROL_RESIZE:
    if (attached) resize(connection, control);
    break;
  case E2B__CONTROL_DETACH:
    if (attached) e2b__viewer_leave(connection->viewer);
    break;
  case E2B__CONTROL_TYPES: break;
  }
  if (!attached) invalid(connection, "not attached", "");
}

void e2b__connection_control(e2b__connection_t *connection, const char *text, size_t len) {
  e2b__control_t control;
  e2b__arena_t arena = {0};
  const char *why;
  switch (e2b__control_read(&control, text, len, &arena, &why)) {
  case E2B__CONTROL_GOOD: dispatch(connection, &control); break;
  case E2B__CONTROL_INVALID: invalid(connection, why, control.id); break;
  case E2B__CONTROL_BREACH: e2b__connection_close(connection, E2B__WS_BREACH); break;
  }
  e2b__arena_free(&arena);
}

void e2b__connection_input(e2b__connection_t *connection, const char *data, size_t len) {
  e2b__viewer_t *viewer = connection->viewer;
  if (viewer == NULL || !e2b__input_fits(&viewer->input, len))
    e2b__connection_close(connection, E2B__WS_BREACH);
  else
    e2b__terminal_input(viewer, data, len);
}
