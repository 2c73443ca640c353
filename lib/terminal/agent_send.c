/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "proto/json.h"
#include "terminal/agent.h"

/* What the agent is told. Input is kept until the agent has accepted it: after a reconnect the rest
 * is sent again, from the byte that the agent names. */

enum { FRAME_BYTES = 16 << 10, TEXT_BYTES = 256 };

static int send_text(e2b__agent_t *agent, const char *text, int len) {
  return e2b__websocket_send(agent->socket, E2B__WEBSOCKET_TEXT, text, (size_t)len);
}

/* --- create and attach --------------------------------------------------------------------------
 */

int e2b__agent_make_request(e2b__agent_t *agent, const e2b__terminal_spec_t *spec) {
  const e2b_terminal_options *options = &spec->options;
  e2b__json_writer_t w;
  e2b__json_begin(&w, &agent->request);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "type", "create", 6);
  e2b__json_put_string(&w, "id", agent->id, strlen(agent->id));
  e2b__json_open(&w, "argv", '[');
  for (size_t i = 0; i < spec->argc; i++) {
    e2b__json_put_string(&w, NULL, spec->argv[i], strlen(spec->argv[i]));
  }
  e2b__json_close(&w, ']');
  e2b__json_open(&w, "envs", '{');
  for (size_t i = 0; i < options->envs_count; i++) {
    e2b__json_put_string(&w, options->envs[i].name, options->envs[i].value,
                         strlen(options->envs[i].value));
  }
  e2b__json_close(&w, '}');
  if (options->cwd != NULL) e2b__json_put_string(&w, "cwd", options->cwd, strlen(options->cwd));
  e2b__json_put_int(&w, "cols", options->cols);
  e2b__json_put_int(&w, "rows", options->rows);
  if (options->ring_bytes != 0) e2b__json_put_int(&w, "ring", options->ring_bytes);
  const uint64_t longest = (uint64_t)1 << 52;
  if (options->hold_ms != 0) {
    e2b__json_put_int(&w, "hold_ms",
                      (int64_t)(options->hold_ms < longest ? options->hold_ms : longest));
  }
  if (options->timeout_ms != 0 && options->timeout_ms < longest) {
    e2b__json_put_int(&w, "timeout_ms", (int64_t)options->timeout_ms);
  }
  e2b__json_put_string(&w, "writer", agent->writer, strlen(agent->writer));
  e2b__json_put_int(&w, "offset", 0);
  e2b__json_close(&w, '}');
  return w.rc;
}

bool e2b__agent_names_offset(const e2b__agent_t *agent) {
  const e2b_terminal_t *terminal = agent->base.terminal;
  return !agent->created || terminal->state != E2B__TERMINAL_STARTING || terminal->offset != 0;
}

int e2b__agent_send_hello(e2b__agent_t *agent) {
  if (!agent->created) {
    return e2b__websocket_send(agent->socket, E2B__WEBSOCKET_TEXT, agent->request.data,
                               agent->request.len);
  }
  char text[TEXT_BYTES];
  int len = snprintf(text, sizeof text, "{\"type\":\"attach\",\"id\":\"%s\",\"writer\":\"%s\"",
                     agent->id, agent->writer);
  if (e2b__agent_names_offset(agent)) {
    len += snprintf(text + len, sizeof text - (size_t)len, ",\"offset\":%llu",
                    (unsigned long long)agent->base.terminal->offset);
  }
  text[len++] = '}';
  return send_text(agent, text, len);
}

/* --- input --------------------------------------------------------------------------------------
 */

/* 0, or E2B_ENOMEM. */
static int send_input(e2b__agent_t *agent) {
  const size_t kept = e2b__line_len(&agent->line);
  for (;;) {
    const size_t ahead = (size_t)(agent->sent - agent->accepted);
    if (ahead >= kept || ahead >= agent->window) return 0;
    size_t len = kept - ahead;
    if (len > agent->window - ahead) len = agent->window - ahead;
    if (len > FRAME_BYTES) len = FRAME_BYTES;
    /* Refused: on_drain, or the end of the connection, goes on with it. */
    const int rc = e2b__websocket_send(agent->socket, E2B__WEBSOCKET_BINARY,
                                       e2b__line_data(&agent->line) + ahead, len);
    if (rc != 0) return rc == E2B_ENOMEM ? rc : 0;
    agent->sent += len;
  }
}

