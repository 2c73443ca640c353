/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/gzip.h"
#include "proto/base64.h"
#include "proto/json.h"
#include "support/wire.h"

/* Exchanges that were recorded with the real daemon, said again to the host: same status, headers
 * and body. */

enum { FILE_CEILING = 1 << 20, HEADERS = 16 };

static cJSON *load(const char *name) {
  char path[512];
  static char text[FILE_CEILING];
  snprintf(path, sizeof path, "%s/%s.json", E2B_FIXTURES, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("no fixture %s", path);
  size_t len = fread(text, 1, sizeof text, file);
  fclose(file);
  cJSON *tree = e2b__json_parse(text, len);
  assert_non_null(tree);
  return tree;
}

static void decode_body(const cJSON *side, e2b__buffer_t *out) {
  const char *text = e2b__json_string(side, "body_base64", "");
  size_t len;
  e2b__buffer_init(out, FILE_CEILING);
  assert_int_equal(e2b__buffer_reserve(out, e2b__base64_decoded_bound(strlen(text))), 0);
  assert_int_equal(e2b__base64_decode(text, strlen(text), out->data, &len), 0);
  e2b__buffer_commit(out, len);
}

static void inflate_body(e2b__buffer_t *body) {
  e2b__gzip_reader_t reader;
  e2b__buffer_t plain = E2B__BUFFER_INIT(FILE_CEILING);
  assert_int_equal(e2b__gunzip_whole(&plain, body->data, body->len, &reader), 0);
  e2b__buffer_free(body);
  *body = plain;
}

/* Compressors differ; what they make need only mean the same. */
static bool compare_header(const char *name, const char *given, long status, bool gzip) {
  return strcasecmp(name, "Date") != 0 && strcasecmp(name, "Last-Modified") != 0 &&
         !(strcasecmp(name, "Content-Length") == 0 && (gzip || status == 304)) && given != NULL;
}

static void check(const char *name, const cJSON *recorded, wire_exchange_t *exchange) {
  const cJSON *headers = cJSON_GetObjectItemCaseSensitive(recorded, "headers"), *header;
  struct curl_header *answered;
  e2b__buffer_t body;
  bool gzip = cJSON_GetObjectItemCaseSensitive(headers, "Content-Encoding") != NULL;

  print_message("%s\n", name);
  assert_int_equal(exchange->status, e2b__json_int(recorded, "status", 0));
  cJSON_ArrayForEach(header, headers) {
    if (!compare_header(header->string, header->valuestring, exchange->status, gzip)) continue;
    int rc = curl_easy_header(exchange->easy, header->string, 0, CURLH_HEADER, -1, &answered);
    if (rc != CURLHE_OK) fail_msg("%s: no %s", name, header->string);
    assert_string_equal(answered->value, header->valuestring);
  }
  decode_body(recorded, &body);
  if (gzip) {
    inflate_body(&body);
    inflate_body(&exchange->body);
  }
  assert_int_equal(exchange->body.len, body.len);
  if (body.len > 0) assert_memory_equal(exchange->body.data, body.data, body.len);
  e2b__buffer_free(&body);
}

static void replay(const char *name) {
  cJSON *tree = load(name);
  const cJSON *request = cJSON_GetObjectItemCaseSensitive(tree, "request"), *header;
  const char *lines[HEADERS] = {NULL}, *type = "";
  char texts[HEADERS][256];
  size_t count = 0;
  e2b__buffer_t body;

  cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(request, "headers")) {
    const char *value = header->valuestring;
    if (strcmp(header->string, "Content-Type") == 0) type = value;
    if (strcmp(header->string, "Content-Type") == 0 || strcmp(header->string, "Host") == 0 ||
        strcmp(header->string, "Content-Length") == 0)
      continue;
    assert_true(count < HEADERS - 1);
    /* Recordings show header bytes as the characters of Latin-1. */
    if (strcmp(value, "\303\251") == 0) value = "\351";
    snprintf(texts[count], sizeof texts[count], "%s: %s", header->string, value);
    lines[count] = texts[count];
    count++;
  }
  decode_body(request, &body);
  wire_exchange_t *exchange =
      wire_ask(e2b__json_string(request, "method", ""), e2b__json_string(request, "path", ""), type,
               body.data, body.len, lines);
  check(name, cJSON_GetObjectItemCaseSensitive(tree, "response"), exchange);
  wire_end(exchange);
  e2b__buffer_free(&body);
  cJSON_Delete(tree);
}

static void put(const char *path, const char *content) {
  char url[256];
  snprintf(url, sizeof url, "/files?username=user&path=%s", path);
  wire_exchange_t *exchange =
      wire_ask("POST", url, "application/octet-stream", content, strlen(content), NULL);
  assert_int_equal(exchange->status, 200);
  wire_end(exchange);
}

static void needs_paths(void) {
  skip_unless(&wire.server, SERVER_ISOLATED, "recordings are about /home/user");
}

static void uploads(void **state) {
  (void)state;
  needs_paths();
  static const char *const names[] = {
      "files-post-multipart-one",
      "files-post-multipart-two",
      "files-post-multipart-duplicate",
      "files-post-multipart-none",
      "files-post-octet",
      "files-post-octet-empty",
      "files-post-octet-no-path",
      "files-post-octet-chunked-request",
      "files-post-parent-is-file",
      "files-post-unsupported-type",
      "files-post-unknown-user",
      "files-post-gzip",
      "files-post-bad-gzip",
      "files-post-bad-encoding",
      "files-post-metadata-invalid",
      "files-post-directory",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    replay(names[i]);
}

static void downloads(void **state) {
  (void)state;
  needs_paths();
  static const char *const names[] = {
      "files-get",           "files-get-range",          "files-get-range-unsatisfiable",
      "files-get-empty",     "files-get-not-acceptable", "files-get-not-modified",
      "files-get-directory", "files-get-parent-is-file", "files-get-not-found",
      "files-get-bad-param", "files-get-unknown-user",   "files-get-gzip-small",
      "files-get-proc",
  };
  put("cap/m1", "one");
  put("cap/empty", "");
  put("cap/page.html", "<html></html>\n");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    replay(names[i]);
}

static void composing(void **state) {
  (void)state;
  needs_paths();
  put("cap/p1", "a");
  put("cap/p2", "b");
  replay("files-compose");
  replay("files-compose-empty");
  replay("files-compose-missing-source");
}

static void devices(void **state) {
  (void)state;
  needs_paths();
  replay("files-post-no-space");
}

static void metadata(void **state) {
  (void)state;
  needs_paths();
  wire_exchange_t *probe =
      wire_ask("POST", "/files?username=user&path=probe", "application/octet-stream", "x", 1,
               (const char *const[]){"X-Metadata-A: b", NULL});
  bool kept = probe->body.data != NULL && strstr(probe->body.data, "metadata") != NULL;
  wire_end(probe);
  if (!kept) server_skip(&wire.server, "its files have no attributes");
  replay("files-post-metadata");
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(uploads), WIRE_TEST(downloads), WIRE_TEST(composing),
                                     WIRE_TEST(devices), WIRE_TEST(metadata)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
