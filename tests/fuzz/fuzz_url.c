/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "proto/base64.h"
#include "proto/multipart.h"
#include "proto/url.h"

/* A URL that parses means the same when it is put together again; escaping and base64 lose nothing,
 * and their decoders take anything. */

static void check_url(const char *text) {
  e2b__url_t url, again;
  int rc = e2b__url_parse(text, &url);
  HOLDS(rc == 0 || (rc == E2B_EINVAL && url.host == NULL));
  if (rc != 0) return;
  bool ipv6 = strchr(url.host, ':') != NULL;
  char *whole = e2b__format("%s://%s%s%s:%u%s", url.https ? "https" : "http", ipv6 ? "[" : "",
                            url.host, ipv6 ? "]" : "", url.port, url.path);
  HOLDS(whole != NULL && e2b__url_parse(whole, &again) == 0);
  HOLDS(again.https == url.https && again.port == url.port);
  HOLDS(strcmp(again.host, url.host) == 0 && strcmp(again.path, url.path) == 0);
  e2b__free(whole);
  e2b__url_free(&url);
  e2b__url_free(&again);
}

static void check_escape(const char *text, size_t len) {
  e2b__buffer_t escaped = E2B__BUFFER_INIT(1 << 26), back = E2B__BUFFER_INIT(1 << 26);
  HOLDS(e2b__url_escape(&escaped, text, len) == 0);
  int rc = e2b__url_unescape(&back, escaped.data, escaped.len, true);
  HOLDS(rc == (memchr(text, '\0', len) != NULL ? E2B_EINVAL : 0));
  if (rc == 0) HOLDS(back.len == len && memcmp(back.data, text, len) == 0);
  e2b__buffer_clear(&back);
  rc = e2b__url_unescape(&back, text, len, false);
  HOLDS(rc == 0 || (rc == E2B_EINVAL && back.len == 0));
  e2b__buffer_clear(&back);
  rc = e2b__url_query_get(text, len, "path", &back);
  HOLDS(rc == 1 || ((rc == 0 || rc == E2B_EINVAL) && back.len == 0));
  e2b__buffer_free(&escaped);
  e2b__buffer_free(&back);
}

static void check_base64(const char *text, size_t len) {
  size_t size = e2b__base64_encoded_size(len), written;
  char *encoded = malloc(size + 1);
  char *out = malloc(e2b__base64_decoded_bound(len) + 1);
  HOLDS(encoded != NULL && out != NULL);
  e2b__base64_encode(text, len, encoded);
  HOLDS(e2b__base64_decode(encoded, size, encoded, &written) == 0);
  HOLDS(written == len && memcmp(encoded, text, len) == 0);
  if (e2b__base64_decode(text, len, out, &written) == 0) {
    HOLDS(written <= e2b__base64_decoded_bound(len));
  }
  free(encoded);
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  e2b__buffer_t head = E2B__BUFFER_INIT(1 << 26);
  HOLDS(text != NULL);
  memcpy(text, data, size);
  text[size] = '\0';
  check_url(text);
  check_escape(text, size);
  check_base64(text, size);
  HOLDS(e2b__multipart_head(&head, "b", text, 1) == 0);
  HOLDS(strstr(head.data, "\r\n\r\n") == head.data + head.len - 4);
  e2b__buffer_free(&head);
  free(text);
  return 0;
}
