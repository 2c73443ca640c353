/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* curl's multi on libuv. Rules that the order of things below keeps:
 *   - one uv_poll a socket, registered for the socket's whole life and closed before it;
 *   - a timer of 0 stays 0, and runs from the loop, never from curl's timer callback;
 *   - after every call into the multi its messages are read;
 *   - the multi is changed only when no call into it is on the stack. */

typedef struct e2b__poll {
  uv_poll_t handle; /* its data is the http */
  curl_socket_t fd;
  int events;  /* what curl wants; 0: nothing, and an event only means that the peer hung up */
  int watched; /* what libuv watches for */
} poll_ctx;

static poll_ctx *poll_ctx_of(void *handle) {
  return E2B__CONTAINER(handle, poll_ctx, handle);
}

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

static void read_messages(e2b__http_t *http) {
  CURLMsg *message;
  int left;
  bool first = true;
  while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    e2b__exchange_t *exchange = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
    /* Of several that ended in one call nobody knows which the words are about. */
    e2b__exchange_curl_done(exchange, message->data.result, first && left == 0 ? http->why : "");
    first = false;
  }
}

/* Everything that had to wait while curl was on the stack. */
void e2b__http_after_curl(e2b__http_t *http) {
  if (http->in_curl > 0 || http->closing) return;
  e2b__list_t *node;
  while ((node = e2b__list_take(&http->ended)) != NULL) {
    e2b__exchange_discard(E2B__CONTAINER(node, e2b__exchange_t, node));
  }
  read_messages(http);
}

static void on_settle(e2b__task_t *task) {
  e2b__http_t *http = E2B__CONTAINER(task, e2b__http_t, settle);
  e2b__http_after_curl(http);
  if (!http->closing) e2b__http_admit(http);
}

/* The multi ran out of memory in the middle of what it did: some transfer may have no socket or no
 * timer any more and would sit there until its clock runs out, and curl does not say which. So all
 * are run once more; who needs that too often is given up. */
static void run_all_again(e2b__http_t *http) {
  enum { PATIENCE = 3 };
  e2b__list_t all, hopeless;
  e2b__list_init(&all);
  e2b__list_init(&hopeless);
  /* One by one: curl may bring what it holds of one, and its owner may cancel another. */
  e2b__list_move(&all, &http->exchanges);
  e2b__list_t *node;
  while ((node = e2b__list_take(&all)) != NULL) {
    e2b__exchange_t *exchange = E2B__CONTAINER(node, e2b__exchange_t, node);
    e2b__list_append(&http->exchanges, node);
    if (exchange->state != E2B__EXCHANGE_RUNNING || exchange->paused || exchange->starved) continue;
    if (exchange->runs_again++ < PATIENCE) {
      /* Only a change makes curl look at it. */
      http->in_curl++;
      curl_easy_pause(exchange->easy, CURLPAUSE_RECV);
      curl_easy_pause(exchange->easy, CURLPAUSE_CONT);
      http->in_curl--;
    } else {
      e2b__list_remove(&exchange->node);
      e2b__list_append(&hopeless, &exchange->node);
    }
  }
  while ((node = e2b__list_take(&hopeless)) != NULL) {
    e2b__list_append(&http->exchanges, node);
    e2b__exchange_fail(E2B__CONTAINER(node, e2b__exchange_t, node), E2B_ENOMEM, E2B_CLOCK_NONE,
                       NULL);
  }
}

static void socket_action(e2b__http_t *http, curl_socket_t fd, int events) {
  int running;
  http->why[0] = '\0';
  http->in_curl++;
  const CURLMcode rc = curl_multi_socket_action(http->multi, fd, events, &running);
  http->in_curl--;
  if (rc == CURLM_OUT_OF_MEMORY) run_all_again(http);
  e2b__http_after_curl(http);
}

