/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "host/control.h"
#include "host/snapshot.h"
#include "host/waiter.h"

/* POST /sandboxes and /v2/sandboxes. */

enum { DEFAULT_V1_S = 15, DEFAULT_V2_S = 300 };

/* A client may be gone; then its sandbox lives its time all the same, as a client that lost only
 * its connection expects. */
static void on_ready(e2b__host_sandbox_t *sandbox, bool ok, void *data) {
  (void)data;
  e2b__host_waiters_answer(sandbox, E2B__WAIT_CREATE, ok);
}

/* ---- one create, sent again ---- */

enum { MAX_KEY = 255 };

/* False: answered, by the sandbox that an earlier call with the same key made or is making. */
static bool first_of_its_key(e2b__host_request_t *request) {
  const char *key = e2b__host_header(request, "Idempotency-Key");
  e2b__list_t *all = &request->host->sandboxes;
  if (key == NULL) return true;
  size_t len = strlen(key);
  if (len == 0 || len > MAX_KEY || strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
    e2b__host_answer_error(request, 400,
                           "validation error: Idempotency-Key must be 1 to 255 of a-z, 0-9, '-'");
    return false;
  }
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (sandbox->state == E2B__SANDBOX_ENDING || sandbox->create_key == NULL ||
        strcmp(sandbox->create_key, key) != 0)
      continue;
    if (sandbox->state == E2B__SANDBOX_STARTING)
      e2b__host_wait(request, sandbox, E2B__WAIT_CREATE);
    else
      e2b__host_answer_sandbox(request, sandbox, 201);
    return false;
  }
  return true;
}

/* An object of strings, or nothing. */
static bool is_string_map(const cJSON *map) {
  if (map == NULL || cJSON_IsNull(map)) return true;
  if (!cJSON_IsObject(map)) return false;
  for (const cJSON *item = map->child; item != NULL; item = item->next)
    if (!cJSON_IsString(item)) return false;
  return true;
}

/* False: answered. */
static bool check_shape(e2b__host_request_t *request, const cJSON *body) {
  static const char *const maps[] = {"metadata", "envVars"};
  const cJSON *timeout = cJSON_GetObjectItemCaseSensitive(body, "timeout");
  for (size_t i = 0; i < E2B__COUNT(maps); i++)
    if (!is_string_map(cJSON_GetObjectItemCaseSensitive(body, maps[i]))) {
      e2b__host_answer_error(request, 400, "validation error: \"%s\" must map strings to strings",
                             maps[i]);
      return false;
    }
  if (e2b__json_string(body, "templateID", NULL) == NULL) {
    e2b__host_answer_error(request, 400, "validation error: property \"templateID\" is missing");
    return false;
  }
  if (timeout != NULL && !cJSON_IsNumber(timeout)) {
    e2b__host_answer_error(request, 400, "validation error: \"timeout\" must be an integer");
    return false;
  }
  return true;
}

static bool check_pause(e2b__host_request_t *request, const cJSON *body) {
  const cJSON *resume = cJSON_GetObjectItemCaseSensitive(body, "autoResume");
  bool keep_memory = e2b__json_bool(body, "autoPauseMemory", true);
  if (keep_memory) return true;
  if (!e2b__json_bool(body, "autoPause", false)) {
    e2b__host_answer_error(request, 400, "autoPauseMemory=false requires autoPause");
    return false;
  }
  if (e2b__json_bool(resume, "enabled", false)) {
    e2b__host_answer_error(request, 400, "autoPauseMemory=false excludes autoResume");
    return false;
  }
  return true;
}

/* What the host cannot do is refused, not dropped: nobody shall think it was done. */
static bool check_supported(e2b__host_request_t *request, const cJSON *body) {
  static const char *const later[] = {"iam", "volumeMounts"};
  for (size_t i = 0; i < E2B__COUNT(later); i++) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, later[i]);
    if (item == NULL || item->child == NULL) continue;
    e2b__host_answer_error(request, 501, "this host does not support \"%s\" yet", later[i]);
    return false;
  }
  return true;
}

static bool check_timeout(e2b__host_request_t *request, int64_t seconds) {
  if (seconds <= 0)
    e2b__host_answer_error(request, 400, "Timeout must be greater than 0");
  else if (seconds > E2B__HOST_MAX_LIFE_S)
    e2b__host_answer_error(request, 400, "Timeout cannot be greater than 24 hours");
  else
    return true;
  return false;
}

