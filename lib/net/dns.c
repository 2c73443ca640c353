/* SPDX-License-Identifier: MIT */
#include "net/dns.h"

#include <netdb.h>
#include <stdbool.h>
#include <strings.h>

struct e2b__lookup {
  uv_getaddrinfo_t req;
  e2b__lookup_cb callback; /* NULL once abandoned */
  void (*on_gone)(void *ctx);
  void *ctx;
};

enum { LONGEST_LIST = 1024 };

const char *e2b__dns_known(const char *host) {
  static const char suffix[] = ".localhost";
  size_t len = strlen(host);
  if (strcasecmp(host, "localhost") == 0) return "127.0.0.1,[::1]";
  if (len >= sizeof suffix && strcasecmp(host + len - (sizeof suffix - 1), suffix) == 0) {
    return "127.0.0.1,[::1]";
  }
  return NULL;
}

int e2b__dns_is_literal(const char *host) {
  unsigned char address[16];
  return uv_inet_pton(AF_INET, host, address) == 0 || uv_inet_pton(AF_INET6, host, address) == 0;
}

static int append_address(e2b__buffer_t *list, const struct addrinfo *info) {
  char text[INET6_ADDRSTRLEN];
  const bool v6 = info->ai_family == AF_INET6;
  const struct sockaddr *addr = info->ai_addr;
  int rc = v6 ? uv_ip6_name((const struct sockaddr_in6 *)(const void *)addr, text, sizeof text)
              : uv_ip4_name((const struct sockaddr_in *)(const void *)addr, text, sizeof text);
  if (rc != 0) return rc;
  return e2b__buffer_printf(list, v6 ? "%s[%s]" : "%s%s", list->len > 0 ? "," : "", text);
}

static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *result) {
  e2b__lookup_t *lookup = E2B__CONTAINER(req, e2b__lookup_t, req);
  if (lookup->callback == NULL) {
    if (lookup->on_gone != NULL) lookup->on_gone(lookup->ctx);
  } else {
    e2b__buffer_t list = E2B__BUFFER_INIT(LONGEST_LIST);
    for (const struct addrinfo *info = status == 0 ? result : NULL; info != NULL;
         info = info->ai_next) {
      /* What does not fit any more is left out: a caller needs an address, not all of them. */
      if (info->ai_family == AF_INET || info->ai_family == AF_INET6) append_address(&list, info);
    }
    const char *why = status != 0 ? uv_strerror(status) : "it has no address";
    lookup->callback(lookup->ctx, list.len > 0 ? list.data : NULL, why);
    e2b__buffer_free(&list);
  }
  uv_freeaddrinfo(result);
  e2b__free(lookup);
}

e2b__lookup_t *e2b__lookup_start(uv_loop_t *loop, const char *host, e2b__lookup_cb callback,
                                 void *ctx) {
  e2b__lookup_t *lookup = e2b__calloc(1, sizeof *lookup);
  if (lookup == NULL) return NULL;
  lookup->callback = callback;
  lookup->ctx = ctx;
  struct addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (uv_getaddrinfo(loop, &lookup->req, on_addresses, host, NULL, &hints) != 0) {
    e2b__free(lookup);
    return NULL;
  }
  return lookup;
}

void e2b__lookup_abandon(e2b__lookup_t *lookup, void (*on_gone)(void *ctx)) {
  lookup->callback = NULL;
  lookup->on_gone = on_gone;
  uv_cancel((uv_req_t *)&lookup->req); /* busy is fine: the answer is ignored when it comes */
}
