/* SPDX-License-Identifier: MIT */
#include "e2b/files.h"
#include "handler/handler.h"
#include "proto/base64.h"

/* The six operations on files. A JSON string holds text only: with "encoding": "base64" a file's
 * bytes travel whatever they are. */

static const char *path_of(const e2b__handling_t *h) {
  return e2b__action_text(h, "path");
}

/* 1 base64, 0 text, -1 answered. */
static int read_encoding(e2b__handling_t *h) {
  const char *encoding = e2b__action_text(h, "encoding");
  if (encoding == NULL || strcmp(encoding, "utf8") == 0) return 0;
  if (strcmp(encoding, "base64") == 0) return 1;
  e2b__handling_fail(h, 400, "Unknown encoding: %s", encoding);
  return -1;
}

/* False: it failed, and that is answered. */
static bool succeeded(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_error_t *error = e2b_future_error(done);
  if (error == NULL) return true;
  e2b__handling_fail_with(h, error);
  return false;
}

static void on_plain(e2b__handling_t *h, e2b_future_t *done) {
  if (succeeded(h, done)) e2b__handling_answer_plain(h);
}

/* --- content ------------------------------------------------------------------------------------
 */

static void on_read(e2b__handling_t *h, e2b_future_t *done) {
  if (!succeeded(h, done)) return;
  const e2b_bytes_t *bytes = e2b_future_bytes(done);
  e2b__handling_begin(h);
  if (h->tag != 0) {
    e2b__json_put_base64(&h->json, "fileContent", bytes->ptr, bytes->len);
    e2b__json_put_string(&h->json, "encoding", "base64", 6);
  } else {
    e2b__json_put_string(&h->json, "fileContent", bytes->ptr, bytes->len);
  }
  e2b__handling_done(h);
}

void e2b__action_read_file(e2b__handling_t *h) {
  h->tag = read_encoding(h);
  if (h->tag < 0) return;
  e2b__handling_await(h, e2b_files_read(h->sandbox, path_of(h), NULL), on_read);
}

void e2b__action_write_file(e2b__handling_t *h) {
  const int base64 = read_encoding(h);
  if (base64 < 0) return;
  char *content = cJSON_GetObjectItemCaseSensitive(h->body, "content")->valuestring;
  size_t len = strlen(content);
  if (base64 && e2b__base64_decode(content, len, content, &len) != 0) {
    e2b__handling_fail(h, 400, "Field 'content' is not base64");
    return;
  }
  e2b__handling_await(h, e2b_files_write(h->sandbox, path_of(h), content, len, NULL), on_plain);
}

/* --- the rest -----------------------------------------------------------------------------------
 */

void e2b__action_mkdir(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_files_mkdir(h->sandbox, path_of(h), NULL), on_plain);
}

void e2b__action_remove(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_files_remove(h->sandbox, path_of(h), NULL), on_plain);
}

static void on_exists(e2b__handling_t *h, e2b_future_t *done) {
  if (!succeeded(h, done)) return;
  e2b__handling_begin(h);
  e2b__json_put_bool(&h->json, "exists", e2b_future_bool(done) != 0);
  e2b__handling_done(h);
}

void e2b__action_exists(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_files_exists(h->sandbox, path_of(h), NULL), on_exists);
}

static void on_listed(e2b__handling_t *h, e2b_future_t *done) {
  if (!succeeded(h, done)) return;
  const e2b_file_list_t *list = e2b_future_file_list(done);
  e2b__handling_begin(h);
  e2b__json_open(&h->json, "files", '[');
  for (size_t i = 0; i < list->count; i++) {
    const e2b_file_info_t *file = &list->items[i];
    char modified[32];
    e2b__rfc3339_from_ms(file->modified_ms, modified);
    e2b__json_open(&h->json, NULL, '{');
    e2b__json_put_string(&h->json, "name", file->name, strlen(file->name));
    e2b__json_put_string(&h->json, "path", file->path, strlen(file->path));
    e2b__json_put_bool(&h->json, "isDirectory", file->type == E2B_FILE_DIRECTORY);
    e2b__json_put_int(&h->json, "size", file->size);
    e2b__json_put_string(&h->json, "lastModified", modified, strlen(modified));
    e2b__json_close(&h->json, '}');
  }
  e2b__json_close(&h->json, ']');
  e2b__handling_done(h);
}

void e2b__action_readdir(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_files_list(h->sandbox, path_of(h), 1, NULL), on_listed);
}
