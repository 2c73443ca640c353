/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_UPLOAD_H
#define E2B_LIB_HOST_UPLOAD_H

#include "host/request.h"
#include "proto/message.h"

/* POST /files while it goes on: what it stores and what went wrong. The first failure is kept; from
 * then on the functions do nothing. */

typedef struct e2b__host_stored {
  struct e2b__host_stored *next;
  const char *path;
  e2b__str_pair_t *metadata; /* what the file system kept */
  size_t metadata_count;
} e2b__host_stored_t;

typedef struct e2b__host_upload {
  e2b__host_request_t *request;
  bool as_root;
  int fd;             /* of the file that is being written, or -1 */
  bool device;        /* it is one */
  const char *target; /* its path */
  e2b__host_stored_t *first, **last;
  e2b__str_pair_t *metadata; /* that all files of the request get, sorted */
  size_t metadata_count;
  unsigned status; /* of the failure; 0: none */
  const char *error;
} e2b__host_upload_t;

void e2b__host_upload_init(e2b__host_upload_t *upload, e2b__host_request_t *request);
void e2b__host_upload_fail(e2b__host_upload_t *upload, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* upload_file.c: one file after another. `name` is a path as clients give it. */
void e2b__host_upload_open(e2b__host_upload_t *upload, const char *name);
void e2b__host_upload_write(e2b__host_upload_t *upload, const char *data, size_t len);
/* The file is complete. */
void e2b__host_upload_close(e2b__host_upload_t *upload);
/* The client is gone: what arrived stays. */
void e2b__host_upload_abandon(e2b__host_upload_t *upload);

/* upload_metadata.c: X-Metadata-* headers, and the attributes that they become. */
void e2b__host_upload_take_metadata(e2b__host_upload_t *upload);
void e2b__host_upload_write_metadata(e2b__host_upload_t *upload);

#endif
