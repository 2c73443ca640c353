/* SPDX-License-Identifier: MIT */
#include "terminal/agent.h"

#include <stdio.h>

/* The connection: made, lost, made again, let go. */

enum { CLOSE_GRACEFUL = 1000 };

static void on_clock(void *ctx) {
  e2b__agent_t *agent = ctx;
  agent->clock = NULL;
  const e2b_error_t error = e2b__endpoint_silent();
  e2b__agent_fail(agent, &error, false);
}

void e2b__agent_start_clock(e2b__agent_t *agent) {
  agent->clock = e2b__endpoint_clock(agent->base.terminal->sandbox, on_clock, agent);
}

static e2b__agent_t *agent_of(e2b__transport_t *transport) {
  return (e2b__agent_t *)transport;
}

static void free_agent(e2b__agent_t *agent) {
  e2b__endpoint_stop_clock(&agent->clock);
  e2b__list_remove(&agent->guest.node);
  e2b__supervisor_forget(&agent->wait);
  e2b__line_free(&agent->line);
  e2b__buffer_free(&agent->request);
  e2b__free(agent->id);
  e2b__free_aligned(agent);
}

/* --- losing it ----------------------------------------------------------------------------------
 */

void e2b__agent_fail(e2b__agent_t *agent, const e2b_error_t *error, bool final) {
  if (agent->socket != NULL) e2b__websocket_destroy(agent->socket);
  agent->socket = NULL;
  agent->state = E2B__AGENT_APART;
  agent->offset_len = 0;
  e2b__endpoint_stop_clock(&agent->clock);
  e2b_terminal_t *terminal = agent->base.terminal;
  terminal->refs++;
  e2b__agent_lose_signals(agent);
  /* Somebody may have stayed for their answers only. */
  e2b__terminal_leave_if_unwanted(terminal);
  if (terminal->transport != NULL) e2b__terminal_failed(terminal, error, final);
  e2b__terminal_drop(terminal);
}

/* Whatever the port says, it is not the user's doing. */
static e2b_error_t unavailable(e2b__arena_t *arena, const e2b_error_t *why) {
  e2b_error_t error =
      e2b__error_text(arena, E2B_EUNAVAILABLE, "%s: no terminal agent answers on its port: %s",
                      e2b_code_text(E2B_EUNAVAILABLE), why->message);
  error.detail = why->detail;
  error.http_status = why->http_status;
  error.sandbox = why->sandbox;
  return error;
}

void e2b__agent_gone(e2b__agent_t *agent, const e2b__websocket_end_t *end) {
  e2b__arena_t arena = {0};
  agent->socket = NULL;
  e2b_error_t error = e2b__endpoint_error(&arena, end);
  /* Nobody listens there, or somebody else: an agent that was started anew has another secret. The
   * edge, which wants another token, would say the same of every agent. */
  const bool edge = error.code == E2B_EAUTH && end->status == 403;
  switch (edge ? 0 : error.code) {
  case E2B_ECONNECT:
  case E2B_EPORTCLOSED:
  case E2B_EAUTH:
  case E2B_EFORBIDDEN:
  case E2B_ENOTFOUND:
  case E2B_EREQUEST:
  case E2B_EPROTOCOL:
    agent->suspect = !end->opened;
    if (agent->suspect) error = unavailable(&arena, &error);
    break;
  default: break;
  }
  const bool breach = end->close_code == 1008 || end->close_code == 1009;
  if (breach) error.code = E2B_EPROTOCOL;
  e2b__agent_fail(agent, &error, breach || e2b__endpoint_is_final(error.code));
  e2b__arena_free(&arena);
}

/* --- making it ----------------------------------------------------------------------------------
 */

int e2b__agent_options(e2b__endpoint_t *endpoint, const e2b_sandbox_t *sandbox,
                       const e2b__agent_address_t *address, char bearer[80],
                       e2b__websocket_options_t *options) {
  const int rc = e2b__endpoint_init(endpoint, sandbox, address->port, NULL);
  if (rc != 0) return rc;
  snprintf(bearer, 80, "Bearer %s", address->secret);
  e2b__endpoint_header(endpoint, "Authorization", bearer);
  *options = e2b__endpoint_websocket(endpoint, "/v1");
  options->protocols = E2B__AGENT_PROTOCOL;
  return 0;
}

static int connect_socket(e2b__agent_t *agent) {
  e2b_sandbox_t *sandbox = agent->base.terminal->sandbox;
  const e2b__agent_address_t *address = e2b__supervisor_address(agent->supervisor);
  e2b__dialer_t *dialer = e2b__client_dialer(sandbox->client);
  if (dialer == NULL) return E2B_ENOMEM;
  e2b__endpoint_t endpoint;
  e2b__websocket_options_t options;
  char bearer[80];
  int rc = e2b__agent_options(&endpoint, sandbox, address, bearer, &options);
  if (rc == 0) {
    options.ping_interval_ms = agent->liveness_ms / 2;
    options.liveness_ms = agent->liveness_ms;
    options.max_message_bytes = E2B__AGENT_MESSAGE_MAX;
    rc = e2b__websocket_open(dialer, &options, &e2b__agent_events, agent, &agent->socket);
  }
  e2b__endpoint_free(&endpoint);
  if (rc != 0) return rc;
  agent->generation = address->generation;
  agent->suspect = false;
  agent->state = E2B__AGENT_CONNECTING;
  return 0;
}

