/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_NGINX_H
#define E2B_TESTS_SUPPORT_NGINX_H

#include <stdbool.h>
#include <uv.h>

/* nginx as a process of the test, with a folder of its own, which is gone after it. */

typedef struct nginx nginx_t;

/* Says so when it is not. */
bool nginx_installed(void);
/* The folder alone, with no process yet. */
nginx_t *nginx_new(void);
const char *nginx_folder(const nginx_t *nginx);
/* A file in it. */
void nginx_file(const nginx_t *nginx, const char *name, const char *text);
/* Starts it; `http` is what its configuration has in the block of that name. It takes over the
 * listeners, on whose ports it is to listen: whoever connects before it is up waits. */
void nginx_start(nginx_t *nginx, uv_loop_t *loop, const char *http, const int *listeners,
                 unsigned listeners_count);
/* Ends it. For harness_at_stop(); the loop has to be turned once more after. */
void nginx_stop(void *nginx);

#endif
