/* SPDX-License-Identifier: MIT */
#include "support/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <uv.h>

#include "support/nginx.h"

static bool is_set(const char *variable) {
  const char *value = getenv(variable);
  return value != NULL && *value != '\0';
}

static bool says(const char *variable, const char *word) {
  const char *value = getenv(variable);
  return value != NULL && strcasecmp(value, word) == 0;
}

static bool is_local(const char *url) {
  return url != NULL && (strstr(url, "://127.0.0.1") != NULL || strstr(url, "localhost") != NULL);
}

static void use_named(server *it) {
  if (says("E2B_DEBUG", "true")) {
    it->name = "a bare daemon (E2B_DEBUG)";
    it->features = SERVER_LOCAL | SERVER_ANY_USER | SERVER_OWNERS;
    return;
  }
  const char *url = getenv("E2B_API_URL");
  it->name = url != NULL ? url : "the E2B cloud";
  it->features = SERVER_CONTROL | SERVER_ANY_USER | SERVER_OWNERS;
  if (is_local(url)) it->features |= SERVER_LOCAL;
  if (!says("E2B_TEST_SHARED", "1")) it->features |= SERVER_ISOLATED;
}

#ifdef E2B_TEST_WITH_HOST

static void log_line(e2b_log_level_t level, const char *line, void *user_data) {
  (void)level;
  (void)user_data;
  fprintf(stderr, "host: %s\n", line);
}

static int start_host(server *it, int no_isolation, char *why, size_t why_size) {
  e2b_host_options options;
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.python_dir = is_set("E2B_TEST_PYTHON") ? getenv("E2B_TEST_PYTHON") : NULL;
  options.no_isolation = no_isolation;
  options.log = log_line;
  options.log_level = is_set("E2B_TEST_LOG") ? E2B_LOG_DEBUG : E2B_LOG_ERROR;
  return e2b_host_start(it->loop, &options, &it->host, why, why_size);
}

static int use_host(server *it) {
  char why[512] = "";
  if (says("E2B_TEST_FRONT", "1") && !nginx_installed()) exit(SERVER_SKIPPED);
  it->name = "the local host";
  it->features = SERVER_CONTROL | SERVER_LOCAL | SERVER_ISOLATED | SERVER_ANY_USER;
  /* An ordinary user's namespace has one user to give files to. */
  if (getuid() == 0) it->features |= SERVER_OWNERS;
  int rc = start_host(it, 0, why, sizeof why);
  if (rc == 0) return 0;
  if (!says("E2B_TEST_NO_ISOLATION", "1")) {
    fprintf(stderr, "the local host does not start: %s: %s\n", e2b_code_name(rc), why);
    return -1;
  }
  it->name = "the local host, without isolation";
  it->features = SERVER_CONTROL | SERVER_LOCAL; /* and everything belongs to whoever runs it */
  rc = start_host(it, 1, why, sizeof why);
  if (rc == 0) return 0;
  fprintf(stderr, "the local host does not start: %s: %s\n", e2b_code_name(rc), why);
  return -1;
}

static void on_host_closed(void *user_data) {
  *(bool *)user_data = true;
}

void server_stop(server *it) {
  if (it->host == NULL) return;
  enum { OF_A_SCENE = 4 }; /* its sandbox and its directory are made and ended */
  if (it->front != NULL) front_stop(it->front, OF_A_SCENE);
  it->front = NULL;
  bool closed = false;
  e2b_host_close(it->host, on_host_closed, &closed);
  while (!closed && uv_run(it->loop, UV_RUN_ONCE) != 0) {
  }
  it->host = NULL;
  assert_true(closed);
}

#else

static int use_host(server *it) {
  (void)it;
  fprintf(stderr, "built without the local host: name a server with E2B_API_URL\n");
  return -1;
}

void server_stop(server *it) {
  it->host = NULL;
}

#endif

int server_start(server *it, uv_loop_t *loop) {
  memset(it, 0, sizeof *it);
  it->loop = loop;
  if (is_set("E2B_API_URL") || is_set("E2B_API_KEY") || is_set("E2B_DEBUG")) {
    use_named(it);
  } else if (use_host(it) != 0) {
    return -1;
  }
#ifdef E2B_TEST_WITH_HOST
  if (it->host != NULL && says("E2B_TEST_FRONT", "1")) {
    it->front = front_start(loop, e2b_host_url(it->host), true);
  }
#endif
  print_message("server: %s%s\n", it->name, it->front != NULL ? ", behind HTTP/2" : "");
  return 0;
}

void server_options(const server *it, e2b_client_options *options) {
  E2B_INIT(options);
  if (says("E2B_TEST_RPC", "json")) options->rpc_encoding = E2B_RPC_JSON;
  if (says("E2B_TEST_API", "2")) options->api_version = E2B_API_V2;
#ifdef E2B_TEST_WITH_HOST
  if (it->host == NULL) return;
  options->api_url = e2b_host_url(it->host);
  options->sandbox_url = e2b_host_url(it->host);
  options->api_key = e2b_host_api_key(it->host);
  if (it->front == NULL) return;
  options->api_url = options->sandbox_url = front_url(it->front);
  options->ca_blob = front_authority(it->front);
  options->ca_blob_len = strlen(front_authority(it->front));
#else
  (void)it;
#endif
}

void server_skip(const server *it, const char *reason) {
  print_message("skipped on %s: %s\n", it->name, reason);
  skip();
}
