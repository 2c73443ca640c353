/* SPDX-License-Identifier: MIT */
#include <mbedtls/asn1.h>
#include <stdio.h>

#include "net/dns.h"
#include "net/tls_internal.h"

/* Whether the server's certificate is one to believe, in words. mbedTLS walks the chain, and checks
 * names; addresses it does not (2.28), or not always. */

enum { IP_ADDRESS = 7 /* of GeneralName, RFC 5280 */ };

static bool names_address(const mbedtls_x509_crt *certificate, const char *host) {
  unsigned char address[16];
  size_t len = 4;
  if (uv_inet_pton(AF_INET, host, address) != 0) {
    len = 16;
    if (uv_inet_pton(AF_INET6, host, address) != 0) return false;
  }
  for (const mbedtls_x509_sequence *san = &certificate->subject_alt_names; san != NULL;
       san = san->next) {
    if ((san->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == IP_ADDRESS && san->buf.len == len &&
        memcmp(san->buf.p, address, len) == 0) {
      return true;
    }
  }
  return false;
}

int e2b__tls_verify(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
  e2b__tls_t *tls = ctx;
  if (depth != 0) return 0;
  tls->presented = true;
  tls->self_signed = certificate->issuer_raw.len == certificate->subject_raw.len &&
                     memcmp(certificate->issuer_raw.p, certificate->subject_raw.p,
                            certificate->subject_raw.len) == 0;
  if (e2b__dns_is_literal(tls->host) && !names_address(certificate, tls->host)) {
    *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  }
  return 0;
}

void e2b__tls_explain(e2b__tls_t *tls, char *why, size_t size) {
  static const struct {
    uint32_t flag;
    const char *text;
  } known[] = {{MBEDTLS_X509_BADCERT_EXPIRED, "it has expired"},
               {MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet"},
               {MBEDTLS_X509_BADCERT_REVOKED, "it has been revoked"}};
  uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
  size_t len = (size_t)snprintf(why, size, "the server's certificate is refused:");
  const char *between = " ";
  if (flags == UINT32_MAX) flags = 0; /* there is none */
  if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH && len < size) {
    len += (size_t)snprintf(why + len, size - len, "%sit is not for the host name %s", between,
                            tls->host);
    between = ", ";
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0] && len < size; i++) {
    if ((flags & known[i].flag) == 0) continue;
    len += (size_t)snprintf(why + len, size - len, "%s%s", between, known[i].text);
    between = ", ";
    flags &= ~known[i].flag;
  }
  if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED && len < size) {
    len += (size_t)snprintf(why + len, size - len, "%s%s", between,
                            tls->self_signed ? "it is self-signed and not among the trusted ones"
                                             : "its issuer is unknown");
    between = ", ";
  }
  flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_CN_MISMATCH | MBEDTLS_X509_BADCERT_NOT_TRUSTED);
  if (flags != 0 && len < size) {
    char rest[128] = "";
    mbedtls_x509_crt_verify_info(rest, sizeof rest, "", flags);
    rest[strcspn(rest, "\n")] = '\0';
    snprintf(why + len, size - len, "%s%s", between, rest);
  }
}
