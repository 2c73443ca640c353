/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A curl multi on libuv. Rules that the order of things below keeps:
 *   - one uv_poll a socket, registered for the socket's whole life and closed before it;
 *   - a timer of 0 stays 0, and runs from the loop, never from curl's timer callback;
 *   - after every call into a multi its messages are read;
 *   - no multi is changed while a call into any of them is on the stack.
 *
 * curl 7.88 finds a socket in a table of 911 places, however many there are, and keeps no
 * connection alive while more than MAXCONNECTS are in use. So the first multi has all the short
 * exchanges, all that may become HTTP/2, whose connections are counted (origin.c), and a few long
 * streams over HTTP/1.1, each of which has a connection to itself; the many are in further ones. */

struct e2b__multi {
  e2b__list_t node; /* in http->multis */
  e2b__http_t *http;
  CURLM *curl;
  uv_timer_t timer; /* curl's */
  size_t streams;   /* long ones that it holds */
};

typedef struct e2b__poll {
  uv_poll_t handle; /* its data is the multi; once it is closing, the http */
  curl_socket_t fd;
  int events;  /* what curl wants; 0: nothing, and an event only means that the peer hung up */
  int watched; /* what libuv watches for */
  bool held;   /* its transfer is paused, and curl asks for more: see e2b__multi_hold() */
  e2b__connection_t connection;
} poll_ctx;

static poll_ctx *poll_ctx_of(void *handle) {
  return E2B__CONTAINER(handle, poll_ctx, handle);
}

static e2b__multi_t *multi_of(e2b__list_t *node) {
  return E2B__CONTAINER(node, e2b__multi_t, node);
}

/* --- what curl reports --- */

static inline void read_messages(e2b__multi_t *multi) {
  CURLMsg *message;
  int left;
  bool first = true;
  while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    e2b__exchange_t *exchange = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
    /* Of several that ended in one call nobody knows which the words are about. */
    e2b__exchange_curl_done(exchange, message->data.result,
                            first && left == 0 ? multi->http->why : "");
    first = false;
  }
}

void e2b__multis_read(e2b__http_t *http) {
  for (e2b__list_t *node = http->multis.next; node != &http->multis; node = node->next) {
    read_messages(multi_of(node));
  }
}

/* The multi ran out of memory in the middle of what it did: some transfer may have no socket or no
 * timer any more and would sit there until its clock runs out, and curl does not say which. So all
 * are run once more; who needs that too often is given up. */
