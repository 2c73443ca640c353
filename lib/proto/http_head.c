/* SPDX-License-Identifier: MIT */
#include "proto/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "e2b/error.h"

size_t e2b__http_head_end(const char *data, size_t len, size_t seen) {
  /* The line end before the empty line may have been seen. */
  size_t at = seen > 3 ? seen - 3 : 0;
  while (at < len) {
    const char *newline = memchr(data + at, '\n', len - at);
    if (newline == NULL) return 0;
    at = (size_t)(newline - data) + 1;
    if (at < len && data[at] == '\n') return at + 1;
    if (at + 1 < len && data[at] == '\r' && data[at + 1] == '\n') return at + 2;
  }
  return 0;
}

bool e2b__http_is_token(const char *text, size_t len) {
  static const char marks[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alnum && (c == '\0' || strchr(marks, c) == NULL)) return false;
  }
  return len > 0;
}

bool e2b__http_list_has(const char *list, const char *token) {
  size_t len = strlen(token);
  while (list != NULL && *list != '\0') {
    list += strspn(list, " \t,");
    size_t item = strcspn(list, ",");
    size_t trimmed = item;
    while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
      trimmed--;
    if (trimmed == len && strncasecmp(list, token, len) == 0) return true;
    list += item;
  }
  return false;
}

bool e2b__http_hop_by_hop(const char *name) {
  static const char *const names[] = {"Connection", "Keep-Alive",        "Proxy-Connection", "TE",
                                      "Trailer",    "Transfer-Encoding", "Upgrade"};
  for (size_t i = 0; i < E2B__COUNT(names); i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

const char *e2b__http_head_field(const e2b__http_head_t *head, const char *name) {
  for (size_t i = 0; i < head->count; i++)
    if (strcasecmp(head->fields[i].name, name) == 0) return head->fields[i].value;
  return NULL;
}

bool e2b__http_head_list_has(const e2b__http_head_t *head, const char *name, const char *token) {
  for (size_t i = 0; i < head->count; i++)
    if (strcasecmp(head->fields[i].name, name) == 0 &&
        e2b__http_list_has(head->fields[i].value, token))
      return true;
  return false;
}

/* "HTTP/1.1 200 OK"; the words behind the number may be missing. */
static int parse_status(e2b__http_head_t *head, const char *line, size_t len) {
  if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ') return E2B_EPROTOCOL;
  if (line[7] < '0' || line[7] > '9') return E2B_EPROTOCOL;
  head->minor = (unsigned)(line[7] - '0');
  for (size_t i = 9; i < 12; i++) {
    if (line[i] < '0' || line[i] > '9') return E2B_EPROTOCOL;
    head->status = head->status * 10 + (unsigned)(line[i] - '0');
  }
  if (len > 12 && line[12] != ' ') return E2B_EPROTOCOL;
  return head->status >= 100 && head->status <= 599 ? 0 : E2B_EPROTOCOL;
}

/* "GET /path HTTP/1.1" */
static int parse_request(e2b__http_head_t *head, e2b__http_request_line_t *request, char *line,
                         size_t len) {
  static const char version[] = " HTTP/1.";
  const size_t tail = sizeof version; /* with the digit */
  char *blank = memchr(line, ' ', len), *end = line + len;
  if (blank == NULL || !e2b__http_is_token(line, (size_t)(blank - line))) return E2B_EPROTOCOL;
  if ((size_t)(end - blank) < 2 + tail || memcmp(end - tail, version, tail - 1) != 0 ||
      end[-1] < '0' || end[-1] > '9')
    return E2B_EPROTOCOL;
  for (const char *c = blank + 1; c < end - tail; c++)
    if ((unsigned char)*c <= ' ' || *c == 127) return E2B_EPROTOCOL;
  head->minor = (unsigned)(end[-1] - '0');
  *blank = end[-(ptrdiff_t)tail] = '\0';
  *request = (e2b__http_request_line_t){line, blank + 1};
  return 0;
}

static int parse_length(const char *text, uint64_t *length) {
  *length = 0;
  if (*text == '\0') return E2B_EPROTOCOL;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || *length > (UINT64_MAX >> 1) / 10) return E2B_EPROTOCOL;
    *length = *length * 10 + (uint64_t)(*text - '0');
  }
  return 0;
}

static int parse_field(e2b__http_head_t *head, char *line, size_t len) {
  char *colon = memchr(line, ':', len), *end = line + len;
  if (colon == NULL || !e2b__http_is_token(line, (size_t)(colon - line))) return E2B_EPROTOCOL;
  if (head->count == E2B__HTTP_FIELDS_MAX) return E2B_ETOOBIG;
  char *value = colon + 1;
  for (const char *c = value; c < end; c++)
    if (((unsigned char)*c < ' ' && *c != '\t') || *c == 127) return E2B_EPROTOCOL;
  while (value < end && (*value == ' ' || *value == '\t'))
    value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
    end--;
  *colon = *end = '\0';
  head->fields[head->count++] = (e2b__http_field_t){line, value};
  return 0;
}

/* Two lengths that differ, or a coding that is not chunks alone, could be read in two ways. */
static int find_framing(e2b__http_head_t *head) {
  for (size_t i = 0; i < head->count; i++) {
    const char *name = head->fields[i].name, *value = head->fields[i].value;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
      if (head->chunked || strcasecmp(value, "chunked") != 0) return E2B_EPROTOCOL;
      head->chunked = true;
    } else if (strcasecmp(name, "Content-Length") == 0) {
      uint64_t length;
      if (parse_length(value, &length) != 0) return E2B_EPROTOCOL;
      if (head->has_length && head->length != length) return E2B_EPROTOCOL;
      head->has_length = true;
      head->length = length;
    }
  }
  if (head->chunked) head->has_length = false;
  return 0;
}

/* `request` NULL: the first line is an answer's. */
static int parse_head(e2b__http_head_t *head, e2b__http_request_line_t *request, char *data,
                      size_t len) {
  bool first = true;
  int rc = 0;

  memset(head, 0, sizeof *head);
  /* A line that begins with a blank continues the one before. */
  for (size_t i = 0; i + 1 < len; i++) {
    if (data[i] != '\n' || (data[i + 1] != ' ' && data[i + 1] != '\t')) continue;
    data[i] = ' ';
    if (i > 0 && data[i - 1] == '\r') data[i - 1] = ' ';
  }
  while (rc == 0 && len > 0) {
    char *newline = memchr(data, '\n', len);
    if (newline == NULL) return E2B_EPROTOCOL;
    size_t taken = (size_t)(newline - data) + 1, line = taken - 1;
    if (line > 0 && data[line - 1] == '\r') line--;
    if (line == 0) break;
    rc = !first            ? parse_field(head, data, line)
         : request != NULL ? parse_request(head, request, data, line)
                           : parse_status(head, data, line);
    first = false;
    data += taken;
    len -= taken;
  }
  if (rc == 0 && first) rc = E2B_EPROTOCOL;
  return rc == 0 ? find_framing(head) : rc;
}

int e2b__http_head_parse(e2b__http_head_t *head, char *data, size_t len) {
  return parse_head(head, NULL, data, len);
}

int e2b__http_request_parse(e2b__http_head_t *head, e2b__http_request_line_t *line, char *data,
                            size_t len) {
  return parse_head(head, line, data, len);
}
