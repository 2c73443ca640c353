/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the server ---- */

static const char *python_dir(void) {
  const char *dir = getenv("E2B_HOST_PYTHON");
  if (dir == NULL || dir[0] == '\0') dir = E2B_DEMO_PYTHON;
  return access(dir, X_OK) == 0 ? dir : NULL;
}

static int start_host(demo_t *demo) {
  e2b_host_options options;
  char why[1024] = "";

  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.python_dir = python_dir();
  int rc = e2b_host_start(demo->loop, &options, &demo->host, why, sizeof why);
  if (rc == E2B_ESYSTEM) {
    why[strcspn(why, "\n")] = '\0';
    char *end = strstr(why, ". "); /* what follows is advice */
    if (end != NULL) *end = '\0';
    fprintf(stderr, "note: %s; the demo goes on without, as it runs its own code only\n", why);
    options.no_isolation = demo->unisolated = 1;
    rc = e2b_host_start(demo->loop, &options, &demo->host, why, sizeof why);
  }
  if (rc == 0) return 0;
  fprintf(stderr, "the local host does not start: %s: %s\n", e2b_code_text(rc), why);
  return -1;
}

static void on_ctrl_c(uv_signal_t *handle, int signal_number) {
  demo_t *demo = handle->data;
  (void)signal_number;
  fprintf(stderr, "\nstopping%s\n",
          demo->host != NULL ? "" : "; a sandbox that is left ends at its timeout");
  demo->interrupted = 1;
  demo_close(demo);
}

int demo_start(demo_t *demo, uv_loop_t *loop) {
  const char *key = getenv("E2B_API_KEY"), *url = getenv("E2B_API_URL");
  e2b_client_options options;

  memset(demo, 0, sizeof *demo);
  demo->loop = loop;
  setvbuf(stdout, NULL, _IOLBF, 0);
  uv_signal_init(loop, &demo->ctrl_c);
  uv_signal_start(&demo->ctrl_c, on_ctrl_c, SIGINT);
  uv_unref((uv_handle_t *)&demo->ctrl_c);
  demo->ctrl_c.data = demo;

  E2B_INIT(&options);
  if ((key == NULL || key[0] == '\0') && (url == NULL || url[0] == '\0')) {
    if (start_host(demo) != 0) return -1;
    options.api_key = e2b_host_api_key(demo->host);
    options.api_url = options.sandbox_url = e2b_host_url(demo->host);
  }
  demo->client = e2b_client_new(loop, &options);
  if (demo->client == NULL) fprintf(stderr, "no memory for a client\n");
  return demo->client != NULL ? 0 : -1;
}

/* ---- the end: first the client, then the host that it may still talk to ---- */

static void on_closed(void *user_data) {
  demo_t *demo = user_data;
  demo->waiting_for--;
}

static void on_client_closed(void *user_data) {
  demo_t *demo = user_data;
  demo->waiting_for--;
  demo->client = NULL;
  if (demo->host == NULL) return;
  demo->waiting_for++;
  e2b_host_close(demo->host, on_closed, demo);
  demo->host = NULL;
}

void demo_close(demo_t *demo) {
  if (demo->closing) return;
  demo->closing = 1;
  if (demo->on_close != NULL) demo->on_close(demo->user_data);
  uv_close((uv_handle_t *)&demo->ctrl_c, NULL);
  demo->waiting_for++;
  if (demo->client != NULL)
    e2b_client_close(demo->client, on_client_closed, demo);
  else
    on_client_closed(demo);
}

int demo_finish(demo_t *demo, int ok) {
  demo_close(demo);
  while (demo->waiting_for > 0 && uv_run(demo->loop, UV_RUN_ONCE) != 0)
    continue;
  uv_run(demo->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(demo->loop) != 0) {
    fprintf(stderr, "something was left open on the loop\n");
    return 1;
  }
  if (demo->interrupted) return 130;
  return ok ? 0 : 1;
}

/* ---- futures ---- */

int demo_failed(const e2b_future_t *future) {
  const e2b_error_t *error = e2b_future_error(future);
  if (error == NULL) return 0;
  if (error->code != E2B_ECLOSED) /* closing is what ends the demo */
    fprintf(stderr, "%s: %s\n%s%s", error->operation, error->message, error->detail,
            error->detail[0] != '\0' ? "\n" : "");
  return 1;
}

e2b_future_t *demo_await(e2b_future_t *future) {
  if (e2b_future_await(future, E2B_NO_TIMEOUT) == 0) return future;
  demo_failed(future);
  e2b_future_release(future);
  return NULL;
}

void demo_destroy(const demo_t *demo, e2b_sandbox_t *sandbox) {
  if (sandbox == NULL) return;
  if (!demo->closing) e2b_future_release(demo_await(e2b_sandbox_kill(sandbox)));
  e2b_sandbox_release(sandbox);
}

/* ---- paths ---- */

const char *demo_path(const demo_t *demo, const char *path) {
  return demo->unisolated && path[0] == '/' ? path + 1 : path;
}

void demo_relocate(const demo_t *demo, char *text, const char *folder) {
  if (!demo->unisolated) return;
  while ((text = strstr(text, folder)) != NULL)
    memmove(text, text + 1, strlen(text));
}
