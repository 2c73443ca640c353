/* SPDX-License-Identifier: MIT */
#include "floor.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct floor_state {
  uv_loop_t *loop;
  CURLM *multi;
  uv_timer_t timer;
  uv_poll_t *polls[1024]; /* by descriptor */
  unsigned left;
  unsigned running;
  unsigned failed;
} floor_state;

static void after(floor_state *state);

static void on_timer(uv_timer_t *timer) {
  floor_state *state = timer->data;
  int running;
  curl_multi_socket_action(state->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  after(state);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx) {
  floor_state *state = ctx;
  (void)multi;
  if (timeout_ms < 0) return uv_timer_stop(&state->timer);
  return uv_timer_start(&state->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  floor_state *state = poll->data;
  int fd = 0;
  int running;
  uv_fileno((uv_handle_t *)poll, &fd);
  int flags = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  curl_multi_socket_action(state->multi, fd, flags, &running);
  after(state);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
  floor_state *state = ctx;
  (void)easy;
  (void)socket_ctx;
  if (fd < 0 || fd >= 1024 || what == CURL_POLL_REMOVE) return 0;
  if (state->polls[fd] == NULL) {
    state->polls[fd] = calloc(1, sizeof(uv_poll_t));
    if (state->polls[fd] == NULL || uv_poll_init(state->loop, state->polls[fd], fd) != 0) return -1;
    state->polls[fd]->data = state;
  }
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  return uv_poll_start(state->polls[fd], events, on_poll);
}

static int on_close_socket(void *ctx, curl_socket_t fd) {
  floor_state *state = ctx;
  if (fd >= 0 && fd < 1024 && state->polls[fd] != NULL) {
    uv_close((uv_handle_t *)state->polls[fd], (uv_close_cb)free);
    state->polls[fd] = NULL;
  }
  return close(fd);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)data;
  (void)ctx;
  return size * count;
}

static void start(floor_state *state, CURL *easy) {
  state->left--;
  state->running++;
  curl_multi_add_handle(state->multi, easy);
}

static void after(floor_state *state) {
  CURLMsg *message;
  int queued;
  while ((message = curl_multi_info_read(state->multi, &queued)) != NULL) {
    CURL *easy = message->easy_handle;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (message->data.result != CURLE_OK || status != 200) state->failed++;
    curl_multi_remove_handle(state->multi, easy);
    state->running--;
    if (state->left > 0) start(state, easy);
  }
}

unsigned floor_run(uv_loop_t *loop, const char *url, const char *api_key, unsigned count,
                   unsigned in_flight) {
  static floor_state state;
  char header[256];
  CURL *easies[1024];
  state = (floor_state){.loop = loop, .left = count};
  snprintf(header, sizeof header, "X-API-KEY: %s", api_key);
  struct curl_slist *headers = curl_slist_append(NULL, header);
  state.multi = curl_multi_init();
  uv_timer_init(loop, &state.timer);
  state.timer.data = &state;
  curl_multi_setopt(state.multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
  curl_multi_setopt(state.multi, CURLMOPT_SOCKETDATA, &state);
  curl_multi_setopt(state.multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
  curl_multi_setopt(state.multi, CURLMOPT_TIMERDATA, &state);
  curl_multi_setopt(state.multi, CURLMOPT_MAXCONNECTS, (long)in_flight * 2);
  for (unsigned i = 0; i < in_flight; i++) {
    easies[i] = curl_easy_init();
    curl_easy_setopt(easies[i], CURLOPT_URL, url);
    curl_easy_setopt(easies[i], CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easies[i], CURLOPT_PROXY, "");
    curl_easy_setopt(easies[i], CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easies[i], CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easies[i], CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(easies[i], CURLOPT_CLOSESOCKETDATA, &state);
    if (state.left > 0) start(&state, easies[i]);
  }
  while (state.running > 0) {
    uv_run(loop, UV_RUN_ONCE);
  }
  for (unsigned i = 0; i < in_flight; i++) {
    curl_easy_cleanup(easies[i]);
  }
  curl_multi_cleanup(state.multi);
  uv_close((uv_handle_t *)&state.timer, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  curl_slist_free_all(headers);
  return state.failed;
}
