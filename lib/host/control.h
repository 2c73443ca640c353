/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_CONTROL_H
#define E2B_LIB_HOST_CONTROL_H

#include "host/request.h"
#include "host/sandbox.h"
#include "proto/json.h"

/* The control plane: sandboxes come, are looked at, and go. */

void e2b__host_control_route(e2b__host_request_t *request);

enum { E2B__HOST_MAX_LIFE_S = 24 * 3600 };

/* One operation. `id`: the sandbox's id (or a template's name) of the path; `body`: an object,
 * empty when the request had none. */
typedef void e2b__host_operation_t(e2b__host_request_t *request, const char *id, const cJSON *body);

/* control_create.c */
e2b__host_operation_t e2b__host_create_v1, e2b__host_create_v2;
/* control_pause.c */
e2b__host_operation_t e2b__host_pause, e2b__host_resume, e2b__host_connect;
/* control_observe.c */
e2b__host_operation_t e2b__host_metrics_of_one, e2b__host_metrics_of_many, e2b__host_logs_v1,
    e2b__host_logs_v2, e2b__host_set_network;
/* control_snapshots.c */
e2b__host_operation_t e2b__host_snapshot_make, e2b__host_snapshots_list, e2b__host_snapshot_delete,
    e2b__host_snapshot_tags;
/* control_fork.c */
e2b__host_operation_t e2b__host_fork;
/* control_list.c */
e2b__host_operation_t e2b__host_list_v1, e2b__host_list_v2;
/* One page of a list whose items have serials. The token of the next page names the order ('a' or
 * 'd', of the caller's choice) and the last serial of this one. */
typedef struct e2b__host_page {
  size_t limit;
  uint64_t from; /* the serial that the page before ended with; 0: this is the first */
} e2b__host_page_t;
/* The query's limit and nextToken; false: answered. */
bool e2b__host_take_page(e2b__host_request_t *request, char order, e2b__host_page_t *page);
void e2b__host_page_continues(struct MHD_Response *response, char order, uint64_t last);
/* control_views.c: how sandboxes and templates are shown */
/* `domain` NULL: the client knows it; any other than the client's own would lead it astray */
void e2b__host_put_sandbox(e2b__json_writer_t *w, const char *name,
                           const e2b__host_sandbox_t *sandbox, const char *domain);
void e2b__host_put_listed(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox);
void e2b__host_put_detail(e2b__json_writer_t *w, const e2b__host_sandbox_t *sandbox,
                          const char *domain);
e2b__host_operation_t e2b__host_list_templates, e2b__host_template_alias;

/* 200 or 201 with the sandbox as clients get it from create, connect and resume. */
void e2b__host_answer_sandbox(e2b__host_request_t *request, const e2b__host_sandbox_t *sandbox,
                              unsigned status);
void e2b__host_answer_json(e2b__host_request_t *request, unsigned status, e2b__json_writer_t *w);
/* The sandbox of that id, running, paused or between; NULL: answered. */
e2b__host_sandbox_t *e2b__host_control_find(e2b__host_request_t *request, const char *id);
/* For what makes sense only while it runs. */
e2b__host_sandbox_t *e2b__host_control_running(e2b__host_request_t *request, const char *id);
/* The whole number `name`, `fallback` when absent (-1: required); false: answered. */
bool e2b__host_take_seconds(e2b__host_request_t *request, const cJSON *body, const char *name,
                            int64_t fallback, int64_t *seconds);
void e2b__host_answer_no_sandbox(e2b__host_request_t *request, const char *id);

#endif
