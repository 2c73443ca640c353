/* SPDX-License-Identifier: MIT */
#include "host/signature.h"

#include <mbedtls/md.h>

#include "base/buffer.h"
#include "proto/base64.h"

int e2b__host_signature(const char *path, const char *operation, const char *user,
                        const char *token, const char *expiration,
                        char signature[E2B__SIGNATURE_SIZE]) {
  e2b__buffer_t text = E2B__BUFFER_INIT(1 << 20);
  unsigned char digest[32];
  char encoded[44];
  int rc = e2b__buffer_printf(&text, "%s:%s:%s:%s", path, operation, user, token);
  if (rc == 0 && expiration != NULL) rc = e2b__buffer_printf(&text, ":%s", expiration);
  if (rc == 0 && mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                            (const unsigned char *)text.data, text.len, digest) != 0) {
    rc = E2B_ESYSTEM;
  }
  e2b__buffer_free(&text);
  if (rc != 0) return rc;
  e2b__base64_encode(digest, sizeof digest, encoded);
  memcpy(signature, "v1_", 3);
  memcpy(signature + 3, encoded, 43); /* without the padding */
  signature[46] = '\0';
  return 0;
}
