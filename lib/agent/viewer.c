/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

enum { NEWS_MS = 50, REPLACED = 4001 };

static e2b__viewer_t *find(e2b__terminal_t *terminal, const char *writer) {
  for (e2b__list_t *node = terminal->viewers.next; node != &terminal->viewers; node = node->next) {
    e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, node);
    if (!viewer->left && *writer != '\0' && strcmp(viewer->writer, writer) == 0) return viewer;
  }
  return NULL;
}

static void on_news(e2b__timer_t *timer) {
  e2b__viewer_t *viewer = E2B__CONTAINER(timer, e2b__viewer_t, news);
  viewer->input_due = true;
  if (viewer->connection != NULL) e2b__connection_touch(viewer->connection);
}

static e2b__viewer_t *make(e2b__terminal_t *terminal, const char *writer) {
  size_t len = strlen(writer);
  e2b__viewer_t *viewer = e2b__calloc(1, sizeof *viewer + len + 1);
  if (viewer == NULL || e2b__timers_reserve(&terminal->agent->timers, 1) != 0) {
    e2b__free(viewer);
    return NULL;
  }
  memcpy(viewer->writer, writer, len);
  viewer->terminal = terminal;
  viewer->news.fire = on_news;
  e2b__input_init(&viewer->input);
  e2b__list_init(&viewer->node);
  e2b__list_init(&viewer->input_node);
  return viewer;
}

e2b__viewer_t *e2b__viewer_attach(e2b__terminal_t *terminal, e2b__connection_t *connection,
                                  const char *writer) {
  e2b__viewer_t *viewer = find(terminal, writer);
  /* Before the other goes, so that the terminal stays. */
  terminal->attached_count++;
  if (viewer != NULL && viewer->connection != NULL)
    e2b__connection_close(viewer->connection, REPLACED);
  if (viewer == NULL) {
    viewer = make(terminal, writer);
    if (viewer == NULL) {
      terminal->attached_count--;
      return NULL;
    }
  } else {
    terminal->lost_count--;
    viewer->known = true;
  }
  e2b__list_remove(&viewer->node);
  e2b__list_append(&terminal->viewers, &viewer->node);
  viewer->connection = connection;
  viewer->exit_told = viewer->size_due = false;
  connection->viewer = viewer;
  connection->was_attached = true;
  return viewer;
}

/* The one that was lost first and may come back. */
static e2b__viewer_t *oldest_lost(e2b__terminal_t *terminal) {
  for (e2b__list_t *node = terminal->viewers.next; node != &terminal->viewers; node = node->next) {
    e2b__viewer_t *viewer = E2B__CONTAINER(node, e2b__viewer_t, node);
    if (viewer->connection == NULL && !viewer->left) return viewer;
  }
  return NULL;
}

static void leave_connection(e2b__viewer_t *viewer) {
  e2b__terminal_t *terminal = viewer->terminal;
  viewer->connection->viewer = NULL;
  viewer->connection = NULL;
  terminal->attached_count--;
  terminal->lost_count++;
  e2b__viewer_told(viewer); /* nobody is there to be told */
}

/* It does not come back: what it had accepted is still delivered. */
static void let_go(e2b__viewer_t *viewer) {
  viewer->left = true;
  if (e2b__list_empty(&viewer->input_node)) {
    e2b__viewer_free(viewer);
  } else {
    e2b__terminal_reconsider(viewer->terminal, false);
  }
}

void e2b__viewer_lose(e2b__viewer_t *viewer) {
  e2b__terminal_t *terminal = viewer->terminal;
  if (viewer->writer[0] == '\0') {
    e2b__viewer_leave(viewer);
    return;
  }
  leave_connection(viewer);
  e2b__input_cut(&viewer->input);
  e2b__list_remove(&viewer->node);
  e2b__list_append(&terminal->viewers, &viewer->node);
  if (terminal->lost_count > E2B__AGENT_LOST_MOST) let_go(oldest_lost(terminal));
  e2b__terminal_reconsider(terminal, false);
  e2b__terminal_forget_if_expired(terminal);
}

void e2b__viewer_leave(e2b__viewer_t *viewer) {
  leave_connection(viewer);
  e2b__input_cut(&viewer->input);
  let_go(viewer);
}

void e2b__viewer_free(e2b__viewer_t *viewer) {
  e2b__terminal_t *terminal = viewer->terminal;
  if (viewer->connection != NULL) leave_connection(viewer);
  terminal->lost_count--;
  e2b__timer_stop(&terminal->agent->timers, &viewer->news);
  e2b__timers_unreserve(&terminal->agent->timers, 1);
  e2b__list_remove(&viewer->node);
  e2b__list_remove(&viewer->input_node);
  e2b__input_free(&viewer->input);
  e2b__free(viewer);
  e2b__terminal_reconsider(terminal, false);
  e2b__terminal_forget_if_expired(terminal);
}

void e2b__viewer_accepted(e2b__viewer_t *viewer) {
  e2b__agent_t *agent = viewer->terminal->agent;
  uint64_t accepted = e2b__input_accepted(&viewer->input);
  if (viewer->connection == NULL || accepted == viewer->told) return;
  if (accepted - viewer->told >= E2B__INPUT_WINDOW / 2) {
    viewer->input_due = true;
    e2b__connection_touch(viewer->connection);
  } else if (viewer->news.place == 0) {
    e2b__timer_start(&agent->timers, &viewer->news, e2b__agent_after(agent, NEWS_MS));
  }
}

void e2b__viewer_told(e2b__viewer_t *viewer) {
  viewer->told = e2b__input_accepted(&viewer->input);
  viewer->input_due = false;
  e2b__timer_stop(&viewer->terminal->agent->timers, &viewer->news);
}
