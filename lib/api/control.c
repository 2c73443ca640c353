/* SPDX-License-Identifier: MIT */
#include "api/control.h"

#include "proto/connect_error.h"
#include "proto/url.h"

int e2b__control_url(e2b__operation_t *op, const char *prefix, const char *id, const char *suffix) {
  int rc = e2b__buffer_append_str(&op->url, op->client->config.api_url);
  if (rc == 0) rc = e2b__buffer_append_str(&op->url, prefix);
  if (rc == 0 && id != NULL) rc = e2b__url_escape(&op->url, id, strlen(id));
  if (rc == 0) rc = e2b__buffer_append_str(&op->url, suffix);
  return rc;
}

static int code_of(int status, uint64_t retry_after_ms, int missing) {
  switch (status) {
  case 401: return E2B_EAUTH;
  case 403: return E2B_EFORBIDDEN;
  case 404: return missing;
  case 408:
  case 503:
  case 504: return E2B_EUNAVAILABLE;
  case 409: return E2B_ECONFLICT;
  /* A rate limit names the time to wait; the limit on sandboxes does not (protocol 3.1). */
  case 429: return retry_after_ms > 0 ? E2B_ERATE : E2B_EQUOTA;
  case 501: return E2B_EUNIMPLEMENTED;
  case 502: return E2B_EUNAVAILABLE;
  default: return status >= 500 ? E2B_ESERVER : status >= 400 ? E2B_EREQUEST : E2B_EPROTOCOL;
  }
}

/* What follows the code's own words. */
static const char *advice(int code) {
  switch (code) {
  case E2B_EAUTH: return ". Check the client's api_key or the environment variable E2B_API_KEY";
  case E2B_EQUOTA: return ". Check your usage at https://e2b.dev/";
  default: return "";
  }
}

e2b_error_t e2b__control_error(e2b__operation_t *op, const e2b__call_result_t *result,
                               int missing) {
  e2b__arena_t *arena = e2b__future_arena(op->future);
  if (result->code != 0) return e2b__transport_error(arena, op->url.data, result);
  e2b__connect_error_t answer;
  if (e2b__connect_error_decode(result->body, result->body_len, arena, &answer) != 0) {
    return e2b__error(E2B_ENOMEM);
  }
  const int code = code_of(result->status, result->retry_after_ms, missing);
  const char *detail = answer.message;
  int len;
  const char *host = e2b__host_in(op->url.data, &len);
  const bool subject = code == E2B_ESANDBOXNOTFOUND && *op->subject != '\0';
  e2b_error_t error =
      e2b__error_text(arena, code, "%s%s%s (HTTP %d from %.*s)%s%s%s", e2b_code_text(code),
                      subject ? ": " : "", subject ? op->subject : "", result->status, len, host,
                      *detail != '\0' ? ": " : "", detail, advice(code));
  error.detail = detail;
  error.server_code = answer.server_code;
  error.http_status = result->status;
  error.retry_after_ms = result->retry_after_ms;
  error.attempts = result->attempts;
  /* Only a server that failed in the middle leaves it open; the other statuses are refusals. */
  error.maybe_applied = result->status >= 500 && result->status != 501 && result->status != 503;
  return error;
}

bool e2b__control_ok(e2b__operation_t *op, const e2b__call_result_t *result, int missing) {
  if (result->code == 0 && result->status >= 200 && result->status < 300) return true;
  e2b_error_t error = e2b__control_error(op, result, missing);
  e2b__future_fail(op->future, &error);
  return false;
}
