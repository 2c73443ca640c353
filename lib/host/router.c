/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "host/control.h"
#include "host/daemon.h"
#include "host/edge.h"
#include "host/interpreter.h"
#include "host/refusal.h"
#include "host/server.h"
#include "host/wake.h"

/* Whom a request is for: headers first where the host name says nothing, then the host name. */

typedef struct target {
  char id[64];
  unsigned port;
} target_t;

typedef enum target_kind {
  TARGET_CONTROL,
  TARGET_SANDBOX,
  TARGET_MISSING_HEADER,
  TARGET_BAD_ID,
  TARGET_BAD_PORT
} target_kind_t;

static void host_name(const e2b__host_request_t *request, char *name, size_t size) {
  const char *host = e2b__host_header(request, "Host");
  if (host == NULL) host = "";
  size_t len = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
  if (host[0] == '[') {
    host++;
    len = len > 0 ? len - 1 : 0;
  }
  if (len >= size) len = size - 1;
  for (size_t i = 0; i < len; i++)
    name[i] = (char)tolower((unsigned char)host[i]);
  name[len] = '\0';
}

static bool is_plain_host(const char *name) {
  unsigned char address[16];
  return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1 ||
         inet_pton(AF_INET6, name, address) == 1;
}

static target_kind_t set_target(target_t *target, const char *port, size_t port_len, const char *id,
                                size_t id_len) {
  unsigned long number = 0;
  if (port_len == 0 || port_len > 5) return TARGET_BAD_PORT;
  for (size_t i = 0; i < port_len; i++) {
    if (!isdigit((unsigned char)port[i])) return TARGET_BAD_PORT;
    number = number * 10 + (unsigned long)(port[i] - '0');
  }
  if (number == 0 || number > 65535) return TARGET_BAD_PORT;
  if (id_len == 0 || id_len >= sizeof target->id) return TARGET_BAD_ID;
  for (size_t i = 0; i < id_len; i++)
    if (!isdigit((unsigned char)id[i]) && (id[i] < 'a' || id[i] > 'z')) return TARGET_BAD_ID;
  target->port = (unsigned)number;
  memcpy(target->id, id, id_len);
  target->id[id_len] = '\0';
  return TARGET_SANDBOX;
}

static target_kind_t find_target(const e2b__host_request_t *request, target_t *target) {
  char name[300];
  const char *id = e2b__host_header(request, "E2b-Sandbox-Id");
  const char *port = e2b__host_header(request, "E2b-Sandbox-Port");
  host_name(request, name, sizeof name);
  bool plain = is_plain_host(name);

  if (plain || strncmp(name, "sandbox.", 8) == 0) {
    bool has_id = id != NULL && *id != '\0', has_port = port != NULL && *port != '\0';
    if (has_id != has_port) return TARGET_MISSING_HEADER;
    if (has_id) return set_target(target, port, strlen(port), id, strlen(id));
    if (plain) return TARGET_CONTROL;
  }
  /* <port>-<id>.<domain> or <port>-<id>-<anything>.<domain> */
  size_t label = strcspn(name, "."), digits = strspn(name, "0123456789");
  if (name[label] == '\0' || digits == 0 || name[digits] != '-') return TARGET_CONTROL;
  size_t id_len = strcspn(name + digits + 1, "-.");
  return set_target(target, name, digits, name + digits + 1, id_len);
}

/* ---- refusals ---- */

static void missing_header(e2b__host_request_t *request) {
  e2b__host_answer_bytes(request, 400, "text/plain; charset=utf-8", "missing header", 14);
}

static void bad_id(e2b__host_request_t *request) {
  e2b__host_answer_bytes(request, 400, "text/plain; charset=utf-8", "Invalid sandbox ID", 18);
}

static void bad_port(e2b__host_request_t *request) {
  e2b__host_answer_bytes(request, 400, "text/plain; charset=utf-8", "Invalid sandbox port", 20);
}

static void bad_signature(e2b__host_request_t *request) {
  e2b__host_answer_error(request, 401, "invalid signature");
}

static void enter(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox) {
  request->sandbox = sandbox;
  e2b__list_append(&sandbox->requests, &request->sandbox_node);
}

/* A signed file URL below an override of the sandboxes' base names no sandbox; the signature does.
 * Whether it has expired is that sandbox's to say. */
static bool route_signed(e2b__host_request_t *request) {
  e2b__list_t *all = &request->host->sandboxes;
  const char *operation = strcmp(request->method, "GET") == 0 ? "read" : "write";
  if (strcmp(request->path, "/files") != 0 || e2b__host_query(request, "signature") == NULL)
    return false;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (sandbox->state != E2B__SANDBOX_RUNNING ||
        !e2b__host_transfer_signed(request, sandbox, operation))
      continue;
    request->port = E2B__HOST_ENVD_PORT;
    enter(request, sandbox);
    e2b__host_daemon_route(request);
    return true;
  }
  e2b__host_answer_with(request, bad_signature);
  return true;
}

/* From inside a sandbox there is but one way to go. */
static void route_inner(e2b__host_request_t *request, e2b__host_door_t *door) {
  if (door == NULL || door->sandbox->state != E2B__SANDBOX_RUNNING) {
    e2b__host_answer_with(request, e2b__host_request_reset);
    return;
  }
  request->port = E2B__HOST_INTERPRETER_PORT;
  request->sandbox_id = door->sandbox->id;
  enter(request, door->sandbox);
  e2b__host_interpreter_route(request);
}

void e2b__host_route(e2b__host_request_t *request) {
  target_t target = {"", 0};
  e2b__host_peer_t *peer = e2b__host_server_peer(request);
  if (peer != NULL) {
    route_inner(request, peer->door);
    return;
  }
  switch (find_target(request, &target)) {
  case TARGET_CONTROL:
    if (!route_signed(request)) e2b__host_control_route(request);
    return;
  case TARGET_MISSING_HEADER: e2b__host_answer_with(request, missing_header); return;
  case TARGET_BAD_ID: e2b__host_answer_with(request, bad_id); return;
  case TARGET_BAD_PORT: e2b__host_answer_with(request, bad_port); return;
  case TARGET_SANDBOX: break;
  }
  request->port = target.port;
  request->sandbox_id = e2b__arena_strndup(&request->arena, target.id, strlen(target.id));
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(request->host, target.id);
  if (sandbox != NULL && sandbox->state != E2B__SANDBOX_RUNNING) {
    if (e2b__host_wake(request, sandbox)) return;
    sandbox = NULL;
  }
  if (sandbox == NULL) {
    e2b__host_refuse_route(request, E2B__REFUSAL_NO_SANDBOX);
    return;
  }
  enter(request, sandbox);
  if (target.port == E2B__HOST_ENVD_PORT)
    e2b__host_daemon_route(request);
  else if (!e2b__host_edge_admits(request))
    return;
  else if (target.port == E2B__HOST_INTERPRETER_PORT && sandbox->template->python)
    e2b__host_interpreter_route(request);
  else
    e2b__host_edge_route(request);
}
