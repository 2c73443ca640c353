/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_CONNECT_ERROR_H
#define E2B_LIB_PROTO_CONNECT_ERROR_H

#include "base/arena.h"

/* What a server says when it fails: the body of an answer that is no success, and the last envelope
 * of a stream. Two families of JSON bodies are told apart by the type of `code`: a string is
 * Connect's, a whole number that of the control plane, the daemon's plain HTTP and the edge. */

/* Connect's codes; the numbers are gRPC's. */
typedef enum e2b__connect_code {
  E2B__CONNECT_NONE = 0,
  E2B__CONNECT_CANCELED = 1,
  E2B__CONNECT_UNKNOWN = 2,
  E2B__CONNECT_INVALID_ARGUMENT = 3,
  E2B__CONNECT_DEADLINE_EXCEEDED = 4,
  E2B__CONNECT_NOT_FOUND = 5,
  E2B__CONNECT_ALREADY_EXISTS = 6,
  E2B__CONNECT_PERMISSION_DENIED = 7,
  E2B__CONNECT_RESOURCE_EXHAUSTED = 8,
  E2B__CONNECT_FAILED_PRECONDITION = 9,
  E2B__CONNECT_ABORTED = 10,
  E2B__CONNECT_OUT_OF_RANGE = 11,
  E2B__CONNECT_UNIMPLEMENTED = 12,
  E2B__CONNECT_INTERNAL = 13,
  E2B__CONNECT_UNAVAILABLE = 14,
  E2B__CONNECT_DATA_LOSS = 15,
  E2B__CONNECT_UNAUTHENTICATED = 16
} e2b__connect_code_t;

/* "not_found"; "" for E2B__CONNECT_NONE and for what is no code. */
const char *e2b__connect_code_name(e2b__connect_code_t code);
/* E2B__CONNECT_UNKNOWN for a name that is none of them. */
e2b__connect_code_t e2b__connect_code_find(const char *name);
/* The HTTP status of a unary answer that carries the code: 200 for E2B__CONNECT_NONE. */
int e2b__connect_code_http(e2b__connect_code_t code);
/* The code for an answer that carries none, by its HTTP status: E2B__CONNECT_NONE for 2xx. Finer
 * than Connect's own table, which calls a 404 unimplemented and a 409 unknown. */
e2b__connect_code_t e2b__connect_code_of_http(int status);

typedef enum e2b__error_form {
  E2B__ERROR_NONE,    /* no error: a stream that ended well */
  E2B__ERROR_CONNECT, /* `code` is set */
  E2B__ERROR_REST,    /* `status` and what follows it are set, as far as the body has them */
  E2B__ERROR_TEXT     /* no JSON object, or none of a known shape: `message` is the body */
} e2b__error_form_t;

/* Strings are never NULL, live in the arena or are static, and end with a NUL. */
typedef struct e2b__connect_error {
  e2b__error_form_t form;
  e2b__connect_code_t code;
  const char *message;     /* the server's words; "" when it had none */
  int status;              /* the number in the body; 0 when it has none */
  const char *server_code; /* `error_code` of the control plane */
  const char *sandbox_id;  /* `sandboxId` of the edge */
  int port;                /* of the edge: present when the sandbox runs but nobody listens there */
} e2b__connect_error_t;

/* Takes apart the body of an answer that is no success, unary or not, whatever it is. Text that is
 * no JSON is cut to 500 bytes, its control characters become blanks. Returns 0 or E2B_ENOMEM. */
int e2b__connect_error_decode(const char *body, size_t len, e2b__arena_t *arena,
                              e2b__connect_error_t *error);
/* Takes apart the payload of an end-of-stream envelope: form is E2B__ERROR_NONE or
 * E2B__ERROR_CONNECT. Returns 0, E2B_ENOMEM, or E2B_EPROTOCOL when it is no JSON object. */
int e2b__connect_end_decode(const char *payload, size_t len, e2b__arena_t *arena,
                            e2b__connect_error_t *error);

#endif
