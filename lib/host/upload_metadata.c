/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/xattr.h>

#include "host/entry.h"
#include "host/paths.h"
#include "host/upload.h"

enum { TOTAL_CEILING = 4096, KEY_CEILING = 246, NAMES_ROOM = 65536 };

static const char prefix[] = E2B__HOST_XATTR_PREFIX;

/* ---- headers ---- */

static enum MHD_Result count_headers(void *cls, enum MHD_ValueKind kind, const char *name,
                                     const char *value) {
  (void)kind;
  (void)value;
  if (strncasecmp(name, "X-Metadata-", 11) == 0) ++*(size_t *)cls;
  return MHD_YES;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
  e2b__host_upload_t *upload = cls;
  (void)kind;
  if (strncasecmp(name, "X-Metadata-", 11) != 0 || name[11] == '\0') return MHD_YES;
  char *key = e2b__arena_strndup(&upload->request->arena, name + 11, strlen(name + 11));
  if (key == NULL) {
    e2b__host_upload_fail(upload, 500, "out of memory");
    return MHD_NO;
  }
  for (char *p = key; *p != '\0'; p++)
    *p = (char)tolower((unsigned char)*p);
  for (size_t i = 0; i < upload->metadata_count; i++)
    if (e2b__str_equal(upload->metadata[i].name, key)) return MHD_YES;
  e2b__str_pair_t *pair = &upload->metadata[upload->metadata_count++];
  pair->name = e2b__str(key);
  pair->value = e2b__str(value != NULL ? value : "");
  return MHD_YES;
}

static void check_value(e2b__host_upload_t *upload, const e2b__str_pair_t *pair) {
  for (size_t at = 0; at < pair->value.len; at++) {
    unsigned char c = (unsigned char)pair->value.ptr[at];
    if (c >= 0x20 && c <= 0x7e) continue;
    e2b__host_upload_fail(upload, 400,
                          "invalid metadata: metadata value for key \"%s\" contains "
                          "non-printable-ASCII byte 0x%02x at offset %zu",
                          pair->name.ptr, c, at);
    return;
  }
}

void e2b__host_upload_take_metadata(e2b__host_upload_t *upload) {
  struct MHD_Connection *connection = upload->request->connection;
  size_t room = 0, total = 0;

  MHD_get_connection_values(connection, MHD_HEADER_KIND, count_headers, &room);
  if (room == 0) return;
  upload->metadata = e2b__arena_calloc(&upload->request->arena, room, sizeof *upload->metadata);
  if (upload->metadata == NULL) {
    e2b__host_upload_fail(upload, 500, "out of memory");
    return;
  }
  MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, upload);
  for (size_t i = 0; i < upload->metadata_count; i++) {
    const e2b__str_pair_t *pair = &upload->metadata[i];
    if (pair->name.len > KEY_CEILING)
      e2b__host_upload_fail(upload, 400, "invalid metadata: metadata key \"%s\" exceeds %d bytes",
                            pair->name.ptr, (int)KEY_CEILING);
    check_value(upload, pair);
    total += sizeof prefix - 1 + pair->name.len + pair->value.len;
  }
  if (total > TOTAL_CEILING)
    e2b__host_upload_fail(upload, 400, "invalid metadata: total metadata size %zu exceeds %d bytes",
                          total, (int)TOTAL_CEILING);
}

/* ---- attributes ---- */

static bool is_wanted(const e2b__host_upload_t *upload, const char *key) {
  for (size_t i = 0; i < upload->metadata_count; i++)
    if (e2b__str_equal(upload->metadata[i].name, key)) return true;
  return false;
}

static void attribute_failed(e2b__host_upload_t *upload, const char *what, const char *name) {
  int error = errno;
  /* A file system without attributes keeps none, and that is no failure. */
  if (error == ENOTSUP) return;
  if (error == ENOSPC || error == EDQUOT)
    e2b__host_upload_fail(upload, 507, "not enough space for file metadata: %s %s %s: %s", what,
                          upload->target, name, e2b__host_error_text(error));
  else
    e2b__host_upload_fail(upload, 500, "error writing file metadata: %s %s %s: %s", what,
                          upload->target, name, e2b__host_error_text(error));
}

/* The set of an earlier upload goes, this one's comes. */
void e2b__host_upload_write_metadata(e2b__host_upload_t *upload) {
  ssize_t len = flistxattr(upload->fd, NULL, 0);
  char *names = len > 0 ? e2b__arena_alloc(&upload->request->arena, NAMES_ROOM) : NULL;
  char name[sizeof prefix + KEY_CEILING];

  len = names != NULL ? flistxattr(upload->fd, names, NAMES_ROOM) : 0;
  for (const char *p = names; len > 0 && p < names + len; p += strlen(p) + 1)
    if (strncmp(p, prefix, sizeof prefix - 1) == 0 && !is_wanted(upload, p + sizeof prefix - 1) &&
        fremovexattr(upload->fd, p) != 0 && errno != ENODATA)
      attribute_failed(upload, "xattr.FRemove", p);
  for (size_t i = 0; i < upload->metadata_count && upload->status == 0; i++) {
    const e2b__str_pair_t *pair = &upload->metadata[i];
    snprintf(name, sizeof name, "%s%s", prefix, pair->name.ptr);
    if (fsetxattr(upload->fd, name, pair->value.ptr, pair->value.len, 0) != 0)
      attribute_failed(upload, "xattr.FSet", name);
  }
}
