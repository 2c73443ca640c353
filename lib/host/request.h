/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_REQUEST_H
#define E2B_LIB_HOST_REQUEST_H

#include <microhttpd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "host/internal.h"

/* One HTTP request. The server reads it; the router picks a handler; the handler answers when it
 * can, at once or later. */

typedef struct e2b__host_request e2b__host_request_t;
struct e2b__host_sandbox;

typedef struct e2b__host_handler {
  /* The headers are known, and a long body is to come: what is answered now goes out before it, and
   * the body is not read. May be NULL; for short bodies it is not called, as their clients are
   * better served by a connection that goes on. */
  void (*begin)(e2b__host_request_t *request);
  /* Takes a piece of the body. NULL: the body is gathered in request->body up to `ceiling`. */
  void (*body)(e2b__host_request_t *request, const char *data, size_t len);
  /* The body is complete: answer, or keep the request and answer later. */
  void (*finish)(e2b__host_request_t *request);
  /* The exchange is over, or its client is gone: forget the request. Called once, if not NULL. */
  void (*gone)(e2b__host_request_t *request);
  /* The exchange is being reset: let go of what else hangs on it. May be NULL. */
  void (*reset)(e2b__host_request_t *request);
  size_t ceiling;
} e2b__host_handler_t;

typedef enum e2b__host_request_state {
  E2B__REQUEST_NEW,      /* only its first line is known */
  E2B__REQUEST_READING,  /* headers are known, the body arrives */
  E2B__REQUEST_WAITING,  /* the body is complete, there is no answer yet */
  E2B__REQUEST_ANSWERED, /* there is an answer, libmicrohttpd does not have it yet */
  E2B__REQUEST_SENDING   /* it has */
} e2b__host_request_state_t;

struct e2b__host_request {
  e2b_host_t *host;
  struct e2b__host_server *server; /* that reads it */
  struct MHD_Connection *connection;
  const char *method;
  char *target; /* as it stands in the first line */
  char *path;   /* decoded, without the query */
  const e2b__host_handler_t *handler;
  struct e2b__host_sandbox *sandbox; /* the one it is for, as long as that lives; or NULL */
  e2b__list_t sandbox_node;
  const char *sandbox_id; /* as the client named it; NULL: it did not */
  unsigned port;          /* of the sandbox */
  void *state;            /* the handler's */
  e2b__buffer_t body;
  e2b__arena_t arena; /* freed with the request */
  e2b__host_request_state_t phase;
  struct MHD_Response *response;
  unsigned status;
  bool suspended;
  bool paused; /* by the handler: no more body for now */
  bool cut;    /* the connection is to end without (more of) an answer */
  bool held;   /* not routed yet: its sandbox is being resumed */
  bool over_ceiling;
  bool early;                    /* answered before its body has come */
  bool foreign;                  /* the answer is a program's own: nothing is added to it */
  struct e2b__host_watch *watch; /* looks for the client's end while the request is suspended */
  uint64_t began_ms;             /* of e2b__host_now */
  int keep_fd;                   /* closed with the request; -1: none */
};

/* Header and query values as the client sent them; NULL when absent. */
const char *e2b__host_header(const e2b__host_request_t *request, const char *name);
const char *e2b__host_query(const e2b__host_request_t *request, const char *name);

/* Gives the answer. Takes the response, NULL included: then the connection is closed. */
void e2b__host_answer(e2b__host_request_t *request, unsigned status, struct MHD_Response *response);
/* The same of a body that is copied. `type` NULL: no Content-Type. */
void e2b__host_answer_bytes(e2b__host_request_t *request, unsigned status, const char *type,
                            const char *data, size_t len);
/* {"code":status,"message":"..."} as control plane and daemon word their errors; the daemon puts a
 * newline behind it. */
void e2b__host_answer_error(e2b__host_request_t *request, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void e2b__host_answer_plain(e2b__host_request_t *request, unsigned status, const char *text);
struct MHD_Response *e2b__host_response(const char *type, const char *data, size_t len);

/* Ends the exchange at once; the client sees a reset. */
void e2b__host_request_reset(e2b__host_request_t *request);
/* Stops and goes on taking the body. */
void e2b__host_request_pause(e2b__host_request_t *request);
void e2b__host_request_resume(e2b__host_request_t *request);

/* An answer that is written bit by bit. */
typedef struct e2b__host_stream {
  e2b__host_request_t *request; /* NULL when there is none (any more) */
  e2b__buffer_t out;
  size_t sent; /* of `out` */
  bool ended;
  bool broken; /* ends without its end, once what waits was sent */
  void (*drained)(struct e2b__host_stream *stream); /* what waits fell below STREAM_LOW */
  bool above_low;
} e2b__host_stream_t;

/* Starts the answer. The stream must live until the request's `gone`. */
void e2b__host_stream_start(e2b__host_request_t *request, e2b__host_stream_t *stream,
                            const char *type, void (*drained)(e2b__host_stream_t *stream));
/* The same for an answer with other headers: its response, not given yet. `size` is what its
 * length is said to be, or MHD_SIZE_UNKNOWN. */
struct MHD_Response *e2b__host_stream_response(e2b__host_request_t *request,
                                               e2b__host_stream_t *stream, uint64_t size,
                                               void (*drained)(e2b__host_stream_t *stream));
/* Append to stream->out, then call this. */
void e2b__host_stream_flush(e2b__host_stream_t *stream);
void e2b__host_stream_end(e2b__host_stream_t *stream);
/* Ends it so that the client knows that something is missing. */
void e2b__host_stream_break(e2b__host_stream_t *stream);
static inline size_t e2b__host_stream_waiting(const e2b__host_stream_t *stream) {
  return stream->out.len - stream->sent;
}
void e2b__host_stream_free(e2b__host_stream_t *stream);

#endif
