/* SPDX-License-Identifier: MIT */
#include "agent/handshake.h"

#include <string.h>
#include <strings.h>

#include "agent/sha1.h"
#include "proto/base64.h"
#include "proto/http_head.h"

#define SUBPROTOCOL "e2b-terminal.v1"

enum { KEY_BYTES = 16, ACCEPT_LEN = 28 };

/* Takes as long for a wrong secret as for the right one. */
static bool is_secret(const char *given, const char *secret) {
  static const char scheme[] = "Bearer ";
  unsigned char difference = 0;
  if (given == NULL || strncasecmp(given, scheme, sizeof scheme - 1) != 0) return false;
  given += sizeof scheme - 1;
  if (strlen(given) != E2B__SECRET_DIGITS) return false;
  for (size_t i = 0; i < E2B__SECRET_DIGITS; i++)
    difference |= (unsigned char)(given[i] ^ secret[i]);
  return difference == 0;
}

/* The client's 16 random bytes, which the answer proves to have read. */
static bool is_key(const char *key) {
  char bytes[32];
  size_t len = 0;
  return key != NULL && strlen(key) == 24 && e2b__base64_decode(key, 24, bytes, &len) == 0 &&
         len == KEY_BYTES;
}

static void accept_key(const char *key, char out[ACCEPT_LEN + 1]) {
  char text[24 + 36 + 1];
  unsigned char digest[E2B__SHA1_SIZE];
  memcpy(text, key, 24);
  memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 37);
  e2b__sha1(text, 60, digest);
  e2b__base64_encode(digest, sizeof digest, out);
  out[ACCEPT_LEN] = '\0';
}

/* In this order: who does not know the secret learns nothing else. */
static unsigned judge(const e2b__http_head_t *head, const e2b__http_request_line_t *line,
                      const char *secret) {
  const char *version = e2b__http_head_field(head, "Sec-WebSocket-Version");
  if (!is_secret(e2b__http_head_field(head, "Authorization"), secret)) return 401;
  if (strcmp(line->target, "/v1") != 0) return 404;
  if (strcmp(line->method, "GET") != 0 || head->minor < 1 ||
      !e2b__http_head_list_has(head, "Upgrade", "websocket") ||
      !e2b__http_head_list_has(head, "Connection", "upgrade"))
    return 400;
  if (version == NULL || strcmp(version, "13") != 0) return 426;
  if (!is_key(e2b__http_head_field(head, "Sec-WebSocket-Key")) ||
      !e2b__http_head_list_has(head, "Sec-WebSocket-Protocol", SUBPROTOCOL))
    return 400;
  return 101;
}

int e2b__handshake_refuse(unsigned status, e2b__buffer_t *answer) {
  const char *reason = "Bad Request", *field = "";
  switch (status) {
  case 401:
    reason = "Unauthorized";
    field = "WWW-Authenticate: Bearer\r\n";
    break;
  case 404: reason = "Not Found"; break;
  case 408: reason = "Request Timeout"; break;
  case 426:
    reason = "Upgrade Required";
    field = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    break;
  case 431: reason = "Request Header Fields Too Large"; break;
  case 500: reason = "Internal Server Error"; break;
  default: break;
  }
  return e2b__buffer_printf(answer,
                            "HTTP/1.1 %u %s\r\n%sConnection: %sclose\r\nContent-Length: 0\r\n\r\n",
                            status, reason, field, status == 426 ? "upgrade, " : "");
}

unsigned e2b__handshake(char *text, size_t len, const char *secret, e2b__buffer_t *answer) {
  e2b__http_head_t head;
  e2b__http_request_line_t line;
  char accept[ACCEPT_LEN + 1];

  unsigned status =
      e2b__http_request_parse(&head, &line, text, len) == 0 ? judge(&head, &line, secret) : 400;
  if (status != 101) return e2b__handshake_refuse(status, answer) == 0 ? status : 500;
  accept_key(e2b__http_head_field(&head, "Sec-WebSocket-Key"), accept);
  int rc = e2b__buffer_printf(answer,
                              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                              "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n\r\n",
                              accept);
  return rc == 0 ? 101 : 500;
}
