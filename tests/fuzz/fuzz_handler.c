/* SPDX-License-Identifier: MIT */
#include <uv.h>

#include "client/client.h"
#include "fuzz.h"
#include "handler/socket.h"

/* Any request gets an answer that is one: a status that the contract names, JSON, headers without
 * line breaks, and nothing of the token. The client has no key, so nothing leaves the process. The
 * lines of an input are method, query, origin, sub-protocol; the rest is the body, and what a
 * browser sends on an open WebSocket. */

#define SECRET "sesame-is-secret"

static uv_loop_t loop;
static e2b_client_t *client;
static e2b_handler_t *handler;

static const char *whoever(const e2b_http_request *request, void *user_data) {
  (void)user_data;
  return request->body_len % 2 == 0 ? "" : "somebody";
}

static void start(void) {
  static const char *const origins[] = {"https://good.example"};
  if (handler != NULL) return;
  unsetenv("E2B_API_KEY");
  HOLDS(uv_loop_init(&loop) == 0);
  client = e2b_client_new(&loop, NULL);
  e2b_handler_options options;
  E2B_INIT(&options);
  options.bearer_token = SECRET;
  options.authorize = whoever;
  options.allowed_origins = origins;
  options.allowed_origins_count = 1;
  HOLDS(client != NULL && e2b_handler_new(client, &options, &handler) == 0);
}

static char *next_line(char **at) {
  char *line = *at;
  char *end = strchr(line, '\n');
  if (end == NULL) {
    *at = line + strlen(line);
  } else {
    *end = '\0';
    *at = end + 1;
  }
  return line;
}

static void check(const e2b_http_response_t *answer, bool told) {
  static const int statuses[] = {200, 204, 400, 401, 403, 404, 405, 413, 429, 500, 503};
  bool known = false;
  for (size_t i = 0; i < E2B__COUNT(statuses); i++) {
    known = known || answer->status == statuses[i];
  }
  HOLDS(known);
  for (size_t i = 0; i < answer->headers_count; i++) {
    HOLDS(strpbrk(answer->headers[i].value, "\r\n") == NULL);
  }
  /* What the request says itself may come back in a message. */
  HOLDS(told || memmem(answer->body.ptr, answer->body.len, SECRET, sizeof SECRET - 1) == NULL);
  if (answer->status == 204) return;
  cJSON *json = e2b__json_parse(answer->body.ptr, answer->body.len);
  HOLDS(cJSON_IsObject(json));
  HOLDS(cJSON_IsTrue(cJSON_GetObjectItem(json, "success")) == (answer->status == 200));
  cJSON_Delete(json);
}

static void check_request(char *text, size_t len) {
  const bool told = memmem(text, len, "sesame", 6) != NULL;
  char *at = text;
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = next_line(&at);
  request.query = next_line(&at);
  const char *origin = next_line(&at);
  const char *protocol = next_line(&at);
  const e2b_pair_t headers[] = {{"Host", "app.example"},
                                {"Sec-WebSocket-Protocol", protocol},
                                {"Upgrade", "websocket"},
                                {"Connection", "upgrade"},
                                {"Sec-WebSocket-Version", "13"},
                                {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                {"Origin", origin}};
  request.headers = headers;
  request.headers_count = *origin != '\0' ? 7 : 6;
  request.body = at;
  request.body_len = len - (size_t)(at - text);
  e2b_future_t *future = e2b_handle_request(handler, &request);
  HOLDS(e2b_future_await(future, 10000) == 0);
  check(e2b_future_http_response(future), told);
  e2b_future_release(future);
}

static void nothing(void *ctx) {
  (void)ctx;
}

static void on_message(void *ctx, bool text, const char *data, size_t len) {
  volatile char sum = 0;
  (void)ctx;
  (void)text;
  for (size_t i = 0; i < len; i++) {
    sum = (char)(sum + data[i]);
  }
}

static void check_socket(const char *data, size_t len) {
  static const e2b__http_stream_source_t source = {nothing, nothing, NULL, nothing, nothing};
  static const e2b__server_socket_events_t events = {on_message, nothing};
  e2b__handling_t h;
  memset(&h, 0, sizeof h);
  h.handler = handler;
  h.caller = e2b__caller_get(handler, "");
  HOLDS(h.caller != NULL);
  HOLDS(e2b__http_stream_new(&h, &source, NULL) == 0);
  e2b_http_stream_t *stream = h.stream;
  e2b__http_stream_lend(stream, NULL);
  e2b__server_socket_t *it = e2b__server_socket_new(stream, &events, NULL);
  HOLDS(it != NULL);
  for (size_t at = 0; at < len; at += 7) {
    e2b__server_socket_receive(it, data + at, len - at < 7 ? len - at : 7);
  }
  e2b__server_socket_free(it);
  e2b_http_stream_close(stream);
  e2b__caller_drop(h.caller);
  uv_run(&loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  HOLDS(text != NULL);
  start();
  memcpy(text, data, size);
  text[size] = '\0';
  check_socket(text, size);
  check_request(text, size);
  free(text);
  return 0;
}
