/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include "host/daemon.h"
#include "host/entry.h"
#include "host/isolation.h"
#include "host/paths.h"
#include "proto/json.h"

/* POST /files: what arrives goes to the disk piece by piece. The first failure is kept, the rest of
 * the body is taken and dropped, and the answer follows its end. */

enum { METADATA_CEILING = 4096, METADATA_KEY = 246, METADATA_PAIRS = 256 };

typedef struct stored {
  struct stored *next;
  const char *path;
} stored_t;

typedef struct upload {
  e2b__host_request_t *request;
  bool begun;
  bool as_root;
  bool raw;         /* octet-stream; else multipart */
  const char *path; /* of the query; NULL when absent */
  struct MHD_PostProcessor *processor;
  z_stream *inflater; /* of a body that is compressed */
  bool inflated;      /* its end was seen */
  int fd;             /* of the file that is being written, or -1 */
  const char *target; /* its path */
  uint64_t written;
  stored_t *first, **last;
  e2b__str_pair_t *metadata;
  size_t metadata_count;
  unsigned status; /* of the failure; 0: none */
  char error[1024];
} upload_t;

__attribute__((format(printf, 3, 4))) static void fail(upload_t *upload, unsigned status,
                                                       const char *fmt, ...) {
  va_list args;
  if (upload->status != 0) return;
  upload->status = status;
  va_start(args, fmt);
  vsnprintf(upload->error, sizeof upload->error, fmt, args);
  va_end(args);
}

/* ---- metadata ---- */

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
  upload_t *upload = cls;
  e2b__arena_t *arena = &upload->request->arena;
  (void)kind;
  if (strncasecmp(name, "X-Metadata-", 11) != 0 || name[11] == '\0') return MHD_YES;
  if (upload->metadata_count == METADATA_PAIRS) return MHD_NO;
  char *key = e2b__arena_strndup(arena, name + 11, strlen(name + 11));
  if (key == NULL || value == NULL) return MHD_NO;
  for (char *p = key; *p != '\0'; p++)
    *p = (char)tolower((unsigned char)*p);
  for (size_t i = 0; i < upload->metadata_count; i++)
    if (e2b__str_equal(upload->metadata[i].name, key)) return MHD_YES;
  e2b__str_pair_t *pair = &upload->metadata[upload->metadata_count++];
  pair->name = e2b__str(key);
  pair->value = e2b__str(value);
  return MHD_YES;
}

static void take_metadata(upload_t *upload) {
  size_t total = 0;
  upload->metadata =
      e2b__arena_calloc(&upload->request->arena, METADATA_PAIRS, sizeof *upload->metadata);
  if (upload->metadata == NULL) {
    fail(upload, 500, "out of memory");
    return;
  }
  MHD_get_connection_values(upload->request->connection, MHD_HEADER_KIND, take_header, upload);
  for (size_t i = 0; i < upload->metadata_count; i++) {
    const e2b__str_pair_t *pair = &upload->metadata[i];
    total += 9 + pair->name.len + pair->value.len;
    if (pair->name.len > METADATA_KEY)
      fail(upload, 400, "invalid metadata: metadata key \"%s\" exceeds %d bytes", pair->name.ptr,
           (int)METADATA_KEY);
    for (size_t at = 0; at < pair->value.len; at++) {
      unsigned char c = (unsigned char)pair->value.ptr[at];
      if (c < 32 || c > 126)
        fail(upload, 400,
             "invalid metadata: metadata value for key \"%s\" contains non-printable-ASCII byte "
             "0x%02x at offset %zu",
             pair->name.ptr, c, at);
    }
  }
  if (total > METADATA_CEILING)
    fail(upload, 400, "invalid metadata: total metadata size %zu exceeds %d bytes", total,
         (int)METADATA_CEILING);
}

