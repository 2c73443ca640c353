/* SPDX-License-Identifier: MIT */
#include "proto/multipart.h"

/* Appends a file name as a quoted string. Line breaks cannot be told in a header line at all: they
 * go as browsers send them, percent-encoded, and a server that does not decode that stores the
 * file under the encoded name. */
static int put_file_name(e2b__buffer_t *out, const char *name) {
  int rc = 0;
  for (const char *c = name; *c != '\0' && rc == 0; c++) {
    switch (*c) {
    case '"': rc = e2b__buffer_append_str(out, "\\\""); break;
    case '\\': rc = e2b__buffer_append_str(out, "\\\\"); break;
    case '\r': rc = e2b__buffer_append_str(out, "%0D"); break;
    case '\n': rc = e2b__buffer_append_str(out, "%0A"); break;
    default: rc = e2b__buffer_append(out, c, 1);
    }
  }
  return rc;
}

int e2b__multipart_head(e2b__buffer_t *out, const char *boundary, const char *file_name,
                        int first) {
  size_t before = out->len;
  int rc = e2b__buffer_printf(out,
                              "%s--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                              "filename=\"",
                              first ? "" : "\r\n", boundary);
  if (rc == 0) rc = put_file_name(out, file_name);
  if (rc == 0) {
    rc = e2b__buffer_append_str(out, "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
  }
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}

int e2b__multipart_tail(e2b__buffer_t *out, const char *boundary) {
  return e2b__buffer_printf(out, "\r\n--%s--\r\n", boundary);
}
