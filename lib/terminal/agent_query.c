/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "e2b/command.h"
#include "proto/json.h"
#include "terminal/agent.h"

/* Questions to an agent that belong to no terminal of this client: which terminals there are, and
 * the end of one by its id. An agent that does not run is not started for them. */

enum { LIST_MAX = 32 << 20, COMMAND_MS = 30000, ANSWER_MS = 30000 };

typedef struct query {
  e2b_future_t *future; /* NULL once it was given up */
  e2b_sandbox_t *sandbox;
  e2b_future_t *finding; /* the command that tells the address */
  e2b__websocket_t *socket;
  e2b__delay_t *clock; /* of the whole answer, however many parts it has */
  size_t received;     /* bytes of it */
  bool list;
  e2b__buffer_t items; /* of the list so far: it may come in several messages */
  char id[65];
} query;

static void query_free(query *it) {
  if (it->clock != NULL) e2b__delay_cancel(it->clock);
  if (it->socket != NULL) e2b__websocket_destroy(it->socket);
  e2b__buffer_free(&it->items);
  e2b_sandbox_release(it->sandbox);
  e2b__free(it);
}

/* The command's callback frees it, if that is still to come. */
static void abandon(void *work) {
  query *it = work;
  it->future = NULL;
  if (it->finding != NULL) {
    e2b_future_cancel(it->finding);
  } else {
    query_free(it);
  }
}

static void fail(query *it, const e2b_error_t *error) {
  e2b_error_t own = *error;
  own.operation = "";
  own.partial = NULL;
  e2b__future_fail(it->future, &own);
  query_free(it);
}

static void fail_code(query *it, int code) {
  const e2b_error_t error = e2b__error(code);
  fail(it, &error);
}

static void on_clock(void *ctx) {
  query *it = ctx;
  it->clock = NULL;
  e2b_error_t error = e2b__error(E2B_ETIMEDOUT);
  error.clock = E2B_CLOCK_REQUEST;
  fail(it, &error);
}

/* --- the answer ---------------------------------------------------------------------------------
 */

static const char *copy_text(e2b__arena_t *arena, const cJSON *json) {
  const char *text = cJSON_IsString(json) ? json->valuestring : "";
  return e2b__arena_strndup(arena, text, strlen(text));
}

static int read_terminal(e2b__arena_t *arena, const cJSON *json, e2b_terminal_info_t *to) {
  const cJSON *argv = cJSON_GetObjectItemCaseSensitive(json, "argv");
  const size_t count = cJSON_IsArray(argv) ? (size_t)cJSON_GetArraySize(argv) : 0;
  const char **args = e2b__arena_calloc(arena, count + 1, sizeof *args);
  to->id = copy_text(arena, cJSON_GetObjectItemCaseSensitive(json, "id"));
  to->program = copy_text(arena, count > 0 ? argv->child : NULL);
  if (args == NULL || to->id == NULL || to->program == NULL) return E2B_ENOMEM;
  for (const cJSON *arg = count > 0 ? argv->child->next : NULL; arg != NULL; arg = arg->next) {
    args[to->args_count] = copy_text(arena, arg);
    if (args[to->args_count++] == NULL) return E2B_ENOMEM;
  }
  to->args = args;
  to->pid = (uint32_t)e2b__json_int(json, "pid", 0);
  to->cols = (uint16_t)e2b__json_int(json, "cols", 0);
  to->rows = (uint16_t)e2b__json_int(json, "rows", 0);
  to->running = strcmp(e2b__json_string(json, "status", ""), "exited") != 0;
  to->exit.exit_code = -1;
  if (!to->running) {
    to->exit.known = 1;
    to->exit.signal = (int)e2b__json_int(json, "signal", 0);
    if (to->exit.signal == 0) to->exit.exit_code = (int)e2b__json_int(json, "code", -1);
  }
  to->created_ms = e2b__json_int(json, "created_ms", 0);
  to->viewers = (uint32_t)e2b__json_int(json, "viewers", 0);
  to->transport = E2B_TRANSPORT_AGENT;
  return 0;
}

static void take_terminals(query *it, const cJSON *terminals, bool more) {
  e2b__arena_t *arena = e2b__future_arena(it->future);
  int rc = 0;
  for (const cJSON *item = terminals != NULL ? terminals->child : NULL; rc == 0 && item != NULL;
       item = item->next) {
    e2b_terminal_info_t info;
    memset(&info, 0, sizeof info);
    rc = read_terminal(arena, item, &info);
    if (rc == 0) rc = e2b__buffer_append(&it->items, &info, sizeof info);
  }
  if (rc == 0 && more) return;
  e2b_terminal_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_terminal_info_t *items = e2b__arena_calloc(arena, 1, it->items.len + sizeof *items);
  if (list == NULL || items == NULL) rc = E2B_ENOMEM;
  if (rc != 0) {
    fail_code(it, rc);
    return;
  }
  if (it->items.len > 0) memcpy(items, it->items.data, it->items.len);
  list->items = items;
  list->count = it->items.len / sizeof *items;
  e2b__future_succeed(it->future, list, NULL);
  query_free(it);
}

