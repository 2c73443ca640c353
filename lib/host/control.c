/* SPDX-License-Identifier: MIT */
#include "host/control.h"
#include "host/tls.h"

#include <ctype.h>
#include <stdio.h>

#include "host/daemon.h"
#include "host/waiter.h"

/* ---- answers ---- */

void e2b__host_answer_json(e2b__host_request_t *request, unsigned status, e2b__json_writer_t *w) {
  struct MHD_Response *response = NULL;
  if (w->rc == 0)
    response = e2b__host_response("application/json; charset=utf-8", w->out->data, w->out->len);
  e2b__buffer_free(w->out);
  e2b__host_answer(request, status, response);
}

void e2b__host_answer_sandbox(e2b__host_request_t *request, const e2b__host_sandbox_t *sandbox,
                              unsigned status) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__host_put_sandbox(&w, NULL, sandbox, e2b__host_tls_domain_of(request));
  e2b__host_answer_json(request, status, &w);
}

void e2b__host_answer_no_sandbox(e2b__host_request_t *request, const char *id) {
  e2b__host_answer_error(request, 404,
                         "Sandbox \"%.100s\" doesn't exist or you don't have access to it", id);
}

static void answer_empty(e2b__host_request_t *request, unsigned status) {
  e2b__host_answer(request, status, e2b__host_response(NULL, "", 0));
}

/* ---- one sandbox ---- */

e2b__host_sandbox_t *e2b__host_control_find(e2b__host_request_t *request, const char *id) {
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(request->host, id);
  if (sandbox == NULL) e2b__host_answer_no_sandbox(request, id);
  return sandbox;
}

e2b__host_sandbox_t *e2b__host_control_running(e2b__host_request_t *request, const char *id) {
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  if (sandbox == NULL || sandbox->state == E2B__SANDBOX_RUNNING) return sandbox;
  if (sandbox->state == E2B__SANDBOX_PAUSED)
    e2b__host_answer_no_sandbox(request, id);
  else
    e2b__host_answer_error(request, 409, "Sandbox \"%s\" is being %s", sandbox->id,
                           sandbox->state == E2B__SANDBOX_PAUSING ? "paused" : "resumed");
  return NULL;
}

static void detail(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  (void)body;
  if (sandbox == NULL) return;
  e2b__json_begin(&w, &out);
  e2b__host_put_detail(&w, sandbox, e2b__host_tls_domain_of(request));
  e2b__host_answer_json(request, 200, &w);
}

static void kill_sandbox(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  (void)body;
  if (sandbox == NULL) return;
  e2b__host_sandbox_kill(sandbox, "killed by its client");
  answer_empty(request, 204);
}

bool e2b__host_take_seconds(e2b__host_request_t *request, const cJSON *body, const char *name,
                            int64_t fallback, int64_t *seconds) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, name);
  *seconds = e2b__json_int(body, name, fallback);
  if (item != NULL && !cJSON_IsNumber(item)) {
    e2b__host_answer_error(request, 400, "validation error: \"%s\" must be an integer", name);
    return false;
  }
  if (item == NULL && fallback < 0) {
    e2b__host_answer_error(request, 400, "validation error: property \"%s\" is missing", name);
    return false;
  }
  if (*seconds < 0) {
    e2b__host_answer_error(request, 400, "validation error: \"%s\" must be at least 0", name);
    return false;
  }
  return true;
}

static void set_timeout(e2b__host_request_t *request, const char *id, const cJSON *body) {
  int64_t seconds;
  if (!e2b__host_take_seconds(request, body, "timeout", -1, &seconds)) return;
  if (seconds > E2B__HOST_MAX_LIFE_S) {
    e2b__host_answer_error(request, 400, "Max instance length exceeded");
    return;
  }
  e2b__host_sandbox_t *sandbox = e2b__host_control_running(request, id);
  if (sandbox == NULL) return;
  e2b__host_sandbox_set_end(sandbox, seconds * 1000);
  answer_empty(request, 204);
}

static void refresh(e2b__host_request_t *request, const char *id, const cJSON *body) {
  int64_t seconds;
  if (!e2b__host_take_seconds(request, body, "duration", 0, &seconds)) return;
  if (seconds > 3600) {
    e2b__host_answer_error(request, 400, "validation error: \"duration\" must be at most 3600");
    return;
  }
  e2b__host_sandbox_t *sandbox = e2b__host_control_running(request, id);
  if (sandbox == NULL) return;
  e2b__host_sandbox_extend(sandbox, seconds > 15 ? seconds : 15);
  answer_empty(request, 204);
}

static void not_yet(e2b__host_request_t *request, const char *id, const cJSON *body) {
  (void)id;
  (void)body;
  e2b__host_answer_error(request, 501, "this host does not support %s %s yet", request->method,
                         request->path);
}

/* ---- which is which ---- */

