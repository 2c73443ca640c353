/* SPDX-License-Identifier: MIT */
#include "net/tls.h"

#include <mbedtls/error.h>
#include <stdio.h>

#include "net/dns.h"
#include "net/tls_internal.h"

/* Numbers for mbedTLS that stand for our own failures; it hands them through. */
enum { SEND_CLOSED = -0x7e01, SEND_NO_MEMORY = -0x7e02 };

static int on_send(void *ctx, const unsigned char *data, size_t len) {
  e2b__tls_t *tls = ctx;
  const int rc = tls->io->send(tls->io_ctx, data, len);
  if (rc == 0) return (int)len;
  return rc == E2B_ENOMEM ? SEND_NO_MEMORY : SEND_CLOSED;
}

static int on_receive(void *ctx, unsigned char *to, size_t size) {
  e2b__tls_t *tls = ctx;
  const ssize_t got = tls->io->receive(tls->io_ctx, to, size);
  if (got == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  tls->received |= got > 0;
  return got > 0 ? (int)got : 0;
}

static bool out_of_memory(int rc) {
  /* The low half of a number is an inner module's. */
  const int outer = -(-rc & ~0x7f);
  return rc == SEND_NO_MEMORY || outer == MBEDTLS_ERR_SSL_ALLOC_FAILED ||
         outer == MBEDTLS_ERR_X509_ALLOC_FAILED || outer == MBEDTLS_ERR_PK_ALLOC_FAILED ||
         outer == MBEDTLS_ERR_MD_ALLOC_FAILED || outer == MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

/* The first failure stays. */
static int fail(e2b__tls_t *tls, int rc) {
  char why[256] = "";
  if (tls->over && tls->code != 0) return tls->code;
  tls->over = true;
  if (out_of_memory(rc)) {
    tls->code = E2B_ENOMEM;
  } else if (rc == MBEDTLS_ERR_SSL_CONN_EOF || rc == SEND_CLOSED || rc == 0) {
    tls->code = E2B_ECONNLOST;
  } else if (rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
    tls->code = E2B_ETLS;
    e2b__tls_explain(tls, why, sizeof why);
  } else if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    tls->code = E2B_ETLS;
    snprintf(why, sizeof why, "the server ended it with an alert");
  } else {
    tls->code = E2B_ETLS;
    mbedtls_strerror(rc, why, sizeof why);
  }
  tls->why = e2b__strdup(why);
  return tls->code;
}

e2b__tls_t *e2b__tls_new(e2b__tls_setup_t *setup, const char *host, uint16_t port,
                         const e2b__tls_io_t *io, void *io_ctx) {
  e2b__tls_t *tls = e2b__calloc(1, sizeof *tls);
  if (tls == NULL) return NULL;
  tls->setup = setup;
  tls->io = io;
  tls->io_ctx = io_ctx;
  tls->port = port;
  mbedtls_ssl_init(&tls->ssl);
  tls->host = e2b__strdup(host);
  /* An address is no server name (RFC 6066); tls_verify.c looks for it in the certificate. */
  const char *name = e2b__dns_is_literal(host) ? NULL : host;
  if (tls->host == NULL || mbedtls_ssl_setup(&tls->ssl, &setup->config) != 0 ||
      mbedtls_ssl_set_hostname(&tls->ssl, name) != 0) {
    e2b__tls_free(tls);
    return NULL;
  }
  mbedtls_ssl_set_verify(&tls->ssl, e2b__tls_verify, tls);
  mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_receive, NULL);
  e2b__tls_offer_session(tls, host, port);
  return tls;
}

void e2b__tls_free(e2b__tls_t *tls) {
  if (tls == NULL) return;
  mbedtls_ssl_free(&tls->ssl);
  e2b__free(tls->host);
  e2b__free(tls->why);
  e2b__free(tls);
}

int e2b__tls_handshake(e2b__tls_t *tls) {
  const int rc = mbedtls_ssl_handshake(&tls->ssl);
  if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE) return 1;
  if (rc != 0) {
    /* It may have been the session that the server did not like. */
    e2b__tls_forget_session(tls->setup, tls->host, tls->port);
    return fail(tls, rc);
  }
  e2b__tls_keep_session(tls, tls->host, tls->port);
  return 0;
}

ssize_t e2b__tls_read(e2b__tls_t *tls, void *to, size_t size) {
  while (!tls->over) {
    tls->received = false;
    const int rc = mbedtls_ssl_read(&tls->ssl, to, size);
    if (rc > 0) return rc;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE) {
      /* It says so also after a message that was no data, with data right behind. */
      if (tls->received) continue;
      return 0;
    }
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
    if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
      e2b__tls_keep_session(tls, tls->host, tls->port);
      continue;
    }
#endif
    if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
      tls->over = true;
    } else {
      fail(tls, rc);
    }
  }
  return -1;
}

int e2b__tls_write(e2b__tls_t *tls, const void *data, size_t len) {
  const unsigned char *at = data;
  while (len > 0) {
    const int rc = mbedtls_ssl_write(&tls->ssl, at, len);
    if (rc == SEND_CLOSED) return E2B_ECLOSED; /* reading tells why */
    if (rc <= 0) return fail(tls, rc) == E2B_ENOMEM ? E2B_ENOMEM : E2B_ECLOSED;
    at += rc;
    len -= (size_t)rc;
  }
  return 0;
}

void e2b__tls_close_notify(e2b__tls_t *tls) {
  mbedtls_ssl_close_notify(&tls->ssl); /* if it does not go, the end of the connection says it */
}

int e2b__tls_failure(const e2b__tls_t *tls, const char **why) {
  *why = tls->why != NULL ? tls->why : "";
  return tls->code;
}

bool e2b__tls_resumed(const e2b__tls_t *tls) {
  return tls->offered && !tls->presented;
}