/* The set of an earlier upload goes, this one's comes. */
static void write_metadata(upload_t *upload) {
  char names[8192], name[300];
  ssize_t len = flistxattr(upload->fd, names, sizeof names);
  for (const char *p = names; len > 0 && p < names + len; p += strlen(p) + 1)
    if (strncmp(p, E2B__HOST_XATTR_PREFIX, strlen(E2B__HOST_XATTR_PREFIX)) == 0)
      fremovexattr(upload->fd, p);
  for (size_t i = 0; i < upload->metadata_count; i++) {
    const e2b__str_pair_t *pair = &upload->metadata[i];
    snprintf(name, sizeof name, E2B__HOST_XATTR_PREFIX "%s", pair->name.ptr);
    if (fsetxattr(upload->fd, name, pair->value.ptr, pair->value.len, 0) == 0 || errno == ENOTSUP)
      continue;
    if (errno == ENOSPC || errno == E2BIG || errno == ERANGE)
      fail(upload, 507, "not enough space for file metadata: xattr.FSet %s %s: %s", upload->target,
           name, e2b__host_error_text(errno));
    else
      fail(upload, 500, "error writing file metadata: %s: %s", upload->target,
           e2b__host_error_text(errno));
  }
}

/* ---- one file ---- */

static void close_file(upload_t *upload) {
  if (upload->fd < 0) return;
  if (upload->status == 0) write_metadata(upload);
  close(upload->fd);
  upload->fd = -1;
}

static int open_target(upload_t *upload, const char *clean) {
  const e2b__host_sandbox_t *sandbox = upload->request->sandbox;
  e2b__arena_t *arena = &upload->request->arena;
  uid_t owner = e2b__host_machine_uid(sandbox->host, upload->as_root ? 0 : E2B__SANDBOX_UID);
  const char *blame = clean;
  struct stat st;

  char *parent = e2b__arena_strndup(arena, clean, strlen(clean));
  if (parent == NULL) return -ENOMEM;
  char *slash = strrchr(parent, '/');
  slash[slash == parent] = '\0';
  int rc = e2b__host_make_path(sandbox, arena, parent, upload->as_root, &blame);
  if (rc == -ENOTDIR || rc == -EEXIST) {
    fail(upload, 500, "error ensuring directories: path is a file: %s", blame);
    return rc;
  }
  if (rc != 0) {
    fail(upload, 500, "error ensuring directories: %s: %s", blame, e2b__host_error_text(-rc));
    return rc;
  }
  int fd = e2b__host_open(sandbox, clean, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0644);
  if (fd < 0) return fd;
  bool good = fstat(fd, &st) == 0;
  bool regular = good && S_ISREG(st.st_mode);
  /* Of devices only those that are nobody's: null, zero, full. */
  bool harmless = good && S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 &&
                  (minor(st.st_rdev) == 3 || minor(st.st_rdev) == 5 || minor(st.st_rdev) == 7);
  if ((!regular && !harmless) || (regular && ftruncate(fd, 0) != 0)) {
    close(fd);
    return -EINVAL;
  }
  if (harmless) return fd;
  if (owner != geteuid() && fchown(fd, owner, owner) != 0) {
    int error = -errno;
    close(fd);
    return error;
  }
  return fd;
}

static bool already_stored(const upload_t *upload, const char *path) {
  for (const stored_t *stored = upload->first; stored != NULL; stored = stored->next)
    if (strcmp(stored->path, path) == 0) return true;
  return false;
}

static void open_file(upload_t *upload, const char *name) {
  e2b__arena_t *arena = &upload->request->arena;
  const char *why = NULL;
  struct stat st;

  char *path =
      e2b__host_path_expand(upload->request->sandbox, arena, e2b__str(name), upload->as_root, &why);
  char *clean = path != NULL ? e2b__host_path_clean(arena, path) : NULL;
  stored_t *stored = e2b__arena_calloc(arena, 1, sizeof *stored);
  if (clean == NULL || stored == NULL) {
    if (why != NULL)
      fail(upload, 400, "error resolving path: %s", why);
    else
      fail(upload, 500, "out of memory");
    return;
  }
  if (already_stored(upload, path)) {
    fail(upload, 400,
         "you cannot upload multiple files to the same path '%s' in one upload request, only the "
         "first specified file was uploaded",
         path);
    return;
  }
  if (e2b__host_stat(upload->request->sandbox, path, true, &st) == 0 && S_ISDIR(st.st_mode)) {
    fail(upload, 400, "path is a directory: %s", path);
    return;
  }
  upload->target = path;
  upload->written = 0;
  upload->fd = open_target(upload, clean);
  if (upload->fd < 0) {
    if (upload->fd == -ENOSPC || upload->fd == -EDQUOT)
      fail(upload, 507, "not enough inodes available: %s", path);
    else
      fail(upload, 500, "error opening file: open %s: %s", path, e2b__host_error_text(-upload->fd));
    upload->fd = -1;
    return;
  }
  stored->path = path;
  *upload->last = stored;
  upload->last = &stored->next;
}

