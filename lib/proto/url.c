/* SPDX-License-Identifier: MIT */
#include "proto/url.h"

#include <arpa/inet.h>
#include <strings.h>

/* Where the parts of the text lie. */
typedef struct parts {
  bool https;
  const char *host;
  size_t host_len;
  const char *port;
  size_t port_len; /* 0 when the text names none */
  const char *path;
  size_t path_len;
} parts;

static bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static const char *split_scheme(const char *text, parts *p) {
  if (strncasecmp(text, "http://", 7) == 0) {
    p->https = false;
    return text + 7;
  }
  if (strncasecmp(text, "https://", 8) == 0) {
    p->https = true;
    return text + 8;
  }
  return NULL;
}

/* Host and port, between the scheme and the path. User info fails here: '@' is no host's. */
static int split_authority(const char *text, size_t len, parts *p) {
  const char *end = text + len;
  const char *after = end;
  if (len > 0 && text[0] == '[') {
    const char *close = memchr(text, ']', len);
    if (close == NULL) return E2B_EINVAL;
    p->host = text + 1;
    p->host_len = (size_t)(close - p->host);
    after = close + 1;
  } else {
    const char *colon = memchr(text, ':', len);
    if (colon != NULL) after = colon;
    p->host = text;
    p->host_len = (size_t)(after - text);
  }
  p->port = after;
  p->port_len = 0;
  if (after == end) return 0;
  if (*after != ':' || after + 1 == end) return E2B_EINVAL;
  p->port = after + 1;
  p->port_len = (size_t)(end - p->port);
  return 0;
}

static int check_name(const char *host, size_t len) {
  if (len == 0 || len > 253) return E2B_EINVAL;
  for (size_t i = 0; i < len; i++) {
    if (!is_alnum(host[i]) && host[i] != '-' && host[i] != '.' && host[i] != '_') return E2B_EINVAL;
  }
  return 0;
}

static int check_ipv6(const char *host, size_t len) {
  char literal[INET6_ADDRSTRLEN];
  struct in6_addr address;
  if (len == 0 || len >= sizeof literal) return E2B_EINVAL;
  memcpy(literal, host, len);
  literal[len] = '\0';
  return inet_pton(AF_INET6, literal, &address) == 1 ? 0 : E2B_EINVAL;
}

static int parse_port(const parts *p, uint16_t *port) {
  unsigned value = 0;
  if (p->port_len > 5) return E2B_EINVAL;
  for (size_t i = 0; i < p->port_len; i++) {
    if (p->port[i] < '0' || p->port[i] > '9') return E2B_EINVAL;
    value = value * 10 + (unsigned)(p->port[i] - '0');
  }
  if (p->port_len == 0) value = p->https ? 443 : 80;
  if (value == 0 || value > UINT16_MAX) return E2B_EINVAL;
  *port = (uint16_t)value;
  return 0;
}

static int split(const char *text, parts *p) {
  for (const char *c = text; *c != '\0'; c++) {
    if ((unsigned char)*c <= ' ' || *c == 0x7f) return E2B_EINVAL;
  }
  text = split_scheme(text, p);
  if (text == NULL) return E2B_EINVAL;
  size_t authority = strcspn(text, "/?#");
  int rc = split_authority(text, authority, p);
  if (rc != 0) return rc;
  rc = text[0] == '[' ? check_ipv6(p->host, p->host_len) : check_name(p->host, p->host_len);
  if (rc != 0) return rc;
  p->path = text + authority;
  p->path_len = strcspn(p->path, "?#");
  while (p->path_len > 0 && p->path[p->path_len - 1] == '/')
    p->path_len--;
  return 0;
}

