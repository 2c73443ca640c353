/* SPDX-License-Identifier: MIT */
#include "net/internal.h"

#include <strings.h>

#include "proto/url.h"

/* The line in front of the multis. curl walks all the handles it holds whenever one ends, and opens
 * a connection for each that finds none free; so it gets only what can go now:
 *   - over HTTP/1.1, max_in_flight short exchanges in all; streams are not counted;
 *   - over HTTP/2, as many short ones of a server as one connection carries: on a second one they
 *     cost a third more, and gain nothing while answers come fast. Where answers come slowly, what
 *     has waited for PATIENCE_MS goes all the same, on connections of its own; so the ceiling
 *     delays a call by that and the opening of a connection, however far away the server is;
 *   - over TLS, where it may become HTTP/2, the first exchange opens a connection alone, and the
 *     others follow when it is up, up to the number of streams that a connection carries. Further
 *     connections are opened the same way, several at once when many streams wait;
 *   - while there are many long streams, a connection carries few: whatever comes in on it, curl
 *     runs every transfer that it carries. */

enum {
  STREAMS_A_CONNECTION = 100, /* what servers allow: 100, 128 or 250 */
  MANY_STREAMS = 100,
  OF_MANY_A_CONNECTION = 16,
  CONNECTORS = 8,
  PATIENCE_MS = 100,
  ADDRESSES_LAST_MS = 60000,
  ASKED_AT_ONCE = 16
};

typedef enum origin_version { UNKNOWN, HTTP_1, HTTP_2 } origin_version;

struct e2b__origin {
  e2b__origin_t *next; /* of the same hash */
  e2b__list_t node;    /* in http->runnable */
  e2b__http_t *http;
  char *text; /* "https://host:port", as URLs have it */
  size_t text_len;
  CURLU *url; /* the same, taken apart; NULL: curl gets each URL as a text */
  char *host;
  uint16_t port;
  origin_version version;
  e2b__list_t line;
  e2b__list_t resolving;
  size_t waiting; /* in line */
  size_t in_flight;
  size_t most_in_flight;  /* at once, ever */
  size_t short_in_flight; /* of those in flight now, over HTTP/2 */
  size_t connections;     /* that are up; HTTP/2 and UNKNOWN */
  e2b__list_t known;      /* of these, those whose socket is known */
  size_t connectors;      /* on their way */
  bool admitting;         /* in use by the loop that lets in */
  const char *dial_host;  /* the name to resolve: its own, or the proxy's */
  uint16_t dial_port;
  bool needs_no_lookup;
  bool has_choice;  /* of addresses */
  bool unannounced; /* the addresses are not in curl's cache yet */
  char *addresses;  /* NULL: not known */
  uint64_t addresses_at_ms;
  e2b__lookup_t *lookup;
};

static uint32_t hash_of(const char *text, size_t len) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++) {
    hash = (hash ^ (unsigned char)text[i]) * 16777619u;
  }
  return hash;
}

/* They may go at any time now, and unnoticed. */
static void forget_connections(e2b__origin_t *origin) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&origin->known)) != NULL) {
    e2b__connection_gone(E2B__CONTAINER(node, e2b__connection_t, node));
  }
  origin->connections = 0;
}

static void origin_free(e2b__origin_t *origin) {
  forget_connections(origin);
  e2b__list_remove(&origin->node);
  curl_url_cleanup(origin->url);
  e2b__free(origin->text);
  e2b__free(origin->host);
  e2b__free(origin->addresses);
  e2b__free(origin);
}

static bool origin_unused(const e2b__origin_t *origin) {
  return !origin->admitting && origin->in_flight == 0 && origin->lookup == NULL &&
         e2b__list_empty(&origin->line) && e2b__list_empty(&origin->resolving);
}

/* Hosts come and go with sandboxes; what nobody has used for a while is forgotten when its bucket
 * is looked into. */
static void forget_stale(e2b__http_t *http, e2b__origin_t **bucket) {
  const uint64_t now = uv_now(http->loop);
  while (*bucket != NULL) {
    e2b__origin_t *origin = *bucket;
    if (origin_unused(origin) && now - origin->addresses_at_ms > ADDRESSES_LAST_MS) {
      *bucket = origin->next;
      origin_free(origin);
    } else {
      bucket = &origin->next;
    }
  }
}

