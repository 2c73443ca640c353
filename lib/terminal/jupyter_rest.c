/* SPDX-License-Identifier: MIT */
#include "proto/json.h"
#include "sandbox/daemon.h"
#include "terminal/jupyter.h"

/* Calls beside the terminal's socket: make, list, delete (protocol 7.2). */

/* A program that ends before anybody is connected would take its output with it: it waits for a
 * newline behind a sign that it listens. */
static const char wrapper[] = "stty -echo; printf '\\033[m'; read -r _; stty echo; "
                              "export HOME=\"${HOME:-/root}\"; exec \"$@\"";

bool e2b__jupyter_is_name(const char *name) {
  const size_t len =
      strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
  return len >= 1 && len < sizeof((e2b__jupyter_t *)0)->name && name[len] == '\0';
}

int e2b__jupyter_authorize(e2b__endpoint_t *endpoint, const char *credential) {
  if (credential == NULL) return 0;
  static const char scheme[] = "token ";
  const size_t len = strlen(credential);
  char *value = e2b__arena_alloc(&endpoint->arena, sizeof scheme + len);
  if (value == NULL) return E2B_ENOMEM;
  memcpy(value, scheme, sizeof scheme - 1);
  memcpy(value + sizeof scheme - 1, credential, len + 1);
  e2b__endpoint_header(endpoint, "Authorization", value);
  return 0;
}

/* Its own words are "Forbidden", or of a cookie that it would take instead (protocol 7.2). */
void e2b__jupyter_explain(e2b__arena_t *arena, bool has_credential, e2b_error_t *error) {
  const bool unauthorized = error->code == E2B_EAUTH && error->http_status == 401;
  if (error->code != E2B_EFORBIDDEN && !unauthorized) return; /* an EAUTH of 403 is the edge's */
  e2b_error_t own = e2b__error_text(
      arena, E2B_EAUTH, "%s: the Jupyter server %s", e2b_code_text(E2B_EAUTH),
      has_credential ? "refuses the token in `credential`, or the name it is called by"
                     : "wants its token: give it as `credential`");
  own.detail = error->detail;
  own.http_status = error->http_status;
  own.attempts = error->attempts;
  own.sandbox = error->sandbox;
  *error = own;
}

/* e2b__daemon_outcome(), explained. */
static int outcome(e2b__operation_t *op, const e2b__call_result_t *result, bool has_credential,
                   e2b_error_t *error) {
  if (e2b__daemon_outcome(op, result, error) == 0) return 0;
  e2b__jupyter_explain(e2b__future_arena(op->future), has_credential, error);
  return error->code;
}

/* e2b__daemon_ok(), explained; op->tag says whether there is a credential. */
static bool is_ok(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  if (outcome(op, result, op->tag != 0, &error) != E2B_EAUTH) return e2b__daemon_ok(op, result);
  e2b__future_fail(op->future, &error);
  return false;
}

/* The URL and headers of a call. */
static int address(e2b__operation_t *op, const e2b__jupyter_server_t *server, const char *name) {
  e2b__endpoint_t endpoint;
  int rc = e2b__endpoint_init(&endpoint, op->owner, server->port, server->base_url);
  if (rc == 0) rc = e2b__jupyter_authorize(&endpoint, server->credential);
  if (rc == 0) {
    const bool v6 = strchr(endpoint.host, ':') != NULL;
    rc = e2b__buffer_printf(&op->url, "%s://%s%s%s:%u%s/api/terminals%s%s",
                            endpoint.secure ? "https" : "http", v6 ? "[" : "", endpoint.host,
                            v6 ? "]" : "", endpoint.port, endpoint.path, name != NULL ? "/" : "",
                            name != NULL ? name : "");
  }
  for (size_t i = 0; rc == 0 && i < endpoint.headers_count; i++) {
    rc = e2b__operation_header(op, endpoint.headers[i].name, endpoint.headers[i].value);
  }
  if (rc == 0) rc = e2b__operation_header(op, "Content-Type", "application/json");
  if (rc == 0) rc = e2b__operation_header(op, "User-Agent", op->client->config.user_agent);
  e2b__endpoint_free(&endpoint);
  return rc;
}

static void on_made(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b__jupyter_t *jupyter = (e2b__jupyter_t *)op->tag;
  e2b_future_t *future = jupyter->making; /* a reference: the error's words are in it */
  e2b_error_t error;
  const int code = outcome(op, result, jupyter->credential != NULL, &error);
  jupyter->making = NULL;
  e2b__future_succeed_number(op->future, 1); /* nobody looks at it */
  e2b__jupyter_made(jupyter, code != 0 ? &error : NULL);
  e2b_future_release(future);
}

static void put(e2b__json_writer_t *w, const char *name, const char *text) {
  e2b__json_put_string(w, name, text, strlen(text));
}

