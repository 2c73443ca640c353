/* SPDX-License-Identifier: MIT */
#include "api/control.h"
#include "base/pairs.h"
#include "sandbox/daemon.h"
#include "sandbox/handle.h"

/* Calls that make a handle, and those that take one. */

static void release_sandbox(void *sandbox) {
  e2b_sandbox_release(sandbox);
}

static void succeed(e2b__operation_t *op, const e2b__call_result_t *result,
                    const e2b__sandbox_record_t *record) {
  e2b_sandbox_t *sandbox = e2b__sandbox_new(op->client, record);
  if (sandbox == NULL) {
    e2b__operation_fail_answer(op, result, E2B_ENOMEM, "a sandbox is there", record->id);
  } else {
    E2B__LOG(&op->client->log, E2B_LOG_INFO, "sandbox %s: %s", record->id,
             e2b__future_operation(op->future));
    e2b__future_succeed(op->future, sandbox, release_sandbox);
  }
}

static void on_sandbox(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__control_ok(op, result, (int)op->tag)) return;
  e2b__sandbox_record_t record;
  int rc = e2b__sandbox_record_parse(e2b__future_arena(op->future), result->body, result->body_len,
                                     &record);
  if (rc == 0) {
    succeed(op, result, &record);
  } else {
    e2b__operation_fail_answer(op, result, rc, "the answer describes no sandbox", "");
  }
}

/* In debug mode there is one sandbox, and no control plane to ask. */
static bool settled_by_debug(e2b__operation_t *op) {
  if (!op->client->config.debug) return false;
  const e2b__sandbox_record_t record = {"debug_sandbox_id", "base", "", "99.99.99", "", ""};
  e2b_sandbox_t *sandbox = e2b__sandbox_new(op->client, &record);
  e2b__operation_settle(op, sandbox != NULL ? 0 : E2B_ENOMEM, sandbox, release_sandbox);
  return true;
}

static bool valid_key(const char *key) {
  const size_t len = strlen(key);
  return len >= 1 && len <= 255 && strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Which option cannot be sent; NULL for none. */
static const char *wrong_in(const e2b_create_options *options) {
  if (!e2b__is_text(options->template_id)) return "the template's id is not UTF-8";
  if (!e2b__pairs_are_text(options->metadata, options->metadata_count)) {
    return "metadata without a name or a value, or not UTF-8";
  }
  if (!e2b__pairs_are_text(options->envs, options->envs_count)) {
    return "a variable without a name or a value, or not UTF-8";
  }
  if (options->idempotency_key != NULL && !valid_key(options->idempotency_key)) {
    return "the idempotency key may have 1 to 255 of a to z, 0 to 9 and -";
  }
  return NULL;
}

e2b_future_t *e2b_sandbox_create(e2b_client_t *client, const e2b_create_options *given) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__operation_new(client, E2B__KIND_SANDBOX, "e2b_sandbox_create", &future);
  if (op == NULL || settled_by_debug(op)) return future;
  e2b_create_options options;
  e2b__options_copy(&options, sizeof options, given);
  if (options.template_id == NULL) options.template_id = "code-interpreter-v1";
  const e2b__config_t *config = &client->config;
  const uint64_t timeout_ms =
      options.timeout_ms != 0 ? options.timeout_ms : config->sandbox_timeout_ms;
  const char *wrong = wrong_in(&options);
  int rc = wrong == NULL ? 0 : e2b__operation_refuse(op, wrong);
  const bool keyed = options.idempotency_key != NULL;
  const bool v2 = config->api_v2 || keyed; /* the first version knows no such key */
  if (rc == 0 && keyed) rc = e2b__operation_header(op, "Idempotency-Key", options.idempotency_key);
  if (rc == 0) {
    rc = e2b__control_url(op, v2 ? "/v2/sandboxes" : "/sandboxes", NULL, "");
  }
  if (rc == 0) rc = e2b__sandbox_create_body(&op->body, &options, timeout_ms, v2);
  op->tag = E2B_ENOTFOUND;
  const e2b__operation_request_t request = {.method = "POST",
                                            .headers = client->api_headers,
                                            .safe = keyed,
                                            .timeout_ms = options.request_timeout_ms};
  e2b__operation_send(op, rc, &request, on_sandbox);
  return future;
}

