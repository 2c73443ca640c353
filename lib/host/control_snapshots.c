/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "host/control.h"
#include "host/frozen.h"
#include "host/snapshot.h"
#include "host/waiter.h"

/* Snapshots are made, listed, looked at and removed. */

enum { MAX_NAME = 128 };

typedef struct copy {
  e2b__host_frozen_t frozen;
  e2b__list_t waiters;
  char name[MAX_NAME + 1]; /* "": none */
  char tag[MAX_NAME + 1];
} copy_t;

/* ---- shown ---- */

static void put(e2b__json_writer_t *w, const char *name, const char *value) {
  e2b__json_put_string(w, name, value, strlen(value));
}

static void put_snapshot(e2b__json_writer_t *w, const e2b__host_snapshot_t *snapshot,
                         const e2b__host_build_t *build) {
  char id[2 * MAX_NAME + 40];
  snprintf(id, sizeof id, "%s:%s", snapshot->id, build->tag);
  e2b__json_open(w, NULL, '{');
  put(w, "snapshotID", id);
  e2b__json_open(w, "names", '[');
  if (snapshot->named) put(w, NULL, snapshot->id);
  e2b__json_close(w, ']');
  e2b__json_close(w, '}');
}

/* ---- made ---- */

static void answer_copy(e2b__host_request_t *request, const copy_t *copy,
                        e2b__host_snapshot_t *snapshot) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  if (snapshot == NULL) {
    e2b__host_answer_error(request, 500, "Failed to create snapshot: %s",
                           copy->frozen.rc != 0 && copy->frozen.rc != -ESRCH
                               ? strerror(-copy->frozen.rc)
                               : "the sandbox ended meanwhile");
    return;
  }
  e2b__json_begin(&w, &out);
  put_snapshot(&w, snapshot, E2B__CONTAINER(snapshot->builds.next, e2b__host_build_t, node));
  e2b__host_answer_json(request, 201, &w);
}

static void copy_free(copy_t *copy) {
  e2b__host_frozen_clear(&copy->frozen);
  e2b__free(copy);
}

static void on_copied(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *sandbox) {
  copy_t *copy = E2B__CONTAINER(frozen, copy_t, frozen);
  e2b_host_t *host = frozen->host;
  e2b__host_snapshot_t *snapshot = NULL;
  e2b__host_request_t *request;
  if (sandbox != NULL && frozen->rc == 0) {
    snapshot = e2b__host_snapshot_add(sandbox, copy->name[0] != '\0' ? copy->name : NULL, copy->tag,
                                      frozen->to);
    frozen->to = NULL;
  }
  if (snapshot != NULL)
    E2B__HOST_LOG(host, INFO, "sandbox %s: snapshot %s made", frozen->sandbox_id, snapshot->id);
  if (frozen->rc == 0 && frozen->to != NULL) {
    e2b__host_snapshot_discard(host, frozen->to);
    frozen->to = NULL;
  }
  while ((request = e2b__host_waiter_take(&copy->waiters)) != NULL)
    answer_copy(request, copy, snapshot);
  copy_free(copy);
}

static bool is_name(const char *text, size_t len) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  return len > 0 && len <= MAX_NAME && strspn(text, allowed) >= len;
}

/* "name", "name:tag", with or without its space. False: answered. */
static bool take_name(e2b__host_request_t *request, const cJSON *body, copy_t *copy) {
  const char *text = e2b__json_string(body, "name", NULL);
  strcpy(copy->tag, "default");
  if (text == NULL) return true;
  const char *slash = strchr(text, '/'), *bare = slash != NULL ? slash + 1 : text;
  size_t len = strcspn(bare, ":");
  const char *tag = bare[len] == ':' ? bare + len + 1 : "default";
  if (!is_name(bare, len) || !is_name(tag, strlen(tag))) {
    e2b__host_answer_error(request, 400, "Invalid name: '%.100s'", text);
    return false;
  }
  snprintf(copy->name, sizeof copy->name, "%.*s", (int)len, bare);
  snprintf(copy->tag, sizeof copy->tag, "%s", tag);
  return true;
}

