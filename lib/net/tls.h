/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_TLS_H
#define E2B_LIB_NET_TLS_H

#include <sys/types.h>

#include "net/http.h"

/* The client's side of TLS (mbedTLS 2.28 and 3): bytes in, bytes out, no socket. */

typedef struct e2b__tls_setup e2b__tls_setup_t;
typedef struct e2b__tls e2b__tls_t;

/* Reads authorities, client certificate and key, and seeds the generator of random numbers: once
 * for all connections. 0, E2B_ENOMEM, or E2B_ETLS with `why`. */
int e2b__tls_setup_new(const e2b__http_options_t *options, e2b__tls_setup_t **setup, char *why,
                       size_t why_size);
void e2b__tls_setup_free(e2b__tls_setup_t *setup);

/* The ciphertext's way. */
typedef struct e2b__tls_io {
  /* Takes all of it, or answers an error. */
  int (*send)(void *ctx, const void *data, size_t len);
  /* Up to `size` bytes that have arrived; 0: none now; -1: the end. */
  ssize_t (*receive)(void *ctx, void *to, size_t size);
} e2b__tls_io_t;

/* A session with that host, resumed where an earlier one can be. NULL when out of memory. */
e2b__tls_t *e2b__tls_new(e2b__tls_setup_t *setup, const char *host, uint16_t port,
                         const e2b__tls_io_t *io, void *io_ctx);
void e2b__tls_free(e2b__tls_t *tls);
/* Goes on with the handshake. 0: it is through; 1: it waits for input; or a code. */
int e2b__tls_handshake(e2b__tls_t *tls);
/* As e2b__socket_read() does. */
ssize_t e2b__tls_read(e2b__tls_t *tls, void *to, size_t size);
/* 0 or a code. */
int e2b__tls_write(e2b__tls_t *tls, const void *data, size_t len);
/* Says that nothing follows. */
void e2b__tls_close_notify(e2b__tls_t *tls);
/* What was wrong: E2B_ETLS, E2B_ENOMEM, E2B_ECONNLOST; 0 after the peer's orderly end. `why` lives
 * as long as the session; "" when there is nothing to add. */
int e2b__tls_failure(const e2b__tls_t *tls, const char **why);
/* Nonzero when the handshake was short, with the keys of an earlier session. */
bool e2b__tls_resumed(const e2b__tls_t *tls);

#endif
