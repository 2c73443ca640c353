/* SPDX-License-Identifier: MIT */
#include "host/transfer_body.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "host/gzip.h"
#include "host/internal.h"

enum {
  BLOCK = 65536,
  INPUT = 32768,
  KNOWN_LENGTH = 2048, /* a compressed answer up to here says how long it is */
  BOUNDARY = 30,
  TEXT = 512
};

struct MHD_Response *e2b__host_body_range(int fd, uint64_t from, uint64_t len) {
  struct MHD_Response *response;
  if (len > 0) {
    response = MHD_create_response_from_fd_at_offset64(len, fd, from);
    if (response == NULL) close(fd);
    return response;
  }
  close(fd);
  return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
}

/* ---- several ranges ---- */

typedef struct ranges_body {
  int fd;
  e2b__host_range_t *ranges;
  size_t count, at; /* the range that is sent; `count`: the tail */
  uint64_t size;
  char *type;
  char boundary[BOUNDARY * 2 + 1];
  char text[TEXT]; /* what precedes the range, or the tail */
  size_t text_len, text_sent;
  uint64_t sent; /* of the range */
} ranges_body_t;

static size_t write_text(const ranges_body_t *body, size_t at, char *text) {
  const char *start = at == 0 ? "" : "\r\n";
  int len;
  if (at == body->count) {
    len = snprintf(text, TEXT, "%s--%s--\r\n", start, body->boundary);
  } else {
    const e2b__host_range_t *range = &body->ranges[at];
    len = snprintf(
        text, TEXT, "%s--%s\r\nContent-Range: bytes %llu-%lld/%llu\r\nContent-Type: %.200s\r\n\r\n",
        start, body->boundary, (unsigned long long)range->from,
        (long long)(range->from + range->len) - 1, (unsigned long long)body->size, body->type);
  }
  return (size_t)len;
}

static uint64_t whole_length(const ranges_body_t *body) {
  char text[TEXT];
  uint64_t len = 0;
  for (size_t i = 0; i <= body->count; i++)
    len += write_text(body, i, text) + (i < body->count ? body->ranges[i].len : 0);
  return len;
}

static ssize_t read_ranges(void *cls, uint64_t pos, char *buf, size_t max) {
  ranges_body_t *body = cls;
  (void)pos;
  for (;;) {
    if (body->text_sent < body->text_len) {
      size_t take = body->text_len - body->text_sent < max ? body->text_len - body->text_sent : max;
      memcpy(buf, body->text + body->text_sent, take);
      body->text_sent += take;
      return (ssize_t)take;
    }
    if (body->at == body->count) return MHD_CONTENT_READER_END_OF_STREAM;
    const e2b__host_range_t *range = &body->ranges[body->at];
    uint64_t left = range->len - body->sent;
    if (left > 0) {
      ssize_t got =
          pread(body->fd, buf, left < max ? (size_t)left : max, (off_t)(range->from + body->sent));
      /* It has become shorter than was promised. */
      if (got <= 0) return MHD_CONTENT_READER_END_WITH_ERROR;
      body->sent += (uint64_t)got;
      return got;
    }
    body->at++;
    body->sent = 0;
    body->text_len = write_text(body, body->at, body->text);
    body->text_sent = 0;
  }
}

static void free_ranges(void *cls) {
  ranges_body_t *body = cls;
  close(body->fd);
  e2b__free(body->ranges);
  e2b__free(body->type);
  e2b__free(body);
}

struct MHD_Response *e2b__host_body_ranges(int fd, const e2b__host_range_t *ranges, size_t count,
                                           uint64_t size, const char *type) {
  char content_type[128];
  struct MHD_Response *response = NULL;
  ranges_body_t *body = e2b__calloc(1, sizeof *body);
  if (body == NULL) {
    close(fd);
    return NULL;
  }
  body->fd = fd;
  body->size = size;
  body->count = count;
  body->type = e2b__strdup(type);
  body->ranges = e2b__calloc(count, sizeof *ranges);
  if (body->type != NULL && body->ranges != NULL &&
      e2b__host_random_hex(body->boundary, BOUNDARY * 2) == 0) {
    memcpy(body->ranges, ranges, count * sizeof *ranges);
    body->text_len = write_text(body, 0, body->text);
    response = MHD_create_response_from_callback(whole_length(body), BLOCK, read_ranges, body,
                                                 free_ranges);
  }
  if (response == NULL) {
    free_ranges(body);
    return NULL;
  }
  snprintf(content_type, sizeof content_type, "multipart/byteranges; boundary=%s", body->boundary);
  MHD_add_response_header(response, "Content-Type", content_type);
  return response;
}

/* ---- gzip ---- */

typedef struct gzip_body {
  int fd;
  e2b__gzip_writer_t writer;
  bool ended; /* nothing more can be read */
  bool done;  /* nor sent */
  bool failed;
  const char *in;
  size_t in_len;
  size_t head_len, head_sent;
  char head[KNOWN_LENGTH + 1]; /* what was compressed to see whether it is short */
  char input[INPUT];
} gzip_body_t;

/* How many bytes came; 0 at the end and after a failure. */
static size_t compress_more(gzip_body_t *body, char *out, size_t room) {
  while (!body->done && !body->failed) {
    if (body->in_len == 0 && !body->ended) {
      ssize_t got = read(body->fd, body->input, INPUT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        body->failed = true;
        return 0;
      }
      body->ended = got == 0;
      body->in = body->input;
      body->in_len = (size_t)got;
    }
    size_t got = e2b__gzip_write(&body->writer, &body->in, &body->in_len, body->ended, out, room,
                                 &body->done);
    if (got > 0) return got;
  }
  return 0;
}

static ssize_t read_gzip(void *cls, uint64_t pos, char *buf, size_t max) {
  gzip_body_t *body = cls;
  (void)pos;
  size_t left = body->head_len - body->head_sent;
  if (left > 0) {
    size_t take = left < max ? left : max;
    memcpy(buf, body->head + body->head_sent, take);
    body->head_sent += take;
    return (ssize_t)take;
  }
  size_t got = compress_more(body, buf, max);
  if (got > 0) return (ssize_t)got;
  return body->failed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_gzip(void *cls) {
  gzip_body_t *body = cls;
  close(body->fd);
  e2b__gzip_writer_free(&body->writer);
  e2b__free(body);
}

struct MHD_Response *e2b__host_body_gzip(int fd) {
  struct MHD_Response *response = NULL;
  size_t got;
  gzip_body_t *body = e2b__calloc(1, sizeof *body);
  if (body == NULL) {
    close(fd);
    return NULL;
  }
  body->fd = fd;
  if (e2b__gzip_writer_start(&body->writer) != 0) {
    free_gzip(body);
    return NULL;
  }
  while (body->head_len < sizeof body->head &&
         (got = compress_more(body, body->head + body->head_len,
                              sizeof body->head - body->head_len)) > 0)
    body->head_len += got;
  if (body->done && body->head_len <= KNOWN_LENGTH) {
    response = MHD_create_response_from_buffer(body->head_len, body->head, MHD_RESPMEM_MUST_COPY);
    free_gzip(body);
    return response;
  }
  if (!body->failed)
    response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_gzip, body, free_gzip);
  if (response == NULL) free_gzip(body);
  return response;
}