/* Taken apart once: curl parses a URL for every request, and writes it down anew. A proxy is told
 * the whole of it, which curl makes up. */
static CURLU *take_apart(const e2b__http_t *http, const char *text) {
  CURLU *url = http->proxy_host == NULL ? curl_url() : NULL;
  if (url == NULL || curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) return url;
  curl_url_cleanup(url);
  return NULL;
}

static e2b__origin_t *origin_new(e2b__http_t *http, const e2b__url_t *url, const char *text,
                                 size_t text_len, e2b__origin_t **bucket) {
  e2b__origin_t *origin = e2b__calloc(1, sizeof *origin);
  if (origin == NULL) return NULL;
  origin->http = http;
  origin->text = e2b__strndup(text, text_len);
  origin->text_len = text_len;
  origin->host = e2b__strdup(url->host);
  if (origin->text == NULL || origin->host == NULL) {
    e2b__free(origin->text);
    e2b__free(origin->host);
    e2b__free(origin);
    return NULL;
  }
  origin->url = take_apart(http, origin->text);
  origin->port = url->port;
  origin->dial_host = http->proxy_host != NULL ? http->proxy_host : origin->host;
  origin->dial_port = http->proxy_host != NULL ? http->proxy_port : origin->port;
  origin->unannounced = origin->has_choice = e2b__dns_known(origin->dial_host) != NULL;
  origin->needs_no_lookup = origin->unannounced || e2b__dns_is_literal(origin->dial_host);
  origin->addresses_at_ms = uv_now(http->loop);
  origin->version = url->https && !http->options.http1_only ? UNKNOWN : HTTP_1;
  e2b__list_init(&origin->node);
  e2b__list_init(&origin->known);
  e2b__list_init(&origin->line);
  e2b__list_init(&origin->resolving);
  origin->next = *bucket;
  *bucket = origin;
  return origin;
}

/* All URLs of one server begin alike, being made from one text; so only the first is taken apart.
 */
static e2b__origin_t *origin_of(e2b__http_t *http, const char *url_text, int *rc) {
  const char *host = strstr(url_text, "://");
  const size_t len = host != NULL ? (size_t)(host + 3 - url_text) + strcspn(host + 3, "/?#") : 0;
  e2b__origin_t **bucket = &http->origins[hash_of(url_text, len) % E2B__COUNT(http->origins)];
  e2b__origin_t *origin = *bucket;
  *rc = 0;
  while (origin != NULL && (origin->text_len != len || memcmp(origin->text, url_text, len) != 0)) {
    origin = origin->next;
  }
  if (origin != NULL) return origin;
  e2b__url_t url;
  *rc = e2b__url_parse(url_text, &url);
  if (*rc != 0) return NULL;
  forget_stale(http, bucket);
  origin = origin_new(http, &url, url_text, len, bucket);
  if (origin == NULL) *rc = E2B_ENOMEM;
  e2b__url_free(&url);
  return origin;
}

static void make_runnable(e2b__origin_t *origin) {
  if (!e2b__list_empty(&origin->line) && e2b__list_empty(&origin->node)) {
    e2b__list_append(&origin->http->runnable, &origin->node);
  }
}

int e2b__origin_enter(e2b__exchange_t *exchange) {
  int rc;
  e2b__origin_t *origin = origin_of(exchange->http, exchange->request.url, &rc);
  if (origin == NULL) return rc;
  exchange->origin = origin;
  e2b__list_append(&origin->line, &exchange->line);
  exchange->http->stats.waiting++;
  origin->waiting++;
  make_runnable(origin);
  return 0;
}

/* It is on a connection, or will not be. */
static void off_its_way(e2b__exchange_t *exchange) {
  if (exchange->on_way) exchange->http->on_way--;
  exchange->on_way = false;
}

