/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_TLS_SERVER_H
#define E2B_TESTS_SUPPORT_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* A server's side of TLS, by mbedTLS, for servers of tests. Bytes in, bytes out; no socket. */

typedef struct tls_server tls_server_t; /* what all its connections share */
typedef struct tls_end tls_end_t;       /* one connection */

/* `protocols` for ALPN, NULL-terminated and valid as long as the server; NULL for none. Texts are
 * PEM. */
tls_server_t *tls_server_new(const char *certificate, const char *key, const char **protocols);
/* From now on clients must show a certificate of that authority. */
void tls_server_wants_certificate(tls_server_t *server, const char *authority);
void tls_server_free(tls_server_t *server); /* NULL is fine */

/* `send` gets what goes over the wire, `take` what the client has said. */
tls_end_t *tls_end_new(tls_server_t *server, void (*send)(void *ctx, const void *data, size_t len),
                       void (*take)(void *ctx, const char *data, size_t len), void *ctx);
/* What came over the wire. A handshake that fails is a part of some tests, and silent. */
void tls_end_feed(tls_end_t *end, const void *data, size_t len);
void tls_end_send(tls_end_t *end, const void *data, size_t len);
bool tls_end_is_up(const tls_end_t *end);
void tls_end_free(tls_end_t *end); /* NULL is fine */

#endif
