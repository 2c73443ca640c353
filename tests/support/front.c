/* SPDX-License-Identifier: MIT */
#include "support/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/certificates.h"
#include "support/foreign.h"
#include "support/nginx.h"
#include "support/test.h"

struct front {
  nginx_t *nginx;
  bool http2;
  char url[64], log[128];
  char *authority;
};

static void make_certificate(front_t *front) {
  char *authority_key = key_make(), *key = key_make(), *server;
  assert_true(certificate_of_host(key, authority_key, &front->authority, &server));
  nginx_file(front->nginx, "key.pem", key);
  nginx_file(front->nginx, "server.pem", server);
  free(authority_key);
  free(key);
  free(server);
}

/* Nothing waits in it for the rest, and what is silent for long stays. */
static const char http[] =
    "log_format front '$server_protocol|$http_upgrade|$request';\n"
    "access_log %s front;\n"
    "map $http_upgrade $kept { default upgrade; '' ''; }\n"
    "upstream host { server %s; keepalive 64; }\n"
    "server { listen 127.0.0.1:%u ssl%s; ssl_certificate %s/server.pem;\n"
    "ssl_certificate_key %s/key.pem; client_max_body_size 0; large_client_header_buffers 8 32k;\n"
    "location / { proxy_pass http://host; proxy_http_version 1.1; proxy_set_header Host "
    "$http_host;\n"
    "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $kept;\n"
    "proxy_buffering off; proxy_request_buffering off; proxy_next_upstream off;\n"
    "proxy_read_timeout 1h; proxy_send_timeout 1h; } }\n";

front_t *front_start(uv_loop_t *loop, const char *backend, bool http2) {
  front_t *front = calloc(1, sizeof *front);
  assert_non_null(front);
  front->http2 = http2;
  front->nginx = nginx_new();
  make_certificate(front);
  uint16_t port;
  const int listener = listener_open(&port);
  const char *folder = nginx_folder(front->nginx);
  char text[2048];
  assert_memory_equal(backend, "http://", 7);
  snprintf(front->url, sizeof front->url, "https://127.0.0.1:%u", port);
  snprintf(front->log, sizeof front->log, "%s/log", folder);
  const int len = snprintf(text, sizeof text, http, front->log, backend + 7, port,
                           http2 ? " http2" : "", folder, folder);
  assert_true(len > 0 && (size_t)len < sizeof text);
  nginx_start(front->nginx, loop, text, &listener, 1);
  return front;
}

const char *front_url(const front_t *front) {
  return front->url;
}

const char *front_authority(const front_t *front) {
  return front->authority;
}

/* How many requests came over its protocol. Asked at the very end, when cmocka counts no failures.
 */
static unsigned count_requests(const front_t *front) {
  static const char socket[] = "HTTP/1.1|websocket|";
  const char *wanted = front->http2 ? "HTTP/2.0|" : "HTTP/1.1|";
  char line[16384];
  unsigned count = 0;
  FILE *log = fopen(front->log, "r");
  if (log == NULL) exit(1);
  while (fgets(line, sizeof line, log) != NULL) {
    if (strncasecmp(line, socket, strlen(socket)) == 0) continue;
    if (strncmp(line, wanted, strlen(wanted)) != 0) {
      print_error("not %s: %s\n", wanted, line);
      exit(1);
    }
    count++;
  }
  fclose(log);
  return count;
}

void front_stop(front_t *front, unsigned at_least) {
  const unsigned requests = count_requests(front);
  print_message("%u requests over HTTP/%s\n", requests, front->http2 ? "2" : "1.1");
  if (requests < at_least) exit(1);
  nginx_stop(front->nginx);
  free(front->authority);
  free(front);
}
