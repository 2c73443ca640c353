/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <strings.h>

#include "handler/handler.h"
#include "handler/origin.h"
#include "proto/json_scan.h"

/* The door: who calls from where, with what. Nothing of the sandboxes is looked at before that is
 * settled. */

enum { MOST_VALUES = 100000 };

const char *e2b__request_header(const e2b_http_request *request, const char *name) {
  for (size_t i = 0; i < request->headers_count; i++) {
    if (strcasecmp(request->headers[i].name, name) == 0) return request->headers[i].value;
  }
  return NULL;
}

/* --- where from: a page of another site must not use the visitor's credentials ------------------
 */

static bool is_own_origin(const e2b_http_request *request, const char *origin) {
  const char *host = e2b__request_header(request, "Host");
  return host != NULL && e2b__origin_is_of(origin, host);
}

static bool is_allowed_origin(const e2b_handler_t *handler, const char *origin) {
  for (size_t i = 0; i < handler->options.allowed_origins_count; i++) {
    if (e2b__origin_matches(handler->options.allowed_origins[i], origin)) return true;
  }
  return false;
}

/* A header's value goes into an answer, so it must be what an origin may be. */
static bool is_plain(const char *text) {
  for (; *text != '\0'; text++) {
    if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) return false;
  }
  return true;
}

/* Where nobody has to say who he is, a name that somebody else lets point to this machine must not
 * make his page the server's own. False: answered. */
static bool check_host(e2b__handling_t *h, const e2b_http_request *request) {
  const e2b_handler_options *options = &h->handler->options;
  const char *host = e2b__request_header(request, "Host");
  if (options->authorize != NULL || options->bearer_token != NULL || host == NULL ||
      e2b__host_is_loopback(host)) {
    return true;
  }
  e2b__handling_fail(h, 403, "Without a credential only loopback is served");
  return false;
}

/* An image, a script or a link in another site's page tells no origin, but may carry the visitor's
 * cookie. A browser says what it is; what says nothing is no browser, or an old one. */
static bool is_embedded_elsewhere(const e2b_http_request *request) {
  const char *site = e2b__request_header(request, "Sec-Fetch-Site");
  return site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

/* False: answered. */
static bool check_origin(e2b__handling_t *h, const e2b_http_request *request) {
  const char *origin = e2b__request_header(request, "Origin");
  if (origin == NULL && !is_embedded_elsewhere(request)) return true;
  if (origin != NULL && is_own_origin(request, origin)) return true;
  if (origin == NULL || !is_plain(origin) || !is_allowed_origin(h->handler, origin)) {
    e2b__handling_fail(h, 403, "Origin not allowed");
    return false;
  }
  h->origin = e2b__strdup(origin);
  if (h->origin != NULL) return true;
  e2b__handling_fail(h, 500, "out of memory");
  return false;
}

/* --- who ----------------------------------------------------------------------------------------
 */

/* Takes the same time wherever the two differ. */
static bool equal(const char *expected, const char *given, size_t given_len) {
  const size_t len = strlen(expected);
  unsigned char difference = len != given_len;
  for (size_t i = 0; i < given_len; i++) {
    difference |= (unsigned char)(expected[len > 0 ? i % len : 0] ^ given[i]);
  }
  return difference == 0;
}

static bool has_bearer(const e2b_http_request *request, const char *token) {
  const char *value = e2b__request_header(request, "Authorization");
  if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0) {
    return equal(token, value + 7, strlen(value + 7));
  }
  static const char prefix[] = "e2b-bearer.";
  const char *offered = e2b__request_header(request, "Sec-WebSocket-Protocol");
  while (offered != NULL && *offered != '\0') {
    offered += strspn(offered, " ,\t");
    const size_t len = strcspn(offered, " ,\t");
    if (len > sizeof prefix - 1 && strncmp(offered, prefix, sizeof prefix - 1) == 0) {
      return equal(token, offered + sizeof prefix - 1, len - (sizeof prefix - 1));
    }
    offered += len;
  }
  return false;
}

