/* SPDX-License-Identifier: MIT */
#include "handler/terminal.h"

/* The seven operations on terminals. */

void e2b__terminal_fail_with(e2b__handling_t *h, const char *terminal_id,
                             const e2b_error_t *error) {
  if (error->code == E2B_ENOTFOUND || error->code == E2B_ECLOSED || error->code == E2B_EINVAL) {
    e2b__handling_fail(h, 404, "Terminal with ID %s not found", terminal_id);
  } else {
    e2b__handling_fail_with(h, error);
  }
}

static const char *terminal_id(const e2b__handling_t *h) {
  return e2b__action_text(h, "terminalId");
}

/* A size that JSON says; 0 when it is none. */
static uint16_t size_of(double number) {
  return number >= 1 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

/* --- create -------------------------------------------------------------------------------------
 */

static void on_created(e2b__handling_t *h, e2b_future_t *done) {
  e2b_terminal_t *terminal = e2b_future_terminal(done);
  if (terminal == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  const cJSON *options = cJSON_GetObjectItemCaseSensitive(h->body, "terminalOptions");
  e2b__handling_begin(h);
  e2b__json_open(&h->json, "terminal", '{');
  e2b__handling_put_text(h, "id", e2b_terminal_id(terminal));
  e2b__json_put_int(&h->json, "pid", e2b_terminal_pid(terminal));
  e2b__handling_put_text(h, "command", e2b__json_string(options, "command", "bash"));
  e2b__handling_put_text(h, "status", "running");
  e2b__json_put_int(&h->json, "cols", e2b_terminal_cols(terminal));
  e2b__json_put_int(&h->json, "rows", e2b_terminal_rows(terminal));
  e2b__json_close(&h->json, '}');
  e2b_terminal_release(terminal); /* it lives on without a viewer */
  e2b__handling_done(h);
}

/* {"NAME":"value"} as pairs, in an array of the caller's. -1: answered. */
static int read_envs(e2b__handling_t *h, const cJSON *env, e2b_pair_t **pairs) {
  int count = 0;
  *pairs = NULL;
  if (env == NULL || cJSON_IsNull(env)) return 0;
  if (cJSON_IsObject(env)) {
    *pairs = e2b__calloc((size_t)cJSON_GetArraySize(env) + 1, sizeof **pairs);
  }
  const cJSON *item = *pairs != NULL ? env->child : NULL;
  for (; item != NULL && cJSON_IsString(item); item = item->next) {
    (*pairs)[count].name = item->string;
    (*pairs)[count++].value = item->valuestring;
  }
  if (*pairs != NULL && item == NULL) return count;
  e2b__free(*pairs);
  *pairs = NULL;
  e2b__handling_fail(h, 400, "Field 'terminalOptions.env' must be an object of strings");
  return -1;
}

void e2b__action_terminal_create(e2b__handling_t *h) {
  const cJSON *options = cJSON_GetObjectItemCaseSensitive(h->body, "terminalOptions");
  e2b_pair_t *envs;
  const int envs_count = read_envs(h, cJSON_GetObjectItemCaseSensitive(options, "env"), &envs);
  if (envs_count < 0) return;
  e2b_terminal_options terminal;
  E2B_INIT(&terminal);
  const char *command = e2b__json_string(options, "command", "");
  if (*command != '\0') terminal.program = command;
  terminal.cols = size_of(e2b__json_number(options, "cols", 0));
  terminal.rows = size_of(e2b__json_number(options, "rows", 0));
  const char *cwd = e2b__json_string(options, "cwd", "");
  if (*cwd != '\0') terminal.cwd = cwd;
  terminal.envs = envs;
  terminal.envs_count = (size_t)envs_count;
  e2b_future_t *future = e2b_terminal_create(h->sandbox, &terminal);
  e2b__free(envs);
  e2b__handling_await(h, future, on_created);
}

/* --- list and getById ---------------------------------------------------------------------------
 */

static void put_terminal(e2b__handling_t *h, const char *name, const e2b_terminal_info_t *info) {
  e2b__json_open(&h->json, name, '{');
  e2b__handling_put_text(h, "id", info->id);
  e2b__json_put_int(&h->json, "pid", info->pid);
  e2b__handling_put_text(h, "command", info->program);
  e2b__handling_put_text(h, "status", info->running ? "running" : "exited");
  if (!info->running && info->exit.known) {
    e2b__json_put_int(&h->json, "exitCode", info->exit.exit_code);
  }
  e2b__json_put_int(&h->json, "cols", info->cols);
  e2b__json_put_int(&h->json, "rows", info->rows);
  e2b__json_close(&h->json, '}');
}

static void on_listed(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_terminal_list_t *list = e2b_future_terminal_list(done);
  if (list == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  e2b__handling_begin(h);
  e2b__json_open(&h->json, "terminals", '[');
  for (size_t i = 0; i < list->count; i++) {
    put_terminal(h, NULL, &list->items[i]);
  }
  e2b__json_close(&h->json, ']');
  e2b__handling_done(h);
}

void e2b__action_terminal_list(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_terminal_list(h->sandbox, NULL), on_listed);
}

static void on_listed_for_one(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_terminal_list_t *list = e2b_future_terminal_list(done);
  if (list == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].id, terminal_id(h)) != 0) continue;
    e2b__handling_begin(h);
    put_terminal(h, "terminal", &list->items[i]);
    e2b__handling_done(h);
    return;
  }
  e2b__handling_fail(h, 404, "Terminal with ID %s not found", terminal_id(h));
}

void e2b__action_terminal_get(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_terminal_list(h->sandbox, NULL), on_listed_for_one);
}

/* --- write, resize, kill ------------------------------------------------------------------------
 */

static void after_operation(e2b__handling_t *h, int rc) {
  if (rc == 0) {
    e2b__handling_answer_plain(h);
  } else if (rc == E2B_EAGAIN) {
    e2b__handling_fail(h, 429, "The terminal does not read its input");
  } else {
    e2b__operator_forget(h, terminal_id(h));
    const e2b_error_t error = e2b__error(rc);
    e2b__terminal_fail_with(h, terminal_id(h), &error);
  }
}

static void do_write(e2b__handling_t *h, e2b_terminal_t *terminal) {
  const char *data = e2b__action_text(h, "data");
  after_operation(h, e2b_terminal_write(terminal, data, strlen(data)));
}

void e2b__action_terminal_write(e2b__handling_t *h) {
  e2b__operator_take(h, terminal_id(h), do_write);
}

static void do_resize(e2b__handling_t *h, e2b_terminal_t *terminal) {
  after_operation(h, e2b_terminal_resize(terminal, size_of(e2b__action_number(h, "cols")),
                                         size_of(e2b__action_number(h, "rows"))));
}

void e2b__action_terminal_resize(e2b__handling_t *h) {
  if (size_of(e2b__action_number(h, "cols")) == 0 || size_of(e2b__action_number(h, "rows")) == 0) {
    e2b__handling_fail(h, 400, "Cols and rows must be 1 to 65535");
    return;
  }
  e2b__operator_take(h, terminal_id(h), do_resize);
}

static void on_killed(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_error_t *error = e2b_future_error(done);
  if (error != NULL) {
    e2b__terminal_fail_with(h, terminal_id(h), error);
  } else if (!e2b_future_bool(done)) {
    e2b__handling_fail(h, 404, "Terminal with ID %s not found", terminal_id(h));
  } else {
    e2b__operator_forget(h, terminal_id(h));
    e2b__handling_answer_plain(h);
  }
}

void e2b__action_terminal_kill(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_terminal_kill_by_id(h->sandbox, terminal_id(h), NULL), on_killed);
}
