/* SPDX-License-Identifier: MIT */
#include "proto/multipart_read.h"

#include <strings.h>

#include "e2b/error.h"

enum { LINE_CEILING = 1024 };

static size_t line_end(const e2b__multipart_reader_t *reader) {
  return reader->delimiter == reader->text ? 2 : 1;
}

/* At the start of a line, as if its end had just been seen. */
static void imagine(e2b__multipart_reader_t *reader) {
  reader->matched = line_end(reader);
  reader->imagined = true;
}

int e2b__multipart_reader_init(e2b__multipart_reader_t *reader, const char *boundary) {
  size_t len = strlen(boundary);
  memset(reader, 0, sizeof *reader);
  e2b__buffer_init(&reader->head, E2B__MULTIPART_HEAD);
  e2b__buffer_init(&reader->disposition, E2B__MULTIPART_HEAD);
  if (len == 0 || len > E2B__MULTIPART_BOUNDARY || strpbrk(boundary, "\r\n") != NULL)
    return E2B_EINVAL;
  memcpy(reader->text, "\r\n--", 4);
  memcpy(reader->text + 4, boundary, len);
  reader->text[len + 4] = '-';
  reader->delimiter = reader->text;
  reader->delimiter_len = len + 4;
  imagine(reader);
  return 0;
}

void e2b__multipart_reader_free(e2b__multipart_reader_t *reader) {
  e2b__buffer_free(&reader->head);
  e2b__buffer_free(&reader->disposition);
}

static void take(const char **data, size_t *len, size_t count) {
  *data += count;
  *len -= count;
}

/* ---- content up to a boundary ---- */

/* What was held back as the beginning of a delimiter is content after all. */
static bool give_back(e2b__multipart_reader_t *reader) {
  size_t skip = reader->imagined ? line_end(reader) : 0;
  reader->data = reader->delimiter + skip;
  reader->len = reader->matched - skip;
  reader->matched = 0;
  reader->imagined = false;
  return reader->len > 0;
}

