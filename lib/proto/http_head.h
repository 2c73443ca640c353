/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_HTTP_HEAD_H
#define E2B_LIB_PROTO_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The head of an HTTP/1 answer, from its status line to the empty line, and the framing of what
 * follows; or that of a request. The sender is not trusted. */

enum {
  E2B__HTTP_HEAD_CEILING = 64 << 10, /* bytes */
  E2B__HTTP_FIELDS_MAX = 128
};

typedef struct e2b__http_field {
  const char *name;
  const char *value; /* without blanks around it; folded lines are one */
} e2b__http_field_t;

typedef struct e2b__http_head {
  unsigned status;
  unsigned minor; /* of HTTP/1.x */
  bool chunked;
  bool has_length;
  uint64_t length;
  size_t count;
  e2b__http_field_t fields[E2B__HTTP_FIELDS_MAX]; /* point into the parsed text */
} e2b__http_head_t;

/* Where the head that `data` begins with ends: the number of its bytes, 0 while it is not all
 * there. `seen` is how much of `data` an earlier call has looked at. */
size_t e2b__http_head_end(const char *data, size_t len, size_t seen);
/* Takes a whole head apart, in place. 0, E2B_EPROTOCOL, or E2B_ETOOBIG for too many fields. */
int e2b__http_head_parse(e2b__http_head_t *head, char *data, size_t len);

typedef struct e2b__http_request_line {
  const char *method; /* a token */
  const char *target; /* no blanks and no control characters */
} e2b__http_request_line_t;

/* The same for a request's head. head->status stays 0. */
int e2b__http_request_parse(e2b__http_head_t *head, e2b__http_request_line_t *line, char *data,
                            size_t len);
/* The value of the first field of that name, in any case; NULL. */
const char *e2b__http_head_field(const e2b__http_head_t *head, const char *name);

/* Whether `token` is in the list that all fields of that name make up, in any case. */
bool e2b__http_head_list_has(const e2b__http_head_t *head, const char *name, const char *token);

/* Whether text is a token of RFC 9110: a method or a field's name. */
bool e2b__http_is_token(const char *text, size_t len);
/* Whether `token` is an element of a list with commas, in any case. */
bool e2b__http_list_has(const char *list, const char *token);
/* Whether a field of this name is between two neighbours only, whatever Connection says. */
bool e2b__http_hop_by_hop(const char *name);

/* ---- chunks ---- */

typedef struct e2b__http_chunks {
  unsigned char state;
  unsigned char digits;
  unsigned line;      /* bytes of the current size line or of the trailer */
  uint64_t left;      /* of the current chunk */
} e2b__http_chunks_t; /* zero-initialised: at the beginning */

/* Takes from *data; 1: a piece of the content, which points into the input; 0: more is needed; 2:
 * the end was reached, *data begins with what follows; or E2B_EPROTOCOL. */
int e2b__http_chunks_next(e2b__http_chunks_t *chunks, const char **data, size_t *len,
                          const char **piece, size_t *piece_len);

#endif