static bool check_template(e2b__host_request_t *request, const cJSON *body,
                           e2b__host_sandbox_spec_t *spec) {
  const char *name = e2b__json_string(body, "templateID", "");
  char base[200];
  e2b__host_build_t *build;
  spec->template = e2b__host_template_find(name);
  if (spec->template != NULL) return true;
  e2b__host_snapshot_t *snapshot = e2b__host_snapshot_find(request->host, name, &build);
  if (build != NULL) {
    spec->template = snapshot->template;
    spec->snapshot_id = snapshot->id;
    spec->snapshot_dir = build->dir;
    spec->snapshot_build = build;
    return true;
  }
  snprintf(base, sizeof base, "%.*s", (int)strcspn(name, ":"), name);
  if (snapshot != NULL || e2b__host_template_find(base) != NULL)
    e2b__host_answer_error(request, 404, "tag '%.100s' does not exist for template '%.100s'",
                           name + strlen(base) + 1, base);
  else
    e2b__host_answer_error(request, 404, "template '%.100s' not found", name);
  return false;
}

static bool take_network(e2b__host_request_t *request, const cJSON *body,
                         e2b__host_sandbox_spec_t *spec) {
  const cJSON *network = cJSON_GetObjectItemCaseSensitive(body, "network");
  spec->private_traffic = !e2b__json_bool(network, "allowPublicTraffic", true);
  if (spec->private_traffic && !spec->secure) {
    e2b__host_answer_error(request, 400,
                           "You cannot create a sandbox without public access unless you enable "
                           "secure envd access via 'secure' flag.");
    return false;
  }
  const cJSON *internet = cJSON_GetObjectItemCaseSensitive(body, "allow_internet_access");
  spec->has_allow_internet = cJSON_IsBool(internet);
  spec->allow_internet = !cJSON_IsFalse(internet);
  return true;
}

static cJSON *copy_object(const cJSON *body, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, name);
  return cJSON_IsObject(item) ? cJSON_Duplicate(item, 1) : NULL;
}

static void create(e2b__host_request_t *request, const cJSON *body, bool v2) {
  e2b__host_sandbox_spec_t spec;
  e2b_host_t *host = request->host;

  memset(&spec, 0, sizeof spec);
  if (!check_shape(request, body)) return;
  spec.timeout_s = e2b__json_int(body, "timeout", v2 ? DEFAULT_V2_S : DEFAULT_V1_S);
  spec.secure = v2 || e2b__json_bool(body, "secure", false);
  if (!check_timeout(request, spec.timeout_s) || !check_pause(request, body) ||
      !take_network(request, body, &spec) || !check_supported(request, body) ||
      !check_template(request, body, &spec))
    return;
  if (!first_of_its_key(request)) return;
  if (host->closing || host->sandbox_count >= host->max_sandboxes) {
    e2b__host_answer_error(request, 429,
                           "you have reached the maximum number of concurrent E2B sandboxes (%zu). "
                           "If you need more, start e2b-host with a higher --max-sandboxes",
                           host->max_sandboxes);
    return;
  }
  spec.metadata = copy_object(body, "metadata");
  spec.env = copy_object(body, "envVars");
  spec.network = copy_object(body, "network");
  spec.auto_pause = e2b__json_bool(body, "autoPause", false);
  spec.pause_memory = e2b__json_bool(body, "autoPauseMemory", true);
  spec.auto_resume =
      e2b__json_bool(cJSON_GetObjectItemCaseSensitive(body, "autoResume"), "enabled", false);
  spec.create_key = e2b__host_header(request, "Idempotency-Key");
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_create(host, &spec, on_ready, NULL);
  if (sandbox != NULL) {
    e2b__host_wait(request, sandbox, E2B__WAIT_CREATE);
    return;
  }
  cJSON_Delete(spec.metadata);
  cJSON_Delete(spec.env);
  cJSON_Delete(spec.network);
  e2b__host_answer_error(request, 500, "Failed to create sandbox");
}

void e2b__host_create_v1(e2b__host_request_t *request, const char *id, const cJSON *body) {
  (void)id;
  create(request, body, false);
}

void e2b__host_create_v2(e2b__host_request_t *request, const char *id, const cJSON *body) {
  (void)id;
  create(request, body, true);
}