e2b_future_t *e2b_sandbox_connect(e2b_client_t *client, const char *sandbox_id,
                                  const e2b_connect_options *given) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__operation_new(client, E2B__KIND_SANDBOX, "e2b_sandbox_connect", &future);
  if (op == NULL || settled_by_debug(op)) return future;
  e2b_connect_options options;
  e2b__options_copy(&options, sizeof options, given);
  const e2b__config_t *config = &client->config;
  const uint64_t timeout_ms =
      options.timeout_ms != 0 ? options.timeout_ms : config->sandbox_timeout_ms;
  int rc = sandbox_id != NULL && *sandbox_id != '\0'
               ? 0
               : e2b__operation_refuse(op, "there is no sandbox id");
  if (rc == 0) {
    op->subject = e2b__arena_strndup(e2b__future_arena(future), sandbox_id, strlen(sandbox_id));
    if (op->subject == NULL) rc = E2B_ENOMEM;
  }
  if (rc == 0) {
    rc = e2b__control_url(op, config->api_v2 ? "/v2/sandboxes/" : "/sandboxes/", sandbox_id,
                          "/connect");
  }
  if (rc == 0) {
    rc = e2b__buffer_printf(&op->body, "{\"timeout\":%lld}",
                            (long long)e2b__seconds_from_ms(timeout_ms));
  }
  op->tag = E2B_ESANDBOXNOTFOUND;
  /* It only ever prolongs a life, and a second resume finds it running: safe. */
  const e2b__operation_request_t request = {.method = "POST",
                                            .headers = client->api_headers,
                                            .safe = true,
                                            .timeout_ms = options.request_timeout_ms};
  e2b__operation_send(op, rc, &request, on_sandbox);
  return future;
}

e2b_future_t *e2b_sandbox_get_info(e2b_sandbox_t *sandbox) {
  if (sandbox == NULL) return NULL;
  return e2b_sandbox_get_info_by_id(sandbox->client, sandbox->record.id);
}

e2b_future_t *e2b_sandbox_kill(e2b_sandbox_t *sandbox) {
  if (sandbox == NULL) return NULL;
  return e2b_sandbox_kill_by_id(sandbox->client, sandbox->record.id);
}

e2b_future_t *e2b_sandbox_set_timeout(e2b_sandbox_t *sandbox, uint64_t timeout_ms) {
  if (sandbox == NULL) return NULL;
  return e2b_sandbox_set_timeout_by_id(sandbox->client, sandbox->record.id, timeout_ms);
}

e2b_future_t *e2b_sandbox_pause(e2b_sandbox_t *sandbox) {
  if (sandbox == NULL) return NULL;
  return e2b_sandbox_pause_by_id(sandbox->client, sandbox->record.id);
}

static void on_health(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  const int code = e2b__daemon_outcome(op, result, &error);
  if (code == 0 || code == E2B_ESANDBOXGONE) {
    e2b__future_succeed_number(op->future, code == 0);
  } else {
    e2b__future_fail(op->future, &error);
  }
}

e2b_future_t *e2b_sandbox_is_running(e2b_sandbox_t *sandbox) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(sandbox, E2B__KIND_BOOL, "e2b_sandbox_is_running", &future);
  if (op == NULL) return future;
  int rc = e2b__buffer_printf(&op->url, "%s/health", sandbox->daemon_url);
  const e2b__operation_request_t request = {.method = "GET",
                                            .headers = sandbox->shared,
                                            .safe = true,
                                            .no_body = true,
                                            .final_status = 502};
  e2b__operation_send(op, rc, &request, on_health);
  return future;
}
