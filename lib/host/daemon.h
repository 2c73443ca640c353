/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_DAEMON_H
#define E2B_LIB_HOST_DAEMON_H

#include "host/connect.h"

/* What a sandbox's port 49983 answers. request->sandbox is set. */
void e2b__host_daemon_route(e2b__host_request_t *request);

/* Sets request->handler to one that discards the body and then calls `answer`. */
void e2b__host_answer_with(e2b__host_request_t *request,
                           void (*answer)(e2b__host_request_t *request));

/* transfer_get.c, transfer_post.c, compose.c */
void e2b__host_download(e2b__host_request_t *request);
extern const e2b__host_handler_t e2b__host_upload_handler;
extern const e2b__host_handler_t e2b__host_compose_handler;
/* transfer.c */
/* The acting user of /files: by Basic header and `username`. False: answered. */
bool e2b__host_transfer_user(e2b__host_request_t *request, bool *as_root);
/* Whether the query can be understood. False: answered. */
bool e2b__host_transfer_query(e2b__host_request_t *request);
/* Whether the query is signed with this sandbox's token; its time is not looked at. */
bool e2b__host_transfer_signed(const e2b__host_request_t *request,
                               const e2b__host_sandbox_t *sandbox, const char *operation);
/* Whether header or signature allow this. False: answered. */
bool e2b__host_transfer_allowed(e2b__host_request_t *request, const char *operation);

#endif
