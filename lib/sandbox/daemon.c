/* SPDX-License-Identifier: MIT */
#include "sandbox/daemon.h"

#include <stdio.h>

#include "proto/base64.h"

static void release_sandbox(void *sandbox) {
  e2b_sandbox_release(sandbox);
}

e2b__operation_t *e2b__daemon_operation(e2b_sandbox_t *sandbox, e2b__kind_t kind, const char *name,
                                        e2b_future_t **future) {
  *future = NULL;
  if (sandbox == NULL) return NULL;
  e2b__operation_t *op = e2b__operation_new(sandbox->client, kind, name, future);
  if (op == NULL) return NULL;
  op->owner = e2b_sandbox_acquire(sandbox);
  op->release_owner = release_sandbox;
  op->subject = sandbox->record.id; /* lives as long as op->owner; errors copy it */
  return op;
}

int e2b__daemon_outcome(e2b__operation_t *op, const e2b__call_result_t *result,
                        e2b_error_t *error) {
  e2b__arena_t *arena = e2b__future_arena(op->future);
  if (result->code != 0) {
    *error = e2b__transport_error(arena, op->url.data, result);
    return error->code;
  }
  if (result->status >= 200 && result->status < 300) return 0;
  e2b__connect_error_t answer;
  if (e2b__connect_error_decode(result->body, result->body_len, arena, &answer) == 0) {
    *error = e2b__refusal_error(arena, result->status, &answer);
  } else {
    *error = e2b__error(E2B_ENOMEM);
  }
  error->retry_after_ms = result->retry_after_ms;
  error->attempts = result->attempts;
  return error->code;
}

/* --- the probe ------------------------------------------------------------------------------ */

enum { PROBE_MS = 5000, PROBE_ANSWER_BYTES = 4096 };

struct e2b__probe {
  e2b_sandbox_t *sandbox;
  e2b__call_t call;
  char *url;
  e2b__probe_cb done;
  void *ctx;
};

static void probe_free(e2b__probe_t *probe) {
  e2b_sandbox_release(probe->sandbox);
  e2b__free(probe->url);
  e2b__free(probe);
}

void e2b__probe_cancel(e2b__probe_t *probe) {
  e2b__call_cancel(&probe->call);
  probe_free(probe);
}

static void on_probe(void *ctx, const e2b__call_result_t *result) {
  e2b__probe_t *probe = ctx;
  e2b_presence_t presence = E2B_PRESENCE_UNKNOWN;
  if (result->code == 0 && result->status >= 200 && result->status < 300) {
    presence = E2B_PRESENCE_ALIVE;
  } else if (result->code == 0 && result->status == 502) {
    e2b__arena_t arena = {0};
    e2b__connect_error_t answer;
    if (e2b__connect_error_decode(result->body, result->body_len, &arena, &answer) == 0 &&
        *answer.sandbox_id != '\0' && answer.port == 0) {
      presence = E2B_PRESENCE_GONE;
    }
    e2b__arena_free(&arena);
  }
  static const char *const found[] = {"no answer", "it is there", "it is gone"};
  E2B__LOG(&probe->sandbox->client->log, E2B_LOG_INFO,
           "sandbox %s: asked after a lost connection: %s", probe->sandbox->record.id,
           found[presence]);
  probe->done(probe->ctx, presence);
  probe_free(probe);
}

e2b__probe_t *e2b__probe_start(e2b_sandbox_t *sandbox, e2b__probe_cb done, void *ctx) {
  if (sandbox->client->http == NULL) return NULL;
  e2b__probe_t *probe = e2b__calloc(1, sizeof *probe);
  if (probe == NULL) return NULL;
  probe->sandbox = e2b_sandbox_acquire(sandbox);
  probe->done = done;
  probe->ctx = ctx;
  probe->url = e2b__format("%s/health", sandbox->daemon_url);
  int rc = probe->url != NULL ? 0 : E2B_ENOMEM;
  if (rc == 0) {
    e2b__call_request_t request;
    memset(&request, 0, sizeof request);
    request.http.method = "GET";
    request.http.url = probe->url;
    request.http.headers = sandbox->shared;
    request.http.repeatable = true;
    request.timeout_ms = PROBE_MS;
    request.max_response_bytes = PROBE_ANSWER_BYTES;
    rc = e2b__call_start(&probe->call, sandbox->client->http, &request, on_probe, probe);
  }
  if (rc == 0) return probe;
  probe_free(probe);
  return NULL;
}

void e2b__probe_apply(e2b__arena_t *arena, e2b_sandbox_t *sandbox, e2b_presence_t presence,
                      e2b_error_t *error) {
  error->sandbox = presence;
  if (presence != E2B_PRESENCE_GONE) return;
  error->code = E2B_ESANDBOXGONE;
  error->message =
      e2b__error_text(arena, E2B_ESANDBOXGONE,
                      "the sandbox is gone: %s was killed, paused or reached its end of life "
                      "while the request was under way",
                      sandbox->record.id)
          .message;
}

/* --- failing, after a probe where that helps -------------------------------------------------- */