static void run_all_again(e2b__multi_t *multi) {
  enum { PATIENCE = 3 };
  e2b__http_t *http = multi->http;
  e2b__list_t all, hopeless;
  e2b__list_init(&all);
  e2b__list_init(&hopeless);
  /* One by one: curl may bring what it holds of one, and its owner may cancel another. */
  e2b__list_move(&all, &http->exchanges);
  e2b__list_t *node;
  while ((node = e2b__list_take(&all)) != NULL) {
    e2b__exchange_t *exchange = E2B__CONTAINER(node, e2b__exchange_t, node);
    e2b__list_append(&http->exchanges, node);
    if (exchange->multi != multi || exchange->state != E2B__EXCHANGE_RUNNING) continue;
    if (exchange->paused || exchange->starved) continue;
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

static void socket_action(e2b__multi_t *multi, curl_socket_t fd, int events) {
  e2b__http_t *http = multi->http;
  int running;
  http->why[0] = '\0';
  http->in_curl++;
  const CURLMcode rc = curl_multi_socket_action(multi->curl, fd, events, &running);
  http->in_curl--;
  if (rc == CURLM_OUT_OF_MEMORY) run_all_again(multi);
  if (!e2b__list_empty(&http->ended)) {
    e2b__http_after_curl(http); /* of another multi, perhaps */
  } else if (!http->closing) {
    read_messages(multi);
  }
}

/* --- curl's timer --- */

static void on_timer(uv_timer_t *timer) {
  e2b__multi_t *multi = timer->data;
  socket_action(multi, CURL_SOCKET_TIMEOUT, 0);
  /* curl sets the next one in its callback, but not when it believes the old one still runs. */
  long timeout_ms = -1;
  curl_multi_timeout(multi->curl, &timeout_ms);
  if (timeout_ms >= 0 && !uv_is_active((uv_handle_t *)timer)) {
    uv_timer_start(timer, on_timer, (uint64_t)timeout_ms, 0);
  }
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *ctx) {
  (void)curl;
  e2b__multi_t *multi = ctx;
  if (multi->http->closing) return 0;
  if (timeout_ms < 0) {
    uv_timer_stop(&multi->timer);
  } else {
    uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
  return 0;
}

/* --- sockets --- */

static void on_poll(uv_poll_t *handle, int status, int events);

/* What is watched for already is left alone: libuv takes two system calls to begin anew. */
static int watch(poll_ctx *poll) {
  const int events = poll->held ? poll->events & ~UV_READABLE : poll->events;
  if (poll->watched == events) return 0;
  const int rc =
      events != 0 ? uv_poll_start(&poll->handle, events, on_poll) : uv_poll_stop(&poll->handle);
  poll->watched = rc == 0 ? events : 0;
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
  poll_ctx *poll = http->polls[fd];
  http->polls[fd] = NULL;
  e2b__connection_gone(&poll->connection);
  poll->handle.data = http; /* the multi may be gone sooner */
  uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

/* NULL: there is none, or it is another multi's, which closed its socket in silence. */
static poll_ctx *known_poll(const e2b__multi_t *multi, curl_socket_t fd) {
  const e2b__http_t *http = multi->http;
  poll_ctx *poll = (size_t)fd < http->polls_size ? http->polls[fd] : NULL;
  return poll != NULL && poll->handle.data == multi ? poll : NULL;
}

static poll_ctx *poll_of(e2b__multi_t *multi, curl_socket_t fd) {
  e2b__http_t *http = multi->http;
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
  poll_ctx *poll = known_poll(multi, fd);
  if (poll != NULL) return poll;
  forget_poll(http, fd);
  poll = e2b__calloc(1, sizeof *poll);
  if (poll == NULL) return NULL;
  if (uv_poll_init_socket(http->loop, &poll->handle, fd) != 0) {
    e2b__free(poll);
    return NULL;
  }
  uv_unref((uv_handle_t *)&poll->handle);
  poll->handle.data = multi;
  poll->fd = fd;
  e2b__list_init(&poll->connection.node);
  e2b__list_init(&poll->connection.doubt);
  e2b__list_init(&poll->connection.port_node);
  http->open_handles++;
  http->polls[at] = poll;
  return poll;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
  (void)socket_ctx;
  e2b__multi_t *multi = ctx;
  if (multi->http->closing) return 0;
  e2b__exchange_t *exchange = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&exchange);
  if (what == CURL_POLL_REMOVE) {
    poll_ctx *known = known_poll(multi, fd);
    /* Of a connection that did not come about (the slower of two addresses, a refusal) curl 7.88
     * closes the socket without telling: whatever has that number next is not ours. */
    if (known != NULL && (exchange == NULL || exchange->dialled) && fcntl(fd, F_GETFD) < 0) {
      forget_poll(multi->http, fd);
    } else if (known != NULL) {
      known->events = 0; /* it stays registered */
      known->held = false;
    }
    if (exchange != NULL) {
      /* Else it is the slower of two addresses. */
      if (exchange->fd == fd) exchange->fd = CURL_SOCKET_BAD;
      e2b__exchange_unwatched(exchange);
    }
    return 0;
  }
  poll_ctx *poll = poll_of(multi, fd);
  /* A transfer's has its watch already: this is one of curl's own (from 8.20 on it has one to wake
   * itself from other threads, of which there are none). It can do without, until it asks again. */
  if (poll == NULL) return 0;
  if (exchange != NULL) {
    exchange->fd = fd;
    if (exchange->counted) e2b__origin_socket_known(exchange, &poll->connection);
  }
  int events = 0;
  if (what & CURL_POLL_IN) events |= UV_READABLE;
  if (what & CURL_POLL_OUT) events |= UV_WRITABLE;
  poll->events = events;
  return watch(poll) == 0 ? 0 : -1;
}

/* libcurl 8.5.0 goes on asking for what a paused transfer's socket brings, and takes up to 64 MB of
 * it into memory (curl's issue 12632, mended in 8.6.0); it is not told that there is anything. Over
 * HTTP/2 the socket is others' too, and the stream's window holds the server up. */
void e2b__multi_hold(e2b__exchange_t *exchange) {
  if (!exchange->http->reads_when_paused || exchange->fd == CURL_SOCKET_BAD) return;
  poll_ctx *poll = known_poll(exchange->multi, exchange->fd);
  if (poll == NULL) return;
  long version = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_VERSION, &version);
  poll->held =
      exchange->paused && (version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1);
  watch(poll);
}

/* The watch of a socket is made here, where refusing costs one connection: a socket callback that
 * fails makes curl give up every transfer of the multi. */
int e2b__multi_socket_opened(e2b__multi_t *multi, curl_socket_t fd) {
  forget_poll(multi->http, fd); /* of a socket that was closed in silence */
  if (poll_of(multi, fd) == NULL) return CURL_SOCKOPT_ERROR;
  fcntl(fd, F_SETFD, FD_CLOEXEC); /* curl leaves it to us: not for the application's children */
  multi->http->stats.connections++;
  return CURL_SOCKOPT_OK;
}

int e2b__multi_socket_close(void *ctx, curl_socket_t fd) {
  e2b__http_t *http = ctx;
  forget_poll(http, fd);
  return close(fd);
}

e2b__connection_t *e2b__multi_connection(const e2b__exchange_t *exchange) {
  if (exchange->fd == CURL_SOCKET_BAD) return NULL;
  poll_ctx *poll = known_poll(exchange->multi, exchange->fd);
  return poll != NULL ? &poll->connection : NULL;
}

int e2b__connection_port(const e2b__connection_t *connection) {
  const poll_ctx *poll = E2B__CONTAINER(connection, poll_ctx, connection);
  struct sockaddr_storage name;
  socklen_t len = sizeof name;
  if (getsockname(poll->fd, (struct sockaddr *)&name, &len) != 0) return 0;
  if (name.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
  return name.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&name)->sin_port) : 0;
}

void e2b__exchange_cut_short(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  if (exchange->port == 0) return;
  e2b__list_t *list = &http->by_port[(size_t)exchange->port % E2B__COUNT(http->by_port)];
  for (e2b__list_t *node = list->next; node != list; node = node->next) {
    e2b__connection_t *connection = E2B__CONTAINER(node, e2b__connection_t, port_node);
    if (connection->port != exchange->port) continue;
    e2b__list_remove(&connection->doubt);
    e2b__list_append(&http->doubted, &connection->doubt);
    e2b__queue_push(http->queue, &http->settle);
  }
}

static bool hung_up(curl_socket_t fd) {
  char byte;
  const ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* When a server breaks the rules of HTTP/2, curl ends the transfer that has read it, and no other
 * of that connection: each would find out when it reads, but the socket has nothing more to tell.
 * So curl is told that it has: the next finds out, and puts the connection in doubt again. Of one
 * that is well curl finds nothing to read. One that nobody is left on curl keeps, dead or not,
 * until it is wanted again: by then many may have been let in for its sake. */
void e2b__multi_look_again(e2b__http_t *http) {
  e2b__list_t *node;
  while (http->in_curl == 0 && (node = e2b__list_take(&http->doubted)) != NULL) {
    e2b__connection_t *connection = E2B__CONTAINER(node, e2b__connection_t, doubt);
    poll_ctx *poll = E2B__CONTAINER(connection, poll_ctx, connection);
    if (poll->events != 0) {
      socket_action(poll->handle.data, poll->fd, CURL_CSELECT_IN);
    } else if (hung_up(poll->fd)) {
      e2b__connection_gone(connection);
    }
  }
}

/* --- life --- */

static bool is_first(const e2b__multi_t *multi) {
  return multi->http->multis.next == &multi->node;
}

/* curl keeps a connection alive only as long as there are fewer than this in all, also of those in
 * use: the first has short exchanges and as many streams, a further one its streams and as many
 * connections as are worth keeping. */
static CURLMcode set_most_connections(e2b__multi_t *multi) {
  const size_t few = multi->http->options.max_in_flight;
  return curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS,
                           (long)(few + (is_first(multi) ? few : multi->streams)));
}

static void set_streams(e2b__multi_t *multi, size_t streams) {
  const bool was_empty = multi->streams == 0;
  multi->streams = streams;
  if (is_first(multi)) return;
  if (was_empty) multi->http->multis_empty--;
  if (streams == 0) multi->http->multis_empty++;
  set_most_connections(multi);
}

static bool set_up(e2b__multi_t *multi) {
  return curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
         curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi) == CURLM_OK &&
         curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
         curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi) == CURLM_OK &&
         curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK &&
         set_most_connections(multi) == CURLM_OK;
}

