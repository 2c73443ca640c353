/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FAULTS_H
#define E2B_TESTS_SUPPORT_FAULTS_H

#include "support/fault_server.h"
#include "support/harness.h"

/* What every test of a fault has: a harness, a scripted server, a client that knows no other, and
 * the handle of a sandbox which that server has "made". */

#define FAULTS_TOKEN      "tok_secret_4711"
#define FAULTS_SANDBOX_ID "i1234567890abcdef"
#define START             "POST /process.Process/Start"
#define SEND_INPUT        "POST /process.Process/SendInput"
#define HEALTH            "GET /health"
#define CREATE            "POST /sandboxes"

/* Test functions get one of these as their state, for both encodings. */
extern e2b_rpc_encoding_t faults_proto;
extern e2b_rpc_encoding_t faults_json;
#define IN_BOTH(test)                                    \
  {#test " (proto)", test, NULL, NULL, &faults_proto}, { \
#test " (json)", test, NULL, NULL, &faults_json      \
  }

typedef struct faults {
  harness_t h;
  fault_server_t *server;
  e2b_client_options options; /* may be changed until faults_client() */
  e2b_sandbox_t *sandbox;
  unsigned descriptors; /* open before all this */
} faults_t;

/* A loop and a server; `encoding` may be NULL. No retries unless the test asks for them. */
void faults_open(faults_t *f, const e2b_rpc_encoding_t *encoding);
void faults_client(faults_t *f);
/* A client and a sandbox. What it took is forgotten: no request, no rule. */
void faults_sandbox(faults_t *f);
/* All in one. */
void faults_ready(faults_t *f, const e2b_rpc_encoding_t *encoding);
/* Everything is closed; what is left, a descriptor for instance, fails the test. No secret may be
 * in the log. */
void faults_close(faults_t *f);

/* The answer to a create. */
void faults_made(fault_rule_t *rule);
/* Waits for the failure of the future, releases it after `look` has seen its error. */
int faults_code(faults_t *f, e2b_future_t *future);
/* The same, and a copy of what is plain in the error. */
typedef struct faults_error {
  int code;
  int http_status;
  e2b_clock_t clock;
  e2b_presence_t sandbox;
  int maybe_applied;
  unsigned attempts;
  uint64_t retry_after_ms;
  bool has_partial;
  char message[512];
  char detail[256];
  char connect_code[64];
  char server_code[64];
  char partial_out[256];
} faults_error_t;
faults_error_t faults_fails(faults_t *f, e2b_future_t *future);

/* Waits for success, releases. */
void faults_succeeds(faults_t *f, e2b_future_t *future);

/* --- streams ---------------------------------------------------------------------------------- */

typedef struct bytes {
  char *data;
  size_t len;
} bytes_t;

void bytes_add(bytes_t *b, const void *data, size_t len);
void bytes_free(bytes_t *b);
void put_envelope(bytes_t *b, int flags, const void *payload, size_t len);
void put_start(const faults_t *f, bytes_t *b, unsigned pid);
void put_out(const faults_t *f, bytes_t *b, const void *data, size_t len);
void put_err(const faults_t *f, bytes_t *b, const void *data, size_t len);
/* An exit code 0 to 63. */
void put_exit(const faults_t *f, bytes_t *b, unsigned code);
void put_keepalive(const faults_t *f, bytes_t *b);
/* An event that this version does not know. */
void put_unknown(const faults_t *f, bytes_t *b);
/* NULL: the good end. */
void put_end(bytes_t *b, const char *error_json);
/* start 7, "hello" on stdout, "oops" on stderr, exit 3, good end. */
void put_usual(const faults_t *f, bytes_t *b);

const char *faults_stream_type(const faults_t *f);
/* The whole answer as it is on the wire, in chunks of 20 bytes. */
void put_answer(const faults_t *f, bytes_t *b, const bytes_t *body);
/* A stream's answer with that body; ended by the last chunk, or left open. */
void faults_stream(const faults_t *f, fault_rule_t *rule, const bytes_t *body, bool ended);

/* `f->server` says whether the sandbox is there, when it is asked. */
void faults_alive(faults_t *f);
void faults_gone(faults_t *f);
#define FAULTS_GONE_BODY                                                                  \
  "{\"sandboxId\":\"" FAULTS_SANDBOX_ID "\",\"message\":\"The sandbox was not found\",\"" \
  "code\":502}"
#define FAULTS_PORT_BODY                                                                           \
  "{\"sandboxId\":\"" FAULTS_SANDBOX_ID "\",\"message\":\"The sandbox is running but port is not " \
  "open\",\"port\":49983,\"code\":502}"

#endif