void e2b__host_snapshot_make(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  if (sandbox == NULL) return;
  if (sandbox->state != E2B__SANDBOX_RUNNING) {
    e2b__host_answer_error(request, 409, "Sandbox '%s' is paused or changing; resume it first",
                           sandbox->id);
    return;
  }
  copy_t *copy = e2b__calloc(1, sizeof *copy);
  if (copy == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  e2b__list_init(&copy->waiters);
  if (!take_name(request, body, copy)) {
    copy_free(copy);
  } else if (e2b__host_frozen_begin(&copy->frozen, sandbox, on_copied) != 0) {
    copy_free(copy);
    e2b__host_answer_error(request, 500, "Failed to create snapshot");
  } else {
    e2b__host_wait_in(request, &copy->waiters);
  }
}

/* ---- listed ---- */

void e2b__host_snapshots_list(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  const char *name = e2b__host_query(request, "name");
  const char *of = e2b__host_query(request, "sandboxID");
  e2b__list_t *all = &request->host->snapshots;
  e2b__host_build_t *build = NULL;
  e2b__host_page_t page;
  uint64_t last = 0;
  size_t shown = 0;
  bool more = false;
  (void)id;
  (void)body;
  if (!e2b__host_take_page(request, 'd', &page)) return;
  const e2b__host_snapshot_t *only =
      name != NULL && *name != '\0' ? e2b__host_snapshot_find(request->host, name, &build) : NULL;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    const e2b__host_snapshot_t *snapshot = E2B__CONTAINER(node, e2b__host_snapshot_t, node);
    if (name != NULL && *name != '\0' && (snapshot != only || build == NULL)) continue;
    if (of != NULL && *of != '\0' && strcmp(of, snapshot->sandbox_id) != 0) continue;
    if (page.from != 0 && snapshot->serial >= page.from) continue;
    more = shown == page.limit;
    if (more) break;
    put_snapshot(&w, snapshot,
                 build != NULL ? build
                               : E2B__CONTAINER(snapshot->builds.next, e2b__host_build_t, node));
    last = snapshot->serial;
    shown++;
  }
  e2b__json_close(&w, ']');
  struct MHD_Response *response =
      w.rc == 0 ? e2b__host_response("application/json; charset=utf-8", out.data, out.len) : NULL;
  if (response != NULL && more) e2b__host_page_continues(response, 'd', last);
  e2b__buffer_free(&out);
  e2b__host_answer(request, 200, response);
}

static e2b__host_snapshot_t *need(e2b__host_request_t *request, const char *id) {
  e2b__host_build_t *build;
  e2b__host_snapshot_t *snapshot = e2b__host_snapshot_find(request->host, id, &build);
  if (snapshot != NULL && build != NULL) return snapshot;
  if (e2b__host_template_find(id) != NULL)
    e2b__host_answer_error(request, 501, "this host does not support %s %s yet", request->method,
                           request->path);
  else
    e2b__host_answer_error(request, 404, "template '%.100s' not found", id);
  return NULL;
}

void e2b__host_snapshot_delete(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__host_snapshot_t *snapshot = need(request, id);
  (void)body;
  if (snapshot == NULL) return;
  e2b__host_snapshot_remove(request->host, snapshot);
  e2b__host_answer_bytes(request, 204, NULL, "", 0);
}

void e2b__host_snapshot_tags(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  char time[32];
  e2b__host_snapshot_t *snapshot = need(request, id);
  (void)body;
  if (snapshot == NULL) return;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (e2b__list_t *node = snapshot->builds.next; node != &snapshot->builds; node = node->next) {
    const e2b__host_build_t *build = E2B__CONTAINER(node, e2b__host_build_t, node);
    e2b__rfc3339_from_ms(build->created_ms, time);
    e2b__json_open(&w, NULL, '{');
    put(&w, "tag", build->tag);
    put(&w, "buildID", build->id);
    put(&w, "createdAt", time);
    e2b__json_close(&w, '}');
  }
  e2b__json_close(&w, ']');
  e2b__host_answer_json(request, 200, &w);
}
