/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "api/control.h"
#include "api/sandbox_record.h"

/* What can be asked about a sandbox by its id alone. */

/* An operation on one sandbox; the id goes into the messages. NULL: the future is decided. */
static e2b__operation_t *about(e2b_client_t *client, const char *id, e2b__kind_t kind,
                               const char *name, e2b_future_t **future) {
  e2b__operation_t *op = e2b__operation_new(client, kind, name, future);
  if (op == NULL) return NULL;
  if (id == NULL || *id == '\0') {
    e2b__operation_send(op, e2b__operation_refuse(op, "there is no sandbox id"), NULL, NULL);
    return NULL;
  }
  const char *subject = e2b__arena_strndup(e2b__future_arena(*future), id, strlen(id));
  if (subject != NULL) op->subject = subject;
  return op;
}

static void on_info(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__control_ok(op, result, E2B_ESANDBOXNOTFOUND)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b_sandbox_info_t *info = e2b__arena_calloc(arena, 1, sizeof *info);
  int rc = info == NULL ? E2B_ENOMEM
                        : e2b__sandbox_info_parse(arena, result->body, result->body_len, info);
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "the description of the sandbox", "");
    return;
  }
  e2b__future_succeed(op->future, info, NULL);
}

e2b_future_t *e2b_sandbox_get_info_by_id(e2b_client_t *client, const char *sandbox_id) {
  e2b_future_t *future;
  e2b__operation_t *op =
      about(client, sandbox_id, E2B__KIND_SANDBOX_INFO, "e2b_sandbox_get_info", &future);
  if (op == NULL) return future;
  int rc = e2b__control_url(op, "/sandboxes/", sandbox_id, "");
  const e2b__operation_request_t request = {
      .method = "GET", .headers = client->bodiless_headers, .safe = true, .no_body = true};
  e2b__operation_send(op, rc, &request, on_info);
  return future;
}

const e2b_sandbox_info_t *e2b_future_sandbox_info(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_SANDBOX_INFO);
}

static void on_list(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__control_ok(op, result, E2B_ENOTFOUND)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b_sandbox_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_sandbox_info_t *items = NULL;
  int rc = list == NULL ? E2B_ENOMEM
                        : e2b__sandbox_infos_parse(arena, result->body, result->body_len, &items,
                                                   &list->count);
  const char *next_token = e2b__exchange_header(result->exchange, "x-next-token");
  if (rc == 0 && next_token != NULL && *next_token != '\0') {
    list->next_token = e2b__arena_strndup(arena, next_token, strlen(next_token));
    if (list->next_token == NULL) rc = E2B_ENOMEM;
  }
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "the list of sandboxes", "");
    return;
  }
  list->items = items;
  const char *total_running = e2b__exchange_header(result->exchange, "x-total-running");
  list->total_running = total_running != NULL ? strtoll(total_running, NULL, 10) : -1;
  e2b__future_succeed(op->future, list, NULL);
}

e2b_future_t *e2b_sandbox_list(e2b_client_t *client, const e2b_list_options *options) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__operation_new(client, E2B__KIND_SANDBOX_LIST, "e2b_sandbox_list", &future);
  if (op == NULL) return future;
  e2b_list_options known;
  e2b__options_copy(&known, sizeof known, options);
  int rc = e2b__control_url(op, "/v2/sandboxes", NULL, "");
  if (rc == 0) rc = e2b__sandbox_list_query(&op->url, &known);
  if (rc == E2B_EINVAL) e2b__operation_refuse(op, "metadata without a name or a value");
  const e2b__operation_request_t request = {
      .method = "GET", .headers = client->bodiless_headers, .safe = true, .no_body = true};
  e2b__operation_send(op, rc, &request, on_list);
  return future;
}

const e2b_sandbox_list_t *e2b_future_sandbox_list(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_SANDBOX_LIST);
}

static void on_killed(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (result->code == 0 && result->status == 404) {
    /* When an earlier try got lost on the way back, it was that one which ended it. */
    e2b__future_succeed_number(op->future, result->attempts > 1 && result->maybe_received);
    return;
  }
  if (e2b__control_ok(op, result, E2B_ESANDBOXNOTFOUND)) e2b__future_succeed_number(op->future, 1);
}

e2b_future_t *e2b_sandbox_kill_by_id(e2b_client_t *client, const char *sandbox_id) {
  e2b_future_t *future;
  e2b__operation_t *op = about(client, sandbox_id, E2B__KIND_BOOL, "e2b_sandbox_kill", &future);
  if (op == NULL) return future;
  if (client->config.debug) {
    e2b__operation_settle_number(op, 1);
    return future;
  }
  int rc = e2b__control_url(op, "/sandboxes/", sandbox_id, "");
  const e2b__operation_request_t request = {
      .method = "DELETE", .headers = client->bodiless_headers, .safe = true, .no_body = true};
  e2b__operation_send(op, rc, &request, on_killed);
  return future;
}

static void on_nothing(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (e2b__control_ok(op, result, E2B_ESANDBOXNOTFOUND)) e2b__future_succeed_number(op->future, 1);
}

e2b_future_t *e2b_sandbox_set_timeout_by_id(e2b_client_t *client, const char *sandbox_id,
                                            uint64_t timeout_ms) {
  e2b_future_t *future;
  e2b__operation_t *op =
      about(client, sandbox_id, E2B__KIND_NOTHING, "e2b_sandbox_set_timeout", &future);
  if (op == NULL) return future;
  if (client->config.debug) {
    e2b__operation_settle_number(op, 1);
    return future;
  }
  int rc = e2b__control_url(op, "/sandboxes/", sandbox_id, "/timeout");
  if (rc == 0) {
    rc = e2b__buffer_printf(&op->body, "{\"timeout\":%lld}",
                            (long long)e2b__seconds_from_ms(timeout_ms));
  }
  /* Said twice it is the same, give or take the time between. */
  const e2b__operation_request_t request = {
      .method = "POST", .headers = client->api_headers, .safe = true};
  e2b__operation_send(op, rc, &request, on_nothing);
  return future;
}

static void on_paused(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (result->code == 0 && result->status >= 200 && result->status < 300) {
    e2b__future_succeed_number(op->future, 1);
    return;
  }
  e2b_error_t error = e2b__control_error(op, result, E2B_ESANDBOXNOTFOUND);
  if (error.code == E2B_ECONFLICT && strstr(error.detail, "already paused") != NULL) {
    /* When an earlier try got lost on the way back, it was that one which paused it. */
    e2b__future_succeed_number(op->future, result->attempts > 1 && result->maybe_received);
  } else {
    e2b__future_fail(op->future, &error);
  }
}

e2b_future_t *e2b_sandbox_pause_by_id(e2b_client_t *client, const char *sandbox_id) {
  e2b_future_t *future;
  e2b__operation_t *op = about(client, sandbox_id, E2B__KIND_BOOL, "e2b_sandbox_pause", &future);
  if (op == NULL) return future;
  if (client->config.debug) {
    e2b__operation_settle_number(op, 1);
    return future;
  }
  int rc = e2b__control_url(op, "/sandboxes/", sandbox_id, "/pause");
  if (rc == 0) rc = e2b__buffer_printf(&op->body, "{}");
  const e2b__operation_request_t request = {
      .method = "POST", .headers = client->api_headers, .safe = true};
  e2b__operation_send(op, rc, &request, on_paused);
  return future;
}
