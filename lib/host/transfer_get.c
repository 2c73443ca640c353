/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/daemon.h"
#include "host/paths.h"
#include "host/signature.h"
#include "proto/url.h"

/* GET /files, and what both directions check first. */

enum { SPECIAL_CEILING = 4 << 20, SNIFF = 512 };

bool e2b__host_transfer_user(e2b__host_request_t *request, bool *as_root) {
  const char *name = e2b__host_query(request, "username");
  const char *basic = "";
  if (name == NULL) return e2b__host_acting_user(request, as_root, &basic) == 0;
  *as_root = strcmp(name, "root") == 0;
  if (*as_root || strcmp(name, "user") == 0) return true;
  e2b__host_answer_error(request, 401, "error looking up user '%.200s': user: unknown user %.200s",
                         name, name);
  return false;
}

static const char *query_or_empty(const e2b__host_request_t *request, const char *name) {
  const char *value = e2b__host_query(request, name);
  return value != NULL ? value : "";
}

bool e2b__host_transfer_signed(const e2b__host_request_t *request,
                               const e2b__host_sandbox_t *sandbox, const char *operation) {
  char expected[E2B__SIGNATURE_SIZE];
  const char *expiration = e2b__host_query(request, "signature_expiration");
  if (sandbox->access_token[0] == '\0') return false;
  return e2b__host_signature(query_or_empty(request, "path"), operation,
                             query_or_empty(request, "username"), sandbox->access_token, expiration,
                             expected) == 0 &&
         e2b__host_secret_equal(query_or_empty(request, "signature"), expected);
}

/* The last second that it names is still good. */
static bool expired(const char *expiration) {
  return expiration != NULL && strtoll(expiration, NULL, 10) < e2b__wall_ms() / 1000;
}

bool e2b__host_transfer_allowed(e2b__host_request_t *request, const char *operation) {
  const char *expected = request->sandbox->access_token;
  const char *token = e2b__host_header(request, "X-Access-Token");
  if (expected[0] == '\0') return true;
  if (token != NULL) {
    if (e2b__host_secret_equal(token, expected)) return true;
    e2b__host_answer_error(request, 401, "access token present in header but does not match");
  } else if (e2b__host_query(request, "signature") == NULL) {
    e2b__host_answer_error(request, 401, "missing signature query parameter");
  } else if (!e2b__host_transfer_signed(request, request->sandbox, operation)) {
    e2b__host_answer_error(request, 401, "invalid signature");
  } else if (expired(e2b__host_query(request, "signature_expiration"))) {
    e2b__host_answer_error(request, 401, "signature is already expired");
  } else {
    return true;
  }
  return false;
}

/* A number, or nothing. False: answered. */
bool e2b__host_transfer_query(e2b__host_request_t *request) {
  const char *text = e2b__host_query(request, "signature_expiration");
  char message[300], *end;
  if (text == NULL) return true;
  (void)strtoll(text, &end, 10);
  if (*text != '\0' && *end == '\0') return true;
  snprintf(message, sizeof message,
           "Invalid format for parameter signature_expiration: error binding string parameter: "
           "strconv.ParseInt: parsing \"%.100s\": invalid syntax\n",
           text);
  e2b__host_answer_plain(request, 400, message);
  return false;
}

/* ---- headers ---- */

static const char *type_by_name(const char *name) {
  static const char *const types[][2] = {
      {".css", "text/css; charset=utf-8"},
      {".gif", "image/gif"},
      {".html", "text/html; charset=utf-8"},
      {".htm", "text/html; charset=utf-8"},
      {".jpeg", "image/jpeg"},
      {".jpg", "image/jpeg"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".pdf", "application/pdf"},
      {".png", "image/png"},
      {".svg", "image/svg+xml"},
      {".wasm", "application/wasm"},
      {".webp", "image/webp"},
      {".xml", "text/xml; charset=utf-8"},
  };
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot != NULL && i < E2B__COUNT(types); i++)
    if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
  return NULL;
}

/* Text unless there is a byte in it that text does not have. */
static const char *type_by_content(int fd) {
  unsigned char head[SNIFF];
  ssize_t got = pread(fd, head, sizeof head, 0);
  for (ssize_t i = 0; i < got; i++)
    if (head[i] < 9 || head[i] == 11 || (head[i] > 13 && head[i] < 32 && head[i] != 27))
      return "application/octet-stream";
  return "text/plain; charset=utf-8";
}

