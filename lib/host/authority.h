/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_AUTHORITY_H
#define E2B_LIB_HOST_AUTHORITY_H

#include "host/certificate.h"
#include "host/internal.h"

/* The machine's own certificate authority, kept in a directory so that clients have to be told to
 * trust it only once, and the server's certificate beside it. */

typedef struct e2b__host_credentials {
  char *ca_file;                        /* an absolute path */
  char certificate[E2B__HOST_PEM_SIZE]; /* of the server; maybe its key too */
  char key[E2B__HOST_PEM_SIZE];
} e2b__host_credentials_t;

/* Makes what is missing, unusable, near its end, or for another domain. `wanted` NULL: the user's
 * state directory. 0 or a code, with `why`. */
int e2b__host_authority_open(e2b_host_t *host, const char *wanted, const char *domain,
                             e2b__host_credentials_t *out, char *why, size_t why_size);

#endif
