/* SPDX-License-Identifier: MIT */
#include "api/sandbox_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/url.h"

static const char *keep(e2b__arena_t *arena, const cJSON *object, const char *name, bool *ok) {
  const char *value = e2b__json_string(object, name, "");
  if (*value == '\0') return "";
  const char *copy = e2b__arena_strndup(arena, value, strlen(value));
  if (copy == NULL) *ok = false;
  return copy;
}

/* What becomes a host name or a header line has to be fit for it: nothing that a server says is to
 * end a line or to lead to another host. */
static int check_record(const e2b__sandbox_record_t *record) {
  if (*record->id == '\0' || strpbrk(record->access_token, "\r\n") != NULL ||
      strpbrk(record->id, "/?#") != NULL || strpbrk(record->domain, "/?#") != NULL) {
    return E2B_EPROTOCOL;
  }
  char *text =
      e2b__format("https://%s.%s", record->id, *record->domain != '\0' ? record->domain : "domain");
  if (text == NULL) return E2B_ENOMEM;
  e2b__url_t url;
  const int rc = e2b__url_parse(text, &url);
  e2b__free(text);
  e2b__url_free(&url);
  return rc == E2B_EINVAL ? E2B_EPROTOCOL : rc;
}

int e2b__sandbox_record_parse(e2b__arena_t *arena, const char *body, size_t len,
                              e2b__sandbox_record_t *record) {
  cJSON *json = e2b__json_parse(body, len);
  if (!cJSON_IsObject(json)) {
    cJSON_Delete(json);
    return E2B_EPROTOCOL;
  }
  bool ok = true;
  record->id = keep(arena, json, "sandboxID", &ok);
  record->template_id = keep(arena, json, "templateID", &ok);
  record->domain = keep(arena, json, "domain", &ok);
  record->envd_version = keep(arena, json, "envdVersion", &ok);
  record->access_token = keep(arena, json, "envdAccessToken", &ok);
  record->traffic_token = keep(arena, json, "trafficAccessToken", &ok);
  cJSON_Delete(json);
  return ok ? check_record(record) : E2B_ENOMEM;
}

static e2b_pair_t *pairs(e2b__arena_t *arena, const cJSON *object, size_t *count, bool *ok) {
  *count = 0;
  if (!cJSON_IsObject(object) || object->child == NULL) return NULL;
  e2b_pair_t *list =
      e2b__arena_calloc(arena, (size_t)cJSON_GetArraySize(object), sizeof(e2b_pair_t));
  if (list == NULL) *ok = false;
  const cJSON *member;
  cJSON_ArrayForEach(member, object) {
    if (list == NULL || !cJSON_IsString(member)) continue;
    e2b_pair_t *pair = &list[*count];
    pair->name = e2b__arena_strndup(arena, member->string, strlen(member->string));
    pair->value = e2b__arena_strndup(arena, member->valuestring, strlen(member->valuestring));
    if (pair->name == NULL || pair->value == NULL) *ok = false;
    (*count)++;
  }
  return list;
}

static e2b_toggle_t toggle(const cJSON *object, const char *name) {
  const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
  return cJSON_IsTrue(member) ? E2B_ON : cJSON_IsFalse(member) ? E2B_OFF : E2B_DEFAULT;
}

static bool read_info(e2b__arena_t *arena, const cJSON *json, e2b_sandbox_info_t *info) {
  bool ok = true;
  memset(info, 0, sizeof *info);
  info->id = keep(arena, json, "sandboxID", &ok);
  info->provider = "e2b";
  info->status = keep(arena, json, "state", &ok);
  info->template_id = keep(arena, json, "templateID", &ok);
  info->alias = keep(arena, json, "alias", &ok);
  info->started_at_ms = e2b__json_time_ms(json, "startedAt", 0);
  info->end_at_ms = e2b__json_time_ms(json, "endAt", 0);
  info->cpu_count = e2b__json_int(json, "cpuCount", 0);
  info->memory_mb = e2b__json_int(json, "memoryMB", 0);
  info->disk_mb = e2b__json_int(json, "diskSizeMB", 0);
  info->envd_version = keep(arena, json, "envdVersion", &ok);
  info->domain = keep(arena, json, "domain", &ok);
  info->internet_access = toggle(json, "allowInternetAccess");
  const cJSON *lifecycle = cJSON_GetObjectItemCaseSensitive(json, "lifecycle");
  info->auto_resume = toggle(lifecycle, "autoResume");
  const char *on_timeout = e2b__json_string(lifecycle, "onTimeout", "");
  if (*on_timeout != '\0') {
    info->pause_on_timeout = strcmp(on_timeout, "pause") == 0 ? E2B_ON : E2B_OFF;
  }
  info->metadata =
      pairs(arena, cJSON_GetObjectItemCaseSensitive(json, "metadata"), &info->metadata_count, &ok);
  if (ok && strcmp(info->status, "running") == 0) info->state = E2B_SANDBOX_RUNNING;
  if (ok && strcmp(info->status, "paused") == 0) info->state = E2B_SANDBOX_PAUSED;
  return ok;
}

int e2b__sandbox_info_parse(e2b__arena_t *arena, const char *body, size_t len,
                            e2b_sandbox_info_t *info) {
  cJSON *json = e2b__json_parse(body, len);
  int rc = cJSON_IsObject(json) ? 0 : E2B_EPROTOCOL;
  if (rc == 0 && !read_info(arena, json, info)) rc = E2B_ENOMEM;
  if (rc == 0 && *info->id == '\0') rc = E2B_EPROTOCOL;
  cJSON_Delete(json);
  return rc;
}

