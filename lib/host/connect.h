/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_CONNECT_H
#define E2B_LIB_HOST_CONNECT_H

#include "host/request.h"
#include "host/sandbox.h"
#include "proto/envelope.h"
#include "proto/message.h"

/* The Connect protocol, server side: one call of a method of the daemon, in either encoding. */

typedef enum e2b__host_code {
  E2B__CODE_CANCELED,
  E2B__CODE_UNKNOWN,
  E2B__CODE_INVALID_ARGUMENT,
  E2B__CODE_DEADLINE_EXCEEDED,
  E2B__CODE_NOT_FOUND,
  E2B__CODE_ALREADY_EXISTS,
  E2B__CODE_PERMISSION_DENIED,
  E2B__CODE_RESOURCE_EXHAUSTED,
  E2B__CODE_FAILED_PRECONDITION,
  E2B__CODE_UNIMPLEMENTED,
  E2B__CODE_INTERNAL,
  E2B__CODE_UNAVAILABLE,
  E2B__CODE_UNAUTHENTICATED
} e2b__host_code_t;

typedef enum e2b__host_call_kind {
  E2B__CALL_UNARY,
  E2B__CALL_SERVER_STREAM,
  E2B__CALL_CLIENT_STREAM
} e2b__host_call_kind_t;

typedef struct e2b__host_call e2b__host_call_t;

typedef struct e2b__host_method {
  const char *path;
  e2b__host_call_kind_t kind;
  const e2b__message_t *input;
  /* Called with the message (for a client stream: with each one). */
  void (*call)(e2b__host_call_t *call, const void *message);
  /* A client stream has ended. */
  void (*end)(e2b__host_call_t *call);
} e2b__host_method_t;

struct e2b__host_call {
  e2b__host_request_t *request;
  const e2b__host_method_t *method;
  e2b__encoding_t encoding;
  bool as_root;       /* the acting user */
  int64_t timeout_ms; /* -1: none */
  int64_t keepalive_ms;
  bool inflate;  /* messages may come as gzip */
  bool compress; /* and answers go so, all of them */
  e2b__host_stream_t stream;
  bool stream_open;
  bool answered; /* or ended */
  e2b__envelope_decoder_t decoder;
  e2b__arena_t scratch;                 /* of the message; of a client stream: of the present one */
  void *state;                          /* the method's */
  void (*gone)(e2b__host_call_t *call); /* the client is: forget the call */
};

/* The handler of a method's path. */
const e2b__host_handler_t *e2b__host_connect_handler(const e2b__host_method_t *method);
const e2b__host_method_t *e2b__host_connect_method(const char *path);

/* One answer: of a unary call, or of a client stream. */
void e2b__host_call_reply(e2b__host_call_t *call, const e2b__message_t *type, const void *message);
void e2b__host_call_fail(e2b__host_call_t *call, e2b__host_code_t code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The answer of a unary call, apart from the call: a worker may write a long one. */
typedef struct e2b__host_reply {
  e2b__encoding_t encoding;
  bool compress;
  e2b__buffer_t body;
  int rc; /* E2B_EINVAL, E2B_ETOOBIG: it cannot be sent; another code: nor even said why */
} e2b__host_reply_t;
void e2b__host_reply_init(e2b__host_reply_t *reply, const e2b__host_call_t *call);
void e2b__host_reply_write(e2b__host_reply_t *reply, const e2b__message_t *type,
                           const void *message);
void e2b__host_call_answer(e2b__host_call_t *call, const e2b__message_t *type,
                           const e2b__host_reply_t *reply);
void e2b__host_reply_free(e2b__host_reply_t *reply);

/* A server stream: opens, sends, ends. Sending opens it too. */
void e2b__host_call_open(e2b__host_call_t *call, void (*drained)(e2b__host_stream_t *stream));
int e2b__host_call_send(e2b__host_call_t *call, const e2b__message_t *type, const void *message);
void e2b__host_call_end(e2b__host_call_t *call);

/* The acting user by the Authorization header: 0 and *as_root, or -1 and `name`, a text of the
 * request's arena that says who was meant. */
int e2b__host_acting_user(e2b__host_request_t *request, bool *as_root, const char **name);
/* Answers as the daemon does when that failed. */
void e2b__host_refuse_user(e2b__host_request_t *request, const char *name);

#endif
