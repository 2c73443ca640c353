/* SPDX-License-Identifier: MIT */
#ifndef E2B_ERROR_H
#define E2B_ERROR_H

#include "e2b/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a code says about the failure, beside its name. */
enum {
  E2B_FLAG_INPUT = 1 << 0,        /* the call itself was wrong; repeating it cannot help */
  E2B_FLAG_AUTH = 1 << 1,         /* credentials missing, malformed or refused */
  E2B_FLAG_NOT_FOUND = 1 << 2,    /* the thing named does not exist */
  E2B_FLAG_TRANSIENT = 1 << 3,    /* the same call may succeed later */
  E2B_FLAG_MAYBE_APPLIED = 1 << 4 /* the server may have acted on the request */
};

/* Every way in which a call can fail: name, number, text, flags. Numbers never change. */
#define E2B_ERROR_MAP(X)                                                                   \
  X(ENOMEM, -1, "out of memory", 0)                                                        \
  X(EINVAL, -2, "invalid argument", E2B_FLAG_INPUT)                                        \
  X(ECANCELED, -3, "canceled by the caller", E2B_FLAG_MAYBE_APPLIED)                       \
  X(ECLOSED, -4, "closed", 0)                                                              \
  X(EREENTRANT, -5, "not allowed inside a callback", E2B_FLAG_INPUT)                       \
  X(EAGAIN, -6, "not now, try again", E2B_FLAG_TRANSIENT)                                  \
  X(EALREADY, -7, "already done", E2B_FLAG_INPUT)                                          \
  X(ETOOBIG, -8, "a size limit was reached", 0)                                            \
  X(ETIMEDOUT, -9, "timed out", E2B_FLAG_TRANSIENT | E2B_FLAG_MAYBE_APPLIED)               \
  X(ESYSTEM, -10, "an operating system call failed", 0)                                    \
  X(ENOKEY, -20, "Missing E2B API key", E2B_FLAG_INPUT | E2B_FLAG_AUTH)                    \
  X(EKEYFORMAT, -21, "Invalid E2B API key format", E2B_FLAG_INPUT | E2B_FLAG_AUTH)         \
  X(EAUTH, -22, "E2B authentication failed", E2B_FLAG_AUTH)                                \
  X(EFORBIDDEN, -23, "forbidden", E2B_FLAG_AUTH)                                           \
  X(EQUOTA, -24, "E2B quota exceeded", E2B_FLAG_TRANSIENT)                                 \
  X(ERATE, -25, "E2B quota exceeded (request rate)", E2B_FLAG_TRANSIENT)                   \
  X(EREQUEST, -30, "the server rejected the request", E2B_FLAG_INPUT)                      \
  X(ENOTFOUND, -31, "not found", E2B_FLAG_NOT_FOUND)                                       \
  X(ESANDBOXNOTFOUND, -32, "sandbox not found", E2B_FLAG_NOT_FOUND)                        \
  X(ESANDBOXGONE, -33, "the sandbox is gone", E2B_FLAG_NOT_FOUND | E2B_FLAG_MAYBE_APPLIED) \
  X(EEXISTS, -34, "already exists", 0)                                                     \
  X(ECONFLICT, -35, "conflict with the present state", E2B_FLAG_TRANSIENT)                 \
  X(ENOSPACE, -36, "no space left in the sandbox", 0)                                      \
  X(EPORTCLOSED, -37, "the sandbox runs but the port is not open", E2B_FLAG_TRANSIENT)     \
  X(EUNIMPLEMENTED, -38, "not supported by the server", 0)                                 \
  X(EUNAVAILABLE, -39, "service unavailable", E2B_FLAG_TRANSIENT)                          \
  X(ESERVER, -40, "the server failed", E2B_FLAG_MAYBE_APPLIED)                             \
  X(ELIMIT, -41, "a limit of the sandbox was reached", E2B_FLAG_TRANSIENT)                 \
  X(EDNS, -50, "host name could not be resolved", E2B_FLAG_TRANSIENT)                      \
  X(ECONNECT, -51, "could not connect", E2B_FLAG_TRANSIENT)                                \
  X(ETLS, -52, "TLS failure", 0)                                                           \
  X(ECONNLOST, -53, "connection lost", E2B_FLAG_TRANSIENT | E2B_FLAG_MAYBE_APPLIED)        \
  X(EPROTOCOL, -54, "the server's answer makes no sense", E2B_FLAG_MAYBE_APPLIED)          \
  X(ENORESULT, -60, "the process ended without a result", E2B_FLAG_MAYBE_APPLIED)          \
  X(ESYNTAX, -61, "Syntax error", E2B_FLAG_INPUT)                                          \
  X(ENOSTDIN, -62, "standard input is not open", E2B_FLAG_INPUT)

typedef enum e2b_code {
  E2B_OK = 0,
#define E2B__ENUM(name, number, text, flags) E2B_##name = (number),
  E2B_ERROR_MAP(E2B__ENUM)
#undef E2B__ENUM
} e2b_code_t;

/* Which clock ended the call, when the code is E2B_ETIMEDOUT. */
typedef enum e2b_clock {
  E2B_CLOCK_NONE = 0,
  E2B_CLOCK_CONNECT = 1,     /* name, TCP, TLS */
  E2B_CLOCK_FIRST_EVENT = 2, /* nothing of the answer came */
  E2B_CLOCK_REQUEST = 3,     /* the call as a whole, retries included */
  E2B_CLOCK_SILENCE = 4,     /* nothing on the wire for too long */
  E2B_CLOCK_LIFETIME = 5     /* the time the process was given in the sandbox */
} e2b_clock_t;

/* What is known about the sandbox that the failed call was for. */
typedef enum e2b_presence {
  E2B_PRESENCE_UNKNOWN = 0,
  E2B_PRESENCE_ALIVE = 1,
  E2B_PRESENCE_GONE = 2 /* ended, or paused: e2b_sandbox_get_info() tells which */
} e2b_presence_t;

struct e2b_execution;

/* Why a future failed. Lent by the future, valid until it is released. Strings are never NULL.
 * More fields may follow in later versions. */
typedef struct e2b_error {
  int code;                 /* an e2b_code_t, negative */
  const char *message;      /* for people: starts with the code's text or a more exact one */
  const char *operation;    /* what failed, e.g. "e2b_sandbox_create" */
  const char *detail;       /* the server's words or the program's stderr; "" when none */
  int http_status;          /* 0 when no answer came */
  const char *connect_code; /* e.g. "not_found"; "" when the answer carried none */
  const char *server_code;  /* `error_code` of the control plane; "" when none */
  uint64_t retry_after_ms;  /* what the server asked for; 0 when it did not */
  e2b_clock_t clock;
  e2b_presence_t sandbox;
  int maybe_applied;                   /* nonzero: the request may have taken effect */
  unsigned attempts;                   /* how often the request was sent */
  const struct e2b_execution *partial; /* output up to the failure; NULL when none */
} e2b_error_t;

/* Static text of a code; "unknown error" for a number that is none. */
E2B_API const char *e2b_code_text(int code);
/* The code's name, "E2B_ENOMEM"; "E2B_EUNKNOWN" for a number that is none. */
E2B_API const char *e2b_code_name(int code);
/* E2B_FLAG_* of a code. */
E2B_API unsigned e2b_code_flags(int code);

#ifdef __cplusplus
}
#endif

#endif
