/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_SOCKET_H
#define E2B_LIB_NET_SOCKET_H

#include "base/buffer.h"
#include "base/list.h"
#include "net/dialer.h"
#include "net/dns.h"
#include "net/tls.h"

/* A byte stream to a host: uv_tcp, through an HTTP proxy where the client has one, TLS on top when
 * asked for. Reading is pulled: what has arrived lies in the dialer's one buffer (or is still
 * encrypted) until the owner takes it, and an idle socket has no buffer of its own. */

typedef struct e2b__socket e2b__socket_t;

/*  state        waits for                       leaves by
 *  RESOLVING    addresses                       -> CONNECTING
 *  CONNECTING   one address                     connected -> PROXYING, SECURING or OPEN;
 *                                               refused, its share of time is over -> REDIALING
 *  REDIALING    the handle's closing            -> CONNECTING with the next address
 *  PROXYING     the proxy's answer to CONNECT   200 -> SECURING or OPEN
 *  SECURING     the TLS handshake               -> OPEN
 *  OPEN         the owner                       finish() -> LINGERING
 *  LINGERING    the peer's end, for a second    -> CLOSING
 *  CLOSING      the loop                        gone
 *
 * Up to SECURING failure and time lead to FAILED, which waits for destroy(); so does memory that
 * runs out later. */
typedef enum e2b__socket_state {
  E2B__SOCKET_RESOLVING,
  E2B__SOCKET_CONNECTING,
  E2B__SOCKET_REDIALING,
  E2B__SOCKET_PROXYING,
  E2B__SOCKET_SECURING,
  E2B__SOCKET_OPEN,
  E2B__SOCKET_FAILED,
  E2B__SOCKET_LINGERING,
  E2B__SOCKET_CLOSING
} e2b__socket_state_t;

/* From the loop, never from inside a function. Inside any of them the owner may call anything. */
typedef struct e2b__socket_events {
  void (*on_open)(e2b__socket_t *socket);
  /* There is something to read, or the end. What is not read now waits; it comes again after
   * resume(), or when more arrives. */
  void (*on_readable)(e2b__socket_t *socket);
  /* The socket has taken some of what waited for it. */
  void (*on_written)(e2b__socket_t *socket);
  void (*on_timer)(e2b__socket_t *socket); /* once open */
  /* Not open and never will be, or out of memory. `why` is lent for the call. */
  void (*on_failed)(e2b__socket_t *socket, int code, e2b_clock_t clock, const char *why);
  void (*on_gone)(e2b__socket_t *socket); /* after destroy(): its memory is the owner's again */
} e2b__socket_events_t;

struct e2b__socket {
  uv_timer_t timer;
  uv_write_t write;       /* of `writing` */
  e2b__list_t node;       /* of the dialer's */
  struct e2b__dial *dial; /* until it is open */
  e2b__task_t task;       /* tells what happened inside a function */
  char *why;              /* of the failure; NULL: none, or no memory for it */
  int failure;
  e2b_clock_t clock;
  unsigned handles;      /* of the loop, and lookups: until they are zero it is not gone */
  bool holds;            /* keeps the loop running */
  e2b__buffer_t writing; /* the loop has it */
  e2b__buffer_t waiting; /* to be written after `writing`; empty when that is */
  e2b__buffer_t held;    /* what of `input` is kept over a turn of the loop */

  /* What a message looks at lies together, from here on into the owner, and begins a cache line:
   * of thousands of connections nothing is in a cache any more when its next message comes. */
  _Alignas(E2B__CACHE_LINE) e2b__dialer_t *dialer;
  const e2b__socket_events_t *events;
  const void *reader; /* the owner's owner: begins with what a message looks at */
  const char *input;  /* arrived and not taken */
  size_t input_len;
  uv_tcp_t tcp;
  e2b__socket_state_t state;
  int read_error;  /* of libuv; UV_EOF: the peer's end */
  e2b__tls_t *tls; /* NULL: plain */
  bool paused;
  bool reading;
  bool resumed; /* on_readable is owed */
  bool broken;  /* writing has failed: reading will tell why */
  bool quick_ack;
  bool shut;    /* our end was sent */
  bool queued;  /* `writing` is not empty */
  bool holding; /* `held` is not empty */
};

typedef struct e2b__socket_target {
  const char *host;
  uint16_t port;
  bool secure;
  bool quick_ack;
  uint64_t timeout_ms; /* until it is open */
} e2b__socket_target_t;

/* Starts dialing on zeroed memory. 0; or E2B_ENOMEM or E2B_ECLOSED: then nothing is left. */
int e2b__socket_dial(e2b__socket_t *socket, e2b__dialer_t *dialer,
                     const e2b__socket_target_t *target, const e2b__socket_events_t *events);
