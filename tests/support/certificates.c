/* SPDX-License-Identifier: MIT */
#include "support/certificates.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"
#ifdef E2B_TEST_WITH_HOST
#include "host/certificate.h"
#endif

enum { PEM_SIZE = 8192 };

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_numbers;

static void prepare(void) {
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random_numbers);
  assert_int_equal(mbedtls_ctr_drbg_seed(&random_numbers, mbedtls_entropy_func, &entropy, NULL, 0),
                   0);
}

static void clean_up(void) {
  mbedtls_ctr_drbg_free(&random_numbers);
  mbedtls_entropy_free(&entropy);
}

char *key_make(void) {
  char *pem = calloc(1, PEM_SIZE);
  mbedtls_pk_context key;
  assert_non_null(pem);
  prepare();
  mbedtls_pk_init(&key);
  assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
  assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
                                       mbedtls_ctr_drbg_random, &random_numbers),
                   0);
  assert_int_equal(mbedtls_pk_write_key_pem(&key, (unsigned char *)pem, PEM_SIZE), 0);
  mbedtls_pk_free(&key);
  clean_up();
  return pem;
}

static void parse(mbedtls_pk_context *key, const char *pem) {
  mbedtls_pk_init(key);
#if MBEDTLS_VERSION_MAJOR < 3
  const int rc = mbedtls_pk_parse_key(key, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0);
#else
  const int rc = mbedtls_pk_parse_key(key, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0,
                                      mbedtls_ctr_drbg_random, &random_numbers);
#endif
  assert_int_equal(rc, 0);
}

static void set_serial(mbedtls_x509write_cert *cert) {
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
  unsigned char serial[] = {1};
  assert_int_equal(mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof serial), 0);
#else
  mbedtls_mpi serial;
  mbedtls_mpi_init(&serial);
  assert_int_equal(mbedtls_mpi_lset(&serial, 1), 0);
  assert_int_equal(mbedtls_x509write_crt_set_serial(cert, &serial), 0);
  mbedtls_mpi_free(&serial);
#endif
}

char *certificate_make(const char *key_pem, const certificate *wanted) {
  char *pem = calloc(1, PEM_SIZE);
  char subject[256], issuer[256];
  mbedtls_x509write_cert cert;
  mbedtls_pk_context key, issuer_key;
  assert_non_null(pem);
  prepare();
  parse(&key, key_pem);
  parse(&issuer_key, wanted->issuer_key != NULL ? wanted->issuer_key : key_pem);
  snprintf(subject, sizeof subject, "CN=%s", wanted->name);
  snprintf(issuer, sizeof issuer, "CN=%s", wanted->issuer != NULL ? wanted->issuer : wanted->name);
  mbedtls_x509write_crt_init(&cert);
  mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&cert, &key);
  mbedtls_x509write_crt_set_issuer_key(&cert, &issuer_key);
  assert_int_equal(mbedtls_x509write_crt_set_subject_name(&cert, subject), 0);
  assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&cert, issuer), 0);
  assert_int_equal(mbedtls_x509write_crt_set_validity(
                       &cert, wanted->from != NULL ? wanted->from : "20200101000000",
                       wanted->until != NULL ? wanted->until : "20991231235959"),
                   0);
  const bool authority = wanted->issuer == NULL;
  assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&cert, authority, -1), 0);
  set_serial(&cert);
  assert_int_equal(mbedtls_x509write_crt_pem(&cert, (unsigned char *)pem, PEM_SIZE,
                                             mbedtls_ctr_drbg_random, &random_numbers),
                   0);
  mbedtls_x509write_crt_free(&cert);
  mbedtls_pk_free(&key);
  mbedtls_pk_free(&issuer_key);
  clean_up();
  return pem;
}

struct localhost_pem localhost_pem;

int localhost_pem_make(void **state) {
  (void)state;
  localhost_pem.authority_key = key_make();
  localhost_pem.key = key_make();
  const certificate authority = {"Authority", NULL, NULL, NULL, NULL};
  const certificate server = {"localhost", NULL, NULL, "Authority", localhost_pem.authority_key};
  localhost_pem.authority = certificate_make(localhost_pem.authority_key, &authority);
  localhost_pem.certificate = certificate_make(localhost_pem.key, &server);
  return 0;
}

int localhost_pem_free(void **state) {
  (void)state;
  free(localhost_pem.authority_key);
  free(localhost_pem.authority);
  free(localhost_pem.key);
  free(localhost_pem.certificate);
  return 0;
}

bool certificate_of_host(const char *key, const char *authority_key, char **authority,
                         char **server) {
#ifdef E2B_TEST_WITH_HOST
  *authority = calloc(1, PEM_SIZE);
  *server = calloc(1, PEM_SIZE);
  assert_int_equal(e2b__host_certificate_make_authority(authority_key, 9, *authority, PEM_SIZE), 0);
  assert_int_equal(
      e2b__host_certificate_make_server(key, authority_key, "e2b.localhost", 9, *server, PEM_SIZE),
      0);
  return true;
#else
  (void)key;
  (void)authority_key;
  (void)authority;
  (void)server;
  return false;
#endif
}
