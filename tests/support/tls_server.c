/* SPDX-License-Identifier: MIT */
#include "support/tls_server.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* Plain memory: that of the library runs out in some tests. */
static void *zeroed(size_t size) {
  void *ptr = calloc(1, size);
  if (ptr == NULL) abort();
  return ptr;
}

struct tls_server {
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_x509_crt certificate, authority;
  mbedtls_pk_context key;
  mbedtls_ssl_config config;
  mbedtls_ssl_ticket_context tickets;
};

struct tls_end {
  mbedtls_ssl_context ssl;
  const char *in; /* of the piece that is being fed */
  size_t in_len;
  void (*send)(void *ctx, const void *data, size_t len);
  void (*take)(void *ctx, const char *data, size_t len);
  void *ctx;
};

static void parse_certificate(mbedtls_x509_crt *to, const char *pem) {
  assert_int_equal(mbedtls_x509_crt_parse(to, (const unsigned char *)pem, strlen(pem) + 1), 0);
}

tls_server_t *tls_server_new(const char *certificate, const char *key, const char **protocols) {
  tls_server_t *tls = zeroed(sizeof *tls);
  mbedtls_entropy_init(&tls->entropy);
  mbedtls_ctr_drbg_init(&tls->random);
  mbedtls_x509_crt_init(&tls->certificate);
  mbedtls_x509_crt_init(&tls->authority);
  mbedtls_pk_init(&tls->key);
  mbedtls_ssl_config_init(&tls->config);
  mbedtls_ssl_ticket_init(&tls->tickets);
  assert_int_equal(
      mbedtls_ctr_drbg_seed(&tls->random, mbedtls_entropy_func, &tls->entropy, NULL, 0), 0);
  parse_certificate(&tls->certificate, certificate);
#if MBEDTLS_VERSION_MAJOR < 3
  const int rc =
      mbedtls_pk_parse_key(&tls->key, (const unsigned char *)key, strlen(key) + 1, NULL, 0);
#else
  const int rc = mbedtls_pk_parse_key(&tls->key, (const unsigned char *)key, strlen(key) + 1, NULL,
                                      0, mbedtls_ctr_drbg_random, &tls->random);
#endif
  assert_int_equal(rc, 0);
  assert_int_equal(mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_SERVER,
                                               MBEDTLS_SSL_TRANSPORT_STREAM,
                                               MBEDTLS_SSL_PRESET_DEFAULT),
                   0);
  mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->random);
  assert_int_equal(mbedtls_ssl_ticket_setup(&tls->tickets, mbedtls_ctr_drbg_random, &tls->random,
                                            MBEDTLS_CIPHER_AES_256_GCM, 3600),
                   0);
  mbedtls_ssl_conf_session_tickets_cb(&tls->config, mbedtls_ssl_ticket_write,
                                      mbedtls_ssl_ticket_parse, &tls->tickets);
  assert_int_equal(mbedtls_ssl_conf_own_cert(&tls->config, &tls->certificate, &tls->key), 0);
  if (protocols != NULL) {
    assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&tls->config, protocols), 0);
  }
  return tls;
}

void tls_server_wants_certificate(tls_server_t *tls, const char *authority) {
  parse_certificate(&tls->authority, authority);
  mbedtls_ssl_conf_ca_chain(&tls->config, &tls->authority, NULL);
  mbedtls_ssl_conf_authmode(&tls->config, MBEDTLS_SSL_VERIFY_REQUIRED);
}

void tls_server_free(tls_server_t *tls) {
  if (tls == NULL) return;
  mbedtls_ssl_config_free(&tls->config);
  mbedtls_ssl_ticket_free(&tls->tickets);
  mbedtls_pk_free(&tls->key);
  mbedtls_x509_crt_free(&tls->certificate);
  mbedtls_x509_crt_free(&tls->authority);
  mbedtls_ctr_drbg_free(&tls->random);
  mbedtls_entropy_free(&tls->entropy);
  free(tls);
}

static int on_cipher_out(void *ctx, const unsigned char *data, size_t len) {
  tls_end_t *end = ctx;
  end->send(end->ctx, data, len);
  return (int)len;
}

static int on_cipher_in(void *ctx, unsigned char *to, size_t size) {
  tls_end_t *end = ctx;
  const size_t count = size < end->in_len ? size : end->in_len;
  if (count == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  memcpy(to, end->in, count);
  end->in += count;
  end->in_len -= count;
  return (int)count;
}

tls_end_t *tls_end_new(tls_server_t *server, void (*send)(void *ctx, const void *data, size_t len),
                       void (*take)(void *ctx, const char *data, size_t len), void *ctx) {
  tls_end_t *end = zeroed(sizeof *end);
  end->send = send;
  end->take = take;
  end->ctx = ctx;
  mbedtls_ssl_init(&end->ssl);
  assert_int_equal(mbedtls_ssl_setup(&end->ssl, &server->config), 0);
  mbedtls_ssl_set_bio(&end->ssl, end, on_cipher_out, on_cipher_in, NULL);
  return end;
}

void tls_end_feed(tls_end_t *end, const void *data, size_t len) {
  char plain[4096];
  int got;
  end->in = data;
  end->in_len = len;
  while ((got = mbedtls_ssl_read(&end->ssl, (unsigned char *)plain, sizeof plain)) > 0) {
    end->take(end->ctx, plain, (size_t)got);
  }
  end->in_len = 0; /* nothing is left, unless the client has given up */
}

void tls_end_send(tls_end_t *end, const void *data, size_t len) {
  const unsigned char *at = data;
  while (len > 0) {
    const int sent = mbedtls_ssl_write(&end->ssl, at, len);
    assert_true(sent > 0);
    at += sent;
    len -= (size_t)sent;
  }
}

bool tls_end_is_up(const tls_end_t *end) {
#if MBEDTLS_VERSION_MAJOR < 3
  return end->ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER;
#else
  return mbedtls_ssl_is_handshake_over((mbedtls_ssl_context *)(uintptr_t)&end->ssl) != 0;
#endif
}

void tls_end_free(tls_end_t *end) {
  if (end == NULL) return;
  mbedtls_ssl_free(&end->ssl);
  free(end);
}
