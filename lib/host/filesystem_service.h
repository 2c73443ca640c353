/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_FILESYSTEM_SERVICE_H
#define E2B_LIB_HOST_FILESYSTEM_SERVICE_H

#include "host/connect.h"

extern const e2b__host_method_t e2b__host_filesystem_methods[];

#endif
