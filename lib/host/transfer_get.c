/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/daemon.h"
#include "host/paths.h"
#include "host/transfer_body.h"

/* GET /files. Plain or as gzip; ranges and conditions are for the plain form. */

typedef struct download {
  e2b__host_request_t *request;
  const char *given; /* the path as it was asked for: its extension tells the type */
  const char *path;  /* made absolute */
  const char *name;
  int fd;
  struct stat st;
} download_t;

/* ---- headers ---- */

static void add_disposition(const download_t *download, struct MHD_Response *response) {
  e2b__buffer_t out = E2B__BUFFER_INIT(65536);
  if (e2b__host_write_disposition(&out, download->name) == 0)
    MHD_add_response_header(response, "Content-Disposition", out.data);
  e2b__buffer_free(&out);
}

static void add_modified(const download_t *download, struct MHD_Response *response) {
  char date[32];
  if (download->st.st_mtime != 0 && e2b__host_date_write(download->st.st_mtime, date))
    MHD_add_response_header(response, "Last-Modified", date);
}

/* With what every answer about an opened file has. */
static void answer(const download_t *download, unsigned status, struct MHD_Response *response) {
  if (response != NULL) {
    add_disposition(download, response);
    MHD_add_response_header(response, "Vary", "Accept-Encoding");
  }
  e2b__host_answer(download->request, response != NULL ? status : 500, response);
}

static struct MHD_Response *text_response(const char *text) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
  if (response != NULL && *text != '\0') {
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  }
  return response;
}

/* ---- as it is ---- */

static const char *type_of(const download_t *download) {
  char head[E2B__HOST_SNIFF];
  const char *type = e2b__host_type_by_name(download->given);
  if (type != NULL) return type;
  ssize_t got = pread(download->fd, head, sizeof head, 0);
  return e2b__host_type_by_content(head, got > 0 ? (size_t)got : 0);
}

static void refuse_range(download_t *download, uint64_t size, int rc) {
  struct MHD_Response *response =
      text_response(rc == E2B_ENOTFOUND ? "invalid range: failed to overlap\n" : "invalid range\n");
  char text[48];
  snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
  if (response != NULL && rc == E2B_ENOTFOUND)
    MHD_add_response_header(response, "Content-Range", text);
  close(download->fd);
  answer(download, 416, response);
}

static struct MHD_Response *one_range(download_t *download, const e2b__host_range_t *range,
                                      uint64_t size) {
  struct MHD_Response *response = e2b__host_body_range(download->fd, range->from, range->len);
  char text[96];
  snprintf(text, sizeof text, "bytes %llu-%lld/%llu", (unsigned long long)range->from,
           (long long)(range->from + range->len) - 1, (unsigned long long)size);
  if (response != NULL) MHD_add_response_header(response, "Content-Range", text);
  return response;
}

static void send_content(download_t *download, uint64_t size, const char *range) {
  e2b__host_range_t *ranges = NULL;
  size_t count = 0;
  uint64_t sum = 0;
  const char *type = type_of(download);
  struct MHD_Response *response;
  int rc = e2b__host_parse_ranges(range, size, &download->request->arena, &ranges, &count);

  /* Some clients ask for a range of everything: an empty file has none, and is sent all the same.
   */
  if (rc != 0 && !(rc == E2B_ENOTFOUND && size == 0)) {
    refuse_range(download, size, rc);
    return;
  }
  for (size_t i = 0; i < count; i++)
    sum = sum + ranges[i].len < sum ? UINT64_MAX : sum + ranges[i].len;
  /* More than the whole is an attack or a mistake. */
  if (sum > size) count = 0;
  if (count == 0)
    response = e2b__host_body_range(download->fd, 0, size);
  else if (count == 1)
    response = one_range(download, ranges, size);
  else
    response = e2b__host_body_ranges(download->fd, ranges, count, size, type);
  if (response != NULL) {
    MHD_add_response_header(response, "Accept-Ranges", "bytes");
    if (count < 2) MHD_add_response_header(response, "Content-Type", type);
    add_modified(download, response);
  }
  answer(download, count > 0 ? 206 : 200, response);
}

static void send_plain(download_t *download) {
  const e2b__host_request_t *request = download->request;
  const e2b__host_conditions_t conditions = {
      .if_match = e2b__host_header(request, "If-Match"),
      .if_none_match = e2b__host_header(request, "If-None-Match"),
      .if_modified_since = e2b__host_header(request, "If-Modified-Since"),
      .if_unmodified_since = e2b__host_header(request, "If-Unmodified-Since"),
      .if_range = e2b__host_header(request, "If-Range")};
  bool ranges;
  unsigned status = e2b__host_check_conditions(&conditions, download->st.st_mtime, &ranges);
  if (status != 200) {
    struct MHD_Response *response = text_response("");
    close(download->fd);
    if (response != NULL) add_modified(download, response);
    answer(download, status, response);
    return;
  }
  /* Files under /proc do not know their size. */
  off_t size = S_ISFIFO(download->st.st_mode) ? -1 : lseek(download->fd, 0, SEEK_END);
  if (size < 0) {
    close(download->fd);
    answer(download, 500, text_response("seeker can't seek\n"));
    return;
  }
  send_content(download, (uint64_t)size, ranges ? e2b__host_header(request, "Range") : NULL);
}

