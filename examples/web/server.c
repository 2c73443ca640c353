/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../support.h"
#include "e2b/web.h"

/* A web application in one file: sandboxes, code, files and terminals for a page in the browser,
 * through the request handler, all on one loop.
 *
 *     web PAGE-DIRECTORY XTERM-DIRECTORY          E2B_WEB_LISTEN=127.0.0.1:8080, E2B_WEB_TOKEN */

typedef struct app {
  demo_t demo;
  e2b_handler_t *handler;
  e2b_web_t *web;
} app;

static void on_web_closed(void *user_data) {
  app *it = user_data;
  e2b_handler_release(it->handler);
  it->demo.waiting_for--;
}

static void on_close(void *user_data) {
  app *it = user_data;
  if (it->web == NULL) return;
  it->demo.waiting_for++;
  e2b_web_close(it->web, on_web_closed, it);
}

/* --- the page's files ---------------------------------------------------------------------------
 */

static char *read_file(const char *directory, const char *name, size_t *len) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  char *data = file != NULL ? malloc(4 << 20) : NULL;
  *len = data != NULL ? fread(data, 1, 4 << 20, file) : 0;
  if (file != NULL) fclose(file);
  if (*len == 0) fprintf(stderr, "cannot read %s\n", path);
  return data;
}

static const struct {
  const char *path;
  const char *type;
  int of_xterm;
  const char *name;
} served[] = {
    {"/", "text/html; charset=utf-8", 0, "index.html"},
    {"/app.css", "text/css; charset=utf-8", 0, "app.css"},
    {"/app.js", "text/javascript; charset=utf-8", 0, "app.js"},
    {"/api.js", "text/javascript; charset=utf-8", 0, "api.js"},
    {"/files.js", "text/javascript; charset=utf-8", 0, "files.js"},
    {"/terminal.js", "text/javascript; charset=utf-8", 0, "terminal.js"},
    {"/xterm.js", "text/javascript; charset=utf-8", 1, "xterm/lib/xterm.js"},
    {"/xterm.css", "text/css; charset=utf-8", 1, "xterm/css/xterm.css"},
    {"/addon-fit.js", "text/javascript; charset=utf-8", 1, "addon-fit/lib/addon-fit.js"},
};

enum { FILES = sizeof served / sizeof *served };

/* --- the server ---------------------------------------------------------------------------------
 */

/* Whoever has the link may use the page. */
static const char *token(void) {
  static char made[33];
  const char *given = getenv("E2B_WEB_TOKEN");
  unsigned char bytes[16];
  if (given != NULL && given[0] != '\0') return given;
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return NULL;
  for (size_t i = 0; i < sizeof bytes; i++) {
    snprintf(made + 2 * i, 3, "%02x", bytes[i]);
  }
  return made;
}

static int start(app *it, const e2b_web_file_t *files) {
  char why[512] = "";
  e2b_handler_options handler;
  E2B_INIT(&handler);
  handler.bearer_token = token();
  handler.max_body_bytes = 64 << 20; /* uploads */
  if (e2b_handler_new(it->demo.client, &handler, &it->handler) != 0) return -1;
  e2b_web_options web;
  E2B_INIT(&web);
  web.listen = getenv("E2B_WEB_LISTEN");
  web.max_body_bytes = handler.max_body_bytes;
  web.files = files;
  web.files_count = FILES;
  if (e2b_web_start(it->demo.loop, it->handler, &web, &it->web, why, sizeof why) != 0) {
    fprintf(stderr, "%s\n", why);
    e2b_handler_release(it->handler);
    return -1;
  }
  printf("%s/#token=%s\n", e2b_web_url(it->web), handler.bearer_token);
  return 0;
}

int main(int argc, char **argv) {
  static app it;
  e2b_web_file_t files[FILES];
  char *data[FILES] = {NULL};
  int ok = argc == 3;
  if (!ok) fprintf(stderr, "usage: %s PAGE-DIRECTORY XTERM-DIRECTORY\n", argv[0]);
  for (size_t i = 0; ok && i < FILES; i++) {
    data[i] = read_file(argv[served[i].of_xterm ? 2 : 1], served[i].name, &files[i].len);
    files[i].path = served[i].path;
    files[i].content_type = served[i].type;
    files[i].data = data[i];
    ok = files[i].len > 0;
  }
  if (ok && demo_start(&it.demo, uv_default_loop()) == 0) {
    it.demo.on_close = on_close;
    it.demo.user_data = &it;
    ok = start(&it, files) == 0;
    if (ok) uv_run(it.demo.loop, UV_RUN_DEFAULT); /* until Ctrl-C */
    ok = demo_finish(&it.demo, ok);
  } else {
    ok = 1;
  }
  for (size_t i = 0; i < FILES; i++) {
    free(data[i]);
  }
  return ok;
}
