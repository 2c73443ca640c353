/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_CERTIFICATE_H
#define E2B_LIB_HOST_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* Keys and certificates, as PEM text; mbedTLS makes and judges them. */

/* Room for any of them, or for a key and its certificate in one text. */
enum { E2B__HOST_PEM_SIZE = 6144 };

/* A new key on the curve P-256. 0 or a code of mbedTLS (below zero), as of all here. */
int e2b__host_key_make(char *pem, size_t size);

/* The certificate of an authority, signed by itself. */
int e2b__host_certificate_make_authority(const char *key, unsigned days, char *pem, size_t size);
/* One for a server of that name and all names right below it, and for this machine as `localhost`
 * and by its loopback addresses. */
int e2b__host_certificate_make_server(const char *key, const char *authority_key,
                                      const char *domain, unsigned days, char *pem, size_t size);

/* Whether the certificate belongs to the key, was signed by the authority (its own certificate for
 * that itself), is valid now and in so many days, and is for `name` unless that is NULL. Texts that
 * are none of that are not good. */
bool e2b__host_certificate_good(const char *pem, const char *key, const char *authority,
                                const char *name, unsigned days);

#endif
