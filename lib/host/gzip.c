/* SPDX-License-Identifier: MIT */
#include "host/gzip.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "e2b/error.h"

/* Loopback is faster than any compressor: who asks for gzip gets the cheapest. */
enum { LEVEL = 1, GZIP = 16, SMALL = 4096 };

static uInt bounded(size_t size) {
  return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

static void *z_alloc(void *opaque, uInt count, uInt size) {
  (void)opaque;
  return e2b__calloc(count, size);
}

static void z_free(void *opaque, void *ptr) {
  (void)opaque;
  e2b__free(ptr);
}

/* ---- writing ---- */

static int start(e2b__gzip_writer_t *writer, int window, int memory) {
  memset(writer, 0, sizeof *writer);
  writer->z.zalloc = z_alloc;
  writer->z.zfree = z_free;
  if (deflateInit2(&writer->z, LEVEL, Z_DEFLATED, GZIP + window, memory, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return E2B_ENOMEM;
  writer->open = true;
  return 0;
}

int e2b__gzip_writer_start(e2b__gzip_writer_t *writer) {
  return start(writer, MAX_WBITS, 8);
}

size_t e2b__gzip_write(e2b__gzip_writer_t *writer, const char **in, size_t *in_len, bool last,
                       char *out, size_t room, bool *done) {
  z_stream *z = &writer->z;
  uInt given = bounded(*in_len);
  z->next_in = (Bytef *)(uintptr_t)*in;
  z->avail_in = given;
  z->next_out = (Bytef *)out;
  z->avail_out = bounded(room);
  int rc = deflate(z, last && given == *in_len ? Z_FINISH : Z_NO_FLUSH);
  *in += given - z->avail_in;
  *in_len -= given - z->avail_in;
  *done = rc == Z_STREAM_END;
  return (size_t)((char *)z->next_out - out);
}

void e2b__gzip_writer_free(e2b__gzip_writer_t *writer) {
  if (writer->open) deflateEnd(&writer->z);
  writer->open = false;
}

/* ---- reading ---- */

static void break_reader(e2b__gzip_reader_t *reader, const char *why) {
  reader->broken = true;
  snprintf(reader->why, sizeof reader->why, "%s", why);
}

/* Collects the ten bytes that say whether it is gzip at all. */
static void take_head(e2b__gzip_reader_t *reader, const char **in, size_t *in_len) {
  size_t count = E2B__GZIP_HEADER - reader->held_len;
  if (count > *in_len) count = *in_len;
  memcpy(reader->held + reader->held_len, *in, count);
  reader->held_len += count;
  *in += count;
  *in_len -= count;
  if (reader->held_len < E2B__GZIP_HEADER) return;
  if (memcmp(reader->held, "\x1f\x8b\x08", 3) != 0) {
    break_reader(reader, "gzip: invalid header");
    return;
  }
  memset(&reader->z, 0, sizeof reader->z);
  memset(&reader->header, 0, sizeof reader->header);
  reader->z.zalloc = z_alloc;
  reader->z.zfree = z_free;
  if (inflateInit2(&reader->z, GZIP + MAX_WBITS) != Z_OK) {
    break_reader(reader, "out of memory");
    return;
  }
  reader->open = true;
  inflateGetHeader(&reader->z, &reader->header);
  reader->z.next_in = (Bytef *)reader->held;
  reader->z.avail_in = E2B__GZIP_HEADER;
  char nowhere[1];
  reader->z.next_out = (Bytef *)nowhere;
  reader->z.avail_out = 0;
  int rc = inflate(&reader->z, Z_NO_FLUSH);
  if (rc != Z_OK && rc != Z_BUF_ERROR) break_reader(reader, "gzip: invalid header");
  if (reader->header.done == 1) reader->begun = true;
}

static void inflate_failed(e2b__gzip_reader_t *reader, int rc) {
  if (rc == Z_MEM_ERROR)
    break_reader(reader, "out of memory");
  else if (reader->header.done != 1)
    break_reader(reader, "gzip: invalid header");
  else if (reader->z.msg != NULL && strstr(reader->z.msg, "check") != NULL)
    break_reader(reader, "gzip: invalid checksum");
  else
    snprintf(reader->why, sizeof reader->why, "flate: corrupt input before offset %lu",
             reader->z.total_in > E2B__GZIP_HEADER ? reader->z.total_in - E2B__GZIP_HEADER : 0UL);
  reader->broken = true;
}

size_t e2b__gzip_read(e2b__gzip_reader_t *reader, const char **in, size_t *in_len, char *out,
                      size_t room) {
  z_stream *z = &reader->z;
  while (!reader->broken) {
    if (!reader->open) {
      if (*in_len == 0) return 0;
      take_head(reader, in, in_len);
      continue;
    }
    uInt given = bounded(*in_len);
    z->next_in = (Bytef *)(uintptr_t)*in;
    z->avail_in = given;
    z->next_out = (Bytef *)out;
    z->avail_out = bounded(room);
    int rc = inflate(z, Z_NO_FLUSH);
    size_t got = (size_t)((char *)z->next_out - out);
    *in += given - z->avail_in;
    *in_len -= given - z->avail_in;
    if (reader->header.done == 1) reader->begun = true;
    if (rc == Z_STREAM_END) {
      inflateEnd(z);
      reader->open = false;
      reader->held_len = 0;
      reader->members++;
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
      inflate_failed(reader, rc);
    }
    if (got > 0 || rc == Z_BUF_ERROR || (rc == Z_OK && *in_len == 0)) return got;
  }
  return 0;
}

bool e2b__gzip_read_end(e2b__gzip_reader_t *reader) {
  if (reader->broken) return false;
  if (!reader->open && reader->held_len == 0 && reader->members > 0) return true;
  break_reader(reader, reader->open || reader->held_len > 0 ? "unexpected EOF" : "EOF");
  return false;
}

void e2b__gzip_reader_free(e2b__gzip_reader_t *reader) {
  if (reader->open) inflateEnd(&reader->z);
  reader->open = false;
}

/* ---- whole ---- */

int e2b__gzip_whole(e2b__buffer_t *out, const char *data, size_t len) {
  e2b__gzip_writer_t writer;
  size_t before = out->len;
  bool done = false, small = len <= SMALL;
  /* Small messages are many; a table of 256 KiB for each would cost more than they do. */
  int rc = small ? start(&writer, 12, 4) : e2b__gzip_writer_start(&writer);
  if (rc != 0) return rc;
  while (rc == 0 && !done) {
    rc = e2b__buffer_reserve(out, len / 2 + 64);
    if (rc == 0)
      e2b__buffer_commit(out, e2b__gzip_write(&writer, &data, &len, true, out->data + out->len,
                                              out->capacity - out->len - 1, &done));
  }
  e2b__gzip_writer_free(&writer);
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}

int e2b__gunzip_whole(e2b__buffer_t *out, const char *data, size_t len,
                      e2b__gzip_reader_t *reader) {
  size_t before = out->len, got;
  char piece[16384];
  int rc = 0;
  memset(reader, 0, sizeof *reader);
  while (rc == 0 && (got = e2b__gzip_read(reader, &data, &len, piece, sizeof piece)) > 0)
    rc = e2b__buffer_append(out, piece, got);
  if (rc == 0 && !e2b__gzip_read_end(reader))
    rc = strcmp(reader->why, "out of memory") == 0 ? E2B_ENOMEM : E2B_EPROTOCOL;
  e2b__gzip_reader_free(reader);
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}
