/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_MULTIPART_H
#define E2B_LIB_PROTO_MULTIPART_H

#include "base/buffer.h"

/* multipart/form-data, as the daemon's /files takes it: parts named "file" with a path as file
 * name. multipart_read.h takes such a body apart. */

/* Head of one part: boundary line, Content-Disposition (quotes, backslashes and line breaks of the
 * file name escaped), Content-Type, blank line. The part's bytes follow, then e2b__multipart_tail
 * or the next head. `first` is nonzero for the first part. */
int e2b__multipart_head(e2b__buffer_t *out, const char *boundary, const char *file_name, int first);
int e2b__multipart_tail(e2b__buffer_t *out, const char *boundary);

#endif
