/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_GZIP_H
#define E2B_LIB_HOST_GZIP_H

#include <stdbool.h>
#include <zlib.h>

#include "base/buffer.h"

/* gzip, in pieces or whole. Streams cost memory only between start and free. */

enum { E2B__GZIP_HEADER = 10 };

typedef struct e2b__gzip_writer {
  z_stream z;
  bool open;
} e2b__gzip_writer_t;

/* 0 or E2B_ENOMEM. */
int e2b__gzip_writer_start(e2b__gzip_writer_t *writer);
/* Compresses from *in, *in_len into `out`; answers how many bytes came. With `last` it goes on to
 * the end of the stream; *done then says that this was reached. */
size_t e2b__gzip_write(e2b__gzip_writer_t *writer, const char **in, size_t *in_len, bool last,
                       char *out, size_t room, bool *done);
void e2b__gzip_writer_free(e2b__gzip_writer_t *writer);

/* Several gzip streams behind each other are one. */
typedef struct e2b__gzip_reader {
  z_stream z;
  gz_header header;
  bool open;   /* z is */
  bool begun;  /* a stream's head is complete: there may be content */
  bool broken; /* `why` says how; it stays so */
  size_t held_len;
  char held[E2B__GZIP_HEADER]; /* the beginning of a head */
  unsigned members;            /* that are complete */
  char why[64];                /* in the words of the daemon */
} e2b__gzip_reader_t;

/* Inflates from *in, *in_len into `out`; answers how many bytes came. 0: all input is taken, or it
 * is broken. */
size_t e2b__gzip_read(e2b__gzip_reader_t *reader, const char **in, size_t *in_len, char *out,
                      size_t room);
/* The input has ended: whether that was a stream's end; otherwise it is broken now. */
bool e2b__gzip_read_end(e2b__gzip_reader_t *reader);
void e2b__gzip_reader_free(e2b__gzip_reader_t *reader);

/* Append a whole stream. 0, E2B_ENOMEM, E2B_ETOOBIG; for input that is none E2B_EPROTOCOL, and
 * reader->why (the reader needs no preparation and no freeing) says how. */
int e2b__gzip_whole(e2b__buffer_t *out, const char *data, size_t len);
int e2b__gunzip_whole(e2b__buffer_t *out, const char *data, size_t len, e2b__gzip_reader_t *reader);

#endif
