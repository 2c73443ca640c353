/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_LISTING_H
#define E2B_LIB_HOST_LISTING_H

#include "host/connect.h"

/* filesystem.Filesystem/ListDir. A tree may be large: a worker walks it, and writes the answer. */
void e2b__host_list_dir_call(e2b__host_call_t *call, const void *message);

#endif
