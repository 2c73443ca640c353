/* SPDX-License-Identifier: MIT */
#include "api/sandbox_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/pairs.h"
#include "proto/json_record.h"
#include "proto/url.h"

static const e2b__record_field_t record_fields[] = {
    E2B__FIELD(TEXT, "sandboxID", e2b__sandbox_record_t, id),
    E2B__FIELD(TEXT, "templateID", e2b__sandbox_record_t, template_id),
    E2B__FIELD(TEXT, "domain", e2b__sandbox_record_t, domain),
    E2B__FIELD(TEXT, "envdVersion", e2b__sandbox_record_t, envd_version),
    E2B__FIELD(TEXT, "envdAccessToken", e2b__sandbox_record_t, access_token),
    E2B__FIELD(TEXT, "trafficAccessToken", e2b__sandbox_record_t, traffic_token),
    E2B__FIELDS_END,
};

/* What `info` holds beside the members as they come. */
typedef struct info_record {
  e2b_sandbox_info_t info;
  const char *on_timeout;
} info_record;

#define INFO(KIND, name, member) E2B__FIELD(KIND, name, info_record, info.member)

static const e2b__record_field_t lifecycle_fields[] = {
    INFO(TOGGLE, "autoResume", auto_resume),
    E2B__FIELD(TEXT, "onTimeout", info_record, on_timeout),
    E2B__FIELDS_END,
};

static const e2b__record_field_t info_fields[] = {
    INFO(TEXT, "sandboxID", id),
    INFO(TEXT, "templateID", template_id),
    INFO(TEXT, "alias", alias),
    INFO(TIME, "startedAt", started_at_ms),
    INFO(TIME, "endAt", end_at_ms),
    INFO(TEXT, "state", status),
    INFO(INT, "cpuCount", cpu_count),
    INFO(INT, "memoryMB", memory_mb),
    INFO(INT, "diskSizeMB", disk_mb),
    INFO(TEXT, "envdVersion", envd_version),
    INFO(TOGGLE, "allowInternetAccess", internet_access),
    INFO(TEXT, "domain", domain),
    E2B__FIELD_PAIRS("metadata", info_record, info.metadata, info.metadata_count),
    E2B__FIELD_NESTED("lifecycle", lifecycle_fields),
    E2B__FIELDS_END,
};

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
  memset(record, 0, sizeof *record);
  const int rc = e2b__record_parse(arena, body, len, record_fields, record);
  return rc == 0 ? check_record(record) : rc;
}

static void complete(const info_record *record, e2b_sandbox_info_t *info) {
  *info = record->info;
  info->provider = "e2b";
  if (*record->on_timeout != '\0') {
    info->pause_on_timeout = strcmp(record->on_timeout, "pause") == 0 ? E2B_ON : E2B_OFF;
  }
  if (strcmp(info->status, "running") == 0) info->state = E2B_SANDBOX_RUNNING;
  if (strcmp(info->status, "paused") == 0) info->state = E2B_SANDBOX_PAUSED;
}

int e2b__sandbox_info_parse(e2b__arena_t *arena, const char *body, size_t len,
                            e2b_sandbox_info_t *info) {
  info_record record;
  memset(&record, 0, sizeof record);
  const int rc = e2b__record_parse(arena, body, len, info_fields, &record);
  if (rc != 0) return rc;
  complete(&record, info);
  return *info->id != '\0' ? 0 : E2B_EPROTOCOL;
}

int e2b__sandbox_infos_parse(e2b__arena_t *arena, const char *body, size_t len,
                             e2b_sandbox_info_t **infos, size_t *count) {
  void *records = NULL;
  *infos = NULL;
  int rc = e2b__records_parse(arena, body, len, info_fields, sizeof(info_record), &records, count);
  if (rc == 0 && *count > 0) {
    *infos = e2b__arena_calloc(arena, *count, sizeof **infos);
    if (*infos == NULL) rc = E2B_ENOMEM;
  }
  for (size_t i = 0; rc == 0 && i < *count; i++) {
    complete((const info_record *)records + i, &(*infos)[i]);
  }
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
  int rc = e2b__pairs_ok(options->metadata, options->metadata_count) ? 0 : E2B_EINVAL;
  char text[32];
  if (rc == 0 && options->metadata_count > 0) {
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
