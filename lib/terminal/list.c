/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "e2b/command.h"
#include "sandbox/command.h"
#include "terminal/agent.h"
#include "terminal/envd.h"
#include "terminal/jupyter.h"

/* Which terminals there are. */

typedef struct listing {
  e2b_future_t *outer; /* NULL once it was given up */
  e2b_future_t *inner; /* the one that is asked now */
  e2b_sandbox_t *sandbox;
  e2b_future_t *agents; /* AUTO: a list that comes before; NULL: none */
} listing;

const e2b_terminal_list_t *e2b_future_terminal_list(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_TERMINAL_LIST);
}

static bool is_terminal(const e2b_process_info_t *process) {
  return strncmp(process->tag, E2B__ENVD_TAG, sizeof E2B__ENVD_TAG - 1) == 0;
}

static int copy_process(e2b__arena_t *arena, const e2b_process_info_t *from,
                        e2b_terminal_info_t *to) {
  char id[16];
  unsigned cols = 0;
  unsigned rows = 0;
  snprintf(id, sizeof id, "%u", from->pid);
  sscanf(from->tag + sizeof E2B__ENVD_TAG - 1, "%5ux%5u", &cols, &rows);
  to->id = e2b__arena_strndup(arena, id, strlen(id));
  to->pid = from->pid;
  to->program = e2b__arena_strndup(arena, from->program, strlen(from->program));
  const char **args = e2b__arena_calloc(arena, from->args_count + 1, sizeof *args);
  if (to->id == NULL || to->program == NULL || args == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < from->args_count; i++) {
    args[i] = e2b__arena_strndup(arena, from->args[i], strlen(from->args[i]));
    if (args[i] == NULL) return E2B_ENOMEM;
  }
  to->args = args;
  to->args_count = from->args_count;
  to->cols = (uint16_t)cols;
  to->rows = (uint16_t)rows;
  to->running = 1;
  to->exit.exit_code = -1;
  to->transport = E2B_TRANSPORT_ENVD;
  return 0;
}

static int copy_info(e2b__arena_t *arena, const e2b_terminal_info_t *from,
                     e2b_terminal_info_t *to) {
  *to = *from;
  const char **args = e2b__arena_calloc(arena, from->args_count + 1, sizeof *args);
  to->id = e2b__arena_strndup(arena, from->id, strlen(from->id));
  to->program = e2b__arena_strndup(arena, from->program, strlen(from->program));
  if (to->id == NULL || to->program == NULL || args == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < from->args_count; i++) {
    args[i] = e2b__arena_strndup(arena, from->args[i], strlen(from->args[i]));
    if (args[i] == NULL) return E2B_ENOMEM;
  }
  to->args = args;
  return 0;
}

static void succeed(listing *call) {
  const e2b_process_list_t *processes = e2b_future_process_list(call->inner);
  const e2b_terminal_list_t *agents =
      call->agents != NULL ? e2b_future_terminal_list(call->agents) : NULL;
  const size_t before = agents != NULL ? agents->count : 0;
  e2b__arena_t *arena = e2b__future_arena(call->outer);
  e2b_terminal_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_terminal_info_t *items =
      e2b__arena_calloc(arena, before + processes->count + 1, sizeof *items);
  int rc = list != NULL && items != NULL ? 0 : E2B_ENOMEM;
  for (size_t i = 0; rc == 0 && i < before; i++) {
    rc = copy_info(arena, &agents->items[i], &items[list->count++]);
  }
  for (size_t i = 0; rc == 0 && i < processes->count; i++) {
    if (is_terminal(&processes->items[i])) {
      rc = copy_process(arena, &processes->items[i], &items[list->count++]);
    }
  }
  if (rc != 0) {
    e2b__future_fail_text(call->outer, rc, "%s", e2b_code_text(rc));
    return;
  }
  list->items = items;
  e2b__future_succeed(call->outer, list, NULL);
}

static void listing_free(listing *call) {
  e2b_sandbox_release(call->sandbox);
  e2b_future_release(call->agents);
  e2b__free(call);
}

static void fail(listing *call, const e2b_error_t *error) {
  if (call->outer == NULL) return;
  e2b_error_t own = *error;
  own.operation = "";
  e2b__future_fail(call->outer, &own);
}

static void on_processes(e2b_future_t *inner, void *user_data) {
  listing *call = user_data;
  const e2b_error_t *error = e2b_future_error(inner);
  if (error != NULL) {
    fail(call, error);
  } else if (call->outer != NULL) {
    succeed(call);
  }
  listing_free(call);
}

static void ask_service(listing *call, e2b_sandbox_t *sandbox) {
  call->inner = e2b_command_list(sandbox);
  const int rc = e2b_future_then(call->inner, on_processes, call);
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  fail(call, &error);
  listing_free(call);
}

