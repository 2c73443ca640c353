/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_DAEMON_H
#define E2B_LIB_SANDBOX_DAEMON_H

#include "proto/connect_error.h"
#include "proto/message.h"
#include "sandbox/handle.h"

/* Calls to the daemon in a sandbox, and what its refusals mean: those of the process and filesystem
 * services (Connect), of /files, and of the edge in front of it (protocol 1.5, 2.2, 4, 5.6). */

/* An operation that keeps the sandbox. NULL: *future is decided. */
e2b__operation_t *e2b__daemon_operation(e2b_sandbox_t *sandbox, e2b__kind_t kind, const char *name,
                                        e2b_future_t **future);

/* The error that an answer with that status, or, with status 200, the end of a stream, stands for.
 * Strings in `arena`. */
e2b_error_t e2b__refusal_error(e2b__arena_t *arena, int status, const e2b__connect_error_t *answer);

/* 0 for an answer 2xx; else a code, and *error with strings in the future's arena. */
int e2b__daemon_outcome(e2b__operation_t *op, const e2b__call_result_t *result, e2b_error_t *error);
/* Nonzero for an answer 2xx. Else the future fails, now, or, when the connection broke, after the
 * sandbox was asked whether it is still there. */
bool e2b__daemon_ok(e2b__operation_t *op, const e2b__call_result_t *result);

/* Asks once, for five seconds at most, whether the sandbox is there. NULL when it cannot. */
typedef void (*e2b__probe_cb)(void *ctx, e2b_presence_t presence);
typedef struct e2b__probe e2b__probe_t;
e2b__probe_t *e2b__probe_start(e2b_sandbox_t *sandbox, e2b__probe_cb done, void *ctx);
void e2b__probe_cancel(e2b__probe_t *probe);
/* Adds what the probe found to the error of the call that broke. */
void e2b__probe_apply(e2b__arena_t *arena, e2b_sandbox_t *sandbox, e2b_presence_t presence,
                      e2b_error_t *error);

/* "Authorization: Basic" for the acting user, into the chain of the operation. 0, E2B_ENOMEM, or
 * E2B_EINVAL for a name with a colon, which would end there: "root:x" is root. */
int e2b__daemon_user(e2b__operation_t *op, const char *user);
/* The same as a line of its own, in `arena`. */
int e2b__user_header(e2b__arena_t *arena, const char *user, char **line);

/* A unary call of a service: `message` is encoded as the client prefers. */
void e2b__daemon_rpc(e2b__operation_t *op, int rc, const char *method, const e2b__message_t *type,
                     const void *message, bool safe, uint64_t timeout_ms, e2b__operation_cb done);
/* The answer of a unary call. 0, or the future has failed. */
int e2b__daemon_decode(e2b__operation_t *op, const e2b__call_result_t *result,
                       const e2b__message_t *type, void *message);

static inline e2b__encoding_t e2b__daemon_encoding(const e2b_client_t *client) {
  return client->config.json_rpc ? E2B__JSON : E2B__PROTO;
}
static inline e2b_sandbox_t *e2b__operation_sandbox(const e2b__operation_t *op) {
  return op->owner;
}
/* A NUL-terminated copy in `arena`; "" for an absent value; NULL when out of memory. */
char *e2b__text_of(e2b__arena_t *arena, e2b__str_t str);
/* The pairs of a map, likewise. */
int e2b__pairs_of(e2b__arena_t *arena, const e2b__str_pair_t *from, size_t count,
                  const e2b_pair_t **to);

#endif
