/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "host/control.h"
#include "proto/url.h"

/* GET /sandboxes and /v2/sandboxes: filters and pages. */

enum { MAX_FILTERS = 64, DEFAULT_LIMIT = 100 };

typedef struct filter {
  char *names[MAX_FILTERS]; /* metadata; in the request's arena */
  char *values[MAX_FILTERS];
  size_t count;
  bool running; /* wanted at all */
  bool paused;
  bool ascending;
  bool has_after;
  int64_t after_ms;
  const e2b__host_template_t *template;
  bool no_template; /* a name that is none: nothing matches */
  e2b__host_page_t page;
} filter_t;

static char *unescape(e2b__host_request_t *request, const char *text, size_t len) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  char *copy = NULL;
  if (e2b__url_unescape(&out, text, len, true) == 0)
    copy = e2b__arena_strndup(&request->arena, out.data != NULL ? out.data : "", out.len);
  e2b__buffer_free(&out);
  return copy;
}

/* "k=v&k2=v2": the whole is encoded once more than the query already was, and each part of it once
 * more again. */
static bool parse_metadata(e2b__host_request_t *request, filter_t *filter) {
  const char *text = e2b__host_query(request, "metadata");
  if (text != NULL) {
    text = unescape(request, text, strlen(text));
    if (text == NULL) return false;
  }
  while (text != NULL && *text != '\0') {
    size_t len = strcspn(text, "&"), name = strcspn(text, "=");
    if (name > len) name = len;
    if (filter->count == MAX_FILTERS) return false;
    size_t at = filter->count++;
    filter->names[at] = unescape(request, text, name);
    filter->values[at] = unescape(request, text + name + 1, len > name ? len - name - 1 : 0);
    if (filter->names[at] == NULL || filter->values[at] == NULL) return false;
    text += len;
    if (*text == '&') text++;
  }
  return true;
}

static enum MHD_Result take_state(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value) {
  filter_t *filter = cls;
  (void)kind;
  if (strcmp(name, "state") != 0 || value == NULL) return MHD_YES;
  /* One comma list, or repeated. */
  while (*value != '\0') {
    size_t len = strcspn(value, ",");
    if (len == 7 && memcmp(value, "running", 7) == 0) filter->running = true;
    if (len == 6 && memcmp(value, "paused", 6) == 0) filter->paused = true;
    value += len;
    if (*value == ',') value++;
  }
  return MHD_YES;
}

bool e2b__host_take_page(e2b__host_request_t *request, char order, e2b__host_page_t *page) {
  const char *limit = e2b__host_query(request, "limit");
  const char *token = e2b__host_query(request, "nextToken");
  char *end;
  page->limit = DEFAULT_LIMIT;
  page->from = 0;
  if (limit != NULL) {
    unsigned long number = strtoul(limit, &end, 10);
    if (*limit < '0' || *limit > '9' || *end != '\0' || number < 1 || number > 100) {
      e2b__host_answer_error(request, 400, "validation error: limit must be between 1 and 100");
      return false;
    }
    page->limit = number;
  }
  if (token != NULL && *token != '\0') {
    page->from = strtoull(token + 1, &end, 16);
    if (token[0] != order || *end != '\0' || page->from == 0) {
      e2b__host_answer_error(request, 400, "Invalid next token");
      return false;
    }
  }
  return true;
}

void e2b__host_page_continues(struct MHD_Response *response, char order, uint64_t last) {
  char token[24];
  snprintf(token, sizeof token, "%c%016llx", order, (unsigned long long)last);
  MHD_add_response_header(response, "X-Next-Token", token);
}

static char order_of(const filter_t *filter) {
  return filter->ascending ? 'a' : 'd';
}