int e2b__jupyter_make(e2b__jupyter_t *jupyter, const e2b__terminal_spec_t *spec) {
  e2b_future_t *future;
  e2b__operation_t *op = e2b__daemon_operation(jupyter->base.terminal->sandbox, E2B__KIND_BOOL,
                                               "e2b_terminal_create", &future);
  if (op == NULL) {
    e2b_future_release(future);
    return E2B_ENOMEM;
  }
  op->tag = (intptr_t)jupyter;
  jupyter->making = future;
  e2b__json_writer_t w;
  e2b__json_begin(&w, &op->body);
  e2b__json_open(&w, NULL, '{');
  put(&w, "name", jupyter->name);
  e2b__json_open(&w, "shell_command", '[');
  put(&w, NULL, "/bin/sh");
  put(&w, NULL, "-c");
  put(&w, NULL, wrapper);
  put(&w, NULL, "sh");
  for (size_t i = 0; i < spec->argc; i++) {
    put(&w, NULL, spec->argv[i]);
  }
  e2b__json_close(&w, ']');
  if (spec->options.cwd != NULL) put(&w, "cwd", spec->options.cwd);
  e2b__json_open(&w, "extra_env", '{');
  e2b__json_put_null(&w, "COLUMNS"); /* they would never change */
  e2b__json_put_null(&w, "LINES");
  for (size_t i = 0; i < spec->options.envs_count; i++) {
    put(&w, spec->options.envs[i].name, spec->options.envs[i].value);
  }
  e2b__json_close(&w, '}');
  e2b__json_close(&w, '}');
  int rc = w.rc != 0 ? w.rc : address(op, &jupyter->server, NULL);
  const e2b__operation_request_t request = {.method = "POST"};
  e2b__operation_send(op, rc, &request, on_made);
  if (!e2b_future_is_done(future)) return 0;
  rc = e2b_future_error(future)->code;
  jupyter->making = NULL;
  e2b_future_release(future);
  return rc;
}

static void on_deleted(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  if (e2b__daemon_outcome(op, result, &error) == E2B_ENOTFOUND) {
    e2b__future_succeed_number(op->future, 0);
  } else if (is_ok(op, result)) {
    e2b__future_succeed_number(op->future, 1);
  }
}

e2b_future_t *e2b__jupyter_delete(e2b_sandbox_t *sandbox, const e2b__jupyter_server_t *server,
                                  const char *name, const char *function) {
  e2b_future_t *future;
  e2b__operation_t *op = e2b__daemon_operation(sandbox, E2B__KIND_BOOL, function, &future);
  if (op == NULL) return future;
  op->tag = server->credential != NULL;
  const int rc = e2b__jupyter_is_name(name) ? address(op, server, name)
                                            : e2b__operation_refuse(op, "that is no terminal's id");
  const e2b__operation_request_t request = {.method = "DELETE", .safe = true, .no_body = true};
  e2b__operation_send(op, rc, &request, on_deleted);
  return future;
}

static void on_list(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!is_ok(op, result)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  cJSON *json = e2b__json_parse(result->body, result->body_len);
  int rc = cJSON_IsArray(json) ? 0 : E2B_EPROTOCOL;
  const size_t count = rc == 0 ? (size_t)cJSON_GetArraySize(json) : 0;
  e2b_terminal_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_terminal_info_t *items = e2b__arena_calloc(arena, count + 1, sizeof *items);
  const char **none = e2b__arena_calloc(arena, 1, sizeof *none);
  if (list == NULL || items == NULL || none == NULL) rc = E2B_ENOMEM;
  for (const cJSON *item = rc == 0 ? json->child : NULL; rc == 0 && item != NULL;
       item = item->next) {
    e2b_terminal_info_t *info = &items[list->count++];
    const char *name = e2b__json_string(item, "name", "");
    info->id = e2b__arena_strndup(arena, name, strlen(name));
    info->program = "";
    info->args = none;
    info->running = 1;
    info->exit.exit_code = -1;
    info->transport = E2B_TRANSPORT_JUPYTER;
    if (info->id == NULL) rc = E2B_ENOMEM;
  }
  cJSON_Delete(json);
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "", "");
    return;
  }
  list->items = items;
  e2b__future_succeed(op->future, list, NULL);
}

e2b_future_t *e2b__jupyter_list(e2b_sandbox_t *sandbox, const e2b__jupyter_server_t *server) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(sandbox, E2B__KIND_TERMINAL_LIST, "e2b_terminal_list", &future);
  if (op == NULL) return future;
  op->tag = server->credential != NULL;
  const int rc = address(op, server, NULL);
  const e2b__operation_request_t request = {.method = "GET", .safe = true, .no_body = true};
  e2b__operation_send(op, rc, &request, on_list);
  return future;
}
