/* SPDX-License-Identifier: MIT */
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/control.h"

/* How the control plane shows sandboxes and templates. */

/* Nobody tells sandboxes' makers apart; clients want the key. */
#define CLIENT_ID "6532622b"

static void put(e2b__json_writer_t *w, const char *name, const char *value) {
  e2b__json_put_string(w, name, value, strlen(value));
}

static void put_time(e2b__json_writer_t *w, const char *name, int64_t ms) {
  char text[32];
  e2b__rfc3339_from_ms(ms, text);
  put(w, name, text);
}

/* Nesting is what cJSON let through. */
static void put_value(e2b__json_writer_t *w, const char *name, const cJSON *value) {
  if (cJSON_IsString(value))
    put(w, name, value->valuestring);
  else if (cJSON_IsBool(value))
    e2b__json_put_bool(w, name, cJSON_IsTrue(value));
  else if (cJSON_IsNumber(value))
    e2b__json_put_double(w, name, value->valuedouble);
  else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
    bool array = cJSON_IsArray(value);
    e2b__json_open(w, name, array ? '[' : '{');
    for (const cJSON *item = value->child; item != NULL; item = item->next)
      put_value(w, array ? NULL : item->string, item);
    e2b__json_close(w, array ? ']' : '}');
  } else
    e2b__json_put_null(w, name);
}

/* As it was given, but for the password of the proxy. */
static void put_network(e2b__json_writer_t *w, const cJSON *network) {
  e2b__json_open(w, "network", '{');
  for (const cJSON *item = network->child; item != NULL; item = item->next) {
    if (strcmp(item->string, "egressProxy") != 0 || !cJSON_IsObject(item)) {
      put_value(w, item->string, item);
      continue;
    }
    e2b__json_open(w, item->string, '{');
    for (const cJSON *part = item->child; part != NULL; part = part->next)
      if (strcmp(part->string, "password") != 0) put_value(w, part->string, part);
    e2b__json_close(w, '}');
  }
  e2b__json_close(w, '}');
}

/* A sandbox has what the machine has, up to its limits. */
static void put_machine(e2b__json_writer_t *w, const e2b_host_t *host) {
  struct statvfs fs;
  int64_t disk = 0, limit = (int64_t)host->limits.disk_mb;
  int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / (1 << 20);
  if (statvfs(host->state_dir, &fs) == 0)
    disk = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize / (1 << 20);
  if (host->isolation != E2B__ISOLATION_NONE) {
    if (disk > limit) disk = limit;
    if (memory > (int64_t)host->limits.memory_mb) memory = (int64_t)host->limits.memory_mb;
  }
  e2b__json_put_int(w, "cpuCount", sysconf(_SC_NPROCESSORS_ONLN));
  e2b__json_put_int(w, "memoryMB", memory);
  e2b__json_put_int(w, "diskSizeMB", disk);
}

static void put_names(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox) {
  const char *made_from =
      sandbox->snapshot_id != NULL ? sandbox->snapshot_id : sandbox->template->name;
  put(w, "templateID", made_from);
  put(w, "alias", made_from);
  put(w, "sandboxID", sandbox->id);
  put(w, "clientID", CLIENT_ID);
  put(w, "envdVersion", E2B__HOST_ENVD_VERSION);
}

static void put_domain(e2b__json_writer_t *w, const char *domain) {
  if (domain != NULL)
    put(w, "domain", domain);
  else
    e2b__json_put_null(w, "domain");
}

void e2b__host_put_sandbox(e2b__json_writer_t *w, const char *name,
                           const e2b__host_sandbox_t *sandbox, const char *domain) {
  e2b__json_open(w, name, '{');
  put_names(w, sandbox);
  if (sandbox->access_token[0] != '\0') put(w, "envdAccessToken", sandbox->access_token);
  if (sandbox->traffic_token[0] != '\0')
    put(w, "trafficAccessToken", sandbox->traffic_token);
  else
    e2b__json_put_null(w, "trafficAccessToken");
  put_domain(w, domain);
  e2b__json_close(w, '}');
}

static void put_common(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox) {
  put_names(w, sandbox);
  put_time(w, "startedAt", sandbox->started_ms);
  put_time(w, "endAt", sandbox->end_ms);
  put_machine(w, sandbox->host);
  if (sandbox->metadata != NULL) put_value(w, "metadata", sandbox->metadata);
  bool paused = sandbox->state == E2B__SANDBOX_PAUSED || sandbox->state == E2B__SANDBOX_RESUMING;
  put(w, "state", paused ? "paused" : "running");
}

void e2b__host_put_listed(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox) {
  e2b__json_open(w, NULL, '{');
  put_common(w, sandbox);
  e2b__json_close(w, '}');
}

void e2b__host_put_detail(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox,
                          const char *domain) {
  e2b__json_open(w, NULL, '{');
  put_common(w, sandbox);
  if (sandbox->access_token[0] != '\0') put(w, "envdAccessToken", sandbox->access_token);
  if (sandbox->has_allow_internet)
    e2b__json_put_bool(w, "allowInternetAccess", sandbox->allow_internet);
  put_domain(w, domain);
  if (sandbox->network != NULL) put_network(w, sandbox->network);
  e2b__json_open(w, "lifecycle", '{');
  e2b__json_put_bool(w, "autoResume", sandbox->auto_resume);
  put(w, "onTimeout", sandbox->auto_pause ? "pause" : "kill");
  e2b__json_close(w, '}');
  e2b__json_close(w, '}');
}

/* ---- templates ---- */

static void put_template(e2b__json_writer_t *w, const e2b_host_t *host, const char *name) {
  e2b__json_open(w, NULL, '{');
  put(w, "templateID", name);
  put(w, "buildID", "00000000-0000-0000-0000-000000000000");
  put_machine(w, host);
  e2b__json_put_bool(w, "public", true);
  e2b__json_open(w, "aliases", '[');
  put(w, NULL, name);
  e2b__json_close(w, ']');
  e2b__json_open(w, "names", '[');
  put(w, NULL, name);
  e2b__json_close(w, ']');
  put_time(w, "createdAt", 0);
  put_time(w, "updatedAt", 0);
  e2b__json_put_null(w, "createdBy");
  e2b__json_put_null(w, "lastSpawnedAt");
  e2b__json_put_int(w, "spawnCount", 0);
  e2b__json_put_int(w, "buildCount", 1);
  put(w, "envdVersion", E2B__HOST_ENVD_VERSION);
  put(w, "buildStatus", "ready");
  e2b__json_close(w, '}');
}

void e2b__host_list_templates(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  (void)id;
  (void)body;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  put_template(&w, request->host, "base");
  put_template(&w, request->host, "code-interpreter-v1");
  e2b__json_close(&w, ']');
  e2b__host_answer_json(request, 200, &w);
}

void e2b__host_template_alias(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  const e2b__host_template_t *found = e2b__host_template_find(id);
  (void)body;
  if (found == NULL) {
    e2b__host_answer_error(request, 404, "template '%.100s' not found", id);
    return;
  }
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '{');
  put(&w, "templateID", found->name);
  e2b__json_put_bool(&w, "public", true);
  e2b__json_close(&w, '}');
  e2b__host_answer_json(request, 200, &w);
}
