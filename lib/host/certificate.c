/* SPDX-License-Identifier: MIT */
#include "host/certificate.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#if defined(MBEDTLS_USE_PSA_CRYPTO)
#include <psa/crypto.h>
#endif

#define AUTHORITY_NAME "CN=e2b-host local authority,O=libe2b"
#define SERVER_NAME    "CN=e2b-host,O=libe2b"

enum {
  DAY_S = 24 * 3600,
  CLOCK_SLACK_S = 3600, /* valid since: clocks that share a file need not agree to the second */
  SERIAL_SIZE = 16
};

/* The machine's own source is good enough as it is. */
static int chance(void *unused, unsigned char *out, size_t len) {
  (void)unused;
  while (len > 0) {
    ssize_t count = getrandom(out, len, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
    out += count;
    len -= (size_t)count;
  }
  return 0;
}

/* ---- what 2.28 and 3.x spell differently ---- */

static int get_ready(void) {
#if defined(MBEDTLS_USE_PSA_CRYPTO)
  if (psa_crypto_init() != PSA_SUCCESS) return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
#endif
  return 0;
}

static int parse_key(mbedtls_pk_context *key, const char *pem) {
  const unsigned char *text = (const unsigned char *)pem;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return mbedtls_pk_parse_key(key, text, strlen(pem) + 1, NULL, 0, chance, NULL);
#else
  return mbedtls_pk_parse_key(key, text, strlen(pem) + 1, NULL, 0);
#endif
}

static int check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return mbedtls_pk_check_pair(public_key, key, chance, NULL);
#else
  return mbedtls_pk_check_pair(public_key, key);
#endif
}

static int set_serial(mbedtls_x509write_cert *cert) {
  unsigned char serial[SERIAL_SIZE];
  int rc = chance(NULL, serial, sizeof serial);
  if (rc != 0) return rc;
  /* Positive, and of the same length always. */
  serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
  return mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof serial);
#else
  mbedtls_mpi number;
  mbedtls_mpi_init(&number);
  rc = mbedtls_mpi_read_binary(&number, serial, sizeof serial);
  if (rc == 0) rc = mbedtls_x509write_crt_set_serial(cert, &number);
  mbedtls_mpi_free(&number);
  return rc;
#endif
}

static int sign(mbedtls_pk_context *key, const unsigned char *hash, size_t len, unsigned char *out,
                size_t size, size_t *out_len) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, len, out, size, out_len, chance, NULL);
#else
  (void)size;
  return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, len, out, out_len, chance, NULL);
#endif
}

/* ---- making ---- */

int e2b__host_key_make(char *pem, size_t size) {
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  int rc = get_ready();
  if (rc == 0) rc = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (rc == 0) rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), chance, NULL);
  if (rc == 0) rc = mbedtls_pk_write_key_pem(&key, (unsigned char *)pem, size);
  mbedtls_pk_free(&key);
  return rc;
}

/* One of the names: bytes under a context-specific tag. Written backwards, as all of DER here. */
static int write_name(unsigned char **at, unsigned char *start, int tag, const void *name,
                      size_t len) {
  int rc = mbedtls_asn1_write_raw_buffer(at, start, name, len);
  if (rc < 0) return rc;
  int total = rc;
  rc = mbedtls_asn1_write_len(at, start, len);
  if (rc < 0) return rc;
  total += rc;
  rc = mbedtls_asn1_write_tag(at, start, (unsigned char)(MBEDTLS_ASN1_CONTEXT_SPECIFIC | tag));
  return rc < 0 ? rc : total + rc;
}

static int write_sequence(unsigned char **at, unsigned char *start, size_t len) {
  int rc = mbedtls_asn1_write_len(at, start, len);
  if (rc < 0) return rc;
  int rc_tag = mbedtls_asn1_write_tag(at, start, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
  return rc_tag < 0 ? rc_tag : rc + rc_tag;
}

/* Older versions have no call of their own for the names. */
static int set_names(mbedtls_x509write_cert *cert, const char *domain) {
  enum { TAG_DNS = 2, TAG_IP = 7 };
  static const unsigned char v4[4] = {127, 0, 0, 1};
  static const unsigned char v6[16] = {[15] = 1};
  unsigned char der[1024] = {0}, *at = der + sizeof der;
  char below[300] = "*.";
  if (strlen(domain) >= sizeof below - 2) return MBEDTLS_ERR_ASN1_BUF_TOO_SMALL;
  strcat(below, domain);
  const struct {
    int tag;
    const void *name;
    size_t len;
  } names[] = {{TAG_IP, v6, sizeof v6},
               {TAG_IP, v4, sizeof v4},
               {TAG_DNS, "localhost", 9},
               {TAG_DNS, below, strlen(below)},
               {TAG_DNS, domain, strlen(domain)}};
  size_t total = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    int rc = write_name(&at, der, names[i].tag, names[i].name, names[i].len);
    if (rc < 0) return rc;
    total += (size_t)rc;
  }
  int rc = write_sequence(&at, der, total);
  if (rc < 0) return rc;
  return mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                             MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, at,
                                             total + (size_t)rc);
}

