/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/pairs.h"
#include "proto/http_head.h"
#include "proto/json.h"
#include "proto/multipart.h"
#include "proto/url.h"
#include "sandbox/files.h"

/* Contents of files that are in memory as a whole (protocol 4.3, 4.4). */

int e2b__files_url(e2b__buffer_t *url, const e2b_sandbox_t *sandbox, const char *path,
                   const char *user) {
  unsigned count = 0;
  int rc = e2b__buffer_printf(url, "%s/files", sandbox->daemon_url);
  if (rc == 0 && path != NULL) rc = e2b__url_query(url, &count, "path", path);
  if (rc == 0 && user != NULL) rc = e2b__url_query(url, &count, "username", user);
  return rc;
}

/* --- reading ------------------------------------------------------------------------------------
 */

typedef struct content {
  e2b_bytes_t bytes; /* first: what the future lends */
  char *memory;
} content;

static void release_content(void *value) {
  content *result = E2B__CONTAINER(value, content, bytes);
  e2b__free(result->memory);
  e2b__free(result);
}

const e2b_bytes_t *e2b_future_bytes(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_BYTES);
}

static void on_content(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__daemon_ok(op, result)) return;
  content *value = e2b__calloc(1, sizeof *value);
  if (value == NULL) {
    e2b__operation_fail_answer(op, result, E2B_ENOMEM, "", "");
    return;
  }
  value->bytes.len = result->body_len;
  value->memory = e2b__buffer_detach(result->buffer); /* no copy */
  value->bytes.ptr = value->memory != NULL ? value->memory : "";
  e2b__future_succeed(op->future, &value->bytes, release_content);
}

e2b_future_t *e2b_files_read(e2b_sandbox_t *sandbox, const char *path,
                             const e2b_file_options *given) {
  e2b_future_t *future;
  e2b__operation_t *op = e2b__daemon_operation(sandbox, E2B__KIND_BYTES, "e2b_files_read", &future);
  if (op == NULL) return future;
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  int rc = path != NULL ? e2b__files_url(&op->url, sandbox, path, options.user)
                        : e2b__operation_refuse(op, "there is no path");
  const e2b__operation_request_t request = {.method = "GET",
                                            .headers = sandbox->shared,
                                            .safe = true,
                                            .no_body = true,
                                            .final_status = 502,
                                            .timeout_ms = options.request_timeout_ms,
                                            .max_response_bytes = options.max_bytes};
  e2b__operation_send(op, rc, &request, on_content);
  return future;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static const char *json_text(e2b__arena_t *arena, const cJSON *object, const char *name) {
  const char *text = e2b__json_string(object, name, "");
  return e2b__arena_strndup(arena, text, strlen(text));
}

int e2b__stored_files_parse(e2b__arena_t *arena, const char *body, size_t len,
                            e2b_file_info_t **files, size_t *count) {
  cJSON *json = e2b__json_parse(body, len);
  int rc = cJSON_IsArray(json) ? 0 : E2B_EPROTOCOL;
  *count = 0;
  *files = NULL;
  if (rc == 0) {
    *files = e2b__arena_calloc(arena, (size_t)cJSON_GetArraySize(json) + 1, sizeof **files);
    if (*files == NULL) rc = E2B_ENOMEM;
  }
  for (const cJSON *item = rc == 0 ? json->child : NULL; item != NULL; item = item->next) {
    e2b_file_info_t *file = &(*files)[(*count)++];
    file->name = json_text(arena, item, "name");
    file->path = json_text(arena, item, "path");
    file->type = strcmp(e2b__json_string(item, "type", ""), "dir") == 0 ? E2B_FILE_DIRECTORY
                                                                        : E2B_FILE_REGULAR;
    file->permissions = file->owner = file->group = file->symlink_target = "";
    if (file->name == NULL || file->path == NULL) {
      rc = E2B_ENOMEM;
      break;
    }
  }
  cJSON_Delete(json);
  return rc;
}

static void on_stored(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__daemon_ok(op, result)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b_file_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_file_info_t *files = NULL;
  const bool one = op->tag != 0;
  int rc = list != NULL ? e2b__stored_files_parse(arena, result->body, result->body_len, &files,
                                                  &list->count)
                        : E2B_ENOMEM;
  if (rc == 0 && one && list->count != 1) rc = E2B_EPROTOCOL;
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "the answer to the upload", "");
    return;
  }
  list->items = files;
  e2b__future_succeed(op->future, one ? (const void *)files : list, NULL);
}

/* Header names of metadata are HTTP tokens, values printable ASCII (protocol 8.7). */
static bool valid_metadata(const e2b_pair_t *pair) {
  if (!e2b__http_is_token(pair->name, strlen(pair->name))) return false;
  for (const char *c = pair->value; *c != '\0'; c++) {
    if (*c < 0x20 || *c > 0x7e) return false;
  }
  return true;
}