/* ---- as gzip ---- */

static void send_gzip(download_t *download) {
  const char *type = e2b__host_type_by_name(download->given);
  struct MHD_Response *response = e2b__host_body_gzip(download->fd);
  if (response != NULL) {
    MHD_add_response_header(response, "Content-Encoding", "gzip");
    MHD_add_response_header(response, "Content-Type",
                            type != NULL ? type : "application/octet-stream");
  }
  answer(download, 200, response);
}

/* ---- which ---- */

static bool has_header(const e2b__host_request_t *request, const char *name) {
  const char *value = e2b__host_header(request, name);
  return value != NULL && *value != '\0';
}

/* False: neither form is acceptable; answered. */
static bool choose_coding(e2b__host_request_t *request, e2b__host_coding_t *coding) {
  bool identity;
  *coding = e2b__host_choose_coding(e2b__host_header(request, "Accept-Encoding"), &identity);
  if (*coding == E2B__CODING_NONE) {
    e2b__host_answer_error(request, 406,
                           "error parsing Accept-Encoding: no acceptable encoding found, "
                           "supported: [gzip]");
    return false;
  }
  if (!has_header(request, "Range") && !has_header(request, "If-Modified-Since") &&
      !has_header(request, "If-None-Match") && !has_header(request, "If-Range"))
    return true;
  if (!identity) {
    e2b__host_answer_error(request, 406,
                           "identity encoding not acceptable for Range or conditional request");
    if (request->response != NULL) {
      MHD_del_response_header(request->response, "Vary", "Origin");
      MHD_add_response_header(request->response, "Vary", "Accept-Encoding");
    }
    return false;
  }
  *coding = E2B__CODING_IDENTITY;
  return true;
}

static bool is_harmless(const struct stat *st) {
  return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 &&
         (minor(st->st_rdev) == 3 || minor(st->st_rdev) == 5 || minor(st->st_rdev) == 7 ||
          minor(st->st_rdev) == 8 || minor(st->st_rdev) == 9);
}

/* Without blocking: a pipe without a writer must not hold up the host. */
static int open_file(download_t *download) {
  int fd = e2b__host_open(download->request->sandbox, download->path,
                          O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0) return fd;
  int rc = fstat(fd, &download->st) == 0 ? 0 : -errno;
  if (rc == 0 && !S_ISREG(download->st.st_mode) && !S_ISFIFO(download->st.st_mode) &&
      !is_harmless(&download->st))
    rc = -ENXIO;
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

static void refuse_stat(e2b__host_request_t *request, const char *path, int rc) {
  if (rc == -ENOENT)
    e2b__host_answer_error(request, 404, "path '%s' does not exist", path);
  else
    e2b__host_answer_error(request, 500, "error checking if path exists '%s': stat %s: %s", path,
                           path, e2b__host_error_text(-rc));
}

static void send_file(download_t *download) {
  e2b__host_coding_t coding;
  int rc = e2b__host_stat(download->request->sandbox, download->path, true, &download->st);
  if (rc != 0) {
    refuse_stat(download->request, download->path, rc);
    return;
  }
  if (S_ISDIR(download->st.st_mode)) {
    e2b__host_answer_error(download->request, 400, "path '%s' is a directory", download->path);
    return;
  }
  if (!choose_coding(download->request, &coding)) return;
  download->fd = open_file(download);
  if (download->fd < 0)
    e2b__host_answer_error(download->request, 500, "error opening file '%s': open %s: %s",
                           download->path, download->path, e2b__host_error_text(-download->fd));
  else if (coding == E2B__CODING_GZIP && !S_ISFIFO(download->st.st_mode))
    send_gzip(download);
  else
    send_plain(download);
}

void e2b__host_download(e2b__host_request_t *request) {
  download_t download = {.request = request, .fd = -1};
  const char *why = NULL;
  bool as_root;

  if (!e2b__host_transfer_query(request) || !e2b__host_transfer_allowed(request, "read") ||
      !e2b__host_transfer_user(request, &as_root))
    return;
  download.given = e2b__host_query(request, "path");
  if (download.given == NULL) download.given = "";
  download.path = e2b__host_path_expand(request->sandbox, &request->arena, e2b__str(download.given),
                                        as_root, &why);
  const char *clean =
      download.path != NULL ? e2b__host_path_clean(&request->arena, download.path) : NULL;
  if (clean == NULL) {
    e2b__host_answer_error(request, why != NULL ? 400 : 500,
                           "error expanding and resolving path '%s': %s", download.given,
                           why != NULL ? why : "out of memory");
    return;
  }
  download.name = e2b__host_path_name(clean);
  send_file(&download);
}