static void write_file(upload_t *upload, const char *data, size_t len) {
  while (len > 0 && upload->status == 0) {
    ssize_t written = write(upload->fd, data, len);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      if (errno == ENOSPC || errno == EDQUOT)
        fail(upload, 507, "attempted to write %llu bytes: not enough disk space available",
             (unsigned long long)(upload->written + len));
      else
        fail(upload, 500, "error writing file: %s", e2b__host_error_text(errno));
      return;
    }
    data += written;
    len -= (size_t)written;
    upload->written += (uint64_t)written;
  }
}

/* ---- multipart ---- */

static enum MHD_Result on_part(void *cls, enum MHD_ValueKind kind, const char *key,
                               const char *filename, const char *type, const char *encoding,
                               const char *data, uint64_t offset, size_t size) {
  upload_t *upload = cls;
  (void)kind;
  (void)type;
  (void)encoding;
  if (upload->status != 0 || key == NULL || strcmp(key, "file") != 0) return MHD_YES;
  /* A part may be announced once without a byte before its first. */
  if (offset == 0 && !(upload->fd >= 0 && upload->written == 0 && size > 0)) {
    close_file(upload);
    if (upload->path == NULL && filename == NULL)
      fail(upload, 400,
           "error getting multipart custom part file name: filename not found in "
           "Content-Disposition header");
    else
      open_file(upload, upload->path != NULL ? upload->path : filename);
  }
  if (upload->fd >= 0) write_file(upload, data, size);
  return MHD_YES;
}

/* ---- the request ---- */

static void choose_form(upload_t *upload) {
  e2b__host_request_t *request = upload->request;
  const char *type = e2b__host_header(request, "Content-Type");
  const char *encoding = e2b__host_header(request, "Content-Encoding");
  if (type == NULL) type = "";
  if (encoding != NULL && strcasecmp(encoding, "gzip") == 0) {
    upload->inflater = e2b__arena_calloc(&request->arena, 1, sizeof *upload->inflater);
    /* 16 more than the window's size: gzip's header, no other. */
    if (upload->inflater == NULL || inflateInit2(upload->inflater, 16 + MAX_WBITS) != Z_OK) {
      upload->inflater = NULL;
      fail(upload, 500, "out of memory");
      return;
    }
    encoding = NULL;
  }
  if (encoding != NULL && *encoding != '\0' && strcasecmp(encoding, "identity") != 0) {
    fail(upload, 400,
         "error decompressing request body: unsupported Content-Encoding: %s, supported: [gzip]",
         encoding);
  } else if (strncasecmp(type, "multipart/", 10) == 0) {
    upload->processor = MHD_create_post_processor(request->connection, 65536, on_part, upload);
    if (upload->processor == NULL)
      fail(upload, 500,
           "error parsing multipart form: no multipart boundary param in Content-Type");
  } else if (strncasecmp(type, "application/octet-stream", 24) == 0) {
    upload->raw = true;
    if (upload->path == NULL)
      fail(upload, 400, "path query parameter is required for raw body upload");
    else
      open_file(upload, upload->path);
  } else {
    fail(upload, 400,
         "unsupported content type: %s, expected multipart/form-data or application/octet-stream",
         type);
  }
}

static upload_t *begin(e2b__host_request_t *request) {
  upload_t *upload = request->state;
  if (upload != NULL) return upload;
  upload = e2b__arena_calloc(&request->arena, 1, sizeof *upload);
  request->state = upload;
  if (upload == NULL) return NULL;
  upload->request = request;
  upload->fd = -1;
  upload->last = &upload->first;
  upload->path = e2b__host_query(request, "path");
  /* These answer themselves; the body is taken and dropped all the same. */
  if (!e2b__host_transfer_query(request) || !e2b__host_transfer_allowed(request, "write") ||
      !e2b__host_transfer_user(request, &upload->as_root)) {
    upload->status = 401;
    return upload;
  }
  take_metadata(upload);
  if (upload->status == 0) choose_form(upload);
  return upload;
}

