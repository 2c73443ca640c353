/* SPDX-License-Identifier: MIT */
#include "e2b/error.h"
#include "proto/http_head.h"

/* The chunked coding: a size in hexadecimal on a line of its own, so many bytes, a line end; the
 * chunk of size 0 is followed by a trailer, which is skipped. */

enum { LINE_CEILING = 16384, SIZE_DIGITS = 15 };

enum {
  AT_SIZE,
  AT_EXTENSION, /* behind the size: up to the line's end */
  AT_SIZE_LF,
  AT_CONTENT,
  AT_CONTENT_CR,
  AT_CONTENT_LF,
  AT_TRAILER, /* at the beginning of a line */
  AT_TRAILER_LINE,
  AT_TRAILER_LF, /* of the empty line */
  AT_END
};

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static int size_known(e2b__http_chunks_t *chunks) {
  if (chunks->digits == 0) return E2B_EPROTOCOL;
  chunks->state = chunks->left > 0 ? AT_CONTENT : AT_TRAILER;
  chunks->digits = 0;
  chunks->line = 0;
  return 0;
}

static int take_size(e2b__http_chunks_t *chunks, char c) {
  int value = digit(c);
  if (value < 0) {
    if (c == '\n') return size_known(chunks);
    if (chunks->digits == 0 || (c != ';' && c != ' ' && c != '\t' && c != '\r'))
      return E2B_EPROTOCOL;
    chunks->state = c == '\r' ? AT_SIZE_LF : AT_EXTENSION;
    return 0;
  }
  if (chunks->digits == 0) chunks->left = 0;
  if (++chunks->digits > SIZE_DIGITS) return E2B_EPROTOCOL;
  chunks->left = chunks->left * 16 + (uint64_t)value;
  return 0;
}

/* Anything but content. */
static int take_byte(e2b__http_chunks_t *chunks, char c) {
  switch (chunks->state) {
  case AT_SIZE: return take_size(chunks, c);
  case AT_EXTENSION: return c == '\n' ? size_known(chunks) : 0;
  case AT_SIZE_LF: return c == '\n' ? size_known(chunks) : E2B_EPROTOCOL;
  case AT_CONTENT_CR:
    if (c != '\r' && c != '\n') return E2B_EPROTOCOL;
    chunks->state = c == '\r' ? AT_CONTENT_LF : AT_SIZE;
    break;
  case AT_CONTENT_LF:
    if (c != '\n') return E2B_EPROTOCOL;
    chunks->state = AT_SIZE;
    break;
  case AT_TRAILER:
    if (c == '\n')
      chunks->state = AT_END;
    else
      chunks->state = c == '\r' ? AT_TRAILER_LF : AT_TRAILER_LINE;
    return 0;
  case AT_TRAILER_LINE:
    if (c == '\n') chunks->state = AT_TRAILER;
    return 0;
  case AT_TRAILER_LF:
    if (c != '\n') return E2B_EPROTOCOL;
    chunks->state = AT_END;
    return 0;
  default: break;
  }
  chunks->line = 0;
  return 0;
}

int e2b__http_chunks_next(e2b__http_chunks_t *chunks, const char **data, size_t *len,
                          const char **piece, size_t *piece_len) {
  while (chunks->state != AT_END && *len > 0) {
    if (chunks->state == AT_CONTENT) {
      size_t take = *len < chunks->left ? *len : (size_t)chunks->left;
      *piece = *data;
      *piece_len = take;
      *data += take;
      *len -= take;
      chunks->left -= take;
      if (chunks->left == 0) chunks->state = AT_CONTENT_CR;
      return 1;
    }
    int rc = ++chunks->line > LINE_CEILING ? E2B_EPROTOCOL : take_byte(chunks, **data);
    if (rc != 0) return rc;
    (*data)++;
    (*len)--;
  }
  return chunks->state == AT_END ? 2 : 0;
}
