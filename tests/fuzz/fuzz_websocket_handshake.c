/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fuzz.h"
#include "proto/websocket_handshake.h"

/* A request is refused, or is a head whose lines are all ours or whole headers of the input. The
 * input: target, host, sub-protocols, a header's name, its value, each to a newline or, for the
 * last, the end; behind a NUL the head of an answer. */

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static char *part(char **rest) {
  char *start = *rest;
  char *end = strchr(start, '\n');
  if (end == NULL) {
    *rest = start + strlen(start);
  } else {
    *end = '\0';
    *rest = end + 1;
  }
  return start;
}

static size_t lines_of(const char *text) {
  size_t count = 0;
  for (; (text = strchr(text, '\n')) != NULL; text++) {
    HOLDS(text[-1] == '\r');
    count++;
  }
  return count;
}

static void try_request(char *text) {
  e2b_pair_t header;
  e2b__websocket_request_t request = {
      .port = 80, .key = KEY, .headers = &header, .headers_count = 1};
  request.target = part(&text);
  request.host = part(&text);
  request.protocols = part(&text);
  header.name = part(&text);
  header.value = text;
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  if (e2b__websocket_request_encode(&out, &request) == 0) {
    HOLDS(strlen(out.data) == out.len);
    HOLDS(lines_of(out.data) == 8 + (*request.protocols != '\0'));
    HOLDS(e2b__http_head_end(out.data, out.len, 0) == out.len);
  } else {
    HOLDS(out.len == 0);
  }
  e2b__buffer_free(&out);
}

static void try_answer(const char *data, size_t size, const char *offered) {
  static e2b__http_head_t head;
  const char *protocol, *why;
  const size_t end = e2b__http_head_end(data, size, 0);
  char *copy = malloc(end + 1);
  HOLDS(copy != NULL);
  memcpy(copy, data, end);
  if (end > 0 && e2b__http_head_parse(&head, copy, end) == 0) {
    const int rc = e2b__websocket_response_check(&head, ACCEPT, offered, &protocol, &why);
    HOLDS((rc == 0) == (why == NULL));
    HOLDS(rc == 0 || protocol == NULL);
    HOLDS(protocol == NULL || strstr(offered, protocol) != NULL);
  }
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  HOLDS(text != NULL);
  memcpy(text, data, size);
  text[size] = '\0';
  const size_t first = strlen(text);
  if (first < size) try_answer(text + first + 1, size - first - 1, "tty, a, b.c");
  try_request(text);
  free(text);
  return 0;
}