/* The body as it was before compression. */
static void take_plain(upload_t *upload, const char *data, size_t len) {
  if (upload->status != 0) return;
  if (upload->raw)
    write_file(upload, data, len);
  else if (MHD_post_process(upload->processor, data, len) != MHD_YES)
    fail(upload, 500, "error reading form: multipart: malformed body");
}

static void take_compressed(upload_t *upload, const char *data, size_t len) {
  static char room[65536];
  z_stream *z = upload->inflater;
  z->next_in = (Bytef *)(uintptr_t)data;
  z->avail_in = (uInt)len;
  do {
    z->next_out = (Bytef *)room;
    z->avail_out = sizeof room;
    int rc = inflate(z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
      if (z->total_out == 0)
        fail(
            upload, 400,
            "error decompressing request body: failed to create gzip reader: gzip: invalid header");
      else
        fail(upload, 500, "error writing file: gzip: invalid data");
      return;
    }
    take_plain(upload, room, sizeof room - z->avail_out);
    upload->inflated = rc == Z_STREAM_END;
    /* Members may follow one another. */
    if (upload->inflated && z->avail_in > 0) inflateReset(z);
  } while (upload->status == 0 && (z->avail_in > 0 || z->avail_out == 0));
}

static void on_body(e2b__host_request_t *request, const char *data, size_t len) {
  upload_t *upload = begin(request);
  if (upload == NULL || upload->status != 0) return;
  if (upload->inflater != NULL)
    take_compressed(upload, data, len);
  else
    take_plain(upload, data, len);
}

static void answer_stored(upload_t *upload) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (const stored_t *stored = upload->first; stored != NULL; stored = stored->next) {
    const char *clean = e2b__host_path_clean(&upload->request->arena, stored->path);
    const char *name = e2b__host_path_name(clean != NULL ? clean : stored->path);
    e2b__json_open(&w, NULL, '{');
    if (upload->metadata_count > 0) {
      e2b__json_open(&w, "metadata", '{');
      for (size_t i = 0; i < upload->metadata_count; i++)
        e2b__json_put_string(&w, upload->metadata[i].name.ptr, upload->metadata[i].value.ptr,
                             upload->metadata[i].value.len);
      e2b__json_close(&w, '}');
    }
    e2b__json_put_string(&w, "name", name, strlen(name));
    e2b__json_put_string(&w, "path", stored->path, strlen(stored->path));
    e2b__json_put_string(&w, "type", "file", 4);
    e2b__json_close(&w, '}');
  }
  e2b__json_close(&w, ']');
  if (w.rc == 0)
    e2b__host_answer_bytes(upload->request, 200, "text/plain; charset=utf-8", out.data, out.len);
  else
    e2b__host_answer(upload->request, 500, NULL);
  e2b__buffer_free(&out);
}

static void on_finish(e2b__host_request_t *request) {
  upload_t *upload = begin(request);
  if (upload == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  if (upload->inflater != NULL && !upload->inflated) {
    if (upload->inflater->total_out == 0)
      fail(upload, 400, "error decompressing request body: failed to create gzip reader: %s",
           upload->inflater->total_in == 0 ? "EOF" : "unexpected EOF");
    else
      fail(upload, 500, "error writing file: unexpected EOF");
  }
  if (upload->processor != NULL) {
    /* Its last part ends here. */
    if (MHD_destroy_post_processor(upload->processor) != MHD_YES && upload->fd >= 0)
      fail(upload, 500, "error writing file: unexpected EOF");
    upload->processor = NULL;
  }
  close_file(upload);
  if (request->phase >= E2B__REQUEST_ANSWERED) return;
  if (upload->status != 0)
    e2b__host_answer_error(request, upload->status, "%s", upload->error);
  else
    answer_stored(upload);
}

static void on_gone(e2b__host_request_t *request) {
  upload_t *upload = request->state;
  if (upload == NULL) return;
  if (upload->processor != NULL) MHD_destroy_post_processor(upload->processor);
  if (upload->inflater != NULL) inflateEnd(upload->inflater);
  if (upload->fd >= 0) close(upload->fd);
}

const e2b__host_handler_t e2b__host_upload_handler = {
    .body = on_body, .finish = on_finish, .gone = on_gone};
