/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <strings.h>

#include "host/daemon.h"
#include "host/gzip.h"
#include "host/http_text.h"
#include "host/paths.h"
#include "host/upload.h"
#include "proto/json.h"
#include "proto/media_type.h"
#include "proto/multipart_read.h"

/* POST /files: what arrives goes to the disk piece by piece. The rest of a body that has failed is
 * taken and dropped, and the answer follows its end. */

enum { PIECE = 65536 };

typedef struct post {
  e2b__host_upload_t upload;
  const char *path; /* of the query; NULL when absent */
  bool gzip;
  bool multipart; /* else octet-stream */
  bool raw_open;  /* the one file of an octet-stream is */
  e2b__gzip_reader_t inflater;
  e2b__multipart_reader_t parts;
} post_t;

/* ---- multipart ---- */

/* Parts that are not called "file" are passed over. */
static void begin_part(post_t *post) {
  const e2b__buffer_t *text = &post->parts.disposition;
  e2b__buffer_t name = E2B__BUFFER_INIT(E2B__MULTIPART_HEAD);
  if (text->len == 0 || !e2b__media_is(text->data, text->len, "form-data")) return;
  int rc = e2b__media_param(text->data, text->len, "name", &name);
  bool wanted = rc == 1 && name.len == 4 && memcmp(name.data, "file", 4) == 0;
  e2b__buffer_clear(&name);
  if (rc == E2B_ENOMEM)
    e2b__host_upload_fail(&post->upload, 500, "out of memory");
  else if (wanted && post->path != NULL)
    e2b__host_upload_open(&post->upload, post->path);
  else if (wanted && e2b__media_param(text->data, text->len, "filename", &name) == 1)
    e2b__host_upload_open(&post->upload, name.data != NULL ? name.data : "");
  else if (wanted)
    e2b__host_upload_fail(&post->upload, 400,
                          "error getting multipart custom part file name: filename not found in "
                          "Content-Disposition header");
  e2b__buffer_free(&name);
}

/* The body goes wrong where a file is being written, or between files. */
static void body_failed(post_t *post, const char *why) {
  if (post->upload.fd >= 0)
    e2b__host_upload_fail(&post->upload, 500, "error writing file: %s", why);
  else
    e2b__host_upload_fail(&post->upload, 500, "error reading form: multipart: NextPart: %s", why);
}

static void take_parts(post_t *post, const char *data, size_t len) {
  while (post->upload.status == 0) {
    int event = e2b__multipart_next(&post->parts, &data, &len);
    switch (event) {
    case E2B__MULTIPART_NOTHING: return;
    case E2B__MULTIPART_PART: begin_part(post); break;
    case E2B__MULTIPART_DATA:
      e2b__host_upload_write(&post->upload, post->parts.data, post->parts.len);
      break;
    case E2B__MULTIPART_PART_END: e2b__host_upload_close(&post->upload); break;
    case E2B_ENOMEM: body_failed(post, "out of memory"); break;
    case E2B_ETOOBIG: body_failed(post, "message too large"); break;
    default: body_failed(post, "malformed body"); break;
    }
  }
}

/* ---- the body, plain or inflated ---- */

static void open_raw(post_t *post) {
  if (post->multipart || post->raw_open) return;
  post->raw_open = true;
  if (post->path == NULL)
    e2b__host_upload_fail(&post->upload, 400,
                          "path query parameter is required for raw body upload");
  else
    e2b__host_upload_open(&post->upload, post->path);
}

static void take_plain(post_t *post, const char *data, size_t len) {
  if (post->multipart)
    take_parts(post, data, len);
  else
    e2b__host_upload_write(&post->upload, data, len);
}

/* Nothing is touched before the body is known to be gzip. */
static void inflater_failed(post_t *post) {
  if (!post->inflater.begun && post->inflater.members == 0)
    e2b__host_upload_fail(&post->upload, 400,
                          "error decompressing request body: failed to create gzip reader: %s",
                          post->inflater.why);
  else
    body_failed(post, post->inflater.why);
}

static void take_gzip(post_t *post, const char *data, size_t len) {
  static char piece[PIECE]; /* used up before this returns */
  while (post->upload.status == 0) {
    size_t got = e2b__gzip_read(&post->inflater, &data, &len, piece, sizeof piece);
    if (post->inflater.begun) open_raw(post);
    if (got > 0) take_plain(post, piece, got);
    if (post->inflater.broken) inflater_failed(post);
    if (got == 0) return;
  }
}

/* ---- the request ---- */

/* False: a coding that is not known. */
static bool choose_coding(post_t *post) {
  const char *given = e2b__host_header(post->upload.request, "Content-Encoding");
  if (given == NULL || *given == '\0' || e2b__media_is(given, strlen(given), "identity"))
    return true;
  post->gzip = e2b__media_is(given, strlen(given), "gzip");
  if (!post->gzip)
    e2b__host_upload_fail(&post->upload, 400,
                          "error decompressing request body: unsupported Content-Encoding: %s, "
                          "supported: [gzip]",
                          given);
  return post->gzip;
}

