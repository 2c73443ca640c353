/* SPDX-License-Identifier: MIT */
#include "sandbox/daemon.h"

/* What an answer that is no success means, in the library's own codes. */

static int code_of_connect(e2b__connect_code_t code) {
  switch (code) {
  case E2B__CONNECT_INVALID_ARGUMENT:
  case E2B__CONNECT_FAILED_PRECONDITION:
  case E2B__CONNECT_OUT_OF_RANGE: return E2B_EREQUEST;
  case E2B__CONNECT_NOT_FOUND: return E2B_ENOTFOUND;
  case E2B__CONNECT_UNAUTHENTICATED: return E2B_EAUTH;
  case E2B__CONNECT_ALREADY_EXISTS: return E2B_EEXISTS;
  case E2B__CONNECT_PERMISSION_DENIED: return E2B_EFORBIDDEN;
  case E2B__CONNECT_RESOURCE_EXHAUSTED: return E2B_ERATE;
  case E2B__CONNECT_ABORTED: return E2B_ECONFLICT;
  case E2B__CONNECT_UNIMPLEMENTED: return E2B_EUNIMPLEMENTED;
  case E2B__CONNECT_UNAVAILABLE: return E2B_EUNAVAILABLE;
  case E2B__CONNECT_DEADLINE_EXCEEDED: return E2B_ETIMEDOUT;
  case E2B__CONNECT_CANCELED: return E2B_ECONNLOST; /* never by us: we hang up instead */
  case E2B__CONNECT_UNKNOWN:
  case E2B__CONNECT_INTERNAL:
  case E2B__CONNECT_DATA_LOSS: return E2B_ESERVER;
  case E2B__CONNECT_NONE: break;
  }
  return E2B_EPROTOCOL;
}

static bool is_edge(const e2b__connect_error_t *answer) {
  return *answer->sandbox_id != '\0';
}

static int code_of_status(int status, const e2b__connect_error_t *answer) {
  switch (status) {
  case 401: return E2B_EAUTH;
  /* The edge says so when a token is missing or wrong (protocol 1.5). */
  case 403: return is_edge(answer) ? E2B_EAUTH : E2B_EFORBIDDEN;
  case 404: return E2B_ENOTFOUND;
  case 409: return E2B_ECONFLICT;
  case 429: return E2B_ERATE;
  case 501: return E2B_EUNIMPLEMENTED;
  case 502:
    if (!is_edge(answer)) return E2B_EUNAVAILABLE;
    return answer->port != 0 ? E2B_EPORTCLOSED : E2B_ESANDBOXGONE;
  case 503:
  case 504: return E2B_EUNAVAILABLE;
  case 507: return E2B_ENOSPACE;
  default: return status >= 500 ? E2B_ESERVER : status >= 400 ? E2B_EREQUEST : E2B_EPROTOCOL;
  }
}

e2b_error_t e2b__refusal_error(e2b__arena_t *arena, int status,
                               const e2b__connect_error_t *answer) {
  const bool connect = answer->form == E2B__ERROR_CONNECT;
  const int code = connect ? code_of_connect(answer->code) : code_of_status(status, answer);
  const char *text = e2b_code_text(code);
  e2b_error_t error = *answer->message != '\0'
                          ? e2b__error_text(arena, code, "%s: %s", text, answer->message)
                          : e2b__error_text(arena, code, "%s (HTTP %d)", text, status);
  error.detail = answer->message;
  error.connect_code = connect ? e2b__connect_code_name(answer->code) : "";
  error.http_status = status;
  if (code == E2B_ESANDBOXGONE) error.sandbox = E2B_PRESENCE_GONE;
  /* The daemon's own words, which the edge and the proxies do not speak: it runs. */
  const bool daemon = answer->form == E2B__ERROR_REST && *answer->message != '\0' &&
                      !is_edge(answer) && (status < 500 || status == 507);
  if (connect || daemon || code == E2B_EPORTCLOSED) error.sandbox = E2B_PRESENCE_ALIVE;
  error.maybe_applied = code == E2B_ESERVER || code == E2B_ETIMEDOUT || code == E2B_ECONNLOST;
  return error;
}