void e2b__origin_leave(e2b__exchange_t *exchange) {
  e2b__origin_t *origin = exchange->origin;
  if (origin == NULL) return;
  e2b__list_remove(&exchange->line);
  if (exchange->state == E2B__EXCHANGE_WAITING) {
    exchange->http->stats.waiting--;
    origin->waiting--;
  } else {
    off_its_way(exchange);
    origin->in_flight--;
    exchange->http->stats.in_flight--;
    if (exchange->request.stream) exchange->http->stats.streams--;
    if (exchange->place != NULL) --*exchange->place;
    if (exchange->connector) origin->connectors--;
    if (exchange->counted) origin->connections--;
    if (origin->in_flight == 0) forget_connections(origin);
  }
  make_runnable(origin);
  exchange->origin = NULL;
  exchange->connector = exchange->counted = false;
  exchange->place = NULL;
}

CURLU *e2b__origin_url(const e2b__exchange_t *exchange, const char **target) {
  *target = exchange->request.url + exchange->origin->text_len;
  /* curl sends a target as it is: what it may refuse goes by way of its parser. */
  const unsigned char *at = (const unsigned char *)*target;
  if (*at != '/') return NULL;
  while (*at > ' ' && *at < 0x7f && *at != '#') {
    at++;
  }
  return *at == '\0' ? exchange->origin->url : NULL;
}

uint64_t e2b__origin_patience(const e2b__exchange_t *exchange) {
  const e2b__origin_t *origin = exchange->origin;
  if (origin->version == HTTP_1 || exchange->request.stream || exchange->impatient) {
    return UINT64_MAX;
  }
  return exchange->entered_ms + PATIENCE_MS;
}

void e2b__origin_socket_known(e2b__exchange_t *exchange, e2b__connection_t *connection) {
  e2b__origin_t *origin = exchange->origin;
  exchange->counted = false;
  if (connection->origin != NULL) {
    origin->connections--; /* it was counted before */
    return;
  }
  e2b__http_t *http = origin->http;
  connection->origin = origin;
  connection->port = exchange->port;
  e2b__list_append(&origin->known, &connection->node);
  e2b__list_append(&http->by_port[(size_t)connection->port % E2B__COUNT(http->by_port)],
                   &connection->port_node);
}

void e2b__origin_connected(e2b__exchange_t *exchange, int port) {
  e2b__origin_t *origin = exchange->origin;
  off_its_way(exchange);
  if (origin == NULL || origin->version == HTTP_1) return;
  /* curl repeats by itself what an earlier connection has not answered. */
  if (exchange->port != port) e2b__exchange_cut_short(exchange);
  exchange->port = port;
  if (!exchange->connector && !exchange->dialled) return;
  if (exchange->connector) origin->connectors--;
  if (!exchange->counted) origin->connections++;
  exchange->connector = false;
  exchange->counted = true;
  e2b__connection_t *connection = e2b__multi_connection(exchange);
  if (connection != NULL && e2b__connection_port(connection) == port) {
    e2b__origin_socket_known(exchange, connection);
  }
  make_runnable(origin);
  e2b__queue_push(origin->http->queue, &origin->http->settle);
}

void e2b__connection_gone(e2b__connection_t *connection) {
  e2b__list_remove(&connection->node);
  e2b__list_remove(&connection->doubt);
  e2b__list_remove(&connection->port_node);
  if (connection->origin != NULL) connection->origin->connections--;
  connection->origin = NULL;
}

void e2b__origin_learn_version(e2b__exchange_t *exchange) {
  e2b__origin_t *origin = exchange->origin;
  if (origin == NULL || origin->version != UNKNOWN) return;
  long version = 0;
  curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_VERSION, &version);
  if (version == 0) return;
  origin->version = version >= CURL_HTTP_VERSION_2_0 ? HTTP_2 : HTTP_1;
  make_runnable(origin);
  e2b__queue_push(origin->http->queue, &origin->http->settle);
}