static void succeed(query *it, bool found) {
  e2b__future_succeed_number(it->future, found);
  query_free(it);
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  query *it = ctx;
  (void)kind;
  it->received += len;
  if (it->received > LIST_MAX) {
    fail_code(it, E2B_ETOOBIG);
    return;
  }
  cJSON *json = e2b__json_parse(data, len);
  const char *type = e2b__json_string(json, "type", "");
  if (it->list && strcmp(type, "terminals") == 0) {
    take_terminals(it, cJSON_GetObjectItemCaseSensitive(json, "terminals"),
                   e2b__json_bool(json, "more", false));
  } else if (!it->list && strcmp(type, "signalled") == 0) {
    succeed(it, e2b__json_bool(json, "found", false));
  } else if (!it->list && strcmp(type, "error") == 0 &&
             strcmp(e2b__json_string(json, "code", ""), "not_found") == 0) {
    succeed(it, false);
  } else {
    fail_code(it, E2B_EPROTOCOL); /* or there was no memory to read it */
  }
  cJSON_Delete(json);
}

/* --- the connection -----------------------------------------------------------------------------
 */

static void on_open(void *ctx, const char *protocol) {
  query *it = ctx;
  if (protocol == NULL || strcmp(protocol, E2B__AGENT_PROTOCOL) != 0) {
    fail_code(it, E2B_EPROTOCOL);
    return;
  }
  char text[160];
  const int len =
      it->list ? snprintf(text, sizeof text, "{\"type\":\"list\"}")
               : snprintf(text, sizeof text, "{\"type\":\"signal\",\"signal\":%d,\"id\":\"%s\"}",
                          SIGKILL, it->id);
  const int rc = e2b__websocket_send(it->socket, E2B__WEBSOCKET_TEXT, text, (size_t)len);
  if (rc != 0) fail_code(it, rc);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  query *it = ctx;
  e2b__arena_t arena = {0};
  it->socket = NULL;
  const e2b_error_t error = e2b__endpoint_error(&arena, end);
  fail(it, &error);
  e2b__arena_free(&arena);
}

static const e2b__websocket_events_t events = {on_open, on_message, NULL, NULL, on_closed};

static void ask(query *it, const e2b__agent_address_t *address) {
  e2b__dialer_t *dialer = e2b__client_dialer(it->sandbox->client);
  e2b__endpoint_t endpoint;
  e2b__websocket_options_t options;
  char bearer[80];
  int rc = e2b__agent_options(&endpoint, it->sandbox, address, bearer, &options);
  if (rc == 0 && dialer == NULL) rc = E2B_ENOMEM;
  if (rc == 0) {
    it->clock = e2b__delay_start(it->sandbox->client->http, ANSWER_MS, on_clock, it);
    if (it->clock == NULL) rc = E2B_ENOMEM;
  }
  if (rc == 0) {
    options.liveness_ms = ANSWER_MS;
    options.max_message_bytes = E2B__AGENT_MESSAGE_MAX;
    rc = e2b__websocket_open(dialer, &options, &events, it, &it->socket);
  }
  e2b__endpoint_free(&endpoint);
  if (rc != 0) fail_code(it, rc);
}

static void on_found(e2b_future_t *finding, void *user_data) {
  query *it = user_data;
  it->finding = NULL;
  if (it->future == NULL) {
    query_free(it);
    return;
  }
  const e2b_execution_t *execution = e2b_future_execution(finding);
  if (execution == NULL) {
    fail(it, e2b_future_error(finding));
    return;
  }
  e2b__agent_address_t address;
  const int rc =
      e2b__agent_address_parse(execution->stdout_data.ptr, execution->stdout_data.len, &address);
  if (rc == 0) {
    ask(it, &address);
  } else if (it->list) {
    take_terminals(it, NULL, false); /* none runs: not there, or it cannot */
  } else {
    succeed(it, false);
  }
}

static e2b_future_t *start(e2b_sandbox_t *sandbox, const char *user, const char *id,
                           e2b__kind_t kind, const char *name) {
  e2b_future_t *future = e2b__future_new(&sandbox->client->queue, kind, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  query *it = e2b__calloc(1, sizeof *it);
  if (it == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  it->future = future;
  it->sandbox = e2b_sandbox_acquire(sandbox);
  it->list = id == NULL;
  e2b__buffer_init(&it->items, LIST_MAX);
  if (id != NULL) snprintf(it->id, sizeof it->id, "%s", id);
  const char *const args[] = {"-c", e2b__agent_find_script, NULL};
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = user;
  options.timeout_ms = COMMAND_MS;
  it->finding = e2b_run_command(sandbox, "/bin/sh", args, &options);
  e2b__future_bind(future, abandon, it);
  const int rc = e2b_future_then(it->finding, on_found, it);
  if (rc != 0) fail_code(it, rc);
  return future;
}

e2b_future_t *e2b__agent_list(e2b_sandbox_t *sandbox, const char *user) {
  return start(sandbox, user, NULL, E2B__KIND_TERMINAL_LIST, "e2b_terminal_list");
}

e2b_future_t *e2b__agent_kill(e2b_sandbox_t *sandbox, const char *user, const char *id) {
  return start(sandbox, user, id, E2B__KIND_BOOL, "e2b_terminal_kill_by_id");
}