e2b__multi_t *e2b__multi_new(e2b__http_t *http) {
  e2b__multi_t *multi = e2b__calloc(1, sizeof *multi);
  if (multi == NULL) return NULL;
  multi->http = http;
  multi->curl = curl_multi_init();
  e2b__list_append(&http->multis, &multi->node);
  if (multi->curl == NULL || !set_up(multi)) {
    e2b__list_remove(&multi->node);
    curl_multi_cleanup(multi->curl);
    e2b__free(multi);
    return NULL;
  }
  uv_timer_init(http->loop, &multi->timer);
  uv_unref((uv_handle_t *)&multi->timer);
  multi->timer.data = multi;
  http->open_handles++;
  return multi;
}

static void on_timer_closed(uv_handle_t *handle) {
  e2b__multi_t *multi = handle->data;
  e2b__http_t *http = multi->http;
  e2b__free(multi);
  e2b__http_handle_closed(http);
}

static void multi_close(e2b__multi_t *multi) {
  e2b__http_t *http = multi->http;
  e2b__list_remove(&multi->node);
  for (size_t fd = 0; fd < http->polls_size; fd++) {
    if (known_poll(multi, (curl_socket_t)fd) != NULL) forget_poll(http, (curl_socket_t)fd);
  }
  curl_multi_cleanup(multi->curl); /* closes the connections */
  uv_close((uv_handle_t *)&multi->timer, on_timer_closed);
}

