/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_API_SANDBOX_RECORD_H
#define E2B_LIB_API_SANDBOX_RECORD_H

#include "base/arena.h"
#include "e2b/sandbox.h"
#include "proto/json.h"

/* The control plane's JSON about sandboxes, as values (protocol Appendix A). */

/* What create and connect answer: enough to reach the sandbox. Strings are never NULL. */
typedef struct e2b__sandbox_record {
  const char *id;
  const char *template_id;
  const char *domain; /* "": the client's */
  const char *envd_version;
  const char *access_token;  /* "" when not secured */
  const char *traffic_token; /* "" when none is needed */
} e2b__sandbox_record_t;

/* 0, E2B_EPROTOCOL, E2B_ENOMEM. */
int e2b__sandbox_record_parse(e2b__arena_t *arena, const char *body, size_t len,
                              e2b__sandbox_record_t *record);
int e2b__sandbox_info_parse(e2b__arena_t *arena, const char *body, size_t len,
                            e2b_sandbox_info_t *info);
/* The array of a list. */
int e2b__sandbox_infos_parse(e2b__arena_t *arena, const char *body, size_t len,
                             e2b_sandbox_info_t **infos, size_t *count);

/* The body of a create. `v2` leaves out what that version does not know. */
int e2b__sandbox_create_body(e2b__buffer_t *out, const e2b_create_options *options,
                             uint64_t timeout_ms, bool v2);
/* Whole seconds, rounded up. */
int64_t e2b__seconds_from_ms(uint64_t ms);
/* The query of a list, from '?' on; `metadata` is encoded as the server decodes it, three times. */
int e2b__sandbox_list_query(e2b__buffer_t *url, const e2b_list_options *options);

#endif