/* The caller's name, or NULL. */
static const char *authorize(const e2b_handler_t *handler, const e2b_http_request *request) {
  const e2b_handler_options *options = &handler->options;
  if (options->bearer_token != NULL && has_bearer(request, options->bearer_token)) return "";
  if (options->authorize != NULL) {
    e2b__call_out_begin();
    const char *name = options->authorize(request, options->authorize_data);
    e2b__call_out_end();
    return name;
  }
  return options->bearer_token == NULL && options->allow_anyone == E2B_ON ? "" : NULL;
}

/* --- what ---------------------------------------------------------------------------------------
 */

/* A tree of values takes many times the memory of a text like "[[],[],[],...". No action has a use
 * for so many, and a file's content is one. */
static bool has_too_many_values(const char *text, size_t len) {
  size_t count = 0;
  bool in_string = false;
  for (size_t i = 0; i < len && count < MOST_VALUES; i++) {
    if (in_string) {
      i += e2b__json_plain_run(text + i, len - i);
      if (i >= len) break;
      in_string = text[i] != '"';
      if (text[i] == '\\') i++;
    } else if (text[i] == '"') {
      in_string = true;
    } else {
      count += text[i] == ',' || text[i] == '[' || text[i] == '{';
    }
  }
  return count >= MOST_VALUES;
}

/* False: answered. */
static bool read_body(e2b__handling_t *h, const e2b_http_request *request) {
  if (request->json == NULL && (request->body_len > h->handler->options.max_body_bytes ||
                                has_too_many_values(request->body, request->body_len))) {
    e2b__handling_fail(h, 413, "Request body is too large");
    return false;
  }
  if (request->json != NULL) {
    h->body = cJSON_Duplicate(request->json, true);
  } else if (request->body_len > 0) {
    h->body = e2b__json_parse(request->body, request->body_len);
  }
  if (cJSON_IsObject(h->body) && request->json == NULL &&
      e2b__json_has_nul(request->body, request->body_len)) {
    /* It would arrive as something else, in a file, say, with a success. */
    e2b__handling_fail(h, 400, "A string must not contain \\u0000");
    return false;
  }
  if (cJSON_IsObject(h->body)) return true;
  e2b__handling_fail(h, 400, "Invalid JSON in request body");
  return false;
}

static void serve(e2b__handling_t *h, const e2b_http_request *request) {
  const char *method = request->method != NULL ? request->method : "";
  const bool get = strcmp(method, "GET") == 0;
  if (!check_host(h, request) || !check_origin(h, request)) return;
  if (strcmp(method, "OPTIONS") == 0) {
    e2b__handling_answer_empty(h, 204, h->origin != NULL);
    return;
  }
  if (!get && strcmp(method, "POST") != 0) {
    e2b__handling_fail(h, 405, "Only POST requests are supported");
    return;
  }
  e2b__handling_enter(h);
  const char *name = authorize(h->handler, request);
  if (!e2b__handling_leave(h)) return;
  if (h->handler->released) {
    e2b__handling_fail(h, 503, "The handler is closed");
    return;
  }
  if (name == NULL) {
    e2b__handling_fail(h, 401, "Unauthorized");
    return;
  }
  h->caller = e2b__caller_get(h->handler, name);
  if (h->caller == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
  } else if (get) {
    e2b__action_start_stream(h, request);
  } else if (read_body(h, request)) {
    e2b__action_start(h);
  }
}

e2b_future_t *e2b_handle_request(e2b_handler_t *handler, const e2b_http_request *given) {
  if (handler == NULL) return NULL;
  e2b_future_t *future =
      e2b__future_new(&handler->client->queue, E2B__KIND_HTTP_RESPONSE, "e2b_handle_request");
  if (future == NULL || e2b_future_is_done(future)) return future;
  e2b__handling_t *h = e2b__handling_new(handler, future);
  if (h == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  e2b_http_request request;
  e2b__options_copy(&request, sizeof request, given);
  if (handler->released) {
    e2b__handling_fail(h, 503, "The handler is closed");
  } else {
    serve(h, &request);
  }
  return future;
}

const e2b_http_response_t *e2b_future_http_response(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_HTTP_RESPONSE);
}