static void add_disposition(struct MHD_Response *response, const char *name) {
  e2b__buffer_t out = E2B__BUFFER_INIT(65536);
  bool ascii = true, token = true;
  for (const char *p = name; *p != '\0'; p++) {
    if ((unsigned char)*p >= 127 || (unsigned char)*p < 32) ascii = false;
    if (strchr(" ()<>@,;:\\\"/[]?=", *p) != NULL) token = false;
  }
  int rc;
  if (!ascii) {
    rc = e2b__buffer_append_str(&out, "inline; filename*=utf-8''");
    if (rc == 0) rc = e2b__url_escape(&out, name, strlen(name));
  } else if (token) {
    rc = e2b__buffer_printf(&out, "inline; filename=%s", name);
  } else {
    rc = e2b__buffer_append_str(&out, "inline; filename=\"");
    for (const char *p = name; rc == 0 && *p != '\0'; p++) {
      if (*p == '"' || *p == '\\') rc = e2b__buffer_append(&out, "\\", 1);
      if (rc == 0) rc = e2b__buffer_append(&out, p, 1);
    }
    if (rc == 0) rc = e2b__buffer_append_str(&out, "\"");
  }
  if (rc == 0) MHD_add_response_header(response, "Content-Disposition", out.data);
  e2b__buffer_free(&out);
}

/* One range of bytes. 0: there is none that counts; 1: *from, *len; -1: it cannot be met. */
static int parse_range(const char *header, uint64_t size, uint64_t *from, uint64_t *len) {
  char *end;
  if (header == NULL || strncmp(header, "bytes=", 6) != 0 || strchr(header, ',') != NULL) return 0;
  header += 6;
  if (size == 0) return 0;
  if (*header == '-') {
    uint64_t last = strtoull(header + 1, &end, 10);
    if (end == header + 1 || *end != '\0') return -1;
    if (last > size) last = size;
    if (last == 0) return -1;
    *from = size - last;
    *len = last;
    return 1;
  }
  *from = strtoull(header, &end, 10);
  if (end == header || *end != '-') return -1;
  uint64_t to = size - 1;
  if (end[1] != '\0') {
    char *tail;
    to = strtoull(end + 1, &tail, 10);
    if (*tail != '\0' || to < *from) return -1;
    if (to > size - 1) to = size - 1;
  }
  if (*from >= size) return -1;
  *len = to - *from + 1;
  return 1;
}

static void decorate(struct MHD_Response *response, const char *name, const struct stat *st,
                     const char *type) {
  char date[64];
  struct tm tm;
  add_disposition(response, name);
  MHD_add_response_header(response, "Accept-Ranges", "bytes");
  MHD_add_response_header(response, "Content-Type", type);
  MHD_add_response_header(response, "Vary", "Accept-Encoding");
  if (gmtime_r(&st->st_mtime, &tm) != NULL &&
      strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
    MHD_add_response_header(response, "Last-Modified", date);
}

static void refuse_range(e2b__host_request_t *request, const char *name, uint64_t size) {
  static const char text[] = "invalid range: failed to overlap\n";
  char range[48];
  struct MHD_Response *response = MHD_create_response_from_buffer(
      sizeof text - 1, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
  snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)size);
  if (response != NULL) {
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Range", range);
    MHD_add_response_header(response, "Vary", "Accept-Encoding");
    add_disposition(response, name);
  }
  e2b__host_answer(request, 416, response);
}

/* Unchanged since the time the client has it from; whole seconds, as HTTP counts. */
static bool not_modified(const e2b__host_request_t *request, const struct stat *st) {
  const char *since = e2b__host_header(request, "If-Modified-Since");
  struct tm tm;
  memset(&tm, 0, sizeof tm);
  if (since == NULL || e2b__host_header(request, "If-None-Match") != NULL) return false;
  if (strptime(since, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL) return false;
  return st->st_mtime <= timegm(&tm);
}

/* This host sends files as they are; false: the client takes only what it does not have. */
static bool identity_acceptable(const char *accept) {
  bool all_refused = false;
  while (accept != NULL && *accept != '\0') {
    accept += strspn(accept, ", \t");
    size_t len = strcspn(accept, ","), name = strcspn(accept, ";, \t");
    const char *q = memchr(accept, ';', len);
    bool refused = false;
    if (q != NULL) {
      q += strspn(q, "; \t");
      refused = strncmp(q, "q=0", 3) == 0 && strspn(q + 2, "0.") >= strcspn(q + 2, ", \t;");
    }
    if (name == 8 && strncasecmp(accept, "identity", 8) == 0) return !refused;
    if (name == 1 && *accept == '*') all_refused = refused;
    accept += len;
  }
  return !all_refused;
}

/* ---- bodies ---- */

static void send_file(e2b__host_request_t *request, int fd, const char *name,
                      const struct stat *st) {
  uint64_t from = 0, size = (uint64_t)st->st_size, len = size;
  if (not_modified(request, st)) {
    struct MHD_Response *unchanged =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    close(fd);
    if (unchanged != NULL) {
      add_disposition(unchanged, name);
      MHD_add_response_header(unchanged, "Vary", "Accept-Encoding");
    }
    e2b__host_answer(request, 304, unchanged);
    return;
  }
  const char *type = type_by_name(name);
  if (type == NULL) type = type_by_content(fd);
  int range = parse_range(e2b__host_header(request, "Range"), size, &from, &len);
  if (range < 0) {
    close(fd);
    refuse_range(request, name, size);
    return;
  }
  struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(len, fd, from);
  if (response == NULL) {
    close(fd);
    e2b__host_answer(request, 500, NULL);
    return;
  }
  decorate(response, name, st, type);
  if (range > 0) {
    char text[96];
    snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)from,
             (unsigned long long)(from + len - 1), (unsigned long long)size);
    MHD_add_response_header(response, "Content-Range", text);
  }
  e2b__host_answer(request, range > 0 ? 206 : 200, response);
}