char *e2b__metadata_line(e2b__arena_t *arena, const e2b_pair_t *pair, int *rc) {
  *rc = valid_metadata(pair) ? 0 : E2B_EINVAL;
  if (*rc != 0) return NULL;
  const size_t size = strlen(pair->name) + strlen(pair->value) + sizeof "X-Metadata-: ";
  char *line = e2b__arena_alloc(arena, size);
  /* curl sends a header without value only when it ends with a semicolon. */
  if (line != NULL) {
    snprintf(line, size, *pair->value != '\0' ? "X-Metadata-%s: %s" : "X-Metadata-%s;%s",
             pair->name, pair->value);
  } else {
    *rc = E2B_ENOMEM;
  }
  return line;
}

static int add_metadata(e2b__operation_t *op, const e2b_file_options *options) {
  int rc = e2b__pairs_ok(options->metadata, options->metadata_count)
               ? 0
               : e2b__operation_refuse(op, E2B__METADATA_WRONG);
  for (size_t i = 0; rc == 0 && i < options->metadata_count; i++) {
    char *line = e2b__metadata_line(e2b__future_arena(op->future), &options->metadata[i], &rc);
    if (rc == E2B_EINVAL) e2b__operation_refuse(op, E2B__METADATA_WRONG);
    if (rc == 0) rc = e2b__operation_header_line(op, line);
  }
  return rc;
}

static int make_boundary(char boundary[48]) {
  unsigned char bytes[16];
  if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) != 0) return E2B_ESYSTEM;
  int at = snprintf(boundary, 48, "e2b-");
  for (size_t i = 0; i < sizeof bytes; i++) {
    at += snprintf(boundary + at, 48 - (size_t)at, "%02x", bytes[i]);
  }
  return 0;
}

static int multipart_body(e2b__operation_t *op, const e2b_file_content_t *files, size_t count) {
  char boundary[48];
  char type[96];
  int rc =
      files != NULL ? make_boundary(boundary) : e2b__operation_refuse(op, "there are no files");
  for (size_t i = 0; rc == 0 && i < count; i++) {
    if (files[i].path == NULL) rc = e2b__operation_refuse(op, "a file has no path");
    if (files[i].data == NULL && files[i].len > 0)
      rc = e2b__operation_refuse(op, "there are no bytes");
    if (rc == 0) rc = e2b__multipart_head(&op->body, boundary, files[i].path, i == 0);
    if (rc == 0) rc = e2b__buffer_append(&op->body, files[i].data, files[i].len);
  }
  if (rc == 0) rc = e2b__multipart_tail(&op->body, boundary);
  snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
  return rc == 0 ? e2b__operation_header(op, "Content-Type", type) : rc;
}

static void upload(e2b__operation_t *op, int rc, const e2b_file_options *options) {
  if (rc == 0) rc = add_metadata(op, options);
  const e2b__operation_request_t request = {.method = "POST",
                                            .headers = e2b__operation_sandbox(op)->shared,
                                            .final_status = 502,
                                            .timeout_ms = options->request_timeout_ms};
  e2b__operation_send(op, rc, &request, on_stored);
}

/* Raw bodies came with 0.5.7; an unknown version is a new one. */
bool e2b__takes_raw_uploads(const e2b_sandbox_t *sandbox) {
  static const unsigned wanted[] = {0, 5, 7};
  const char *at = sandbox->record.envd_version;
  for (size_t i = 0; i < E2B__COUNT(wanted) && *at != '\0'; i++) {
    char *end;
    const unsigned long number = strtoul(at, &end, 10);
    if (end == at || number > wanted[i]) return true;
    if (number < wanted[i]) return false;
    at = *end == '.' ? end + 1 : end;
  }
  return true;
}

e2b_future_t *e2b_files_write(e2b_sandbox_t *sandbox, const char *path, const void *data,
                              size_t len, const e2b_file_options *given) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(sandbox, E2B__KIND_FILE_INFO, "e2b_files_write", &future);
  if (op == NULL) return future;
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  op->tag = 1;
  int rc = path == NULL              ? e2b__operation_refuse(op, "there is no path")
           : data == NULL && len > 0 ? e2b__operation_refuse(op, "there are no bytes")
                                     : 0;
  if (rc == 0) rc = e2b__files_url(&op->url, sandbox, path, options.user);
  if (rc == 0 && e2b__takes_raw_uploads(sandbox)) {
    rc = e2b__buffer_append(&op->body, data, len);
    if (rc == 0) rc = e2b__operation_header(op, "Content-Type", "application/octet-stream");
  } else if (rc == 0) {
    const e2b_file_content_t file = {path, data, len};
    rc = multipart_body(op, &file, 1);
  }
  upload(op, rc, &options);
  return future;
}

e2b_future_t *e2b_files_write_many(e2b_sandbox_t *sandbox, const e2b_file_content_t *files,
                                   size_t count, const e2b_file_options *given) {
  e2b_future_t *future;
  e2b__operation_t *op =
      e2b__daemon_operation(sandbox, E2B__KIND_FILE_LIST, "e2b_files_write_many", &future);
  if (op == NULL) return future;
  if (count == 0) {
    static const e2b_file_list_t nothing;
    e2b__operation_settle(op, 0, (void *)(uintptr_t)&nothing, NULL);
    return future;
  }
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  int rc = e2b__files_url(&op->url, sandbox, NULL, options.user);
  if (rc == 0) rc = multipart_body(op, files, count);
  upload(op, rc, &options);
  return future;
}
