/* SPDX-License-Identifier: MIT */
#include "multi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct multi_poll {
  uv_poll_t handle;
  int events; /* what is watched for */
};

static void read_messages(multi_t *multi) {
  CURLMsg *message;
  int queued;
  while ((message = curl_multi_info_read(multi->curl, &queued)) != NULL) {
    CURL *easy = message->easy_handle;
    const CURLcode result = message->data.result;
    curl_multi_remove_handle(multi->curl, easy);
    multi->on_done(easy, result);
    if (*multi->left == 0) uv_stop(&multi->loop); /* it would wait for an event otherwise */
  }
}

static void on_timer(uv_timer_t *timer) {
  multi_t *multi = timer->data;
  int running;
  long timeout_ms = -1;
  curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
  read_messages(multi);
  curl_multi_timeout(multi->curl, &timeout_ms);
  if (timeout_ms >= 0 && !uv_is_active((uv_handle_t *)timer)) {
    uv_timer_start(timer, on_timer, (uint64_t)timeout_ms, 0);
  }
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *ctx) {
  multi_t *multi = ctx;
  (void)curl;
  if (timeout_ms < 0) return uv_timer_stop(&multi->timer);
  return uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  multi_t *multi = poll->data;
  int fd = 0;
  int running;
  uv_fileno((uv_handle_t *)poll, &fd);
  int flags = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  curl_multi_socket_action(multi->curl, fd, flags, &running);
  read_messages(multi);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
  multi_t *multi = ctx;
  (void)easy;
  (void)socket_ctx;
  if (what == CURL_POLL_REMOVE) return 0;
  if ((size_t)fd >= multi->polls_size) {
    const size_t size = (size_t)fd * 2 + 64;
    multi->polls = realloc(multi->polls, size * sizeof(*multi->polls));
    if (multi->polls == NULL) bench_die("out of memory");
    memset(multi->polls + multi->polls_size, 0, (size - multi->polls_size) * sizeof(*multi->polls));
    multi->polls_size = size;
  }
  if (multi->polls[fd] == NULL) {
    multi->polls[fd] = calloc(1, sizeof(*multi->polls[fd]));
    if (multi->polls[fd] == NULL ||
        uv_poll_init(&multi->loop, &multi->polls[fd]->handle, fd) != 0) {
      bench_die("a socket cannot be watched");
    }
    multi->polls[fd]->handle.data = multi;
  }
  const int events =
      (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  if (multi->polls[fd]->events == events) return 0; /* libuv would begin anew, two system calls */
  multi->polls[fd]->events = events;
  return uv_poll_start(&multi->polls[fd]->handle, events, on_poll);
}

static int on_close_socket(void *ctx, curl_socket_t fd) {
  multi_t *multi = ctx;
  if ((size_t)fd < multi->polls_size && multi->polls[fd] != NULL) {
    uv_close((uv_handle_t *)&multi->polls[fd]->handle, (uv_close_cb)free);
    multi->polls[fd] = NULL;
  }
  return close(fd);
}

void multi_init(multi_t *multi, long max_connections, void (*on_done)(CURL *, CURLcode)) {
  memset(multi, 0, sizeof *multi);
  multi->on_done = on_done;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  uv_loop_init(&multi->loop);
  uv_timer_init(&multi->loop, &multi->timer);
  multi->timer.data = multi;
  multi->curl = curl_multi_init();
  curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
  curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
  curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer);
  curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
  curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, max_connections);
}

CURL *multi_easy(multi_t *multi, const char *url, struct curl_slist *headers) {
  CURL *easy = curl_easy_init();
  if (easy == NULL) bench_die("out of memory");
  CURLU *parsed = curl_url();
  if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK) {
    bench_die("out of memory");
  }
  curl_easy_setopt(easy, CURLOPT_CURLU, parsed);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
  if (strncmp(url, "https:", 6) == 0) {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, bench_env("SSL_CERT_FILE"));
  }
  return easy;
}

void multi_run(multi_t *multi, const unsigned *left) {
  multi->left = left;
  if (*left > 0) uv_run(&multi->loop, UV_RUN_DEFAULT);
}

struct curl_slist *multi_api_headers(void) {
  char line[256];
  snprintf(line, sizeof line, "X-API-KEY: %s", bench_env("E2B_API_KEY"));
  struct curl_slist *list = curl_slist_append(NULL, line);
  list = curl_slist_append(list, "Accept: application/json");
  return curl_slist_append(list, "User-Agent: floor/1");
}

struct curl_slist *multi_stream_headers(void) {
  struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/connect+proto");
  list = curl_slist_append(list, "Connect-Protocol-Version: 1");
  list = curl_slist_append(list, "E2b-Sandbox-Id: i1a2b3c4d5e6f7g8h9j0k");
  list = curl_slist_append(list, "E2b-Sandbox-Port: 49983");
  list = curl_slist_append(list, "X-Access-Token: ea_0123456789abcdef0123456789abcdef");
  list = curl_slist_append(list, "Keepalive-Ping-Interval: 50");
  list = curl_slist_append(list, "User-Agent: floor/1");
  return curl_slist_append(list, "Expect:");
}

size_t multi_start_body(const char *line, char *body, size_t size) {
  const size_t len = strlen(line);
  if (len > 100 || size < len + 9) bench_die("a command is too long");
  /* StartRequest { process: ProcessConfig { cmd: line } } behind flags and a length */
  const char prefix[] = {0, 0, 0, 0, (char)(len + 4), 0x0a, (char)(len + 2), 0x0a, (char)len};
  memcpy(body, prefix, sizeof prefix);
  memcpy(body + sizeof prefix, line, len);
  return sizeof prefix + len;
}