typedef struct broken_call {
  e2b_future_t *future;
  e2b_sandbox_t *sandbox;
  e2b__probe_t *probe;
  e2b_error_t error; /* strings in the future's arena */
} broken_call;

static void broken_free(broken_call *broken) {
  e2b_sandbox_release(broken->sandbox);
  e2b__free(broken);
}

static void on_broken_probed(void *ctx, e2b_presence_t presence) {
  broken_call *broken = ctx;
  e2b__probe_apply(e2b__future_arena(broken->future), broken->sandbox, presence, &broken->error);
  e2b__future_fail(broken->future, &broken->error);
  broken_free(broken);
}

static void abandon_broken(void *work) {
  broken_call *broken = work;
  e2b__probe_cancel(broken->probe);
  broken_free(broken);
}

/* The future goes from the operation, which ends now, to the probe. */
static bool fail_after_probe(e2b__operation_t *op, const e2b_error_t *error) {
  broken_call *broken = e2b__calloc(1, sizeof *broken);
  if (broken == NULL) return false;
  broken->future = op->future;
  broken->sandbox = e2b_sandbox_acquire(op->owner);
  broken->error = *error;
  broken->probe = e2b__probe_start(broken->sandbox, on_broken_probed, broken);
  if (broken->probe == NULL) {
    broken_free(broken);
    return false;
  }
  e2b__future_bind(op->future, abandon_broken, broken);
  return true;
}

bool e2b__daemon_ok(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  if (e2b__daemon_outcome(op, result, &error) == 0) return true;
  if (error.code != E2B_ECONNLOST || !fail_after_probe(op, &error)) {
    e2b__future_fail(op->future, &error);
  }
  return false;
}

/* --- unary calls --------------------------------------------------------------------------------
 */

int e2b__user_header(e2b__arena_t *arena, const char *user, char **header) {
  static const char start[] = "Authorization: Basic ";
  if (strchr(user, ':') != NULL) return E2B_EINVAL;
  const size_t len = strlen(user);
  const size_t encoded = e2b__base64_encoded_size(len + 1);
  char *line = e2b__arena_alloc(arena, sizeof start + encoded);
  char *plain = e2b__arena_strndup(arena, user, len);
  if (line == NULL || plain == NULL) return E2B_ENOMEM;
  plain[len] = ':'; /* in place of the NUL: an empty password follows */
  memcpy(line, start, sizeof start - 1);
  e2b__base64_encode(plain, len + 1, line + sizeof start - 1);
  line[sizeof start - 1 + encoded] = '\0';
  *header = line;
  return 0;
}

int e2b__daemon_user(e2b__operation_t *op, const char *user) {
  if (user == NULL) return 0;
  char *line;
  const int rc = e2b__user_header(e2b__future_arena(op->future), user, &line);
  if (rc == E2B_EINVAL) return e2b__operation_refuse(op, "the user's name has a colon");
  return rc == 0 ? e2b__operation_header_line(op, line) : rc;
}

void e2b__daemon_rpc(e2b__operation_t *op, int rc, const char *method, const e2b__message_t *type,
                     const void *message, bool safe, uint64_t timeout_ms, e2b__operation_cb done) {
  const e2b_sandbox_t *sandbox = op->owner;
  if (rc == 0) rc = e2b__buffer_printf(&op->url, "%s%s", sandbox->daemon_url, method);
  if (rc == 0) {
    rc = e2b__message_encode(type, message, e2b__daemon_encoding(op->client), &op->body);
    if (rc == E2B_EINVAL) rc = e2b__operation_refuse(op, "a string is not UTF-8");
  }
  const e2b__operation_request_t request = {.method = "POST",
                                            .headers = sandbox->unary,
                                            .safe = safe,
                                            .final_status = 502,
                                            .timeout_ms = timeout_ms};
  e2b__operation_send(op, rc, &request, done);
}

int e2b__daemon_decode(e2b__operation_t *op, const e2b__call_result_t *result,
                       const e2b__message_t *type, void *message) {
  const char *why = "";
  int rc =
      e2b__message_decode(type, result->body, result->body_len, e2b__daemon_encoding(op->client),
                          e2b__future_arena(op->future), message, &why);
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "", why != NULL ? why : "");
  }
  return rc;
}

char *e2b__text_of(e2b__arena_t *arena, e2b__str_t str) {
  return e2b__arena_strndup(arena, str.ptr != NULL ? str.ptr : "", str.ptr != NULL ? str.len : 0);
}

int e2b__pairs_of(e2b__arena_t *arena, const e2b__str_pair_t *from, size_t count,
                  const e2b_pair_t **to) {
  e2b_pair_t *pairs = e2b__arena_calloc(arena, count + 1, sizeof *pairs);
  if (pairs == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    pairs[i].name = e2b__text_of(arena, from[i].name);
    pairs[i].value = e2b__text_of(arena, from[i].value);
    if (pairs[i].name == NULL || pairs[i].value == NULL) return E2B_ENOMEM;
  }
  *to = pairs;
  return 0;
}
