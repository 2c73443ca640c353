/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SERVER_H
#define E2B_LIB_HOST_SERVER_H

#include <sys/socket.h>

#include "host/door.h"
#include "host/request.h"

/* libmicrohttpd on the libuv loop: its epoll descriptor is polled, its clock is a uv_timer. */

/* Opens the listening socket and sets host->url. 0 or a code, with `why`. */
int e2b__host_server_start(e2b_host_t *host, char *why, size_t why_size);
/* No more connections are taken. */
void e2b__host_server_quiesce(e2b_host_t *host);
/* Resets what is open and ends the server. */
void e2b__host_server_stop(e2b_host_t *host);

/* router.c: picks request->handler (never NULL) once the headers are known. */
void e2b__host_route(e2b__host_request_t *request);

/* For request.c. */
void e2b__host_suspend(e2b__host_request_t *request);
void e2b__host_unsuspend(e2b__host_request_t *request);
/* Something happened that libmicrohttpd's descriptor does not tell. */
void e2b__host_server_wake(struct e2b__host_server *server);

/* For door.c: serves a connection that was made inside a sandbox. Takes `fd` and the peer. */
void e2b__host_server_admit(e2b_host_t *host, int fd, const struct sockaddr *address, socklen_t len,
                            e2b__host_peer_t *peer);
/* Whose connection it is; NULL: a client's from outside. */
e2b__host_peer_t *e2b__host_server_peer(const e2b__host_request_t *request);

#endif
