/* SPDX-License-Identifier: MIT */
#include "handler/origin.h"

#include <arpa/inet.h>
#include <strings.h>

#include "proto/url.h"

/* False: it is no http or https origin, or memory is out, which lets nobody in. */
static bool parse(const char *origin, e2b__url_t *url) {
  if (e2b__url_parse(origin, url) != 0) return false;
  if (*url->path == '\0' && strpbrk(origin, "?#") == NULL) return true;
  e2b__url_free(url);
  return false;
}

static bool parse_host(const char *host, bool https, e2b__url_t *url) {
  char *origin = e2b__format("%s://%s", https ? "https" : "http", host);
  const bool good = origin != NULL && parse(origin, url);
  e2b__free(origin);
  return good;
}

static bool same_authority(const e2b__url_t *a, const e2b__url_t *b) {
  return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool e2b__origin_is_of(const char *origin, const char *host) {
  e2b__url_t page, server;
  if (!parse(origin, &page)) return false;
  bool same = false;
  if (parse_host(host, page.https, &server)) {
    same = same_authority(&page, &server);
    e2b__url_free(&server);
  }
  e2b__url_free(&page);
  return same;
}

bool e2b__origin_matches(const char *allowed, const char *origin) {
  e2b__url_t a, b;
  if (strcmp(allowed, "*") == 0 || strcasecmp(allowed, origin) == 0) return true;
  if (!parse(allowed, &a)) return false;
  bool same = false;
  if (parse(origin, &b)) {
    same = a.https == b.https && same_authority(&a, &b);
    e2b__url_free(&b);
  }
  e2b__url_free(&a);
  return same;
}

bool e2b__host_is_loopback(const char *host) {
  static const char suffix[] = ".localhost";
  struct in_addr four;
  e2b__url_t url;
  if (!parse_host(host, false, &url)) return false;
  const size_t len = strlen(url.host);
  const bool named =
      strcmp(url.host, "localhost") == 0 ||
      (len >= sizeof suffix && strcmp(url.host + len - (sizeof suffix - 1), suffix) == 0);
  const bool numbered = strcmp(url.host, "::1") == 0 || (inet_pton(AF_INET, url.host, &four) == 1 &&
                                                         ntohl(four.s_addr) >> 24 == 127);
  e2b__url_free(&url);
  return named || numbered;
}
