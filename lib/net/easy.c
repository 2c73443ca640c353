/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

/* An exchange as curl sees it: what curl is told, and what it calls back with. */

enum { SMALL_BUFFER = 16 * 1024 };

/* --- curl's callbacks --- */

/* A stream that has begun keeps no room for what curl may say when it breaks, nor for a request
 * that is out: there may be thousands, and idle. */
static void give_room_back(e2b__exchange_t *exchange) {
  const e2b__http_request_t *request = &exchange->request;
  curl_easy_setopt(exchange->easy, CURLOPT_ERRORBUFFER, exchange->http->why);
  e2b__free(exchange->why);
  exchange->why = NULL;
  curl_off_t sent = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  if (request->source != NULL || (uint64_t)sent != request->body_len) return;
  /* Whoever sets its size has curl drop the buffer, which 7.88 has for each handle, to the end. */
  curl_easy_setopt(exchange->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SMALL_BUFFER);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
  (void)size; /* is 1 */
  e2b__exchange_t *exchange = ctx;
  if (exchange->state != E2B__EXCHANGE_RUNNING) return CURL_WRITEFUNC_ERROR;
  if (exchange->paused) {
    e2b__multi_hold(exchange);
    return CURL_WRITEFUNC_PAUSE; /* curl keeps it and brings it again */
  }
  const bool first = !exchange->got_body;
  exchange->got_body = true;
  exchange->http->stats.received += count;
  e2b__exchange_touch(exchange);
  if (first) {
    e2b__origin_learn_version(exchange);
    if (exchange->request.first_event_ms != 0) e2b__exchange_arm(exchange);
    if (exchange->request.stream) give_room_back(exchange);
  }
  int rc =
      exchange->events->on_data != NULL ? exchange->events->on_data(exchange->ctx, data, count) : 0;
  if (exchange->state != E2B__EXCHANGE_RUNNING) return CURL_WRITEFUNC_ERROR;
  if (rc != 0) {
    exchange->refusal = rc;
    return CURL_WRITEFUNC_ERROR;
  }
  return count;
}

/* curl takes a head that stops in the middle for a whole one. Trailers come here too. */
static size_t on_head_line(char *line, size_t size, size_t count, void *ctx) {
  (void)size; /* is 1 */
  e2b__exchange_t *exchange = ctx;
  if (count <= 2 && (line[0] == '\r' || line[0] == '\n')) {
    exchange->got_head = true;
    /* Nobody wants the rest of the body, and curl would wait for it as long as it is paused. */
    if (exchange->request.source != NULL && e2b__exchange_status(exchange) >= 300) {
      exchange->refused = true;
      e2b__exchange_continue_body(exchange);
    }
  } else if (count > 5 && memcmp(line, "HTTP/", 5) == 0) {
    exchange->got_head = false;                        /* another follows after 1xx */
    e2b__prefetch(exchange->ctx, 2 * E2B__CACHE_LINE); /* the body is on its heels */
  }
  return count;
}

static size_t on_body_wanted(char *to, size_t size, size_t count, void *ctx) {
  e2b__exchange_t *exchange = ctx;
  const e2b__http_request_t *request = &exchange->request;
  if (exchange->state != E2B__EXCHANGE_RUNNING) return CURL_READFUNC_ABORT;
  if (exchange->refusal != 0) return CURL_READFUNC_ABORT;
  if (exchange->refused) return 0;
  size_t room = size * count;
  e2b__exchange_touch(exchange);
  if (request->source != NULL) {
    bool end = false;
    const size_t got = request->source(exchange->ctx, to, room, &end);
    if (exchange->state != E2B__EXCHANGE_RUNNING) return CURL_READFUNC_ABORT;
    exchange->http->stats.sent += got;
    if (got > 0 || end) return got;
    exchange->starved = true;
    return CURL_READFUNC_PAUSE;
  }
  if (room > request->body_len - exchange->body_sent)
    room = request->body_len - exchange->body_sent;
  memcpy(to, request->body + exchange->body_sent, room);
  exchange->body_sent += room;
  exchange->http->stats.sent += room;
  return room;
}

/* In the middle of a body, and with no answer: the server has hung up, and curl waits for the next
 * piece of the body to find out. It is told now, by a read that fails. */
void e2b__exchange_unwatched(e2b__exchange_t *exchange) {
  if (exchange->state != E2B__EXCHANGE_RUNNING || !exchange->starved || exchange->got_head) return;
  exchange->refusal = E2B_ECONNLOST;
  e2b__exchange_continue_body(exchange);
}

static int on_body_rewind(void *ctx, curl_off_t offset, int origin) {
  e2b__exchange_t *exchange = ctx;
  if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > exchange->request.body_len) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  exchange->body_sent = (size_t)offset;
  return CURL_SEEKFUNC_OK;
}

/* curl repeats a request by itself when a kept-alive connection ends without an answer. Did any of
 * it leave on the earlier one? */
static bool issued(const e2b__exchange_t *exchange) {
  long bytes = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &bytes);
  return bytes > 0;
}

