/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "proto/base64.h"
#include "proto/json.h"
#include "unit.h"

static char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("no fixture %s", path);
  fseek(file, 0, SEEK_END);
  *len = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*len + 1);
  assert_non_null(text);
  assert_int_equal(fread(text, 1, *len, file), *len);
  fclose(file);
  return text;
}

static char *body(const cJSON *side, size_t *len) {
  const char *text = e2b__json_string(side, "body_base64", "");
  char *bytes = malloc(e2b__base64_decoded_bound(strlen(text)) + 1);
  assert_non_null(bytes);
  assert_int_equal(e2b__base64_decode(text, strlen(text), bytes, len), 0);
  return bytes;
}

fixture fixture_load(const char *name) {
  char path[512];
  size_t len;
  fixture f;
  snprintf(path, sizeof path, "%s/%s.json", E2B_FIXTURES, name);
  char *text = read_file(path, &len);
  cJSON *tree = e2b__json_parse(text, len);
  assert_non_null(tree);
  const cJSON *response = cJSON_GetObjectItemCaseSensitive(tree, "response");
  f.status = (int)e2b__json_int(response, "status", 0);
  f.request = body(cJSON_GetObjectItemCaseSensitive(tree, "request"), &f.request_len);
  f.response = body(response, &f.response_len);
  cJSON_Delete(tree);
  free(text);
  return f;
}

void fixture_free(fixture *f) {
  free(f->request);
  free(f->response);
}
