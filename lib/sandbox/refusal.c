/* SPDX-License-Identifier: MIT */
#include "proto/json.h"
#include "sandbox/daemon.h"

enum { LONGEST_MESSAGE = 1000 };

static const struct {
  const char *connect_code;
  int code;
} connect_codes[] = {
    {"invalid_argument", E2B_EREQUEST},   {"not_found", E2B_ENOTFOUND},
    {"unauthenticated", E2B_EAUTH},       {"already_exists", E2B_EEXISTS},
    {"permission_denied", E2B_EFORBIDDEN}, {"resource_exhausted", E2B_ERATE},
    {"failed_precondition", E2B_EREQUEST}, {"aborted", E2B_ECONFLICT},
    {"out_of_range", E2B_EREQUEST},       {"unimplemented", E2B_EUNIMPLEMENTED},
    {"unavailable", E2B_EUNAVAILABLE},    {"deadline_exceeded", E2B_ETIMEDOUT},
    {"canceled", E2B_ECONNLOST},          {"unknown", E2B_ESERVER},
    {"internal", E2B_ESERVER},            {"data_loss", E2B_ESERVER},
};

static int code_of_connect(const char *connect_code) {
  for (size_t i = 0; i < E2B__COUNT(connect_codes); i++) {
    if (strcmp(connect_codes[i].connect_code, connect_code) == 0) return connect_codes[i].code;
  }
  return E2B_EPROTOCOL;
}

static int code_of_status(int status, const e2b__refusal_t *refusal) {
  switch (status) {
  case 400:
  case 406:
  case 413:
  case 416: return E2B_EREQUEST;
  case 401: return E2B_EAUTH;
  case 403: return E2B_EFORBIDDEN;
  case 404: return E2B_ENOTFOUND;
  case 409: return E2B_ECONFLICT;
  case 429: return E2B_ERATE;
  case 501: return E2B_EUNIMPLEMENTED;
  case 502:
    if (!refusal->from_edge) return E2B_EUNAVAILABLE;
    return refusal->port_closed ? E2B_EPORTCLOSED : E2B_ESANDBOXGONE;
  case 503:
  case 504: return E2B_EUNAVAILABLE;
  case 507: return E2B_ENOSPACE;
  default: return status >= 500 ? E2B_ESERVER : status >= 400 ? E2B_EREQUEST : E2B_EPROTOCOL;
  }
}

static const char *keep(e2b__arena_t *arena, const char *text, size_t len) {
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
    len--;
  }
  const char *copy =
      e2b__arena_strndup(arena, text, len < LONGEST_MESSAGE ? len : LONGEST_MESSAGE);
  return copy != NULL ? copy : "";
}

void e2b__refusal_parse(e2b__arena_t *arena, const char *body, size_t len,
                        e2b__refusal_t *refusal) {
  refusal->connect_code = refusal->message = "";
  refusal->from_edge = refusal->port_closed = false;
  cJSON *json = e2b__json_parse(body, len);
  if (!cJSON_IsObject(json)) {
    refusal->message = keep(arena, body, len);
  } else {
    /* The end of a stream wraps it; a string as code is Connect's, a number is not. */
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    const cJSON *object = cJSON_IsObject(error) ? error : json;
    const char *connect_code = e2b__json_string(object, "code", "");
    const char *message = e2b__json_string(object, "message", "");
    refusal->connect_code = keep(arena, connect_code, strlen(connect_code));
    refusal->message = keep(arena, message, strlen(message));
    refusal->from_edge = *e2b__json_string(object, "sandboxId", "") != '\0';
    refusal->port_closed = cJSON_GetObjectItemCaseSensitive(object, "port") != NULL ||
                           strstr(message, "port is not open") != NULL;
  }
  cJSON_Delete(json);
}

e2b_error_t e2b__refusal_error(e2b__arena_t *arena, int status, const e2b__refusal_t *refusal) {
  const int code = *refusal->connect_code != '\0' ? code_of_connect(refusal->connect_code)
                                                  : code_of_status(status, refusal);
  const char *text = e2b_code_text(code);
  e2b_error_t error =
      *refusal->message != '\0'
          ? e2b__error_text(arena, code, "%s: %s", text, refusal->message)
          : e2b__error_text(arena, code, "%s (HTTP %d)", text, status);
  error.detail = refusal->message;
  error.connect_code = refusal->connect_code;
  error.http_status = status;
  if (code == E2B_ESANDBOXGONE) error.sandbox = E2B_PRESENCE_GONE;
  if (code == E2B_EPORTCLOSED || *refusal->connect_code != '\0') {
    error.sandbox = E2B_PRESENCE_ALIVE;
  }
  error.maybe_applied = code == E2B_ESERVER || code == E2B_ETIMEDOUT || code == E2B_ECONNLOST;
  return error;
}