/* Such a body is copied, and leaves in one piece with the head. */
static bool is_small(const e2b__http_request_t *request) {
  enum { SMALL_BODY = 16 * 1024 };
  return request->source == NULL && request->body_len <= SMALL_BODY;
}

/* The connection is up and the request is about to go. */
static int on_connected(void *ctx, char *ip, char *local_ip, int port, int local_port) {
  (void)ip;
  (void)local_ip;
  (void)port;
  e2b__exchange_t *exchange = ctx;
  if (exchange->state != E2B__EXCHANGE_RUNNING) return CURL_PREREQFUNC_ABORT;
  if (exchange->connected && !exchange->request.repeatable && issued(exchange)) {
    exchange->refusal = E2B_ECONNLOST;
    return CURL_PREREQFUNC_ABORT;
  }
  exchange->connected = true;
  exchange->connecting = false;
  /* A larger body, or one from a source, is counted as curl asks for it. */
  if (is_small(&exchange->request)) exchange->http->stats.sent += exchange->request.body_len;
  e2b__exchange_touch(exchange);
  e2b__origin_connected(exchange, local_port);
  return CURL_PREREQFUNC_OK;
}

/* Not always the first: the kept-alive connection that it was to go by may have been dead. */
static int on_socket_opened(void *ctx, curl_socket_t fd, curlsocktype purpose) {
  (void)purpose;
  e2b__exchange_t *exchange = ctx;
  exchange->dialled = true;
  if (!exchange->connecting) {
    exchange->connecting = true;
    e2b__exchange_touch(exchange);
    e2b__exchange_arm(exchange);
  }
  return e2b__multi_socket_opened(exchange->multi, fd);
}

/* --- setting up --- */

/* Every option counts: a request without its method, proxy or authorities is another request. */
#define SET(...)                                            \
  do {                                                      \
    if (rc == CURLE_OK) rc = curl_easy_setopt(__VA_ARGS__); \
  } while (0)

static CURLcode set_tls(CURL *easy, const e2b__http_options_t *options) {
  CURLcode rc = CURLE_OK;
  if (options->ca_file != NULL) SET(easy, CURLOPT_CAINFO, options->ca_file);
  if (options->ca_blob != NULL) {
    struct curl_blob blob = {(void *)options->ca_blob, options->ca_blob_len, CURL_BLOB_NOCOPY};
    SET(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (options->client_cert_file != NULL) SET(easy, CURLOPT_SSLCERT, options->client_cert_file);
  if (options->client_key_file != NULL) SET(easy, CURLOPT_SSLKEY, options->client_key_file);
  if (options->client_key_password != NULL) {
    SET(easy, CURLOPT_KEYPASSWD, options->client_key_password);
  }
  if (options->insecure) {
    SET(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return rc;
}

/* What is the same for every request of the client. */
static CURLcode set_client(CURL *easy, e2b__http_t *http) {
  const e2b__http_options_t *options = &http->options;
  CURLcode rc = set_tls(easy, options);
  SET(easy, CURLOPT_NOSIGNAL, 1L);
  SET(easy, CURLOPT_SHARE, http->share);
  SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L); /* the cache is ours, see origin.c */
  SET(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 200L);
  SET(easy, CURLOPT_MAXAGE_CONN, 118L);
  SET(easy, CURLOPT_TCP_NODELAY, 1L);
  SET(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_opened);
  SET(easy, CURLOPT_CLOSESOCKETFUNCTION, e2b__multi_socket_close);
  SET(easy, CURLOPT_CLOSESOCKETDATA, http);
  /* The servers' is among each request's headers, of which a proxy is told nothing. */
  if (options->proxy != NULL) SET(easy, CURLOPT_USERAGENT, options->user_agent);
  SET(easy, CURLOPT_PROXY, options->proxy != NULL ? options->proxy : "");
  SET(easy, CURLOPT_NOPROXY, ""); /* nor does the environment say where not to go by it */
  /* A curl without HTTP/2 refuses to hear of it, and speaks HTTP/1.1 then. */
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   options->http1_only ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS);
  SET(easy, CURLOPT_WRITEFUNCTION, on_body);
  SET(easy, CURLOPT_HEADERFUNCTION, on_head_line);
  SET(easy, CURLOPT_READFUNCTION, on_body_wanted);
  SET(easy, CURLOPT_PREREQFUNCTION, on_connected);
  return rc;
}

CURL *e2b__easy_take(e2b__http_t *http) {
  if (http->spare_count > 0) return http->spare[--http->spare_count];
  CURL *easy = curl_easy_init();
  if (easy != NULL && set_client(easy, http) != CURLE_OK) {
    curl_easy_cleanup(easy);
    return NULL;
  }
  return easy;
}

void e2b__easy_give(e2b__http_t *http, CURL *easy) {
  if (http->spare_count < E2B__COUNT(http->spare)) {
    http->spare[http->spare_count++] = easy;
  } else {
    curl_easy_cleanup(easy);
  }
}

void e2b__easies_free(e2b__http_t *http) {
  while (http->spare_count > 0) {
    curl_easy_cleanup(http->spare[--http->spare_count]);
  }
}

static CURLcode set_exchange(e2b__exchange_t *exchange) {
  CURL *easy = exchange->easy;
  CURLcode rc = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->why);
  /* The latest of both lists are taken first, so it is mostly the one that it had before. */
  void *known = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&known);
  if (known == exchange) return rc;
  SET(easy, CURLOPT_PRIVATE, exchange);
  SET(easy, CURLOPT_WRITEDATA, exchange);
  SET(easy, CURLOPT_HEADERDATA, exchange);
  SET(easy, CURLOPT_READDATA, exchange);
  SET(easy, CURLOPT_SEEKDATA, exchange);
  SET(easy, CURLOPT_PREREQDATA, exchange);
  SET(easy, CURLOPT_SOCKOPTDATA, exchange);
  return rc;
}

