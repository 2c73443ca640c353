/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_H2_FAULTS_H
#define E2B_TESTS_SUPPORT_H2_FAULTS_H

#include "support/faults.h"
#include "support/h2_server.h"

/* What every test of a fault over HTTP/2 has. The control plane is the scripted server of HTTP/2 as
 * well, unless there is a sandbox: that one was made by the plain one. */

typedef struct h2_faults {
  faults_t f;
  h2_server_t *server;
} h2_faults_t;

/* A loop and both servers; then options may be changed. No retries unless the test asks for them.
 */
void h2_open(h2_faults_t *t);
void h2_client(h2_faults_t *t);
/* A client and a sandbox. */
void h2_sandbox(h2_faults_t *t);
void h2_close(h2_faults_t *t);

/* --- requests, many at a time ----------------------------------------------------------------- */

/* Answers of the control plane. */
#define LIST "GET /v2/sandboxes"
extern h2_answer_t h2_nothing; /* 204 */
extern h2_answer_t h2_listed;  /* no sandbox at all */
extern h2_answer_t h2_made;    /* the answer to a create */

/* Waits until the server has got so many requests in all, since it started. */
void h2_until_asked(h2_faults_t *t, unsigned count);
/* Waits until the client has read all that was sent on that connection. */
void h2_until_read(h2_faults_t *t, unsigned connection);

#endif