static void on_addresses(void *ctx, const char *addresses, const char *why) {
  e2b__origin_t *origin = ctx;
  e2b__http_t *http = origin->http;
  origin->lookup = NULL;
  http->open_handles--;
  e2b__free(origin->addresses);
  origin->addresses = e2b__strdup(addresses);
  origin->addresses_at_ms = uv_now(http->loop);
  origin->has_choice = addresses != NULL && strchr(addresses, ',') != NULL;
  origin->unannounced = true;
  e2b__list_t waiting;
  e2b__list_init(&waiting);
  e2b__list_move(&waiting, &origin->resolving);
  e2b__list_t *node;
  while ((node = e2b__list_take(&waiting)) != NULL) {
    e2b__exchange_t *exchange = E2B__CONTAINER(node, e2b__exchange_t, line);
    if (addresses == NULL) {
      e2b__exchange_fail(exchange, E2B_EDNS, E2B_CLOCK_NONE, why);
    } else {
      e2b__exchange_run(exchange);
    }
  }
  e2b__http_after_curl(http);
}

bool e2b__origin_is_http1(const e2b__exchange_t *exchange) {
  return exchange->origin->version == HTTP_1;
}

bool e2b__origin_has_choice(const e2b__exchange_t *exchange) {
  return exchange->origin->has_choice;
}

/* The line for CURLOPT_RESOLVE when curl does not have these addresses yet, else NULL. */
int e2b__origin_announcement(e2b__exchange_t *exchange, char **line) {
  e2b__origin_t *origin = exchange->origin;
  *line = NULL;
  if (!origin->unannounced) return 0;
  const char *known = e2b__dns_known(origin->dial_host);
  const char *addresses = known != NULL ? known : origin->addresses;
  if (addresses == NULL) return E2B_ENOMEM;
  *line = e2b__format("%s:%u:%s", origin->dial_host, origin->dial_port, addresses);
  if (*line == NULL) return E2B_ENOMEM;
  origin->unannounced = false;
  return 0;
}

static void resolve_and_run(e2b__exchange_t *exchange) {
  e2b__origin_t *origin = exchange->origin;
  e2b__http_t *http = origin->http;
  const uint64_t now = uv_now(http->loop);
  const bool fresh =
      origin->addresses != NULL && now - origin->addresses_at_ms <= ADDRESSES_LAST_MS;
  if (fresh || origin->needs_no_lookup) {
    e2b__exchange_run(exchange);
    return;
  }
  e2b__exchange_resolving(exchange);
  e2b__list_append(&origin->resolving, &exchange->line);
  if (origin->lookup != NULL) return;
  origin->lookup = e2b__lookup_start(http->loop, origin->dial_host, on_addresses, origin);
  if (origin->lookup == NULL) {
    e2b__exchange_fail(exchange, E2B_EDNS, E2B_CLOCK_NONE, "the lookup could not start");
    return;
  }
  http->open_handles++;
}

typedef enum verdict { GO, WAIT_FOR_CONNECTION, WAIT_FOR_PLACE } verdict;

/* Whether the ceiling of short exchanges leaves room for one more; what counts it is noted. */
static bool find_place(e2b__origin_t *origin, e2b__exchange_t *exchange) {
  e2b__http_t *http = origin->http;
  if (exchange->request.stream) return true;
  if (origin->version == HTTP_2) {
    if (origin->short_in_flight >= STREAMS_A_CONNECTION && !exchange->impatient) return false;
    exchange->place = &origin->short_in_flight;
  } else {
    if (http->short_in_flight >= http->options.max_in_flight) return false;
    exchange->place = &http->short_in_flight;
  }
  return true;
}

/* Whether the connections under way will do for those in line. Of the first nobody knows what it
 * will be, and short ones may not need the place by then. */
static bool enough_connectors(const e2b__origin_t *origin, const e2b__exchange_t *exchange) {
  if (origin->connectors == 0) return false;
  return origin->connections == 0 || !exchange->request.stream ||
         origin->connectors >= CONNECTORS ||
         origin->connectors * origin->http->places >= origin->waiting;
}

