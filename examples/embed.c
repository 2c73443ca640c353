/* SPDX-License-Identifier: MIT */

/* The library in an application that has a libuv loop of its own, with a timer and a TCP server on
 * it: every line that a client sends is run as Python in a sandbox, and what it prints goes back.
 * While code runs the loop goes on turning, as the timer shows.
 *
 *     embed                is its own client for two requests, then ends
 *     embed PORT           serves until Ctrl-C:  echo 'print(6 * 7)' | nc -N 127.0.0.1 PORT
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

typedef struct app {
  demo_t demo;
  uv_loop_t loop; /* the application's own */
  uv_timer_t timer;
  uv_tcp_t server;
  struct connection *connections;
  e2b_sandbox_t *sandbox;
  int port;
  int ticks;
  uv_tcp_t visitor; /* the client that the demonstration is itself */
  uv_connect_t visit;
  int demonstrate;
  int answers;
} app_t;

/* A client's connection, freed when it is closed and no code of it runs any more. While code runs
 * nothing is read, so answers come in order and a busy client is held back. */
typedef struct connection {
  uv_tcp_t tcp;
  app_t *app;
  struct connection *next;
  char line[4096];
  size_t len;
  int running;
  int closed;
} connection_t;

enum { ANSWERS = 2 };

/* ---- sending ---- */

typedef struct piece {
  uv_write_t request;
  char bytes[];
} piece_t;

static void on_written(uv_write_t *request, int status) {
  (void)status;
  free(request); /* the first member of the piece */
}

static void send_bytes(uv_tcp_t *tcp, const char *bytes, size_t len) {
  piece_t *piece = uv_is_closing((uv_handle_t *)tcp) ? NULL : malloc(sizeof *piece + len);
  if (piece == NULL) return;
  memcpy(piece->bytes, bytes, len);
  uv_buf_t buf = uv_buf_init(piece->bytes, (unsigned)len);
  if (uv_write(&piece->request, (uv_stream_t *)tcp, &buf, 1, on_written) != 0) free(piece);
}

/* ---- serving ---- */

static void connection_free_if_done(connection_t *connection) {
  connection_t **link = &connection->app->connections;
  if (!connection->closed || connection->running) return;
  while (*link != connection)
    link = &(*link)->next;
  *link = connection->next;
  free(connection);
}

static void on_connection_closed(uv_handle_t *handle) {
  connection_t *connection = handle->data;
  connection->closed = 1;
  connection_free_if_done(connection);
}

static void connection_close(connection_t *connection) {
  uv_handle_t *handle = (uv_handle_t *)&connection->tcp;
  if (!uv_is_closing(handle)) uv_close(handle, on_connection_closed);
}

static void connection_go_on(connection_t *connection);

static void on_result(e2b_future_t *future, void *user_data) {
  connection_t *connection = user_data;
  const e2b_execution_t *result = e2b_future_execution(future);
  if (result != NULL) {
    /* An error of the code itself is an answer, too. */
    send_bytes(&connection->tcp, result->stdout_data.ptr, result->stdout_data.len);
    send_bytes(&connection->tcp, result->stderr_data.ptr, result->stderr_data.len);
  } else {
    const char *message = e2b_future_error(future)->message;
    send_bytes(&connection->tcp, message, strlen(message));
    send_bytes(&connection->tcp, "\n", 1);
  }
  connection->running = 0;
  if (uv_is_closing((uv_handle_t *)&connection->tcp))
    connection_free_if_done(connection);
  else
    connection_go_on(connection);
}

static void run_line(connection_t *connection, size_t len) {
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_PYTHON;
  options.code_len = len;
  connection->running = 1;
  e2b_future_then(e2b_run_code(connection->app->sandbox, connection->line, &options), on_result,
                  connection);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  connection_t *connection = handle->data;
  (void)suggested;
  *buf = uv_buf_init(connection->line + connection->len,
                     (unsigned)(sizeof connection->line - connection->len));
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
  connection_t *connection = stream->data;
  (void)buf;
  if (count < 0) { /* the end; or a line for which there is no room */
    connection_close(connection);
    return;
  }
  connection->len += (size_t)count;
  connection_go_on(connection);
}

/* Runs the next line, or waits for it. */
static void connection_go_on(connection_t *connection) {
  char *end;
  while (!connection->running && (end = memchr(connection->line, '\n', connection->len)) != NULL) {
    size_t len = (size_t)(end - connection->line);
    if (len > 0) run_line(connection, len);
    connection->len -= len + 1;
    memmove(connection->line, end + 1, connection->len);
  }
  if (connection->running)
    uv_read_stop((uv_stream_t *)&connection->tcp);
  else
    uv_read_start((uv_stream_t *)&connection->tcp, give_buffer, on_bytes);
}

