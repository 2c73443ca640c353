/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/driver.h"
#include "proto/json_write.h"

client_t *client_dial(const agent_t *agent) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)agent->port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  client_t *client = test_calloc(1, sizeof *client);
  int on = 1;
  client->acks = true;
  e2b__buffer_init(&client->in, 256 << 20);
  e2b__buffer_init(&client->output, 256 << 20);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(client->fd >= 0);
  assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return client;
}

void client_close(client_t *client) {
  close(client->fd);
  cJSON_Delete(client->message);
  e2b__buffer_free(&client->in);
  e2b__buffer_free(&client->output);
  test_free(client);
}

void client_send_raw(client_t *client, const void *data, size_t len) {
  const char *at = data;
  while (len > 0) {
    ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
    if (sent < 0) return; /* the agent has closed: reading will tell */
    at += sent;
    len -= (size_t)sent;
  }
}

bool client_has(client_t *client, int ms) {
  struct pollfd wait = {client->fd, POLLIN, 0};
  return client->in.len > 0 || poll(&wait, 1, ms) > 0;
}

/* False at the end. */
static bool read_more(client_t *client) {
  struct pollfd wait = {client->fd, POLLIN, 0};
  assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
  assert_int_equal(e2b__buffer_reserve(&client->in, 64 << 10), 0);
  ssize_t got = recv(client->fd, client->in.data + client->in.len, 64 << 10, 0);
  if (got <= 0) return false;
  e2b__buffer_commit(&client->in, (size_t)got);
  return true;
}

void client_read_all(client_t *client, e2b__buffer_t *out) {
  while (read_more(client))
    continue;
  assert_int_equal(e2b__buffer_append(out, client->in.data, client->in.len), 0);
}