static bool parse_filter(e2b__host_request_t *request, filter_t *filter) {
  const char *order = e2b__host_query(request, "order");
  const char *after = e2b__host_query(request, "startedAfter");
  const char *name = e2b__host_query(request, "template");
  memset(filter, 0, sizeof *filter);
  if (!parse_metadata(request, filter)) {
    e2b__host_answer_error(request, 400, "validation error: metadata is malformed");
    return false;
  }
  if (e2b__host_query(request, "state") == NULL)
    filter->running = filter->paused = true;
  else
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, take_state, filter);
  filter->ascending = order != NULL && strcmp(order, "asc") == 0;
  if (after != NULL) {
    int64_t seconds;
    int32_t nanos;
    if (e2b__rfc3339_parse(after, strlen(after), &seconds, &nanos) != 0) {
      e2b__host_answer_error(request, 400, "validation error: startedAfter is not a time");
      return false;
    }
    filter->has_after = true;
    /* Times are shown in milliseconds; one that was not is later than the one shown. */
    filter->after_ms = seconds * 1000 + (nanos + 999999) / 1000000;
  }
  if (name != NULL) {
    filter->template = e2b__host_template_find(name);
    filter->no_template = filter->template == NULL;
  }
  return e2b__host_take_page(request, order_of(filter), &filter->page);
}

static bool passes(const filter_t *filter, const e2b__host_sandbox_t *sandbox) {
  if (filter->no_template) return false;
  switch (sandbox->state) {
  case E2B__SANDBOX_RUNNING:
  case E2B__SANDBOX_PAUSING:
    if (!filter->running) return false;
    break;
  case E2B__SANDBOX_PAUSED:
  case E2B__SANDBOX_RESUMING:
    if (!filter->paused) return false;
    break;
  default: return false;
  }
  if (filter->template != NULL &&
      (sandbox->template != filter->template || sandbox->snapshot_id != NULL))
    return false;
  if (filter->has_after && sandbox->started_ms < filter->after_ms) return false;
  for (size_t i = 0; i < filter->count; i++)
    if (strcmp(e2b__json_string(sandbox->metadata, filter->names[i], ""), filter->values[i]) != 0 ||
        cJSON_GetObjectItemCaseSensitive(sandbox->metadata, filter->names[i]) == NULL)
      return false;
  return true;
}

static void answer_page(e2b__host_request_t *request, const filter_t *filter, bool paged) {
  e2b__buffer_t out = E2B__BUFFER_INIT(64 << 20);
  e2b__json_writer_t w;
  e2b__list_t *all = &request->host->sandboxes;
  size_t total = 0, shown = 0;
  uint64_t last = 0;
  bool more = false;

  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (e2b__list_t *node = filter->ascending ? all->prev : all->next; node != all;
       node = filter->ascending ? node->prev : node->next) {
    const e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (!passes(filter, sandbox)) continue;
    total++;
    uint64_t from = filter->page.from;
    bool before =
        from != 0 && (filter->ascending ? sandbox->serial <= from : sandbox->serial >= from);
    if (before) continue;
    if (paged && shown == filter->page.limit) {
      more = true;
      continue;
    }
    e2b__host_put_listed(&w, sandbox);
    last = sandbox->serial;
    shown++;
  }
  e2b__json_close(&w, ']');
  struct MHD_Response *response =
      w.rc == 0 ? e2b__host_response("application/json; charset=utf-8", out.data, out.len) : NULL;
  if (response != NULL && paged) {
    char text[40];
    snprintf(text, sizeof text, "%zu", total);
    if (filter->running) MHD_add_response_header(response, "X-Total-Running", text);
    if (more) e2b__host_page_continues(response, order_of(filter), last);
  }
  e2b__buffer_free(&out);
  e2b__host_answer(request, 200, response);
}

void e2b__host_list_v1(e2b__host_request_t *request, const char *id, const cJSON *body) {
  filter_t filter;
  (void)id;
  (void)body;
  if (!parse_filter(request, &filter)) return;
  filter.running = true;
  filter.paused = false;
  answer_page(request, &filter, false);
}

void e2b__host_list_v2(e2b__host_request_t *request, const char *id, const cJSON *body) {
  filter_t filter;
  (void)id;
  (void)body;
  if (parse_filter(request, &filter)) answer_page(request, &filter, true);
}
