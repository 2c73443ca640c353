/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_MULTIPART_READ_H
#define E2B_LIB_PROTO_MULTIPART_READ_H

#include <stdbool.h>

#include "base/buffer.h"

/* Takes a multipart body apart that arrives in any pieces, one byte at a time included. Content is
 * lent and never gathered; of a part's head no more is kept than MULTIPART_HEAD bytes. */

enum { E2B__MULTIPART_HEAD = 64 << 10, E2B__MULTIPART_BOUNDARY = 200 };

typedef enum e2b__multipart_event {
  E2B__MULTIPART_NOTHING, /* all input is taken and more is needed */
  E2B__MULTIPART_PART,    /* a part begins: see disposition */
  E2B__MULTIPART_DATA,    /* some of its content */
  E2B__MULTIPART_PART_END /* it was complete */
} e2b__multipart_event_t;

typedef enum e2b__multipart_state {
  E2B__MULTIPART_PREAMBLE,
  E2B__MULTIPART_LINE, /* behind a boundary */
  E2B__MULTIPART_HEADERS,
  E2B__MULTIPART_CONTENT,
  E2B__MULTIPART_EPILOGUE /* behind the last boundary; taken and dropped */
} e2b__multipart_state_t;

typedef struct e2b__multipart_reader {
  e2b__multipart_state_t state;
  char text[E2B__MULTIPART_BOUNDARY + 8]; /* CR LF -- boundary - */
  const char *delimiter;                  /* in `text`: without the CR for bodies that have none */
  size_t delimiter_len;                   /* without the last - */
  size_t matched;                         /* of the delimiter, at the end of what was taken */
  bool imagined; /* its line end was not there: the start of the body or of a content */
  bool in_part;
  bool any_part;
  e2b__buffer_t head;        /* the lines behind a boundary, or of a part */
  e2b__buffer_t disposition; /* the value of the part's Content-Disposition, unfolded */
  const char *data;          /* of a DATA event; lent until the next call */
  size_t len;
} e2b__multipart_reader_t;

/* 0 or E2B_EINVAL: no boundary could look like that. */
int e2b__multipart_reader_init(e2b__multipart_reader_t *reader, const char *boundary);
/* Takes from *data, *len what it can; an event, E2B_EPROTOCOL (no multipart body), E2B_ETOOBIG (a
 * part's head), or E2B_ENOMEM. */
int e2b__multipart_next(e2b__multipart_reader_t *reader, const char **data, size_t *len);
/* The input has ended: whether behind the last boundary. */
bool e2b__multipart_complete(const e2b__multipart_reader_t *reader);
void e2b__multipart_reader_free(e2b__multipart_reader_t *reader);

#endif