static int set_purpose(mbedtls_x509write_cert *cert) {
  unsigned char der[32] = {0}, *at = der + sizeof der;
  int oid = mbedtls_asn1_write_oid(&at, der, MBEDTLS_OID_SERVER_AUTH,
                                   MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
  if (oid < 0) return oid;
  int rc = write_sequence(&at, der, (size_t)oid);
  if (rc < 0) return rc;
  return mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                             MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0,
                                             at, (size_t)(oid + rc));
}

static int set_validity(mbedtls_x509write_cert *cert, unsigned days) {
  char from[32], to[32];
  struct tm tm;
  time_t now = time(NULL), start = now - CLOCK_SLACK_S, end = now + (time_t)days * DAY_S;
  strftime(from, sizeof from, "%Y%m%d%H%M%S", gmtime_r(&start, &tm));
  strftime(to, sizeof to, "%Y%m%d%H%M%S", gmtime_r(&end, &tm));
  return mbedtls_x509write_crt_set_validity(cert, from, to);
}

/* What authority and server have in common. `domain` NULL: an authority. Strict clients want the
 * identifiers of both keys and a limit to what an authority's is for. */
static int fill(mbedtls_x509write_cert *cert, const char *domain, unsigned days) {
  bool authority = domain == NULL;
  int rc = set_serial(cert);
  mbedtls_x509write_crt_set_md_alg(cert, MBEDTLS_MD_SHA256);
  if (rc == 0)
    rc = mbedtls_x509write_crt_set_subject_name(cert, authority ? AUTHORITY_NAME : SERVER_NAME);
  if (rc == 0) rc = mbedtls_x509write_crt_set_issuer_name(cert, AUTHORITY_NAME);
  if (rc == 0) rc = set_validity(cert, days);
  if (rc == 0)
    rc = mbedtls_x509write_crt_set_basic_constraints(cert, authority, authority ? 0 : -1);
  if (rc == 0) rc = mbedtls_x509write_crt_set_subject_key_identifier(cert);
  if (rc == 0) rc = mbedtls_x509write_crt_set_authority_key_identifier(cert);
  if (rc == 0)
    rc = mbedtls_x509write_crt_set_key_usage(cert, authority ? MBEDTLS_X509_KU_KEY_CERT_SIGN |
                                                                   MBEDTLS_X509_KU_CRL_SIGN
                                                             : MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
  if (rc == 0 && !authority) rc = set_purpose(cert);
  if (rc == 0 && !authority) rc = set_names(cert, domain);
  return rc;
}

/* ---- the name of the signature's algorithm ----
 *
 * Until 3.4 mbedTLS writes ecdsa-with-SHA256 with a NULL beside it. RFC 5758 wants nothing there,
 * and rustls, which the Python SDK uses, insists. The name is part of what is signed, so the
 * certificate is put together and signed once more. */

static const unsigned char with_null[] = {0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                          0xce, 0x3d, 0x04, 0x03, 0x02, 0x05, 0x00};
static const unsigned char without_null[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                             0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

static int write_bytes(unsigned char **at, unsigned char *start, const unsigned char *bytes,
                       size_t len) {
  return mbedtls_asn1_write_raw_buffer(at, start, bytes, len);
}

/* Finds the part that is signed, and the name in it; `name` NULL when it is as it should be. */
static int find_name(unsigned char *der, size_t len, unsigned char **body, size_t *body_len,
                     unsigned char **name) {
  const int sequence = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
  unsigned char *at = der, *end = der + len;
  size_t outer;
  int rc = mbedtls_asn1_get_tag(&at, end, &outer, sequence);
  if (rc == 0) rc = mbedtls_asn1_get_tag(&at, end, body_len, sequence);
  if (rc != 0) return rc;
  *body = at;
  *name = memmem(at, *body_len, with_null, sizeof with_null);
  return 0;
}

/* The certificate ends at the end of `der`, as mbedTLS leaves it, and does so afterwards. */
static int mend(mbedtls_pk_context *issuer, unsigned char *der, size_t size, int *len) {
  unsigned char out[E2B__HOST_PEM_SIZE / 2], *at = out + sizeof out;
  unsigned char *body, *name, hash[32], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t body_len, signature_len = 0;
  int rc = find_name(der + size - *len, (size_t)*len, &body, &body_len, &name);
  if (rc != 0 || name == NULL) return rc;

  unsigned char *after = name + sizeof with_null;
  rc = write_bytes(&at, out, after, (size_t)(body + body_len - after));
  if (rc >= 0) rc = write_bytes(&at, out, without_null, sizeof without_null);
  if (rc >= 0) rc = write_bytes(&at, out, body, (size_t)(name - body));
  if (rc >= 0) rc = write_sequence(&at, out, (size_t)(out + sizeof out - at));
  if (rc < 0) return rc;
  size_t signed_len = (size_t)(out + sizeof out - at);
  rc = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), at, signed_len, hash);
  if (rc == 0) rc = sign(issuer, hash, sizeof hash, signature, sizeof signature, &signature_len);
  if (rc != 0) return rc;

  unsigned char *from = der + size;
  rc = mbedtls_asn1_write_bitstring(&from, der, signature, signature_len * 8);
  if (rc >= 0) rc = write_bytes(&from, der, without_null, sizeof without_null);
  if (rc >= 0) rc = write_bytes(&from, der, at, signed_len);
  if (rc >= 0) rc = write_sequence(&from, der, (size_t)(der + size - from));
  if (rc < 0) return rc;
  *len = (int)(der + size - from);
  return 0;
}

