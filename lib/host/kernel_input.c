/* SPDX-License-Identifier: MIT */
#include "host/kernel.h"
#include "proto/json.h"

/* {"code": "...", "env_vars": {...}} */
static int json_cell(const char *code, const cJSON *env, bool typescript, e2b__buffer_t *out) {
  e2b__json_writer_t w;
  e2b__json_begin(&w, out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "code", code, strlen(code));
  if (typescript) e2b__json_put_bool(&w, "typescript", true);
  e2b__json_open(&w, "env_vars", '{');
  for (const cJSON *item = env != NULL ? env->child : NULL; item != NULL; item = item->next)
    e2b__json_put_string(&w, item->string, item->valuestring, strlen(item->valuestring));
  e2b__json_close(&w, '}');
  e2b__json_close(&w, '}');
  return w.rc != 0 ? w.rc : e2b__buffer_append_str(out, "\n");
}

/* As one word of the shell, whatever is in it. */
static int put_quoted(e2b__buffer_t *out, const char *text) {
  int rc = e2b__buffer_append_str(out, "'");
  while (rc == 0 && *text != '\0') {
    size_t plain = strcspn(text, "'");
    rc = e2b__buffer_append(out, text, plain);
    text += plain;
    if (rc == 0 && *text == '\'') {
      rc = e2b__buffer_append_str(out, "'\\''");
      text++;
    }
  }
  return rc != 0 ? rc : e2b__buffer_append_str(out, "'");
}

/* See kernels/bash.sh. */
static int bash_cell(const char *code, const cJSON *env, e2b__buffer_t *out) {
  int rc = e2b__buffer_append_str(out, "__e2b_code=");
  if (rc == 0) rc = put_quoted(out, code);
  if (rc == 0) rc = e2b__buffer_append_str(out, "\n__e2b_variables");
  for (const cJSON *item = env != NULL ? env->child : NULL; rc == 0 && item != NULL;
       item = item->next) {
    rc = e2b__buffer_append_str(out, " ");
    if (rc == 0) rc = put_quoted(out, item->string);
    if (rc == 0) rc = e2b__buffer_append_str(out, " ");
    if (rc == 0) rc = put_quoted(out, item->valuestring);
  }
  if (rc != 0) return rc;
  return e2b__buffer_append_str(
      out, "\ntrap - INT; __e2b_begin; eval \"$__e2b_code\" </dev/null; __e2b_end $?\n"
           "__e2b_end $?\n");
}

int e2b__host_kernel_cell(e2b__host_kernel_language_t language, const char *code, const cJSON *env,
                          e2b__buffer_t *out) {
  if (language == E2B__KERNEL_BASH) return bash_cell(code, env, out);
  return json_cell(code, env, language == E2B__KERNEL_TYPESCRIPT, out);
}