int e2b__sandbox_infos_parse(e2b__arena_t *arena, const char *body, size_t len,
                             e2b_sandbox_info_t **infos, size_t *count) {
  cJSON *json = e2b__json_parse(body, len);
  int rc = cJSON_IsArray(json) ? 0 : E2B_EPROTOCOL;
  *count = 0;
  *infos = NULL;
  if (rc == 0 && json->child != NULL) {
    *infos = e2b__arena_calloc(arena, (size_t)cJSON_GetArraySize(json), sizeof **infos);
    if (*infos == NULL) rc = E2B_ENOMEM;
  }
  const cJSON *item;
  if (rc == 0) {
    cJSON_ArrayForEach(item, json) {
      if (!read_info(arena, item, &(*infos)[*count])) rc = E2B_ENOMEM;
      (*count)++;
    }
  }
  cJSON_Delete(json);
  return rc;
}

int64_t e2b__seconds_from_ms(uint64_t ms) {
  const uint64_t seconds = ms / 1000 + (ms % 1000 != 0);
  return seconds > INT32_MAX ? INT32_MAX : (int64_t)seconds; /* int32 on the wire */
}

static void put_pairs(e2b__json_writer_t *w, const char *name, const e2b_pair_t *list,
                      size_t count) {
  if (count == 0) return;
  e2b__json_open(w, name, '{');
  for (size_t i = 0; i < count; i++) {
    e2b__json_put_string(w, list[i].name, list[i].value, strlen(list[i].value));
  }
  e2b__json_close(w, '}');
}

int e2b__sandbox_create_body(e2b__buffer_t *out, const e2b_create_options *options,
                             uint64_t timeout_ms, bool v2) {
  e2b__json_writer_t w;
  e2b__json_begin(&w, out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "templateID", options->template_id, strlen(options->template_id));
  e2b__json_put_int(&w, "timeout", e2b__seconds_from_ms(timeout_ms));
  if (!v2) e2b__json_put_bool(&w, "secure", options->secure != E2B_OFF);
  if (!v2 || options->internet_access != E2B_DEFAULT) {
    e2b__json_put_bool(&w, "allow_internet_access", options->internet_access != E2B_OFF);
  }
  if (options->pause_on_timeout != E2B_DEFAULT) {
    e2b__json_put_bool(&w, "autoPause", options->pause_on_timeout == E2B_ON);
  }
  if (options->auto_resume != E2B_DEFAULT) {
    e2b__json_open(&w, "autoResume", '{');
    e2b__json_put_bool(&w, "enabled", options->auto_resume == E2B_ON);
    e2b__json_close(&w, '}');
  }
  put_pairs(&w, "metadata", options->metadata, options->metadata_count);
  put_pairs(&w, "envVars", options->envs, options->envs_count);
  e2b__json_close(&w, '}');
  return w.rc;
}

/* The server decodes the query, then the whole filter, then each key and value. */
static int metadata_filter(e2b__buffer_t *filter, const e2b_list_options *options) {
  e2b__buffer_t once = E2B__BUFFER_INIT(SIZE_MAX / 8);
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < options->metadata_count; i++) {
    const char *parts[] = {options->metadata[i].name, options->metadata[i].value};
    for (size_t k = 0; rc == 0 && k < 2; k++) {
      if (parts[k] == NULL) {
        rc = E2B_EINVAL;
        break;
      }
      e2b__buffer_clear(&once);
      rc = e2b__url_escape(&once, parts[k], strlen(parts[k]));
      if (rc == 0 && k == 0 && i > 0) rc = e2b__buffer_append_str(filter, "&");
      if (rc == 0 && k == 1) rc = e2b__buffer_append_str(filter, "=");
      if (rc == 0) rc = e2b__url_escape(filter, once.data != NULL ? once.data : "", once.len);
    }
  }
  e2b__buffer_free(&once);
  return rc;
}

int e2b__sandbox_list_query(e2b__buffer_t *url, const e2b_list_options *options) {
  unsigned count = 0;
  int rc = 0;
  char text[32];
  if (options->metadata_count > 0) {
    e2b__buffer_t filter = E2B__BUFFER_INIT(SIZE_MAX / 8);
    rc = metadata_filter(&filter, options);
    if (rc == 0) rc = e2b__url_query(url, &count, "metadata", filter.data);
    e2b__buffer_free(&filter);
  }
  if (rc == 0 && options->states != 0) {
    const char *states = options->states == E2B_LIST_RUNNING  ? "running"
                         : options->states == E2B_LIST_PAUSED ? "paused"
                                                              : "running,paused";
    rc = e2b__url_query(url, &count, "state", states);
  }
  if (rc == 0 && options->limit != 0) {
    snprintf(text, sizeof text, "%u", options->limit);
    rc = e2b__url_query(url, &count, "limit", text);
  }
  if (rc == 0 && options->next_token != NULL) {
    rc = e2b__url_query(url, &count, "nextToken", options->next_token);
  }
  if (rc == 0 && options->template_id != NULL) {
    rc = e2b__url_query(url, &count, "template", options->template_id);
  }
  if (rc == 0 && options->started_after_ms != 0) {
    e2b__rfc3339_from_ms(options->started_after_ms, text);
    rc = e2b__url_query(url, &count, "startedAfter", text);
  }
  if (rc == 0 && options->oldest_first == E2B_ON) {
    rc = e2b__url_query(url, &count, "order", "asc");
  }
  return rc;
}
