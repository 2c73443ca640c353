/* SPDX-License-Identifier: MIT */
#include "support/page.h"

#include <stdlib.h>
#include <string.h>

e2b_handler_t *page_handler;

static cJSON *kept[64];
static size_t kept_count;

void page_anew(const e2b_handler_options *options) {
  e2b_handler_release(page_handler);
  assert_int_equal(e2b_handler_new(scene.client, options, &page_handler), 0);
}

int page_setup(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  page_anew(&options);
  return 0;
}

int page_tidy(void **state) {
  e2b_handler_release(page_handler);
  page_handler = NULL;
  while (kept_count > 0) {
    cJSON_Delete(kept[--kept_count]);
  }
  return scene_tidy(state);
}

e2b_http_request page_request(const char *method, const char *body) {
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = method;
  request.path = "/api/compute";
  request.body = body;
  request.body_len = body != NULL ? strlen(body) : 0;
  return request;
}

const e2b_http_response_t *page_asks(const e2b_http_request *request) {
  return e2b_future_http_response(OK(e2b_handle_request(page_handler, request)));
}

const e2b_http_response_t *page_posts(const char *body) {
  const e2b_http_request request = page_request("POST", body);
  return page_asks(&request);
}

const e2b_http_response_t *page_gets(const char *query, const e2b_pair_t *headers, size_t count) {
  e2b_http_request request = page_request("GET", NULL);
  request.query = query;
  request.headers = headers;
  request.headers_count = count;
  return page_asks(&request);
}

const char *page_header(const e2b_http_response_t *answer, const char *name) {
  for (size_t i = 0; i < answer->headers_count; i++) {
    if (strcmp(answer->headers[i].name, name) == 0) return answer->headers[i].value;
  }
  return NULL;
}

const cJSON *page_json(const e2b_http_response_t *answer) {
  assert_string_equal(page_header(answer, "Content-Type"), "application/json");
  cJSON *json = e2b__json_parse(answer->body.ptr, answer->body.len);
  assert_non_null(json);
  assert_true(kept_count < sizeof kept / sizeof *kept);
  kept[kept_count++] = json;
  return json;
}

const e2b_pair_t page_handshake[PAGE_HANDSHAKE_COUNT] = {
    {"Upgrade", "websocket"},
    {"Connection", "Upgrade"},
    {"Sec-WebSocket-Version", "13"},
    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
    {"Sec-WebSocket-Protocol", "e2b-terminal"}};

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  page_viewer_t *v = user_data;
  (void)stream;
  if (v->len + len >= sizeof v->text) abort();
  memcpy(v->text + v->len, data, len);
  v->len += len;
  v->text[v->len] = '\0';
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  (void)stream;
  ((page_viewer_t *)user_data)->ended = true;
}

e2b_http_stream_t *page_views(page_viewer_t *v, const e2b_http_response_t *answer) {
  memset(v, 0, sizeof *v);
  e2b_http_stream_t *stream = answer->stream;
  if (stream == NULL) fail_msg("%d: %s", answer->status, answer->body.ptr);
  assert_int_equal(e2b_http_stream_start(stream, on_data, on_end, v), 0);
  return stream;
}

void page_until_says(const page_viewer_t *v, const char *bytes, size_t len) {
  for (unsigned tries = 0; memmem(v->text, v->len, bytes, len) == NULL; tries++) {
    scene_pace(tries);
  }
}

void page_until_ended(const page_viewer_t *v) {
  assert_true(scene_turn(LONG_ENOUGH_MS, &v->ended));
}