static void on_connection(uv_stream_t *server, int status) {
  app_t *app = server->data;
  connection_t *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;
  if (connection == NULL) return;
  connection->app = app;
  connection->next = app->connections;
  app->connections = connection;
  uv_tcp_init(&app->loop, &connection->tcp);
  connection->tcp.data = connection;
  if (uv_accept(server, (uv_stream_t *)&connection->tcp) == 0)
    connection_go_on(connection);
  else
    connection_close(connection);
}

/* ---- the application's own client ---- */

static void give_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char space[256];
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(space, sizeof space);
}

static void on_killed(e2b_future_t *future, void *user_data) {
  app_t *app = user_data;
  demo_failed(future);
  demo_close(&app->demo);
}

static void end_demonstration(app_t *app) {
  uv_read_stop((uv_stream_t *)&app->visitor);
  e2b_future_then(e2b_sandbox_kill(app->sandbox), on_killed, app);
}

static void on_answer(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
  app_t *app = stream->data;
  if (count > 0) printf("answer: %.*s", (int)count, buf->base);
  for (ssize_t i = 0; i < count; i++)
    app->answers += buf->base[i] == '\n';
  if (count < 0 || app->answers == ANSWERS) end_demonstration(app);
}

static void on_visit(uv_connect_t *request, int status) {
  static const char lines[] = "print(6 * 7)\nimport time; time.sleep(1); print('slept')\n";
  app_t *app = request->data;
  if (status != 0) {
    end_demonstration(app);
    return;
  }
  printf("asking:\n%s", lines);
  send_bytes(&app->visitor, lines, sizeof lines - 1);
  uv_read_start((uv_stream_t *)&app->visitor, give_space, on_answer);
}

static void start_visit(app_t *app) {
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", app->port, &address);
  app->visit.data = app;
  if (uv_tcp_connect(&app->visit, &app->visitor, (const struct sockaddr *)&address, on_visit) != 0)
    end_demonstration(app);
}

/* ---- starting and ending ---- */

static void on_tick(uv_timer_t *timer) {
  app_t *app = timer->data;
  app->ticks++;
}

static int start_listening(app_t *app) {
  struct sockaddr_in address;
  int size = sizeof address;
  uv_ip4_addr("127.0.0.1", app->port, &address);
  int rc = uv_tcp_bind(&app->server, (const struct sockaddr *)&address, 0);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&app->server, 16, on_connection);
  if (rc == 0) rc = uv_tcp_getsockname(&app->server, (struct sockaddr *)&address, &size);
  if (rc != 0) {
    fprintf(stderr, "cannot listen on port %d: %s\n", app->port, uv_strerror(rc));
    return -1;
  }
  app->port = ntohs(address.sin_port);
  printf("listening on 127.0.0.1:%d\n", app->port);
  return 0;
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  app_t *app = user_data;
  app->sandbox = e2b_future_sandbox(future);
  if (demo_failed(future) || start_listening(app) != 0)
    demo_close(&app->demo);
  else if (app->demonstrate)
    start_visit(app);
}

static void app_open(app_t *app) {
  uv_loop_init(&app->loop);
  uv_timer_init(&app->loop, &app->timer);
  uv_tcp_init(&app->loop, &app->server);
  uv_tcp_init(&app->loop, &app->visitor);
  app->timer.data = app->server.data = app->visitor.data = app;
  uv_timer_start(&app->timer, on_tick, 100, 100);
}

/* The library closes what is its own; the application closes what is the application's. */
static void app_close(void *user_data) {
  app_t *app = user_data;
  uv_close((uv_handle_t *)&app->timer, NULL);
  uv_close((uv_handle_t *)&app->server, NULL);
  uv_close((uv_handle_t *)&app->visitor, NULL);
  for (connection_t *connection = app->connections; connection != NULL;
       connection = connection->next)
    connection_close(connection);
  e2b_sandbox_release(app->sandbox);
}

int main(int argc, char **argv) {
  static app_t app;
  app.demonstrate = argc < 2;
  app.port = app.demonstrate ? 0 : atoi(argv[1]);
  app_open(&app);
  int rc = demo_start(&app.demo, &app.loop);
  app.demo.on_close = app_close;
  app.demo.user_data = &app;
  if (rc == 0) {
    e2b_future_then(e2b_sandbox_create(app.demo.client, NULL), on_sandbox, &app);
    uv_run(&app.loop, UV_RUN_DEFAULT);
    if (app.demonstrate) printf("meanwhile the timer ticked %d times\n", app.ticks);
  }
  return demo_finish(&app.demo, app.answers == ANSWERS);
}