int e2b__url_parse(const char *text, e2b__url_t *url) {
  parts p;
  memset(url, 0, sizeof *url);
  if (text == NULL) return E2B_EINVAL;
  int rc = split(text, &p);
  uint16_t port = 0;
  if (rc == 0) rc = parse_port(&p, &port);
  if (rc != 0) return rc;
  char *block = e2b__malloc(p.host_len + 1 + p.path_len + 1);
  if (block == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < p.host_len; i++) {
    char c = p.host[i];
    block[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  block[p.host_len] = '\0';
  url->https = p.https;
  url->host = block;
  url->port = port;
  url->path = block + p.host_len + 1;
  memcpy(url->path, p.path, p.path_len);
  url->path[p.path_len] = '\0';
  return 0;
}

void e2b__url_free(e2b__url_t *url) {
  e2b__free(url->host);
  memset(url, 0, sizeof *url);
}

int e2b__url_escape(e2b__buffer_t *out, const char *s, size_t len) {
  static const char hex[] = "0123456789ABCDEF";
  if (len > SIZE_MAX / 3) return E2B_ETOOBIG;
  size_t escaped = 0;
  for (size_t i = 0; i < len; i++) {
    escaped += !is_alnum(s[i]) && s[i] != '-' && s[i] != '.' && s[i] != '_' && s[i] != '~';
  }
  if (escaped == 0) return e2b__buffer_append(out, s, len);
  int rc = e2b__buffer_reserve(out, len + 2 * escaped);
  if (rc != 0) return rc;
  char *to = out->data + out->len;
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    if (is_alnum(s[i]) || c == '-' || c == '.' || c == '_' || c == '~') {
      *to++ = s[i];
    } else {
      *to++ = '%';
      *to++ = hex[c >> 4];
      *to++ = hex[c & 15];
    }
  }
  e2b__buffer_commit(out, len + 2 * escaped);
  return 0;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int e2b__url_unescape(e2b__buffer_t *out, const char *s, size_t len, bool plus) {
  int rc = e2b__buffer_reserve(out, len);
  if (rc != 0) return rc;
  char *start = out->data + out->len;
  char *to = start;
  for (size_t i = 0; i < len; i++) {
    int c = (unsigned char)s[i];
    if (c == '+' && plus) {
      c = ' ';
    } else if (c == '%') {
      int high = len - i > 2 ? hex_digit(s[i + 1]) : -1;
      int low = len - i > 2 ? hex_digit(s[i + 2]) : -1;
      c = high < 0 || low < 0 ? 0 : high * 16 + low;
      i += 2;
    }
    if (c == 0) {
      *start = '\0';
      return E2B_EINVAL;
    }
    *to++ = (char)c;
  }
  e2b__buffer_commit(out, (size_t)(to - start));
  return 0;
}

int e2b__url_query(e2b__buffer_t *out, unsigned *count, const char *name, const char *value) {
  size_t before = out->len;
  int rc = e2b__buffer_append_str(out, *count == 0 ? "?" : "&");
  if (rc == 0) rc = e2b__url_escape(out, name, strlen(name));
  if (rc == 0) rc = e2b__buffer_append_str(out, "=");
  if (rc == 0) rc = e2b__url_escape(out, value, strlen(value));
  if (rc != 0) {
    e2b__buffer_truncate(out, before);
    return rc;
  }
  ++*count;
  return 0;
}

/* Whether the escaped `text` decodes to `name`; `scratch` is left as it was. 1, 0, or an error. */
static int decodes_to(const char *text, size_t len, const char *name, e2b__buffer_t *scratch) {
  size_t before = scratch->len;
  int rc = e2b__url_unescape(scratch, text, len, true);
  if (rc != 0) return rc == E2B_EINVAL ? 0 : rc; /* malformed: another parameter's trouble */
  size_t decoded = scratch->len - before;
  rc = decoded == strlen(name) && memcmp(scratch->data + before, name, decoded) == 0;
  e2b__buffer_truncate(scratch, before);
  return rc;
}

int e2b__url_query_get(const char *query, size_t len, const char *name, e2b__buffer_t *value) {
  if (len == 0) return 0;
  const char *end = query + len;
  while (query < end) {
    const char *stop = memchr(query, '&', (size_t)(end - query));
    if (stop == NULL) stop = end;
    const char *equals = memchr(query, '=', (size_t)(stop - query));
    const char *name_end = equals != NULL ? equals : stop;
    int rc = decodes_to(query, (size_t)(name_end - query), name, value);
    if (rc < 0) return rc;
    if (rc == 1) {
      const char *text = equals != NULL ? equals + 1 : stop;
      rc = e2b__url_unescape(value, text, (size_t)(stop - text), true);
      return rc == 0 ? 1 : rc;
    }
    query = stop < end ? stop + 1 : end;
  }
  return 0;
}