static int write_pem(mbedtls_x509write_cert *cert, mbedtls_pk_context *issuer, char *pem,
                     size_t size) {
  unsigned char der[E2B__HOST_PEM_SIZE / 2];
  size_t written;
  int len = mbedtls_x509write_crt_der(cert, der, sizeof der, chance, NULL);
  if (len < 0) return len;
  int rc = mend(issuer, der, sizeof der, &len);
  if (rc != 0) return rc;
  return mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n",
                                  der + sizeof der - len, (size_t)len, (unsigned char *)pem, size,
                                  &written);
}

/* ---- all of it ---- */

static int make(const char *key, const char *issuer_key, const char *domain, unsigned days,
                char *pem, size_t size) {
  mbedtls_pk_context subject, issuer;
  mbedtls_x509write_cert cert;
  mbedtls_pk_init(&subject);
  mbedtls_pk_init(&issuer);
  mbedtls_x509write_crt_init(&cert);
  int rc = get_ready();
  if (rc == 0) rc = parse_key(&subject, key);
  if (rc == 0) rc = parse_key(&issuer, issuer_key);
  mbedtls_x509write_crt_set_subject_key(&cert, &subject);
  mbedtls_x509write_crt_set_issuer_key(&cert, &issuer);
  if (rc == 0) rc = fill(&cert, domain, days);
  if (rc == 0) rc = write_pem(&cert, &issuer, pem, size);
  mbedtls_x509write_crt_free(&cert);
  mbedtls_pk_free(&issuer);
  mbedtls_pk_free(&subject);
  return rc;
}

int e2b__host_certificate_make_authority(const char *key, unsigned days, char *pem, size_t size) {
  return make(key, key, NULL, days, pem, size);
}

int e2b__host_certificate_make_server(const char *key, const char *authority_key,
                                      const char *domain, unsigned days, char *pem, size_t size) {
  return make(key, authority_key, domain, days, pem, size);
}

/* ---- judging ---- */

static int parse_certificate(mbedtls_x509_crt *cert, const char *pem) {
  int rc = mbedtls_x509_crt_parse(cert, (const unsigned char *)pem, strlen(pem) + 1);
  return rc == 0 ? 0 : -1;
}

static bool lasts(const mbedtls_x509_time *end, unsigned days) {
  struct tm tm;
  memset(&tm, 0, sizeof tm);
  tm.tm_year = end->year - 1900;
  tm.tm_mon = end->mon - 1;
  tm.tm_mday = end->day;
  tm.tm_hour = end->hour;
  tm.tm_min = end->min;
  tm.tm_sec = end->sec;
  return timegm(&tm) > time(NULL) + (time_t)days * DAY_S;
}

bool e2b__host_certificate_good(const char *pem, const char *key, const char *authority,
                                const char *name, unsigned days) {
  mbedtls_x509_crt cert, root;
  mbedtls_pk_context private_key;
  uint32_t flags = 0;
  mbedtls_x509_crt_init(&cert);
  mbedtls_x509_crt_init(&root);
  mbedtls_pk_init(&private_key);
  bool good = get_ready() == 0 && parse_certificate(&cert, pem) == 0 &&
              parse_certificate(&root, authority) == 0 && parse_key(&private_key, key) == 0 &&
              check_pair(&cert.pk, &private_key) == 0 && lasts(&cert.valid_to, days) &&
              mbedtls_x509_crt_verify(&cert, &root, NULL, name, &flags, NULL, NULL) == 0;
  mbedtls_pk_free(&private_key);
  mbedtls_x509_crt_free(&root);
  mbedtls_x509_crt_free(&cert);
  return good;
}