void e2b__multis_close(e2b__http_t *http) {
  while (!e2b__list_empty(&http->multis)) {
    multi_close(multi_of(http->multis.next));
  }
}

void e2b__multis_close_empty(e2b__http_t *http) {
  /* All but one: the next stream may come soon, and find a connection there. */
  e2b__list_t *node = http->multis.prev;
  while (http->multis_empty > 1) {
    e2b__multi_t *multi = multi_of(node);
    node = node->prev;
    if (multi->streams > 0) continue;
    http->multis_empty--;
    multi_close(multi);
  }
}

CURLM *e2b__multi_first(const e2b__http_t *http) {
  return multi_of(http->multis.next)->curl;
}

/* The first that has room, so that the last ones become empty when streams end. */
static e2b__multi_t *find_room(const e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  e2b__multi_t *first = multi_of(http->multis.next);
  if (!exchange->request.stream || !e2b__origin_is_http1(exchange)) return first;
  if (first->streams < http->options.max_in_flight) return first;
  for (e2b__list_t *node = first->node.next; node != &http->multis; node = node->next) {
    if (multi_of(node)->streams < http->streams_a_multi) return multi_of(node);
  }
  e2b__multi_t *further = e2b__multi_new(http);
  if (further == NULL) return first; /* which holds as many as there are, at a price */
  http->multis_empty++;
  return further;
}

int e2b__multi_add(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  e2b__multi_t *multi = exchange->multi = find_room(exchange);
  if (exchange->request.stream) set_streams(multi, multi->streams + 1);
  http->in_curl++;
  const CURLMcode rc = curl_multi_add_handle(multi->curl, exchange->easy);
  http->in_curl--;
  return rc == CURLM_OK ? 0 : E2B_ENOMEM;
}

void e2b__multi_remove(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  e2b__multi_t *multi = exchange->multi;
  if (multi == NULL) return;
  assert(http->in_curl == 0);
  /* The socket callbacks may come from here. */
  http->in_curl++;
  curl_multi_remove_handle(multi->curl, exchange->easy);
  http->in_curl--;
  if (exchange->request.stream) set_streams(multi, multi->streams - 1);
  exchange->multi = NULL;
}