/* Files under /proc say that they are empty and are not. */
static void send_unsized(e2b__host_request_t *request, int fd, const char *name,
                         const struct stat *st) {
  e2b__buffer_t out = E2B__BUFFER_INIT(SPECIAL_CEILING);
  ssize_t got = 0;
  int rc;
  while ((rc = e2b__buffer_reserve(&out, 4096)) == 0 &&
         (got = read(fd, out.data + out.len, 4096)) > 0)
    e2b__buffer_commit(&out, (size_t)got);
  close(fd);
  if (rc != 0 || got < 0) {
    e2b__host_answer_error(request, 500, "error reading file: %s",
                           rc != 0 ? "file too large" : e2b__host_error_text(errno));
  } else {
    const char *type = type_by_name(name);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(out.len, out.data, MHD_RESPMEM_MUST_COPY);
    if (response != NULL)
      decorate(response, name, st, type != NULL ? type : "text/plain; charset=utf-8");
    e2b__host_answer(request, 200, response);
  }
  e2b__buffer_free(&out);
}

static void refuse_open(e2b__host_request_t *request, const char *path, int rc) {
  if (rc == -ENOENT || rc == -ELOOP)
    e2b__host_answer_error(request, 404, "path '%s' does not exist", path);
  else if (rc == -ENOTDIR)
    e2b__host_answer_error(request, 500, "error checking if path exists '%s': stat %s: %s", path,
                           path, e2b__host_error_text(ENOTDIR));
  else
    e2b__host_answer_error(request, 500, "error opening file '%s': %s", path,
                           e2b__host_error_text(-rc));
}

void e2b__host_download(e2b__host_request_t *request) {
  const char *given = e2b__host_query(request, "path"), *why = NULL;
  struct stat st;
  bool as_root;

  if (!e2b__host_transfer_query(request) || !e2b__host_transfer_allowed(request, "read") ||
      !e2b__host_transfer_user(request, &as_root))
    return;
  if (!identity_acceptable(e2b__host_header(request, "Accept-Encoding"))) {
    e2b__host_answer_error(request, 406,
                           "error parsing Accept-Encoding: no acceptable encoding found, "
                           "supported: []");
    return;
  }
  char *path = e2b__host_path_expand(request->sandbox, &request->arena,
                                     e2b__str(given != NULL ? given : ""), as_root, &why);
  char *clean = path != NULL ? e2b__host_path_clean(&request->arena, path) : NULL;
  if (clean == NULL) {
    e2b__host_answer_error(request, why != NULL ? 400 : 500,
                           "error expanding and resolving path '%s': %s",
                           given != NULL ? given : "", why != NULL ? why : "out of memory");
    return;
  }
  /* Not blocking: a pipe without a writer must not hold up the host. */
  int fd = e2b__host_open(request->sandbox, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 || fstat(fd, &st) != 0) {
    refuse_open(request, path, fd < 0 ? fd : -errno);
    return;
  }
  if (S_ISDIR(st.st_mode)) {
    close(fd);
    e2b__host_answer_error(request, 400, "path '%s' is a directory", path);
  } else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) { /* /dev/null */
    send_unsized(request, fd, e2b__host_path_name(clean), &st);
  } else if (!S_ISREG(st.st_mode)) {
    close(fd);
    e2b__host_answer_error(request, 500, "path '%s' is not a regular file", path);
  } else if (st.st_size == 0) {
    send_unsized(request, fd, e2b__host_path_name(clean), &st);
  } else {
    send_file(request, fd, e2b__host_path_name(clean), &st);
  }
}