bool e2b__agent_accept(e2b__agent_t *agent, uint64_t offset) {
  if (offset < agent->accepted) return agent->state == E2B__AGENT_ATTACHED;
  if (offset > agent->sent) return false;
  const uint64_t count = offset - agent->accepted;
  if (count == 0) return true;
  e2b__line_take(&agent->line, (size_t)count);
  agent->accepted = offset;
  if (e2b__line_len(&agent->line) == 0) return true;
  if (agent->state == E2B__AGENT_ATTACHED && send_input(agent) != 0) {
    e2b__terminal_stalled(agent->base.terminal);
  }
  return true;
}

int e2b__agent_write(e2b__transport_t *transport, const char *data, size_t len) {
  e2b__agent_t *agent = (e2b__agent_t *)transport;
  const int rc = e2b__line_add(&agent->line, data, len);
  if (rc == 0 && agent->state == E2B__AGENT_ATTACHED && send_input(agent) != 0) {
    e2b__terminal_stalled(transport->terminal);
  }
  return rc;
}

size_t e2b__agent_waiting(const e2b__transport_t *transport) {
  const e2b__agent_t *agent = (const e2b__agent_t *)transport;
  return e2b__line_len(&agent->line);
}

/* Often enough to keep the agent sending: it stops half a ring ahead of what it knows to be taken.
 */
int e2b__agent_acknowledge(e2b__agent_t *agent) {
  const uint64_t taken = agent->base.terminal->offset;
  if (agent->state != E2B__AGENT_ATTACHED || taken - agent->acked < agent->ring / 8) return 0;
  char text[TEXT_BYTES];
  const int len =
      snprintf(text, sizeof text, "{\"type\":\"ack\",\"offset\":%llu}", (unsigned long long)taken);
  /* Refused: on_drain, or the end of the connection, goes on with it. */
  const int rc = send_text(agent, text, len);
  if (rc == 0) agent->acked = taken;
  return rc == E2B_ENOMEM ? rc : 0;
}

int e2b__agent_resize(e2b__transport_t *transport) {
  e2b__agent_t *agent = (e2b__agent_t *)transport;
  e2b_terminal_t *terminal = transport->terminal;
  char text[TEXT_BYTES];
  const int len = snprintf(text, sizeof text, "{\"type\":\"resize\",\"cols\":%u,\"rows\":%u}",
                           terminal->cols, terminal->rows);
  /* Refused: it follows on_drain or the reconnect. */
  const int rc = send_text(agent, text, len);
  terminal->resized = rc != 0;
  if (rc == E2B_ENOMEM) e2b__terminal_stalled(terminal);
  return 0;
}

/* --- signals ------------------------------------------------------------------------------------
 */

typedef struct pending_signal {
  e2b__list_t node;
  e2b__agent_t *agent;
  e2b_future_t *future; /* NULL: given up; the answer is still to be counted */
  int number;
  bool sent;
} pending_signal;

/* Its reference to the terminal may be the last: callers that go on hold another. */
static void forget(pending_signal *it) {
  e2b_terminal_t *terminal = it->agent->base.terminal;
  e2b__list_remove(&it->node);
  e2b__free(it);
  terminal->waiting--;
  e2b__terminal_drop(terminal);
}

static void abandon_signal(void *work) {
  pending_signal *it = work;
  e2b_terminal_t *terminal = it->agent->base.terminal;
  it->future = NULL;
  terminal->refs++;
  if (!it->sent) forget(it);
  e2b__terminal_leave_if_unwanted(terminal);
  e2b__terminal_drop(terminal);
}

