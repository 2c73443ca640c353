/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_PROGRAM_H
#define E2B_TESTS_SUPPORT_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include <uv.h>

#include "e2b/e2b.h"
#include "support/test.h"

/* The program e2b-host as users run it: a process of its own, which dies with the test. Whatever
 * processes it leaves behind become children of the test, so that waiting for children until there
 * are none proves that nothing is left. */

enum { PROGRAM_TEXT = 4096 };

typedef struct program {
  pid_t pid;
  int errors; /* a memory file: what it says on standard error */
  char url[128];
  char key[128];
} program_t;

/* The one that was built along, or the one that E2B_TEST_HOST_PROGRAM names. */
const char *program_path(void);
/* Starts it on a free port with more arguments, which end with NULL, and waits until it is ready.
 * False when it ended instead: then nobody waits for it any more. */
bool program_start(program_t *program, const char *const *args);
/* Sends the signal (0: none) and waits; what waitpid() says of it. */
int program_end(program_t *program, int signal_number);
/* Waits for whatever it left behind. How many processes that were. */
unsigned program_orphans(void);
/* What it said on standard error so far; PROGRAM_TEXT bytes at most. */
void program_errors(const program_t *program, char *text);
/* Runs it to its end, with these arguments alone; its exit status, or -1. `text` (PROGRAM_TEXT
 * bytes) is what it said on both outputs. `prepare` (may be NULL) is called in the child before; if
 * it does not answer 0 the status is 99. */
int program_run(const char *const *args, int (*prepare)(void *ctx), void *ctx, char *text);

/* All processes that descend from it, but for those of its gateway. */
unsigned program_descendants(const program_t *program);
/* How many it has open, and how many of them are sockets. */
void program_descriptors(const program_t *program, unsigned *all, unsigned *sockets);
size_t program_resident_kb(const program_t *program);

/* What leads a client to it. */
void program_client_options(const program_t *program, e2b_client_options *options);
/* NULL for want of memory. */
e2b_client_t *program_client(const program_t *program, uv_loop_t *loop);
/* Closes it (NULL: there is none), and turns the loop until nothing is on it. */
void program_client_close(e2b_client_t *client, uv_loop_t *loop);

#endif