/* A boundary is one only if its line can go on like that: with a blank, or two dashes. */
static bool may_follow(const e2b__multipart_reader_t *reader, char c) {
  if (reader->matched > reader->delimiter_len) return c == '-';
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int begin_line(e2b__multipart_reader_t *reader) {
  bool dash = reader->matched > reader->delimiter_len;
  reader->matched = 0;
  reader->imagined = false;
  reader->state = E2B__MULTIPART_LINE;
  e2b__buffer_clear(&reader->head);
  return dash ? e2b__buffer_append(&reader->head, "-", 1) : 0;
}

/* The first place where the delimiter begins, or may begin when more input comes; NULL. */
static const char *find_start(const e2b__multipart_reader_t *reader, const char *data, size_t len) {
  const char *end = data + len;
  const char *cr;
  for (; (cr = memchr(data, *reader->delimiter, (size_t)(end - data))) != NULL; data = cr + 1) {
    size_t left = (size_t)(end - cr);
    if (memcmp(cr, reader->delimiter,
               left < reader->delimiter_len ? left : reader->delimiter_len) == 0)
      return cr;
  }
  return NULL;
}

/* 1: reader->data, len is content. 0: the input is used up, or behind a boundary (the state is LINE
 * then). Or E2B_ENOMEM. The delimiter's first byte is nowhere else in it, so that a mismatch can
 * only begin anew. */
static int scan(e2b__multipart_reader_t *reader, const char **data, size_t *len) {
  while (*len > 0) {
    if (reader->matched >= reader->delimiter_len) {
      if (may_follow(reader, **data)) return begin_line(reader);
      if (reader->matched == reader->delimiter_len && **data == '-') {
        reader->matched++;
        take(data, len, 1);
      } else if (give_back(reader)) {
        return 1;
      }
    } else if (reader->matched > 0) {
      if (**data == reader->delimiter[reader->matched]) {
        reader->matched++;
        take(data, len, 1);
      } else if (give_back(reader)) {
        return 1;
      }
    } else {
      const char *cr = find_start(reader, *data, *len);
      reader->data = *data;
      reader->len = cr != NULL ? (size_t)(cr - *data) : *len;
      take(data, len, reader->len);
      if (cr != NULL) {
        take(data, len, 1);
        reader->matched = 1;
      }
      if (reader->len > 0) return 1;
    }
  }
  return 0;
}

/* ---- lines ---- */

/* Gathers up to a line's end. 1: reader->head from *start on is the line without its end. */
static int take_line(e2b__multipart_reader_t *reader, const char **data, size_t *len,
                     size_t ceiling) {
  const char *newline = memchr(*data, '\n', *len);
  size_t count = newline != NULL ? (size_t)(newline - *data) + 1 : *len;
  if (reader->head.len + count > ceiling) return E2B_ETOOBIG;
  int rc = e2b__buffer_append(&reader->head, *data, count);
  if (rc != 0) return rc;
  take(data, len, count);
  return newline != NULL;
}

static bool only_blanks(const char *text) {
  return text[strspn(text, " \t\r\n")] == '\0';
}

static bool is_last(const e2b__multipart_reader_t *reader) {
  const char *text = reader->head.data;
  return text != NULL && text[0] == '-' && text[1] == '-' && only_blanks(text + 2);
}

/* The rest of a boundary's line. */
static int read_line(e2b__multipart_reader_t *reader, const char **data, size_t *len) {
  int rc = take_line(reader, data, len, LINE_CEILING);
  if (rc == E2B_ETOOBIG) rc = E2B_EPROTOCOL;
  if (rc <= 0) return rc;
  bool last = is_last(reader), next = only_blanks(reader->head.data);
  bool with_cr = reader->head.len > 1 && reader->head.data[reader->head.len - 2] == '\r';
  e2b__buffer_clear(&reader->head);
  e2b__buffer_clear(&reader->disposition);
  if (next) {
    if (!reader->any_part && !with_cr) {
      /* Whoever ends the first line without CR ends all without. */
      reader->delimiter = reader->text + 1;
      reader->delimiter_len--;
    }
    reader->state = E2B__MULTIPART_HEADERS;
    reader->any_part = true;
  } else if (last) {
    reader->state = E2B__MULTIPART_EPILOGUE;
  } else if (!reader->any_part) {
    /* Before the first part it is one more line of the preamble. */
    reader->state = E2B__MULTIPART_PREAMBLE;
    imagine(reader);
  } else {
    return E2B_EPROTOCOL;
  }
  return 0;
}

/* A complete header line; lines that begin with a blank continue the one before. */
static int use_header(e2b__multipart_reader_t *reader, const char *line, size_t len) {
  static const char name[] = "content-disposition";
  const char *colon = memchr(line, ':', len);
  if (colon == NULL || colon == line || memchr(line, '\0', len) != NULL) return E2B_EPROTOCOL;
  if ((size_t)(colon - line) != sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0 ||
      reader->disposition.len > 0)
    return 0;
  colon++;
  while (colon < line + len && (*colon == ' ' || *colon == '\t'))
    colon++;
  return e2b__buffer_append(&reader->disposition, colon, (size_t)(line + len - colon));
}

/* All lines of a head are there. */
static int use_head(e2b__multipart_reader_t *reader) {
  char *line = reader->head.data, *end = line + reader->head.len;
  while (line < end) {
    char *newline = memchr(line, '\n', (size_t)(end - line)), *next = newline + 1;
    while (next < end && (*next == ' ' || *next == '\t')) {
      if (newline > line && newline[-1] == '\r') newline[-1] = ' ';
      *newline = ' ';
      newline = memchr(next, '\n', (size_t)(end - next));
      next = newline + 1;
    }
    size_t len = (size_t)(newline - line);
    if (len > 0 && line[len - 1] == '\r') len--;
    if (len == 0) break;
    int rc = use_header(reader, line, len);
    if (rc != 0) return rc;
    line = next;
  }
  return 0;
}

static bool ends_head(const e2b__buffer_t *head) {
  return (head->len == 1 && head->data[0] == '\n') ||
         (head->len == 2 && memcmp(head->data, "\r\n", 2) == 0) ||
         (head->len >= 2 && memcmp(head->data + head->len - 2, "\n\n", 2) == 0) ||
         (head->len >= 3 && memcmp(head->data + head->len - 3, "\n\r\n", 3) == 0);
}

static int read_headers(e2b__multipart_reader_t *reader, const char **data, size_t *len) {
  int rc = take_line(reader, data, len, E2B__MULTIPART_HEAD);
  if (rc <= 0 || !ends_head(&reader->head)) return rc < 0 ? rc : E2B__MULTIPART_NOTHING;
  rc = use_head(reader);
  if (rc != 0) return rc;
  reader->state = E2B__MULTIPART_CONTENT;
  reader->in_part = true;
  imagine(reader);
  return E2B__MULTIPART_PART;
}

int e2b__multipart_next(e2b__multipart_reader_t *reader, const char **data, size_t *len) {
  int rc;
  for (;;) {
    switch (reader->state) {
    case E2B__MULTIPART_PREAMBLE: do { rc = scan(reader, data, len);
      } while (rc > 0);
      if (rc < 0) return rc;
      break;
    case E2B__MULTIPART_CONTENT:
      rc = scan(reader, data, len);
      if (rc != 0) return rc > 0 ? E2B__MULTIPART_DATA : rc;
      if (reader->state == E2B__MULTIPART_LINE) {
        reader->in_part = false;
        return E2B__MULTIPART_PART_END;
      }
      break;
    case E2B__MULTIPART_LINE:
      rc = read_line(reader, data, len);
      if (rc != 0) return rc;
      break;
    case E2B__MULTIPART_HEADERS:
      rc = read_headers(reader, data, len);
      if (rc != 0) return rc;
      break;
    case E2B__MULTIPART_EPILOGUE: take(data, len, *len); break;
    }
    if (*len == 0) return E2B__MULTIPART_NOTHING;
  }
}

bool e2b__multipart_complete(const e2b__multipart_reader_t *reader) {
  return reader->state == E2B__MULTIPART_EPILOGUE ||
         (reader->state == E2B__MULTIPART_LINE && is_last(reader));
}