static void on_timer(uv_timer_t *timer) {
  e2b__http_t *http = timer->data;
  socket_action(http, CURL_SOCKET_TIMEOUT, 0);
  /* curl sets the next one in its callback, but not when it believes the old one still runs. */
  long timeout_ms = -1;
  curl_multi_timeout(http->multi, &timeout_ms);
  if (timeout_ms >= 0 && !uv_is_active((uv_handle_t *)timer)) {
    uv_timer_start(timer, on_timer, (uint64_t)timeout_ms, 0);
  }
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

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx) {
  (void)multi;
  e2b__http_t *http = ctx;
  if (http->closing) return 0;
  if (timeout_ms < 0) {
    uv_timer_stop(&http->timer);
  } else {
    uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
  return 0;
}

static void on_poll(uv_poll_t *handle, int status, int events);

/* What is watched for already is left alone: libuv takes two system calls to begin anew. */
static int watch(poll_ctx *poll) {
  if (poll->watched == poll->events) return 0;
  const int rc = poll->events != 0 ? uv_poll_start(&poll->handle, poll->events, on_poll)
                                   : uv_poll_stop(&poll->handle);
  poll->watched = rc == 0 ? poll->events : 0;
  return rc;
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  poll_ctx *poll = poll_ctx_of(handle);
  if (status < 0) poll->watched = 0; /* libuv has stopped */
  if (poll->events == 0) {
    watch(poll); /* curl finds out when it looks at the connection again */
    return;
  }
  int flags = 0;
  if (status < 0) {
    /* What came before the reset is still there to be read; curl finds the error behind it. */
    flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (watch(poll) != 0) flags = CURL_CSELECT_ERR;
  }
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  socket_action(handle->data, poll->fd, flags);
}

static void on_poll_closed(uv_handle_t *handle) {
  e2b__http_t *http = handle->data;
  e2b__free(poll_ctx_of(handle));
  e2b__http_handle_closed(http);
}

static void forget_poll(e2b__http_t *http, curl_socket_t fd) {
  if ((size_t)fd >= http->polls_size || http->polls[fd] == NULL) return;
  uv_close((uv_handle_t *)&http->polls[fd]->handle, on_poll_closed);
  http->polls[fd] = NULL;
}

static poll_ctx *poll_of(e2b__http_t *http, curl_socket_t fd) {
  const size_t at = (size_t)fd;
  if (at >= http->polls_size) {
    size_t size = http->polls_size > 0 ? http->polls_size : 64;
    while (size <= at) {
      size *= 2;
    }
    struct e2b__poll **polls = e2b__realloc(http->polls, size * sizeof(*polls));
    if (polls == NULL) return NULL;
    memset(polls + http->polls_size, 0, (size - http->polls_size) * sizeof(*polls));
    http->polls = polls;
    http->polls_size = size;
  }
  if (http->polls[at] != NULL) return http->polls[at];
  poll_ctx *poll = e2b__calloc(1, sizeof *poll);
  if (poll == NULL) return NULL;
  if (uv_poll_init_socket(http->loop, &poll->handle, fd) != 0) {
    e2b__free(poll);
    return NULL;
  }
  uv_unref((uv_handle_t *)&poll->handle);
  poll->handle.data = http;
  poll->fd = fd;
  http->open_handles++;
  http->polls[at] = poll;
  return poll;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
  (void)socket_ctx;
  e2b__http_t *http = ctx;
  if (http->closing) return 0;
  if (what == CURL_POLL_REMOVE) {
    e2b__exchange_t *exchange = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&exchange);
    /* Of a connection that did not come about (the slower of two addresses, a refusal) curl 7.88
     * closes the socket without telling: whatever has that number next is not ours. */
    if ((exchange == NULL || exchange->dialled) && fcntl(fd, F_GETFD) < 0) {
      forget_poll(http, fd);
    } else if ((size_t)fd < http->polls_size && http->polls[fd] != NULL) {
      http->polls[fd]->events = 0; /* it stays registered */
    }
    if (exchange != NULL) e2b__exchange_unwatched(exchange);
    return 0;
  }
  poll_ctx *poll = poll_of(http, fd);
  /* A transfer's has its watch already: this is one of curl's own (from 8.20 on it has one to wake
   * itself from other threads, of which there are none). It can do without, until it asks again. */
  if (poll == NULL) return 0;
  int events = 0;
  if (what & CURL_POLL_IN) events |= UV_READABLE;
  if (what & CURL_POLL_OUT) events |= UV_WRITABLE;
  poll->events = events;
  return watch(poll) == 0 ? 0 : -1;
}

/* The watch of a socket is made here, where refusing costs one connection: a socket callback that
 * fails makes curl give up every transfer of the multi. */
int e2b__http_socket_opened(e2b__http_t *http, curl_socket_t fd) {
  forget_poll(http, fd); /* of a socket that was closed in silence */
  if (poll_of(http, fd) == NULL) return CURL_SOCKOPT_ERROR;
  fcntl(fd, F_SETFD, FD_CLOEXEC); /* curl leaves it to us: not for the application's children */
  http->stats.connections++;
  return CURL_SOCKOPT_OK;
}

int e2b__http_socket_close(void *ctx, curl_socket_t fd) {
  e2b__http_t *http = ctx;
  forget_poll(http, fd);
  return close(fd);
}

static bool multi_init(e2b__http_t *http) {
  http->multi = curl_multi_init();
  http->share = curl_share_init();
  if (http->multi == NULL || http->share == NULL) return false;
  /* Each handle would have room for eight sessions of its own, and none of another handle's. */
  curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  return curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
         curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
         curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
         curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
         curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK &&
         curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                           (long)http->options.max_in_flight * 2) == CURLM_OK;
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
  e2b__list_init(&http->exchanges);
  e2b__list_init(&http->idle);
  e2b__list_init(&http->ended);
  e2b__list_init(&http->runnable);
  e2b__task_init(&http->settle, on_settle);
  if (!find_proxy(http) || !multi_init(http)) {
    curl_multi_cleanup(http->multi);
    curl_share_cleanup(http->share);
    e2b__free(http->proxy_host);
    e2b__free(http);
    return NULL;
  }
  uv_timer_init(loop, &http->timer);
  uv_unref((uv_handle_t *)&http->timer);
  http->timer.data = http;
  uv_timer_init(loop, &http->clocks_timer);
  uv_unref((uv_handle_t *)&http->clocks_timer);
  http->clocks_timer.data = http;
  e2b__wheel_init(&http->clocks, uv_now(loop));
  http->clocks_ring_ms = UINT64_MAX;
  http->open_handles = 2; /* the timers */
  return http;
}

static void on_timer_closed(uv_handle_t *handle) {
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
  curl_multi_cleanup(http->multi); /* closes the connections, and with them the polls */
  curl_share_cleanup(http->share);
  for (size_t fd = 0; fd < http->polls_size; fd++) {
    if (http->polls[fd] != NULL) uv_close((uv_handle_t *)&http->polls[fd]->handle, on_poll_closed);
  }
  uv_close((uv_handle_t *)&http->timer, on_timer_closed);
  uv_close((uv_handle_t *)&http->clocks_timer, on_timer_closed);
}

void e2b__http_get_stats(const e2b__http_t *http, e2b__http_stats_t *stats) {
  *stats = http->stats;
}
