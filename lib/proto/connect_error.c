/* SPDX-License-Identifier: MIT */
#include "proto/connect_error.h"

#include "base/utf8.h"
#include "e2b/error.h"
#include "proto/json.h"

static const struct {
  const char *name;
  int http;
} codes[] = {
    [E2B__CONNECT_NONE] = {"", 200},
    [E2B__CONNECT_CANCELED] = {"canceled", 499},
    [E2B__CONNECT_UNKNOWN] = {"unknown", 500},
    [E2B__CONNECT_INVALID_ARGUMENT] = {"invalid_argument", 400},
    [E2B__CONNECT_DEADLINE_EXCEEDED] = {"deadline_exceeded", 504},
    [E2B__CONNECT_NOT_FOUND] = {"not_found", 404},
    [E2B__CONNECT_ALREADY_EXISTS] = {"already_exists", 409},
    [E2B__CONNECT_PERMISSION_DENIED] = {"permission_denied", 403},
    [E2B__CONNECT_RESOURCE_EXHAUSTED] = {"resource_exhausted", 429},
    [E2B__CONNECT_FAILED_PRECONDITION] = {"failed_precondition", 400},
    [E2B__CONNECT_ABORTED] = {"aborted", 409},
    [E2B__CONNECT_OUT_OF_RANGE] = {"out_of_range", 400},
    [E2B__CONNECT_UNIMPLEMENTED] = {"unimplemented", 501},
    [E2B__CONNECT_INTERNAL] = {"internal", 500},
    [E2B__CONNECT_UNAVAILABLE] = {"unavailable", 503},
    [E2B__CONNECT_DATA_LOSS] = {"data_loss", 500},
    [E2B__CONNECT_UNAUTHENTICATED] = {"unauthenticated", 401},
};

const char *e2b__connect_code_name(e2b__connect_code_t code) {
  return (size_t)code < E2B__COUNT(codes) ? codes[code].name : "";
}

e2b__connect_code_t e2b__connect_code_find(const char *name) {
  for (size_t i = 1; i < E2B__COUNT(codes); i++) {
    if (strcmp(codes[i].name, name) == 0) return (e2b__connect_code_t)i;
  }
  return E2B__CONNECT_UNKNOWN;
}

int e2b__connect_code_http(e2b__connect_code_t code) {
  return (size_t)code < E2B__COUNT(codes) ? codes[code].http : 500;
}

e2b__connect_code_t e2b__connect_code_of_http(int status) {
  if (status >= 200 && status < 300) return E2B__CONNECT_NONE;
  switch (status) {
  case 400: return E2B__CONNECT_INVALID_ARGUMENT;
  case 401: return E2B__CONNECT_UNAUTHENTICATED;
  case 403: return E2B__CONNECT_PERMISSION_DENIED;
  case 404: return E2B__CONNECT_NOT_FOUND;
  case 409: return E2B__CONNECT_ALREADY_EXISTS;
  case 413:
  case 429: return E2B__CONNECT_RESOURCE_EXHAUSTED;
  case 499: return E2B__CONNECT_CANCELED;
  case 500: return E2B__CONNECT_INTERNAL;
  case 501:
  case 505: return E2B__CONNECT_UNIMPLEMENTED;
  case 502:
  case 503: return E2B__CONNECT_UNAVAILABLE;
  case 504: return E2B__CONNECT_DEADLINE_EXCEEDED;
  default: return E2B__CONNECT_UNKNOWN;
  }
}

static void init(e2b__connect_error_t *error, e2b__error_form_t form) {
  memset(error, 0, sizeof *error);
  error->form = form;
  error->message = error->server_code = error->sandbox_id = "";
}

/* A member's string into the arena: the tree goes away. */
static int copy(const cJSON *object, const char *name, e2b__arena_t *arena, const char **to) {
  const char *text = e2b__json_string(object, name, "");
  if (*text == '\0') return 0;
  const char *piece = e2b__arena_strndup(arena, text, strlen(text));
  if (piece == NULL) return E2B_ENOMEM;
  *to = piece;
  return 0;
}

static int small_int(const cJSON *object, const char *name) {
  int64_t value = e2b__json_int(object, name, 0);
  return value > 0 && value <= UINT16_MAX ? (int)value : 0;
}

static int from_connect(const cJSON *object, e2b__arena_t *arena, e2b__connect_error_t *error) {
  init(error, E2B__ERROR_CONNECT);
  error->code = e2b__connect_code_find(e2b__json_string(object, "code", "unknown"));
  return copy(object, "message", arena, &error->message);
}

static int from_rest(const cJSON *object, e2b__arena_t *arena, e2b__connect_error_t *error) {
  bool has_message = e2b__json_string(object, "message", NULL) != NULL;
  init(error, E2B__ERROR_REST);
  error->status = small_int(object, "code");
  error->port = small_int(object, "port");
  /* The interpreter's web framework has its own word for it. */
  int rc = copy(object, has_message ? "message" : "detail", arena, &error->message);
  if (rc == 0) rc = copy(object, "error_code", arena, &error->server_code);
  if (rc == 0) rc = copy(object, "sandboxId", arena, &error->sandbox_id);
  return rc;
}

/* Somebody's web page or a proxy's sentence, made fit for an error message. */
static int from_text(const char *body, size_t len, e2b__arena_t *arena,
                     e2b__connect_error_t *error) {
  enum { LONGEST = 500 };
  if (len > LONGEST) len = LONGEST - e2b__utf8_tail(body, LONGEST);
  init(error, E2B__ERROR_TEXT);
  char *text = e2b__arena_strndup(arena, body, len);
  if (text == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < len;) {
    size_t n = e2b__utf8_char(text + i, len - i);
    if (n == 0) text[i] = '?';
    if (n == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)) text[i] = ' ';
    i += n > 0 ? n : 1;
  }
  while (len > 0 && text[len - 1] == ' ')
    text[--len] = '\0';
  error->message = text;
  return 0;
}

int e2b__connect_error_decode(const char *body, size_t len, e2b__arena_t *arena,
                              e2b__connect_error_t *error) {
  cJSON *tree = e2b__json_parse(body, len);
  const cJSON *code = cJSON_IsObject(tree) ? cJSON_GetObjectItemCaseSensitive(tree, "code") : NULL;
  bool worded = e2b__json_string(tree, "message", NULL) != NULL ||
                e2b__json_string(tree, "detail", NULL) != NULL;
  int rc;
  if (cJSON_IsString(code)) {
    rc = from_connect(tree, arena, error);
  } else if (cJSON_IsNumber(code) || worded) {
    rc = from_rest(tree, arena, error);
  } else {
    rc = from_text(body, len, arena, error);
  }
  cJSON_Delete(tree);
  return rc;
}

int e2b__connect_end_decode(const char *payload, size_t len, e2b__arena_t *arena,
                            e2b__connect_error_t *error) {
  cJSON *tree = e2b__json_parse(payload, len);
  int rc = cJSON_IsObject(tree) ? 0 : E2B_EPROTOCOL;
  init(error, E2B__ERROR_NONE);
  if (rc == 0) {
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(tree, "error");
    if (cJSON_IsObject(told)) rc = from_connect(told, arena, error);
  }
  cJSON_Delete(tree);
  return rc;
}
