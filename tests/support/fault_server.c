/* SPDX-License-Identifier: MIT */
#include "support/fault_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_connection(uv_stream_t *listener, int status) {
  fault_server_t *server = listener->data;
  if (status == 0 && !server->closing) fault__accept(server);
}

void fault__free_if_over(fault_server_t *server) {
  if (!server->closing || !server->listener_closed || server->connections != NULL) return;
  fault_clear(server);
  free(server->requests);
  free(server);
}

fault_server_t *fault_server_start(uv_loop_t *loop) {
  fault_server_t *server = fault__grab_zero(sizeof *server);
  server->loop = loop;
  struct sockaddr_in address;
  int len = sizeof address;
  int rc = uv_ip4_addr("127.0.0.1", 0, &address);
  if (rc == 0) rc = uv_tcp_init(loop, &server->tcp);
  if (rc == 0) rc = uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&server->tcp, 512, on_connection);
  if (rc == 0) rc = uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &len);
  if (rc != 0) {
    fprintf(stderr, "the fault server cannot start: %s\n", uv_strerror(rc));
    abort();
  }
  server->tcp.data = server;
  server->port = ntohs(address.sin_port);
  snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
  uv_unref((uv_handle_t *)&server->tcp);
  return server;
}

static void on_listener_closed(uv_handle_t *handle) {
  fault_server_t *server = handle->data;
  server->listener_closed = true;
  fault__free_if_over(server);
}

void fault_server_close(void *ctx) {
  fault_server_t *server = ctx;
  if (server->closing) return;
  server->closing = true;
  for (connection *c = server->connections; c != NULL; c = c->next) {
    fault__hang_up(c, false);
  }
  uv_close((uv_handle_t *)&server->tcp, on_listener_closed);
}

void fault_pace(fault_server_t *server, size_t bytes) {
  server->pace = bytes;
}

void fault_clear(fault_server_t *server) {
  while (server->rules != NULL) {
    fault_rule_t *next = server->rules->next;
    fault__rule_drop(server->rules);
    server->rules = next;
  }
  for (connection *c = server->connections; c != NULL; c = c->next) {
    c->answered = NULL;
    /* Half a request is no longer anybody's. */
    if (c->request != NULL) fault__hang_up(c, false);
    c->request = NULL;
  }
  for (size_t i = 0; i < server->requests_count; i++) {
    fault__request_free(server->requests[i]);
  }
  server->requests_count = 0;
}

const char *fault_url(const fault_server_t *server) {
  return server->url;
}

uint16_t fault_port(const fault_server_t *server) {
  return server->port;
}

unsigned fault_connections(const fault_server_t *server) {
  return server->accepted;
}

unsigned fault_connections_open(const fault_server_t *server) {
  return server->open;
}

unsigned fault_half_closes(const fault_server_t *server) {
  return server->half_closes;
}

uint64_t fault_bytes_written(const fault_server_t *server) {
  uint64_t waiting = 0;
  for (const connection *c = server->connections; c != NULL; c = c->next) {
    waiting += uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
  }
  return server->bytes_written - waiting;
}

unsigned fault_unexpected(const fault_server_t *server) {
  return server->unexpected;
}

void fault_release(fault_server_t *server) {
  for (connection *c = server->connections; c != NULL; c = c->next) {
    if (!c->held) continue;
    c->held = false;
    fault__next_step(c);
  }
}

unsigned fault_held(const fault_server_t *server) {
  unsigned count = 0;
  for (const connection *c = server->connections; c != NULL; c = c->next) {
    count += c->held && !c->closing;
  }
  return count;
}
