/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <strings.h>

#include "proto/url.h"
#include "sandbox/websocket.h"

/* The same URL in the words that url.c knows. */
static char *as_http(const char *url) {
  if (strncasecmp(url, "ws://", 5) == 0) return e2b__format("http://%s", url + 5);
  if (strncasecmp(url, "wss://", 6) == 0) return e2b__format("https://%s", url + 6);
  return e2b__strdup(url);
}

static char *copy(e2b__arena_t *arena, const char *text) {
  return e2b__arena_strndup(arena, text, strlen(text));
}

/* Path and query as they stand in the URL, which url.c has found to be one. */
static char *target_of(e2b__arena_t *arena, const char *http) {
  const char *at = strstr(http, "://") + 3;
  at += strcspn(at, "/?#");
  const size_t len = strcspn(at, "#");
  const bool rooted = *at == '/';
  char *text = e2b__arena_alloc(arena, len + 2);
  if (text == NULL) return NULL;
  text[0] = '/';
  memcpy(text + (rooted ? 0 : 1), at, len);
  text[len + (rooted ? 0 : 1)] = '\0';
  if (len == 0) text[1] = '\0';
  return text;
}

/* The user's headers behind `own` of ours. */
static int set_headers(e2b__arena_t *arena, const e2b_websocket_options *options,
                       const e2b_pair_t *own, size_t own_count, e2b__websocket_target_t *target) {
  const size_t theirs = options->headers != NULL ? options->headers_count : 0;
  target->headers = e2b__arena_calloc(arena, own_count + theirs + 1, sizeof *target->headers);
  if (target->headers == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < own_count; i++) {
    target->headers[target->headers_count++] = own[i];
  }
  for (size_t i = 0; i < theirs; i++) {
    target->headers[target->headers_count++] = options->headers[i];
  }
  return 0;
}

static int parse(e2b__arena_t *arena, const char *url, e2b__websocket_target_t *target) {
  memset(target, 0, sizeof *target);
  if (url == NULL) return E2B_EINVAL;
  char *http = as_http(url);
  if (http == NULL) return E2B_ENOMEM;
  e2b__url_t parsed;
  int rc = e2b__url_parse(http, &parsed);
  if (rc == 0) {
    target->secure = parsed.https;
    target->host = copy(arena, parsed.host);
    target->port = parsed.port;
    target->target = target_of(arena, http);
    if (target->host == NULL || target->target == NULL) rc = E2B_ENOMEM;
    e2b__url_free(&parsed);
  }
  e2b__free(http);
  return rc;
}

int e2b__websocket_target_of_url(e2b__arena_t *arena, const char *url,
                                 const e2b_websocket_options *options,
                                 e2b__websocket_target_t *target) {
  const int rc = parse(arena, url, target);
  return rc != 0 ? rc : set_headers(arena, options, NULL, 0, target);
}

/* Protocol 1.3: a URL that was given for all sandboxes tells them apart by headers. */
int e2b__websocket_target_of_port(e2b__arena_t *arena, const e2b_sandbox_t *sandbox, uint16_t port,
                                  const char *path, const e2b_websocket_options *options,
                                  e2b__websocket_target_t *target) {
  const e2b__config_t *config = &sandbox->client->config;
  e2b_pair_t own[3];
  size_t count = 0;
  char number[8], host[512];
  if (path == NULL) path = "/";
  if (port == 0 || path[0] != '/') return E2B_EINVAL;
  snprintf(number, sizeof number, "%u", port);
  const bool direct = config->debug && config->debug_url;
  if (e2b_sandbox_host(sandbox, port, host, sizeof host) >= sizeof host) return E2B_EINVAL;
  char *url = direct                        ? e2b__format("http://%s%s", host, path)
              : config->sandbox_url != NULL ? e2b__format("%s%s", config->sandbox_url, path)
                                            : e2b__format("https://%s%s", host, path);
  if (url == NULL) return E2B_ENOMEM;
  int rc = parse(arena, url, target);
  e2b__free(url);
  if (rc != 0) return rc;
  if (config->sandbox_url != NULL && !direct) {
    char *copied = copy(arena, number);
    if (copied == NULL) return E2B_ENOMEM;
    own[count++] = (e2b_pair_t){"E2b-Sandbox-Id", sandbox->record.id};
    own[count++] = (e2b_pair_t){"E2b-Sandbox-Port", copied};
  }
  if (*sandbox->record.traffic_token != '\0') {
    own[count++] = (e2b_pair_t){"e2b-traffic-access-token", sandbox->record.traffic_token};
  }
  return set_headers(arena, options, own, count, target);
}
