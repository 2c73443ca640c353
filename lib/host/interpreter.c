/* SPDX-License-Identifier: MIT */
#include "host/interpreter.h"

#include "host/daemon.h"
#include "host/paths.h"
#include "proto/json.h"

/* The interpreter's endpoints: which there are, and the short ones. */

static void answer_json(e2b__host_request_t *request, unsigned status, const char *json) {
  e2b__host_answer_bytes(request, status, "application/json", json, strlen(json));
}

static void health(e2b__host_request_t *request) {
  answer_json(request, 200, "\"OK\"");
}

/* ---- contexts ---- */

/* A request that waits for a kernel. */
static void on_wait_gone(e2b__host_request_t *request) {
  e2b__host_ready_wait_t *wait = request->state;
  if (wait != NULL) e2b__list_remove(&wait->node);
}

static e2b__host_ready_wait_t *wait_new(e2b__host_request_t *request,
                                        void (*done)(e2b__host_ready_wait_t *wait,
                                                     const e2b__host_context_t *context,
                                                     const char *why)) {
  e2b__host_ready_wait_t *wait = e2b__arena_calloc(&request->arena, 1, sizeof *wait);
  if (wait == NULL) {
    e2b__host_interpreter_text(request, 500, "out of memory");
    return NULL;
  }
  wait->request = request;
  wait->done = done;
  e2b__list_init(&wait->node);
  request->state = wait;
  return wait;
}

static void put_context(e2b__json_writer_t *w, const e2b__host_context_t *context) {
  e2b__json_open(w, NULL, '{');
  e2b__json_put_string(w, "id", context->id, strlen(context->id));
  e2b__json_put_string(w, "language", context->language, strlen(context->language));
  e2b__json_put_string(w, "cwd", context->cwd, strlen(context->cwd));
  e2b__json_close(w, '}');
}

static void answer_written(e2b__host_request_t *request, e2b__json_writer_t *w) {
  if (w->rc == 0)
    e2b__host_answer_bytes(request, 200, "application/json", w->out->data, w->out->len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(w->out);
}

static void list(e2b__host_request_t *request) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__host_interpreter_t *interpreter =
      request->sandbox != NULL ? e2b__host_interpreter_of(request->sandbox) : NULL;
  if (interpreter == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (e2b__list_t *node = interpreter->contexts.next; node != &interpreter->contexts;
       node = node->next) {
    const e2b__host_context_t *context = E2B__CONTAINER(node, e2b__host_context_t, node);
    if (context->listed) put_context(&w, context);
  }
  e2b__json_close(&w, ']');
  answer_written(request, &w);
}

static void on_created(e2b__host_ready_wait_t *wait, const e2b__host_context_t *context,
                       const char *why) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  if (why != NULL) {
    e2b__host_interpreter_text(wait->request, 500, "Failed to create context: %s", why);
    return;
  }
  e2b__json_begin(&w, &out);
  put_context(&w, context);
  answer_written(wait->request, &w);
}

static void create(e2b__host_request_t *request) {
  if (request->sandbox == NULL) return;
  cJSON *body = e2b__host_interpreter_body(request, false);
  if (body == NULL) return;
  char name[64];
  const char *asked = e2b__json_string(body, "language", ""), *cwd;
  cwd = e2b__json_string(body, "cwd", "");
  if (*cwd == '\0') cwd = e2b__host_home(request->sandbox, false);
  const e2b__host_language_t *language =
      e2b__host_language_find(*asked != '\0' ? asked : "python", name);
  if (language == NULL) {
    e2b__host_interpreter_no_kernel(request, name);
  } else {
    e2b__host_interpreter_t *interpreter = e2b__host_interpreter_of(request->sandbox);
    e2b__host_ready_wait_t *wait = wait_new(request, on_created);
    e2b__host_context_t *context = interpreter != NULL && wait != NULL
                                       ? e2b__host_context_new(interpreter, language, cwd)
                                       : NULL;
    if (context != NULL)
      e2b__host_context_wait(context, wait);
    else
      e2b__host_interpreter_text(request, 500, "Failed to create context: out of memory");
  }
  cJSON_Delete(body);
}

static void on_restarted(e2b__host_ready_wait_t *wait, const e2b__host_context_t *context,
                         const char *why) {
  if (why == NULL)
    answer_json(wait->request, 200, "null");
  else
    e2b__host_interpreter_text(wait->request, 500, "Failed to restart context %s", context->id);
}

/* The context that the path names, or NULL: answered. */
static e2b__host_context_t *named(e2b__host_request_t *request) {
  e2b__host_interpreter_t *interpreter =
      request->sandbox != NULL ? e2b__host_interpreter_of(request->sandbox) : NULL;
  const char *id = request->path + strlen("/contexts/");
  char *name = e2b__arena_strndup(&request->arena, id, strcspn(id, "/"));
  e2b__host_context_t *context = NULL;
  if (interpreter != NULL && name != NULL) context = e2b__host_context_find(interpreter, name);
  if (context == NULL)
    e2b__host_interpreter_text(request, 404, "Context %s not found", name != NULL ? name : "");
  return context;
}