/* 0, or E2B_ENOMEM. */
static int send_signals(e2b__agent_t *agent) {
  for (e2b__list_t *node = agent->signals.next; node != &agent->signals; node = node->next) {
    pending_signal *it = E2B__CONTAINER(node, pending_signal, node);
    if (it->sent) continue;
    char text[TEXT_BYTES];
    const int len = snprintf(text, sizeof text, "{\"type\":\"signal\",\"signal\":%d}", it->number);
    const int rc = send_text(agent, text, len);
    if (rc != 0) return rc == E2B_ENOMEM ? rc : 0;
    it->sent = true;
  }
  return 0;
}

e2b_future_t *e2b__agent_signal(e2b__transport_t *transport, int signal_number, const char *name) {
  e2b__agent_t *agent = (e2b__agent_t *)transport;
  e2b_terminal_t *terminal = transport->terminal;
  e2b_future_t *future =
      e2b__future_new(&e2b__terminal_client(terminal)->queue, E2B__KIND_BOOL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  pending_signal *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  it->agent = agent;
  it->future = future;
  it->number = signal_number;
  e2b__list_append(&agent->signals, &it->node);
  terminal->refs++;
  terminal->waiting++; /* a handle that is released now stays until the answer */
  e2b__future_bind(future, abandon_signal, it);
  if (agent->state == E2B__AGENT_ATTACHED && send_signals(agent) != 0) {
    e2b__terminal_stalled(terminal);
  }
  return future;
}

static void answer(pending_signal *it, bool found, const e2b_error_t *error) {
  e2b_future_t *future = it->future;
  forget(it);
  if (future == NULL) return;
  if (error != NULL) {
    e2b__future_fail(future, error);
  } else {
    e2b__future_succeed_number(future, found);
  }
}

void e2b__agent_answer_signal(e2b__agent_t *agent, bool found, const e2b_error_t *error) {
  if (e2b__list_empty(&agent->signals)) return;
  pending_signal *it = E2B__CONTAINER(agent->signals.next, pending_signal, node);
  if (!it->sent) return;
  e2b_terminal_t *terminal = agent->base.terminal;
  terminal->refs++;
  answer(it, found, error);
  e2b__terminal_leave_if_unwanted(terminal);
  e2b__terminal_drop(terminal);
}

void e2b__agent_lose_signals(e2b__agent_t *agent) {
  e2b_error_t error = e2b__error(E2B_ECONNLOST);
  error.maybe_applied = 1;
  e2b__list_t *node = agent->signals.next;
  while (node != &agent->signals) {
    pending_signal *it = E2B__CONTAINER(node, pending_signal, node);
    node = node->next;
    if (it->number == SIGKILL && it->future != NULL) {
      it->sent = false;
    } else if (it->sent) {
      answer(it, false, &error);
    }
  }
}

void e2b__agent_end_signals(e2b__agent_t *agent, int code) {
  const bool exited = agent->base.terminal->exited;
  const e2b_error_t error = e2b__error(code);
  while (!e2b__list_empty(&agent->signals)) {
    pending_signal *it = E2B__CONTAINER(agent->signals.next, pending_signal, node);
    answer(it, it->sent, exited ? NULL : &error);
  }
}

void e2b__agent_pump(e2b__agent_t *agent) {
  int rc = e2b__agent_acknowledge(agent);
  if (rc == 0) rc = send_signals(agent);
  if (rc == 0 && agent->base.terminal->resized) rc = e2b__agent_resize(&agent->base);
  if (rc == 0) rc = send_input(agent);
  if (rc != 0) e2b__terminal_stalled(agent->base.terminal);
}

void e2b__agent_go_on(e2b__transport_t *transport) {
  e2b__agent_t *agent = (e2b__agent_t *)transport;
  int rc = e2b__agent_acknowledge(agent);
  if (rc == 0) rc = send_signals(agent);
  if (rc == 0) rc = send_input(agent);
  if (rc == 0 && transport->terminal->resized) {
    e2b__agent_resize(transport);
    if (transport->terminal->resized) rc = E2B_ENOMEM;
  }
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  e2b__agent_fail(agent, &error, false); /* the next connection sends it all */
}
