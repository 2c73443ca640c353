/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "host/interpreter.h"
#include "proto/json.h"
#include "proto/json_scan.h"

/* What the interpreter takes as a body, and how it words a refusal. */

void e2b__host_interpreter_text(e2b__host_request_t *request, unsigned status, const char *fmt,
                                ...) {
  va_list args;
  char text[1024];
  va_start(args, fmt);
  int len = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (len >= (int)sizeof text) len = (int)sizeof text - 1;
  e2b__host_answer_bytes(request, status, "text/plain; charset=utf-8", text, (size_t)len);
}

void e2b__host_interpreter_no_kernel(e2b__host_request_t *request, const char *name) {
  e2b__buffer_t text = E2B__BUFFER_INIT(4096), quoted = E2B__BUFFER_INIT(1024);
  int rc = e2b__json_quote(&quoted, name, strlen(name));
  if (rc == 0) {
    int len = (int)quoted.len - 2;
    rc = e2b__buffer_printf(
        &text,
        "Failed to create context: {\"message\": \"The '%.*s' kernel is not available. Please pick "
        "another suitable kernel instead, or install that kernel.\", \"short_message\": "
        "\"%.*s not found\"}",
        len, quoted.data + 1, len, quoted.data + 1);
  }
  if (rc == 0)
    e2b__host_answer_bytes(request, 500, "text/plain; charset=utf-8", text.data, text.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&text);
  e2b__buffer_free(&quoted);
}

/* ---- 422 ---- */

/* A list of faults as the service words them. */
typedef struct faults {
  e2b__buffer_t out;
  e2b__json_writer_t w;
  size_t count;
} faults_t;

/* `at` and `key` are where below the body, or NULL. `input` NULL: an empty object. */
static void add_fault(faults_t *faults, const char *type, const char *at, const char *key,
                      const char *message, const cJSON *input) {
  e2b__json_writer_t *w = &faults->w;
  char *text = input != NULL ? cJSON_PrintUnformatted(input) : NULL;
  faults->count++;
  e2b__json_open(w, NULL, '{');
  e2b__json_put_string(w, "type", type, strlen(type));
  e2b__json_open(w, "loc", '[');
  e2b__json_put_string(w, NULL, "body", 4);
  if (at != NULL) e2b__json_put_string(w, NULL, at, strlen(at));
  if (key != NULL) e2b__json_put_string(w, NULL, key, strlen(key));
  e2b__json_close(w, ']');
  e2b__json_put_string(w, "msg", message, strlen(message));
  e2b__json_put_raw(w, "input", text != NULL ? text : "{}", text != NULL ? strlen(text) : 2);
  e2b__json_close(w, '}');
  cJSON_free(text);
}

static void faults_begin(faults_t *faults) {
  e2b__buffer_init(&faults->out, E2B__HOST_RPC_CEILING);
  faults->count = 0;
  e2b__json_begin(&faults->w, &faults->out);
  e2b__json_open(&faults->w, NULL, '{');
  e2b__json_open(&faults->w, "detail", '[');
}

static void faults_answer(faults_t *faults, e2b__host_request_t *request) {
  e2b__json_close(&faults->w, ']');
  e2b__json_close(&faults->w, '}');
  if (faults->w.rc == 0)
    e2b__host_answer_bytes(request, 422, "application/json", faults->out.data, faults->out.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&faults->out);
}

/* An optional string: absent and null are the same. */
static void check_string(faults_t *faults, const cJSON *body, const char *name, bool needed) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, name);
  if (item == NULL) {
    if (needed) add_fault(faults, "missing", name, NULL, "Field required", body);
    return;
  }
  if (cJSON_IsString(item) || (cJSON_IsNull(item) && !needed)) return;
  add_fault(faults, "string_type", name, NULL, "Input should be a valid string", item);
}

static void check_variables(faults_t *faults, const cJSON *body) {
  const cJSON *env = cJSON_GetObjectItemCaseSensitive(body, "env_vars");
  if (env == NULL || cJSON_IsNull(env)) return;
  if (!cJSON_IsObject(env)) {
    add_fault(faults, "dict_type", "env_vars", NULL, "Input should be a valid dictionary", env);
    return;
  }
  for (const cJSON *item = env->child; item != NULL; item = item->next)
    if (!cJSON_IsString(item))
      add_fault(faults, "string_type", "env_vars", item->string, "Input should be a valid string",
                item);
}

static void answer_bad_json(e2b__host_request_t *request) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1024);
  e2b__json_scan_t scan;
  e2b__json_scan_init(&scan, request->body.data, request->body.len);
  e2b__json_scan_skip(&scan);
  size_t at = (size_t)(scan.at - scan.start);
  const char *why = "Expecting value";
  if (at > 0 && scan.start[at - 1] == '{')
    why = "Expecting property name enclosed in double quotes";
  int rc = e2b__buffer_printf(&out,
                              "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",%zu],"
                              "\"msg\":\"JSON decode error\",\"input\":{},\"ctx\":{\"error\":"
                              "\"%s\"}}]}",
                              at, why);
  if (rc == 0)
    e2b__host_answer_bytes(request, 422, "application/json", out.data, out.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&out);
}

static bool says_json(const e2b__host_request_t *request) {
  const char *type = e2b__host_header(request, "Content-Type");
  return type == NULL || strncasecmp(type, "application/json", 16) == 0;
}

cJSON *e2b__host_interpreter_body(e2b__host_request_t *request, bool needs_code) {
  static const char wrong[] = "Input should be a valid dictionary or object to extract fields from";
  faults_t faults;
  cJSON *body = NULL;
  if (request->body.len == 0)
    body = cJSON_CreateNull();
  else if (says_json(request))
    body = e2b__json_parse(request->body.data, request->body.len);
  else
    body = cJSON_CreateString(request->body.data);
  if (body == NULL) {
    answer_bad_json(request);
    return NULL;
  }
  faults_begin(&faults);
  if (request->body.len == 0) {
    add_fault(&faults, "missing", NULL, NULL, "Field required", body);
  } else if (!cJSON_IsObject(body)) {
    add_fault(&faults, "model_attributes_type", NULL, NULL, wrong, body);
  } else if (needs_code) {
    check_string(&faults, body, "code", true);
    check_string(&faults, body, "context_id", false);
    check_string(&faults, body, "language", false);
    check_variables(&faults, body);
  } else {
    check_string(&faults, body, "language", false);
    check_string(&faults, body, "cwd", false);
  }
  if (faults.count == 0) {
    e2b__buffer_free(&faults.out);
    return body;
  }
  faults_answer(&faults, request);
  cJSON_Delete(body);
  return NULL;
}
