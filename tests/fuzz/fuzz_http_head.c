/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/buffer.h"
#include "fuzz.h"
#include "proto/http_head.h"

/* However an answer is cut into pieces, its head ends at the same place, and its chunks give the
 * same content and the same end. What was parsed has no line ends left. The first byte of the input
 * is the size of the pieces. */

static size_t find_end(const char *text, size_t size, size_t step) {
  size_t end = 0, seen = 0;
  for (size_t at = 0; at < size && end == 0; at += step) {
    size_t len = size - at < step ? size : at + step;
    char *copy = malloc(len);
    HOLDS(copy != NULL);
    memcpy(copy, text, len);
    end = e2b__http_head_end(copy, len, seen);
    HOLDS(end <= len);
    seen = len;
    free(copy);
  }
  return end;
}

static void parse(const char *text, size_t end) {
  static e2b__http_head_t head;
  char *copy = malloc(end);
  HOLDS(copy != NULL);
  memcpy(copy, text, end);
  if (e2b__http_head_parse(&head, copy, end) == 0) {
    HOLDS(head.status >= 100 && head.status <= 599 && head.count <= E2B__HTTP_FIELDS_MAX);
    HOLDS(!(head.chunked && head.has_length));
    for (size_t i = 0; i < head.count; i++) {
      HOLDS(e2b__http_is_token(head.fields[i].name, strlen(head.fields[i].name)));
      HOLDS(strpbrk(head.fields[i].value, "\r\n") == NULL);
      e2b__http_list_has(head.fields[i].value, "upgrade");
    }
  }
  free(copy);
}

static int unchunk(const char *text, size_t size, size_t step, e2b__buffer_t *out) {
  e2b__http_chunks_t chunks = {0};
  int rc = 0;
  for (size_t at = 0; at < size && rc == 0; at += step) {
    size_t len = size - at < step ? size - at : step, piece_len;
    char *copy = malloc(len);
    HOLDS(copy != NULL);
    memcpy(copy, text + at, len);
    const char *data = copy, *piece;
    while ((rc = e2b__http_chunks_next(&chunks, &data, &len, &piece, &piece_len)) == 1)
      HOLDS(piece_len > 0 && e2b__buffer_append(out, piece, piece_len) == 0);
    if (rc == 0) HOLDS(len == 0);
    free(copy);
  }
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const char *text = (const char *)data + 1;
  size_t step = (size_t)data[0] + 1, end = find_end(text, size - 1, size - 1);
  e2b__buffer_t whole = E2B__BUFFER_INIT(1 << 24), pieces = E2B__BUFFER_INIT(1 << 24);
  HOLDS(find_end(text, size - 1, step) == end);
  if (end > 0) parse(text, end);
  text += end;
  size -= end + 1;
  int rc = size > 0 ? unchunk(text, size, size, &whole) : 0;
  HOLDS(size == 0 || unchunk(text, size, step, &pieces) == rc);
  HOLDS(whole.len == pieces.len);
  HOLDS(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
  e2b__buffer_free(&whole);
  e2b__buffer_free(&pieces);
  return 0;
}
