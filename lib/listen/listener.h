/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_LISTEN_LISTENER_H
#define E2B_LIB_LISTEN_LISTENER_H

#include <stddef.h>
#include <sys/types.h>

/* The socket that a server of ours listens on; shared by the host and the web server. */

/* Listens on "ADDRESS:PORT": "127.0.0.1:3000", "[::1]:3000", "localhost:0" (any free port).
 * A descriptor, or E2B_EINVAL, E2B_ESYSTEM with `why`. `port_for_example` is for a refusal. */
int e2b__listener_open(const char *listen_on, unsigned port_for_example, char *why,
                       size_t why_size);
/* The URL to reach it by from this machine; NULL when out of memory. */
char *e2b__listener_url(int fd, const char *scheme);
/* 0 when it cannot be told. */
unsigned e2b__listener_port(int fd);

/* libmicrohttpd, given a socket to listen on, closes it in some of the ways in which it fails to
 * start, and in others it does not: closing it then, again or not, must not hit another descriptor
 * that has got its number. */
typedef struct e2b__listener_mark {
  int fd;
  dev_t device;
  ino_t number;
} e2b__listener_mark_t;
e2b__listener_mark_t e2b__listener_mark(int fd);
/* Closes it if it is still that socket. */
void e2b__listener_close(const e2b__listener_mark_t *mark);

#endif
