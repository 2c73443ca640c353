/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

#include <assert.h>
#include <stdlib.h>

/* Little more than one a place of curl's table of sockets. */
enum { STREAMS_A_MULTI = 1000 };

void e2b__http_handle_closed(e2b__http_t *http) {
  if (--http->open_handles > 0 || !http->closing) return;
  void (*closed)(void *ctx) = http->closed;
  void *ctx = http->closed_ctx;
  e2b__free(http->polls);
  e2b__free(http->proxy_host);
  e2b__buffer_free(&http->spare_body);
  e2b__free(http);
  closed(ctx);
}

/* Everything that had to wait while curl was on the stack. */
void e2b__http_after_curl(e2b__http_t *http) {
  if (http->in_curl > 0 || http->closing) return;
  e2b__list_t *node;
  while ((node = e2b__list_take(&http->ended)) != NULL) {
    e2b__exchange_discard(E2B__CONTAINER(node, e2b__exchange_t, node));
  }
  e2b__multis_read(http);
}

static void on_settle(e2b__task_t *task) {
  e2b__http_t *http = E2B__CONTAINER(task, e2b__http_t, settle);
  e2b__http_after_curl(http);
  if (http->closing) return;
  e2b__multi_look_again(http);
  if (http->multis_empty > 1) e2b__multis_close_empty(http);
  e2b__http_admit(http);
}

/* --- the exchanges' clocks --- */

static void watch_clocks(e2b__http_t *http);

static void on_clocks(uv_timer_t *timer) {
  e2b__http_t *http = timer->data;
  e2b__clock_t *clock;
  http->clocks_ring_ms = UINT64_MAX;
  while ((clock = e2b__wheel_take(&http->clocks, uv_now(http->loop))) != NULL) {
    e2b__exchange_clock_rang(E2B__CONTAINER(clock, e2b__exchange_t, clock));
  }
  watch_clocks(http);
}

static void watch_clocks(e2b__http_t *http) {
  const uint64_t now = uv_now(http->loop);
  const uint64_t next = http->clocks.next_ms;
  if (next >= http->clocks_ring_ms) return;
  http->clocks_ring_ms = next;
  uv_timer_start(&http->clocks_timer, on_clocks, next > now ? next - now : 0, 0);
}

void e2b__http_set_clock(e2b__http_t *http, e2b__clock_t *clock, uint64_t due_ms) {
  e2b__wheel_set(&http->clocks, uv_now(http->loop), clock, due_ms);
  watch_clocks(http);
}

static bool share_init(e2b__http_t *http) {
  http->share = curl_share_init();
  /* Each handle would have room for eight sessions of its own, and none of another handle's; each
   * multi would have to be told the addresses. */
  return http->share != NULL &&
         curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
             CURLSHE_OK &&
         curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK;
}

/* The proxy's own name, since it is what has to be resolved. A URL that makes no sense is left for
 * curl to complain about, when it is used. */
static bool find_proxy(e2b__http_t *http) {
  if (http->options.proxy == NULL) return true;
  CURLU *url = curl_url();
  char *scheme = NULL;
  char *host = NULL;
  char *port = NULL;
  bool ok = url != NULL;
  if (ok &&
      curl_url_set(url, CURLUPART_URL, http->options.proxy,
                   CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    if (curl_url_get(url, CURLUPART_PORT, &port, 0) != CURLUE_OK) port = NULL;
    const uint16_t usual = strcmp(scheme, "https") == 0 ? 443 : 1080; /* curl's, for proxies */
    const size_t len = strlen(host);
    http->proxy_host =
        host[0] == '[' && len > 2 ? e2b__strndup(host + 1, len - 2) : e2b__strdup(host);
    http->proxy_port = port != NULL ? (uint16_t)strtoul(port, NULL, 10) : usual;
    ok = http->proxy_host != NULL;
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(url);
  return ok;
}

e2b__http_t *e2b__http_new(uv_loop_t *loop, e2b__queue_t *queue, e2b__alive_t *alive,
                           const e2b__log_t *log, const e2b__http_options_t *options) {
  e2b__http_t *http = e2b__calloc(1, sizeof *http);
  if (http == NULL) return NULL;
  http->loop = loop;
  http->queue = queue;
  http->alive = alive;
  http->log = log;
  http->options = *options;
  http->reads_when_paused = curl_version_info(CURLVERSION_NOW)->version_num == 0x080500;
  http->streams_a_multi = STREAMS_A_MULTI;
  e2b__list_init(&http->multis);
  e2b__list_init(&http->exchanges);
  e2b__list_init(&http->idle);
  e2b__list_init(&http->ended);
  e2b__list_init(&http->doubted);
  for (size_t i = 0; i < E2B__COUNT(http->by_port); i++) {
    e2b__list_init(&http->by_port[i]);
  }
  e2b__list_init(&http->runnable);
  e2b__task_init(&http->settle, on_settle);
  if (!find_proxy(http) || !share_init(http) || e2b__multi_new(http) == NULL) {
    curl_share_cleanup(http->share);
    e2b__free(http->proxy_host);
    e2b__free(http);
    return NULL;
  }
  uv_timer_init(loop, &http->clocks_timer);
  uv_unref((uv_handle_t *)&http->clocks_timer);
  http->clocks_timer.data = http;
  e2b__wheel_init(&http->clocks, uv_now(loop));
  http->clocks_ring_ms = UINT64_MAX;
  http->open_handles++;
  return http;
}

static void on_clocks_closed(uv_handle_t *handle) {
  e2b__http_handle_closed(handle->data);
}

void e2b__http_close(e2b__http_t *http, void (*closed)(void *ctx), void *ctx) {
  assert(http->in_curl == 0);
  http->closed = closed;
  http->closed_ctx = ctx;
  e2b__list_move(&http->exchanges, &http->ended); /* both lists in one */
  e2b__list_t *node;
  while ((node = e2b__list_take(&http->exchanges)) != NULL) {
    e2b__exchange_discard(E2B__CONTAINER(node, e2b__exchange_t, node));
  }
  http->closing = true;
  while ((node = e2b__list_take(&http->idle)) != NULL) {
    e2b__exchange_free_idle(E2B__CONTAINER(node, e2b__exchange_t, node));
  }
  e2b__easies_free(http);
  e2b__queue_cancel(&http->settle);
  e2b__origins_free(http);
  e2b__multis_close(http);
  curl_share_cleanup(http->share);
  uv_close((uv_handle_t *)&http->clocks_timer, on_clocks_closed);
}

void e2b__http_get_stats(const e2b__http_t *http, e2b__http_stats_t *stats) {
  *stats = http->stats;
}
