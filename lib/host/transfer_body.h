/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_TRANSFER_BODY_H
#define E2B_LIB_HOST_TRANSFER_BODY_H

#include <microhttpd.h>

#include "host/http_text.h"

/* Answers whose body comes out of an open file, piece by piece. All take the descriptor, also when
 * they fail, which is NULL. */

struct MHD_Response *e2b__host_body_range(int fd, uint64_t from, uint64_t len);
/* multipart/byteranges of a file of `size` bytes; has its Content-Type already. */
struct MHD_Response *e2b__host_body_ranges(int fd, const e2b__host_range_t *ranges, size_t count,
                                           uint64_t size, const char *type);
/* All that can be read, as gzip: works for files that do not know their size. */
struct MHD_Response *e2b__host_body_gzip(int fd);

#endif
