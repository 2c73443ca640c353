/* SPDX-License-Identifier: MIT */
#include "host/refusal.h"

#include <stdio.h>
#include <strings.h>

#include "proto/json.h"

typedef struct words {
  unsigned status;
  const char *message;
  const char *title; /* of the page */
  const char *before, *after;
} words_t;

static const words_t all_words[E2B__REFUSAL_COUNT] = {
    [E2B__REFUSAL_NO_SANDBOX] = {502, "The sandbox was not found", "Sandbox Not Found",
                                 "The sandbox", "wasn't found."},
    [E2B__REFUSAL_PORT_CLOSED] = {502, "The sandbox is running but port is not open",
                                  "Closed Port Error", "The sandbox",
                                  "is running but there's no service running on port"},
    [E2B__REFUSAL_TOKEN_MISSING] = {403,
                                    "Sandbox is secured with traffic access token. Token header "
                                    "'e2b-traffic-access-token' is missing",
                                    "Missing Traffic Access Token", "The sandbox",
                                    "is secured with a traffic access token."},
    [E2B__REFUSAL_TOKEN_INVALID] = {403,
                                    "Sandbox is secured with traffic access token. Provided token "
                                    "in header 'e2b-traffic-access-token' is invalid",
                                    "Invalid Traffic Access Token", "The token for the sandbox",
                                    "is invalid."},
    [E2B__REFUSAL_NOT_RESUMED] = {403,
                                  "This sandbox can't be resumed with the credentials provided. "
                                  "Check your access token and try again.",
                                  "Sandbox Not Resumed", "The sandbox",
                                  "can't be resumed with the credentials provided."},
    [E2B__REFUSAL_TOO_MANY] = {429,
                               "The sandbox has too many concurrent incoming connections (limit: ",
                               "Too Many Connections", "The sandbox",
                               "has too many concurrent incoming connections."},
    [E2B__REFUSAL_RESERVED] = {404,
                               "This endpoint is reserved for the E2B control plane and is not "
                               "reachable through the sandbox URL",
                               "Not Found",
                               "This endpoint is reserved for the E2B control plane of the sandbox",
                               "."},
};

static bool contains_any(const char *text, const char *const *words, size_t count) {
  for (size_t i = 0; text != NULL && i < count; i++)
    if (strcasestr(text, words[i]) != NULL) return true;
  return false;
}

/* A person who opened an address, and not a script on a page or a program. */
static bool wants_page(const e2b__host_request_t *request) {
  static const char *const browsers[] = {"mozilla", "chrome", "safari", "firefox",
                                         "edge",    "opera",  "msie"};
  static const char *const script_modes[] = {"cors", "no-cors", "same-origin", "websocket"};
  const char *accept = e2b__host_header(request, "Accept");
  const char *mode = e2b__host_header(request, "Sec-Fetch-Mode");

  if (!contains_any(e2b__host_header(request, "User-Agent"), browsers, E2B__COUNT(browsers)))
    return false;
  if (accept != NULL && strcasestr(accept, "application/json") != NULL &&
      strcasestr(accept, "text/html") == NULL)
    return false;
  if (mode != NULL && strcasecmp(mode, "navigate") == 0) return true;
  for (size_t i = 0; mode != NULL && i < E2B__COUNT(script_modes); i++)
    if (strcasecmp(mode, script_modes[i]) == 0) return false;
  return e2b__host_header(request, "X-Requested-With") == NULL;
}

/* The id has letters and digits only (the router saw to that): nothing needs escaping. */
static int put_page(e2b__buffer_t *out, const e2b__host_request_t *request, const words_t *words) {
  char port[16] = "";
  if (words == &all_words[E2B__REFUSAL_PORT_CLOSED])
    snprintf(port, sizeof port, " %u.", request->port);
  return e2b__buffer_printf(
      out,
      "<html><head><meta charset=\"utf-8\"><title>%s</title><style>body{font-family:sans-serif;"
      "margin:15vh auto;max-width:36em;text-align:center}</style></head><body><h1>%s</h1>"
      "<p>%s <b>%s</b> %s%s</p></body></html>",
      words->title, words->title, words->before,
      request->sandbox_id != NULL ? request->sandbox_id : "", words->after, port);
}

static int put_json(e2b__buffer_t *out, const e2b__host_request_t *request, const words_t *words) {
  const char *id = request->sandbox_id != NULL ? request->sandbox_id : "";
  bool reserved = words == &all_words[E2B__REFUSAL_RESERVED];
  bool too_many = words == &all_words[E2B__REFUSAL_TOO_MANY];
  char message[200];
  e2b__json_writer_t w;

  int len = too_many ? snprintf(message, sizeof message, "%s%d)", words->message,
                                (int)E2B__HOST_PROXIED_MAX)
                     : snprintf(message, sizeof message, "%s", words->message);
  e2b__json_begin(&w, out);
  e2b__json_open(&w, NULL, '{');
  if (!reserved) e2b__json_put_string(&w, "sandboxId", id, strlen(id));
  e2b__json_put_string(&w, "message", message, (size_t)len);
  if (reserved) e2b__json_put_string(&w, "path", request->path, strlen(request->path));
  if (words == &all_words[E2B__REFUSAL_PORT_CLOSED])
    e2b__json_put_int(&w, "port", (int64_t)request->port);
  e2b__json_put_int(&w, "code", (int64_t)words->status);
  if (too_many) e2b__json_put_int(&w, "connectionLimit", E2B__HOST_PROXIED_MAX);
  e2b__json_close(&w, '}');
  return w.rc;
}

void e2b__host_refuse(e2b__host_request_t *request, e2b__host_refusal_t refusal) {
  const words_t *words = &all_words[refusal];
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  bool page = wants_page(request);
  int rc = page ? put_page(&out, request, words) : put_json(&out, request, words);
  const char *type = page ? "text/html; charset=utf-8" : "application/json; charset=utf-8";
  e2b__host_answer(request, words->status,
                   rc == 0 ? e2b__host_response(type, out.data, out.len) : NULL);
  e2b__buffer_free(&out);
}

static void discard(e2b__host_request_t *request, const char *data, size_t len) {
  (void)request;
  (void)data;
  (void)len;
}

static void finish(e2b__host_request_t *request) {
  const words_t *words = request->state;
  e2b__host_refuse(request, (e2b__host_refusal_t)(words - all_words));
}

void e2b__host_refuse_route(e2b__host_request_t *request, e2b__host_refusal_t refusal) {
  static const e2b__host_handler_t handler = {.begin = finish, .body = discard, .finish = finish};
  request->handler = &handler;
  request->state = (void *)(uintptr_t)&all_words[refusal];
}
