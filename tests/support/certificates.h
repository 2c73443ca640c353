/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_CERTIFICATES_H
#define E2B_TESTS_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

/* Certificates of all kinds, good and bad, made by mbedTLS. All texts are PEM, to be freed. */

char *key_make(void);

typedef struct certificate {
  const char *name;   /* the CN: a host, or an authority's name */
  const char *from;   /* "20200101000000"; NULL: long ago */
  const char *until;  /* NULL: far away */
  const char *issuer; /* its name; NULL: signed by itself */
  const char *issuer_key;
} certificate;

char *certificate_make(const char *key, const certificate *wanted);

/* For a group of tests: an authority, and what it has made for "localhost". */
extern struct localhost_pem { char *authority_key, *authority, *key, *certificate; } localhost_pem;
int localhost_pem_make(void **state);
int localhost_pem_free(void **state);

/* What the host makes for "e2b.localhost", with names below it and addresses. False without host.
 */
bool certificate_of_host(const char *key, const char *authority_key, char **authority,
                         char **server);

#endif
