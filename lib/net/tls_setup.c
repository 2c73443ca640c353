/* SPDX-License-Identifier: MIT */
#include <mbedtls/error.h>
#include <stdio.h>
#include <unistd.h>

#include "net/tls_internal.h"
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

/* What mbedTLS says about a number of its own. */
static int complain(char *why, size_t size, int rc, const char *what, const char *file) {
  char text[96];
  mbedtls_strerror(rc, text, sizeof text);
  snprintf(why, size, "%s%s%s: %s", what, *file != '\0' ? " " : "", file, text);
  return rc == MBEDTLS_ERR_X509_ALLOC_FAILED || rc == MBEDTLS_ERR_PK_ALLOC_FAILED ? E2B_ENOMEM
                                                                                  : E2B_ETLS;
}

/* --- authorities ------------------------------------------------------------------------------ */

/* The places that the curl of this process was built with, so that both trust the same; then where
 * systems have them. */
static int load_system(mbedtls_x509_crt *authorities) {
  static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};
  const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
  const char *file = curl->age >= CURLVERSION_SEVENTH ? curl->cainfo : NULL;
  const char *folder = curl->age >= CURLVERSION_SEVENTH ? curl->capath : NULL;
  for (size_t i = 0; file == NULL && i < E2B__COUNT(usual); i++) {
    if (access(usual[i], R_OK) == 0) file = usual[i];
  }
  int rc = -1;
  if (file != NULL) rc = mbedtls_x509_crt_parse_file(authorities, file);
  if (rc < 0 && folder != NULL) rc = mbedtls_x509_crt_parse_path(authorities, folder);
  return rc;
}

/* A bundle may hold what this mbedTLS does not read: that authority is not trusted then. */
static int load_authorities(e2b__tls_setup_t *setup, const e2b__http_options_t *options, char *why,
                            size_t size) {
  int rc = 0;
  if (options->insecure) return 0;
  if (options->ca_blob != NULL) {
    const bool pem = strstr(options->ca_blob, "-----BEGIN") != NULL; /* a NUL follows it */
    rc = mbedtls_x509_crt_parse(&setup->authorities, options->ca_blob,
                                options->ca_blob_len + (pem ? 1 : 0));
    if (rc < 0) return complain(why, size, rc, "the authorities to trust cannot be read", "");
  }
  if (options->ca_file != NULL) {
    rc = mbedtls_x509_crt_parse_file(&setup->authorities, options->ca_file);
    if (rc < 0) {
      return complain(why, size, rc, "the authorities to trust cannot be read from",
                      options->ca_file);
    }
  }
  if (options->ca_blob == NULL && options->ca_file == NULL) rc = load_system(&setup->authorities);
  if (setup->authorities.raw.p != NULL) return 0;
  snprintf(why, size, "there are no authorities to trust: give the client a ca_file");
  return rc == MBEDTLS_ERR_X509_ALLOC_FAILED ? E2B_ENOMEM : E2B_ETLS;
}

static int load_certificate(e2b__tls_setup_t *setup, const e2b__http_options_t *options, char *why,
                            size_t size) {
  const char *file = options->client_cert_file;
  if (file == NULL) return 0;
  int rc = mbedtls_x509_crt_parse_file(&setup->certificate, file);
  if (rc != 0) return complain(why, size, rc, "the client's certificate cannot be read from", file);
  if (options->client_key_file != NULL) file = options->client_key_file;
#if MBEDTLS_VERSION_MAJOR < 3
  rc = mbedtls_pk_parse_keyfile(&setup->key, file, options->client_key_password);
#else
  rc = mbedtls_pk_parse_keyfile(&setup->key, file, options->client_key_password,
                                mbedtls_ctr_drbg_random, &setup->random);
#endif
  if (rc != 0) return complain(why, size, rc, "the client's key cannot be read from", file);
  rc = mbedtls_ssl_conf_own_cert(&setup->config, &setup->certificate, &setup->key);
  return rc == 0 ? 0 : complain(why, size, rc, "the client's certificate", "");
}

/* --- the whole -------------------------------------------------------------------------------- */

static int configure(e2b__tls_setup_t *setup, const e2b__http_options_t *options, char *why,
                     size_t size) {
  static const char personal[] = "libe2b";
  /* A WebSocket is opened by HTTP/1.1, whatever else the server speaks (protocol 1.8). */
  static const char *const protocols[] = {"http/1.1", NULL};
  mbedtls_ssl_config *config = &setup->config;
#if MBEDTLS_VERSION_MAJOR >= 3
  if (psa_crypto_init() != PSA_SUCCESS) {
    snprintf(why, size, "mbedTLS cannot start its cryptography");
    return E2B_ETLS;
  }
#endif
  int rc = mbedtls_ctr_drbg_seed(&setup->random, mbedtls_entropy_func, &setup->entropy,
                                 (const unsigned char *)personal, sizeof personal - 1);
  if (rc != 0) return complain(why, size, rc, "no random numbers", "");
  rc = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                   MBEDTLS_SSL_PRESET_DEFAULT);
  if (rc == 0) rc = mbedtls_ssl_conf_alpn_protocols(config, (const char **)(uintptr_t)protocols);
  if (rc != 0) return complain(why, size, rc, "TLS cannot be set up", "");
#if MBEDTLS_VERSION_MAJOR < 3
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#else
  mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
      config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
  mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &setup->random);
  mbedtls_ssl_conf_authmode(config, options->insecure ? MBEDTLS_SSL_VERIFY_NONE
                                                      : MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(config, &setup->authorities, NULL);
  return 0;
}

int e2b__tls_setup_new(const e2b__http_options_t *options, e2b__tls_setup_t **made, char *why,
                       size_t why_size) {
  e2b__tls_setup_t *setup = e2b__calloc(1, sizeof *setup);
  if (setup == NULL) {
    snprintf(why, why_size, "out of memory");
    return E2B_ENOMEM;
  }
  mbedtls_entropy_init(&setup->entropy);
  mbedtls_ctr_drbg_init(&setup->random);
  mbedtls_x509_crt_init(&setup->authorities);
  mbedtls_x509_crt_init(&setup->certificate);
  mbedtls_pk_init(&setup->key);
  mbedtls_ssl_config_init(&setup->config);
  e2b__list_init(&setup->sessions);
  int rc = configure(setup, options, why, why_size);
  if (rc == 0) rc = load_authorities(setup, options, why, why_size);
  if (rc == 0) rc = load_certificate(setup, options, why, why_size);
  if (rc == 0) {
    *made = setup;
  } else {
    e2b__tls_setup_free(setup);
  }
  return rc;
}

void e2b__tls_setup_free(e2b__tls_setup_t *setup) {
  if (setup == NULL) return;
  e2b__tls_free_sessions(setup);
  mbedtls_ssl_config_free(&setup->config);
  mbedtls_pk_free(&setup->key);
  mbedtls_x509_crt_free(&setup->certificate);
  mbedtls_x509_crt_free(&setup->authorities);
  mbedtls_ctr_drbg_free(&setup->random);
  mbedtls_entropy_free(&setup->entropy);
  e2b__free(setup);
}
