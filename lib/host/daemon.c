/* SPDX-License-Identifier: MIT */
#include "host/daemon.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/environment.h"
#include "host/filesystem_service.h"
#include "host/metrics.h"
#include "host/process_service.h"
#include "host/refusal.h"

/* ---- a body that nobody looks at ---- */

typedef struct discarder {
  void (*answer)(e2b__host_request_t *request);
} discarder_t;

static void discard_body(e2b__host_request_t *request, const char *data, size_t len) {
  (void)request;
  (void)data;
  (void)len;
}

static void discard_finish(e2b__host_request_t *request) {
  discarder_t *discarder = request->state;
  if (discarder == NULL)
    e2b__host_answer(request, 500, NULL);
  else
    discarder->answer(request);
}

static const e2b__host_handler_t discard_handler = {
    .begin = discard_finish, .body = discard_body, .finish = discard_finish};

void e2b__host_answer_with(e2b__host_request_t *request,
                           void (*answer)(e2b__host_request_t *request)) {
  discarder_t *discarder = e2b__arena_alloc(&request->arena, sizeof *discarder);
  request->state = discarder;
  request->handler = &discard_handler;
  if (discarder != NULL) discarder->answer = answer;
}

/* ---- small endpoints ---- */

static void answer_no_store(e2b__host_request_t *request, unsigned status, const char *type,
                            const char *data, size_t len) {
  struct MHD_Response *response = e2b__host_response(type, data, len);
  if (response != NULL) MHD_add_response_header(response, "Cache-Control", "no-store");
  e2b__host_answer(request, status, response);
}

static void health(e2b__host_request_t *request) {
  answer_no_store(request, 204, NULL, "", 0);
}

static void envs(e2b__host_request_t *request) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  if (request->sandbox != NULL && e2b__host_environment_json(request->sandbox, &out) == 0 &&
      e2b__buffer_append_str(&out, "\n") == 0)
    answer_no_store(request, 200, "application/json", out.data, out.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&out);
}

static void metrics(e2b__host_request_t *request) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__host_metrics_put_daemon(&w, request->sandbox);
  if (w.rc == 0 && e2b__buffer_append_str(&out, "\n") == 0)
    answer_no_store(request, 200, "application/json", out.data, out.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&out);
}

static void not_allowed(e2b__host_request_t *request) {
  struct MHD_Response *response = e2b__host_response(NULL, "", 0);
  bool files = strcmp(request->path, "/files") == 0;
  bool compose = strcmp(request->path, "/files/compose") == 0;
  if (response != NULL && (files || compose)) MHD_add_response_header(response, "Allow", "POST");
  if (response != NULL && !compose) MHD_add_response_header(response, "Allow", "GET");
  e2b__host_answer(request, 405, response);
}

static void not_found(e2b__host_request_t *request) {
  e2b__host_answer_plain(request, 404, "404 page not found\n");
}

static void unauthorized(e2b__host_request_t *request) {
  e2b__host_answer_error(request, 401,
                         "unauthorized access, please provide a valid access token or method "
                         "signing if supported");
}

static void bad_user(e2b__host_request_t *request) {
  bool as_root;
  const char *name = "";
  e2b__host_acting_user(request, &as_root, &name);
  e2b__host_refuse_user(request, name);
}

static void preflight(e2b__host_request_t *request) {
  struct MHD_Response *response = e2b__host_response(NULL, "", 0);
  const char *method = e2b__host_header(request, "Access-Control-Request-Method");
  const char *headers = e2b__host_header(request, "Access-Control-Request-Headers");
  if (response != NULL) {
    if (method != NULL) MHD_add_response_header(response, "Access-Control-Allow-Methods", method);
    if (headers != NULL) MHD_add_response_header(response, "Access-Control-Allow-Headers", headers);
    MHD_add_response_header(response, "Access-Control-Max-Age", "7200");
    MHD_del_response_header(response, "Vary", "Origin");
    MHD_add_response_header(
        response, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  }
  e2b__host_answer(request, 204, response);
}

/* ---- which is which ---- */

static const struct {
  const char *path;
  const char *method;
  void (*answer)(e2b__host_request_t *request);
} endpoints[] = {{"/health", "GET", health},
                 {"/envs", "GET", envs},
                 {"/metrics", "GET", metrics},
                 {"/files/compose", "POST", NULL},
                 {"/files", "GET", e2b__host_download}};

static const char *const reserved_paths[] = {"/init",   "/freeze",   "/unfreeze", "/fsfreeze",
                                             "/fsthaw", "/collapse", "/upgrade"};

const e2b__host_method_t *e2b__host_connect_method(const char *path) {
  const e2b__host_method_t *lists[] = {e2b__host_process_methods, e2b__host_filesystem_methods};
  for (size_t i = 0; i < E2B__COUNT(lists); i++)
    for (const e2b__host_method_t *method = lists[i]; method->path != NULL; method++)
      if (strcmp(method->path, path) == 0) return method;
  return NULL;
}

/* /files looks at the token, or a signature, itself. */
static bool token_exempt(const e2b__host_request_t *request) {
  if (strcmp(request->path, "/health") == 0) return strcmp(request->method, "GET") == 0;
  if (strcmp(request->path, "/files") != 0) return false;
  return strcmp(request->method, "GET") == 0 || strcmp(request->method, "POST") == 0;
}

static void route_plain(e2b__host_request_t *request) {
  bool known = false;
  if (strcmp(request->method, "POST") == 0) {
    const e2b__host_handler_t *handler =
        strcmp(request->path, "/files") == 0           ? &e2b__host_upload_handler
        : strcmp(request->path, "/files/compose") == 0 ? &e2b__host_compose_handler
                                                       : NULL;
    if (handler != NULL) {
      request->handler = handler;
      return;
    }
  }
  for (size_t i = 0; i < E2B__COUNT(endpoints); i++) {
    if (strcmp(request->path, endpoints[i].path) != 0) continue;
    known = true;
    if (strcmp(request->method, endpoints[i].method) != 0) continue;
    e2b__host_answer_with(request, endpoints[i].answer);
    return;
  }
  e2b__host_answer_with(request, known ? not_allowed : not_found);
}

void e2b__host_daemon_route(e2b__host_request_t *request) {
  const char *token = e2b__host_header(request, "X-Access-Token"), *name;
  const e2b__host_method_t *method = e2b__host_connect_method(request->path);
  bool as_root;

  for (size_t i = 0; i < E2B__COUNT(reserved_paths); i++)
    if (strcmp(request->path, reserved_paths[i]) == 0) {
      e2b__host_refuse_route(request, E2B__REFUSAL_RESERVED);
      return;
    }
  if (strcmp(request->method, "OPTIONS") == 0)
    e2b__host_answer_with(request, preflight);
  else if (request->sandbox->access_token[0] != '\0' && !token_exempt(request) &&
           (token == NULL || !e2b__host_secret_equal(token, request->sandbox->access_token)))
    e2b__host_answer_with(request, unauthorized);
  else if (method != NULL)
    request->handler = e2b__host_connect_handler(method);
  else if (e2b__host_acting_user(request, &as_root, &name) != 0)
    e2b__host_answer_with(request, bad_user);
  else
    route_plain(request);
}
