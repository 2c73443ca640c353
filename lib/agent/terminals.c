/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/spawn.h"

/* All terminals: found by id and by process, those that have ended kept for a while. */

static e2b__list_t *id_bucket(e2b__agent_t *agent, const char *id) {
  uint32_t hash = 2166136261u;
  for (; *id != '\0'; id++)
    hash = (hash ^ (unsigned char)*id) * 16777619u;
  return &agent->by_id[hash & (E2B__AGENT_BUCKETS - 1)];
}

static e2b__list_t *pid_bucket(e2b__agent_t *agent, pid_t pid) {
  return &agent->by_pid[(unsigned)pid & (E2B__AGENT_BUCKETS - 1)];
}

e2b__terminal_t *e2b__terminals_find(e2b__agent_t *agent, const char *id) {
  e2b__list_t *bucket = id_bucket(agent, id);
  for (e2b__list_t *node = bucket->next; node != bucket; node = node->next) {
    e2b__terminal_t *terminal = E2B__CONTAINER(node, e2b__terminal_t, id_node);
    if (strcmp(terminal->id, id) == 0) return terminal;
  }
  return NULL;
}

static e2b__terminal_t *find_pid(e2b__agent_t *agent, pid_t pid) {
  e2b__list_t *bucket = pid_bucket(agent, pid);
  for (e2b__list_t *node = bucket->next; node != bucket; node = node->next) {
    e2b__terminal_t *terminal = E2B__CONTAINER(node, e2b__terminal_t, pid_node);
    if (terminal->pid == pid) return terminal;
  }
  return NULL;
}

void e2b__terminals_add(e2b__terminal_t *terminal) {
  e2b__agent_t *agent = terminal->agent;
  terminal->number = ++agent->created;
  e2b__list_append(&agent->terminals, &terminal->node);
  e2b__list_append(id_bucket(agent, terminal->id), &terminal->id_node);
  e2b__list_append(pid_bucket(agent, terminal->pid), &terminal->pid_node);
  agent->running_count++;
  e2b__agent_count(agent);
}

/* Takes every child that has ended: also those whose program could not be executed, and orphans, if
 * this process should be the one that gets them. (It does not ask for them: what a terminal's
 * program leaves behind belongs to the sandbox, as it would have without an agent.) */
void e2b__terminals_reap(e2b__agent_t *agent) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    e2b__terminal_t *terminal = find_pid(agent, pid);
    if (terminal == NULL) continue;
    e2b__list_remove(&terminal->pid_node); /* the number may be another's now */
    agent->running_count--;
    e2b__terminal_ended(terminal, status);
  }
}

/* The oldest that nobody looks at. */
static void forget_one(e2b__agent_t *agent) {
  for (e2b__list_t *node = agent->kept.next; node != &agent->kept; node = node->next) {
    e2b__terminal_t *terminal = E2B__CONTAINER(node, e2b__terminal_t, kept);
    if (terminal->attached_count > 0) continue;
    e2b__terminals_remove(terminal);
    return;
  }
}

void e2b__terminals_keep(e2b__terminal_t *terminal) {
  e2b__agent_t *agent = terminal->agent;
  e2b__list_append(&agent->kept, &terminal->kept);
  if (++agent->kept_count > E2B__AGENT_KEPT_MOST) forget_one(agent);
}

void e2b__terminals_remove(e2b__terminal_t *terminal) {
  e2b__agent_t *agent = terminal->agent;
  terminal->expired = false; /* this is it */
  while (!e2b__list_empty(&terminal->viewers))
    e2b__viewer_free(E2B__CONTAINER(terminal->viewers.next, e2b__viewer_t, node));
  if (!e2b__list_empty(&terminal->kept)) agent->kept_count--;
  if (!e2b__list_empty(&terminal->pid_node)) agent->running_count--;
  e2b__list_remove(&terminal->kept);
  e2b__list_remove(&terminal->id_node);
  e2b__list_remove(&terminal->pid_node);
  e2b__list_remove(&terminal->node);
  e2b__timer_stop(&agent->timers, &terminal->life);
  e2b__list_append(&agent->buried_terminals, &terminal->node);
  e2b__agent_count(agent);
}

void e2b__terminals_bury(e2b__agent_t *agent) {
  for (e2b__list_t *node; (node = e2b__list_take(&agent->buried_terminals)) != NULL;)
    e2b__terminal_free(E2B__CONTAINER(node, e2b__terminal_t, node));
}

static int is_ours(pid_t session, void *user_data) {
  return find_pid(user_data, session) != NULL;
}

void e2b__terminals_hang_up(e2b__agent_t *agent) {
  if (agent->running_count == 0 || e2b__signal_sessions(SIGHUP, is_ours, agent)) return;
  for (e2b__list_t *node = agent->terminals.next; node != &agent->terminals; node = node->next)
    e2b__terminal_signal(E2B__CONTAINER(node, e2b__terminal_t, node), SIGHUP);
}
