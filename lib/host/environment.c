/* SPDX-License-Identifier: MIT */
#include "host/environment.h"

#include <stdio.h>

#include "host/isolation.h"
#include "proto/json.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct variables {
  e2b__arena_t *arena;
  const char **list;
  size_t count, room;
  bool failed;
} variables_t;

static void set(variables_t *vars, const char *name, size_t name_len, const char *value,
                size_t value_len) {
  if (name_len == 0 || vars->failed) return;
  char *text = e2b__arena_alloc(vars->arena, name_len + value_len + 2);
  if (text == NULL || vars->count == vars->room) {
    vars->failed = true;
    return;
  }
  memcpy(text, name, name_len);
  text[name_len] = '=';
  if (value_len > 0) memcpy(text + name_len + 1, value, value_len);
  text[name_len + 1 + value_len] = '\0';
  for (size_t i = 0; i < vars->count; i++) {
    if (strncmp(vars->list[i], text, name_len + 1) != 0) continue;
    vars->list[i] = text;
    return;
  }
  vars->list[vars->count++] = text;
}

static void set_text(variables_t *vars, const char *name, const char *value) {
  set(vars, name, strlen(name), value, strlen(value));
}

static void set_path(variables_t *vars, const e2b__host_sandbox_t *sandbox) {
  const e2b_host_t *host = sandbox->host;
  char path[4400];
  const char *python = "", *separator = "";
  bool isolated = host->isolation != E2B__ISOLATION_NONE;
  if (sandbox->template->python && host->python_dir != NULL) {
    python = isolated ? E2B__SANDBOX_PYTHON : host->python_dir;
    separator = "/bin:";
  }
  snprintf(path, sizeof path, "%s%s%s%s", python, separator, isolated ? E2B__SANDBOX_BIN ":" : "",
           SYSTEM_PATH);
  set_text(vars, "PATH", path);
}

const char *const *e2b__host_environment(const e2b__host_sandbox_t *sandbox,
                                         const e2b__process_config_t *config, const char *cwd,
                                         bool as_root, e2b__arena_t *arena, size_t *count) {
  variables_t vars = {arena, NULL, 0, 0, false};
  vars.room = 16 + config->envs_count + (size_t)cJSON_GetArraySize(sandbox->env);
  vars.list = e2b__arena_calloc(arena, vars.room, sizeof *vars.list);
  if (vars.list == NULL) return NULL;
  as_root = as_root && sandbox->host->isolation != E2B__ISOLATION_NONE;
  set_path(&vars, sandbox);
  set_text(&vars, "HOME", as_root ? "/root" : sandbox->home);
  set_text(&vars, "USER", as_root ? "root" : "user");
  set_text(&vars, "LOGNAME", as_root ? "root" : "user");
  set_text(&vars, "PWD", cwd);
  set_text(&vars, "E2B_SANDBOX", "true");
  set_text(&vars, "E2B_SANDBOX_ID", sandbox->id);
  set_text(&vars, "E2B_TEMPLATE_ID", sandbox->template->name);
  for (const cJSON *item = sandbox->env != NULL ? sandbox->env->child : NULL; item != NULL;
       item = item->next)
    if (cJSON_IsString(item) && strcmp(item->string, "E2B_SANDBOX") != 0)
      set_text(&vars, item->string, item->valuestring);
  for (size_t i = 0; i < config->envs_count; i++)
    set(&vars, config->envs[i].name.ptr, config->envs[i].name.len, config->envs[i].value.ptr,
        config->envs[i].value.len);
  *count = vars.count;
  return vars.failed ? NULL : vars.list;
}

int e2b__host_environment_json(const e2b__host_sandbox_t *sandbox, e2b__buffer_t *out) {
  e2b__json_writer_t w;
  e2b__json_begin(&w, out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "E2B_SANDBOX", "true", 4);
  e2b__json_put_string(&w, "E2B_SANDBOX_ID", sandbox->id, strlen(sandbox->id));
  e2b__json_put_string(&w, "E2B_TEMPLATE_ID", sandbox->template->name,
                       strlen(sandbox->template->name));
  for (const cJSON *item = sandbox->env != NULL ? sandbox->env->child : NULL; item != NULL;
       item = item->next)
    if (cJSON_IsString(item) && strcmp(item->string, "E2B_SANDBOX") != 0)
      e2b__json_put_string(&w, item->string, item->valuestring, strlen(item->valuestring));
  e2b__json_close(&w, '}');
  return w.rc;
}