/* `*` stands for one part of the path, the id. */
static const struct {
  const char *method;
  const char *path;
  e2b__host_operation_t *run;
} operations[] = {
    {"POST", "/sandboxes", e2b__host_create_v1},
    {"POST", "/v2/sandboxes", e2b__host_create_v2},
    {"GET", "/sandboxes", e2b__host_list_v1},
    {"GET", "/v2/sandboxes", e2b__host_list_v2},
    {"GET", "/sandboxes/metrics", e2b__host_metrics_of_many},
    {"GET", "/sandboxes/*", detail},
    {"DELETE", "/sandboxes/*", kill_sandbox},
    {"POST", "/sandboxes/*/timeout", set_timeout},
    {"POST", "/sandboxes/*/refreshes", refresh},
    {"POST", "/sandboxes/*/connect", e2b__host_connect},
    {"POST", "/v2/sandboxes/*/connect", e2b__host_connect},
    {"POST", "/sandboxes/*/resume", e2b__host_resume},
    {"POST", "/sandboxes/*/pause", e2b__host_pause},
    {"POST", "/sandboxes/*/fork", e2b__host_fork},
    {"POST", "/sandboxes/*/snapshots", e2b__host_snapshot_make},
    {"PUT", "/sandboxes/*/network", e2b__host_set_network},
    {"GET", "/sandboxes/*/metrics", e2b__host_metrics_of_one},
    {"GET", "/sandboxes/*/logs", e2b__host_logs_v1},
    {"GET", "/v2/sandboxes/*/logs", e2b__host_logs_v2},
    {"GET", "/snapshots", e2b__host_snapshots_list},
    /* A name may have its space before it. */
    {"DELETE", "/templates/tags", not_yet},
    {"DELETE", "/templates/*", e2b__host_snapshot_delete},
    {"DELETE", "/templates/*/*", e2b__host_snapshot_delete},
    {"GET", "/templates/*/tags", e2b__host_snapshot_tags},
    {"GET", "/templates/*/*/tags", e2b__host_snapshot_tags},
    {"GET", "/templates", e2b__host_list_templates},
    {"GET", "/v2/templates", e2b__host_list_templates},
    {"GET", "/templates/aliases/*", e2b__host_template_alias},
};

static const char *const unsupported[] = {
    "/templates", "/v2/templates", "/v3/templates", "/snapshots",     "/volumes",
    "/secrets",   "/teams",        "/api-keys",     "/access-tokens", "/nodes"};

/* Fills `id`, as long as it fits, with what stands for `*`. */
static bool matches(const char *pattern, const char *path, char *id, size_t size) {
  while (*pattern != '\0' && *path != '\0') {
    if (*pattern == '*') {
      size_t len = strcspn(path, "/");
      if (len == 0 || len >= size) return false;
      memcpy(id, path, len);
      id[len] = '\0';
      path += len;
      pattern++;
    } else if (*pattern++ != *path++) {
      return false;
    }
  }
  return *pattern == '\0' && *path == '\0';
}

static e2b__host_operation_t *find(const e2b__host_request_t *request, char *id, size_t size) {
  for (size_t i = 0; i < E2B__COUNT(operations); i++)
    if (strcmp(operations[i].method, request->method) == 0 &&
        matches(operations[i].path, request->path, id, size))
      return operations[i].run;
  for (size_t i = 0; i < E2B__COUNT(unsupported); i++) {
    size_t len = strlen(unsupported[i]);
    if (strncmp(request->path, unsupported[i], len) == 0 &&
        (request->path[len] == '/' || request->path[len] == '\0'))
      return not_yet;
  }
  return NULL;
}

static bool is_sandbox_id(const char *id) {
  size_t len = strcspn(id, "-");
  for (size_t i = 0; i < len; i++)
    if (!isdigit((unsigned char)id[i]) && (id[i] < 'a' || id[i] > 'z')) return false;
  return len > 0;
}

static void no_operation(e2b__host_request_t *request) {
  e2b__host_answer_error(request, 404, "no matching operation was found");
}

static void on_finish(e2b__host_request_t *request) {
  char id[300] = "";
  e2b__host_operation_t *run = find(request, id, sizeof id);
  cJSON *body = NULL;
  if (run == NULL) {
    no_operation(request);
    return;
  }
  if (strstr(request->path, "/sandboxes/") != NULL && id[0] != '\0' && !is_sandbox_id(id)) {
    e2b__host_answer_error(request, 400, "Invalid sandbox ID");
    return;
  }
  if (request->body.len > 0)
    body = e2b__json_parse(request->body.data, request->body.len);
  else
    body = cJSON_CreateObject();
  if (!cJSON_IsObject(body))
    e2b__host_answer_error(request, 400, "validation error: the request body is not a JSON object");
  else
    run(request, id, body);
  cJSON_Delete(body);
}

static void no_key(e2b__host_request_t *request) {
  e2b__host_answer_error(request, 401,
                         "Invalid API key, please visit https://e2b.dev/docs/api-key for more "
                         "information.\n%s",
                         e2b__host_header(request, "X-API-KEY") != NULL
                             ? "the key is not the one this host was started with"
                             : "authorization header is missing: X-API-KEY");
}

/* What needs no key: of a body that anybody may send nothing is kept. */
static void health(e2b__host_request_t *request) {
  static const char text[] = "Health check successful";
  if (strcmp(request->method, "GET") == 0)
    e2b__host_answer_bytes(request, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
  else
    no_operation(request);
}

static const e2b__host_handler_t control_handler = {
    .finish = on_finish, .gone = e2b__host_waiter_gone, .ceiling = E2B__HOST_JSON_CEILING};

static void preflight(e2b__host_request_t *request) {
  struct MHD_Response *response = e2b__host_response(NULL, "", 0);
  const char *headers = e2b__host_header(request, "Access-Control-Request-Headers");
  if (response != NULL) {
    MHD_add_response_header(response, "Access-Control-Allow-Methods",
                            "GET, POST, PUT, PATCH, DELETE");
    if (headers != NULL) MHD_add_response_header(response, "Access-Control-Allow-Headers", headers);
  }
  e2b__host_answer(request, 204, response);
}

void e2b__host_control_route(e2b__host_request_t *request) {
  const char *key = e2b__host_header(request, "X-API-KEY");
  if (strcmp(request->method, "OPTIONS") == 0)
    e2b__host_answer_with(request, preflight);
  else if (strcmp(request->path, "/health") == 0)
    e2b__host_answer_with(request, health);
  else if (key == NULL || !e2b__host_secret_equal(key, request->host->api_key))
    e2b__host_answer_with(request, no_key);
  else
    request->handler = &control_handler;
}
