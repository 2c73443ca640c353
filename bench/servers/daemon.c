/* SPDX-License-Identifier: MIT */
/* A canned sandbox for one machine's benchmark: HTTP/1.1 on libuv, answers made beforehand, so that
 * it is never what is measured. It knows the requests that the cases send and no others:
 *
 *     daemon CREATED.json INFO.json [PORT AGENT]        prints its port
 *
 * What a started program "prints" is told by its arguments, which stand in the request as they are
 * in both encodings: `hello` (one line, then the end), `flood CHUNK TOTAL`, `tick` (one event a
 * second with the time in it, for ever). Files are TOTAL bytes long: `/files?path=TOTAL`. A
 * terminal agent's `ensure` finds one at once, whose WebSockets terminals.c has; with AGENT, that
 * program, it is really run, and the client goes to the agent's own port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

enum { HEAD_BYTES = 8192, FILE_BLOCK = 256 * 1024 };

static char *created, *info;
static const char *agent; /* NULL: ours */
static char zeros[FILE_BLOCK];

static void die(const char *why) {
  fprintf(stderr, "daemon: %s\n", why);
  exit(1);
}

static char *slurp(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 65536);
  if (file == NULL || text == NULL || fread(text, 1, 65535, file) == 0) die(path);
  fclose(file);
  text[strcspn(text, "\n")] = '\0';
  return text;
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void connection_close(connection_t *connection) {
  if (uv_is_closing((uv_handle_t *)&connection->tcp)) return;
  ticks_forget(connection);
  terminal_forget(connection);
  uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_written(uv_write_t *req, int status) {
  connection_t *connection = req->handle->data;
  free(req);
  if (status != 0) {
    connection_close(connection);
  } else if (connection->more != NULL) {
    connection->more(connection);
  }
}

void connection_write(connection_t *connection, const char *data, size_t len) {
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
  const int sent = uv_try_write((uv_stream_t *)&connection->tcp, &buf, 1);
  if (sent == (int)len && connection->more == NULL) return;
  if (sent < 0 && sent != UV_EAGAIN) {
    connection_close(connection);
    return;
  }
  buf = uv_buf_init((char *)data + (sent > 0 ? sent : 0), (unsigned)(len - (sent > 0 ? sent : 0)));
  uv_write_t *req = malloc(sizeof *req);
  if (req == NULL || uv_write(req, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) != 0) {
    free(req);
    connection_close(connection);
  }
}

static void answer(connection_t *connection, const char *status, const char *body) {
  char text[65536 + 256];
  const int len = snprintf(text, sizeof text,
                           "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           status, strlen(body), body);
  connection_write(connection, text, (size_t)len);
}

static void more_of_file(connection_t *connection) {
  const uint64_t piece = connection->left < FILE_BLOCK ? connection->left : FILE_BLOCK;
  connection->left -= piece;
  if (connection->left == 0) connection->more = NULL;
  connection_write(connection, zeros, (size_t)piece);
}

static void send_file(connection_t *connection, uint64_t total) {
  char head[256];
  const int len = snprintf(head, sizeof head,
                           "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                           "Content-Length: %llu\r\n\r\n",
                           (unsigned long long)total);
  connection_write(connection, head, (size_t)len);
  connection->left = total;
  if (total == 0) return;
  connection->more = more_of_file;
  more_of_file(connection);
}

/* --- a real terminal agent ----------------------------------------------------------------------
 */

/* What the program says, which ends soon after the last client and its terminal. It takes a few
 * milliseconds, in which nobody else is served. */
static const char *ensure_agent(void) {
  static char address[256];
  char command[4096];
  snprintf(command, sizeof command, "exec '%s' ensure --idle-ms 2000 --keep-ms 1000", agent);
  FILE *said = popen(command, "r");
  if (said == NULL || fgets(address, sizeof address, said) == NULL) die("the agent does not start");
  pclose(said);
  return address;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void start(connection_t *connection, const request_t *request) {
  const char *flood = memmem(request->body, request->body_len, "flood", 5);
  if (flood != NULL) {
    /* The arguments follow each other with a few bytes of encoding between them. */
    const char *end = request->body + request->body_len;
    unsigned long long number[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
      while (flood < end && (*flood < '0' || *flood > '9'))
        flood++;
      char *rest = (char *)flood;
      number[i] = strtoull(flood, &rest, 10);
      flood = rest;
    }
    flood_start(connection, request->json, (size_t)number[0], number[1]);
  } else if (memmem(request->body, request->body_len, "tick", 4) != NULL) {
    ticks_start(connection, request->json);
  } else if (memmem(request->body, request->body_len, "ensure", 6) != NULL) {
    line(connection, request->json, agent != NULL ? ensure_agent() : TERMINAL_ADDRESS);
  } else {
    line(connection, request->json, "hello\n");
  }
}

static void dispatch(connection_t *connection, const request_t *request) {
  const char *path = request->path;
  const bool get = strcmp(request->method, "GET") == 0;
  if (strncmp(path, "/process.Process/Start", 22) == 0) {
    start(connection, request);
  } else if (strncmp(path, "/files", 6) == 0) {
    const char *size = strstr(path, "path=");
    if (get) {
      send_file(connection, size != NULL ? strtoull(size + 5, NULL, 10) : 0);
    } else {
      answer(connection, "200 OK",
             "[{\"name\":\"file\",\"type\":\"file\",\"path\":\"/home/user/file\"}]");
    }
  } else if (strncmp(path, "/sandboxes/", 11) == 0 && get) {
    answer(connection, "200 OK", info);
  } else if (strstr(path, "/sandboxes") != NULL && strcmp(request->method, "POST") == 0) {
    answer(connection, "201 Created", created);
  } else {
    static const char nothing[] = "HTTP/1.1 204 No Content\r\n\r\n";
    connection_write(connection, nothing, sizeof nothing - 1);
  }
}

static const char *header(const char *head, const char *name) {
  const char *at = strcasestr(head, name);
  return at != NULL ? at + strlen(name) : NULL;
}

/* A request with all of its head, and of its body as much as matters. */
static void on_head(connection_t *connection) {
  const char *length = header(connection->head, "\r\ncontent-length:");
  connection->body_left = length != NULL ? strtoull(length, NULL, 10) : 0;
  connection->chunked = header(connection->head, "\r\ntransfer-encoding: chunked") != NULL;
}

static void on_request(connection_t *connection, const char *body, size_t body_len) {
  request_t request;
  const char *type = header(connection->head, "\r\ncontent-type:");
  request.json = type != NULL && strncasecmp(type, " application/connect+json", 25) == 0;
  if (sscanf(connection->head, "%15s %1023s", request.method, request.path) != 2) die("a bad head");
  request.body = body;
  request.body_len = body_len;
  dispatch(connection, &request);
}

/* Bytes of a body. True when it is whole. Nobody's body here holds what ends a chunked one. */
static bool take_body(connection_t *connection, const char *data, size_t len) {
  if (!connection->chunked) {
    connection->body_left -= len < connection->body_left ? len : connection->body_left;
    return connection->body_left == 0;
  }
  for (size_t i = len < 5 ? 0 : len - 5; i < len; i++) {
    memmove(connection->last, connection->last + 1, 4);
    connection->last[4] = data[i];
  }
  return memcmp(connection->last, "0\r\n\r\n", 5) == 0;
}

static void take(connection_t *connection, const char *data, size_t len) {
  if (connection->in_body) {
    if (!take_body(connection, data, len)) return;
    connection->in_body = false;
    on_request(connection, "", 0);
    return;
  }
  const size_t room = HEAD_BYTES - 1 - connection->head_len;
  const size_t copied = len < room ? len : room;
  memcpy(connection->head + connection->head_len, data, copied);
  connection->head_len += copied;
  connection->head[connection->head_len] = '\0';
  char *end = memmem(connection->head, connection->head_len, "\r\n\r\n", 4);
  if (end == NULL) {
    if (room == copied) die("a head is too long");
    return;
  }
  end[2] = '\0';
  const char *key = header(connection->head, "\r\nsec-websocket-key:");
  if (key != NULL) {
    terminal_accept(connection, key);
    return;
  }
  const char *body = end + 4;
  const size_t body_len = (size_t)(connection->head + connection->head_len - body);
  on_head(connection);
  memset(connection->last, 0, sizeof connection->last);
  const bool whole = take_body(connection, body, body_len) ||
                     (copied < len && take_body(connection, data + copied, len - copied));
  if (!whole && strncmp(connection->head, "POST /process.", 14) == 0) {
    end[2] = '\r'; /* this body is wanted as a whole: read on */
    return;
  }
  connection->head_len = 0;
  connection->in_body = !whole && (connection->chunked || connection->body_left > 0);
  if (!connection->in_body) on_request(connection, body, body_len);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  static char memory[FILE_BLOCK];
  (void)handle;
  (void)size;
  *buf = uv_buf_init(memory, sizeof memory);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
  if (len < 0) {
    connection_close(stream->data);
  } else if (len > 0 && ((connection_t *)stream->data)->terminal != NULL) {
    terminal_take(stream->data, buf->base, (size_t)len);
  } else if (len > 0) {
    take(stream->data, buf->base, (size_t)len);
  }
}

static void on_connection(uv_stream_t *server, int status) {
  connection_t *connection = calloc(1, sizeof *connection);
  if (status != 0 || connection == NULL) die("no connection");
  connection->head = malloc(HEAD_BYTES);
  if (connection->head == NULL) die("no memory");
  uv_tcp_init(server->loop, &connection->tcp);
  connection->tcp.data = connection;
  if (uv_accept(server, (uv_stream_t *)&connection->tcp) != 0) {
    connection_close(connection);
    return;
  }
  uv_tcp_nodelay(&connection->tcp, 1);
  uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t server;
  struct sockaddr_in address;
  struct sockaddr_storage bound;
  int len = sizeof bound;
  if (argc != 3 && argc != 5) die("usage: daemon CREATED.json INFO.json [PORT AGENT]");
  created = slurp(argv[1]);
  info = slurp(argv[2]);
  agent = argv[3] != NULL ? argv[4] : NULL;
  events_init(loop);
  uv_ip4_addr("127.0.0.1", argv[3] != NULL ? atoi(argv[3]) : 0, &address);
  if (uv_tcp_init(loop, &server) != 0 ||
      uv_tcp_bind(&server, (const struct sockaddr *)&address, 0) != 0 ||
      uv_listen((uv_stream_t *)&server, 16384, on_connection) != 0 ||
      uv_tcp_getsockname(&server, (struct sockaddr *)&bound, &len) != 0) {
    die("cannot listen");
  }
  printf("%u\n", ntohs(((struct sockaddr_in *)&bound)->sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
