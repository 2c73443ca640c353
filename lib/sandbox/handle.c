/* SPDX-License-Identifier: MIT */
#include "sandbox/handle.h"

#include <stdio.h>

static bool add(e2b_sandbox_t *sandbox, const char *line) {
  struct curl_slist *longer = line != NULL ? curl_slist_append(sandbox->shared, line) : NULL;
  if (longer == NULL) return false;
  sandbox->shared = longer;
  return true;
}

static bool add_value(e2b_sandbox_t *sandbox, const char *name, const char *value) {
  if (*value == '\0') return true;
  char *line = e2b__format("%s: %s", name, value);
  const bool ok = add(sandbox, line);
  e2b__free(line);
  return ok;
}

/* Shared headers are strings of the library; curl's type just is not const. */
static void chain(struct curl_slist *nodes, const char *const *lines, size_t count,
                  struct curl_slist *tail) {
  for (size_t i = 0; i < count; i++) {
    nodes[i].data = (char *)(uintptr_t)lines[i];
    nodes[i].next = i + 1 < count ? &nodes[i + 1] : tail;
  }
}

static bool make_headers(e2b_sandbox_t *sandbox) {
  const bool json = sandbox->client->config.json_rpc;
  if (!add_value(sandbox, "E2b-Sandbox-Id", sandbox->record.id) ||
      !add(sandbox, "E2b-Sandbox-Port: 49983") ||
      !add_value(sandbox, "X-Access-Token", sandbox->record.access_token) ||
      !add_value(sandbox, "User-Agent", sandbox->client->config.user_agent) ||
      !add(sandbox, "Expect:")) { /* the daemon answers neither it nor an error early (4) */
    return false;
  }
  const char *const unary[] = {json ? "Content-Type: application/json"
                                    : "Content-Type: application/proto",
                               "Connect-Protocol-Version: 1"};
  const char *const stream[] = {json ? "Content-Type: application/connect+json"
                                     : "Content-Type: application/connect+proto",
                                "Connect-Protocol-Version: 1", "Keepalive-Ping-Interval: 50"};
  chain(sandbox->unary, unary, E2B__COUNT(unary), sandbox->shared);
  chain(sandbox->stream, stream, E2B__COUNT(stream), sandbox->shared);
  return true;
}

static bool copy_record(e2b_sandbox_t *sandbox, const e2b__sandbox_record_t *record) {
  const char *const *from = (const char *const *)record;
  const char **to = (const char **)&sandbox->record;
  for (size_t i = 0; i < sizeof *record / sizeof *from; i++) {
    to[i] = e2b__arena_strndup(&sandbox->arena, from[i], strlen(from[i]));
    if (to[i] == NULL) return false;
  }
  return true;
}

/* Protocol 1.3. */
static bool make_url(e2b_sandbox_t *sandbox) {
  const e2b__config_t *config = &sandbox->client->config;
  if (*sandbox->record.domain == '\0') sandbox->record.domain = config->domain;
  if (config->sandbox_url != NULL) {
    sandbox->daemon_url = config->sandbox_url;
    return true;
  }
  const char *domain = sandbox->record.domain;
  char *url = e2b__domain_is_stable(domain)
                  ? e2b__format("https://sandbox.%s", domain)
                  : e2b__format("https://%d-%s.%s", E2B__DAEMON_PORT, sandbox->record.id, domain);
  if (url != NULL) {
    sandbox->daemon_url = e2b__arena_strndup(&sandbox->arena, url, strlen(url));
    e2b__free(url);
  }
  return sandbox->daemon_url != NULL;
}

e2b_sandbox_t *e2b__sandbox_new(e2b_client_t *client, const e2b__sandbox_record_t *record) {
  e2b_sandbox_t *sandbox = e2b__calloc(1, sizeof *sandbox);
  if (sandbox == NULL) return NULL;
  sandbox->refs = 1;
  sandbox->client = client;
  e2b__queue_acquire(&client->queue);
  if (copy_record(sandbox, record) && make_url(sandbox) && make_headers(sandbox)) return sandbox;
  e2b_sandbox_release(sandbox);
  return NULL;
}

e2b_sandbox_t *e2b_sandbox_acquire(e2b_sandbox_t *sandbox) {
  if (sandbox != NULL) sandbox->refs++;
  return sandbox;
}

void e2b_sandbox_release(e2b_sandbox_t *sandbox) {
  if (sandbox == NULL || --sandbox->refs > 0) return;
  if (sandbox->supervisors != NULL) sandbox->release_supervisors(sandbox->supervisors);
  curl_slist_free_all(sandbox->shared);
  e2b__arena_free(&sandbox->arena);
  e2b_client_t *client = sandbox->client;
  e2b__free(sandbox);
  e2b__queue_release(&client->queue);
}

e2b_sandbox_t *e2b_future_sandbox(const e2b_future_t *future) {
  /* The future lends its own reference; the caller gets one more. */
  const e2b_sandbox_t *sandbox = e2b__future_value(future, E2B__KIND_SANDBOX);
  return e2b_sandbox_acquire((e2b_sandbox_t *)sandbox);
}

const char *e2b_sandbox_id(const e2b_sandbox_t *sandbox) {
  return sandbox->record.id;
}

const char *e2b_sandbox_template(const e2b_sandbox_t *sandbox) {
  return sandbox->record.template_id;
}

const char *e2b_sandbox_domain(const e2b_sandbox_t *sandbox) {
  return sandbox->record.domain;
}

const char *e2b_sandbox_envd_version(const e2b_sandbox_t *sandbox) {
  return sandbox->record.envd_version;
}

const char *e2b_sandbox_traffic_token(const e2b_sandbox_t *sandbox) {
  return sandbox->record.traffic_token;
}

size_t e2b_sandbox_host(const e2b_sandbox_t *sandbox, uint16_t port, char *host, size_t size) {
  int len = sandbox->client->config.debug ? snprintf(host, size, "localhost:%u", port)
                                          : snprintf(host, size, "%u-%s.%s", port,
                                                     sandbox->record.id, sandbox->record.domain);
  return len > 0 ? (size_t)len : 0;
}
