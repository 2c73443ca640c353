/* SPDX-License-Identifier: MIT */
#include <strings.h>

#include "host/edge.h"
#include "proto/json.h"

/* The heads that are passed on: the client's to the program, the program's to the client. */

typedef struct copying {
  e2b__buffer_t *out;
  const char *connection; /* the client's Connection field: it names fields that end here */
  int rc;
} copying_t;

/* No control characters: one line stays one line. */
static bool is_clean(const char *text, bool blanks) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < ' ' ? !(blanks && *text == '\t')
                                   : *text == 127 || (*text == ' ' && !blanks))
      return false;
  return true;
}

static bool stays_here(const char *name, const char *connection) {
  static const char *const own[] = {"Host", "Content-Length", "Expect", "Forwarded"};
  for (size_t i = 0; i < E2B__COUNT(own); i++)
    if (strcasecmp(name, own[i]) == 0) return true;
  return strncasecmp(name, "X-Forwarded-", 12) == 0 || e2b__http_hop_by_hop(name) ||
         e2b__http_list_has(connection, name);
}

static enum MHD_Result copy_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value) {
  copying_t *copying = cls;
  (void)kind;
  if (value == NULL) value = "";
  if (stays_here(name, copying->connection)) return MHD_YES;
  copying->rc = e2b__http_is_token(name, strlen(name)) && is_clean(value, true)
                    ? e2b__buffer_printf(copying->out, "%s: %s\r\n", name, value)
                    : E2B_EINVAL;
  return copying->rc == 0 ? MHD_YES : MHD_NO;
}

/* The name that the client used; or the one that the sandbox's maker wants programs to see. */
static int put_host(e2b__host_edge_t *edge) {
  const e2b__host_request_t *request = edge->request;
  const char *mask = e2b__json_string(request->sandbox->network, "maskRequestHost", NULL);
  const char *host = e2b__host_header(request, "Host");

  if (host == NULL) host = "localhost";
  if (!is_clean(host, false)) return E2B_EINVAL;
  if (mask != NULL && *mask != '\0' && is_clean(mask, false)) {
    const char *port = strstr(mask, "${PORT}");
    int rc = port != NULL ? e2b__buffer_printf(&edge->up, "Host: %.*s%u%s\r\n", (int)(port - mask),
                                               mask, request->port, port + strlen("${PORT}"))
                          : e2b__buffer_printf(&edge->up, "Host: %s\r\n", mask);
    return rc == 0 ? e2b__buffer_printf(&edge->up, "X-Forwarded-Host: %s\r\n", host) : rc;
  }
  /* One name for all sandboxes says nothing to a program; its own does. */
  if (strncasecmp(host, "sandbox.", 8) == 0)
    return e2b__buffer_printf(&edge->up, "Host: %u-%s.%s\r\n", request->port, request->sandbox->id,
                              host + 8);
  return e2b__buffer_printf(&edge->up, "Host: %s\r\n", host);
}

static int put_framing(e2b__host_edge_t *edge) {
  const e2b__host_request_t *request = edge->request;
  const char *length = e2b__host_header(request, "Content-Length");
  const char *upgrade = e2b__host_header(request, "Upgrade");
  bool body = false;
  int rc = 0;

  if (e2b__host_header(request, "Transfer-Encoding") != NULL) {
    edge->up_chunked = body = true;
    rc = e2b__buffer_append_str(&edge->up, "Transfer-Encoding: chunked\r\n");
  } else if (length != NULL) {
    body = strcmp(length, "0") != 0;
    if (strspn(length, "0123456789") != strlen(length)) return E2B_EINVAL;
    rc = e2b__buffer_printf(&edge->up, "Content-Length: %s\r\n", length);
  }
  if (rc != 0) return rc;
  edge->upgrade = !body && upgrade != NULL && *upgrade != '\0' && is_clean(upgrade, true) &&
                  e2b__http_list_has(e2b__host_header(request, "Connection"), "upgrade");
  if (edge->upgrade)
    return e2b__buffer_printf(&edge->up, "Connection: Upgrade\r\nUpgrade: %s\r\n", upgrade);
  return e2b__buffer_append_str(&edge->up, "Connection: close\r\n");
}

int e2b__host_edge_put_head(e2b__host_edge_t *edge) {
  e2b__host_request_t *request = edge->request;
  copying_t copying = {&edge->up, e2b__host_header(request, "Connection"), 0};
  const char *target = request->target, *scheme = strstr(target, "://");

  /* "http://name/path", as to a proxy: the program is no proxy. */
  if (target[0] != '/' && scheme != NULL) {
    target = strchr(scheme + 3, '/');
    if (target == NULL) target = "/";
  }
  if (!is_clean(target, false) || (target[0] != '/' && strcmp(target, "*") != 0) ||
      !e2b__http_is_token(request->method, strlen(request->method)))
    return E2B_EINVAL;
  int rc = e2b__buffer_printf(&edge->up, "%s %s HTTP/1.1\r\n", request->method, target);
  if (rc == 0) rc = put_host(edge);
  if (rc == 0)
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, copy_field, &copying);
  if (rc == 0) rc = copying.rc;
  if (rc == 0) rc = put_framing(edge);
  return rc == 0 ? e2b__buffer_append_str(&edge->up, "\r\n") : rc;
}

int e2b__host_edge_copy_fields(struct MHD_Response *response, const e2b__http_head_t *head) {
  const char *connection = e2b__http_head_field(head, "Connection");
  for (size_t i = 0; i < head->count; i++) {
    const char *name = head->fields[i].name;
    char *value = (char *)(uintptr_t)head->fields[i].value;
    if (strcasecmp(name, "Content-Length") == 0 || e2b__http_hop_by_hop(name) ||
        e2b__http_list_has(connection, name))
      continue;
    /* libmicrohttpd takes no tabs and no empty values; a blank means the same. */
    for (char *tab = value; (tab = strchr(tab, '\t')) != NULL;)
      *tab = ' ';
    if (MHD_add_response_header(response, name, *value != '\0' ? value : " ") != MHD_YES)
      return E2B_ENOMEM;
  }
  return 0;
}
