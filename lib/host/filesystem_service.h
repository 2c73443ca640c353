/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_FILESYSTEM_SERVICE_H
#define E2B_LIB_HOST_FILESYSTEM_SERVICE_H

#include "host/connect.h"

/* The path that a call means, in its scratch arena; NULL: it is answered. */
char *e2b__host_call_path(e2b__host_call_t *call, e2b__str_t path);

extern const e2b__host_method_t e2b__host_filesystem_methods[];

#endif
