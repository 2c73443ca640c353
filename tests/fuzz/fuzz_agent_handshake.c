/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "agent/handshake.h"
#include "fuzz.h"
#include "proto/http_head.h"

/* Every request has one whole answer; none gets in that does not hold the secret. */

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool holds_text(const uint8_t *data, size_t size, const char *text) {
  return memmem(data, size, text, strlen(text)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static e2b__http_head_t head;
  e2b__buffer_t answer = E2B__BUFFER_INIT(1 << 16);
  char *copy = malloc(size > 0 ? size : 1);
  HOLDS(copy != NULL);
  memcpy(copy, data, size);
  size_t end = e2b__http_head_end(copy, size, 0);
  if (end > 0 && end <= E2B__HANDSHAKE_LARGEST) {
    unsigned status = e2b__handshake(copy, end, SECRET, &answer);
    HOLDS(status == 101 || status == 400 || status == 401 || status == 404 || status == 426);
    if (status != 400 && status != 401) HOLDS(holds_text(data, end, SECRET));
    HOLDS(e2b__http_head_end(answer.data, answer.len, 0) == answer.len);
    HOLDS(e2b__http_head_parse(&head, answer.data, answer.len) == 0 && head.status == status);
  }
  free(copy);
  e2b__buffer_free(&answer);
  return 0;
}
