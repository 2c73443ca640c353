/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fuzz.h"
#include "proto/media_type.h"
#include "proto/multipart_read.h"

/* A multipart body means the same however it is cut, and never says more than it got. The first
 * byte is the size of the pieces. */

static void read_body(const char *body, size_t len, size_t piece, e2b__buffer_t *out) {
  e2b__multipart_reader_t reader;
  int event = 0;
  bool in_part = false;
  size_t content = 0;
  HOLDS(e2b__multipart_reader_init(&reader, "B") == 0);
  for (size_t at = 0; at < len && event >= 0; at += piece) {
    const char *data = body + at;
    size_t left = len - at < piece ? len - at : piece;
    while ((event = e2b__multipart_next(&reader, &data, &left)) > 0) {
      HOLDS(in_part == (event != E2B__MULTIPART_PART));
      if (event == E2B__MULTIPART_PART) {
        HOLDS(e2b__buffer_append_str(out, "[") == 0);
        HOLDS(e2b__buffer_append(out, reader.disposition.data, reader.disposition.len) == 0);
        in_part = true;
      } else if (event == E2B__MULTIPART_DATA) {
        HOLDS(reader.len > 0);
        content += reader.len;
        HOLDS(e2b__buffer_append(out, reader.data, reader.len) == 0);
      } else {
        HOLDS(e2b__buffer_append_str(out, "]") == 0);
        in_part = false;
      }
    }
    HOLDS(event < 0 || left == 0);
  }
  HOLDS(content <= len);
  HOLDS(e2b__buffer_append_str(out, event < 0                          ? "!"
                                    : e2b__multipart_complete(&reader) ? "."
                                                                       : "~") == 0);
  e2b__multipart_reader_free(&reader);
}

static void check_param(const char *text, size_t len) {
  e2b__buffer_t value = E2B__BUFFER_INIT(1 << 20);
  int rc = e2b__media_param(text, len, "filename", &value);
  HOLDS(rc == 1 || rc == 0 || rc == E2B_EPROTOCOL);
  HOLDS(rc == 1 || value.len == 0);
  HOLDS(value.len <= len && (value.len == 0 || strlen(value.data) == value.len));
  e2b__media_is(text, len, "form-data");
  e2b__buffer_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  e2b__buffer_t whole = E2B__BUFFER_INIT(1 << 26), cut = E2B__BUFFER_INIT(1 << 26);
  if (size == 0) return 0;
  size_t piece = data[0] % 16 + 1;
  const char *text = (const char *)data + 1;
  read_body(text, size - 1, size, &whole);
  read_body(text, size - 1, piece, &cut);
  HOLDS(whole.len == cut.len && memcmp(whole.data, cut.data, cut.len) == 0);
  check_param(text, size - 1);
  e2b__buffer_free(&whole);
  e2b__buffer_free(&cut);
  return 0;
}
