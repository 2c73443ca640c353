/* SPDX-License-Identifier: MIT */
#include "proto/websocket_handshake.h"

#include <mbedtls/sha1.h>
#include <mbedtls/version.h>
#include <string.h>
#include <strings.h>

#include "proto/base64.h"

void e2b__websocket_key(const unsigned char nonce[E2B__WEBSOCKET_NONCE],
                        char key[E2B__WEBSOCKET_KEY + 1]) {
  e2b__base64_encode(nonce, E2B__WEBSOCKET_NONCE, key);
  key[E2B__WEBSOCKET_KEY] = '\0';
}

int e2b__websocket_accept(const char *key, char accept[E2B__WEBSOCKET_ACCEPT + 1]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char text[E2B__WEBSOCKET_KEY + sizeof guid - 1], digest[20];
  memcpy(text, key, E2B__WEBSOCKET_KEY);
  memcpy(text + E2B__WEBSOCKET_KEY, guid, sizeof guid - 1);
#if MBEDTLS_VERSION_MAJOR < 3
  const int rc = mbedtls_sha1_ret(text, sizeof text, digest);
#else
  const int rc = mbedtls_sha1(text, sizeof text, digest);
#endif
  if (rc != 0) return E2B_ESYSTEM;
  e2b__base64_encode(digest, sizeof digest, accept);
  accept[E2B__WEBSOCKET_ACCEPT] = '\0';
  return 0;
}

/* --- the request ------------------------------------------------------------------------------ */

static bool visible(const char *text) {
  for (; *text != '\0'; text++) {
    if ((unsigned char)*text <= ' ' || *text == 127) return false;
  }
  return true;
}

static bool value_ok(const char *text) {
  for (; *text != '\0'; text++) {
    if (((unsigned char)*text < ' ' && *text != '\t') || *text == 127) return false;
  }
  return true;
}

/* What this file writes, and what would make a body of the bytes that follow. */
static bool is_own(const char *name) {
  static const char *const own[] = {"Host", "Upgrade", "Connection", "Content-Length",
                                    "Transfer-Encoding"};
  for (size_t i = 0; i < E2B__COUNT(own); i++) {
    if (strcasecmp(name, own[i]) == 0) return true;
  }
  return strncasecmp(name, "Sec-WebSocket-", 14) == 0;
}

/* The first token of a list with commas: its length, 0 when there is none. *list is behind it. */
static size_t next_token(const char **list, const char **token) {
  const char *at = *list + strspn(*list, " \t,");
  size_t len = strcspn(at, " \t,");
  *token = at;
  *list = at + len;
  return len;
}

static bool protocols_ok(const char *protocols) {
  const char *token, *rest = protocols;
  size_t len;
  while ((len = next_token(&rest, &token)) > 0) {
    if (!e2b__http_is_token(token, len)) return false;
    const char *other, *behind = rest;
    size_t other_len;
    while ((other_len = next_token(&behind, &other)) > 0) {
      if (other_len == len && memcmp(token, other, len) == 0) return false;
    }
  }
  return value_ok(protocols);
}

static int check(const e2b__websocket_request_t *request) {
  if (request->target[0] != '/' || !visible(request->target)) return E2B_EINVAL;
  if (*request->host == '\0' || !visible(request->host)) return E2B_EINVAL;
  if (strpbrk(request->host, "/?#@[]") != NULL) return E2B_EINVAL;
  if (request->protocols != NULL && !protocols_ok(request->protocols)) return E2B_EINVAL;
  for (size_t i = 0; i < request->headers_count; i++) {
    const e2b_pair_t *header = &request->headers[i];
    if (header->name == NULL || header->value == NULL) return E2B_EINVAL;
    if (!e2b__http_is_token(header->name, strlen(header->name))) return E2B_EINVAL;
    if (is_own(header->name) || !value_ok(header->value)) return E2B_EINVAL;
  }
  return 0;
}

