/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_INTERNAL_H
#define E2B_LIB_NET_INTERNAL_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/wheel.h"
#include "net/dns.h"
#include "net/http.h"

/* What http.c (the whole), multi.c (sockets and timer of a curl multi), exchange.c (one request),
 * easy.c (its handle) and origin.c (the line in front of the multis) share. */

typedef struct e2b__origin e2b__origin_t;
typedef struct e2b__multi e2b__multi_t;

/* One that may carry several exchanges, from when it is up until its socket is closed; part of what
 * watches the socket. */
typedef struct e2b__connection {
  e2b__list_t node;      /* in the origin's, as long as it is counted there */
  e2b__list_t doubt;     /* in http->doubted */
  e2b__list_t port_node; /* in http->by_port, likewise */
  e2b__origin_t *origin; /* NULL: it is not counted */
  int port;              /* of our end */
} e2b__connection_t;

struct e2b__http {
  uv_loop_t *loop;
  e2b__queue_t *queue;
  e2b__alive_t *alive;
  const e2b__log_t *log;
  e2b__http_options_t options;
  char *proxy_host; /* NULL: no proxy */
  uint16_t proxy_port;

  e2b__list_t multis;     /* the first is there for good */
  size_t multis_empty;    /* further ones without a stream */
  size_t streams_a_multi; /* long ones over HTTP/1.1, at most; of the first: max_in_flight */
  CURLSH *share;          /* of the handles: TLS sessions, addresses */
  e2b__wheel_t clocks;    /* of the exchanges */
  uv_timer_t clocks_timer;
  uint64_t clocks_ring_ms;  /* when it fires; UINT64_MAX: it does not run */
  struct e2b__poll **polls; /* by descriptor */
  size_t polls_size;
  unsigned in_curl; /* depth of calls into multis: above zero nothing may be added or removed */
  char why[CURL_ERROR_SIZE]; /* curl's words about streams under way, since it was last called */

  e2b__list_t exchanges; /* all but the idle ones */
  e2b__list_t idle;      /* ready for the next request */
  size_t idle_count;
  CURL *spare[128]; /* handles that nobody uses */
  size_t spare_count;
  e2b__buffer_t spare_body; /* for the next answer of a call */
  e2b__list_t ended;        /* cancelled or resumed inside curl: seen to when it has returned */
  e2b__list_t by_port[256]; /* connections that are counted */
  e2b__list_t doubted;      /* connections on which an exchange was lost, and maybe all were */
  e2b__task_t settle;       /* sees to `ended` and `doubted` from the loop */

  e2b__origin_t *origins[64]; /* by hash */
  e2b__list_t runnable;       /* origins with somebody in line who may go */
  size_t short_in_flight;
  size_t on_way; /* let in, and not on a connection yet */
  size_t places; /* of a connection over HTTP/2: what curl was told */

  e2b__http_stats_t stats;
  bool closing;
  bool reads_when_paused; /* this libcurl does: see e2b__multi_hold() */
  size_t open_handles;    /* of the loop: polls, timers, lookups */
  void (*closed)(void *ctx);
  void *closed_ctx;
};

/*  state      in                      leaves by
 *  WAITING    the origin's line       its turn -> RESOLVING or RUNNING; clock, cancel -> gone
 *  RESOLVING  the origin's list       addresses -> RUNNING; failure, clock, cancel -> gone
 *  RUNNING    a multi                 curl's end, clock, cancel, an event's refusal -> gone
 *  CANCELLED  http->ended             curl has returned -> gone
 *  IDLE       http->idle              the next request -> WAITING                             */
typedef enum e2b__exchange_state {
  E2B__EXCHANGE_IDLE,
  E2B__EXCHANGE_WAITING,
  E2B__EXCHANGE_RESOLVING,
  E2B__EXCHANGE_RUNNING,
  E2B__EXCHANGE_CANCELLED
} e2b__exchange_state_t;

struct e2b__exchange {
  e2b__list_t node; /* in http->exchanges, idle or ended */
  e2b__list_t line; /* in the origin's line or resolving list */
  /* What each piece of an answer needs lies together: of thousands of streams all is cold. */
  e2b__http_t *http;
  const e2b__http_events_t *events;
  void *ctx;
  uint64_t activity_ms;
  e2b__exchange_state_t state;
  bool got_head;   /* of the answer, to its last line */
  bool got_body;   /* of the answer */
  bool dialled;    /* opened a socket of its own */
  bool connecting; /* since activity_ms */
  bool connected;  /* the request may be on the wire */
  bool on_way;     /* counted in http->on_way */
  bool connector;  /* opens a connection that others wait for */
  bool counted;    /* its connection is, though its socket is not known yet */
  bool fresh;      /* not on a connection that is up */
  bool impatient;  /* has waited in line for long enough */
  bool paused;     /* wanted by the owner */
  bool starved;    /* the body's source had nothing */
  bool refused;    /* an answer that is an error has come before the body's end */
  bool overdue;    /* a clock ran out; what waits in the socket may save it */
  e2b__origin_t *origin;
  CURL *easy;         /* from RUNNING on: who waits in line needs none */
  curl_socket_t fd;   /* that curl last asked to watch for it, or CURL_SOCKET_BAD */
  int port;           /* of our end of its connection, once that is up; 0 before */
  e2b__clock_t clock; /* of its clocks the one that runs out next */
  e2b__http_request_t request;
  e2b__multi_t *multi; /* that it is in; NULL: none */
  size_t *place;       /* what counts it as short and in flight; NULL: nothing does */
  size_t body_sent;
  unsigned runs_again;       /* after curl was out of memory */
  int refusal;               /* what on_data answered */
  uint64_t entered_ms;       /* when it was asked for */
  uint64_t started_ms;       /* when it entered a multi */
  e2b__task_t nudge;         /* curl is to be told of a change of paused or starved */
  struct curl_slist resolve; /* curl reads it when the transfer begins, not when it is set */
  char *why;                 /* curl's words about it; NULL: they are in http->why */
};