static void start_parts(post_t *post, const char *type, size_t len) {
  e2b__buffer_t boundary = E2B__BUFFER_INIT(E2B__MULTIPART_BOUNDARY);
  const char *why = "no multipart boundary param in Content-Type";
  post->multipart = true;
  if (!e2b__media_is(type, len, "multipart/form-data") &&
      !e2b__media_is(type, len, "multipart/mixed"))
    why = "request Content-Type isn't multipart/form-data";
  else if (e2b__media_param(type, len, "boundary", &boundary) == 1 && boundary.len > 0 &&
           e2b__multipart_reader_init(&post->parts, boundary.data) == 0)
    why = NULL;
  if (why != NULL)
    e2b__host_upload_fail(&post->upload, 500, "error parsing multipart form: %s", why);
  e2b__buffer_free(&boundary);
}

static void choose_form(post_t *post) {
  const char *type = e2b__host_header(post->upload.request, "Content-Type");
  if (type == NULL) type = "";
  size_t len = strlen(type);
  if (strncasecmp(type, "multipart/", 10) == 0)
    start_parts(post, type, len);
  else if (!e2b__media_is(type, len, "application/octet-stream"))
    e2b__host_upload_fail(&post->upload, 400,
                          "unsupported content type: %s, expected multipart/form-data or "
                          "application/octet-stream",
                          type);
  else if (!post->gzip)
    open_raw(post);
}

static post_t *begin(e2b__host_request_t *request) {
  post_t *post = request->state;
  if (post != NULL) return post;
  post = e2b__arena_calloc(&request->arena, 1, sizeof *post);
  request->state = post;
  if (post == NULL) return NULL;
  e2b__host_upload_t *upload = &post->upload;
  e2b__host_upload_init(upload, request);
  if (!e2b__host_transfer_query(request) || !e2b__host_transfer_allowed(request, "write")) {
    upload->status = 401;
    return post;
  }
  post->path = e2b__host_query(request, "path");
  if (!choose_coding(post)) return post;
  if (!e2b__host_transfer_user(request, &upload->as_root)) {
    upload->status = 401;
    return post;
  }
  e2b__host_upload_take_metadata(upload);
  if (upload->status == 0) choose_form(post);
  return post;
}

static void answer_failure(const e2b__host_upload_t *upload) {
  e2b__host_request_t *request = upload->request;
  if (request->phase < E2B__REQUEST_ANSWERED)
    e2b__host_answer_error(request, upload->status, "%s", upload->error);
}

static void on_begin(e2b__host_request_t *request) {
  post_t *post = begin(request);
  if (post == NULL)
    e2b__host_answer(request, 500, NULL);
  else if (post->upload.status != 0)
    answer_failure(&post->upload);
}

static void on_body(e2b__host_request_t *request, const char *data, size_t len) {
  post_t *post = begin(request);
  if (post == NULL || post->upload.status != 0) return;
  if (post->gzip)
    take_gzip(post, data, len);
  else
    take_plain(post, data, len);
}

static void write_stored(e2b__json_writer_t *w, e2b__arena_t *arena,
                         const e2b__host_stored_t *stored) {
  const char *clean = e2b__host_path_clean(arena, stored->path);
  const char *name = e2b__host_path_name(clean != NULL ? clean : stored->path);
  e2b__json_open(w, NULL, '{');
  if (stored->metadata_count > 0) {
    e2b__json_open(w, "metadata", '{');
    for (size_t i = 0; i < stored->metadata_count; i++)
      e2b__json_put_string(w, stored->metadata[i].name.ptr, stored->metadata[i].value.ptr,
                           stored->metadata[i].value.len);
    e2b__json_close(w, '}');
  }
  e2b__json_put_string(w, "name", name, strlen(name));
  e2b__json_put_string(w, "path", stored->path, strlen(stored->path));
  e2b__json_put_string(w, "type", "file", 4);
  e2b__json_close(w, '}');
}

static void answer_stored(const e2b__host_upload_t *upload) {
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (const e2b__host_stored_t *stored = upload->first; stored != NULL; stored = stored->next)
    write_stored(&w, &upload->request->arena, stored);
  e2b__json_close(&w, ']');
  if (w.rc == 0)
    e2b__host_answer_bytes(upload->request, 200, "text/plain; charset=utf-8", out.data, out.len);
  else
    e2b__host_answer(upload->request, 500, NULL);
  e2b__buffer_free(&out);
}

static void end_body(post_t *post) {
  if (post->upload.status == 0 && post->gzip && !e2b__gzip_read_end(&post->inflater))
    inflater_failed(post);
  if (post->upload.status == 0 && post->multipart && !e2b__multipart_complete(&post->parts))
    body_failed(post, post->upload.fd >= 0 ? "unexpected EOF" : "EOF");
  e2b__host_upload_close(&post->upload);
}

static void on_finish(e2b__host_request_t *request) {
  post_t *post = begin(request);
  if (post == NULL) {
    e2b__host_answer(request, 500, NULL);
    return;
  }
  end_body(post);
  if (post->upload.status != 0)
    answer_failure(&post->upload);
  else
    answer_stored(&post->upload);
}

static void on_gone(e2b__host_request_t *request) {
  post_t *post = request->state;
  if (post == NULL) return;
  e2b__host_upload_abandon(&post->upload);
  e2b__gzip_reader_free(&post->inflater);
  e2b__multipart_reader_free(&post->parts);
}

const e2b__host_handler_t e2b__host_upload_handler = {
    .begin = on_begin, .body = on_body, .finish = on_finish, .gone = on_gone};
