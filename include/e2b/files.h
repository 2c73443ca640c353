/* SPDX-License-Identifier: MIT */
#ifndef E2B_FILES_H
#define E2B_FILES_H

#include "e2b/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Files of a sandbox. A path is absolute, or relative to the user's home ("~/x" too); protocol
 * sections 4 and 5.10 to 5.11. */

typedef enum e2b_file_type {
  E2B_FILE_OTHER = 0, /* a device, a socket, a pipe, a broken link */
  E2B_FILE_REGULAR = 1,
  E2B_FILE_DIRECTORY = 2
} e2b_file_type_t;

typedef struct e2b_file_info {
  const char *name;
  const char *path;
  e2b_file_type_t type; /* of a link's target */
  int64_t size;
  uint32_t mode;           /* nine permission bits */
  const char *permissions; /* "-rw-r--r--"; "" when the server does not say */
  const char *owner;
  const char *group;
  int64_t modified_ms;        /* since 1970 */
  const char *symlink_target; /* "" when it is no link */
  const e2b_pair_t *metadata;
  size_t metadata_count;
} e2b_file_info_t;

typedef struct e2b_file_list {
  const e2b_file_info_t *items;
  size_t count;
} e2b_file_list_t;

E2B_API const e2b_file_info_t *e2b_future_file_info(const e2b_future_t *future);
E2B_API const e2b_file_list_t *e2b_future_file_list(const e2b_future_t *future);
/* A file's content, with a NUL after it that is not counted. */
E2B_API const e2b_bytes_t *e2b_future_bytes(const e2b_future_t *future);

/* A running transfer, lent to its callbacks. */
typedef struct e2b_transfer e2b_transfer_t;
typedef void (*e2b_file_data_cb)(e2b_transfer_t *transfer, const char *data, size_t len,
                                 void *user_data);

typedef struct e2b_file_options {
  size_t size;
  const char *user; /* whose home, and who owns what is made; default: the template's */
  /* Of calls that move no content, and of content that is held in memory as a whole. Streams have
   * the client's clocks of the first event (reading) and of silence only. */
  uint64_t request_timeout_ms;
  size_t max_bytes;           /* e2b_files_read; default the client's max_response_bytes */
  const e2b_pair_t *metadata; /* e2b_files_write*: stored with the file */
  size_t metadata_count;
} e2b_file_options;

/* A file's whole content: e2b_future_bytes(). Safe to repeat. E2B_ENOTFOUND; E2B_EREQUEST for a
 * directory; E2B_ETOOBIG past `max_bytes`, which is 64 MiB unless said otherwise: what is larger
 * comes by e2b_files_read_stream(). */
E2B_API e2b_future_t *e2b_files_read(e2b_sandbox_t *sandbox, const char *path,
                                     const e2b_file_options *options);

/* The same in pieces, in constant memory, from the loop. The future is decided after the last
 * piece; e2b_future_transferred() is the size. Cancelling stops it. Not repeated by itself. */
E2B_API e2b_future_t *e2b_files_read_stream(e2b_sandbox_t *sandbox, const char *path,
                                            e2b_file_data_cb on_data, void *user_data,
                                            const e2b_file_options *options);
E2B_API uint64_t e2b_future_transferred(const e2b_future_t *future);
/* Inside or outside the callback, until the future is decided. */
E2B_API void e2b_transfer_pause(e2b_transfer_t *transfer);
E2B_API void e2b_transfer_resume(e2b_transfer_t *transfer);

/* Makes or replaces a file (0644, missing directories are made); the bytes are copied. Yields
 * e2b_future_file_info() with name, path and type. Not atomic in the sandbox: a reader there may
 * see a part. Not repeated by itself. E2B_ENOSPACE; E2B_EREQUEST for a directory. */
E2B_API e2b_future_t *e2b_files_write(e2b_sandbox_t *sandbox, const char *path, const void *data,
                                      size_t len, const e2b_file_options *options);

typedef struct e2b_file_content {
  const char *path;
  const void *data;
  size_t len;
} e2b_file_content_t;

/* Many files in one request. Yields e2b_future_file_list(), in the same order. A failure leaves the
 * files before the failing one in place. */
E2B_API e2b_future_t *e2b_files_write_many(e2b_sandbox_t *sandbox, const e2b_file_content_t *files,
                                           size_t count, const e2b_file_options *options);

/* A file written in pieces. The handle has a reference of its own, to be released. */
typedef struct e2b_upload e2b_upload_t;
typedef void (*e2b_upload_drain_cb)(e2b_upload_t *upload, void *user_data);

/* Begins a file. Yields e2b_future_file_info() after e2b_upload_end(). `on_drain` (may be NULL)
 * follows a piece that was refused, from the loop. Cancelling ends the request; what arrived stays
 * in the file. *upload is NULL when the result is, and may be when that has failed already; the
 * functions below take it, and answer E2B_ENOMEM. */
E2B_API e2b_future_t *e2b_files_write_stream(e2b_sandbox_t *sandbox, const char *path,
                                             e2b_upload_drain_cb on_drain, void *user_data,
                                             const e2b_file_options *options,
                                             e2b_upload_t **upload);
/* Copies a piece to the wire. 0: it was taken. E2B_EAGAIN: nothing of it was, and `on_drain`
 * follows; 256 KiB would be waiting with it, or, inside `on_drain`, there is as much as can be sent
 * at once, which saves a copy. A piece of any size is taken when nothing waits. E2B_ECLOSED after
 * the end, a failure or cancelling; E2B_ENOMEM. */
E2B_API int e2b_upload_write(e2b_upload_t *upload, const void *data, size_t len);
E2B_API int e2b_upload_end(e2b_upload_t *upload);
/* The last reference of an upload that was not ended cancels it. NULL is allowed. */
E2B_API void e2b_upload_release(e2b_upload_t *upload);

/* What is in a directory, `depth` levels deep (0 and 1: its children), by path. Yields
 * e2b_future_file_list(). Safe to repeat. */
E2B_API e2b_future_t *e2b_files_list(e2b_sandbox_t *sandbox, const char *path, uint32_t depth,
                                     const e2b_file_options *options);
/* One entry; a link is not followed, but see `type`. E2B_ENOTFOUND. Safe to repeat. */
E2B_API e2b_future_t *e2b_files_stat(e2b_sandbox_t *sandbox, const char *path,
                                     const e2b_file_options *options);
/* Yields e2b_future_bool(). Safe to repeat. */
E2B_API e2b_future_t *e2b_files_exists(e2b_sandbox_t *sandbox, const char *path,
                                       const e2b_file_options *options);
/* A directory and its parents. Yields e2b_future_bool(): 0 when it was there already. */
E2B_API e2b_future_t *e2b_files_mkdir(e2b_sandbox_t *sandbox, const char *path,
                                      const e2b_file_options *options);
/* Moves; replaces a file silently. Yields e2b_future_file_info(). E2B_ENOTFOUND. */
E2B_API e2b_future_t *e2b_files_rename(e2b_sandbox_t *sandbox, const char *from, const char *to,
                                       const e2b_file_options *options);
/* A file, or a directory with all that is in it. Succeeds when there is nothing. Safe to repeat. */
E2B_API e2b_future_t *e2b_files_remove(e2b_sandbox_t *sandbox, const char *path,
                                       const e2b_file_options *options);

#ifdef __cplusplus
}
#endif

#endif