/* May the first in line go? If it has to open a connection of its own, it is marked. */
static verdict judge(e2b__origin_t *origin, e2b__exchange_t *exchange) {
  const e2b__http_t *http = origin->http;
  if (!find_place(origin, exchange)) return WAIT_FOR_PLACE;
  if (origin->version == HTTP_1) {
    /* As many as never before: all connections that were opened for so many are in use, and curl
     * need not walk through thousands to find that out. Where they lie in several multis one may
     * be free all the same; it is passed over, once for each such record. */
    exchange->fresh = origin->in_flight >= origin->most_in_flight;
    return GO;
  }
  if (origin->in_flight < origin->connections * http->places) return GO;
  if (enough_connectors(origin, exchange)) {
    exchange->place = NULL;
    return WAIT_FOR_CONNECTION;
  }
  origin->connectors++;
  exchange->connector = true;
  exchange->fresh = origin->connections > 0;
  return GO;
}

static void let_in(e2b__exchange_t *exchange) {
  e2b__http_t *http = exchange->http;
  /* Of a long line both lay still for a while; the next one has time to come until its turn. */
  e2b__prefetch(exchange->request.url, 2 * E2B__CACHE_LINE);
  e2b__prefetch(E2B__CONTAINER(exchange->line.next, e2b__exchange_t, line), sizeof *exchange);
  e2b__list_remove(&exchange->line);
  http->stats.waiting--;
  exchange->origin->waiting--;
  http->stats.in_flight++;
  http->on_way++;
  exchange->on_way = true;
  if (exchange->request.stream) http->stats.streams++;
  if (exchange->place != NULL) ++*exchange->place;
  e2b__origin_t *origin = exchange->origin;
  if (++origin->in_flight > origin->most_in_flight) origin->most_in_flight = origin->in_flight;
  exchange->state = E2B__EXCHANGE_RESOLVING; /* not in line any more, whatever comes next */
  resolve_and_run(exchange);
}

/* curl has one number for all connections, and looks at it when it picks one. So nobody may be on
 * the way while it goes down: who finds no place has a connection opened, each its own. */
static void choose_places(e2b__http_t *http) {
  const bool many = http->stats.streams >= MANY_STREAMS;
  const size_t places = many ? OF_MANY_A_CONNECTION : STREAMS_A_CONNECTION;
  if (places == http->places || (places < http->places && http->on_way > 0)) return;
  curl_multi_setopt(e2b__multi_first(http), CURLMOPT_MAX_CONCURRENT_STREAMS, (long)places);
  http->places = places;
}

void e2b__http_admit(e2b__http_t *http) {
  if (http->in_curl > 0) return;
  choose_places(http);
  e2b__list_t blocked;
  e2b__list_init(&blocked);
  unsigned refused = 0;
  e2b__list_t *node;
  while (refused < ASKED_AT_ONCE && (node = e2b__list_take(&http->runnable)) != NULL) {
    e2b__origin_t *origin = E2B__CONTAINER(node, e2b__origin_t, node);
    verdict answer = GO;
    origin->admitting = true; /* one that fails at once may make its owner open another host */
    while (answer == GO && !e2b__list_empty(&origin->line)) {
      e2b__exchange_t *first = E2B__CONTAINER(origin->line.next, e2b__exchange_t, line);
      answer = judge(origin, first);
      if (answer == GO) let_in(first);
    }
    origin->admitting = false;
    /* Who waits for a connection is told when it is up; who waits for a place asks again. */
    if (answer == WAIT_FOR_PLACE && e2b__list_empty(&origin->node)) {
      e2b__list_append(&blocked, &origin->node);
      refused++;
    }
  }
  e2b__list_move(&http->runnable, &blocked);
}

static void on_lookup_gone(void *ctx) {
  e2b__origin_t *origin = ctx;
  e2b__http_t *http = origin->http;
  origin_free(origin);
  e2b__http_handle_closed(http);
}

void e2b__origins_free(e2b__http_t *http) {
  for (size_t i = 0; i < E2B__COUNT(http->origins); i++) {
    e2b__origin_t *origin = http->origins[i];
    while (origin != NULL) {
      e2b__origin_t *next = origin->next;
      if (origin->lookup != NULL) {
        e2b__lookup_abandon(origin->lookup, on_lookup_gone);
      } else {
        origin_free(origin);
      }
      origin = next;
    }
    http->origins[i] = NULL;
  }
}
