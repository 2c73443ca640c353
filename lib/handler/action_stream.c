/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <strings.h>

#include "handler/terminal.h"
#include "proto/http_head.h"
#include "proto/url.h"

/* GET: a terminal's stream, as server-sent events (action terminal.stream) or as a WebSocket
 * (terminal.connect). What is asked for is in the query. */

enum { LONGEST_VALUE = 256 };

typedef struct stream_request {
  char terminal_id[LONGEST_VALUE + 1];
  char key[LONGEST_VALUE + 1];
  bool socket;
  uint64_t offset;
} stream_request;

static const char *header(const e2b_http_request *request, const char *name) {
  const char *value = e2b__request_header(request, name);
  return value != NULL ? value : "";
}

/* A parameter of the query; "" when it is not there, too long, or malformed. */
static void parameter(const e2b_http_request *request, const char *name,
                      char value[LONGEST_VALUE + 1]) {
  const char *query = request->query != NULL ? request->query : "";
  e2b__buffer_t buffer;
  e2b__buffer_init(&buffer, LONGEST_VALUE);
  value[0] = '\0';
  if (e2b__url_query_get(query, strlen(query), name, &buffer) == 1 && buffer.len > 0 &&
      memchr(buffer.data, '\0', buffer.len) == NULL) {
    memcpy(value, buffer.data, buffer.len + 1);
  }
  e2b__buffer_free(&buffer);
}

static uint64_t number(const char *text) {
  return strspn(text, "0123456789") == strlen(text) ? strtoull(text, NULL, 10) : 0;
}

static bool is_terminal_id(const char *id) {
  return strlen(id) == strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-");
}

/* False: answered. */
static bool check_upgrade(e2b__handling_t *h, const e2b_http_request *request,
                          stream_request *wanted) {
  const char *key = header(request, "Sec-WebSocket-Key");
  if (strcasecmp(header(request, "Upgrade"), "websocket") != 0 ||
      !e2b__http_list_has(header(request, "Connection"), "upgrade") ||
      strcmp(header(request, "Sec-WebSocket-Version"), "13") != 0 || strlen(key) != 24) {
    e2b__handling_fail(h, 400, "A WebSocket handshake is required for terminal.connect");
    return false;
  }
  if (!e2b__http_list_has(header(request, "Sec-WebSocket-Protocol"), "e2b-terminal")) {
    e2b__handling_fail(h, 400, "The WebSocket sub-protocol e2b-terminal is required");
    return false;
  }
  strcpy(wanted->key, key);
  return true;
}

static void view(e2b__handling_t *h) {
  stream_request *wanted = h->work;
  const e2b__viewing_t viewing = {wanted->terminal_id, wanted->offset,
                                  wanted->socket ? wanted->key : NULL};
  h->work = NULL;
  e2b__terminal_view(h, &viewing);
  e2b__free(wanted);
}

void e2b__action_start_stream(e2b__handling_t *h, const e2b_http_request *request) {
  char action[LONGEST_VALUE + 1];
  char sandbox_id[LONGEST_VALUE + 1];
  char offset[LONGEST_VALUE + 1];
  stream_request wanted = {.offset = 0};
  parameter(request, "action", action);
  wanted.socket = strcmp(action, "terminal.connect") == 0;
  if (!wanted.socket && strcmp(action, "terminal.stream") != 0) {
    e2b__handling_fail(h, 400, "GET requests only supported for terminal.stream action");
    return;
  }
  parameter(request, "sandboxId", sandbox_id);
  parameter(request, "terminalId", wanted.terminal_id);
  parameter(request, "offset", offset);
  if (*sandbox_id == '\0' || *wanted.terminal_id == '\0') {
    e2b__handling_fail(h, 400, "sandboxId and terminalId are required for terminal streaming");
    return;
  }
  if (wanted.socket && !check_upgrade(h, request, &wanted)) return;
  if (!is_terminal_id(wanted.terminal_id)) {
    e2b__handling_fail(h, 404, "Terminal with ID %s not found", wanted.terminal_id);
    return;
  }
  const char *last = header(request, "Last-Event-ID");
  wanted.offset = number(*last != '\0' ? last : offset);
  stream_request *copy = e2b__malloc(sizeof *copy);
  if (copy == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  *copy = wanted;
  h->work = copy;
  e2b__handling_take_sandbox(h, sandbox_id, true, view);
}