/* As much as one segment of the loopback carries (64 KB less its headers), with a margin: a
 * gigabyte costs half as much again by 32 KB, and three times as much by 64 KB, whose rest is a
 * segment of its own. */
enum { UPLOAD_BUFFER = 60 * 1024 };

static CURLcode set_body(e2b__exchange_t *exchange) {
  const e2b__http_request_t *request = &exchange->request;
  CURL *easy = exchange->easy;
  CURLcode rc = CURLE_OK;
  const char *method = request->method;
  if (request->source == NULL && request->body == NULL) {
    SET(easy, CURLOPT_HTTPGET, 1L);
    SET(easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "GET") != 0 ? method : NULL);
    return rc;
  }
  const bool small = is_small(request);
  SET(easy, CURLOPT_POST, 1L);
  SET(easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "POST") != 0 ? method : NULL);
  SET(easy, CURLOPT_POSTFIELDSIZE_LARGE,
      request->source == NULL ? (curl_off_t)request->body_len : (curl_off_t)-1);
  /* A larger one comes from a function, which knows when the exchange was given up and its body is
   * gone. One that cannot be rewound is never sent a second time. */
  SET(easy, CURLOPT_COPYPOSTFIELDS, small ? request->body : NULL);
  SET(easy, CURLOPT_SEEKFUNCTION, request->repeatable ? on_body_rewind : NULL);
  SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)(small ? SMALL_BUFFER : UPLOAD_BUFFER));
  return rc;
}

/* What curl is told of the time to connect; 0: its own 300 s. The clock is the exchange's: curl's
 * timer would stay in the multi until it rings, long after the connection is up, and be passed over
 * at every event. But who has several addresses to try has to divide the time among them. */
static long connect_timeout_ms(e2b__exchange_t *exchange) {
  enum { CURLS_OWN_MS = 300000 };
  const uint64_t ms = exchange->http->options.connect_timeout_ms;
  return ms >= CURLS_OWN_MS || e2b__origin_has_choice(exchange) ? (long)ms : 0;
}

/* Large pieces for as long as the streams are few. Of thousands nearly all are idle, and each would
 * hold a page more of memory, the buffer's first. */
static long receive_buffer(const e2b__exchange_t *exchange) {
  enum { FEW = 250, LARGE_BUFFER = 64 * 1024, OF_MANY = 1024 };
  const e2b__http_request_t *request = &exchange->request;
  if (request->buffer_bytes > 0) return request->buffer_bytes;
  if (!request->stream) return SMALL_BUFFER;
  return exchange->http->stats.streams <= FEW ? LARGE_BUFFER : OF_MANY;
}

/* The handle comes from an earlier request: whatever one may set, every one sets. */
int e2b__exchange_configure(e2b__exchange_t *exchange) {
  CURL *easy = exchange->easy;
  const e2b__http_request_t *request = &exchange->request;
  CURLcode rc = set_exchange(exchange);
  if (rc == CURLE_OK) rc = set_body(exchange);
  SET(easy, CURLOPT_HTTPHEADER, request->headers);
  /* curl refuses a size while it still has a buffer of another, which does as well. */
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, receive_buffer(exchange));
  SET(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms(exchange));
  SET(easy, CURLOPT_FRESH_CONNECT, exchange->fresh ? 1L : 0L);
  /* Only a TLS connection may turn out to carry more than one exchange. */
  const bool tls = strncmp(request->url, "https:", 6) == 0;
  SET(easy, CURLOPT_PIPEWAIT, tls && !exchange->http->options.http1_only ? 1L : 0L);
  SET(easy, CURLOPT_RESOLVE, exchange->resolve.data != NULL ? &exchange->resolve : NULL);
  const char *target;
  CURLU *url = e2b__origin_url(exchange, &target);
  SET(easy, CURLOPT_CURLU, url);
  SET(easy, CURLOPT_REQUEST_TARGET, url != NULL ? target : NULL);
  if (url == NULL) SET(easy, CURLOPT_URL, request->url);
  return rc == CURLE_OK ? 0 : rc == CURLE_OUT_OF_MEMORY ? E2B_ENOMEM : E2B_EINVAL;
}