static void on_supervised(e2b__supervisor_wait_t *wait, const e2b_error_t *error) {
  e2b__agent_t *agent = E2B__CONTAINER(wait, e2b__agent_t, wait);
  agent->state = E2B__AGENT_APART;
  if (error != NULL) {
    e2b__agent_fail(agent, error, e2b__endpoint_is_final(error->code));
    return;
  }
  const int rc = connect_socket(agent);
  if (rc == 0) return;
  const e2b_error_t own = e2b__error(rc);
  e2b__agent_fail(agent, &own, rc != E2B_ENOMEM);
}

static int open_agent(e2b__transport_t *transport) {
  e2b__agent_t *agent = agent_of(transport);
  const unsigned known = e2b__supervisor_address(agent->supervisor)->generation;
  /* Somebody else may have found the new address meanwhile. */
  if (known != 0 && !(agent->suspect && known == agent->generation)) return connect_socket(agent);
  const int rc =
      e2b__supervisor_ensure(agent->supervisor, transport->terminal->sandbox, &agent->wait);
  if (rc == 0) agent->state = E2B__AGENT_ASKING;
  return rc;
}

static void random_name(char name[E2B__AGENT_NAME_SIZE], char first) {
  uint64_t number = 0;
  uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
  snprintf(name, E2B__AGENT_NAME_SIZE, "%c%016llx", first, (unsigned long long)number);
}

bool e2b__agent_is_id(const char *id) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  const size_t len = strspn(id, letters);
  return len >= 1 && len <= 64 && id[len] == '\0';
}

static int make(e2b_terminal_t *terminal, const e2b__terminal_spec_t *spec,
                e2b__transport_t **transport) {
  if (spec->attach_id != NULL && !e2b__agent_is_id(spec->attach_id)) return E2B_EINVAL;
  e2b__agent_t *agent = e2b__calloc_aligned(sizeof *agent);
  if (agent == NULL) return E2B_ENOMEM;
  char name[E2B__AGENT_NAME_SIZE];
  random_name(name, 't');
  random_name(agent->writer, 'w');
  agent->base.ops = &e2b__transport_agent;
  agent->base.terminal = terminal;
  agent->created = spec->attach_id != NULL;
  if (agent->created) terminal->offset = spec->options.from_offset;
  agent->liveness_ms = e2b__endpoint_liveness(spec->options.liveness_ms);
  e2b__list_init(&agent->guest.node);
  e2b__list_init(&agent->signals);
  e2b__line_init(&agent->line);
  e2b__buffer_init(&agent->request, 64 << 10);
  e2b__supervisor_wait_init(&agent->wait, on_supervised);
  agent->supervisor = e2b__supervisor_of(terminal->sandbox, spec->options.user);
  agent->id = e2b__strdup(spec->attach_id != NULL ? spec->attach_id : name);
  int rc = agent->id != NULL && agent->supervisor != NULL ? 0 : E2B_ENOMEM;
  if (rc == 0 && !agent->created) rc = e2b__agent_make_request(agent, spec);
  if (rc != 0) {
    free_agent(agent);
    return rc;
  }
  *transport = &agent->base;
  return 0;
}

/* --- letting it go ------------------------------------------------------------------------------
 */

static void on_client_close(e2b__guest_t *guest) {
  e2b__agent_t *agent = E2B__CONTAINER(guest, e2b__agent_t, guest);
  e2b__list_init(&guest->node);
  e2b__websocket_destroy(agent->socket);
  free_agent(agent);
}

/* The agent keeps nothing for a viewer that says goodbye. */
static void close_agent(e2b__transport_t *transport, int code) {
  e2b__agent_t *agent = agent_of(transport);
  e2b__agent_end_signals(agent, code);
  e2b__supervisor_forget(&agent->wait);
  e2b__endpoint_stop_clock(&agent->clock);
  const bool open = agent->state == E2B__AGENT_ATTACHING || agent->state == E2B__AGENT_ATTACHED;
  if (agent->socket != NULL && open) {
    static const char detach[] = "{\"type\":\"detach\"}";
    e2b_client_t *client = e2b__terminal_client(transport->terminal);
    e2b__websocket_send(agent->socket, E2B__WEBSOCKET_TEXT, detach, sizeof detach - 1);
    e2b__websocket_close(agent->socket, CLOSE_GRACEFUL, NULL);
    agent->state = E2B__AGENT_LEAVING;
    agent->base.terminal = NULL;
    e2b__line_free(&agent->line);
    agent->guest.on_client_close = on_client_close;
    e2b__guest_add(client, &agent->guest);
    return;
  }
  if (agent->socket != NULL) e2b__websocket_destroy(agent->socket);
  free_agent(agent);
}

void e2b__agent_left(e2b__agent_t *agent) {
  free_agent(agent);
}

static void pause_output(e2b__transport_t *transport) {
  e2b__agent_t *agent = agent_of(transport);
  if (agent->socket != NULL) e2b__websocket_pause(agent->socket);
}

static void resume_output(e2b__transport_t *transport) {
  e2b__agent_t *agent = agent_of(transport);
  if (agent->socket != NULL) e2b__websocket_resume(agent->socket);
}

const e2b__transport_ops_t e2b__transport_agent = {
    E2B_TRANSPORT_AGENT, "agent",           make,
    open_agent,          e2b__agent_write,  e2b__agent_waiting,
    e2b__agent_resize,   e2b__agent_signal, pause_output,
    resume_output,       e2b__agent_go_on,  close_agent};
