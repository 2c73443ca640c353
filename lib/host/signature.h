/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SIGNATURE_H
#define E2B_LIB_HOST_SIGNATURE_H

#include "host/sandbox.h"

/* Signed file URLs: the query carries a hash of what it asks for and the sandbox's token. */

enum { E2B__SIGNATURE_SIZE = 47 }; /* "v1_", 43 characters, NUL */

/* `user` and `expiration` as they stand in the query; `expiration` NULL: none. 0 or E2B_ENOMEM. */
int e2b__host_signature(const char *path, const char *operation, const char *user,
                        const char *token, const char *expiration,
                        char signature[E2B__SIGNATURE_SIZE]);

#endif