static bool has_header(const e2b__websocket_request_t *request, const char *name) {
  for (size_t i = 0; i < request->headers_count; i++) {
    if (strcasecmp(request->headers[i].name, name) == 0) return true;
  }
  return false;
}

int e2b__websocket_request_encode(e2b__buffer_t *out, const e2b__websocket_request_t *request) {
  const size_t before = out->len;
  int rc = check(request);
  if (rc != 0) return rc;
  const bool v6 = strchr(request->host, ':') != NULL;
  rc = e2b__buffer_printf(out, "GET %s HTTP/1.1\r\nHost: %s%s%s", request->target, v6 ? "[" : "",
                          request->host, v6 ? "]" : "");
  if (rc == 0 && request->port != (request->secure ? 443 : 80)) {
    rc = e2b__buffer_printf(out, ":%u", request->port);
  }
  if (rc == 0) {
    rc = e2b__buffer_printf(out,
                            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
                            request->key);
  }
  if (rc == 0 && request->protocols != NULL && *request->protocols != '\0') {
    rc = e2b__buffer_printf(out, "Sec-WebSocket-Protocol: %s\r\n", request->protocols);
  }
  if (rc == 0 && request->user_agent != NULL && !has_header(request, "User-Agent")) {
    rc = e2b__buffer_printf(out, "User-Agent: %s\r\n", request->user_agent);
  }
  for (size_t i = 0; rc == 0 && i < request->headers_count; i++) {
    rc = e2b__buffer_printf(out, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
  }
  if (rc == 0) rc = e2b__buffer_append_str(out, "\r\n");
  if (rc != 0) e2b__buffer_truncate(out, before);
  return rc;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The one value of a field that must not be there twice; *count is how often it is. */
static const char *only(const e2b__http_head_t *head, const char *name, unsigned *count) {
  const char *value = NULL;
  *count = 0;
  for (size_t i = 0; i < head->count; i++) {
    if (strcasecmp(head->fields[i].name, name) != 0) continue;
    value = head->fields[i].value;
    ++*count;
  }
  return value;
}

static bool any_has(const e2b__http_head_t *head, const char *name, const char *token) {
  for (size_t i = 0; i < head->count; i++) {
    if (strcasecmp(head->fields[i].name, name) == 0 &&
        e2b__http_list_has(head->fields[i].value, token)) {
      return true;
    }
  }
  return false;
}

static bool was_offered(const char *protocols, const char *selected) {
  const char *token;
  size_t len;
  while (protocols != NULL && (len = next_token(&protocols, &token)) > 0) {
    if (strlen(selected) == len && memcmp(selected, token, len) == 0) return true;
  }
  return false;
}

int e2b__websocket_response_check(const e2b__http_head_t *head, const char *accept,
                                  const char *protocols, const char **protocol, const char **why) {
  unsigned count, extensions;
  *protocol = NULL;
  *why = NULL;
  const char *given = only(head, "Sec-WebSocket-Accept", &count);
  only(head, "Sec-WebSocket-Extensions", &extensions);
  if (head->status != 101 || head->minor < 1) {
    *why = "it is not HTTP/1.1 101";
  } else if (!any_has(head, "Upgrade", "websocket")) {
    *why = "it does not upgrade to a WebSocket";
  } else if (!any_has(head, "Connection", "Upgrade")) {
    *why = "its Connection header says nothing of an upgrade";
  } else if (count != 1 || strcmp(given, accept) != 0) {
    *why = "its Sec-WebSocket-Accept is not the one for our key";
  } else if (extensions != 0) {
    *why = "it selects an extension that was not offered";
  }
  if (*why != NULL) return E2B_EPROTOCOL;
  const char *selected = only(head, "Sec-WebSocket-Protocol", &count);
  if (count > 1 || (count == 1 && !was_offered(protocols, selected))) {
    *why = "it selects a sub-protocol that was not offered";
    return E2B_EPROTOCOL;
  }
  *protocol = selected;
  return 0;
}