static void restart(e2b__host_request_t *request) {
  e2b__host_context_t *context = named(request);
  e2b__host_ready_wait_t *wait = context != NULL ? wait_new(request, on_restarted) : NULL;
  if (wait != NULL) e2b__host_context_restart(context, wait);
}

static void remove_context(e2b__host_request_t *request) {
  e2b__host_context_t *context = named(request);
  if (context == NULL) return;
  e2b__host_context_delete(context);
  answer_json(request, 200, "null");
}

static const e2b__host_handler_t create_handler = {
    .finish = create, .gone = on_wait_gone, .ceiling = E2B__HOST_JSON_CEILING};
static const e2b__host_handler_t restart_handler = {
    .finish = restart, .gone = on_wait_gone, .ceiling = E2B__HOST_JSON_CEILING};

/* ---- which is which ---- */

typedef enum endpoint_path {
  PATH_NONE,
  HEALTH,
  EXECUTE,
  CONTEXTS,
  CONTEXT,
  RESTART
} endpoint_path_t;

static const struct {
  endpoint_path_t path;
  const char *method;
  void (*answer)(e2b__host_request_t *request); /* or: */
  const e2b__host_handler_t *handler;
} endpoints[] = {
    {HEALTH, "GET", health, NULL},
    {EXECUTE, "POST", NULL, &e2b__host_execute_handler},
    {CONTEXTS, "POST", NULL, &create_handler},
    {CONTEXTS, "GET", list, NULL},
    {RESTART, "POST", NULL, &restart_handler},
    {CONTEXT, "DELETE", remove_context, NULL},
};

static endpoint_path_t path_of(const char *path, size_t len) {
  static const char below[] = "/contexts/";
  if (len == 7 && memcmp(path, "/health", 7) == 0) return HEALTH;
  if (len == 8 && memcmp(path, "/execute", 8) == 0) return EXECUTE;
  if (len == 9 && memcmp(path, "/contexts", 9) == 0) return CONTEXTS;
  if (len < sizeof below || memcmp(path, below, sizeof below - 1) != 0) return PATH_NONE;
  const char *slash = memchr(path + sizeof below - 1, '/', len - (sizeof below - 1));
  if (slash == NULL) return CONTEXT;
  return path + len - slash == 8 && memcmp(slash, "/restart", 8) == 0 ? RESTART : PATH_NONE;
}

static void not_found(e2b__host_request_t *request) {
  answer_json(request, 404, "{\"detail\":\"Not Found\"}");
}

static void not_allowed(e2b__host_request_t *request) {
  static const char text[] = "{\"detail\":\"Method Not Allowed\"}";
  endpoint_path_t path = path_of(request->path, strlen(request->path));
  struct MHD_Response *response = e2b__host_response("application/json", text, sizeof text - 1);
  for (size_t i = 0; response != NULL && i < E2B__COUNT(endpoints); i++) {
    if (endpoints[i].path != path) continue;
    MHD_add_response_header(response, "Allow", endpoints[i].method);
    break;
  }
  e2b__host_answer(request, 405, response);
}

/* The same path without its last slash is one of ours. */
static void elsewhere(e2b__host_request_t *request) {
  struct MHD_Response *response = e2b__host_response(NULL, "", 0);
  char *path = e2b__arena_strndup(&request->arena, request->path, strlen(request->path) - 1);
  if (response != NULL && path != NULL) MHD_add_response_header(response, "Location", path);
  e2b__host_answer(request, 307, response);
}

static void preflight(e2b__host_request_t *request) {
  struct MHD_Response *response = e2b__host_response("text/plain; charset=utf-8", "OK", 2);
  const char *headers = e2b__host_header(request, "Access-Control-Request-Headers");
  if (response != NULL) {
    MHD_add_response_header(response, "Access-Control-Allow-Methods",
                            "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    if (headers != NULL) MHD_add_response_header(response, "Access-Control-Allow-Headers", headers);
  }
  e2b__host_answer(request, 200, response);
}

void e2b__host_interpreter_route(e2b__host_request_t *request) {
  size_t len = strlen(request->path);
  endpoint_path_t path = path_of(request->path, len);
  if (strcmp(request->method, "OPTIONS") == 0 && e2b__host_header(request, "Origin") != NULL &&
      e2b__host_header(request, "Access-Control-Request-Method") != NULL) {
    e2b__host_answer_with(request, preflight);
    return;
  }
  for (size_t i = 0; i < E2B__COUNT(endpoints); i++) {
    if (endpoints[i].path != path || strcmp(request->method, endpoints[i].method) != 0) continue;
    if (endpoints[i].handler != NULL)
      request->handler = endpoints[i].handler;
    else
      e2b__host_answer_with(request, endpoints[i].answer);
    return;
  }
  if (path != PATH_NONE)
    e2b__host_answer_with(request, not_allowed);
  else if (len > 1 && request->path[len - 1] == '/' && path_of(request->path, len - 1) != PATH_NONE)
    e2b__host_answer_with(request, elsewhere);
  else
    e2b__host_answer_with(request, not_found);
}