static void on_agents(e2b_future_t *inner, void *user_data) {
  listing *call = user_data;
  const e2b_error_t *error = e2b_future_error(inner);
  if (error == NULL && call->outer != NULL) {
    call->agents = e2b_future_acquire(inner);
    ask_service(call, call->sandbox);
    return;
  }
  if (error != NULL) fail(call, error);
  listing_free(call);
}

static void abandon(void *work) {
  listing *call = work;
  call->outer = NULL; /* the inner future's callback frees it */
  e2b_future_cancel(call->inner);
}

/* AUTO: first those of the agent. */
static e2b_future_t *list_processes(e2b_sandbox_t *sandbox, bool agents_too, const char *user) {
  e2b_future_t *future =
      e2b__future_new(&sandbox->client->queue, E2B__KIND_TERMINAL_LIST, "e2b_terminal_list");
  if (future == NULL || e2b_future_is_done(future)) return future;
  listing *call = e2b__calloc(1, sizeof *call);
  if (call == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  call->outer = future;
  call->sandbox = e2b_sandbox_acquire(sandbox);
  e2b__future_bind(future, abandon, call);
  if (!agents_too) {
    ask_service(call, sandbox);
    return future;
  }
  call->inner = e2b__agent_list(sandbox, user);
  const int rc = e2b_future_then(call->inner, on_agents, call);
  if (rc != 0) {
    const e2b_error_t error = e2b__error(rc);
    fail(call, &error);
    listing_free(call);
  }
  return future;
}

static e2b_future_t *refuse(e2b_sandbox_t *sandbox, e2b__kind_t kind, const char *name, int code) {
  e2b_future_t *future = e2b__future_new(&sandbox->client->queue, kind, name);
  if (future != NULL && !e2b_future_is_done(future)) {
    e2b__future_fail_text(future, code, "%s%s", e2b_code_text(code),
                          code == E2B_EINVAL ? ": that is no terminal's id in this transport" : "");
  }
  return future;
}

static e2b__jupyter_server_t jupyter_server(const e2b_terminal_list_options *options) {
  const e2b__jupyter_server_t server = {options->port != 0 ? options->port : E2B__JUPYTER_PORT,
                                        options->base_url, options->credential};
  return server;
}

e2b_future_t *e2b_terminal_list(e2b_sandbox_t *sandbox, const e2b_terminal_list_options *given) {
  if (sandbox == NULL) return NULL;
  e2b_terminal_list_options options;
  e2b__options_copy(&options, sizeof options, given);
  switch (options.transport) {
  case E2B_TRANSPORT_AUTO: return list_processes(sandbox, true, options.user);
  case E2B_TRANSPORT_AGENT: return e2b__agent_list(sandbox, options.user);
  case E2B_TRANSPORT_ENVD: return list_processes(sandbox, false, NULL);
  case E2B_TRANSPORT_JUPYTER: {
    const e2b__jupyter_server_t server = jupyter_server(&options);
    return e2b__jupyter_list(sandbox, &server);
  }
  case E2B_TRANSPORT_TTYD: break;
  }
  return refuse(sandbox, E2B__KIND_TERMINAL_LIST, "e2b_terminal_list", E2B_EUNIMPLEMENTED);
}

e2b_future_t *e2b_terminal_kill_by_id(e2b_sandbox_t *sandbox, const char *id,
                                      const e2b_terminal_list_options *given) {
  static const char name[] = "e2b_terminal_kill_by_id";
  if (sandbox == NULL) return NULL;
  e2b_terminal_list_options options;
  e2b__options_copy(&options, sizeof options, given);
  if (id == NULL || *id == '\0') return refuse(sandbox, E2B__KIND_BOOL, name, E2B_EINVAL);
  const bool is_pid = e2b__terminal_id_is_pid(id);
  e2b_transport_t transport = options.transport;
  if (transport == E2B_TRANSPORT_AUTO) {
    transport = is_pid ? E2B_TRANSPORT_ENVD : E2B_TRANSPORT_AGENT;
  }
  switch (transport) {
  case E2B_TRANSPORT_AGENT:
    if (!e2b__agent_is_id(id)) return refuse(sandbox, E2B__KIND_BOOL, name, E2B_EINVAL);
    return e2b__agent_kill(sandbox, options.user, id);
  case E2B_TRANSPORT_ENVD: {
    const unsigned long long pid = strtoull(id, NULL, 10);
    if (!is_pid || pid == 0 || pid > UINT32_MAX) {
      return refuse(sandbox, E2B__KIND_BOOL, name, E2B_EINVAL);
    }
    return e2b__process_kill(sandbox, (uint32_t)pid, name);
  }
  case E2B_TRANSPORT_JUPYTER: {
    const e2b__jupyter_server_t server = jupyter_server(&options);
    return e2b__jupyter_delete(sandbox, &server, id, name);
  }
  case E2B_TRANSPORT_AUTO:
  case E2B_TRANSPORT_TTYD: break;
  }
  return refuse(sandbox, E2B__KIND_BOOL, name, E2B_EUNIMPLEMENTED);
}