client_t *client_open(const agent_t *agent) {
  client_t *client = client_dial(agent);
  char request[512], *end;
  int len = snprintf(request, sizeof request,
                     "GET /v1 HTTP/1.1\r\nHost: sandbox\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n"
                     "Authorization: Bearer %s\r\n\r\n",
                     agent->secret);
  client_send_raw(client, request, (size_t)len);
  while (client->in.len == 0 || (end = strstr(client->in.data, "\r\n\r\n")) == NULL)
    assert_true(read_more(client));
  assert_memory_equal(client->in.data, "HTTP/1.1 101 ", 13);
  assert_non_null(strstr(client->in.data, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  e2b__buffer_consume(&client->in, (size_t)(end + 4 - client->in.data));
  return client;
}

void client_send_frame(client_t *client, unsigned first_byte, const void *data, size_t len) {
  static const unsigned char mask[4] = {0x5a, 0x00, 0xff, 0x13};
  unsigned char head[14] = {(unsigned char)first_byte};
  size_t bytes = len < 126 ? 0 : len < 65536 ? 2 : 8, head_len = 2 + bytes;
  head[1] = (unsigned char)(0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127));
  for (size_t i = 0; i < bytes; i++)
    head[2 + i] = (unsigned char)((uint64_t)len >> 8 * (bytes - 1 - i));
  memcpy(head + head_len, mask, sizeof mask);
  head_len += sizeof mask;
  char *frame = test_malloc(head_len + len);
  memcpy(frame, head, head_len);
  for (size_t i = 0; i < len; i++)
    frame[head_len + i] = (char)(((const unsigned char *)data)[i] ^ mask[i % 4]);
  client_send_raw(client, frame, head_len + len);
  test_free(frame);
}

void client_say(client_t *client, const char *fmt, ...) {
  char text[4096];
  va_list list;
  va_start(list, fmt);
  int len = vsnprintf(text, sizeof text, fmt, list);
  va_end(list);
  assert_true(len > 0 && len < (int)sizeof text);
  for (char *c = text; *c != '\0'; c++)
    if (*c == '\'') *c = '"';
  client_send_frame(client, 0x81, text, (size_t)len);
}

void client_type(client_t *client, const void *data, size_t len) {
  client_send_frame(client, 0x82, data, len);
}

void client_type_text(client_t *client, const char *text) {
  client_type(client, text, strlen(text));
}

static void take_output(client_t *client, const unsigned char *data, size_t len) {
  assert_true(len > 8 && len <= 8 + (32 << 10));
  client->accepted = 0;
  for (size_t i = 0; i < 8; i++)
    client->accepted = client->accepted << 8 | data[i];
  assert_int_equal(e2b__buffer_append(&client->output, data + 8, len - 8), 0);
  client->offset += len - 8;
  if (!client->acks) return;
  client->acked = client->offset;
  client_say(client, "{'type':'ack','offset':%llu}", (unsigned long long)client->offset);
}

static void take_message(client_t *client, const char *text, size_t len) {
  cJSON_Delete(client->message);
  client->message = cJSON_ParseWithLength(text, len);
  assert_non_null(client->message);
  const char *type = client_string(client, "type");
  if (strcmp(type, "attached") == 0) {
    client->offset = client_number(client, "offset");
    client->accepted = client_number(client, "input");
  } else if (strcmp(type, "gap") == 0) {
    client->lost += client_number(client, "lost");
    assert_int_equal(client->offset + client_number(client, "lost"),
                     client_number(client, "offset"));
    client->offset = client_number(client, "offset");
  } else if (strcmp(type, "input") == 0) {
    client->accepted = client_number(client, "offset");
  } else if (strcmp(type, "exit") == 0) {
    assert_int_equal(client->offset, client_number(client, "offset"));
  }
}

/* Makes sure that so many bytes are there. */
static bool want(client_t *client, size_t len) {
  while (client->in.len < len)
    if (!read_more(client)) return false;
  return true;
}

received_t client_next(client_t *client) {
  received_t what = RECEIVED_PONG;
  if (!want(client, 2)) return RECEIVED_END;
  const unsigned char *data = (unsigned char *)client->in.data;
  unsigned opcode = data[0] & 15;
  size_t bytes = data[1] < 126 ? 0 : data[1] == 126 ? 2 : 8, len = bytes == 0 ? data[1] : 0;
  assert_int_equal(data[0] & 0xf0, 0x80);
  if (!want(client, 2 + bytes)) return RECEIVED_END;
  data = (unsigned char *)client->in.data;
  for (size_t i = 0; i < bytes; i++)
    len = len << 8 | data[2 + i];
  if (!want(client, 2 + bytes + len)) return RECEIVED_END;
  data = (unsigned char *)client->in.data + 2 + bytes;
  switch (opcode) {
  case 1:
    what = RECEIVED_TEXT;
    take_message(client, (const char *)data, len);
    break;
  case 2:
    what = RECEIVED_OUTPUT;
    take_output(client, data, len);
    break;
  case 8:
    what = RECEIVED_CLOSE;
    cJSON_Delete(client->message);
    client->message = cJSON_CreateObject();
    cJSON_AddNumberToObject(client->message, "code",
                            len >= 2 ? (double)(data[0] << 8 | data[1]) : 0);
    break;
  default: assert_int_equal(opcode, 10);
  }
  e2b__buffer_consume(&client->in, 2 + bytes + len);
  return what;
}

cJSON *client_await(client_t *client, const char *type) {
  for (;;) {
    received_t what = client_next(client);
    if (what == RECEIVED_CLOSE)
      fail_msg("closed with %u, not %s", (unsigned)client_number(client, "code"), type);
    if (what == RECEIVED_END) fail_msg("the connection ended before %s", type);
    if (what != RECEIVED_TEXT) continue;
    const char *came = client_string(client, "type");
    if (strcmp(came, type) == 0) return client->message;
    if (strcmp(came, "error") == 0) fail_msg("error: %s", client_string(client, "message"));
  }
}

void client_await_output(client_t *client, const char *text) {
  size_t seen = 0;
  for (;;) {
    char *found = client->output.len > 0 ? memmem(client->output.data + seen,
                                                  client->output.len - seen, text, strlen(text))
                                         : NULL;
    if (found != NULL) {
      e2b__buffer_consume(&client->output, (size_t)(found - client->output.data) + strlen(text));
      return;
    }
    seen = client->output.len > strlen(text) ? client->output.len - strlen(text) : 0;
    received_t what = client_next(client);
    if (what == RECEIVED_CLOSE || what == RECEIVED_END ||
        (what == RECEIVED_TEXT && strcmp(client_string(client, "type"), "exit") == 0))
      fail_msg("it ended before \"%s\"; it said: %s", text,
               client->output.data != NULL ? client->output.data : "");
  }
}

unsigned client_await_close(client_t *client) {
  for (;;) {
    received_t what = client_next(client);
    if (what == RECEIVED_CLOSE) return (unsigned)client_number(client, "code");
    if (what == RECEIVED_END) return 0;
  }
}

uint64_t client_number(const client_t *client, const char *member) {
  const cJSON *item = cJSON_GetObjectItem(client->message, member);
  if (!cJSON_IsNumber(item)) fail_msg("no number %s", member);
  return (uint64_t)(int64_t)item->valuedouble;
}

bool client_flag(const client_t *client, const char *member) {
  const cJSON *item = cJSON_GetObjectItem(client->message, member);
  assert_true(cJSON_IsBool(item));
  return cJSON_IsTrue(item) != 0;
}

const char *client_string(const client_t *client, const char *member) {
  const cJSON *item = cJSON_GetObjectItem(client->message, member);
  if (!cJSON_IsString(item)) fail_msg("no string %s", member);
  return item->valuestring;
}

void client_create(client_t *client, const char *id, const char *line, const char *more) {
  e2b__buffer_t text = E2B__BUFFER_INIT(64 << 10);
  assert_int_equal(e2b__buffer_printf(&text, "{\"type\":\"create\",\"id\":\"%s\",", id), 0);
  assert_int_equal(e2b__buffer_append_str(&text, "\"argv\":[\"/bin/sh\",\"-c\","), 0);
  assert_int_equal(e2b__json_quote(&text, line, strlen(line)), 0);
  size_t quoted = text.len;
  assert_int_equal(e2b__buffer_printf(&text, "]%s}", more), 0);
  for (char *c = text.data + quoted; *c != '\0'; c++)
    if (*c == '\'') *c = '"';
  client_send_frame(client, 0x81, text.data, text.len);
  e2b__buffer_free(&text);
  client_await(client, "attached");
}
