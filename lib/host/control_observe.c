/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "host/control.h"
#include "host/gateway.h"
#include "host/metrics.h"

/* What is known of a sandbox besides itself: its use of the machine, its logs, its network. */

/* ---- metrics ---- */

/* False: answered. */
static bool take_time(e2b__host_request_t *request, const char *name, int64_t *seconds) {
  const char *text = e2b__host_query(request, name);
  char *end;
  if (text == NULL || *text == '\0') return true;
  *seconds = strtoll(text, &end, 10);
  if (*end == '\0') return true;
  e2b__host_answer_error(request, 400, "validation error: \"%s\" must be an integer", name);
  return false;
}

void e2b__host_metrics_of_one(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  int64_t from = 0, to = INT64_MAX;
  (void)body;
  if (!take_time(request, "start", &from) || !take_time(request, "end", &to)) return;
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  if (sandbox == NULL) return;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  e2b__host_metrics_put(&w, sandbox, from, to);
  e2b__json_close(&w, ']');
  e2b__host_answer_json(request, 200, &w);
}

typedef struct listing {
  e2b_host_t *host;
  e2b__json_writer_t *w;
} listing_t;

/* One comma list, or repeated. */
static enum MHD_Result put_listed(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value) {
  listing_t *listing = cls;
  char id[64];
  (void)kind;
  if (strcmp(name, "sandbox_ids") != 0 || value == NULL) return MHD_YES;
  while (*value != '\0') {
    size_t len = strcspn(value, ",");
    snprintf(id, sizeof id, "%.*s", (int)(len < sizeof id ? len : sizeof id - 1), value);
    e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(listing->host, id);
    if (sandbox != NULL) e2b__host_metrics_put_last(listing->w, sandbox);
    value += len;
    if (*value == ',') value++;
  }
  return MHD_YES;
}

void e2b__host_metrics_of_many(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  listing_t listing = {request->host, &w};
  (void)id;
  (void)body;
  if (e2b__host_query(request, "sandbox_ids") == NULL) {
    e2b__host_answer_error(request, 400, "validation error: \"sandbox_ids\" is missing");
    return;
  }
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_open(&w, "sandboxes", '{');
  MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, put_listed, &listing);
  e2b__json_close(&w, '}');
  e2b__json_close(&w, '}');
  e2b__host_answer_json(request, 200, &w);
}

/* ---- logs: this host keeps none ---- */

static void answer_logs(e2b__host_request_t *request, const char *id, const char *empty) {
  if (e2b__host_control_find(request, id) == NULL) return;
  e2b__host_answer_bytes(request, 200, "application/json; charset=utf-8", empty, strlen(empty));
}

void e2b__host_logs_v1(e2b__host_request_t *request, const char *id, const cJSON *body) {
  (void)body;
  answer_logs(request, id, "{\"logs\":[],\"logEntries\":[]}");
}

void e2b__host_logs_v2(e2b__host_request_t *request, const char *id, const cJSON *body) {
  (void)body;
  answer_logs(request, id, "{\"logs\":[]}");
}

/* ---- the network ---- */

/* What only the call that creates a sandbox can set stays as it is. */
static cJSON *replaced_network(const cJSON *old, const cJSON *body) {
  static const char *const fixed[] = {"allowPublicTraffic", "maskRequestHost"};
  cJSON *network = cJSON_Duplicate(body, 1);
  if (network == NULL) return NULL;
  cJSON_DeleteItemFromObjectCaseSensitive(network, "allow_internet_access");
  for (size_t i = 0; i < E2B__COUNT(fixed); i++) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(old, fixed[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(network, fixed[i]);
    cJSON *copy = item != NULL ? cJSON_Duplicate(item, 1) : NULL;
    if (item != NULL && (copy == NULL || !cJSON_AddItemToObject(network, fixed[i], copy))) {
      cJSON_Delete(copy);
      cJSON_Delete(network);
      return NULL;
    }
  }
  return network;
}

void e2b__host_set_network(e2b__host_request_t *request, const char *id, const cJSON *body) {
  const cJSON *internet = cJSON_GetObjectItemCaseSensitive(body, "allow_internet_access");
  e2b__host_sandbox_t *sandbox = e2b__host_control_running(request, id);
  if (sandbox == NULL) return;
  cJSON *network = replaced_network(sandbox->network, body);
  if (network == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  cJSON_Delete(sandbox->network);
  sandbox->network = network;
  if (cJSON_IsBool(internet)) {
    sandbox->has_allow_internet = true;
    sandbox->allow_internet = cJSON_IsTrue(internet);
  }
  e2b__host_gateway_apply(sandbox);
  e2b__host_answer_bytes(request, 204, NULL, "", 0);
}
