/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_TLS_INTERNAL_H
#define E2B_LIB_NET_TLS_INTERNAL_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "base/list.h"
#include "net/tls.h"

/* mbedTLS allocates with the C library's functions: its own switch for that is one of the whole
 * process, and the application may be using it too. */

enum { E2B__TLS_SESSIONS = 64 };

/* A session to resume. */
typedef struct e2b__tls_session {
  e2b__list_t node; /* the last used one is the last */
  char *host;
  uint16_t port;
  mbedtls_ssl_session session;
} e2b__tls_session_t;

struct e2b__tls_setup {
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_x509_crt authorities;
  mbedtls_x509_crt certificate; /* the client's */
  mbedtls_pk_context key;
  mbedtls_ssl_config config;
  e2b__list_t sessions;
  size_t sessions_count;
};

struct e2b__tls {
  e2b__tls_setup_t *setup;
  const e2b__tls_io_t *io;
  void *io_ctx;
  mbedtls_ssl_context ssl;
  char *host;
  uint16_t port;
  bool self_signed; /* the server's certificate */
  bool offered;     /* a session to resume */
  bool presented;   /* a certificate: it was not resumed */
  bool received;    /* anything, by the call under way */
  bool over;        /* nothing more will be read */
  int code;
  char *why;
};

/* tls_sessions.c */
/* Offers the last session with that host. */
void e2b__tls_offer_session(e2b__tls_t *tls, const char *host, uint16_t port);
void e2b__tls_keep_session(e2b__tls_t *tls, const char *host, uint16_t port);
void e2b__tls_forget_session(e2b__tls_setup_t *setup, const char *host, uint16_t port);
void e2b__tls_free_sessions(e2b__tls_setup_t *setup);

/* tls_verify.c */
/* For mbedtls_ssl_set_verify(); the context is the e2b__tls_t. */
int e2b__tls_verify(void *tls, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);
/* What is wrong with the server's certificate. */
void e2b__tls_explain(e2b__tls_t *tls, char *why, size_t size);

#endif