/* Takes up to `size` bytes. 0: nothing now; -1: it has ended, see e2b__socket_end(). */
ssize_t e2b__socket_read(e2b__socket_t *socket, void *to, size_t size);
/* All that has arrived was taken, and it has not ended. False does not promise more: TLS has to be
 * asked. */
bool e2b__socket_drained(const e2b__socket_t *socket);
/* How it ended: 0 by the peer's orderly end, else E2B_ECONNLOST or E2B_ETLS. `why` lives as long as
 * the socket. */
int e2b__socket_end(const e2b__socket_t *socket, const char **why);
/* Writes all, now or later. 0, E2B_ECLOSED, or E2B_ENOMEM: it has failed and on_failed follows. */
int e2b__socket_write(e2b__socket_t *socket, const void *data, size_t len);
/* Makes sure that so many bytes can be written without running out of memory. */
int e2b__socket_reserve(e2b__socket_t *socket, size_t len);
size_t e2b__socket_pending(const e2b__socket_t *socket);
void e2b__socket_pause(e2b__socket_t *socket);
void e2b__socket_resume(e2b__socket_t *socket);
/* on_timer once after `ms`, in place of what was armed before. */
void e2b__socket_arm(e2b__socket_t *socket, uint64_t ms);
/* No event but on_gone comes any more: what waits is written, the peer's end awaited, for a second
 * at most. */
void e2b__socket_finish(e2b__socket_t *socket);
/* Closes at once; on_gone follows. Twice does no harm. */
void e2b__socket_destroy(e2b__socket_t *socket);

/* --- socket.c and dial.c ---------------------------------------------------------------------- */

enum {
  E2B__DIALER_INPUT = 64 << 10,
  E2B__DIALER_OUTPUT = 64 << 10,
  E2B__DIALER_CODECS = 8 /* kept for the next frames */
};

struct e2b__dialer {
  uv_loop_t *loop;
  e2b__queue_t *queue;
  e2b__alive_t *alive;
  const e2b__log_t *log;
  const e2b__http_options_t *options;
  char *proxy_host; /* NULL: none */
  uint16_t proxy_port;
  char *proxy_credentials; /* base64 of user and password; NULL: none */
  bool proxy_unusable;     /* of a kind that is not supported */
  e2b__tls_setup_t *tls;   /* NULL until the first that needs it */
  char *input;             /* what was read last */
  char *output;            /* the frame that is being made */
  size_t output_len;
  e2b__list_t sockets;
  bool closing;
  void (*closed)(void *ctx);
  void *closed_ctx;

  /* codec.c */
  struct wslay_frame_context *encoder;
  struct wslay_frame_context *decoders[E2B__DIALER_CODECS];
  size_t decoders_count;
  struct e2b__codec *receiving;
  e2b__socket_t *received; /* what it reads */
  e2b__socket_t *sending;
  int send_error;
  unsigned char randoms[1024];
  size_t randoms_left;
};

/* Of RESOLVING to SECURING. */
typedef struct e2b__dial {
  uv_connect_t connect;
  e2b__lookup_t *lookup;
  char *host;
  uint16_t port;
  uint16_t dial_port; /* the proxy's, if there is one */
  bool secure;
  bool overdue; /* a clock ran out; what waits in the socket may save it */
  uint64_t deadline_ms;
  char *addresses; /* "a,b,[c]" */
  const char *next_address;
  int error;          /* of the last address */
  e2b__buffer_t head; /* of the proxy's answer */
} e2b__dial_t;

void e2b__dialer_socket_gone(e2b__dialer_t *dialer);
/* Enough random bytes for a mask or a key. 0 or E2B_ESYSTEM. */
int e2b__dialer_random(e2b__dialer_t *dialer, void *to, size_t len);

void e2b__socket_read_start(e2b__socket_t *socket);
void e2b__socket_fault(e2b__socket_t *socket, int code, e2b_clock_t clock, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void e2b__socket_opened(e2b__socket_t *socket);
extern const e2b__tls_io_t e2b__socket_tls_io;
void e2b__socket_init(e2b__socket_t *socket, e2b__dialer_t *dialer,
                      const e2b__socket_events_t *events);
void e2b__socket_init_tcp(e2b__socket_t *socket);
void e2b__socket_on_handle_closed(uv_handle_t *handle);
/* Input while dialing. */
void e2b__dial_readable(e2b__socket_t *socket);
void e2b__dial_timer(e2b__socket_t *socket);
void e2b__dial_tcp_closed(e2b__socket_t *socket);
void e2b__dial_free(e2b__socket_t *socket);

#endif
