/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/envelope.h"
#include "proto/json.h"

#ifdef E2B_TEST_WITH_HOST

wire_t wire;

enum { PATIENCE_MS = 60000 };

static size_t on_body(char *data, size_t size, size_t count, void *user_data) {
  wire_exchange_t *exchange = user_data;
  return e2b__buffer_append(&exchange->body, data, size * count) == 0 ? size * count : 0;
}

void wire_turn(void) {
  int running, left;
  CURLMsg *message;
  uv_run(&wire.loop, UV_RUN_NOWAIT);
  curl_multi_perform(wire.multi, &running);
  while ((message = curl_multi_info_read(wire.multi, &left)) != NULL) {
    wire_exchange_t *exchange = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
    exchange->done = true;
    exchange->code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &exchange->status);
  }
  curl_multi_wait(wire.multi, NULL, 0, 1, NULL);
}

void wire_turn_for(unsigned ms) {
  uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;
  while (uv_hrtime() < end)
    wire_turn();
}

static void add_header(wire_exchange_t *exchange, const char *name, const char *value) {
  char line[512];
  snprintf(line, sizeof line, "%s: %s", name, value);
  exchange->headers = curl_slist_append(exchange->headers, line);
  assert_non_null(exchange->headers);
}

wire_exchange_t *wire_begin(const char *method, const char *path, const char *type,
                            const void *body, size_t len, const char *const *headers) {
  wire_exchange_t *exchange = test_calloc(1, sizeof *exchange);
  char url[512];
  exchange->easy = curl_easy_init();
  assert_non_null(exchange->easy);
  e2b__buffer_init(&exchange->sent, 64 << 20);
  e2b__buffer_init(&exchange->body, 256 << 20);
  assert_int_equal(e2b__buffer_append(&exchange->sent, body, len), 0);
  snprintf(url, sizeof url, "%s%s", e2b_host_url(wire.server.host), path);
  if (wire.sandbox[0] != '\0') {
    add_header(exchange, "E2b-Sandbox-Id", wire.sandbox);
    add_header(exchange, "E2b-Sandbox-Port", wire.port != NULL ? wire.port : "49983");
    if (!wire.anonymous) add_header(exchange, "Authorization", "Basic cm9vdDo=");
  }
  add_header(exchange, "X-API-Key", e2b_host_api_key(wire.server.host));
  add_header(exchange, "Content-Type", type);
  for (; headers != NULL && *headers != NULL; headers++)
    exchange->headers = curl_slist_append(exchange->headers, *headers);
  curl_easy_setopt(exchange->easy, CURLOPT_URL, url);
  curl_easy_setopt(exchange->easy, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(exchange->easy, CURLOPT_PROXY, "");
  if (strcmp(method, "HEAD") == 0) curl_easy_setopt(exchange->easy, CURLOPT_NOBODY, 1L);
  if (len > 0) {
    curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDS, exchange->sent.data);
  }
  curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
  curl_easy_setopt(exchange->easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(exchange->easy, CURLOPT_WRITEDATA, exchange);
  curl_easy_setopt(exchange->easy, CURLOPT_PRIVATE, exchange);
  assert_int_equal(curl_multi_add_handle(wire.multi, exchange->easy), CURLM_OK);
  return exchange;
}

wire_exchange_t *wire_ask(const char *method, const char *path, const char *type, const void *body,
                          size_t len, const char *const *headers) {
  wire_exchange_t *exchange = wire_begin(method, path, type, body, len, headers);
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while (!exchange->done && uv_hrtime() < end)
    wire_turn();
  assert_true(exchange->done);
  assert_int_equal(exchange->code, CURLE_OK);
  return exchange;
}

void wire_end(wire_exchange_t *exchange) {
  curl_multi_remove_handle(wire.multi, exchange->easy);
  curl_easy_cleanup(exchange->easy);
  curl_slist_free_all(exchange->headers);
  e2b__buffer_free(&exchange->sent);
  e2b__buffer_free(&exchange->body);
  test_free(exchange);
}

void wire_shell(const char *line) {
  const char *port = wire.port;
  wire.port = NULL;
  e2b__buffer_t body = E2B__BUFFER_INIT(1 << 20);
  e2b__json_writer_t w;
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  assert_int_equal(e2b__buffer_append(&body, prefix, sizeof prefix), 0);
  e2b__json_begin(&w, &body);
  e2b__json_open(&w, NULL, '{');
  e2b__json_open(&w, "process", '{');
  e2b__json_put_string(&w, "cmd", "/bin/bash", 9);
  e2b__json_open(&w, "args", '[');
  e2b__json_put_string(&w, NULL, "-c", 2);
  e2b__json_put_string(&w, NULL, line, strlen(line));
  e2b__json_close(&w, ']');
  e2b__json_close(&w, '}');
  e2b__json_close(&w, '}');
  assert_int_equal(w.rc, 0);
  e2b__envelope_prefix((unsigned char *)body.data, 0, body.len - sizeof prefix);
  wire_exchange_t *exchange = wire_ask("POST", "/process.Process/Start", "application/connect+json",
                                       body.data, body.len, NULL);
  wire.port = port;
  /* Envelopes hold NULs; the answer as text begins behind those of the last prefix. */
  bool good = false;
  static const char wanted[] = "exit status 0";
  for (size_t i = 0; !good && i + sizeof wanted <= exchange->body.len; i++)
    good = memcmp(exchange->body.data + i, wanted, sizeof wanted - 1) == 0;
  if (!good) print_error("failed: %s\n", line);
  assert_true(good);
  wire_end(exchange);
  e2b__buffer_free(&body);
}

void wire_kill(void) {
  char path[128], id[64];
  snprintf(path, sizeof path, "/sandboxes/%s", wire.sandbox);
  memcpy(id, wire.sandbox, sizeof id);
  wire.sandbox[0] = '\0';
  wire_exchange_t *exchange = wire_ask("DELETE", path, "application/json", "", 0, NULL);
  assert_int_equal(exchange->status, 204);
  wire_end(exchange);
}

int wire_enter(void **state) {
  char body[200];
  (void)state;
  int len = snprintf(body, sizeof body, "{\"templateID\":\"%s\",\"timeout\":300}",
                     wire.template != NULL ? wire.template : "base");
  wire_exchange_t *exchange =
      wire_ask("POST", "/sandboxes", "application/json", body, (size_t)len, NULL);
  const char *id =
      exchange->body.data != NULL ? strstr(exchange->body.data, "\"sandboxID\":\"") : NULL;
  if (exchange->status != 201 || id == NULL) return -1;
  snprintf(wire.sandbox, sizeof wire.sandbox, "%.*s", (int)strcspn(id + 13, "\""), id + 13);
  wire_end(exchange);
  return 0;
}

int wire_leave(void **state) {
  (void)state;
  if (wire.sandbox[0] != '\0') wire_kill();
  return 0;
}

int wire_open(void **state) {
  (void)state;
  memset(&wire, 0, sizeof wire);
  if (uv_loop_init(&wire.loop) != 0) return -1;
  /* These are tests of the host itself, whatever server others are to use. */
  unsetenv("E2B_API_URL");
  unsetenv("E2B_API_KEY");
  unsetenv("E2B_DEBUG");
  wire.multi = curl_multi_init();
  if (wire.multi == NULL || server_start(&wire.server, &wire.loop) != 0) return -1;
  return 0;
}

int wire_close(void **state) {
  (void)state;
  curl_multi_cleanup(wire.multi);
  server_stop(&wire.server);
  uv_run(&wire.loop, UV_RUN_DEFAULT);
  return uv_loop_close(&wire.loop);
}

#endif