/* http.c */
void e2b__http_set_clock(e2b__http_t *http, e2b__clock_t *clock, uint64_t due_ms);
void e2b__http_after_curl(e2b__http_t *http);
void e2b__http_handle_closed(e2b__http_t *http);

/* multi.c */
/* One more, the last in http->multis. NULL when out of memory. */
e2b__multi_t *e2b__multi_new(e2b__http_t *http);
/* What short exchanges and HTTP/2 are in. */
CURLM *e2b__multi_first(const e2b__http_t *http);
/* The next five: not inside curl. */
/* Puts the exchange into one; 0 or an error. */
int e2b__multi_add(e2b__exchange_t *exchange);
void e2b__multi_remove(e2b__exchange_t *exchange);
/* Ends the exchanges that curl has done with. */
void e2b__multis_read(e2b__http_t *http);
/* Those without a stream, but for one of the further ones. */
void e2b__multis_close_empty(e2b__http_t *http);
void e2b__multis_close(e2b__http_t *http);
/* What CURLOPT_SOCKOPTFUNCTION answers. */
int e2b__multi_socket_opened(e2b__multi_t *multi, curl_socket_t fd);
/* `ctx` is the http. */
int e2b__multi_socket_close(void *ctx, curl_socket_t fd);
/* What its socket is of, as far as is known. */
e2b__connection_t *e2b__multi_connection(const e2b__exchange_t *exchange);
/* The port of our end; 0 when there is none any more. */
int e2b__connection_port(const e2b__connection_t *connection);
/* Has curl look at those in doubt; nothing, inside curl. */
void e2b__multi_look_again(e2b__http_t *http);
/* Its socket is not read while it is paused, where curl itself does not see to that. */
void e2b__multi_hold(e2b__exchange_t *exchange);

/* easy.c */
/* A handle that knows what is the same for every request; a used one where there is one. NULL when
 * out of memory. */
CURL *e2b__easy_take(e2b__http_t *http);
void e2b__easy_give(e2b__http_t *http, CURL *easy);
void e2b__easies_free(e2b__http_t *http);
/* Tells the handle what is this request's. 0, E2B_ENOMEM, E2B_EINVAL. */
int e2b__exchange_configure(e2b__exchange_t *exchange);

/* exchange.c */
/* Something came or went: silence begins anew. */
static inline void e2b__exchange_touch(e2b__exchange_t *exchange) {
  exchange->activity_ms = uv_now(exchange->http->loop);
  exchange->overdue = false;
}
/* Sets the clock that runs out next. */
void e2b__exchange_arm(e2b__exchange_t *exchange);
/* The time that was set is over. */
void e2b__exchange_clock_rang(e2b__exchange_t *exchange);
/* It waits for a name now, and that is part of connecting. */
void e2b__exchange_resolving(e2b__exchange_t *exchange);
/* Puts it into a multi. */
void e2b__exchange_run(e2b__exchange_t *exchange);
/* The end, with on_done. Not inside curl. */
void e2b__exchange_finish(e2b__exchange_t *exchange, const e2b__http_result_t *result);
void e2b__exchange_fail(e2b__exchange_t *exchange, int code, e2b_clock_t clock, const char *why);
/* The end, without. Not inside curl. */
void e2b__exchange_discard(e2b__exchange_t *exchange);
/* curl wants nothing of its socket any more. */
void e2b__exchange_unwatched(e2b__exchange_t *exchange);
/* `shared`: http->why, when it is known to be about this exchange; else "". */
void e2b__exchange_curl_done(e2b__exchange_t *exchange, CURLcode result, const char *shared);
void e2b__exchange_free_idle(e2b__exchange_t *exchange);

/* origin.c */
/* Puts it in line; 0 or an error. */
int e2b__origin_enter(e2b__exchange_t *exchange);
/* Takes it out, wherever it is, and gives its place to the next. */
void e2b__origin_leave(e2b__exchange_t *exchange);
/* Where the request goes, and what it asks for there. NULL: it has to be told as one text. */
CURLU *e2b__origin_url(const e2b__exchange_t *exchange, const char **target);
/* Until when it waits in line for the sake of the ceiling; UINT64_MAX: as long as it takes. */
uint64_t e2b__origin_patience(const e2b__exchange_t *exchange);
/* It is on a connection, whose end here has that port. */
void e2b__origin_connected(e2b__exchange_t *exchange, int port);
/* The connection's socket is known. */
void e2b__origin_socket_known(e2b__exchange_t *exchange, e2b__connection_t *connection);
/* Its socket is closed. */
void e2b__connection_gone(e2b__connection_t *connection);
/* The addresses, for CURLOPT_RESOLVE, unless curl has them: *line is NULL then. */
int e2b__origin_announcement(e2b__exchange_t *exchange, char **line);
/* Its server speaks HTTP/1.1, as far as is known. */
bool e2b__origin_is_http1(const e2b__exchange_t *exchange);
/* curl has more than one address to try. */
bool e2b__origin_has_choice(const e2b__exchange_t *exchange);
/* The first answer tells the version: with its first bytes, since a stream's end may be far. */
void e2b__origin_learn_version(e2b__exchange_t *exchange);
/* Lets in whoever may. Not inside curl. */
void e2b__http_admit(e2b__http_t *http);
void e2b__origins_free(e2b__http_t *http);

#endif
