/* SPDX-License-Identifier: MIT */
#include "support/fault_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void *fault__grab(void *old, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL) abort();
  return memory;
}

void *fault__grab_zero(size_t size) {
  return memset(fault__grab(NULL, size), 0, size);
}

/* --- rules ------------------------------------------------------------------------------------ */

void fault__rule_drop(fault_rule_t *rule) {
  if (rule == NULL || --rule->refs > 0) return;
  while (rule->first != NULL) {
    step *next = rule->first->next;
    free(rule->first);
    rule->first = next;
  }
  free(rule->what);
  free(rule);
}

fault_rule_t *fault_on(fault_server_t *server, const char *what) {
  fault_rule_t *rule = fault__grab_zero(sizeof *rule);
  rule->server = server;
  rule->refs = 1;
  if (what != NULL) rule->what = strcpy(fault__grab(NULL, strlen(what) + 1), what);
  rule->last = &rule->first;
  fault_rule_t **end = &server->rules;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = rule;
  return rule;
}

fault_rule_t *fault_on_accept(fault_server_t *server, unsigned number) {
  fault_rule_t *rule = fault_on(server, NULL);
  rule->on_accept = true;
  rule->connection = number;
  return rule;
}

void fault_limit(fault_rule_t *rule, unsigned times) {
  rule->limited = true;
  rule->left = times;
}

fault_rule_t *fault_once(fault_server_t *server, const char *what) {
  fault_rule_t *rule = fault_on(server, what);
  fault_limit(rule, 1);
  return rule;
}

void fault_only(fault_rule_t *rule, unsigned number, unsigned request) {
  rule->connection = number;
  rule->number = request;
}

void fault_early(fault_rule_t *rule, uint64_t body_bytes) {
  rule->early = true;
  rule->after_body_bytes = body_bytes;
}

void fault_stop_reading(fault_rule_t *rule) {
  rule->stop_reading = true;
}

bool fault__matches(const fault_request_t *request, const char *what) {
  if (what == NULL) return true;
  const char *path = strchr(what, '/');
  if (path == NULL) return false;
  const size_t method = (size_t)(path - what);
  if (method > 0 &&
      (strncmp(request->method, what, method - 1) != 0 || request->method[method - 1] != '\0')) {
    return false;
  }
  return strcmp(request->path, path) == 0;
}

static step *add_step(fault_rule_t *rule, step_kind kind, const void *data, size_t len) {
  step *s = fault__grab_zero(sizeof *s + len + 1);
  s->kind = kind;
  s->len = len;
  if (len > 0) memcpy(s->data, data, len);
  *rule->last = s;
  rule->last = &s->next;
  return s;
}

void fault_send(fault_rule_t *rule, const void *data, size_t len) {
  if (len > 0) add_step(rule, SEND, data, len);
}

void fault_text(fault_rule_t *rule, const char *text) {
  fault_send(rule, text, strlen(text));
}

void fault_send_bytewise(fault_rule_t *rule, const void *data, size_t len) {
  if (len > 0) add_step(rule, SEND_BYTEWISE, data, len);
}

static void add_head(fault_rule_t *rule, int status, const char *type, const char *length,
                     const char *headers) {
  char head[2048];
  const int len =
      snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%s%s%s%s%s\r\n", status, "Scripted",
               type != NULL ? "Content-Type: " : "", type != NULL ? type : "",
               type != NULL ? "\r\n" : "", length, headers != NULL ? headers : "");
  assert(len > 0 && (size_t)len < sizeof head);
  fault_send(rule, head, (size_t)len);
}

void fault_answer_bytes(fault_rule_t *rule, int status, const char *type, const void *body,
                        size_t len, const char *headers) {
  char length[64];
  snprintf(length, sizeof length, "Content-Length: %zu\r\n", len);
  add_head(rule, status, type, status != 204 ? length : "", headers);
  fault_send(rule, body, len);
}

void fault_answer(fault_rule_t *rule, int status, const char *type, const char *body,
                  const char *headers) {
  fault_answer_bytes(rule, status, type, body, strlen(body), headers);
}

void fault_head_chunked(fault_rule_t *rule, int status, const char *type, const char *headers) {
  add_head(rule, status, type, "Transfer-Encoding: chunked\r\n", headers);
}

void fault_chunk(fault_rule_t *rule, const void *data, size_t len) {
  char size[32];
  snprintf(size, sizeof size, "%zx\r\n", len);
  fault_text(rule, size);
  fault_send(rule, data, len);
  fault_text(rule, "\r\n");
}

void fault_last_chunk(fault_rule_t *rule) {
  fault_text(rule, "0\r\n\r\n");
}

void fault_generate(fault_rule_t *rule, fault_make make, void *ctx, bool chunked) {
  step *s = add_step(rule, GENERATE, NULL, 0);
  s->make = make;
  s->ctx = ctx;
  s->chunked = chunked;
}

void fault_wait(fault_rule_t *rule, uint64_t ms) {
  add_step(rule, WAIT, NULL, 0)->ms = ms;
}

void fault_hold(fault_rule_t *rule) {
  add_step(rule, HOLD, NULL, 0);
}

void fault_call(fault_rule_t *rule, void (*fn)(void *ctx), void *ctx) {
  step *s = add_step(rule, CALL, NULL, 0);
  s->fn = fn;
  s->ctx = ctx;
}

void fault_read_on(fault_rule_t *rule) {
  add_step(rule, READ_ON, NULL, 0);
}

void fault_half_close(fault_rule_t *rule) {
  add_step(rule, HALF_CLOSE, NULL, 0);
}

void fault_close(fault_rule_t *rule) {
  add_step(rule, CLOSE, NULL, 0);
}

void fault_reset(fault_rule_t *rule) {
  add_step(rule, RESET, NULL, 0);
}

void fault_hang(fault_rule_t *rule) {
  add_step(rule, HANG, NULL, 0);
}

/* --- requests --------------------------------------------------------------------------------- */

typedef struct value {
  struct value *next;
  char text[];
} value;

void fault__request_free(fault_request_t *request) {
  while (request->values != NULL) {
    value *next = ((value *)request->values)->next;
    free(request->values);
    request->values = next;
  }
  free((char *)(uintptr_t)request->method);
  free((char *)(uintptr_t)request->target);
  free((char *)(uintptr_t)request->path);
  free(request->head);
  free(request->body);
  free(request);
}

static const char *keep_value(fault_request_t *request, const char *text, size_t len) {
  value *v = fault__grab(NULL, sizeof *v + len + 1);
  memcpy(v->text, text, len);
  v->text[len] = '\0';
  v->next = request->values;
  request->values = v;
  return v->text;
}

const char *fault_header(fault_request_t *request, const char *name) {
  const size_t len = strlen(name);
  for (const char *line = strstr(request->head, "\r\n"); line != NULL;
       line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
    const char *from = line + len + 1;
    from += strspn(from, " \t");
    return keep_value(request, from, strcspn(from, "\r"));
  }
  return NULL;
}

unsigned fault_count(const fault_server_t *server, const char *what) {
  unsigned count = 0;
  for (size_t i = 0; i < server->requests_count; i++) {
    count += fault__matches(server->requests[i], what);
  }
  return count;
}

fault_request_t *fault_request(const fault_server_t *server, const char *what, unsigned nth) {
  for (size_t i = 0; i < server->requests_count; i++) {
    if (fault__matches(server->requests[i], what) && nth-- == 0) return server->requests[i];
  }
  return NULL;
}
